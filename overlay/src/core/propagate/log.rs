//! What one sender sent lately, encoded, and how far each member is that it is sent to.
//!
//! The log is the queue of all its readers at once: each has a place in it. A push needs room; a reader in its way is
//! waited for until it has not moved for [`PROPAGATE_STALL`], then the log goes on without it. What passes between two
//! looks counts as [`PROPAGATE_LOOK`] at most: a peer that stood still itself does not hold that against its readers.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use libp2p::PeerId;

use crate::limits::{PROPAGATE_HISTORY_PARCELS, PROPAGATE_LOOK, PROPAGATE_STALL};
use crate::protocol::propagate::Parcel;

/// The parcels of one sender, the oldest first.
#[derive(Debug)]
pub(crate) struct Log {
    kept: VecDeque<Kept>,
    bytes: usize,
    next: u64,
    readers: BTreeMap<PeerId, Reader>,
}

#[derive(Debug)]
struct Kept {
    first: u64,
    end: u64,
    frame: Bytes,
}

#[derive(Debug)]
struct Reader {
    next: u64,
    /// Since when it has something to take and has not.
    since: Instant,
    /// When it was last seen in the way, and for how long it has been waited for without that it moved.
    seen: Option<Instant>,
    waited: Duration,
    stalled: bool,
    /// Its link is gone, and may come back.
    away: bool,
}

impl Reader {
    fn at(now: Instant, next: u64) -> Self {
        Self { next, since: now, seen: None, waited: Duration::ZERO, stalled: false, away: false }
    }

    /// It has taken something, or there was nothing to take.
    fn moved(&mut self, now: Instant) {
        (self.since, self.seen, self.waited) = (now, None, Duration::ZERO);
    }

    /// It is in the way: when to look again at the latest, unless it has been there for too long.
    fn in_the_way(&mut self, now: Instant) -> Option<Instant> {
        let passed = now.saturating_duration_since(self.seen.unwrap_or(self.since));
        self.waited += passed.min(PROPAGATE_LOOK);
        self.seen = Some(now);
        let left = PROPAGATE_STALL.saturating_sub(self.waited);
        (!left.is_zero()).then(|| now + left.min(PROPAGATE_LOOK))
    }
}

impl Log {
    /// An empty log whose next piece has this number.
    pub(super) fn new(next: u64) -> Self {
        Self { kept: VecDeque::new(), bytes: 0, next, readers: BTreeMap::new() }
    }

    /// The number of the next piece.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Whether nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The number of the oldest piece that is kept.
    pub(super) fn oldest(&self) -> u64 {
        self.kept.front().map_or(self.next, |kept| kept.first)
    }

    /// Makes room for a frame, within `bytes_max`: how many readers were given up as stalled for it.
    ///
    /// # Errors
    /// When to try again, at the latest: a reader that still moves is in the way.
    pub(super) fn make_room(&mut self, now: Instant, len: usize, bytes_max: usize) -> Result<u64, Instant> {
        let needed = self.needed(len, bytes_max);
        let slow = self.readers.values_mut().filter(|reader| reader.next < needed && !reader.stalled);
        let looks: Vec<_> = slow.filter_map(|reader| reader.in_the_way(now)).collect();
        match looks.into_iter().min() {
            Some(until) => Err(until),
            None => Ok(self.force_room(len, bytes_max)),
        }
    }

    /// As [`make_room`](Self::make_room), waiting for nobody.
    pub(super) fn force_room(&mut self, len: usize, bytes_max: usize) -> u64 {
        let (needed, mut given_up) = (self.needed(len, bytes_max), 0);
        for reader in self.readers.values_mut().filter(|reader| reader.next < needed && !reader.stalled) {
            reader.stalled = true;
            given_up += 1;
        }
        while self.oldest() < needed {
            self.bytes -= self.kept.pop_front().map_or(0, |kept| kept.frame.len());
        }
        given_up
    }

    /// Up to where the log has to forget what is kept, for a frame to have room.
    fn needed(&self, len: usize, bytes_max: usize) -> u64 {
        let (mut bytes, mut count, mut needed) = (self.bytes + len, self.kept.len() + 1, 0);
        for kept in &self.kept {
            if bytes <= bytes_max && count <= PROPAGATE_HISTORY_PARCELS {
                break;
            }
            (bytes, count, needed) = (bytes - kept.frame.len(), count - 1, kept.end);
        }
        needed
    }

