//! Pseudonyms of peers for exporters, who need not know who they are.
//!
//! In: a PeerId, as records have it. Out: a short text, the same for the same peer, that nobody without the key can tie to
//! a peer. In a management group all of its managers give the same; outside of one each manager has its own.

use std::fmt;

use overlay::PeerId;

use crate::access::Veil;

/// How peers get their pseudonyms.
#[derive(Clone)]
pub struct Pseudonyms(Source);

#[derive(Clone)]
enum Source {
    Key([u8; 32]),
    Group(Veil),
    Given,
}

impl Pseudonyms {
    /// Pseudonyms under this key, of a manager outside of a management group.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(Source::Key(key))
    }

    /// The pseudonyms of a management group, those that its readers see.
    #[must_use]
    pub fn of_group(veil: Veil) -> Self {
        Self(Source::Group(veil))
    }

    /// Records that have the group's pseudonyms already, as a reader is given them.
    #[must_use]
    pub fn given() -> Self {
        Self(Source::Given)
    }

    /// The pseudonym of a peer: an id that nobody has in a group, else `p-` and 24 hexadecimal digits.
    #[must_use]
    pub fn of(&self, peer: &PeerId) -> String {
        match &self.0 {
            Source::Key(key) => {
                let hash = blake3::keyed_hash(key, &peer.to_bytes()).to_hex();
                format!("p-{}", hash.get(..24).unwrap_or_default())
            }
            Source::Group(veil) => veil.peer(peer).to_string(),
            Source::Given => peer.to_string(),
        }
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

    #[test]
    fn an_operator_exports_the_pseudonyms_that_a_reader_of_its_group_is_given() {
        let (peer, veil) = (PeerId::random(), Veil::new([1; 32]));
        let operator = Pseudonyms::of_group(veil).of(&peer);
        assert_eq!(operator, Pseudonyms::given().of(&veil.peer(&peer)));
        assert_ne!(operator, peer.to_string());
    }
}
