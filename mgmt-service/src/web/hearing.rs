//! How long an agent may be quiet before it counts as silent: a moment while somebody looks, longer while agents gather.
//!
//! In: since when the manager listens, whether agents send at once or gather. Out: windows, in milliseconds.

use std::time::Duration;

use crate::limits::{GATHERING_MARGIN, STANDING_BATCH_AGE_MAX};

/// How a manager hears its agents; at once and since ever, as long as nobody says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hearing {
    /// How old the last record of an agent that sends at once may be.
    window_ms: u64,
    /// Since when it listens. None before it was told so: then nobody is silent only since it was not there.
    since_ms: Option<u64>,
    /// Since when agents send at once; none while they gather.
    live_since_ms: Option<u64>,
}

impl Hearing {
    /// With an agent's last record at most so old.
    pub(super) fn always(window: Duration) -> Self {
        Self { window_ms: millis(window), since_ms: None, live_since_ms: Some(0) }
    }

    /// It listens at `now_ms`, and agents are asked to send at once, or may gather.
    pub(super) fn listens(&mut self, now_ms: u64, live: bool) {
        self.since_ms.get_or_insert(now_ms);
        self.live_since_ms = live.then(|| self.live_since_ms.unwrap_or(now_ms));
    }

    /// How old an agent's last record may be. Agents that gathered have a whole window to be heard when that ends.
    pub(super) fn window_ms(&self, now_ms: u64) -> u64 {
        match self.live_since_ms {
            Some(since_ms) if now_ms.saturating_sub(since_ms) >= self.window_ms => self.window_ms,
            _ => self.window_ms.saturating_add(millis(STANDING_BATCH_AGE_MAX) + millis(GATHERING_MARGIN)),
        }
    }

    /// Whether an agent heard last at `heard_at_ms` is silent: not while the manager could not have heard it.
    pub(super) fn is_silent(&self, now_ms: u64, heard_at_ms: u64) -> bool {
        let quiet_since_ms = heard_at_ms.max(self.since_ms.unwrap_or(0));
        now_ms.saturating_sub(quiet_since_ms) > self.window_ms(now_ms)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::REPORTING_WINDOW;

    const SECOND: u64 = 1000;
    const START: u64 = 1_000_000 * SECOND;

    #[test]
    fn a_batch_of_a_minute_is_no_silence_and_neither_is_the_moment_after() {
        let mut hearing = Hearing::always(REPORTING_WINDOW);
        assert!(hearing.is_silent(START + 61 * SECOND, START));
        hearing.listens(START, false);
        assert!(!hearing.is_silent(START + 121 * SECOND, START));
        assert!(hearing.is_silent(START + 131 * SECOND, START));
        // Somebody looks: who gathered until then has a minute.
        let now = START + 100 * SECOND;
        hearing.listens(now, true);
        assert!(!hearing.is_silent(now, START + 20 * SECOND) && !hearing.is_silent(now + SECOND, START));
        hearing.listens(now + 60 * SECOND, true);
        assert!(hearing.is_silent(now + 60 * SECOND, START + 20 * SECOND));
        hearing.listens(now + 60 * SECOND, false);
        assert!(!hearing.is_silent(now + 60 * SECOND, now - 60 * SECOND));
    }

    #[test]
    fn nobody_is_silent_because_the_manager_was_away() {
        let mut hearing = Hearing::always(REPORTING_WINDOW);
        hearing.listens(START, true);
        assert!(!hearing.is_silent(START + SECOND, START - 3600 * SECOND));
        assert!(hearing.is_silent(START + 200 * SECOND, START - 3600 * SECOND));
    }
}
