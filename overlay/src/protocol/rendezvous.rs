//! Messages between an edge and its rendezvous: lease, renewal, farewell (JXTA rendezvous protocol).
//!
//! They travel as resolver queries to [`HANDLER`]; a refusal is the query's own.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::wire::{Ext, WireError, decode, decode_message, encode_kind, encode_message, split_kind};

/// Name of the handler that grants leases.
pub const HANDLER: &str = "juxta.rendezvous";

/// What an edge asks of a rendezvous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RendezvousRequest {
    /// Grant or renew a lease; answered by a [`LeaseGrant`].
    Lease {
        /// How long it is wanted for, in whole seconds.
        wanted: Duration,
    },
    /// End the lease now, with everything published under it; answered by an empty body.
    Cancel,
}

impl RendezvousRequest {
    /// The request as bytes.
    ///
    /// # Errors
    /// Never for values that fit; the codec's otherwise.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        match self {
            Self::Lease { wanted } => encode_kind(VERSION, LEASE, &(seconds(*wanted), Ext::new()), BYTES_MAX),
            Self::Cancel => encode_kind(VERSION, CANCEL, &Ext::new(), BYTES_MAX),
        }
    }

    /// The request in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (kind, body) = split_kind(VERSION, bytes)?;
        match kind {
            LEASE => {
                let (wanted_s, _ext): (u32, Ext) = decode(body, BYTES_MAX)?;
                Ok(Self::Lease { wanted: Duration::from_secs(u64::from(wanted_s)) })
            }
            CANCEL => decode::<Ext>(body, BYTES_MAX).map(|_| Self::Cancel),
            got => Err(WireError::UnknownKind { got }),
        }
    }
}

/// What a rendezvous grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseGrant {
    /// How long the lease holds from now on, in whole seconds; any query of the holder renews it.
    pub ttl: Duration,
    /// Whether the rendezvous knew of a lease that this one renews; if not, it knows nothing that was told under one.
    /// `None` when it doesn't say.
    pub renewed: Option<bool>,
}

impl LeaseGrant {
    /// The grant as bytes.
    ///
    /// # Errors
    /// Never for values that fit; the codec's otherwise.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let renewed = self.renewed.map(|renewed| (RENEWED, Bytes::from(vec![u8::from(renewed)])));
        let ext = renewed.into_iter().collect();
        encode_message(VERSION, &WireGrant { ttl_s: seconds(self.ttl), ext }, BYTES_MAX)
    }

    /// The grant in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let wire: WireGrant = decode_message(VERSION, bytes, BYTES_MAX)?;
        let renewed = wire.ext.iter().find(|(field, _)| *field == RENEWED);
        let renewed = renewed.map(|(_, said)| said.first() == Some(&1));
        Ok(Self { ttl: Duration::from_secs(u64::from(wire.ttl_s)), renewed })
    }
}

#[derive(Serialize, Deserialize)]
struct WireGrant {
    ttl_s: u32,
    ext: Ext,
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

const VERSION: u8 = 1;
const LEASE: u16 = 1;
const CANCEL: u16 = 2;
/// Field of a grant: 1 when it renews, 0 when it begins.
const RENEWED: u16 = 1;
/// Bytes of one message with its extensions.
const BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes_guard_the_messages() {
        let lease = RendezvousRequest::Lease { wanted: Duration::from_secs(120) };
        assert_eq!(lease.encode().unwrap(), [1, 1, 0, 120, 0]);
        assert_eq!(RendezvousRequest::Cancel.encode().unwrap(), [1, 2, 0, 0]);
        let grant = |renewed| LeaseGrant { ttl: Duration::from_secs(90), renewed };
        assert_eq!(grant(None).encode().unwrap(), [1, 90, 0]);
        assert_eq!(grant(Some(true)).encode().unwrap(), [1, 90, 1, 1, 1, 1]);
        for renewed in [None, Some(false), Some(true)] {
            assert_eq!(LeaseGrant::decode(&grant(renewed).encode().unwrap()), Ok(grant(renewed)));
        }
    }

    #[test]
    fn what_is_encoded_decodes_and_an_unknown_kind_is_named() {
        for request in
            [RendezvousRequest::Lease { wanted: Duration::from_secs(9) }, RendezvousRequest::Cancel]
        {
            assert_eq!(RendezvousRequest::decode(&request.encode().unwrap()), Ok(request));
        }
        assert_eq!(RendezvousRequest::decode(&[1, 9, 0, 0]), Err(WireError::UnknownKind { got: 9 }));
        assert_eq!(RendezvousRequest::decode(&[2, 1, 0]), Err(WireError::UnknownVersion { got: 2 }));
    }
}
