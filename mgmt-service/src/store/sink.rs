//! The store as the place where a collection's records go: committed, and only then acknowledged.
//!
//! In: batches, names of agents. Out: commits. While the disk or the store is full nothing is acknowledged, what waits is
//! kept in memory (at most `SINK_QUEUE` batches), and the next try goes on with it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use overlay::PeerId;

use super::database::{Delivered, Store};
use super::error::StoreError;
use super::keep::Retention;
use super::usage::UsageSample;
use crate::arm::ArmRecord;
use crate::limits::STORE_KEEP_INTERVAL;
use crate::net::{AgentInfo, RecordSink, Resume};
use crate::protocol::RecordBatch;

/// A store that a collection fills.
pub struct StoreSink<Clock> {
    store: Store,
    retention: Retention,
    /// Milliseconds since 1970.
    clock: Clock,
    pending: Vec<Delivered>,
    names: StoreNames,
    usage: StoreUsage,
    kept_at_ms: u64,
    /// Rounds of names or samples that could not be kept and are not counted in the store yet.
    unkept: u64,
}

/// Samples of what peers use on their way into the store, the newest of each peer; clones share them.
#[derive(Debug, Clone, Default)]
pub struct StoreUsage(Arc<Mutex<BTreeMap<PeerId, UsageSample>>>);

impl StoreUsage {
    /// Keeps a sample with the next commit.
    pub fn note(&self, peer: PeerId, sample: UsageSample) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(peer, sample);
    }
}

/// Names of agents on their way into the store; clones share them.
#[derive(Debug, Clone, Default)]
pub struct StoreNames(Arc<Mutex<BTreeMap<PeerId, (String, String)>>>);

impl StoreNames {
    /// Keeps names with the next commit; agents without one are left out.
    pub fn learn<'a>(&self, agents: impl IntoIterator<Item = &'a AgentInfo>) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for agent in agents.into_iter().filter(|agent| !agent.name.is_empty()) {
            names.insert(agent.peer, (agent.name.to_string(), agent.application.to_string()));
        }
    }
}

impl<Clock: Fn() -> u64> StoreSink<Clock> {
    /// A sink of `store`; `clock` reads the milliseconds since 1970. `random` becomes the number of the subscription when
    /// the store has none yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn new(store: Store, retention: Retention, random: u64, clock: Clock) -> Result<Self, StoreError> {
        store.limit_size(retention.bytes_max)?;
        if store.setting(SUBSCRIPTION)?.is_none() {
            store.set(SUBSCRIPTION, random)?;
        }
        let (names, usage) = (StoreNames::default(), StoreUsage::default());
        Ok(Self { store, retention, clock, pending: Vec::new(), names, usage, kept_at_ms: 0, unkept: 0 })
    }

    /// Where names of agents are handed in.
    #[must_use]
    pub fn names(&self) -> StoreNames {
        self.names.clone()
    }

    /// Where samples of what peers use are handed in.
    #[must_use]
    pub fn usage(&self) -> StoreUsage {
        self.usage.clone()
    }

    /// Sums up and deletes from time to time; never a reason to lose records.
    fn keep(&mut self, now_ms: u64) {
        self.kept_at_ms = now_ms;
        match self.store.keep(now_ms, &self.retention) {
            Ok(round) if round.discarded > 0 => {
                tracing::warn!(rows = round.discarded, "the store is full: the oldest go before their time");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the store is not tidied"),
        }
    }

    /// Keeps what comes beside records, and is never a reason to end their collection: names are said again, and a next
    /// sample accounts for what was used since the last one that was kept.
    fn write_beside(&mut self) {
        for written in [self.write_names(), self.write_usage()] {
            if let Err(error) = written {
                self.unkept += 1;
                tracing::warn!(%error, "names or samples of agents are not kept");
            }
        }
        // A store without room counts them when it has some.
        if self.unkept > 0 && self.store.count_unkept(self.unkept).is_ok() {
            self.unkept = 0;
        }
    }

    fn write_usage(&mut self) -> Result<(), StoreError> {
        let samples = std::mem::take(&mut *self.usage.0.lock().unwrap_or_else(PoisonError::into_inner));
        if samples.is_empty() { Ok(()) } else { self.store.keep_usage(&samples) }
    }

    fn write_names(&mut self) -> Result<(), StoreError> {
        let names = std::mem::take(&mut *self.names.0.lock().unwrap_or_else(PoisonError::into_inner));
        if names.is_empty() {
            return Ok(());
        }
        let list =
            names.iter().map(|(peer, (name, application))| (peer, name.as_str(), application.as_str()));
        self.store.name_peers(list)
    }
}

impl<Clock: Fn() -> u64 + Send + 'static> RecordSink for StoreSink<Clock> {
    /// A store keeps batches alone, since it is their numbers by which it knows what it has.
    fn write(&mut self, _records: &[ArmRecord]) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "a store takes whole batches"))
    }

    fn write_batch(&mut self, peer: PeerId, batch: &RecordBatch) -> io::Result<()> {
        self.pending.push(Delivered { peer, batch: batch.clone() });
        Ok(())
    }

    fn commit(&mut self) -> io::Result<()> {
        let now_ms = (self.clock)();
        if !self.pending.is_empty() {
            if let Err(error) = self.store.commit(&self.pending, now_ms) {
                if matches!(error, StoreError::Full) {
                    self.keep(now_ms);
                }
                return Err(error.into());
            }
            self.pending.clear();
        }
        self.write_beside();
        if now_ms.abs_diff(self.kept_at_ms) >= STORE_KEEP_INTERVAL.as_millis() as u64 {
            self.keep(now_ms);
        }
        Ok(())
    }

    fn resume(&mut self) -> io::Result<Option<Resume>> {
        let Some(subscription) = self.store.setting(SUBSCRIPTION)? else { return Ok(None) };
        let ended = self.store.setting(ENDED)?.is_some_and(|ended| ended == 1);
        self.store.set(ENDED, 0)?;
        let mut inboxes = self.store.inboxes((self.clock)())?;
        if ended {
            // Everything was flushed: what agents measured since was wanted by nobody.
            inboxes.iter_mut().for_each(|(_, _, away)| *away = std::time::Duration::ZERO);
        }
        Ok(Some(Resume { subscription, inboxes }))
    }

    fn end(&mut self) -> io::Result<()> {
        self.write_beside();
        self.store.set(ENDED, 1)?;
        let now_ms = (self.clock)();
        self.keep(now_ms);
        Ok(())
    }
}

impl<Clock> std::fmt::Debug for StoreSink<Clock> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreSink").field("store", &self.store).field("pending", &self.pending.len()).finish()
    }
}

/// The number of the subscription, the same in every run.
const SUBSCRIPTION: &str = "subscription";

/// 1 when the last run ended politely.
const ENDED: &str = "ended";

#[cfg(test)]
impl<Clock> StoreSink<Clock> {
    pub(super) fn store_for_test(&self) -> &Store {
        &self.store
    }

    pub(super) fn limit_size_for_test(&self, bytes_max: u64) {
        self.store.limit_size(bytes_max).unwrap();
    }
}
