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
        /// Sequence with which the publications of this life of the peer begin: what the rendezvous holds of smaller
        /// ones is of an earlier life, which could not withdraw it any more, and is dropped. 0: nothing is.
        since: u64,
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
            Self::Lease { wanted, since } => {
                let since = (*since > 0).then(|| (SINCE, Bytes::copy_from_slice(&since.to_le_bytes())));
                let ext: Ext = since.into_iter().collect();
                encode_kind(VERSION, LEASE, &(seconds(*wanted), ext), BYTES_MAX)
            }
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
                let (wanted_s, ext): (u32, Ext) = decode(body, BYTES_MAX)?;
                let since = ext.iter().find(|(number, _)| *number == SINCE).map(|(_, since)| since.as_ref());
                let since = since.map_or(Ok([0; 8]), TryFrom::try_from).map_err(|_| WireError::Malformed)?;
                let wanted = Duration::from_secs(u64::from(wanted_s));
                Ok(Self::Lease { wanted, since: u64::from_le_bytes(since) })
            }
            CANCEL => decode::<Ext>(body, BYTES_MAX).map(|_| Self::Cancel),
            got => Err(WireError::UnknownKind { got }),
        }
    }
}

/// What a rendezvous grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseGrant {
    /// How long the lease holds from now on, in whole seconds; any query of the holder renews it.
    pub ttl: Duration,
    /// The lease begins with this grant: the rendezvous held none of the peer, and so nothing that it published. One of
    /// an earlier version never says so.
    pub fresh: bool,
}

impl LeaseGrant {
    /// The grant as bytes.
    ///
    /// # Errors
    /// Never for values that fit; the codec's otherwise.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let ext: Ext = self.fresh.then(|| (FRESH, Bytes::new())).into_iter().collect();
        encode_message(VERSION, &WireGrant { ttl_s: seconds(self.ttl), ext }, BYTES_MAX)
    }

    /// The grant in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let wire: WireGrant = decode_message(VERSION, bytes, BYTES_MAX)?;
        let fresh = wire.ext.iter().any(|(number, _)| *number == FRESH);
        Ok(Self { ttl: Duration::from_secs(u64::from(wire.ttl_s)), fresh })
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
/// Extension of a lease request: its `since`, 8 bytes, the lowest first.
const SINCE: u16 = 1;
/// Extension of a grant, empty: it is `fresh`.
const FRESH: u16 = 1;
/// Bytes of one message with its extensions.
const BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes_guard_the_messages() {
        let wanted = Duration::from_secs(120);
        let lease = |since| RendezvousRequest::Lease { wanted, since }.encode().unwrap();
        assert_eq!(lease(0), [1, 1, 0, 120, 0]);
        assert_eq!(lease(7), [1, 1, 0, 120, 1, 1, 8, 7, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(RendezvousRequest::Cancel.encode().unwrap(), [1, 2, 0, 0]);
        let grant = |fresh| LeaseGrant { ttl: Duration::from_secs(90), fresh }.encode().unwrap();
        assert_eq!((grant(false), grant(true)), (vec![1, 90, 0], vec![1, 90, 1, 1, 0]));
    }

    #[test]
    fn what_is_encoded_decodes_and_an_unknown_kind_is_named() {
        let wanted = Duration::from_secs(9);
        for request in [
            RendezvousRequest::Lease { wanted, since: 0 },
            RendezvousRequest::Lease { wanted, since: u64::MAX },
            RendezvousRequest::Cancel,
        ] {
            assert_eq!(RendezvousRequest::decode(&request.encode().unwrap()), Ok(request));
        }
        assert_eq!(RendezvousRequest::decode(&[1, 9, 0, 0]), Err(WireError::UnknownKind { got: 9 }));
        assert_eq!(RendezvousRequest::decode(&[2, 1, 0]), Err(WireError::UnknownVersion { got: 2 }));
    }
}
