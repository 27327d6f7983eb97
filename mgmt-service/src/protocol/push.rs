//! What travels on a subscription pipe: a manager subscribes, acknowledges and flushes; an agent pushes batches.
//!
//! In: messages. Out: bytes and back. Every message has at most `PUSH_BYTES_MAX` bytes.

use std::time::Duration;

use bytes::Bytes;
use overlay::PeerId;
use overlay::wire::{Ext, WireError, decode, encode_kind, split_kind};

use super::batch::{DictionaryReader, RecordBatch};
use super::notice::{NOTICE, Notice};
use super::service::{VERSION, check_len};
use super::terms::Terms;
use crate::jmx::ObjectNamePattern;
use crate::limits::PUSH_BYTES_MAX;

/// What a manager says on the pipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromManager {
    /// The first message: which records, and where an earlier pipe of the same subscription ended.
    Subscribe {
        /// Random, chosen by the manager; together with its PeerId it names the subscription.
        subscription: u64,
        /// Names of the records that are wanted.
        pattern: ObjectNamePattern,
        /// The boot and the number of the last batch that was committed; zeros at first.
        resume_from: (u64, u64),
        /// For how long the manager has wanted this agent's records without a pipe to it, in whole milliseconds. An
        /// agent that knows nothing of the subscription begins with what it measured meanwhile and still holds.
        missed: Duration,
        /// Whether the manager wants the records also of times when it is away: the agent then keeps them on its disk,
        /// if it has a place there, and closes batches after a minute. An agent that does not know of this serves it as
        /// any subscription.
        standing: bool,
        /// What holds on this pipe from its start.
        terms: Terms,
    },
    /// Every batch up to this number is committed. It may come again with other terms.
    Ack {
        /// The number; 0 while there is none on this pipe.
        seq: u64,
        /// What holds from now on.
        terms: Terms,
    },
    /// Send what there is at once, then say [`FromAgent::Flushed`].
    Flush,
    /// The subscription is over; nothing is kept for it.
    Unsubscribe,
}

impl FromManager {
    /// The message as bytes.
    ///
    /// # Errors
    /// None for patterns within their bound.
    pub fn encode(&self) -> Result<Bytes, WireError> {
        match self {
            Self::Subscribe { subscription, pattern, resume_from: (boot, seq), missed, standing, terms } => {
                let mut ext = if *standing { vec![(EXT_STANDING, Bytes::new())] } else { Ext::new() };
                terms.write(&mut ext)?;
                let missed_ms = u64::try_from(missed.as_millis()).unwrap_or(u64::MAX);
                let body = (*subscription, pattern.to_string(), *boot, *seq, missed_ms, ext);
                encode_kind(VERSION, SUBSCRIBE, &body, PUSH_BYTES_MAX)
            }
            Self::Ack { seq, terms } => {
                let mut ext = Ext::new();
                terms.write(&mut ext)?;
                encode_kind(VERSION, ACK, &(*seq, ext), PUSH_BYTES_MAX)
            }
            Self::Flush => encode_kind(VERSION, FLUSH, &Ext::new(), PUSH_BYTES_MAX),
            Self::Unsubscribe => encode_kind(VERSION, UNSUBSCRIBE, &Ext::new(), PUSH_BYTES_MAX),
        }
        .map(Bytes::from)
    }

    /// The message in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says; a pattern that can't be read is malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        check_len(bytes, PUSH_BYTES_MAX)?;
        let (kind, body) = split_kind(VERSION, bytes)?;
        match kind {
            SUBSCRIBE => {
                let (subscription, pattern, boot, seq, missed_ms, ext): (u64, String, u64, u64, u64, Ext) =
                    decode(body, PUSH_BYTES_MAX)?;
                let pattern = pattern.parse().map_err(|_| WireError::Malformed)?;
                let missed = Duration::from_millis(missed_ms);
                let standing = ext.iter().any(|(kind, _)| *kind == EXT_STANDING);
                let terms = Terms::read(&ext)?;
                Ok(Self::Subscribe {
                    subscription,
                    pattern,
                    resume_from: (boot, seq),
                    missed,
                    standing,
                    terms,
                })
            }
            ACK => {
                let (seq, ext): (u64, Ext) = decode(body, PUSH_BYTES_MAX)?;
                Ok(Self::Ack { seq, terms: Terms::read(&ext)? })
            }
            FLUSH => decode::<Ext>(body, PUSH_BYTES_MAX).map(|_ext| Self::Flush),
            UNSUBSCRIBE => decode::<Ext>(body, PUSH_BYTES_MAX).map(|_ext| Self::Unsubscribe),
            got => Err(WireError::UnknownKind { got }),
        }
    }
}

