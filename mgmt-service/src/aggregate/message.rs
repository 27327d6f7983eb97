//! What the peers of a tree say to each other: over a pipe from child to parent, and as questions to an aggregator.
//!
//! In: messages. Out: bytes and back. Every message has a version and a kind and at most `REPORT_BYTES_MAX` bytes and some
//! for its frame; an answer to a manager has at most `TOTALS_ANSWER_BYTES_MAX` and one report.

use std::time::Duration;

use overlay::wire::{Ext, WireError, decode, encode_kind, split_kind};
use overlay::{GroupId, PeerId, PipeId};

pub use checking::PartsAnswer;

use super::node::{Newcomer, Settled};
use super::report::{Report, Stamp};
use super::told::{ToldAnswer, Which};
use super::uplink::Fate;
use crate::limits::{
    REPORT_BYTES_MAX, REPORT_DECODE_BYTES_MAX, REPORTS_KEPT, TOTALS_ANSWER_BYTES_MAX, TOTALS_KEPT,
};

/// Name of the resolver handler at which aggregators answer.
pub const TREE_HANDLER: &str = "juxta.management.tree";

/// Name of the resolver handler at which whoever reports says what it has reported.
pub const TOLD_HANDLER: &str = "juxta.management.told";

/// The pipe on which the aggregator `peer` in `group` takes children.
#[must_use]
pub fn tree_pipe_id(group: &GroupId, peer: &PeerId) -> PipeId {
    PipeId::derive(group, &format!("mgmt-tree/{peer}"))
}

/// What a child says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromChild {
    /// First: who it is.
    Attach(Newcomer),
    /// Its figures of one interval.
    Report(Report),
}

/// What a parent says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromParent {
    /// It is a child; and again whenever the intervals have moved.
    Attached {
        /// The parent's run.
        boot: u64,
        /// Which interval it is, and how much of it has passed.
        at: (u64, Duration),
        /// How long one is, in whole milliseconds.
        length: Duration,
        /// The parent's own parent: whom to ask when this one is gone.
        above: Option<PeerId>,
    },
    /// There is no room here.
    Full,
    /// Nothing of this run of the child may count any more.
    Gone,
    /// What became of a report.
    Said {
        /// Of which interval.
        interval: u64,
        /// That.
        fate: Fate,
    },
}

/// What an aggregator is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeQuestion {
    /// By an orphan: what of its reports came with its aggregator, which is gone.
    Settle {
        /// Which aggregator.
        aggregator: PeerId,
        /// In which run of it.
        boot: u64,
        /// The reports.
        stamps: Vec<Stamp>,
    },
    /// By a manager: the figures of intervals after this one.
    Totals {
        /// 0 for all.
        after: u64,
    },
    /// By a manager, of whoever reports: a report that it has made.
    Told(Which),
    /// By a manager, of an aggregator: what it counted in one of its own reports.
    Parts {
        /// In which.
        stamp: Stamp,
        /// Without the first so many.
        from: u32,
    },
}

/// What a manager is told by an aggregator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotalsAnswer {
    /// How long an interval is, in whole milliseconds.
    pub length: Duration,
    /// Where it reports to; an aggregator that reports to nobody is a root, and keeps its reports.
    pub above: Option<PeerId>,
    /// The oldest intervals that it kept as a root; the next question goes on after them.
    pub reports: Vec<Report>,
    /// Whether there are more.
    pub more: bool,
}

/// What an aggregator answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeAnswer {
    /// To an orphan.
    Settled(Settled),
    /// To a manager.
    Totals(TotalsAnswer),
    /// To a manager, of a report of its own.
    Told(ToldAnswer),
    /// To a manager, of the reports of others.
    Parts(PartsAnswer),
}

