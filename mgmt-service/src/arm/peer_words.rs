//! A peer as a few machine words: what lock-free slots can hold and compare.
//!
//! In: a PeerId. Out: nine words, and the PeerId again. Nothing is allocated.

use overlay::PeerId;

/// Code, length and digest of a PeerId's multihash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PeerWords {
    /// Code and length of the digest, 8 bits each.
    pub(super) header: u16,
    /// The digest, little-endian, zeros behind its end: the words that nearly all peers have, and the others.
    pub(super) usual: [u64; USUAL_WORDS],
    pub(super) rest: [u64; REST_WORDS],
}

impl PeerWords {
    #[inline(always)]
    pub(super) fn of(peer: &PeerId) -> Self {
        let multihash = peer.as_ref();
        let bytes = multihash.digest();
        // Both codes that a PeerId may have are below 128, and a digest has at most 64 bytes.
        let header = (multihash.code() as u16 & 0xff) << 8 | u16::from(multihash.size());
        // The two kinds that nearly all peers are of need no loop: an Ed25519 key, and a hash of another key.
        if let Ok(key) = <&[u8; KEY_BYTES]>::try_from(bytes) {
            Self { header, usual: words(key), rest: [0; REST_WORDS] }
        } else if let Ok(hash) = <&[u8; 32]>::try_from(bytes) {
            Self { header, usual: words(hash), rest: [0; REST_WORDS] }
        } else {
            let (usual, rest) = bytes.split_at_checked(8 * USUAL_WORDS).unwrap_or((bytes, &[]));
            Self { header, usual: words(usual), rest: words(rest) }
        }
    }

    /// Whether the other words are in use.
    pub(super) fn is_long(&self) -> bool {
        self.length() > 8 * USUAL_WORDS
    }

    /// 64 bits of the peer's key or hash; the first 8 bytes may be the same for all.
    pub(super) fn fingerprint(&self) -> u64 {
        let [_, _, second, third, _] = self.usual;
        second ^ third
    }

    /// The PeerId again; none for words that were not made from one.
    pub(super) fn peer(&self) -> Option<PeerId> {
        let mut bytes = [0; HEADER_BYTES + 8 * (USUAL_WORDS + REST_WORDS)];
        let (header, digest) = bytes.split_at_mut(HEADER_BYTES);
        header.copy_from_slice(&[(self.header >> 8) as u8, self.length() as u8]);
        let (chunks, _) = digest.as_chunks_mut::<8>();
        for (chunk, word) in chunks.iter_mut().zip(self.usual.iter().chain(&self.rest)) {
            *chunk = word.to_le_bytes();
        }
        PeerId::from_bytes(bytes.get(..HEADER_BYTES + self.length())?).ok()
    }

    fn length(&self) -> usize {
        usize::from(self.header & 0xff)
    }
}

/// Little-endian words, zeros behind the end. Unrolled where the length is known.
#[inline(always)]
fn words<const WORDS: usize>(bytes: &[u8]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    let (whole, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    for (word, bytes) in words.iter_mut().zip(whole.iter().chain([&last])) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

/// Bytes of a multihash before its digest, both below 128.
const HEADER_BYTES: usize = 2;

/// Bytes of an Ed25519 key in a PeerId.
const KEY_BYTES: usize = 36;

/// Words that hold such a key, or a hash of another kind.
pub(super) const USUAL_WORDS: usize = KEY_BYTES.div_ceil(8);

/// Words beyond, up to the longest digest that a PeerId can have: 64 bytes.
pub(super) const REST_WORDS: usize = 8 - USUAL_WORDS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_of_every_kind_read_back() {
        let hashed = |len: u8| {
            let bytes: Vec<u8> = [0x12, len].into_iter().chain((0..len).map(|byte| byte ^ 0xa5)).collect();
            PeerId::from_bytes(&bytes).unwrap()
        };
        let identity: Vec<u8> = [0, 37].into_iter().chain(1..=37).collect();
        let peers =
            [PeerId::random(), PeerId::from_bytes(&identity).unwrap(), hashed(32), hashed(64), hashed(0)];
        for peer in peers {
            let words = PeerWords::of(&peer);
            assert_eq!(words.peer(), Some(peer));
            assert_eq!(words.is_long(), peer.to_bytes().len() - 2 > 40);
        }
    }

    #[test]
    fn peers_that_differ_in_one_byte_differ() {
        let bytes = PeerId::random().to_bytes();
        let words = PeerWords::of(&PeerId::from_bytes(&bytes).unwrap());
        for at in 2..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_ne!(PeerWords::of(&PeerId::from_bytes(&other).unwrap()), words);
        }
    }
}
