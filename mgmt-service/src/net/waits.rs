//! Looks how long this process waits for a processor, and keeps what its next record is to tell.
//!
//! In: what the operating system counts of each thread (Linux: `/proc/self/task/*/schedstat`; elsewhere nothing is
//! known, and nothing told). Out: slots with a wait. One look each `WAIT_SLOT`.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::arm::{MetricValue, Stopped, Wait, Waits};
use crate::limits::WAIT_SLOT;

/// What a process has to tell of its waits for a processor. The looking ends on drop.
#[derive(Debug)]
pub struct ProcessorWaits {
    waits: Arc<Mutex<Waits>>,
    task: JoinHandle<()>,
}

impl ProcessorWaits {
    /// Looks from now on, in a task of the runtime in which this is called.
    #[must_use]
    pub fn watch() -> Self {
        let waits = Arc::<Mutex<Waits>>::default();
        let task = tokio::spawn(look(Arc::clone(&waits)));
        Self { waits, task }
    }

    /// Ends a transaction that started at `at_ms` by `stop`, which gets what its record is to tell: usually nothing. What no
    /// record took, the next one tells.
    pub fn tell(&self, at_ms: u64, stop: impl FnOnce(&[Option<MetricValue>]) -> Stopped) -> Stopped {
        // Bound to a name, so that the lock is let go.
        let telling = lock(&self.waits).tell(at_ms);
        let Some((value, slots)) = telling else { return stop(&[]) };
        let stopped = stop(&[Some(value)]);
        if stopped != Stopped::Recorded {
            let mut waits = lock(&self.waits);
            slots.into_iter().for_each(|slot| waits.add(slot));
        }
        stopped
    }
}

impl Drop for ProcessorWaits {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn look(waits: Arc<Mutex<Waits>>) {
    let Some(mut before) = waited() else { return };
    let mut from_ms = wall_ms();
    let mut ticks = interval(WAIT_SLOT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first is at once.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let Some(now) = waited() else { return };
        let until_ms = wall_ms();
        let grown = |(thread, ns): (&u64, &u64)| ns.saturating_sub(*before.get(thread).unwrap_or(&0));
        let waited_ns = now.iter().map(grown).fold(0, u64::saturating_add);
        let waited_ms = (waited_ns / 1_000_000).min(until_ms.saturating_sub(from_ms));
        lock(&waits).add(Wait { from_ms, until_ms, waited_ms });
        (before, from_ms) = (now, until_ms);
    }
}

/// Nanoseconds that each thread was ready to run and had to wait, since its start; none where nobody counts that.
fn waited() -> Option<BTreeMap<u64, u64>> {
    let thread = |entry: fs::DirEntry| {
        let counted = fs::read_to_string(entry.path().join("schedstat")).ok()?;
        let waited = counted.split_whitespace().nth(1)?.parse().ok()?;
        Some((entry.file_name().to_str()?.parse().ok()?, waited))
    };
    let threads = fs::read_dir("/proc/self/task").ok()?.filter_map(|entry| thread(entry.ok()?));
    let threads: BTreeMap<u64, u64> = threads.collect();
    (!threads.is_empty()).then_some(threads)
}

fn lock(waits: &Mutex<Waits>) -> MutexGuard<'_, Waits> {
    waits.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_waited_for_only_grows() {
        // None where the operating system does not count.
        let (Some(before), Some(after)) = (waited(), waited()) else { return };
        let own = before.iter().filter_map(|(thread, ns)| Some((*ns, *after.get(thread)?)));
        let both: Vec<_> = own.collect();
        assert!(!both.is_empty() && both.iter().all(|(before, after)| before <= after), "{both:?}");
    }

    // One thread that waits for nothing: nobody looks meanwhile.
    #[tokio::test]
    async fn what_no_record_took_the_next_one_tells() {
        let watched = ProcessorWaits::watch();
        lock(&watched.waits).add(Wait { from_ms: 1_000, until_ms: 1_250, waited_ms: 200 });
        let told = |stopped| {
            let mut told = Vec::new();
            let tell = |values: &[Option<MetricValue>]| {
                told = values.to_vec();
                stopped
            };
            assert_eq!(watched.tell(900, tell), stopped);
            told
        };
        let text = vec![Some(MetricValue::Text("100+250:200".into()))];
        for lost in [Stopped::Unknown, Stopped::WrongPeer, Stopped::Unmeasured] {
            assert_eq!(told(lost), text, "{lost:?}");
        }
        assert_eq!((told(Stopped::Recorded), told(Stopped::Recorded)), (text, vec![]));
    }

    #[tokio::test]
    async fn looking_ends_with_who_wanted_to_know() {
        let watched = ProcessorWaits::watch();
        let looked = watched.task.abort_handle();
        drop(watched);
        while !looked.is_finished() {
            tokio::task::yield_now().await;
        }
    }
}