impl FromChild {
    /// The message as bytes.
    ///
    /// # Errors
    /// None that figures can cause.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        match self {
            Self::Attach(Newcomer { boot, level, expected }) => {
                encode_kind(VERSION, ATTACH, &(boot, level, expected, Ext::new()), MESSAGE_MAX)
            }
            Self::Report(report) => encode_kind(VERSION, REPORT, &report.encode()?, MESSAGE_MAX),
        }
    }

    /// The message in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (kind, body) = split(bytes, MESSAGE_MAX)?;
        match kind {
            ATTACH => {
                let (boot, level, expected, _ext): (u64, u8, u64, Ext) = decode(body, DECODE_MAX)?;
                Ok(Self::Attach(Newcomer { boot, level, expected }))
            }
            REPORT => Ok(Self::Report(Report::decode(&decode::<Vec<u8>>(body, DECODE_MAX)?)?)),
            got => Err(WireError::UnknownKind { got }),
        }
    }
}

impl FromParent {
    /// The message as bytes.
    ///
    /// # Errors
    /// None.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        match self {
            Self::Attached { boot, at: (number, elapsed), length, above } => {
                let body = (
                    boot,
                    number,
                    micros(*elapsed),
                    millis(*length),
                    above.map(PeerId::to_bytes),
                    Ext::new(),
                );
                encode_kind(VERSION, ATTACHED, &body, MESSAGE_MAX)
            }
            Self::Full => encode_kind(VERSION, FULL, &Ext::new(), MESSAGE_MAX),
            Self::Gone => encode_kind(VERSION, GONE, &Ext::new(), MESSAGE_MAX),
            Self::Said { interval, fate } => {
                let fate = FATES.iter().position(|known| known == fate).unwrap_or(0) as u8;
                encode_kind(VERSION, SAID, &(interval, fate, Ext::new()), MESSAGE_MAX)
            }
        }
    }

    /// The message in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (kind, body) = split(bytes, MESSAGE_MAX)?;
        match kind {
            ATTACHED => {
                type Body = (u64, u64, u64, u64, Option<Vec<u8>>, Ext);
                let (boot, number, elapsed, length, above, _ext): Body = decode(body, DECODE_MAX)?;
                let at = (number, Duration::from_micros(elapsed));
                let above = above.map(|bytes| peer(&bytes)).transpose()?;
                Ok(Self::Attached { boot, at, length: Duration::from_millis(length), above })
            }
            FULL => decode::<Ext>(body, DECODE_MAX).map(|_| Self::Full),
            GONE => decode::<Ext>(body, DECODE_MAX).map(|_| Self::Gone),
            SAID => {
                let (interval, fate, _ext): (u64, u8, Ext) = decode(body, DECODE_MAX)?;
                let fate = FATES.get(usize::from(fate)).ok_or(WireError::Malformed)?;
                Ok(Self::Said { interval, fate: *fate })
            }
            got => Err(WireError::UnknownKind { got }),
        }
    }
}

impl TreeQuestion {
    /// The question as bytes.
    ///
    /// # Errors
    /// None.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        match self {
            Self::Settle { aggregator, boot, stamps } => {
                let stamps: Vec<(u64, u64)> =
                    stamps.iter().map(|stamp| (stamp.interval, stamp.boot)).collect();
                let body = (aggregator.to_bytes(), boot, stamps, Ext::new());
                encode_kind(VERSION, SETTLE, &body, MESSAGE_MAX)
            }
            Self::Totals { after } => encode_kind(VERSION, TOTALS, &(after, Ext::new()), MESSAGE_MAX),
            Self::Told(which) => checking::encode_which(*which),
            Self::Parts { stamp, from } => checking::encode_parts_of(*stamp, *from),
        }
    }

    /// The question in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (kind, body) = split(bytes, MESSAGE_MAX)?;
        match kind {
            SETTLE => {
                type Body = (Vec<u8>, u64, Vec<(u64, u64)>, Ext);
                let (aggregator, boot, stamps, _ext): Body = decode(body, DECODE_MAX)?;
                if stamps.len() > REPORTS_KEPT {
                    return Err(WireError::Malformed);
                }
                let stamps = stamps.into_iter().map(|(interval, boot)| Stamp { interval, boot }).collect();
                Ok(Self::Settle { aggregator: peer(&aggregator)?, boot, stamps })
            }
            TOTALS => {
                let (after, _ext): (u64, Ext) = decode(body, DECODE_MAX)?;
                Ok(Self::Totals { after })
            }
            checking::TOLD => checking::decode_which(body).map(Self::Told),
            checking::PARTS => {
                checking::decode_parts_of(body).map(|(stamp, from)| Self::Parts { stamp, from })
            }
            got => Err(WireError::UnknownKind { got }),
        }
    }
}

