//! What is asked and said in a spot check: of one's own reports, and of those that an aggregator counted.
//!
//! In: questions and answers. Out: bytes and back. A report of one's own has at most `REPORT_BYTES_MAX` bytes; reports of
//! others come `PARTS_ANSWER_MAX` at a time, with at most `PARTS_ANSWER_BYTES_MAX` bytes or one report.

use std::time::Duration;

use overlay::wire::{Ext, WireError, decode, encode_kind};

use super::{DECODE_MAX, VERSION, millis, peer};
use crate::aggregate::ledger::{Page, Part};
use crate::aggregate::report::{Report, Stamp};
use crate::aggregate::told::{Saying, ToldAnswer, Which};
use crate::limits::{
    AGGREGATOR_LEVEL_MAX, PARTS_ANSWER_BYTES_MAX, PARTS_ANSWER_MAX, REPORT_BYTES_MAX, TOLD_PARENTS_MAX,
};

/// What an aggregator says of the reports that it counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartsAnswer {
    /// Which interval it is there now.
    pub at: u64,
    /// Some of the reports.
    pub page: Page,
}

pub(super) fn encode_which(which: Which) -> Result<Vec<u8>, WireError> {
    let (what, first, second) = match which {
        Which::HandedOn => (HANDED_ON, 0, 0),
        Which::Stamped(stamp) => (STAMPED, stamp.interval, stamp.boot),
        Which::Holding(mark) => (HOLDING, u64::from(mark), 0),
    };
    encode_kind(VERSION, TOLD, &(what, first, second, Ext::new()), QUESTION_MAX)
}

pub(super) fn decode_which(body: &[u8]) -> Result<Which, WireError> {
    let (what, first, second, _ext): (u8, u64, u64, Ext) = decode(body, DECODE_MAX)?;
    match what {
        HANDED_ON => Ok(Which::HandedOn),
        STAMPED => Ok(Which::Stamped(Stamp { interval: first, boot: second })),
        HOLDING => u32::try_from(first).map(Which::Holding).map_err(|_| WireError::Malformed),
        _ => Err(WireError::Malformed),
    }
}

pub(super) fn encode_parts_of(stamp: Stamp, from: u32) -> Result<Vec<u8>, WireError> {
    encode_kind(VERSION, PARTS, &(stamp.interval, stamp.boot, from, Ext::new()), QUESTION_MAX)
}

pub(super) fn decode_parts_of(body: &[u8]) -> Result<(Stamp, u32), WireError> {
    let (interval, boot, from, _ext): (u64, u64, u32, Ext) = decode(body, DECODE_MAX)?;
    Ok((Stamp { interval, boot }, from))
}

/// A saying on the wire: report, parents, handed on, kept, how long ago.
type Said = (Vec<u8>, Vec<Vec<u8>>, bool, bool, u64);

pub(super) fn encode_told(ToldAnswer { reach, saying }: &ToldAnswer) -> Result<Vec<u8>, WireError> {
    let said = saying.as_ref().map(|saying| -> Result<Said, WireError> {
        let to = saying.to.iter().map(|parent| parent.to_bytes()).collect();
        Ok((saying.report.encode()?, to, saying.handed_on, saying.kept, millis(saying.ago)))
    });
    encode_kind(VERSION, TOLD, &(millis(*reach), said.transpose()?, Ext::new()), TOLD_MAX)
}

pub(super) fn decode_told(body: &[u8]) -> Result<ToldAnswer, WireError> {
    let (reach, said, _ext): (u64, Option<Said>, Ext) = decode(body, DECODE_MAX)?;
    let saying = said.map(|(report, to, handed_on, kept, ago)| {
        if to.len() > TOLD_PARENTS_MAX {
            return Err(WireError::Malformed);
        }
        let to = to.iter().map(|bytes| peer(bytes)).collect::<Result<_, _>>()?;
        let report = Report::decode(&report)?;
        Ok(Saying { report, to, handed_on, kept, ago: Duration::from_millis(ago) })
    });
    Ok(ToldAnswer { reach: Duration::from_millis(reach), saying: saying.transpose()? })
}

/// A part on the wire: child, level, with which interval, report.
type Counted = (Vec<u8>, u8, u64, Vec<u8>);

