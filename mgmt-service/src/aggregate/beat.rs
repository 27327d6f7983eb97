//! Intervals: which one it is, and when it ends.
//!
//! In: where a parent says it is within an interval, or the wall clock at the root. Out: numbers and moments. A child counts
//! by its parent's clock and its own monotonic one, so that wall clocks of different peers are never compared but for a
//! check that nobody is hours off.

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use crate::limits::{AGGREGATION_INTERVAL_MAX, AGGREGATION_INTERVAL_MIN, AGGREGATION_SKEW_MAX};

/// Intervals of equal length, numbered since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    number: u64,
    /// When that one began.
    began: Instant,
    length: Duration,
    /// A parent said it: by another's clock.
    of_parent: bool,
}

/// How a beat stands to the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drift {
    /// At most one interval off; of a parent's beat, as far as a child takes it.
    Little,
    /// Behind; this one is not.
    Behind(Beat),
    /// Ahead: the clock was set back.
    Ahead,
}

impl Beat {
    /// By a wall clock that shows `unix` at `now`; `length` is cut to the bounds.
    #[must_use]
    pub fn of_clock(now: Instant, unix: Duration, length: Duration) -> Self {
        let length = length.clamp(AGGREGATION_INTERVAL_MIN, AGGREGATION_INTERVAL_MAX);
        let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX).max(1);
        let (length, unix) = (Duration::from_millis(millis), u64::try_from(unix.as_millis()).unwrap_or(0));
        let elapsed = Duration::from_millis(unix % millis);
        Self {
            number: unix / millis,
            began: now.checked_sub(elapsed).unwrap_or(now),
            length,
            of_parent: false,
        }
    }

    /// As a parent says it: `elapsed` of interval `number` had passed at `now`. None when that can't be, or when it is
    /// further than `AGGREGATION_SKEW_MAX` from the wall clock here, which shows `unix`.
    #[must_use]
    pub fn of_parent(
        now: Instant,
        unix: Duration,
        (number, elapsed): (u64, Duration),
        length: Duration,
    ) -> Option<Self> {
        let own = Self::of_clock(now, unix, length);
        let possible =
            own.length == length && elapsed <= length && own.number.abs_diff(number) <= skew_max(length);
        let began = now.checked_sub(elapsed).unwrap_or(now);
        possible.then_some(Self { number, began, length, of_parent: true })
    }

    /// How it stands at `now` to the wall clock, which shows `unix`. That of a parent whose clock differs may be what comes
    /// next again: who left it could not go back to it before that time is over.
    #[must_use]
    pub fn drift(&self, now: Instant, unix: Duration) -> Drift {
        let clock = Self::of_clock(now, unix, self.length);
        let (own, shown) = (self.at(now).0, clock.number);
        let most = if self.of_parent { skew_max(self.length) } else { 1 };
        match own.cmp(&shown) {
            _ if own.abs_diff(shown) <= most => Drift::Little,
            Ordering::Less => Drift::Behind(clock),
            Ordering::Equal | Ordering::Greater => Drift::Ahead,
        }
    }

    /// The number of the interval at `now`, and how much of it has passed.
    #[must_use]
    pub fn at(&self, now: Instant) -> (u64, Duration) {
        let passed = now.saturating_duration_since(self.began);
        let whole = passed.as_nanos() / self.length.as_nanos().max(1);
        let rest = passed.as_nanos() % self.length.as_nanos().max(1);
        let rest = Duration::from_nanos(u64::try_from(rest).unwrap_or(0));
        (self.number.saturating_add(u64::try_from(whole).unwrap_or(u64::MAX)), rest)
    }

    /// When interval `number` ends.
    #[must_use]
    pub fn end_of(&self, number: u64) -> Instant {
        let intervals =
            u32::try_from(number.saturating_add(1).saturating_sub(self.number)).unwrap_or(u32::MAX);
        let until = self.length.checked_mul(intervals).and_then(|after| self.began.checked_add(after));
        until.unwrap_or_else(|| self.began + self.length)
    }

    /// How long one is.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.length
    }
}

