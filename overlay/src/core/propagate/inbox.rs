//! What came of one sender: in order, each once, pieces put together again; gaps are held open for a while.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use libp2p::PeerId;

use crate::limits::{PROPAGATE_HELD_BYTES, PROPAGATE_MESSAGE_BYTES_MAX, PROPAGATE_PARTIAL_BYTES};
use crate::protocol::propagate::{Item, Parcel};

/// What the application is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// A whole message.
    Message { from: PeerId, body: Bytes },
    /// This member is so many pieces behind; they come.
    Lagging { from: PeerId, behind: u64 },
    /// So many pieces don't come any more.
    Missed { from: PeerId, count: u64 },
}

/// What became of a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Fresh,
    Duplicate,
    /// Something before it is not there yet.
    Held,
    /// The same, and too much is held already: it must come again.
    NoRoom,
}

/// One sender's numbers since one start of it.
#[derive(Debug)]
pub(super) struct Inbox {
    from: PeerId,
    pub(super) epoch: u64,
    /// The number of the next piece to be delivered.
    pub(super) next: u64,
    /// Whether `next` is hearsay: nothing of this sender has come yet.
    hearsay: bool,
    held: BTreeMap<u64, Parcel>,
    held_bytes: usize,
    /// Since when something before the held is awaited.
    pub(super) gap_since: Option<Instant>,
    partial: Vec<Bytes>,
    partial_bytes: usize,
    /// Pieces of a message that can't be whole any more.
    skipped: u64,
}

impl Inbox {
    pub(super) fn new(from: PeerId, epoch: u64, next: u64, hearsay: bool) -> Self {
        Self {
            from,
            epoch,
            next,
            hearsay,
            held: BTreeMap::new(),
            held_bytes: 0,
            gap_since: None,
            partial: Vec::new(),
            partial_bytes: 0,
            skipped: 0,
        }
    }

    /// Takes a parcel in. `ready` gets what is complete, `passed` the parcels that are in order now; `partial_all` counts
    /// the bytes of unfinished messages of all senders.
    pub(super) fn take(
        &mut self,
        now: Instant,
        parcel: Parcel,
        partial_all: &mut usize,
        (ready, passed): (&mut Vec<Delivery>, &mut Vec<Parcel>),
    ) -> Taken {
        if self.hearsay {
            // Who told how far this sender is may have lied; it never makes this member miss anything.
            self.next = self.next.min(parcel.first);
            self.hearsay = false;
        }
        if parcel.end() <= self.next || self.held.contains_key(&parcel.first) {
            return Taken::Duplicate;
        }
        if parcel.first > self.next {
            self.gap_since.get_or_insert(now);
            if self.held_bytes >= PROPAGATE_HELD_BYTES {
                return Taken::NoRoom;
            }
            self.held_bytes += parcel.frame.len().max(1024);
            self.held.insert(parcel.first, parcel);
            return Taken::Held;
        }
        self.deliver(&parcel, partial_all, ready);
        passed.push(parcel);
        self.drain(partial_all, (ready, passed));
        Taken::Fresh
    }

    /// Whether a parcel like this is held, byte for byte, or another in its place.
    pub(super) fn compare(&self, parcel: &Parcel) -> Option<bool> {
        let held = self.held.range(..parcel.end()).next_back().map(|(_, held)| held);
        Some(held.filter(|held| held.end() > parcel.first)?.frame == parcel.frame)
    }

    /// Waits no more for what is missing before the first that is held.
    pub(super) fn give_up(
        &mut self,
        now: Instant,
        partial_all: &mut usize,
        (ready, passed): (&mut Vec<Delivery>, &mut Vec<Parcel>),
    ) {
        let Some(first) = self.held.keys().next().copied() else { return };
        self.skip(first, partial_all, ready);
        self.drain(partial_all, (ready, passed));
        if !self.held.is_empty() {
            self.gap_since = Some(now);
        }
    }

    /// What lies before `first` and is not there does not come any more.
    pub(super) fn lost_before(
        &mut self,
        now: Instant,
        first: u64,
        partial_all: &mut usize,
        (ready, passed): (&mut Vec<Delivery>, &mut Vec<Parcel>),
    ) {
        while self.held.keys().next().is_some_and(|held| *held < first) {
            self.give_up(now, partial_all, (ready, passed));
        }
        self.skip(first, partial_all, ready);
    }

    fn skip(&mut self, first: u64, partial_all: &mut usize, ready: &mut Vec<Delivery>) {
        let gap = first.saturating_sub(self.next);
        if gap == 0 {
            return;
        }
        let count = gap + self.partial.len() as u64 + std::mem::take(&mut self.skipped);
        self.forget_partial(partial_all);
        self.next = first;
        ready.push(Delivery::Missed { from: self.from, count });
    }

    /// Forgets what it holds, before it is dropped.
    pub(super) fn forget_partial(&mut self, partial_all: &mut usize) {
        *partial_all = partial_all.saturating_sub(self.partial_bytes);
        self.partial_bytes = 0;
        self.partial.clear();
    }

    /// Takes in the held that follow now.
    fn drain(&mut self, partial_all: &mut usize, (ready, passed): (&mut Vec<Delivery>, &mut Vec<Parcel>)) {
        while let Some(entry) = self.held.first_entry() {
            if *entry.key() > self.next {
                return;
            }
            let parcel = entry.remove();
            self.held_bytes = self.held_bytes.saturating_sub(parcel.frame.len().max(1024));
            if parcel.end() > self.next {
                self.deliver(&parcel, partial_all, ready);
                passed.push(parcel);
            }
        }
        self.gap_since = None;
    }

    fn deliver(&mut self, parcel: &Parcel, partial_all: &mut usize, ready: &mut Vec<Delivery>) {
        let known = usize::try_from(self.next - parcel.first).unwrap_or(usize::MAX);
        for item in parcel.items.iter().skip(known) {
            self.next += 1;
            self.put_together(item, partial_all, ready);
        }
    }

    fn put_together(&mut self, item: &Item, partial_all: &mut usize, ready: &mut Vec<Delivery>) {
        if item.begins {
            // A message that ends without its last piece is its sender's mistake.
            self.skipped += self.partial.len() as u64;
            self.forget_partial(partial_all);
            if self.skipped > 0 {
                ready.push(Delivery::Missed { from: self.from, count: std::mem::take(&mut self.skipped) });
            }
            if !item.more {
                return ready.push(Delivery::Message { from: self.from, body: item.body.clone() });
            }
        } else if self.partial.is_empty() {
            // The rest of a message whose begin is missing; it was counted when that was, or never owed.
            return;
        }
        let len = item.body.len();
        if self.partial_bytes + len > PROPAGATE_MESSAGE_BYTES_MAX
            || *partial_all + len > PROPAGATE_PARTIAL_BYTES
        {
            self.skipped += self.partial.len() as u64 + 1;
            self.forget_partial(partial_all);
            let count = std::mem::take(&mut self.skipped);
            return ready.push(Delivery::Missed { from: self.from, count });
        }
        self.partial.push(item.body.clone());
        self.partial_bytes += len;
        *partial_all += len;
        if !item.more {
            let mut body = BytesMut::with_capacity(self.partial_bytes);
            self.partial.iter().for_each(|piece| body.extend_from_slice(piece));
            self.forget_partial(partial_all);
            ready.push(Delivery::Message { from: self.from, body: body.freeze() });
        }
    }
}
