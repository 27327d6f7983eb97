//! What members of a propagate pipe send each other: the two frames that open a link, then parcels of messages and
//! what keeps them complete. A link carries frames one way, so that two members have two.
//!
//! A frame is a version byte, a kind, and its body; frames of unknown kinds are skipped.

mod opening;
mod parcel;

use bytes::{Bytes, BytesMut};
use libp2p::{Multiaddr, PeerId};

use crate::limits::{ADDRESSES_PER_PEER_MAX, PROPAGATE_FRAME_BYTES_MAX, PROPAGATE_TOLD_MAX};
use crate::wire::{Ext, WireError, decode, encode_kind, put_frame_len, split_kind};

pub(crate) use opening::{Hello, Welcome};
pub(crate) use parcel::{Item, Parcel, Scope};

/// How far somebody is in what one sender sent since one start of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) sender: PeerId,
    /// Which start of the sender; a later one has a larger number.
    pub(crate) epoch: u64,
    /// The number of the first piece that is not there yet.
    pub(crate) next: u64,
}

/// A member and where it may be dialed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) peer: PeerId,
    pub(crate) addresses: Vec<Multiaddr>,
}

/// One frame on a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Messages of one sender.
    Parcel(Parcel),
    /// The receiver was not waited for and is so many pieces behind in what the opener of the link sends itself.
    Lag { behind: u64 },
    /// What the opener of the link has, and does not send here unless asked.
    Offer(Vec<Position>),
    /// Send what this sender sends, from here on.
    Graft(Position),
    /// Don't send what this sender sends; another does.
    Prune { sender: PeerId },
    /// Others that bind the pipe.
    Members(Vec<Member>),
    /// The opener of the link binds the pipe no more.
    Leave,
}

type WirePosition = (Vec<u8>, u64, u64);
type WireMember = (Vec<u8>, Vec<Vec<u8>>);

impl Frame {
    /// The frame as bytes, behind its length.
    ///
    /// # Errors
    /// The codec's.
    pub(crate) fn encode(&self) -> Result<Bytes, WireError> {
        let max = PROPAGATE_FRAME_BYTES_MAX;
        let bytes = match self {
            Self::Parcel(parcel) => return Ok(parcel.frame.clone()),
            Self::Lag { behind } => encode_kind(VERSION, LAG, &(behind, Ext::new()), max)?,
            Self::Offer(positions) => {
                let positions: Vec<_> = positions.iter().map(to_wire).collect();
                encode_kind(VERSION, OFFER, &(positions, Ext::new()), max)?
            }
            Self::Graft(position) => encode_kind(VERSION, GRAFT, &(to_wire(position), Ext::new()), max)?,
            Self::Prune { sender } => encode_kind(VERSION, PRUNE, &(sender.to_bytes(), Ext::new()), max)?,
            Self::Members(members) => {
                let members: Vec<_> = members.iter().map(member_to_wire).collect();
                encode_kind(VERSION, MEMBERS, &(members, Ext::new()), max)?
            }
            Self::Leave => encode_kind(VERSION, LEAVE, &Ext::new(), max)?,
        };
        Ok(framed(&bytes))
    }

    /// The frame in `bytes`, without its length; `None` for a kind of a later version.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub(crate) fn decode(bytes: &Bytes) -> Result<Option<Self>, WireError> {
        let max = PROPAGATE_FRAME_BYTES_MAX;
        let (kind, body) = split_kind(VERSION, bytes)?;
        Ok(Some(match kind {
            PARCEL => Self::Parcel(Parcel::decode(bytes)?),
            LAG => Self::Lag { behind: decode::<(u64, Ext)>(body, max)?.0 },
            OFFER => {
                let (positions, _): (Vec<WirePosition>, Ext) = decode(body, max)?;
                Self::Offer(positions.into_iter().map(from_wire).collect::<Result<_, _>>()?)
            }
            GRAFT => Self::Graft(from_wire(decode::<(WirePosition, Ext)>(body, max)?.0)?),
            PRUNE => Self::Prune { sender: peer(&decode::<(Vec<u8>, Ext)>(body, max)?.0)? },
            MEMBERS => {
                let (members, _): (Vec<WireMember>, Ext) = decode(body, max)?;
                Self::Members(
                    members
                        .into_iter()
                        .take(PROPAGATE_TOLD_MAX)
                        .map(member_from_wire)
                        .collect::<Result<_, _>>()?,
                )
            }
            LEAVE => decode::<Ext>(body, max).map(|_| Self::Leave)?,
            _ => return Ok(None),
        }))
    }
}

/// `bytes` behind their length.
pub(crate) fn framed(bytes: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(bytes.len() + 4);
    put_frame_len(bytes.len(), &mut frame);
    frame.extend_from_slice(bytes);
    frame.freeze()
}

fn peer(bytes: &[u8]) -> Result<PeerId, WireError> {
    PeerId::from_bytes(bytes).map_err(|_| WireError::Malformed)
}

fn to_wire(position: &Position) -> WirePosition {
    (position.sender.to_bytes(), position.epoch, position.next)
}

fn from_wire((sender, epoch, next): WirePosition) -> Result<Position, WireError> {
    Ok(Position { sender: peer(&sender)?, epoch, next })
}

fn member_to_wire(member: &Member) -> WireMember {
    let addresses = member.addresses.iter().take(ADDRESSES_PER_PEER_MAX);
    (member.peer.to_bytes(), addresses.map(Multiaddr::to_vec).collect())
}

fn member_from_wire((id, addresses): WireMember) -> Result<Member, WireError> {
    let addresses = addresses.into_iter().take(ADDRESSES_PER_PEER_MAX).map(Multiaddr::try_from);
    let addresses = addresses.collect::<Result<_, _>>().map_err(|_| WireError::Malformed)?;
    Ok(Member { peer: peer(&id)?, addresses })
}

const VERSION: u8 = 1;
const PARCEL: u16 = 1;
const LAG: u16 = 2;
const OFFER: u16 = 3;
const GRAFT: u16 = 4;
const PRUNE: u16 = 5;
const MEMBERS: u16 = 6;
const LEAVE: u16 = 7;

#[cfg(test)]
mod tests;
