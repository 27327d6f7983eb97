//! Messages between a member of a closed group and a rendezvous, which is no member itself: the member proves its place,
//! then publishes and asks there; the rendezvous tells members who is one no more.
//!
//! They travel as resolver queries in the net group: requests to [`HANDLER`] at the rendezvous, news to [`NEWS`] at the
//! member. Between neighbours without a rendezvous a [`DiscoveryRequest`](super::discovery::DiscoveryRequest) travels in
//! the closed group itself, to `juxta.closed.own`. Whatever is wrong with a group or a proof is one refusal, `NotMember`.

use bytes::Bytes;

use crate::id::{Genesis, GroupId};
use crate::limits::SESSION_FRAME_BYTES_MAX;
use crate::wire::{Ext, WireError, decode, decode_message, encode_kind, encode_message, split_kind};

/// Name of the handler by which a rendezvous serves closed groups.
pub const HANDLER: &str = "juxta.closed";
/// Name of the handler by which a member hears of revocations.
pub const NEWS: &str = "juxta.closed.news";
/// Name under which a member is asked for what it publishes itself in the closed group of the question.
pub(crate) const OWN: &str = "juxta.closed.own";

/// What is asked of a rendezvous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClosedRequest {
    /// Serve the asker in this group; answered by a [`RevocationNews`] with the newest list that is known there.
    Enter {
        /// What the group is made of; its hash is the group's id.
        genesis: Genesis,
        /// What makes the asker a member, the credential next to the authority first.
        chain: Vec<Bytes>,
        /// The newest signed revocation list that the asker knows; empty before the first.
        revocations: Bytes,
    },
    /// The asker has left the group: forget its place and what it published there.
    Leave {
        /// The group.
        group: GroupId,
    },
    /// A question of discovery in a group in which the asker has a place; answered as that one is.
    Ask {
        /// The group.
        group: GroupId,
        /// An encoded [`DiscoveryRequest`](super::discovery::DiscoveryRequest).
        request: Bytes,
    },
}

impl ClosedRequest {
    /// The request as bytes.
    ///
    /// # Errors
    /// [`WireError::TooLarge`] when it does not fit a session frame.
    pub fn encode(&self) -> Result<Bytes, WireError> {
        match self {
            Self::Enter { genesis, chain, revocations } => {
                let wire = (genesis.to_bytes()?, chain, revocations, Ext::new());
                encode_kind(VERSION, ENTER, &wire, SESSION_FRAME_BYTES_MAX)
            }
            Self::Leave { group } => {
                encode_kind(VERSION, LEAVE, &(group, Ext::new()), SESSION_FRAME_BYTES_MAX)
            }
            Self::Ask { group, request } => {
                encode_kind(VERSION, ASK, &(group, request, Ext::new()), SESSION_FRAME_BYTES_MAX)
            }
        }
        .map(Bytes::from)
    }

    /// The request in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (kind, body) = split_kind(VERSION, bytes)?;
        match kind {
            ENTER => {
                let (genesis, chain, revocations, _ext): (Vec<u8>, _, _, Ext) =
                    decode(body, SESSION_FRAME_BYTES_MAX)?;
                Ok(Self::Enter { genesis: Genesis::from_bytes(&genesis)?, chain, revocations })
            }
            LEAVE => {
                let (group, _ext): (_, Ext) = decode(body, SESSION_FRAME_BYTES_MAX)?;
                Ok(Self::Leave { group })
            }
            ASK => {
                let (group, request, _ext): (_, _, Ext) = decode(body, SESSION_FRAME_BYTES_MAX)?;
                Ok(Self::Ask { group, request })
            }
            got => Err(WireError::UnknownKind { got }),
        }
    }
}

/// The newest revocation list of a group that a rendezvous knows, for a member to verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationNews {
    /// The group.
    pub group: GroupId,
    /// The signed list; empty before the first.
    pub revocations: Bytes,
    /// As an answer to who enters: its place begins with this, and nothing is known there of one before. An earlier
    /// version never says so.
    pub fresh: bool,
}

impl RevocationNews {
    /// The news as bytes.
    ///
    /// # Errors
    /// [`WireError::TooLarge`] when they don't fit a session frame.
    pub fn encode(&self) -> Result<Bytes, WireError> {
        let ext: Ext = self.fresh.then(|| (FRESH, Bytes::new())).into_iter().collect();
        let wire = (self.group, &self.revocations, ext);
        encode_message(VERSION, &wire, SESSION_FRAME_BYTES_MAX).map(Bytes::from)
    }

    /// The news in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (group, revocations, ext): (_, _, Ext) = decode_message(VERSION, bytes, SESSION_FRAME_BYTES_MAX)?;
        Ok(Self { group, revocations, fresh: ext.iter().any(|(number, _)| *number == FRESH) })
    }
}

const VERSION: u8 = 1;
const ENTER: u16 = 1;
const LEAVE: u16 = 2;
const ASK: u16 = 3;
/// Extension of news, empty: the place is `fresh`.
const FRESH: u16 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_bytes_guard_the_messages() {
        let group = GroupId::from_bytes([9; 32]);
        let leave = [vec![1, 2, 0], vec![9; 32], vec![0]].concat();
        assert_eq!(ClosedRequest::Leave { group }.encode().unwrap(), leave);
        let ask = ClosedRequest::Ask { group, request: Bytes::from_static(b"q") };
        assert_eq!(ask.encode().unwrap(), [vec![1, 3, 0], vec![9; 32], vec![1, b'q', 0]].concat());
        let genesis = Genesis::open("x");
        let enter = ClosedRequest::Enter {
            genesis: genesis.clone(),
            chain: vec![Bytes::from_static(b"c")],
            revocations: Bytes::from_static(b"r"),
        };
        let bytes = genesis.to_bytes().unwrap();
        let len = u8::try_from(bytes.len()).unwrap();
        let expected = [vec![1, 1, 0, len], bytes, vec![1, 1, b'c', 1, b'r', 0]].concat();
        assert_eq!(enter.encode().unwrap(), expected);
        for request in [ClosedRequest::Leave { group }, ask, enter] {
            assert_eq!(ClosedRequest::decode(&request.encode().unwrap()), Ok(request));
        }
        for (fresh, ext) in [(false, vec![0]), (true, vec![1, 1, 0])] {
            let news = RevocationNews { group, revocations: Bytes::from_static(b"r"), fresh };
            assert_eq!(news.encode().unwrap(), [vec![1], vec![9; 32], vec![1, b'r'], ext].concat());
            assert_eq!(RevocationNews::decode(&news.encode().unwrap()), Ok(news));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes: Vec<u8>) {
            let _ = ClosedRequest::decode(&bytes);
            let _ = RevocationNews::decode(&bytes);
        }
    }
}
