//! Pseudonyms of peers for everybody who need not know who they are: exporters, readers.
//!
//! In: a key, a PeerId. Out: a short text, the same for the same peer under the same key, that nobody without the key
//! can tie to a peer.

use std::fmt;

use overlay::PeerId;

/// The key under which peers get their pseudonyms.
#[derive(Clone)]
pub struct Pseudonyms([u8; 32]);

impl Pseudonyms {
    /// Pseudonyms under this key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The pseudonym of a peer: `p-` and 24 hexadecimal digits.
    #[must_use]
    pub fn of(&self, peer: &PeerId) -> String {
        let hash = blake3::keyed_hash(&self.0, &peer.to_bytes()).to_hex();
        format!("p-{}", hash.get(..24).unwrap_or_default())
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonyms(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_gives_the_same_name_and_another_key_another() {
        let (peer, ours) = (PeerId::random(), Pseudonyms::new([1; 32]));
        assert_eq!(ours.of(&peer), Pseudonyms::new([1; 32]).of(&peer));
        assert_ne!(ours.of(&peer), Pseudonyms::new([2; 32]).of(&peer));
        assert_ne!(ours.of(&peer), ours.of(&PeerId::random()));
        assert!(ours.of(&peer).starts_with("p-") && ours.of(&peer).len() == 26);
    }
}