/// What an agent says on the pipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromAgent {
    /// Records; built by a [`BatchBuilder`](super::BatchBuilder).
    Batch(RecordBatch),
    /// All that there was when [`FromManager::Flush`] came has been sent.
    Flushed {
        /// The number of the last batch sent so far; 0 when there was none.
        seq: u64,
    },
    /// The subscription is not accepted: the agent has as many as it may.
    Full,
    /// What monitors said; only to a manager whose terms ask for it.
    Notice(Notice),
}

impl FromAgent {
    /// The bytes of [`FromAgent::Flushed`].
    ///
    /// # Errors
    /// None.
    pub fn encode_flushed(seq: u64) -> Result<Bytes, WireError> {
        encode_kind(VERSION, FLUSHED, &(seq, Ext::new()), PUSH_BYTES_MAX).map(Bytes::from)
    }

    /// The bytes of [`FromAgent::Full`].
    ///
    /// # Errors
    /// None.
    pub fn encode_full() -> Result<Bytes, WireError> {
        encode_kind(VERSION, FULL, &Ext::new(), PUSH_BYTES_MAX).map(Bytes::from)
    }

    /// The message in `bytes`, which came from `peer` on the pipe that `dictionary` belongs to.
    ///
    /// # Errors
    /// As [`WireError`] says; the pipe can't be read further then.
    pub fn decode(peer: PeerId, dictionary: &mut DictionaryReader, bytes: &[u8]) -> Result<Self, WireError> {
        check_len(bytes, PUSH_BYTES_MAX)?;
        let (kind, body) = split_kind(VERSION, bytes)?;
        match kind {
            BATCH => RecordBatch::decode(peer, dictionary, body).map(Self::Batch),
            FLUSHED => {
                let (seq, _ext): (u64, Ext) = decode(body, PUSH_BYTES_MAX)?;
                Ok(Self::Flushed { seq })
            }
            FULL => decode::<Ext>(body, PUSH_BYTES_MAX).map(|_ext| Self::Full),
            NOTICE => Notice::decode(body).map(Self::Notice),
            got => Err(WireError::UnknownKind { got }),
        }
    }
}

/// The number under which a subscription says that it is a standing one.
const EXT_STANDING: u16 = 1;

