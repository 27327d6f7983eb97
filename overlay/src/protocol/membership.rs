//! Messages of membership: a ticket for a credential, an old credential for a new one (JXTA membership protocol).
//!
//! They travel as resolver queries to [`HANDLER`]: a ticket in the net group, since who bears it is no member yet, a
//! renewal in the group itself. A refusal is the query's own and has one reason, whatever was wrong.

use bytes::Bytes;

use crate::credential::TicketProof;
use crate::id::GroupId;
use crate::limits::SESSION_FRAME_BYTES_MAX;
use crate::wire::{Ext, WireError, decode, decode_message, encode_kind, encode_message, split_kind};

/// Name of the handler of every peer that answers tickets.
pub(crate) const HANDLER: &str = "juxta.membership";

/// What is asked of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MembershipRequest {
    /// Let the bearer of this ticket in; answered by a [`Papers`].
    Redeem { group: GroupId, ticket: TicketProof },
    /// A new credential for a member of the query's group; answered by a [`Papers`].
    Renew,
}

impl MembershipRequest {
    /// The request as bytes.
    ///
    /// # Errors
    /// The codec's.
    pub(crate) fn encode(&self) -> Result<Bytes, WireError> {
        match self {
            Self::Redeem { group, ticket } => {
                encode_kind(VERSION, REDEEM, &(group, ticket, Ext::new()), BYTES_MAX)
            }
            Self::Renew => encode_kind(VERSION, RENEW, &Ext::new(), BYTES_MAX),
        }
        .map(Bytes::from)
    }

    /// The request in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (kind, body) = split_kind(VERSION, bytes)?;
        match kind {
            REDEEM => {
                let (group, ticket, _ext): (_, _, Ext) = decode(body, BYTES_MAX)?;
                Ok(Self::Redeem { group, ticket })
            }
            RENEW => decode::<Ext>(body, BYTES_MAX).map(|_| Self::Renew),
            got => Err(WireError::UnknownKind { got }),
        }
    }
}

/// What makes somebody a member, and who is none any more: shown in the handshake, given by an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Papers {
    /// The credential next to the authority first.
    pub(crate) chain: Vec<Bytes>,
    /// The newest signed revocation list; empty before the first.
    pub(crate) revocations: Bytes,
}

impl Papers {
    /// The papers as bytes.
    ///
    /// # Errors
    /// [`WireError::TooLarge`] when they don't fit a session frame.
    pub(crate) fn encode(&self) -> Result<Bytes, WireError> {
        let wire = (&self.chain, &self.revocations, Ext::new());
        encode_message(VERSION, &wire, SESSION_FRAME_BYTES_MAX).map(Bytes::from)
    }

    /// The papers in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (chain, revocations, _ext): (_, _, Ext) =
            decode_message(VERSION, bytes, SESSION_FRAME_BYTES_MAX)?;
        Ok(Self { chain, revocations })
    }
}

const VERSION: u8 = 1;
const REDEEM: u16 = 1;
const RENEW: u16 = 2;
/// Bytes of one request with its extensions.
const BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_bytes_guard_the_messages() {
        assert_eq!(MembershipRequest::Renew.encode().unwrap().as_ref(), [1, 2, 0, 0]);
        let papers = Papers { chain: vec![Bytes::from_static(&[7])], revocations: Bytes::from_static(&[8]) };
        assert_eq!(papers.encode().unwrap().as_ref(), [1, 1, 1, 7, 1, 8, 0]);
        assert_eq!(Papers::decode(&[1, 1, 1, 7, 1, 8, 0]), Ok(papers));
        let redeem = [vec![1, 1, 0], vec![9; 32], vec![1, 5, 1, 1, 6, 0]].concat();
        let request = MembershipRequest::decode(&redeem).unwrap();
        assert_eq!(request.encode().unwrap().as_ref(), redeem);
        assert!(matches!(request, MembershipRequest::Redeem { .. }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes: Vec<u8>) {
            let _ = MembershipRequest::decode(&bytes);
            let _ = Papers::decode(&bytes);
        }
    }
}
