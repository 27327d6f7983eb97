//! What a child tells its aggregator of one interval: figures of all peers below it, and how many of them are in.
//!
//! In: figures. Out: bytes and back. About a hundred bytes for one peer, at most `REPORT_BYTES_MAX` for any number: what
//! does not fit is put together as one definition, `other`.

use overlay::PeerId;
use overlay::wire::{Ext, WireError, decode, encode_message};

use super::figures::{Figure, Figures};
use crate::arm::Sketch;
use crate::limits::{AGGREGATE_DEFINITIONS_MAX, REPORT_BYTES_MAX, REPORT_DECODE_BYTES_MAX, REPORT_MARKS_MAX};

/// Which report it is: one of the same child and stamp replaces the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// The number of the interval since 1970.
    pub interval: u64,
    /// Random, new with each start of the child.
    pub boot: u64,
}

impl Stamp {
    /// What an aggregator writes into its own report to say that the one of `child` with this stamp is in it. Two of one
    /// aggregator are the same with a probability of 2⁻³²; then one peer's interval may be missing after a failure.
    #[must_use]
    pub fn mark(&self, child: &PeerId) -> u32 {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(&child.to_bytes())
            .update(&self.boot.to_le_bytes())
            .update(&self.interval.to_le_bytes());
        let [first, second, third, fourth, ..] = *hasher.finalize().as_bytes();
        u32::from_le_bytes([first, second, third, fourth])
    }
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
    /// The [marks](Stamp::mark) of the reports that are in it; none at a peer that only measures.
    pub marks: Vec<u32>,
    /// What was measured.
    pub figures: Figures,
}

impl Report {
    /// The report of one peer that has measured nothing yet.
    #[must_use]
    pub fn of_one(stamp: Stamp) -> Self {
        Self { stamp, expected: 1, reporting: 1, marks: Vec::new(), figures: Figures::default() }
    }

    /// The report as bytes.
    ///
    /// # Errors
    /// None that figures can cause.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let mut coarser = None;
        loop {
            match self.encode_with(coarser.as_ref().unwrap_or(&self.figures)) {
                Err(WireError::TooLarge { len, max }) => {
                    let figures = coarser.get_or_insert_with(|| self.figures.clone());
                    if !figures.coarsen() {
                        return Err(WireError::TooLarge { len, max });
                    }
                }
                done => return done,
            }
        }
    }

    fn encode_with(&self, figures: &Figures) -> Result<Vec<u8>, WireError> {
        let Self { stamp: Stamp { interval, boot }, expected, reporting, marks, .. } = self;
        let parts = |(name, figure): (_, &Figure)| -> Named<_> {
            let Figure { failed, unanswered, response } = figure;
            (name, *failed, *unanswered, response.clone())
        };
        let figures: Vec<Named<&str>> = figures.iter().map(parts).collect();
        let body = (interval, boot, expected, reporting, marks, figures, Ext::new());
        encode_message(VERSION, &body, REPORT_BYTES_MAX)
    }

    /// The report in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says; malformed too when more are in than should be, or there are too many marks or definitions.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > REPORT_BYTES_MAX {
            return Err(WireError::TooLarge { len: bytes.len(), max: REPORT_BYTES_MAX });
        }
        type Body = (u64, u64, u64, u64, Vec<u32>, Vec<Named<String>>, Ext);
        let (interval, boot, expected, reporting, marks, named, _ext): Body = match bytes.split_first() {
            None => return Err(WireError::Truncated),
            Some((&VERSION, body)) => decode(body, REPORT_DECODE_BYTES_MAX)?,
            Some((&got, _)) => return Err(WireError::UnknownVersion { got }),
        };
        // One more than can be kept apart: the others together.
        let many = marks.len() > REPORT_MARKS_MAX || named.len() > AGGREGATE_DEFINITIONS_MAX + 1;
        if reporting > expected || many {
            return Err(WireError::Malformed);
        }
        let mut figures = Figures::default();
        for (name, failed, unanswered, response) in named {
            figures.add(&name, &Figure { failed, unanswered, response });
        }
        Ok(Self { stamp: Stamp { interval, boot }, expected, reporting, marks, figures })
    }
}

/// Figures of one definition on the wire: name, failed, unanswered, response times.
type Named<T> = (T, u64, u64, Sketch);

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn golden_bytes_of_a_report() {
        let mut report = Report::of_one(Stamp { interval: 7, boot: 8 });
        report.marks = vec![9];
        report.figures.add("p", &Figure { failed: 2, unanswered: 1, response: Sketch::default() });
        let bytes = [1, 7, 8, 1, 1, 1, 9, 1, 1, b'p', 2, 1, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(report.encode().unwrap(), bytes);
        assert_eq!(Report::decode(&bytes), Ok(report.clone()));
        report.reporting = 2;
        assert_eq!(Report::decode(&report.encode().unwrap()), Err(WireError::Malformed));
    }

    #[test]
    fn the_widest_figures_fit_and_cut_bytes_are_errors() {
        let mut report = Report::of_one(Stamp { interval: u64::MAX, boot: u64::MAX });
        let mut response = Sketch::default();
        for step in 0..42 * 32 {
            response.record(Duration::from_secs_f64((f64::from(step) / 32.0 - 29.9).exp2()));
        }
        for _ in 0..64 {
            let twice = response.clone();
            response.merge(&twice);
        }
        for number in 0..=AGGREGATE_DEFINITIONS_MAX {
            let figure = Figure { failed: 1, unanswered: 1, response: response.clone() };
            report.figures.add(&format!("name{number}"), &figure);
        }
        report.marks = vec![u32::MAX; REPORT_MARKS_MAX];
        let bytes = report.encode().unwrap();
        let read = Report::decode(&bytes).unwrap();
        let failed = |report: &Report| report.figures.iter().map(|(_, figure)| figure.failed).sum::<u64>();
        assert_eq!(failed(&read), failed(&report), "what is coarser is still all of it");
        assert!((0..bytes.len()).step_by(7).all(|cut| Report::decode(&bytes[..cut]).is_err()));
        report.marks.push(1);
        assert_eq!(report.encode().and_then(|bytes| Report::decode(&bytes)), Err(WireError::Malformed));
    }
}
