//! Pseudonyms of peers and groups, for who may not see ids: a keyed hash, the same at every agent of one management group.
//!
//! In: ids. Out: ids that nobody has. What it protects: who has neither the key nor an agent of its own can't tell from
//! records and objects which peer is meant, nor test a guess, since patterns are matched against pseudonyms too. What it
//! does not: a reader that talks to an agent knows with whom it talks, and so learns the pseudonym of that agent; it learns
//! nothing of peers that have no agent. Whoever shows the same records with ids beside them gives the pseudonyms away.

use std::fmt;

use overlay::{GroupId, PeerId};

use crate::arm::ArmRecord;
use crate::jmx::{AttributeValue, ObjectName};
use crate::protocol::{BeanSnapshot, Said};

/// The key of one group's pseudonyms.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Veil {
    key: [u8; 32],
}

impl Veil {
    /// The pseudonyms of this key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The pseudonym of a peer: an id of the form that only a hash has, so that it can't be dialed by mistake.
    #[must_use]
    pub fn peer(&self, peer: &PeerId) -> PeerId {
        let hash = blake3::keyed_hash(&self.key, &peer.to_bytes());
        let bytes = [&[SHA2_256, HASH_BYTES], hash.as_bytes().as_slice()].concat();
        // 32 bytes under this code are an id; the id itself is never shown instead.
        PeerId::from_bytes(&bytes).unwrap_or_else(|_| PeerId::random())
    }

    /// The record with pseudonyms.
    #[must_use]
    pub fn record(&self, record: &ArmRecord) -> ArmRecord {
        ArmRecord { peer: self.peer(&record.peer), dest: self.peer(&record.dest), ..record.clone() }
    }

    /// The name with pseudonyms for each part that is an id.
    #[must_use]
    pub fn name(&self, name: &ObjectName) -> Option<ObjectName> {
        let keys = name.keys().map(|(key, value)| (key, self.text(value)));
        ObjectName::new(&self.text(name.domain()), keys).ok()
    }

    /// The object with pseudonyms for each part of its name and each id in a value, also within a longer text;
    /// none if it can't be named so.
    #[must_use]
    pub fn snapshot(&self, bean: BeanSnapshot) -> Option<BeanSnapshot> {
        let veiled = |value| match value {
            AttributeValue::Str(text) => AttributeValue::Str(self.text(&text)),
            other => other,
        };
        let attributes =
            bean.attributes.into_iter().map(|(name, value)| (self.text(&name), veiled(value))).collect();
        Some(BeanSnapshot { name: self.name(&bean.name)?, attributes, truncated: bean.truncated })
    }

    /// A crossing with pseudonyms in the name of its object, and in its value. One whose object can't be named so loses the
    /// name.
    pub fn said(&self, said: &mut Said) {
        let veiled = said.object.parse().ok().and_then(|name: ObjectName| self.name(&name));
        said.object = veiled.map(|name| name.to_string()).unwrap_or_default();
        said.value = self.text(&said.value);
    }

    /// The pseudonym of a group: an id that no group has. That every peer is in the net group is no secret.
    #[must_use]
    pub fn group(&self, group: &GroupId) -> GroupId {
        if *group == GroupId::net() {
            return *group;
        }
        GroupId::from_bytes(*blake3::keyed_hash(&self.key, group.as_bytes()).as_bytes())
    }

    /// The text with a pseudonym for each id in it: an id is a word of letters and digits.
    fn text(&self, text: &str) -> String {
        if text.len() < ID_CHARS_MIN {
            return text.to_owned();
        }
        let mut shown = String::with_capacity(text.len());
        for piece in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
            let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            match self.word(word, shown.ends_with(GROUP)) {
                Some(pseudonym) => shown.push_str(&pseudonym),
                None => shown.push_str(word),
            }
            shown.extend(piece.get(word.len()..));
        }
        shown
    }

    /// The pseudonym that stands for a word; none when it is no id.
    fn word(&self, word: &str, of_group: bool) -> Option<String> {
        if word.len() < ID_CHARS_MIN {
            return None;
        }
        if of_group && let Ok(group) = format!("{GROUP}{word}").parse::<GroupId>() {
            return self.group(&group).to_string().strip_prefix(GROUP).map(str::to_owned);
        }
        word.parse::<PeerId>().ok().map(|peer| self.peer(&peer).to_string())
    }
}

impl fmt::Debug for Veil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Veil(..)")
    }
}