    /// Appends a parcel; what lies between the last one and it is a gap.
    pub(super) fn push(&mut self, now: Instant, (first, end): (u64, u64), frame: Bytes) {
        for reader in self.readers.values_mut().filter(|reader| reader.next >= self.next) {
            reader.moved(now);
        }
        self.bytes += frame.len();
        self.next = end;
        self.kept.push_back(Kept { first, end, frame });
    }

    /// From now on `peer` reads from `next` on, or from the oldest that is kept; never from beyond the end.
    pub(super) fn attach(&mut self, now: Instant, peer: PeerId, next: u64) {
        self.readers.insert(peer, Reader::at(now, next.min(self.next)));
    }

    /// The link to `peer` is gone: it is waited for as if it took nothing.
    pub(super) fn away(&mut self, now: Instant, peer: &PeerId) {
        if let Some(reader) = self.readers.get_mut(peer) {
            reader.moved(now);
            reader.away = true;
        }
    }

    /// From now on `peer` reads no more.
    pub(super) fn detach(&mut self, peer: &PeerId) {
        self.readers.remove(peer);
    }

    /// Whether `peer` reads this log.
    pub(super) fn is_read_by(&self, peer: &PeerId) -> bool {
        self.readers.contains_key(peer)
    }

    /// Whether all readers that are there and not stalled have taken everything.
    pub(super) fn is_taken(&self) -> bool {
        self.readers.values().all(|reader| reader.stalled || reader.away || reader.next >= self.next)
    }

    /// What is kept at a place of this parcel, if it is: whether it is the same, byte for byte.
    pub(super) fn compare(&self, parcel: &Parcel) -> Option<bool> {
        let at = self.kept.partition_point(|kept| kept.end <= parcel.first);
        let kept = self.kept.get(at).filter(|kept| kept.first < parcel.end())?;
        Some(kept.frame == parcel.frame)
    }

    /// Puts what `peer` has not taken yet into `frames`, until those have `bytes_max` bytes or more. How many pieces it
    /// was behind, when it had not moved for long, and whether it has taken all now.
    pub(super) fn take(
        &mut self,
        now: Instant,
        peer: &PeerId,
        frames: &mut Vec<Bytes>,
        bytes_max: usize,
    ) -> (Option<u64>, bool) {
        let Some(reader) = self.readers.get_mut(peer) else { return (None, true) };
        let late = reader.next < self.next && now.saturating_duration_since(reader.since) >= PROPAGATE_STALL;
        let lag = (late || reader.stalled).then(|| self.next.saturating_sub(reader.next));
        let mut bytes: usize = frames.iter().map(Bytes::len).sum();
        let at = self.kept.partition_point(|kept| kept.end <= reader.next);
        for kept in self.kept.range(at..) {
            if bytes >= bytes_max {
                break;
            }
            bytes += kept.frame.len();
            frames.push(kept.frame.clone());
            reader.next = kept.end;
        }
        reader.moved(now);
        reader.stalled = false;
        (lag, reader.next >= self.next)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
mod tests {
    use super::*;

    /// A log of one frame that `peer` has not taken, with room for one.
    fn full(now: Instant, peer: PeerId) -> Log {
        let mut log = Log::new(0);
        log.attach(now, peer, 0);
        log.push(now, (0, 1), Bytes::from_static(b"frame"));
        log
    }

    #[test]
    fn a_reader_that_does_not_move_is_given_up_after_its_time_and_is_told_how_far_it_is_behind() {
        let (start, peer) = (Instant::now(), PeerId::random());
        let (mut log, mut now) = (full(start, peer), start);
        while let Err(until) = log.make_room(now, 5, 5) {
            assert!(until > now, "it is waited for in vain");
            now = until;
        }
        assert_eq!(now.duration_since(start), PROPAGATE_STALL);
        log.push(now, (1, 2), Bytes::from_static(b"later"));
        let mut frames = Vec::new();
        assert_eq!(log.take(now, &peer, &mut frames, 100), (Some(2), true));
        assert_eq!(frames, [&b"later"[..]]);
    }

    #[test]
    fn who_stood_still_itself_gives_up_nobody_for_that() {
        let (start, peer) = (Instant::now(), PeerId::random());
        let (mut log, later) = (full(start, peer), start + 5 * PROPAGATE_STALL);
        assert!(log.make_room(start, 5, 5).is_err());
        assert_eq!(log.make_room(later, 5, 5), Err(later + PROPAGATE_LOOK));
        let mut frames = Vec::new();
        log.take(later, &peer, &mut frames, 100);
        assert_eq!((frames.len(), log.make_room(later, 5, 5)), (1, Ok(0)));
    }
}