impl TreeAnswer {
    /// The answer as bytes.
    ///
    /// # Errors
    /// None of what [`TotalsAnswer`] is bounded to.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        match self {
            Self::Settled(Settled { lives, included }) => {
                encode_kind(VERSION, SETTLED, &(lives, included, Ext::new()), ANSWER_MAX)
            }
            Self::Totals(TotalsAnswer { length, above, reports, more }) => {
                let (mut encoded, mut bytes, mut more) = (Vec::new(), 0, *more);
                for report in reports {
                    let report = report.encode()?;
                    bytes += report.len();
                    if bytes > TOTALS_ANSWER_BYTES_MAX {
                        more = true;
                        break;
                    }
                    encoded.push(report);
                }
                let body = (millis(*length), above.map(PeerId::to_bytes), encoded, more, Ext::new());
                encode_kind(VERSION, TOTALS, &body, ANSWER_MAX)
            }
            Self::Told(answer) => checking::encode_told(answer),
            Self::Parts(answer) => checking::encode_parts(answer),
        }
    }

    /// The answer in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (kind, body) = split(bytes, ANSWER_MAX)?;
        match kind {
            SETTLED => {
                let (lives, included, _ext): (bool, Vec<u64>, Ext) = decode(body, DECODE_MAX)?;
                Ok(Self::Settled(Settled { lives, included }))
            }
            TOTALS => {
                type Body = (u64, Option<Vec<u8>>, Vec<Vec<u8>>, bool, Ext);
                let (length, above, encoded, more, _ext): Body = decode(body, DECODE_MAX)?;
                if encoded.len() > TOTALS_KEPT {
                    return Err(WireError::Malformed);
                }
                let reports = encoded.iter().map(|bytes| Report::decode(bytes)).collect::<Result<_, _>>()?;
                let above = above.map(|bytes| peer(&bytes)).transpose()?;
                let length = Duration::from_millis(length);
                Ok(Self::Totals(TotalsAnswer { length, above, reports, more }))
            }
            checking::TOLD => checking::decode_told(body).map(Self::Told),
            checking::PARTS => checking::decode_parts(body).map(Self::Parts),
            got => Err(WireError::UnknownKind { got }),
        }
    }
}

fn split(bytes: &[u8], max: usize) -> Result<(u16, &[u8]), WireError> {
    if bytes.len() > max {
        return Err(WireError::TooLarge { len: bytes.len(), max });
    }
    split_kind(VERSION, bytes)
}

fn peer(bytes: &[u8]) -> Result<PeerId, WireError> {
    PeerId::from_bytes(bytes).map_err(|_| WireError::Malformed)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

const VERSION: u8 = 1;

/// Kinds of messages.
const ATTACH: u16 = 1;
const REPORT: u16 = 2;
const ATTACHED: u16 = 3;
const FULL: u16 = 4;
const GONE: u16 = 5;
const SAID: u16 = 6;
const SETTLE: u16 = 7;
const SETTLED: u16 = 8;
const TOTALS: u16 = 9;

/// Fates by their number on the wire.
const FATES: [Fate; 5] = [Fate::Taken, Fate::HandedOn, Fate::Late, Fate::Refused, Fate::Forgotten];

/// A report and its frame.
const MESSAGE_MAX: usize = REPORT_BYTES_MAX + 64;

/// Reports to a manager, the frame of each, and what stands before them.
const ANSWER_MAX: usize = TOTALS_ANSWER_BYTES_MAX + TOTALS_KEPT * 8 + 256;

/// What bounds the memory of a decode.
const DECODE_MAX: usize = REPORT_DECODE_BYTES_MAX;

mod checking;
#[cfg(test)]
mod tests;