/// The pseudonym of all agents whose own can't be believed, since another agent claims it too.
#[must_use]
pub fn unknown_peer() -> PeerId {
    let bytes = [[SHA2_256, HASH_BYTES].as_slice(), &[0; HASH_BYTES as usize]].concat();
    PeerId::from_bytes(&bytes).unwrap_or_else(|_| PeerId::random())
}

/// Multihash code of SHA2-256 and the length of its digest.
const SHA2_256: u8 = 0x12;
const HASH_BYTES: u8 = 32;

/// No id of a peer has fewer characters (46, 52 or 53, by its kind), nor has that of a group.
const ID_CHARS_MIN: usize = 41;

/// What the text of a group's id begins with, before its digits.
const GROUP: &str = "urn:jxta:group-";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jmx::record_name;

    #[test]
    fn a_pseudonym_is_the_same_in_one_group_and_another_in_the_next() {
        let peer = PeerId::random();
        let (one, two) = (Veil::new([1; 32]), Veil::new([2; 32]));
        assert_eq!(one.peer(&peer), one.peer(&peer));
        assert_ne!(one.peer(&peer), two.peer(&peer));
        assert_ne!(one.peer(&peer), one.peer(&PeerId::random()));
        assert!(one.peer(&peer).to_string().starts_with("Qm"));
        assert_eq!(format!("{one:?}"), "Veil(..)");
    }

    #[test]
    fn a_membership_shows_a_reader_no_group_but_the_one_that_all_are_in() {
        let (veil, group) = (Veil::new([1; 32]), GroupId::from_bytes([7; 32]));
        let name = |group: &GroupId| {
            ObjectName::new("juxta", [("type", "membership"), ("group", &group.to_string())]).unwrap()
        };
        assert_eq!(veil.name(&name(&group)), Some(name(&veil.group(&group))));
        assert_ne!(veil.group(&group), group);
        assert_ne!(veil.group(&group), Veil::new([2; 32]).group(&group));
        assert_eq!(veil.name(&name(&GroupId::net())), Some(name(&GroupId::net())));
    }

    #[test]
    fn nothing_of_a_record_or_its_object_shows_an_id() {
        let veil = Veil::new([1; 32]);
        let record = ArmRecord { dest: PeerId::random(), ..ArmRecord::empty(PeerId::random()) };
        let veiled = veil.record(&record);
        let name = record_name(&record).unwrap();
        assert_eq!(veil.name(&name).unwrap(), record_name(&veiled).unwrap());
        let attributes =
            vec![("dest".to_owned(), record.dest.to_string().into()), ("status".to_owned(), "good".into())];
        let shown = veil.snapshot(BeanSnapshot { name, attributes, truncated: false }).unwrap();
        let text = format!("{shown:?}");
        assert!(!text.contains(&record.peer.to_string()) && !text.contains(&record.dest.to_string()));
        assert_eq!(shown.attributes[0].1, veiled.dest.to_string().into());
        assert_eq!(shown.attributes[1].1, "good".into());
        let (object, value) = (record_name(&record).unwrap().to_string(), record.dest.to_string());
        let mut said = Said { object, value, ..Said::default() };
        veil.said(&mut said);
        assert_eq!(
            (said.object, said.value),
            (record_name(&veiled).unwrap().to_string(), veiled.dest.to_string())
        );
    }

    #[test]
    fn an_id_within_a_longer_text_is_veiled_as_it_is_alone() {
        let (veil, peer, group) = (Veil::new([1; 32]), PeerId::random(), GroupId::from_bytes([7; 32]));
        let signing = overlay::Keypair::generate_ed25519().public().to_peer_id();
        let text = |peers: [&PeerId; 2], group: &GroupId| {
            let [one, two] = peers;
            format!(
                "at high monitor 1 juxta:type=link,peer={one} connections 1; \"{group}\" \u{fc}{two}, {}",
                GroupId::net()
            )
        };
        let object = text([&peer, &signing], &group);
        let attributes =
            vec![(signing.to_string(), object.into()), ("none".to_owned(), "x".repeat(60).into())];
        let name = "juxta:type=monitor,number=1".parse().unwrap();
        let shown = veil.snapshot(BeanSnapshot { name, attributes, truncated: false }).unwrap();
        let veiled = text([&veil.peer(&peer), &veil.peer(&signing)], &veil.group(&group));
        assert_eq!(shown.attributes[0], (veil.peer(&signing).to_string(), veiled.into()));
        assert_eq!(shown.attributes[1].1, "x".repeat(60).into());
    }
}
