//! For how long the manager of one standing subscription is away.
//!
//! In: what the clock on the wall said at the start, and the manager's comings and goings. Out: a time that only passes as
//! time does, so that a clock that is set meanwhile makes nobody look gone for years.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Shared by the task of a subscription and the table that gives it up.
#[derive(Debug, Default)]
pub(super) struct Absence(Mutex<Option<Away>>);

/// Since when, and for how long it was away by then.
#[derive(Debug, Clone, Copy)]
struct Away {
    since: Instant,
    before: Duration,
}

impl Absence {
    /// It is away, and was so for `before` at `now`.
    pub(super) fn begin(&self, now: Instant, before: Duration) {
        *self.lock() = Some(Away { since: now, before });
    }

    /// It is there.
    pub(super) fn end(&self) {
        *self.lock() = None;
    }

    /// For how long it is away; none while it is there.
    pub(super) fn lasts(&self, now: Instant) -> Option<Duration> {
        let away = *self.lock();
        away.map(|Away { since, before }| before.saturating_add(now.saturating_duration_since(since)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Away>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_away_before_is_so_for_longer_until_it_comes() {
        let (start, hour) = (Instant::now(), Duration::from_secs(60 * 60));
        let absence = Absence::default();
        assert_eq!(absence.lasts(start), None);
        absence.begin(start, 2 * hour);
        assert_eq!(absence.lasts(start + hour), Some(3 * hour));
        absence.end();
        assert_eq!(absence.lasts(start + hour), None);
    }
}
