//! What one sender sent lately, encoded, and how far each member is that it is sent to.
//!
//! The log is the queue of all its readers at once: each has a place in it. A push needs room; a reader in its way is
//! waited for until it has not moved for [`PROPAGATE_STALL`], then the log goes on without it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use libp2p::PeerId;

use crate::limits::{PROPAGATE_HISTORY_PARCELS, PROPAGATE_STALL};
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
    stalled: bool,
    /// Its link is gone, and may come back.
    away: bool,
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

    /// The number of the oldest piece that is kept.
    pub(super) fn oldest(&self) -> u64 {
        self.kept.front().map_or(self.next, |kept| kept.first)
    }

    /// Makes room for a frame, within `bytes_max`: how many readers were given up as stalled for it.
    ///
    /// # Errors
    /// When to try again, at the latest: a reader that still moves is in the way.
    pub(super) fn make_room(&mut self, now: Instant, len: usize, bytes_max: usize) -> Result<u64, Instant> {
        let (mut bytes, mut count, mut needed) = (self.bytes + len, self.kept.len() + 1, 0);
        for kept in &self.kept {
            if bytes <= bytes_max && count <= PROPAGATE_HISTORY_PARCELS {
                break;
            }
            (bytes, count, needed) = (bytes - kept.frame.len(), count - 1, kept.end);
        }
        let in_the_way = |reader: &&mut Reader| reader.next < needed && !reader.stalled;
        let slow = self.readers.values_mut().filter(in_the_way);
        let waits = slow.map(|reader| reader.since + PROPAGATE_STALL).filter(|until| *until > now).min();
        if let Some(until) = waits {
            return Err(until);
        }
        let mut given_up = 0;
        for reader in self.readers.values_mut().filter(in_the_way) {
            reader.stalled = true;
            given_up += 1;
        }
        while self.oldest() < needed {
            self.bytes -= self.kept.pop_front().map_or(0, |kept| kept.frame.len());
        }
        Ok(given_up)
    }

    /// Appends a parcel; what lies between the last one and it is a gap.
    pub(super) fn push(&mut self, now: Instant, (first, end): (u64, u64), frame: Bytes) {
        for reader in self.readers.values_mut().filter(|reader| reader.next >= self.next) {
            reader.since = now;
        }
        self.bytes += frame.len();
        self.next = end;
        self.kept.push_back(Kept { first, end, frame });
    }

    /// From now on `peer` reads from `next` on, or from the oldest that is kept; never from beyond the end.
    pub(super) fn attach(&mut self, now: Instant, peer: PeerId, next: u64) {
        let reader = Reader { next: next.min(self.next), since: now, stalled: false, away: false };
        self.readers.insert(peer, reader);
    }

    /// The link to `peer` is gone: it is waited for as if it took nothing.
    pub(super) fn away(&mut self, now: Instant, peer: &PeerId) {
        if let Some(reader) = self.readers.get_mut(peer) {
            (reader.since, reader.away) = (now, true);
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
        (reader.since, reader.stalled) = (now, false);
        (lag, reader.next >= self.next)
    }
}
