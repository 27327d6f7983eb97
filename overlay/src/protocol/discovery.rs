//! Messages of discovery: publish here, find there (JXTA discovery protocol).
//!
//! They travel as resolver queries to [`HANDLER`]; a refusal is the query's own.

use bytes::Bytes;

use crate::advertisement::{DiscoveryQuery, WireQuery};
use crate::limits::{
    DISCOVERY_BYTES_MAX, PUBLISH_BATCH_MAX, SESSION_FRAME_BYTES_MAX, SUBSCRIPTION_BYTES_MAX,
};
use crate::wire::{Ext, WireError, decode, decode_message, encode_kind, encode_message, split_kind};

/// Name of the handler that keeps an index of advertisements.
pub const HANDLER: &str = "juxta.discovery";

/// What is asked of an index.
#[derive(Debug, Clone, PartialEq)]
pub enum DiscoveryRequest {
    /// Keep these signed advertisements, at most [`PUBLISH_BATCH_MAX`]; answered by a [`PublishAnswer`].
    Publish {
        /// Signed envelopes.
        advertisements: Vec<Bytes>,
    },
    /// Which advertisements answer this query; answered by a [`FindAnswer`].
    Find {
        /// The query.
        query: DiscoveryQuery,
    },
    /// The same without its first answers, which are known from the page before; answered by a [`FindAnswer`].
    FindMore {
        /// The query.
        query: DiscoveryQuery,
        /// How many answers to leave out.
        skip: u32,
    },
    /// Tell what answers this query now, and each change from now on, by
    /// [`Notification`](super::notification::Notification)s; answered by an empty body. Takes the place of the asker's
    /// subscription of the same number.
    Subscribe {
        /// What notifications name it by.
        number: u64,
        /// The query; its threshold does not count.
        query: DiscoveryQuery,
    },
    /// Tell no more; answered by an empty body.
    Unsubscribe {
        /// Which of the asker's subscriptions.
        number: u64,
    },
}

impl DiscoveryRequest {
    /// The requests that publish `advertisements`, as few as hold them: each fits a session frame.
    pub fn publications(mut advertisements: &[Bytes]) -> impl Iterator<Item = Self> {
        std::iter::from_fn(move || {
            let mut bytes = 0;
            let fits = |envelope: &&Bytes| {
                bytes += envelope.len() + 4;
                bytes <= DISCOVERY_BYTES_MAX
            };
            let count = advertisements.iter().take(PUBLISH_BATCH_MAX).take_while(fits).count();
            let (batch, rest) = advertisements.split_at_checked(count).filter(|_| count > 0)?;
            advertisements = rest;
            Some(Self::Publish { advertisements: batch.to_vec() })
        })
    }

    /// The request as bytes.
    ///
    /// # Errors
    /// [`WireError::TooLarge`] when it does not fit a session frame.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        match self {
            Self::Publish { advertisements } => {
                encode_kind(VERSION, PUBLISH, &(advertisements, Ext::new()), SESSION_FRAME_BYTES_MAX)
            }
            Self::Find { query } => {
                encode_kind(VERSION, FIND, &(query.to_wire()?, Ext::new()), SESSION_FRAME_BYTES_MAX)
            }
            Self::FindMore { query, skip } => {
                let body = (query.to_wire()?, skip, Ext::new());
                encode_kind(VERSION, FIND_MORE, &body, SESSION_FRAME_BYTES_MAX)
            }
            Self::Subscribe { number, query } => {
                let body = (number, query.to_wire()?, Ext::new());
                encode_kind(VERSION, SUBSCRIBE, &body, SUBSCRIPTION_BYTES_MAX)
            }
            Self::Unsubscribe { number } => {
                encode_kind(VERSION, UNSUBSCRIBE, &(number, Ext::new()), SUBSCRIPTION_BYTES_MAX)
            }
        }
    }

    /// The request in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (kind, body) = split_kind(VERSION, bytes)?;
        match kind {
            PUBLISH => {
                let (advertisements, _ext): (Vec<Bytes>, Ext) = decode(body, SESSION_FRAME_BYTES_MAX)?;
                match advertisements.len() {
                    len if len > PUBLISH_BATCH_MAX => {
                        Err(WireError::TooLarge { len, max: PUBLISH_BATCH_MAX })
                    }
                    _ => Ok(Self::Publish { advertisements }),
                }
            }
            FIND => {
                let (query, _ext): (WireQuery, Ext) = decode(body, SESSION_FRAME_BYTES_MAX)?;
                Ok(Self::Find { query: DiscoveryQuery::from_wire(query)? })
            }
            FIND_MORE => {
                let (query, skip, _ext): (WireQuery, u32, Ext) = decode(body, SESSION_FRAME_BYTES_MAX)?;
                Ok(Self::FindMore { query: DiscoveryQuery::from_wire(query)?, skip })
            }
            SUBSCRIBE => {
                let (number, query, _ext): (u64, WireQuery, Ext) = decode(body, SUBSCRIPTION_BYTES_MAX)?;
                Ok(Self::Subscribe { number, query: DiscoveryQuery::from_wire(query)? })
            }
            UNSUBSCRIBE => {
                let (number, _ext): (u64, Ext) = decode(body, SUBSCRIPTION_BYTES_MAX)?;
                Ok(Self::Unsubscribe { number })
            }
            got => Err(WireError::UnknownKind { got }),
        }
    }
}

/// How a publication ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishAnswer {
    /// Advertisements that are in the index now.
    pub accepted: u32,
    /// Advertisements that were refused: signature, size, age, quota.
    pub refused: u32,
}

