//! A parcel: messages of one sender in a row, encoded once for all members, and signed when others pass it on.
//!
//! The items are not copied when a parcel is read; they share its bytes.

use bytes::{Bytes, BytesMut};
use libp2p::PeerId;
use libp2p::identity::{Keypair, PublicKey};

use super::{PARCEL, VERSION, framed, peer};
use crate::id::{GroupId, PipeId};
use crate::limits::{PROPAGATE_FRAME_BYTES_MAX, PROPAGATE_PARCEL_ITEMS_MAX};
use crate::wire::{Ext, WireError, decode, encode, frame_len, put_frame_len};

/// The pipe that a signature counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    pub(crate) group: GroupId,
    pub(crate) pipe: PipeId,
}

/// A message or a piece of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// A message begins here.
    pub(crate) begins: bool,
    /// The message goes on in the next item.
    pub(crate) more: bool,
    pub(crate) body: Bytes,
}

/// Items of one sender, numbered from `first`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parcel {
    pub(crate) sender: PeerId,
    pub(crate) epoch: u64,
    pub(crate) first: u64,
    pub(crate) items: Vec<Item>,
    /// All of it as it travels, behind its length.
    pub(crate) frame: Bytes,
    signature: Bytes,
    /// Hash of the items as they travel; without a signature nobody asks for it.
    digest: Option<[u8; 32]>,
}

type WireHead = (Vec<u8>, u64, u64, Bytes, Ext);

impl Parcel {
    /// A parcel of the peer with this key, signed for `scope` when there is one.
    ///
    /// # Errors
    /// The codec's; [`WireError::Malformed`] for a key that can't sign.
    pub(crate) fn new(
        keypair: &Keypair,
        (epoch, first): (u64, u64),
        items: Vec<Item>,
        scope: Option<Scope>,
    ) -> Result<Self, WireError> {
        let sender = keypair.public().to_peer_id();
        let len = items.iter().map(|item| item.body.len() + 4).sum();
        let mut body = BytesMut::with_capacity(len);
        for Item { begins, more, body: item } in &items {
            put_frame_len(item.len() << 2 | usize::from(*begins) << 1 | usize::from(*more), &mut body);
            body.extend_from_slice(item);
        }
        let digest = scope.map(|_| *blake3::hash(&body).as_bytes());
        let mut parcel =
            Self { sender, epoch, first, items, frame: Bytes::new(), signature: Bytes::new(), digest };
        if let Some(scope) = scope {
            let said = parcel.said(scope, &digest.unwrap_or_default());
            parcel.signature = keypair.sign(&said).map_err(|_| WireError::Malformed)?.into();
        }
        let head: WireHead = (sender.to_bytes(), epoch, first, parcel.signature.clone(), Ext::new());
        let head = encode(&head, HEAD_BYTES_MAX)?;
        let mut bytes = BytesMut::with_capacity(head.len() + body.len() + 8);
        bytes.extend_from_slice(&[VERSION]);
        bytes.extend_from_slice(&PARCEL.to_le_bytes());
        put_frame_len(head.len(), &mut bytes);
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(&body);
        if bytes.len() > PROPAGATE_FRAME_BYTES_MAX {
            return Err(WireError::TooLarge { len: bytes.len(), max: PROPAGATE_FRAME_BYTES_MAX });
        }
        parcel.frame = framed(&bytes);
        Ok(parcel)
    }

    /// The parcel in a frame without its length.
    pub(super) fn decode(bytes: &Bytes) -> Result<Self, WireError> {
        let mut rest = bytes.slice(3..);
        let head = take(&mut rest, HEAD_BYTES_MAX)?.0;
        let (sender, epoch, first, signature, _): WireHead = decode(&head, HEAD_BYTES_MAX)?;
        let digest = (!signature.is_empty()).then(|| *blake3::hash(&rest).as_bytes());
        let mut items = Vec::new();
        while !rest.is_empty() {
            let (len, used) = frame_len(&rest, 4 * PROPAGATE_FRAME_BYTES_MAX)?.ok_or(WireError::Truncated)?;
            let end = used + (len >> 2);
            if end > rest.len() || items.len() == PROPAGATE_PARCEL_ITEMS_MAX {
                return Err(WireError::Truncated);
            }
            items.push(Item { begins: len & 2 != 0, more: len & 1 != 0, body: rest.slice(used..end) });
            rest = rest.slice(end..);
        }
        if items.is_empty() || first.checked_add(items.len() as u64).is_none() {
            return Err(WireError::Malformed);
        }
        let frame = if digest.is_some() { framed(bytes) } else { Bytes::new() };
        Ok(Self { sender: peer(&sender)?, epoch, first, items, frame, signature, digest })
    }

    /// The number behind its last item.
    pub(crate) fn end(&self) -> u64 {
        self.first.saturating_add(self.items.len() as u64)
    }

    /// Whether it carries a signature, true or not.
    pub(crate) fn is_signed(&self) -> bool {
        self.digest.is_some()
    }

    /// Whether its sender signed it for this pipe.
    pub(crate) fn is_genuine(&self, scope: Scope) -> bool {
        let Some(digest) = &self.digest else { return false };
        let id: &libp2p::multihash::Multihash<64> = self.sender.as_ref();
        // The id of a peer with an Ed25519 key holds the key.
        let key = (id.code() == 0).then(|| PublicKey::try_decode_protobuf(id.digest()));
        matches!(key, Some(Ok(key)) if key.verify(&self.said(scope, digest), &self.signature))
    }

    fn said(&self, scope: Scope, digest: &[u8; 32]) -> Vec<u8> {
        let sender = self.sender.to_bytes();
        let parts: [&[u8]; 7] = [
            b"juxta/propagate/1",
            scope.group.as_bytes(),
            scope.pipe.as_bytes(),
            &self.epoch.to_le_bytes(),
            &self.first.to_le_bytes(),
            digest,
            &sender,
        ];
        parts.concat()
    }
}

/// Takes what stands behind its length from the front of `rest`.
fn take(rest: &mut Bytes, max: usize) -> Result<(Bytes, usize), WireError> {
    let (len, used) = frame_len(rest, max)?.ok_or(WireError::Truncated)?;
    if used + len > rest.len() {
        return Err(WireError::Truncated);
    }
    let taken = rest.slice(used..used + len);
    *rest = rest.slice(used + len..);
    Ok((taken, used + len))
}

/// Bytes of what stands before the items: a peer id, two numbers, a signature.
const HEAD_BYTES_MAX: usize = 1024;
