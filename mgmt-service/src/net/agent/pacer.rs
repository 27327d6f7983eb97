//! The pace of one agent, shared by its subscriptions: what the overlay's meters say is the application's, and how many
//! records a second may travel whole.
//!
//! In: the clock, the meters, what was pushed. Out: when to push. A look at the meters for each batch, no task.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use overlay::Meters;

use crate::jmx::{AttributeValue, ManagedBean, ValueType};
use crate::limits::RECORD_RATE_MAX;
use crate::subscription::{Pace, Pacing};

/// Says to all subscriptions of an agent when they may push.
#[derive(Debug)]
pub(super) struct Pacer {
    meters: Arc<Meters>,
    state: Mutex<State>,
    record_rate_max: AtomicU32,
}

#[derive(Debug)]
struct State {
    pacing: Pacing,
    /// Bytes of all batches that were pushed, which the meters have counted too.
    pushed: u64,
}

impl Pacer {
    pub(super) fn new(meters: Arc<Meters>) -> Self {
        let pacing = Pacing::new(Instant::now(), moved(&meters), Some(Pace::default()));
        Self {
            meters,
            state: Mutex::new(State { pacing, pushed: 0 }),
            record_rate_max: AtomicU32::new(RECORD_RATE_MAX),
        }
    }

    /// Goes on at another pace, or without one.
    pub(super) fn set(&self, pace: Option<Pace>) {
        let mut state = self.lock();
        state.pacing = Pacing::new(Instant::now(), moved(&self.meters).saturating_sub(state.pushed), pace);
    }

    /// When to ask again, or none when a batch may go now.
    pub(super) fn wait(&self, now: Instant, is_watched: bool) -> Option<Duration> {
        let mut state = self.lock();
        let application = moved(&self.meters).saturating_sub(state.pushed);
        state.pacing.wait(now, application, is_watched)
    }

    /// So many bytes go; what a flush asks for is not charged.
    pub(super) fn push(&self, bytes: usize, is_charged: bool) {
        let mut state = self.lock();
        state.pushed = state.pushed.saturating_add(bytes as u64);
        if is_charged {
            state.pacing.spend(bytes);
        }
    }

    /// Records a second of one subscription that may travel whole; none for any number.
    pub(super) fn record_rate_max(&self) -> Option<u32> {
        let rate = self.record_rate_max.load(Ordering::Relaxed);
        (rate > 0).then_some(rate)
    }

    /// The settings of `juxta:type=agent-settings`.
    pub(super) fn bean(self: &Arc<Self>) -> ManagedBean {
        let (shown, set) = (self.clone(), self.clone());
        ManagedBean::new("settings of the management agent").sets(
            "record_rate_max",
            "records a second of one subscription that travel whole, beyond which failures, the slowest and a sample do; 0: all",
            ValueType::Int { min: 0, max: u32::MAX.into() },
            move || i64::from(shown.record_rate_max.load(Ordering::Relaxed)),
            move |value| match value {
                AttributeValue::Int(rate) => {
                    let rate = u32::try_from(rate).map_err(|_| "expected a rate".to_owned())?;
                    set.record_rate_max.store(rate, Ordering::Relaxed);
                    Ok(())
                }
                _ => Err("expected a whole number".to_owned()),
            },
        )
    }

    // No user code runs under the lock, so a poisoned one still holds whole numbers.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that the peer has sent and received.
fn moved(meters: &Meters) -> u64 {
    let counted = meters.snapshot().into_iter();
    counted.filter(|(name, _)| matches!(*name, "bytes_in" | "bytes_out")).map(|(_, bytes)| bytes).sum()
}