impl PublishAnswer {
    /// The answer as bytes.
    ///
    /// # Errors
    /// Never for values that fit; the codec's otherwise.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        encode_message(VERSION, &(self.accepted, self.refused, Ext::new()), SESSION_FRAME_BYTES_MAX)
    }

    /// The answer in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (accepted, refused, _ext): (u32, u32, Ext) =
            decode_message(VERSION, bytes, SESSION_FRAME_BYTES_MAX)?;
        Ok(Self { accepted, refused })
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FindAnswer {
    /// Signed envelopes, for the asker to verify.
    pub advertisements: Vec<Bytes>,
    /// There are more than fit.
    pub more: bool,
}

impl FindAnswer {
    /// As many of `found` as fit one answer.
    pub fn fitting(found: impl IntoIterator<Item = Bytes>) -> Self {
        let (mut answer, mut bytes) = (Self::default(), 0);
        for envelope in found {
            bytes += envelope.len() + 4;
            if bytes > DISCOVERY_BYTES_MAX {
                answer.more = true;
                break;
            }
            answer.advertisements.push(envelope);
        }
        answer
    }

    /// The answer as bytes.
    ///
    /// # Errors
    /// [`WireError::TooLarge`] when it does not fit a session frame.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        encode_message(VERSION, &(&self.advertisements, self.more, Ext::new()), SESSION_FRAME_BYTES_MAX)
    }

    /// The answer in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (advertisements, more, _ext): (Vec<Bytes>, bool, Ext) =
            decode_message(VERSION, bytes, SESSION_FRAME_BYTES_MAX)?;
        Ok(Self { advertisements, more })
    }
}

const VERSION: u8 = 1;
const PUBLISH: u16 = 1;
const FIND: u16 = 2;
const SUBSCRIBE: u16 = 3;
const UNSUBSCRIBE: u16 = 4;
const FIND_MORE: u16 = 5;

#[cfg(test)]
mod tests {
    use libp2p::PeerId;
    use proptest::prelude::*;

    use super::*;
    use crate::advertisement::AdvertisementKind;

    #[test]
    fn golden_bytes_guard_the_messages() {
        let publish = DiscoveryRequest::Publish { advertisements: vec![Bytes::from_static(&[7, 8])] };
        assert_eq!(publish.encode().unwrap(), [1, 1, 0, 1, 2, 7, 8, 0]);
        let find = DiscoveryRequest::Find {
            query: DiscoveryQuery::new().kind(AdvertisementKind::Pipe).equals("a", true).threshold(3),
        };
        assert_eq!(find.encode().unwrap(), [1, 2, 0, 1, 3, 0, 0, 1, 1, 5, 1, b'a', 4, 1, 1, 3, 0, 0]);
        let find = DiscoveryRequest::Find { query: "not x".parse().unwrap() };
        assert_eq!(find.encode().unwrap(), [1, 2, 0, 0, 0, 0, 1, 10, 4, 7, 2, 1, b'x', 50, 0, 0]);
        let more = DiscoveryRequest::FindMore { query: DiscoveryQuery::new(), skip: 7 };
        assert_eq!(more.encode().unwrap(), [1, 5, 0, 0, 0, 0, 0, 50, 0, 7, 0]);
        let subscribe = DiscoveryRequest::Subscribe { number: 9, query: DiscoveryQuery::new() };
        assert_eq!(subscribe.encode().unwrap(), [1, 3, 0, 9, 0, 0, 0, 0, 50, 0, 0]);
        assert_eq!(DiscoveryRequest::Unsubscribe { number: 9 }.encode().unwrap(), [1, 4, 0, 9, 0]);
        assert_eq!(PublishAnswer { accepted: 1, refused: 2 }.encode().unwrap(), [1, 1, 2, 0]);
        let found = FindAnswer { advertisements: vec![Bytes::from_static(&[7])], more: true };
        assert_eq!(found.encode().unwrap(), [1, 1, 1, 7, 1, 0]);
    }

    #[test]
    fn a_query_survives_the_wire() {
        let query = DiscoveryQuery::new().publisher(PeerId::random()).equals("load", 0.5).threshold(9);
        for request in [
            DiscoveryRequest::Find { query: query.clone() },
            DiscoveryRequest::FindMore { query: query.clone(), skip: 300 },
            DiscoveryRequest::Subscribe { number: 7, query },
            DiscoveryRequest::Unsubscribe { number: 7 },
        ] {
            assert_eq!(DiscoveryRequest::decode(&request.encode().unwrap()), Ok(request));
        }
    }

    #[test]
    fn an_answer_stops_before_it_overflows_a_frame() {
        let answer = FindAnswer::fitting((0..100).map(|_| Bytes::from(vec![0; 4000])));
        assert!(answer.more);
        assert!(answer.encode().unwrap().len() <= SESSION_FRAME_BYTES_MAX);
    }

    #[test]
    fn publications_hold_everything_once_and_fit_a_frame() {
        let advertisements: Vec<_> = (0..200usize).map(|i| Bytes::from(vec![0; 100 + 70 * i])).collect();
        let mut published = Vec::new();
        for request in DiscoveryRequest::publications(&advertisements) {
            assert!(request.encode().is_ok());
            let DiscoveryRequest::Publish { advertisements } = request else { panic!("{request:?}") };
            assert!(advertisements.len() <= PUBLISH_BATCH_MAX);
            published.extend(advertisements);
        }
        assert_eq!(published, advertisements);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes: Vec<u8>) {
            let _ = DiscoveryRequest::decode(&bytes);
            let _ = PublishAnswer::decode(&bytes);
            let _ = FindAnswer::decode(&bytes);
        }
    }
}
