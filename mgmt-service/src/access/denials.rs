//! How many denials are written down one by one: whoever asks without end fills no disk.
//!
//! In: denials with their time. Out: whether to write a line, and how many went before without one.

use std::time::{Duration, Instant};

use crate::limits::{DENIALS_NOTED, DENIALS_PERIOD};

/// The denials of one agent within a period.
#[derive(Debug, Default)]
pub struct Denials {
    since: Option<Instant>,
    noted: u32,
    left_out: u64,
}

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// A line of its own, after one for so many (if any) that had none in the period before.
    Line {
        /// How many.
        left_out: u64,
    },
    /// Nothing now: it is counted.
    LeftOut,
}

impl Denials {
    /// Takes in a denial at `now`.
    pub fn deny(&mut self, now: Instant) -> Noted {
        let left_out = self.take_due(now).unwrap_or(0);
        if self.noted >= DENIALS_NOTED {
            self.left_out += 1;
            return Noted::LeftOut;
        }
        self.since.get_or_insert(now);
        self.noted += 1;
        Noted::Line { left_out }
    }

    /// How many were left out of a period that is over at `now`; none when it is not over, or all were written.
    pub fn take_due(&mut self, now: Instant) -> Option<u64> {
        let over = self.poll_timeout().is_some_and(|end| now >= end);
        if !over {
            return None;
        }
        (self.since, self.noted) = (None, 0);
        Some(std::mem::take(&mut self.left_out)).filter(|left_out| *left_out > 0)
    }

    /// How many are left out so far, whatever the time: for the end.
    pub fn take(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.left_out)).filter(|left_out| *left_out > 0)
    }

    /// When the period is over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let period: Duration = DENIALS_PERIOD;
        self.since.and_then(|since| since.checked_add(period))
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_denials_is_some_lines_and_one_sum_a_period() {
        let (mut denials, now) = (Denials::default(), Instant::now());
        let noted = (0..1000).filter(|_| denials.deny(now) == Noted::Line { left_out: 0 }).count();
        assert_eq!(noted, DENIALS_NOTED as usize);
        assert_eq!(denials.take_due(now), None);
        let end = denials.poll_timeout().unwrap();
        assert_eq!(denials.deny(end), Noted::Line { left_out: 1000 - u64::from(DENIALS_NOTED) });
        assert_eq!((denials.take_due(end + DENIALS_PERIOD), denials.take()), (None, None));
    }
}
