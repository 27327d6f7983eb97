//! Frames of a session stream: greeting, resolver queries, answers, cancels and credits (JXTA resolver protocol), pings.
//!
//! Each frame is a version byte, a kind, and a message that ends in an [`Ext`]; frames of unknown kinds can be
//! skipped, because the framing tells where the next begins.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::{QueryError, RefuseReason};
use crate::id::GroupId;
use crate::limits::SESSION_FRAME_BYTES_MAX;
use crate::protocol::membership::Papers;
use crate::wire::{Ext, WireError, decode, encode_kind, split_kind};

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The first frame each way.
    Greeting,
    /// A question to a handler.
    Query(QueryFrame),
    /// The answer to the question of the same number.
    Answer { number: u64, outcome: Outcome, body: Bytes },
    /// Asks for a [`Pong`](Self::Pong) with the same nonce at once.
    Ping { nonce: u64 },
    /// The answer to a ping.
    Pong { nonce: u64 },
    /// What makes the sender a member of a closed group; answered by the other side's papers, or a refusal.
    GroupProof { number: u64, group: GroupId, papers: Papers },
    /// One of several answers, to an asker that gave a window; an [`Answer`](Self::Answer) ends them.
    Part { number: u64, body: Bytes },
    /// The asker awaits no answer any more.
    Cancel { number: u64 },
    /// The asker has room for so many more bytes of answers.
    Credit { number: u64, bytes: u32 },
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QueryFrame {
    pub(crate) number: u64,
    pub(crate) group: GroupId,
    pub(crate) handler: String,
    pub(crate) body: Bytes,
    pub(crate) ext: Ext,
}

/// What a question says in its `ext`; who doesn't know the fields gives one answer and takes the time it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Terms {
    /// The time that the asker has left.
    pub(crate) deadline: Option<Duration>,
    /// Bytes of answers for which the asker has room; without it, it takes one.
    pub(crate) window: Option<u32>,
}

impl Terms {
    /// The fields that say so.
    pub(crate) fn ext(self) -> Ext {
        // Rounded up: whoever answers gives up no sooner than who asks.
        let ms = |left: Duration| u64::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
        let deadline = self.deadline.map(|left| (DEADLINE, Bytes::copy_from_slice(&ms(left).to_le_bytes())));
        let window = self.window.map(|bytes| (WINDOW, Bytes::copy_from_slice(&bytes.to_le_bytes())));
        deadline.into_iter().chain(window).collect()
    }

    /// What the fields say; a field that can't be read says nothing.
    pub(crate) fn of(ext: &Ext) -> Self {
        let field = |key| ext.iter().find(|(known, _)| *known == key).map(|(_, value)| value.as_ref());
        let ms = |value: &[u8]| value.try_into().ok().map(u64::from_le_bytes);
        let bytes = |value: &[u8]| value.try_into().ok().map(u32::from_le_bytes);
        Self {
            deadline: field(DEADLINE).and_then(ms).map(Duration::from_millis),
            window: field(WINDOW).and_then(bytes),
        }
    }
}

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    NoHandler,
    Busy,
    Failed,
    Refused(RefuseReason),
    /// All answers were given before.
    Finished,
}

impl Outcome {
    /// What the asker is told.
    pub(crate) fn into_result(self, body: Bytes) -> Result<Bytes, QueryError> {
        match self {
            Self::Answered => Ok(body),
            Self::NoHandler => Err(QueryError::NoHandler),
            Self::Busy => Err(QueryError::Busy),
            // Who asks for one answer and gets none has asked in vain.
            Self::Failed | Self::Finished => Err(QueryError::Failed),
            Self::Refused(reason) => Err(QueryError::Refused(reason)),
        }
    }

    fn codes(self) -> (u16, u16) {
        match self {
            Self::Answered => (0, 0),
            Self::NoHandler => (1, 0),
            Self::Busy => (2, 0),
            Self::Failed => (3, 0),
            Self::Refused(reason) => (4, reason.code()),
            Self::Finished => (5, 0),
        }
    }

    fn from_codes(outcome: u16, reason: u16) -> Self {
        match outcome {
            0 => Self::Answered,
            1 => Self::NoHandler,
            2 => Self::Busy,
            4 => Self::Refused(RefuseReason::from_code(reason)),
            5 => Self::Finished,
            _ => Self::Failed,
        }
    }
}

