//! Frames of a session stream: greeting, resolver queries and answers (JXTA resolver protocol), pings.
//!
//! Each frame is a version byte, a kind, and a message that ends in an [`Ext`]; frames of unknown kinds can be
//! skipped, because the framing tells where the next begins.

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

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    NoHandler,
    Busy,
    Failed,
    Refused(RefuseReason),
}

impl Outcome {
    /// What the asker is told.
    pub(crate) fn into_result(self, body: Bytes) -> Result<Bytes, QueryError> {
        match self {
            Self::Answered => Ok(body),
            Self::NoHandler => Err(QueryError::NoHandler),
            Self::Busy => Err(QueryError::Busy),
            Self::Failed => Err(QueryError::Failed),
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
        }
    }

    fn from_codes(outcome: u16, reason: u16) -> Self {
        match outcome {
            0 => Self::Answered,
            1 => Self::NoHandler,
            2 => Self::Busy,
            4 => Self::Refused(RefuseReason::from_code(reason)),
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
            PING => Self::Ping { nonce: nonce(body)? },
            PONG => Self::Pong { nonce: nonce(body)? },
            GROUP_PROOF => {
                let (number, group, chain, revocations, _ext): (_, _, _, _, Ext) =
                    decode(body, SESSION_FRAME_BYTES_MAX)?;
                Self::GroupProof { number, group, papers: Papers { chain, revocations } }
            }
            _ => return Ok(None),
        }))
    }
}

fn nonce(body: &[u8]) -> Result<u64, WireError> {
    decode::<(u64, Ext)>(body, SESSION_FRAME_BYTES_MAX).map(|(nonce, _)| nonce)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames() -> Vec<Frame> {
        let query = QueryFrame {
            number: 5,
            group: GroupId::from_bytes([9; 32]),
            handler: "h".into(),
            body: Bytes::from_static(b"q"),
            ext: Ext::new(),
        };
        let refused = Outcome::Refused(RefuseReason::Full);
        let papers = Papers { chain: vec![Bytes::from_static(b"c")], revocations: Bytes::from_static(b"r") };
        vec![
            Frame::Greeting,
            Frame::Query(query),
            Frame::Answer { number: 5, outcome: refused, body: Bytes::new() },
            Frame::Answer { number: 6, outcome: Outcome::Answered, body: Bytes::from_static(b"a") },
            Frame::Ping { nonce: 7 },
            Frame::Pong { nonce: 8 },
            Frame::GroupProof { number: 7, group: GroupId::from_bytes([9; 32]), papers },
        ]
    }

    #[test]
    fn golden_bytes_guard_the_frames() {
        let bytes: Vec<_> = frames().iter().map(|frame| frame.encode().unwrap()).collect();
        assert_eq!(bytes[0].as_ref(), [1, 1, 0, 0]);
        let mut query = vec![1, 2, 0, 5];
        query.extend([9; 32]);
        query.extend([1, b'h', 1, b'q', 0]);
        assert_eq!(bytes[1].as_ref(), query);
        assert_eq!(bytes[2].as_ref(), [1, 3, 0, 5, 4, 4, 0, 0]);
        assert_eq!(bytes[3].as_ref(), [1, 3, 0, 6, 0, 0, 1, b'a', 0]);
        assert_eq!(bytes[4].as_ref(), [1, 4, 0, 7, 0]);
        assert_eq!(bytes[5].as_ref(), [1, 5, 0, 8, 0]);
        let proof = [vec![1, 6, 0, 7], vec![9; 32], vec![1, 1, b'c', 1, b'r', 0]].concat();
        assert_eq!(bytes[6].as_ref(), proof);
    }

    #[test]
    fn every_frame_decodes_to_itself_and_no_truncation_does() {
        for frame in frames() {
            let bytes = frame.encode().unwrap();
            assert_eq!(Frame::decode(&bytes), Ok(Some(frame)));
            for len in 0..bytes.len() {
                assert!(Frame::decode(&bytes[..len]).is_err());
            }
            let mut longer = bytes.to_vec();
            longer.push(0);
            assert!(Frame::decode(&longer).is_err());
        }
    }

    #[test]
    fn a_kind_of_a_later_version_is_skipped() {
        assert_eq!(Frame::decode(&[1, 77, 0, 1, 2, 3]), Ok(None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes: Vec<u8>) {
            let _ = Frame::decode(&bytes);
        }
    }
}