const SUBSCRIBE: u16 = 1;
const ACK: u16 = 2;
/// 3 were batches row by row.
pub(super) const BATCH: u16 = 8;
const FLUSH: u16 = 4;
const FLUSHED: u16 = 5;
const FULL: u16 = 6;
const UNSUBSCRIBE: u16 = 7;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(peer: PeerId, bytes: &[u8]) -> Result<FromAgent, WireError> {
        FromAgent::decode(peer, &mut DictionaryReader::default(), bytes)
    }

    fn subscribe() -> FromManager {
        let (pattern, missed) = ("*:*".parse().unwrap(), Duration::from_millis(5));
        let (resume_from, terms) = ((2, 3), Terms::default());
        FromManager::Subscribe { subscription: 300, pattern, resume_from, missed, standing: false, terms }
    }

    fn ack() -> FromManager {
        FromManager::Ack { seq: 9, terms: Terms::default() }
    }

    #[test]
    fn golden_bytes_of_what_a_manager_says() {
        let golden: [(FromManager, &[u8]); 4] = [
            (subscribe(), &[1, 1, 0, 251, 44, 1, 3, b'*', b':', b'*', 2, 3, 5, 0]),
            (ack(), &[1, 2, 0, 9, 0]),
            (FromManager::Flush, &[1, 4, 0, 0]),
            (FromManager::Unsubscribe, &[1, 7, 0, 0]),
        ];
        for (message, bytes) in golden {
            assert_eq!(message.encode().unwrap(), bytes);
            assert_eq!(FromManager::decode(bytes), Ok(message));
        }
    }

    #[test]
    fn a_standing_subscription_says_so_at_its_end() {
        let mut standing = subscribe();
        if let FromManager::Subscribe { standing, .. } = &mut standing {
            *standing = true;
        }
        let bytes = standing.encode().unwrap();
        assert_eq!(bytes, [1, 1, 0, 251, 44, 1, 3, b'*', b':', b'*', 2, 3, 5, 1, 1, 0][..]);
        assert_eq!(FromManager::decode(&bytes), Ok(standing));
    }

    #[test]
    fn golden_bytes_of_terms_which_an_older_agent_reads_past() {
        let terms = Terms { granted: Some(65_536), watched: true, notices: true };
        let ack = FromManager::Ack { seq: 9, terms };
        let bytes = ack.encode().unwrap();
        assert_eq!(bytes, [1, 2, 0, 9, 3, 2, 5, 252, 0, 0, 1, 0, 3, 0, 4, 0][..]);
        assert_eq!(FromManager::decode(&bytes), Ok(ack));
        let mut said = subscribe();
        if let FromManager::Subscribe { terms: said, .. } = &mut said {
            *said = Terms { granted: Some(7), ..Terms::default() };
        }
        let bytes = said.encode().unwrap();
        assert_eq!(bytes, [1, 1, 0, 251, 44, 1, 3, b'*', b':', b'*', 2, 3, 5, 1, 2, 1, 7][..]);
        assert_eq!(FromManager::decode(&bytes), Ok(said));
        for granted in [&[][..], &[252, 0, 0], &[7, 7]] {
            let mut bytes = vec![1, 2, 0, 9, 1, 2, granted.len() as u8];
            bytes.extend(granted);
            assert!(FromManager::decode(&bytes).is_err(), "{granted:?} is no number");
        }
    }

    #[test]
    fn golden_bytes_of_what_an_agent_says() {
        let peer = PeerId::random();
        assert_eq!(FromAgent::encode_flushed(9).unwrap(), &[1, 5, 0, 9, 0][..]);
        assert_eq!(decode(peer, &[1, 5, 0, 9, 0]), Ok(FromAgent::Flushed { seq: 9 }));
        assert_eq!(FromAgent::encode_full().unwrap(), &[1, 6, 0, 0][..]);
        assert_eq!(decode(peer, &[1, 6, 0, 0]), Ok(FromAgent::Full));
    }

    #[test]
    fn a_later_field_is_skipped_by_this_reader() {
        let later = [1, 2, 0, 9, 1, 7, 2, 0xaa, 0xbb];
        assert_eq!(FromManager::decode(&later), Ok(ack()));
    }

    #[test]
    fn other_versions_kinds_and_oversize_are_errors() {
        assert_eq!(FromManager::decode(&[2, 2, 0, 9, 0]), Err(WireError::UnknownVersion { got: 2 }));
        assert_eq!(FromManager::decode(&[1, 3, 0, 9, 0]), Err(WireError::UnknownKind { got: 3 }));
        let mut long = vec![1, 4, 0];
        long.resize(PUSH_BYTES_MAX + 4, 0);
        assert!(matches!(FromManager::decode(&long), Err(WireError::TooLarge { .. })));
        let peer = PeerId::random();
        assert_eq!(decode(peer, &[1, 1, 0]), Err(WireError::UnknownKind { got: 1 }));
        assert_eq!(decode(peer, &[]), Err(WireError::Truncated));
    }

    proptest! {
        #[test]
        fn truncated_and_trailing_bytes_are_errors(cut in 0usize..14, tail in 1usize..4) {
            for message in [subscribe(), ack(), FromManager::Flush, FromManager::Unsubscribe] {
                let mut bytes = message.encode().unwrap().to_vec();
                prop_assert!(FromManager::decode(&bytes[..cut.min(bytes.len() - 1)]).is_err());
                bytes.extend(vec![0; tail]);
                prop_assert!(FromManager::decode(&bytes).is_err());
            }
            for bytes in [FromAgent::encode_flushed(9).unwrap(), FromAgent::encode_full().unwrap()] {
                let peer = PeerId::random();
                prop_assert!(decode(peer, &bytes[..cut.min(bytes.len() - 1)]).is_err());
                let mut bytes = bytes.to_vec();
                bytes.extend(vec![0; tail]);
                prop_assert!(decode(peer, &bytes).is_err());
            }
        }

        #[test]
        fn any_bytes_are_a_message_or_an_error(kind in 0u8..9, noise: Vec<u8>) {
            let mut bytes = vec![VERSION, kind, 0];
            bytes.extend(noise);
            let _ = (FromManager::decode(&bytes), decode(PeerId::random(), &bytes));
        }
    }
}
