//! What a child tells its aggregator of one interval: figures of all peers below it, and how many of them are in.
//!
//! In: figures. Out: bytes and back. About a hundred bytes for one peer, at most `REPORT_BYTES_MAX` for any number.

use std::time::Duration;

use overlay::wire::{Ext, WireError, decode_message, encode_message};

use crate::arm::{ArmRecord, Sketch, Status};
use crate::limits::REPORT_BYTES_MAX;

/// Which report it is: one of the same child and stamp replaces the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// The number of the interval since 1970.
    pub interval: u64,
    /// Random, new with each start of the child.
    pub boot: u64,
}

/// Figures of one interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which it is.
    pub stamp: Stamp,
    /// Peers below that should be in.
    pub expected: u64,
    /// Peers below that are in, at most `expected`.
    pub reporting: u64,
    /// Transactions that did not end well.
    pub failed: u64,
    /// Response times of those that ended with an answer.
    pub response: Sketch,
}

impl Report {
    /// The report of one peer that has measured nothing yet.
    #[must_use]
    pub fn of_one(stamp: Stamp) -> Self {
        Self { stamp, expected: 1, reporting: 1, failed: 0, response: Sketch::default() }
    }

    /// Counts a record.
    pub fn record(&mut self, record: &ArmRecord) {
        if record.status != Status::Good {
            self.failed = self.failed.saturating_add(1);
        }
        if let Some(micros) = record.response_us {
            self.response.record(Duration::from_micros(micros));
        }
    }

    /// The report as bytes.
    ///
    /// # Errors
    /// None.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let Self { stamp: Stamp { interval, boot }, expected, reporting, failed, response } = self;
        let body = (interval, boot, expected, reporting, failed, response, Ext::new());
        encode_message(VERSION, &body, REPORT_BYTES_MAX)
    }

    /// The report in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says; malformed too when more are in than should be.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        type Body = (u64, u64, u64, u64, u64, Sketch, Ext);
        let (interval, boot, expected, reporting, failed, response, _ext): Body =
            decode_message(VERSION, bytes, REPORT_BYTES_MAX)?;
        if reporting > expected {
            return Err(WireError::Malformed);
        }
        Ok(Self { stamp: Stamp { interval, boot }, expected, reporting, failed, response })
    }
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes_of_a_report() {
        let mut report = Report::of_one(Stamp { interval: 7, boot: 8 });
        report.failed = 9;
        assert_eq!(report.encode().unwrap(), [1, 7, 8, 1, 1, 9, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Report::decode(&report.encode().unwrap()), Ok(report.clone()));
        report.reporting = 2;
        assert_eq!(Report::decode(&report.encode().unwrap()), Err(WireError::Malformed));
    }

    #[test]
    fn the_widest_sketch_fits_and_cut_bytes_are_errors() {
        let mut report = Report::of_one(Stamp { interval: u64::MAX, boot: u64::MAX });
        for power in 0..64 {
            report.response.record(Duration::from_nanos(1 << power));
        }
        for _ in 0..64 {
            let twice = report.response.clone();
            report.response.merge(&twice);
        }
        let bytes = report.encode().unwrap();
        assert_eq!(Report::decode(&bytes), Ok(report));
        assert!((0..bytes.len()).all(|cut| Report::decode(&bytes[..cut]).is_err()));
    }
}
