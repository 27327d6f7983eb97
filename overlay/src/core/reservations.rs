//! Reservations at relays, the client's side: ask, and ask again with back-off when one is lost.
//!
//! In: which relays are wanted, what became of each request, the passing of time. Out: requests to make and news for
//! the application. At most [`RELAYS_MAX`] relays. Pure: the caller supplies `now` and a random number.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use libp2p::PeerId;

use super::Deadlines;
use crate::error::RelayError;
use crate::limits::{RELAY_RETRY_MAX, RELAY_RETRY_MIN, RELAYS_MAX};

/// What is wanted done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReservationEffect {
    /// Ask this relay for a reservation.
    Reserve(PeerId),
    /// The first grant since none was held.
    Held(PeerId),
    /// A reservation was refused or is over.
    Lost(PeerId, RelayError),
}

/// One reservation per wanted relay.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    states: HashMap<PeerId, State>,
    due: Deadlines<PeerId>,
    effects: VecDeque<ReservationEffect>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be asked for when due; so many tries failed.
    Waiting(u32),
    /// Asked for; so many tries failed before.
    Asked(u32),
    Held,
}

impl Reservations {
    /// A reservation at `relay` is wanted from now on, and at once if a failed one waits for its next try. False when
    /// there are enough relays.
    pub(crate) fn want(&mut self, now: Instant, relay: PeerId) -> bool {
        if self.states.len() >= RELAYS_MAX && !self.states.contains_key(&relay) {
            return false;
        }
        if let State::Waiting(_) = self.states.entry(relay).or_insert(State::Waiting(0)) {
            self.due.set(relay, now);
        }
        true
    }

    /// Lets time pass: tries that are due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(relay) = self.due.pop_due(now) {
            let Some(state) = self.states.get_mut(&relay) else { continue };
            if let State::Waiting(failures) = *state {
                *state = State::Asked(failures);
                self.effects.push_back(ReservationEffect::Reserve(relay));
            }
        }
    }

    /// `relay` granted or renewed it.
    pub(crate) fn granted(&mut self, relay: PeerId) {
        let Some(state) = self.states.get_mut(&relay) else { return };
        if std::mem::replace(state, State::Held) != State::Held {
            self.effects.push_back(ReservationEffect::Held(relay));
        }
    }

    /// It was refused or ended; the next try comes after a back-off with jitter.
    pub(crate) fn lost(&mut self, now: Instant, relay: PeerId, error: RelayError, jitter: u32) {
        let Some(state) = self.states.get_mut(&relay) else { return };
        let failures = match *state {
            State::Waiting(failures) | State::Asked(failures) => failures,
            State::Held => 0,
        };
        *state = State::Waiting(failures.saturating_add(1));
        let wait = (RELAY_RETRY_MIN * 2u32.saturating_pow(failures.min(16))).min(RELAY_RETRY_MAX);
        self.due.set(relay, now + wait / 2 + wait / 2 * (jitter % 1024) / 1024);
        self.effects.push_back(ReservationEffect::Lost(relay, error));
    }

    /// `relay` is wanted no more, unless it holds: then it is kept as long as it lasts.
    pub(crate) fn give_up(&mut self, relay: &PeerId) {
        if matches!(self.states.get(relay), Some(State::Waiting(_))) {
            self.states.remove(relay);
            self.due.remove(relay);
        }
    }

    /// Reservations that are held.
    pub(crate) fn held(&self) -> u64 {
        self.states.values().filter(|state| **state == State::Held).count() as u64
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due.next()
    }

    /// The next thing to do.
    pub(crate) fn poll_effect(&mut self) -> Option<ReservationEffect> {
        self.effects.pop_front()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
mod tests {
    use super::*;

    fn effects(reservations: &mut Reservations) -> Vec<ReservationEffect> {
        std::iter::from_fn(|| reservations.poll_effect()).collect()
    }

    #[test]
    fn a_lost_reservation_is_asked_for_again_within_the_longest_wait() {
        let (mut reservations, relay, mut now) = (Reservations::default(), PeerId::random(), Instant::now());
        assert!(reservations.want(now, relay));
        for _ in 0..40 {
            reservations.handle_timeout(now);
            assert_eq!(effects(&mut reservations), [ReservationEffect::Reserve(relay)]);
            reservations.lost(now, relay, RelayError::Gone, 1023);
            assert_eq!(effects(&mut reservations), [ReservationEffect::Lost(relay, RelayError::Gone)]);
            let next = reservations.poll_timeout().unwrap();
            assert!(next > now && next - now <= RELAY_RETRY_MAX);
            now = next;
        }
        reservations.handle_timeout(now);
        reservations.granted(relay);
        reservations.granted(relay);
        let told = [ReservationEffect::Reserve(relay), ReservationEffect::Held(relay)];
        assert_eq!((effects(&mut reservations), reservations.held()), (told.to_vec(), 1));
        reservations.lost(now, relay, RelayError::Gone, 0);
        assert!(reservations.poll_timeout().unwrap() - now <= RELAY_RETRY_MIN);
    }

    #[test]
    fn a_relay_that_is_back_is_asked_at_once_and_never_twice() {
        let (mut reservations, relay, now) = (Reservations::default(), PeerId::random(), Instant::now());
        reservations.want(now, relay);
        reservations.handle_timeout(now);
        reservations.lost(now, relay, RelayError::Full, 0);
        effects(&mut reservations);
        reservations.want(now, relay);
        reservations.handle_timeout(now);
        reservations.want(now, relay);
        reservations.handle_timeout(now);
        assert_eq!(effects(&mut reservations), [ReservationEffect::Reserve(relay)]);
    }

    #[test]
    fn one_relay_too_many_is_left_out() {
        let (mut reservations, now) = (Reservations::default(), Instant::now());
        let relays: Vec<_> = (0..RELAYS_MAX).map(|_| PeerId::random()).collect();
        assert!(relays.iter().all(|relay| reservations.want(now, *relay)));
        assert!(!reservations.want(now, PeerId::random()));
        reservations.give_up(&relays[0]);
        assert!(reservations.want(now, PeerId::random()));
    }
}
