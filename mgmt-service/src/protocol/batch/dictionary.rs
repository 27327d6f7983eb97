//! Peers that were named on a pipe before: each id travels once, afterwards its place does.
//!
//! In: the peers of one batch after the other, on both ends in the same order. Out: places, and peers again. Both ends
//! start anew with each pipe and stop learning at `DICTIONARY_PEERS_MAX`, so that they always know the same.

use std::collections::HashMap;

use overlay::PeerId;
use overlay::wire::WireError;

use crate::limits::DICTIONARY_PEERS_MAX;

/// The sender's end.
#[derive(Debug, Default)]
pub struct DictionaryWriter {
    places: HashMap<PeerId, u32>,
}

impl DictionaryWriter {
    /// What to say for `peer`: its place + 1, or 0 with its id behind.
    pub(super) fn write(&mut self, peer: &PeerId) -> u32 {
        if let Some(place) = self.places.get(peer) {
            return place + 1;
        }
        if self.places.len() < DICTIONARY_PEERS_MAX {
            self.places.insert(*peer, self.places.len() as u32);
        }
        0
    }
}

/// The receiver's end.
#[derive(Debug, Default)]
pub struct DictionaryReader {
    peers: Vec<PeerId>,
}

impl DictionaryReader {
    /// The peers that `said` and the ids of `new` stand for; what is new is known from now on.
    pub(super) fn read(&mut self, said: &[u32], new: &[bytes::Bytes]) -> Result<Vec<PeerId>, WireError> {
        let mut new = new.iter();
        let mut peers = Vec::with_capacity(said.len());
        for place in said {
            let peer = match place.checked_sub(1) {
                Some(place) => self.peers.get(place as usize).copied().ok_or(WireError::Malformed)?,
                None => {
                    let bytes = new.next().ok_or(WireError::Malformed)?;
                    let peer = PeerId::from_bytes(bytes).map_err(|_| WireError::Malformed)?;
                    self.learn(peer);
                    peer
                }
            };
            peers.push(peer);
        }
        if new.next().is_some() { Err(WireError::Malformed) } else { Ok(peers) }
    }

    fn learn(&mut self, peer: PeerId) {
        if self.peers.len() < DICTIONARY_PEERS_MAX {
            self.peers.push(peer);
        }
    }
}
