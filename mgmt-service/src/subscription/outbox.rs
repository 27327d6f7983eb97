//! The agent's end of a subscription: records become numbered batches that are kept until they are acknowledged.
//!
//! In: records, acknowledgements, pipes that come and break, the passing of time. Out: messages to send.
//! At most `BATCHES_IN_FLIGHT_MAX` batches are kept, and no more bytes of them go out than the manager has granted. While
//! a batch waits to go out, the open one grows until it is full, however old it is; then `wants_record` is false and
//! records stay in the consumer's own bounded queue. With a spool, closed batches go there first
//! ([`Outbox::poll_closed`]) and come back when there is room ([`Outbox::keep`]).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::arm::ArmRecord;
use crate::error::AckError;
use crate::limits::{BATCH_AGE_MAX, BATCHES_IN_FLIGHT_MAX};
use crate::protocol::{BatchBuilder, DictionaryWriter, FromAgent, SealedBatch, Terms};

/// What a subscription has yet to send, and what it may have to send again.
#[derive(Debug)]
pub struct Outbox {
    boot: u64,
    /// The number of the last closed batch.
    last_seq: u64,
    /// The number of the last batch that came into `kept` or needs not to.
    queued: u64,
    open: BatchBuilder,
    /// How long a record may wait in the open batch.
    age_max: Duration,
    /// Whether closed batches pass through a spool.
    spooled: bool,
    /// When the first record came into the open batch.
    opened_at: Option<Instant>,
    /// Closed and not acknowledged, in the order of their numbers.
    kept: VecDeque<SealedBatch>,
    /// How many of `kept` went out on the present pipe.
    sent: usize,
    /// Peers that the present pipe has named.
    dictionary: DictionaryWriter,
    /// The message of the next of `kept`, made for the present pipe, while there is no credit for it.
    unpaid: Option<Bytes>,
    /// Bytes of batches that went out on the present pipe.
    spent: u64,
    terms: Terms,
    flush: Flush,
}

/// How far a manager's wish to have everything now has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flush {
    No,
    /// Records may still wait in the consumer's queue.
    Draining,
    /// Everything is in `open` or `kept`.
    Closing,
}

impl Outbox {
    /// An empty outbox, whose batches close when their first record is as old as `age_max`; `boot` is random and new for
    /// each.
    #[must_use]
    pub fn new(boot: u64, age_max: Duration) -> Self {
        Self {
            boot,
            age_max,
            spooled: false,
            last_seq: 0,
            queued: 0,
            open: BatchBuilder::default(),
            opened_at: None,
            kept: VecDeque::with_capacity(BATCHES_IN_FLIGHT_MAX),
            sent: 0,
            dictionary: DictionaryWriter::default(),
            unpaid: None,
            spent: 0,
            terms: Terms::default(),
            flush: Flush::No,
        }
    }

    /// An outbox whose closed batches pass through a spool, which has those up to `last_seq` already.
    #[must_use]
    pub fn spooled(boot: u64, age_max: Duration, last_seq: u64) -> Self {
        Self { spooled: true, last_seq, ..Self::new(boot, age_max) }
    }

    /// Whether a manager that has committed up to `resume_from` knows of batches that this end has lost, as when power
    /// failed before they were on the disk. Their numbers must not be used again.
    #[must_use]
    pub fn is_behind(&self, (boot, seq): (u64, u64)) -> bool {
        boot == self.boot && seq > self.last_seq
    }

    /// Whether a manager that has committed up to `resume_from` was sent something else than the next number on its last
    /// pipe, and did not take it.
    #[must_use]
    pub fn skipped_after(&self, (boot, seq): (u64, u64)) -> bool {
        let next = self.kept.iter().take(self.sent).map(SealedBatch::seq).find(|kept| *kept > seq);
        boot == self.boot && next.is_some_and(|next| next > seq.saturating_add(1))
    }

