//! Between the outbox of a standing subscription and its spool: what closes goes to the disk first, what a manager lacks
//! comes back at a measured pace.
//!
//! In: the outbox, the time. Out: batches in the spool and in the outbox. Thousands of agents that find their manager
//! again at once spread what they have kept, each by chance.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use overlay::PeerId;

use super::super::counters::AgentCounters;
use super::absence::Absence;
use crate::arm::ArmRecord;
use crate::limits::{SPOOL_KEPT, SPOOL_REPLAY_INTERVAL, SPOOL_SEEN_INTERVAL, STANDING_BATCH_AGE_MAX};
use crate::spool::{Spool, Standing};
use crate::subscription::Outbox;

/// A spool at work.
pub(super) struct Spooling {
    spool: Spool,
    /// When the next batch may come back.
    replay_at: Instant,
    absence: Arc<Absence>,
    counters: Arc<AgentCounters>,
}

impl Spooling {
    /// Opens the spool of `standing` and an outbox that goes on where the spool ends; none when the disk does not let it.
    pub(super) fn open(
        root: &Path,
        standing: Standing,
        peer: PeerId,
        counters: &Arc<AgentCounters>,
    ) -> Option<(Self, Outbox)> {
        let opened = Spool::open(root, standing, peer);
        let spool = opened
            .inspect_err(|error| {
                counters.spool_failed.add(1);
                tracing::warn!(%error, "records are kept in memory only");
            })
            .ok()?;
        let now = Instant::now();
        let outbox = Outbox::spooled(spool.standing().boot, STANDING_BATCH_AGE_MAX, spool.last_seq());
        let absence = Arc::<Absence>::default();
        absence.begin(now, spool.standing().away(now_ms()));
        Some((Self { spool, replay_at: now, absence, counters: counters.clone() }, outbox))
    }

    /// For how long the manager is away.
    pub(super) fn absence(&self) -> Arc<Absence> {
        self.absence.clone()
    }

    /// How much longer the subscription outlives a manager that does not come.
    pub(super) fn kept_for(&self) -> Duration {
        SPOOL_KEPT.saturating_sub(self.absence.lasts(Instant::now()).unwrap_or_default())
    }

    /// The manager is gone.
    pub(super) fn detached(&mut self) {
        self.seen();
        self.absence.begin(Instant::now(), Duration::ZERO);
    }

    /// Records that are lost when it is removed; those that a manager of an earlier run has acknowledged may be among them.
    pub(super) fn unacknowledged_records(&self) -> u64 {
        self.spool.unacknowledged_records()
    }

    /// Writes down that the manager is or was there just now.
    fn seen(&mut self) {
        if self.spool.attached(now_ms()).is_err() {
            self.counters.spool_failed.add(1);
        }
    }

    /// Writes records that came into the open batch.
    pub(super) fn journal(&mut self, outbox: &Outbox, records: &[ArmRecord]) {
        if !records.is_empty() && self.spool.journal(now_ms(), outbox.open_seq(), records).is_err() {
            self.counters.spool_failed.add(1);
        }
    }

    /// A manager is there that has committed up to `resume_from`.
    pub(super) fn attached(&mut self, outbox: &mut Outbox, resume_from: (u64, u64)) {
        if outbox.is_behind(resume_from)
            && let Ok(boot) = getrandom::u64()
        {
            tracing::warn!("the spool lost its end: its numbers start anew");
            outbox.reboot(boot);
            if self.spool.reboot(boot).is_err() {
                self.counters.spool_failed.add(1);
            }
        } else if resume_from.0 == self.spool.standing().boot {
            self.acknowledge(resume_from.1);
            if outbox.skipped_after(resume_from) {
                // Batches before the hole said already what was lost in it: it takes one more to be believed.
                self.spool.count_lost(1);
            }
        }
        self.absence.end();
        self.seen();
        self.replay_at = Instant::now() + jittered(5 * SPOOL_REPLAY_INTERVAL);
    }

    pub(super) fn acknowledge(&mut self, seq: u64) {
        self.spool.acknowledge(seq);
        let seen = Duration::from_millis(now_ms().saturating_sub(self.spool.standing().attached_ms));
        if seen >= SPOOL_SEEN_INTERVAL {
            self.seen();
        }
    }

    /// Records that are lost to the subscription on this side of the consumer's queue.
    pub(super) fn lost(&self) -> u64 {
        self.spool.lost()
    }

    /// Moves what is due: closed batches to the disk, and back what the manager lacks, at once if it `hurries`. Elsewhere
    /// `dropped` records were lost.
    pub(super) fn turn(&mut self, outbox: &mut Outbox, dropped: u64, hurries: bool) {
        let now = Instant::now();
        while let Some(batch) = outbox.poll_closed(now, dropped.saturating_add(self.spool.lost())) {
            let next = outbox.wants_after() == Some(batch.seq().saturating_sub(1));
            match self.spool.append(now_ms(), &batch) {
                Ok(()) if next => outbox.keep(batch),
                Ok(()) => {}
                // It comes back from the spool's memory, if that has room.
                Err(error) => {
                    tracing::debug!(%error, "batch not spooled");
                    self.counters.spool_failed.add(1);
                }
            }
        }
        while (hurries || now >= self.replay_at)
            && let Some(after) = outbox.wants_after()
        {
            self.replay_at = now + jittered(SPOOL_REPLAY_INTERVAL);
            match self.spool.read_after(after) {
                Ok(Some(batch)) => {
                    self.counters.batches_replayed.add(1);
                    outbox.keep(batch);
                }
                Ok(None) => outbox.caught_up(),
                Err(error) => {
                    tracing::warn!(%error, "a batch of a spool can't be read");
                    self.counters.spool_failed.add(1);
                }
            }
        }
    }

    /// When [`Self::turn`] has something to do, while a manager is there.
    pub(super) fn poll_timeout(&self, outbox: &Outbox) -> Option<Instant> {
        outbox.wants_after().map(|_| self.replay_at)
    }

    /// The subscription is over: nothing is kept for it.
    pub(super) fn remove(self) {
        self.spool.remove();
    }
}

/// Up to twice as long as `interval`, at random.
fn jittered(interval: Duration) -> Duration {
    let share = getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX));
    interval.mul_f64(2.0 * share)
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
