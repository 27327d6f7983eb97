//! Durations on the command line and in files: `45s`, `10m`, `1h 30m`.
//!
//! In: text. Out: a duration in `1 ns ..= DURATION_MAX`, so that adding it to a clock cannot overflow.

use std::time::Duration;

use crate::error::DurationError;
use crate::limits::DURATION_MAX;

/// Reads a duration that is longer than zero and at most [`DURATION_MAX`].
///
/// # Errors
/// [`DurationError`] names what is wrong with the text.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let duration = humantime::parse_duration(text.trim())
        .map_err(|error| DurationError::Malformed { reason: error.to_string() })?;
    match duration {
        Duration::ZERO => Err(DurationError::Zero),
        long if long > DURATION_MAX => Err(DurationError::TooLong),
        duration => Ok(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::STORE_HOURS_KEPT;

    #[test]
    fn durations_of_the_contract_are_read() {
        assert_eq!(parse_duration("45s"), Ok(Duration::from_secs(45)));
        assert_eq!(parse_duration(" 10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse_duration("1h 30m"), Ok(Duration::from_secs(5400)));
        // What is kept without a word can be said in words, and reported on.
        assert_eq!(parse_duration("400days"), Ok(STORE_HOURS_KEPT));
        assert_eq!(parse_duration("10years").map(|long| long < DURATION_MAX), Ok(true));
    }

    #[test]
    fn zero_endless_and_unitless_durations_are_refused() {
        assert_eq!(parse_duration("0s"), Err(DurationError::Zero));
        assert_eq!(parse_duration("11years"), Err(DurationError::TooLong));
        for text in ["", "45", "soon", "-3s", "99999999999999999999s"] {
            assert!(matches!(parse_duration(text), Err(DurationError::Malformed { .. })), "{text}");
        }
    }
}