/// How many intervals a parent's count may be off.
fn skew_max(length: Duration) -> u64 {
    let whole = AGGREGATION_SKEW_MAX.as_millis() / length.as_millis().max(1);
    u64::try_from(whole).unwrap_or(u64::MAX).saturating_add(1)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test brings the clock")]
mod tests {
    use super::*;

    #[test]
    fn a_child_counts_as_its_parent_does() {
        let (now, minute) = (Instant::now(), Duration::from_secs(60));
        let root = Beat::of_clock(now, Duration::from_millis(600_500), minute);
        assert_eq!(root.at(now), (10, Duration::from_millis(500)));
        assert_eq!(root.at(now + minute), (11, Duration::from_millis(500)));
        assert_eq!(root.end_of(10), now + Duration::from_millis(59_500));
        // Its own clock is ten minutes off.
        let unix = Duration::from_millis(300);
        let child = Beat::of_parent(now, unix, root.at(now), root.length()).unwrap();
        assert_eq!((child.at(now), child.end_of(12)), (root.at(now), root.end_of(12)));
    }

    #[test]
    fn a_clock_that_is_absurd_is_not_followed() {
        let (now, minute) = (Instant::now(), Duration::from_secs(60));
        let unix = Duration::from_secs(1_700_000_000);
        let follow = |number, elapsed, length| Beat::of_parent(now, unix, (number, elapsed), length);
        assert!(follow(unix.as_secs() / 60, Duration::ZERO, minute).is_some());
        assert!(follow(u64::MAX, Duration::ZERO, minute).is_none());
        assert!(follow(0, Duration::ZERO, minute).is_none());
        assert!(follow(unix.as_secs() / 60, minute * 2, minute).is_none());
        assert!(follow(unix.as_secs() * 1_000, Duration::ZERO, Duration::from_millis(1)).is_none());
        assert!(follow(0, Duration::ZERO, Duration::MAX).is_none());
    }

    #[test]
    fn a_root_that_began_before_its_clock_was_set_is_followed_once_it_was() {
        let (began, minute) = (Instant::now(), Duration::from_secs(60));
        let root = Beat::of_clock(began, Duration::from_secs(1_000), minute);
        let (now, unix) = (began + minute * 3, Duration::from_secs(1_700_000_000));
        let follows = |root: &Beat| Beat::of_parent(now, unix, root.at(now), minute).is_some();
        assert!(!follows(&root));
        let Drift::Behind(root) = root.drift(now, unix) else { panic!("{root:?}") };
        assert!(follows(&root));
        assert_eq!(root.at(now).0, unix.as_secs() / 60);
        // It goes on by the monotonic clock, and never back.
        for (shown, drift) in
            [(0, Drift::Little), (60, Drift::Little), (-60, Drift::Little), (-180, Drift::Ahead)]
        {
            let unix = Duration::from_secs(unix.as_secs().saturating_add_signed(shown));
            assert_eq!(root.drift(now, unix), drift, "{shown}");
        }
    }

    #[test]
    fn who_counted_as_a_lost_parent_goes_on_so_while_children_would() {
        let (now, minute) = (Instant::now(), Duration::from_secs(60));
        let unix = Duration::from_secs(1_700_000_000);
        let right = unix.as_secs() / 60;
        let told = |number| Beat::of_parent(now, unix, (number, Duration::ZERO), minute).unwrap();
        for number in [right - 20, right - 60, right + 20] {
            assert_eq!(told(number).drift(now, unix), Drift::Little, "a clock of its own: {number}");
        }
        // Meanwhile the machine slept, and children would not take it any more.
        let Drift::Behind(own) = told(right - 20).drift(now, unix + minute * 42) else { panic!("refused") };
        assert_eq!(own.at(now).0, right + 42);
        assert_eq!(own.drift(now, unix + minute * 45), Drift::Behind(Beat { number: right + 45, ..own }));
    }
}
