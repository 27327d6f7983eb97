//! The two frames that open a link: who opens it and what it knows of, and what the other side has already.

use bytes::Bytes;
use libp2p::Multiaddr;
use serde::{Deserialize, Serialize};

use super::{Position, Scope, WirePosition, framed, from_wire, to_wire};
use crate::id::{GroupId, PipeId};
use crate::limits::{ADDRESSES_PER_PEER_MAX, PROPAGATE_HELLO_BYTES_MAX, PROPAGATE_MEMBERS_MAX};
use crate::protocol::pipe::Acceptance;
use crate::wire::{Ext, WireError, decode_message, encode_message};

/// The opener's first frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) scope: Scope,
    /// Which start of the opener this is.
    pub(crate) epoch: u64,
    /// The number of the next piece that the opener sends itself.
    pub(crate) next: u64,
    /// Where the opener may be dialed.
    pub(crate) addresses: Vec<Multiaddr>,
    /// How far the opener is with others.
    pub(crate) positions: Vec<Position>,
}

/// The other side's first frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Welcome {
    pub(crate) acceptance: Acceptance,
    /// How far it is with each sender, the opener among them when it is known.
    pub(crate) positions: Vec<Position>,
}

#[derive(Serialize, Deserialize)]
struct WireHello {
    group: GroupId,
    pipe: PipeId,
    epoch: u64,
    next: u64,
    addresses: Vec<Vec<u8>>,
    positions: Vec<WirePosition>,
    ext: Ext,
}

impl Hello {
    /// As bytes behind their length.
    ///
    /// # Errors
    /// The codec's.
    pub(crate) fn encode(&self) -> Result<Bytes, WireError> {
        let addresses = self.addresses.iter().take(ADDRESSES_PER_PEER_MAX).map(Multiaddr::to_vec).collect();
        let positions = self.positions.iter().take(PROPAGATE_MEMBERS_MAX).map(to_wire).collect();
        let Scope { group, pipe } = self.scope;
        let (epoch, next, ext) = (self.epoch, self.next, Ext::new());
        let wire = WireHello { group, pipe, epoch, next, addresses, positions, ext };
        Ok(framed(&encode_message(VERSION, &wire, PROPAGATE_HELLO_BYTES_MAX)?))
    }

    /// From bytes without their length.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let wire: WireHello = decode_message(VERSION, bytes, PROPAGATE_HELLO_BYTES_MAX)?;
        let addresses = wire.addresses.into_iter().take(ADDRESSES_PER_PEER_MAX).map(Multiaddr::try_from);
        Ok(Self {
            scope: Scope { group: wire.group, pipe: wire.pipe },
            epoch: wire.epoch,
            next: wire.next,
            addresses: addresses.collect::<Result<_, _>>().map_err(|_| WireError::Malformed)?,
            positions: positions(wire.positions)?,
        })
    }
}

impl Welcome {
    /// As bytes behind their length.
    ///
    /// # Errors
    /// The codec's.
    pub(crate) fn encode(&self) -> Result<Bytes, WireError> {
        let positions: Vec<_> = self.positions.iter().take(PROPAGATE_MEMBERS_MAX).map(to_wire).collect();
        let wire = (self.acceptance.code(), positions, Ext::new());
        Ok(framed(&encode_message(VERSION, &wire, PROPAGATE_HELLO_BYTES_MAX)?))
    }

    /// From bytes without their length.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (code, wire, _ext): (u16, Vec<WirePosition>, Ext) =
            decode_message(VERSION, bytes, PROPAGATE_HELLO_BYTES_MAX)?;
        Ok(Self { acceptance: Acceptance::from_code(code), positions: positions(wire)? })
    }
}

fn positions(wire: Vec<WirePosition>) -> Result<Vec<Position>, WireError> {
    wire.into_iter().take(PROPAGATE_MEMBERS_MAX).map(from_wire).collect()
}

const VERSION: u8 = 1;