impl Frame {
    /// The frame as bytes.
    ///
    /// # Errors
    /// [`WireError::TooLarge`] beyond [`SESSION_FRAME_BYTES_MAX`].
    pub(crate) fn encode(&self) -> Result<Bytes, WireError> {
        match self {
            Self::Greeting => encode_kind(VERSION, GREETING, &Ext::new(), SESSION_FRAME_BYTES_MAX),
            Self::Query(query) => encode_kind(VERSION, QUERY, query, SESSION_FRAME_BYTES_MAX),
            Self::Answer { number, outcome, body } => {
                let (outcome, reason) = outcome.codes();
                let answer =
                    WireAnswer { number: *number, outcome, reason, body: body.clone(), ext: Ext::new() };
                encode_kind(VERSION, ANSWER, &answer, SESSION_FRAME_BYTES_MAX)
            }
            Self::Ping { nonce } => {
                encode_kind(VERSION, PING, &(*nonce, Ext::new()), SESSION_FRAME_BYTES_MAX)
            }
            Self::Pong { nonce } => {
                encode_kind(VERSION, PONG, &(*nonce, Ext::new()), SESSION_FRAME_BYTES_MAX)
            }
            Self::GroupProof { number, group, papers } => {
                let proof = (number, group, &papers.chain, &papers.revocations, Ext::new());
                encode_kind(VERSION, GROUP_PROOF, &proof, SESSION_FRAME_BYTES_MAX)
            }
            Self::Part { number, body } => {
                encode_kind(VERSION, PART, &(number, body, Ext::new()), SESSION_FRAME_BYTES_MAX)
            }
            Self::Cancel { number } => {
                encode_kind(VERSION, CANCEL, &(*number, Ext::new()), SESSION_FRAME_BYTES_MAX)
            }
            Self::Credit { number, bytes } => {
                encode_kind(VERSION, CREDIT, &(*number, *bytes, Ext::new()), SESSION_FRAME_BYTES_MAX)
            }
        }
        .map(Bytes::from)
    }

    /// The frame in `bytes`; `None` for a kind of a later version.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Self>, WireError> {
        let (kind, body) = split_kind(VERSION, bytes)?;
        Ok(Some(match kind {
            GREETING => decode::<Ext>(body, SESSION_FRAME_BYTES_MAX).map(|_| Self::Greeting)?,
            QUERY => Self::Query(decode(body, SESSION_FRAME_BYTES_MAX)?),
            ANSWER => {
                let answer: WireAnswer = decode(body, SESSION_FRAME_BYTES_MAX)?;
                let outcome = Outcome::from_codes(answer.outcome, answer.reason);
                Self::Answer { number: answer.number, outcome, body: answer.body }
            }
            PING => Self::Ping { nonce: number(body)? },
            PONG => Self::Pong { nonce: number(body)? },
            GROUP_PROOF => {
                let (number, group, chain, revocations, _ext): (_, _, _, _, Ext) =
                    decode(body, SESSION_FRAME_BYTES_MAX)?;
                Self::GroupProof { number, group, papers: Papers { chain, revocations } }
            }
            PART => {
                let (number, body, _ext): (_, _, Ext) = decode(body, SESSION_FRAME_BYTES_MAX)?;
                Self::Part { number, body }
            }
            CANCEL => Self::Cancel { number: number(body)? },
            CREDIT => {
                let (number, bytes, _ext): (_, _, Ext) = decode(body, SESSION_FRAME_BYTES_MAX)?;
                Self::Credit { number, bytes }
            }
            _ => return Ok(None),
        }))
    }
}

fn number(body: &[u8]) -> Result<u64, WireError> {
    decode::<(u64, Ext)>(body, SESSION_FRAME_BYTES_MAX).map(|(number, _)| number)
}

#[derive(Serialize, Deserialize)]
struct WireAnswer {
    number: u64,
    outcome: u16,
    reason: u16,
    body: Bytes,
    ext: Ext,
}

const VERSION: u8 = 1;
const GREETING: u16 = 1;
const QUERY: u16 = 2;
const ANSWER: u16 = 3;
const PING: u16 = 4;
const PONG: u16 = 5;
const GROUP_PROOF: u16 = 6;
const PART: u16 = 7;
const CANCEL: u16 = 8;
const CREDIT: u16 = 9;

/// Field of a query: milliseconds left, u64 LE.
const DEADLINE: u16 = 1;
/// Field of a query: bytes of answers, u32 LE.
const WINDOW: u16 = 2;

#[cfg(test)]
mod tests;
