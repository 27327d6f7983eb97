//! The body of a peer's advertisement: where it can be dialed.

use libp2p::Multiaddr;

use super::{AdvertisementKind, SignedAdvertisement};
use crate::limits::{ADDRESSES_PER_PEER_MAX, ADVERTISEMENT_BYTES_MAX};
use crate::wire::{Ext, WireError, decode_message, encode_message};

/// The body that lists `addresses`, at most [`ADDRESSES_PER_PEER_MAX`] of them.
///
/// # Errors
/// The codec's.
pub(crate) fn encode_addresses(addresses: &[Multiaddr]) -> Result<Vec<u8>, WireError> {
    let addresses: Vec<_> = addresses.iter().take(ADDRESSES_PER_PEER_MAX).map(Multiaddr::to_vec).collect();
    encode_message(VERSION, &(addresses, Ext::new()), ADVERTISEMENT_BYTES_MAX)
}

/// The addresses that a peer advertises of itself, the best first; none for anything else or what can't be read.
pub(crate) fn addresses_of(signed: &SignedAdvertisement) -> Vec<Multiaddr> {
    let advertisement = signed.advertisement();
    if advertisement.kind != AdvertisementKind::Peer {
        return Vec::new();
    }
    let body: Result<(Vec<Vec<u8>>, Ext), _> =
        decode_message(VERSION, &advertisement.body, ADVERTISEMENT_BYTES_MAX);
    let addresses = body.map(|(addresses, _ext)| addresses).unwrap_or_default();
    addresses.into_iter().take(ADDRESSES_PER_PEER_MAX).filter_map(|bytes| bytes.try_into().ok()).collect()
}

const VERSION: u8 = 1;
