//! How many attempts of each peer are written down one by one: whoever asks in vain without end pushes out neither the lines of
//! others nor its own.
//!
//! In: who attempted something, with the time. Out: whether to write a line, and how many of whom went without one. At most
//! `ATTEMPTS_PEERS_MAX` peers are told apart within a period; all others are counted together.

use std::collections::HashMap;
use std::time::Instant;

use overlay::PeerId;

use super::{Denials, Noted};
use crate::limits::ATTEMPTS_PEERS_MAX;

/// The attempts of one kind at one agent.
#[derive(Debug, Default)]
pub struct Attempts {
    /// By who made them; none for those who are not told apart.
    by: HashMap<Option<PeerId>, Denials>,
}

impl Attempts {
    /// Takes in an attempt of `peer` at `now`, and says as whose it counts: none is for who is not worth telling apart, since
    /// it can have as many ids as it likes.
    pub fn note(&mut self, now: Instant, peer: Option<PeerId>) -> (Option<PeerId>, Noted) {
        let room = self.by.len() < ATTEMPTS_PEERS_MAX || self.by.contains_key(&peer);
        let peer = peer.filter(|_| room);
        (peer, self.by.entry(peer).or_default().deny(now))
    }

    /// What was left out of the periods that are over at `now`, or, for the end, of all: so many attempts of each.
    pub fn take(&mut self, now: Instant, last: bool) -> Vec<(Option<PeerId>, u64)> {
        let over = |denials: &Denials| last || denials.poll_timeout().is_some_and(|end| now >= end);
        let over = self.by.extract_if(|_, denials| over(denials));
        over.filter_map(|(peer, mut denials)| Some((peer, denials.take()?))).collect()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
mod tests {
    use super::*;
    use crate::limits::{DENIALS_NOTED, DENIALS_PERIOD};

    fn lines(attempts: &mut Attempts, now: Instant, peer: Option<PeerId>, count: u32) -> u32 {
        let noted = (0..count).filter(|_| attempts.note(now, peer).1 != Noted::LeftOut);
        u32::try_from(noted.count()).unwrap()
    }

    #[test]
    fn a_flood_of_one_peer_is_summed_up_under_its_name_and_hides_nobody_else() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        let (loud, quiet) = (PeerId::random(), PeerId::random());
        assert_eq!(lines(&mut attempts, now, Some(loud), DENIALS_NOTED + 500), DENIALS_NOTED);
        assert_eq!(lines(&mut attempts, now, Some(quiet), 3), 3);
        assert_eq!(lines(&mut attempts, now, None, 1), 1);
        assert!(attempts.take(now, false).is_empty());
        assert_eq!(attempts.take(now + DENIALS_PERIOD, false), [(Some(loud), 500)]);
        assert!(attempts.by.is_empty());
        assert_eq!(lines(&mut attempts, now, None, DENIALS_NOTED + 1), DENIALS_NOTED);
        assert_eq!(attempts.take(now, true), [(None, 1)]);
    }

    #[test]
    fn as_many_peers_as_like_to_are_a_bounded_number_of_lines() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        let peers = ATTEMPTS_PEERS_MAX * 3;
        let noted: u32 = (0..peers).map(|_| lines(&mut attempts, now, Some(PeerId::random()), 1)).sum();
        assert_eq!(attempts.by.len(), ATTEMPTS_PEERS_MAX + 1);
        assert_eq!(noted as usize, ATTEMPTS_PEERS_MAX + DENIALS_NOTED as usize);
        let left_out = (peers - noted as usize) as u64;
        assert_eq!(attempts.take(now, true), [(None, left_out)]);
    }
}
