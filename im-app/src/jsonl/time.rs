//! Times as text: RFC 3339 in UTC, with milliseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `ms` since 1970 as text; what lies after the year 9999 is cut to its end.
pub fn rfc3339(ms: u64) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(ms.min(END_MS));
    humantime::format_rfc3339_millis(at).to_string()
}

/// ms since 1970 of a text; `None` when it is no RFC 3339 time after 1970.
pub fn parse_time(text: &str) -> Option<u64> {
    let at: SystemTime = humantime::parse_rfc3339_weak(text).ok()?;
    u64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// The last millisecond of the year 9999.
const END_MS: u64 = 253_402_300_799_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_back_and_any_number_is_a_time() {
        assert_eq!(rfc3339(1_769_860_800_123), "2026-01-31T12:00:00.123Z");
        assert_eq!(parse_time("2026-01-31T12:00:00.123Z"), Some(1_769_860_800_123));
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(parse_time("yesterday"), None);
    }
}