    /// Goes on under another boot; managers take its numbers as they come.
    pub fn reboot(&mut self, boot: u64) {
        self.boot = boot;
    }

    /// A new pipe is there, whose manager has committed up to `resume_from` (boot, number): what it lacks goes out again,
    /// on its `terms`.
    pub fn attach(&mut self, resume_from: (u64, u64), terms: Terms) {
        let (boot, seq) = resume_from;
        if boot == self.boot {
            self.forget(seq);
            self.queued = self.queued.max(seq.min(self.last_seq));
        }
        (self.sent, self.spent, self.unpaid) = (0, 0, None);
        self.dictionary = DictionaryWriter::default();
        self.terms = terms;
        self.flush = Flush::No;
    }

    /// The manager says on which terms it goes on.
    pub fn agree(&mut self, terms: Terms) {
        self.terms = Terms { granted: self.terms.granted.max(terms.granted), ..terms };
    }

    /// The pipe is gone, and with it who watches.
    pub fn detach(&mut self) {
        self.terms = Terms::default();
    }

    /// Whether somebody waits to see each record: within `BATCH_AGE_MAX`.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.age_max() <= BATCH_AGE_MAX
    }

    /// Whether a closed batch has not gone out on the present pipe, or the open one has no room left.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.sent < self.kept.len() || self.open.is_full()
    }

    /// Whether a batch would go out now if there were no bound on it.
    #[must_use]
    pub fn has_due(&self, now: Instant) -> bool {
        self.has_unsent() || self.poll_timeout().is_some_and(|due| due <= now)
    }

    /// Whether the next batch waits for the manager to grant more bytes.
    #[must_use]
    pub fn lacks_credit(&self) -> bool {
        self.unpaid.is_some()
    }

    /// Whether a record can be taken now.
    #[must_use]
    pub fn wants_record(&self) -> bool {
        !self.open.is_full()
    }

    /// Takes a record; only when [`Self::wants_record`].
    pub fn push(&mut self, now: Instant, record: &ArmRecord) {
        debug_assert!(self.wants_record(), "records beyond the bound stay in the consumer's queue");
        self.opened_at.get_or_insert(now);
        self.open.push(record);
    }

    /// The manager wants everything now; [`Self::drained`] must follow.
    pub fn flush(&mut self) {
        self.flush = Flush::Draining;
    }

    /// Whether [`Self::drained`] is waited for.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.flush == Flush::Draining
    }

    /// Whether the manager wants everything now and does not have it yet.
    #[must_use]
    pub fn is_flushing(&self) -> bool {
        self.flush != Flush::No
    }

    /// Nothing waits in the consumer's queue any more.
    pub fn drained(&mut self) {
        if self.flush == Flush::Draining {
            self.flush = Flush::Closing;
        }
    }

    /// Every batch up to `seq` is committed.
    ///
    /// # Errors
    /// [`AckError`] for a number that was not sent on this pipe.
    pub fn ack(&mut self, seq: u64) -> Result<(), AckError> {
        let sent = self.sent.checked_sub(1).and_then(|last| self.kept.get(last)).map(SealedBatch::seq);
        if sent.is_none_or(|sent| seq > sent) && seq > self.acknowledged() {
            return Err(AckError { seq });
        }
        self.forget(seq);
        Ok(())
    }

    /// With a spool: the open batch, if it is due. It must come back by [`Self::keep`] unless it is lost.
    pub fn poll_closed(&mut self, now: Instant, dropped: u64) -> Option<SealedBatch> {
        if self.spooled { self.close_if_due(now, dropped) } else { None }
    }

    /// The number after which batches of the spool are missing here; none while there is no room for them.
    #[must_use]
    pub fn wants_after(&self) -> Option<u64> {
        let room = self.kept.len() < BATCHES_IN_FLIGHT_MAX;
        (self.queued < self.last_seq && room).then_some(self.queued)
    }

    /// Keeps a batch of the spool to be sent; one that was here already is left out.
    pub fn keep(&mut self, batch: SealedBatch) {
        if batch.seq() > self.queued {
            self.queued = batch.seq();
            self.kept.push_back(batch);
        }
    }

    /// The spool has nothing behind what is here, be it because it was lost.
    pub fn caught_up(&mut self) {
        self.queued = self.last_seq;
    }

    /// The next message to send, while there is a pipe; `dropped` is what the subscription has lost so far.
    pub fn poll_send(&mut self, now: Instant, dropped: u64) -> Option<Bytes> {
        if !self.spooled
            && self.kept.len() < BATCHES_IN_FLIGHT_MAX
            && let Some(batch) = self.close_if_due(now, dropped)
        {
            self.keep(batch);
        }
        if let Some(batch) = self.unpaid.take().or_else(|| self.next_message(dropped)) {
            let spent = self.spent.saturating_add(batch.len() as u64);
            if self.terms.granted.is_some_and(|granted| spent > granted) {
                self.unpaid = Some(batch);
                return None;
            }
            (self.sent, self.spent) = (self.sent + 1, spent);
            return Some(batch);
        }
        if self.flush == Flush::Closing && self.open.is_empty() && self.queued == self.last_seq {
            self.flush = Flush::No;
            return FromAgent::encode_flushed(self.last_seq).ok();
        }
        None
    }

    /// When the open batch is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.opened_at.filter(|_| !self.is_held_up()).map(|opened| opened + self.age_max())
    }

    /// The number of the batch that is open now or comes next.
    #[must_use]
    pub fn open_seq(&self) -> u64 {
        self.last_seq + 1
    }

    /// Records that are in batches and not acknowledged.
    #[must_use]
    pub fn unacknowledged_records(&self) -> usize {
        self.open.len() + self.kept.iter().map(SealedBatch::len).sum::<usize>()
    }

    /// Records in the open batch.
    #[must_use]
    pub fn open_records(&self) -> usize {
        self.open.len()
    }

    /// Whether nothing is left that a manager should have.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.open.is_empty() && self.kept.is_empty() && self.queued == self.last_seq
    }

    /// The highest number that is acknowledged.
    fn acknowledged(&self) -> u64 {
        self.kept.front().map_or(self.queued, |kept| kept.seq().saturating_sub(1))
    }

    fn age_max(&self) -> Duration {
        if self.terms.watched { self.age_max.min(BATCH_AGE_MAX) } else { self.age_max }
    }

    /// Whether a batch that closed now would wait behind others: then one that grows travels better.
    fn is_held_up(&self) -> bool {
        let full = self.kept.len() >= BATCHES_IN_FLIGHT_MAX;
        full || self.sent < self.kept.len() || self.queued < self.last_seq
    }

    fn next_message(&mut self, dropped: u64) -> Option<Bytes> {
        let kept = self.kept.get_mut(self.sent)?;
        kept.relabel(self.boot, dropped);
        let message = kept.message(&mut self.dictionary);
        debug_assert!(message.is_ok(), "a batch that closes when full fits its message");
        message.ok()
    }

    fn close_if_due(&mut self, now: Instant, dropped: u64) -> Option<SealedBatch> {
        let old = self.poll_timeout().is_some_and(|due| now >= due);
        let due = self.open.is_full() || old || self.flush == Flush::Closing;
        if !due || self.open.is_empty() {
            return None;
        }
        self.last_seq += 1;
        self.opened_at = None;
        let closed = self.open.close(self.boot, self.last_seq, dropped);
        debug_assert!(closed.is_ok(), "a batch that closes when full fits its columns");
        closed.ok()
    }

    fn forget(&mut self, seq: u64) {
        while self.kept.front().is_some_and(|kept| kept.seq() <= seq) {
            self.kept.pop_front();
            self.sent = self.sent.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests;