pub(super) fn encode_parts(PartsAnswer { at, page }: &PartsAnswer) -> Result<Vec<u8>, WireError> {
    let counted = |part: &Part| -> Result<Counted, WireError> {
        Ok((part.child.to_bytes(), part.level, part.closed, part.report.encode()?))
    };
    let parts = page.parts.iter().map(counted).collect::<Result<Vec<_>, _>>()?;
    encode_kind(VERSION, PARTS, &(at, parts, page.more, Ext::new()), PARTS_MAX)
}

pub(super) fn decode_parts(body: &[u8]) -> Result<PartsAnswer, WireError> {
    let (at, counted, more, _ext): (u64, Vec<Counted>, bool, Ext) = decode(body, DECODE_MAX)?;
    if counted.len() > PARTS_ANSWER_MAX {
        return Err(WireError::Malformed);
    }
    let part = |(child, level, closed, report): &Counted| -> Result<Part, WireError> {
        if *level > AGGREGATOR_LEVEL_MAX {
            return Err(WireError::Malformed);
        }
        Ok(Part { child: peer(child)?, level: *level, closed: *closed, report: Report::decode(report)? })
    };
    let parts = counted.iter().map(part).collect::<Result<_, _>>()?;
    Ok(PartsAnswer { at, page: Page { parts, more } })
}

/// Kinds of messages, after those of the tree itself.
pub(super) const TOLD: u16 = 10;
pub(super) const PARTS: u16 = 11;

/// Which report.
const HANDED_ON: u8 = 0;
const STAMPED: u8 = 1;
const HOLDING: u8 = 2;

/// A question has no more than three numbers.
const QUESTION_MAX: usize = 64;

/// A report, its parents and what stands before them.
const TOLD_MAX: usize = REPORT_BYTES_MAX + TOLD_PARENTS_MAX * 64 + 64;

/// Reports, the child and frame of each, and what stands before them.
const PARTS_MAX: usize = PARTS_ANSWER_BYTES_MAX + PARTS_ANSWER_MAX * 64 + 64;

#[cfg(test)]
mod tests {
    use super::super::{TreeAnswer, TreeQuestion, tests::peer};
    use super::*;

    #[test]
    fn golden_bytes_of_the_questions() {
        let stamp = Stamp { interval: 7, boot: 8 };
        let golden: [(TreeQuestion, &[u8]); 4] = [
            (TreeQuestion::Told(Which::HandedOn), &[1, 10, 0, 0, 0, 0, 0]),
            (TreeQuestion::Told(Which::Stamped(stamp)), &[1, 10, 0, 1, 7, 8, 0]),
            (TreeQuestion::Told(Which::Holding(9)), &[1, 10, 0, 2, 9, 0, 0]),
            (TreeQuestion::Parts { stamp, from: 3 }, &[1, 11, 0, 7, 8, 3, 0]),
        ];
        for (question, bytes) in golden {
            assert_eq!(question.encode().unwrap(), bytes);
            assert_eq!(TreeQuestion::decode(bytes), Ok(question));
        }
        assert_eq!(TreeQuestion::decode(&[1, 10, 0, 3, 0, 0, 0]), Err(WireError::Malformed));
    }

    #[test]
    fn answers_come_back_as_they_were_and_beyond_the_bounds_not_at_all() {
        let report = Report::of_one(Stamp { interval: 7, boot: 8 });
        let saying = |parents| Saying {
            report: report.clone(),
            to: vec![peer(); parents],
            handed_on: true,
            kept: false,
            ago: Duration::from_millis(9),
        };
        let told =
            |parents| TreeAnswer::Told(ToldAnswer { reach: Duration::MAX, saying: Some(saying(parents)) });
        let part = |level| Part { child: peer(), level, closed: 7, report: report.clone() };
        let parts = |level, count| {
            TreeAnswer::Parts(PartsAnswer {
                at: 9,
                page: Page { parts: vec![part(level); count], more: true },
            })
        };
        let reach = Duration::from_millis(5);
        for answer in [TreeAnswer::Told(ToldAnswer { reach, saying: None }), parts(4, PARTS_ANSWER_MAX)] {
            assert_eq!(TreeAnswer::decode(&answer.encode().unwrap()), Ok(answer));
        }
        assert!(TreeAnswer::decode(&told(TOLD_PARENTS_MAX).encode().unwrap()).is_ok());
        for beyond in [told(TOLD_PARENTS_MAX + 1), parts(5, 1), parts(0, PARTS_ANSWER_MAX + 1)] {
            let decoded = beyond.encode().and_then(|bytes| TreeAnswer::decode(&bytes));
            assert_eq!(decoded, Err(WireError::Malformed));
        }
    }
}
