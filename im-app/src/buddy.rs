//! The buddy list: who is known here, by which alias, and how far the contact has come (JIM; RFC 2778 access rules).
//!
//! In: invites, contact requests, answers. Out: buddies found by PeerId or alias. Bounded by `BUDDIES_MAX`. An alias
//! means one buddy whatever its case; on a clash `-2`, `-3`, … is appended.

use std::collections::BTreeMap;
use std::fmt;

use overlay::{Multiaddr, PeerId};

use crate::error::{AliasError, BuddyError};
use crate::limits::{ADDRESSES_MAX, BUDDIES_MAX, NAME_BYTES_MAX};
use crate::text::{cut, printable};

/// How a user calls a buddy: one word without colon, slash or control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Alias(String);

impl Alias {
    /// The alias that a user writes.
    ///
    /// # Errors
    /// [`AliasError`] names what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, AliasError> {
        if text.len() > NAME_BYTES_MAX {
            return Err(AliasError::TooLong { len: text.len(), max: NAME_BYTES_MAX });
        }
        let clean = printable(text);
        let bad = text
            .chars()
            .find(|&c| forbidden(c))
            .or_else(|| text.chars().zip(clean.chars().chain(['\0'])).find(|(a, b)| a != b).map(|(a, _)| a));
        if let Some(character) = bad {
            return Err(AliasError::Character { character });
        }
        if !text.chars().any(char::is_alphanumeric) {
            return Err(AliasError::Empty);
        }
        if text.parse::<PeerId>().is_ok() {
            return Err(AliasError::PeerId);
        }
        Ok(Self(text.to_owned()))
    }

    /// The alias that follows from the name a peer gave; from its id when the name has nothing usable.
    pub fn of_peer(name: &str, peer: &PeerId) -> Self {
        let word: String =
            printable(name).trim().chars().map(|c| if forbidden(c) { '-' } else { c }).collect();
        Self::parse(cut(&word, NAME_BYTES_MAX)).unwrap_or_else(|_| {
            let id = peer.to_string();
            Self(format!("peer-{}", id.get(id.len().saturating_sub(8)..).unwrap_or_default()))
        })
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This alias with a number behind it, within the bound.
    fn numbered(&self, number: usize) -> Self {
        let tail = format!("-{number}");
        Self(format!("{}{tail}", cut(&self.0, NAME_BYTES_MAX - tail.len())))
    }

    /// Under which an alias is found.
    fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a contact has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Contact {
    /// This user asked; the other has not answered.
    PendingOut,
    /// The other asked; this user has not answered.
    PendingIn,
    /// Both agreed: presence and messages flow.
    Accepted,
    /// This user wants nothing from them.
    Blocked,
    /// The other said no, or ended it.
    Refused,
}

impl Contact {
    const ALL: [Self; 5] = [Self::PendingOut, Self::PendingIn, Self::Accepted, Self::Blocked, Self::Refused];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PendingOut => "pending-out",
            Self::PendingIn => "pending-in",
            Self::Accepted => "accepted",
            Self::Blocked => "blocked",
            Self::Refused => "refused",
        }
    }

    /// The contact of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|contact| contact.as_str() == word)
    }

    /// Whether this side dials them: who asked and who was accepted.
    pub fn is_dialed(self) -> bool {
        matches!(self, Self::PendingOut | Self::Accepted)
    }
}

/// One known peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buddy {
    /// Who it is; the only thing that is proved.
    pub peer: PeerId,
    /// How this user calls them.
    pub alias: Alias,
    /// How far the contact has come.
    pub contact: Contact,
    /// Where they may be dialed, at most `ADDRESSES_MAX`.
    pub addresses: Vec<Multiaddr>,
}

/// All known peers.
#[derive(Debug, Default)]
pub struct BuddyList {
    by_peer: BTreeMap<PeerId, Buddy>,
    by_alias: BTreeMap<String, PeerId>,
}

impl BuddyList {
    /// Adds a peer under `alias`, or under `alias-2` and so on when that is taken. A peer that is known keeps its
    /// alias; only its contact and addresses change.
    ///
    /// # Errors
    /// [`BuddyError::Full`] at `BUDDIES_MAX`.
    pub fn put(
        &mut self,
        peer: PeerId,
        alias: Alias,
        contact: Contact,
        mut addresses: Vec<Multiaddr>,
    ) -> Result<Buddy, BuddyError> {
        addresses.truncate(ADDRESSES_MAX);
        if let Some(buddy) = self.by_peer.get_mut(&peer) {
            buddy.contact = contact;
            if !addresses.is_empty() {
                buddy.addresses = addresses;
            }
            return Ok(buddy.clone());
        }
        if self.by_peer.len() >= BUDDIES_MAX {
            return Err(BuddyError::Full { max: BUDDIES_MAX });
        }
        let alias = self.free_alias(alias);
        let buddy = Buddy { peer, alias, contact, addresses };
        self.by_alias.insert(buddy.alias.key(), peer);
        self.by_peer.insert(peer, buddy.clone());
        Ok(buddy)
    }

    /// Forgets a peer; its alias is free again.
    pub fn remove(&mut self, peer: &PeerId) -> Option<Buddy> {
        let buddy = self.by_peer.remove(peer)?;
        self.by_alias.remove(&buddy.alias.key());
        Some(buddy)
    }

    /// Changes how far a contact has come; the buddy as it is now.
    pub fn set_contact(&mut self, peer: &PeerId, contact: Contact) -> Option<Buddy> {
        let buddy = self.by_peer.get_mut(peer)?;
        buddy.contact = contact;
        Some(buddy.clone())
    }

    /// Remembers where a peer may be dialed; the buddy when that changed.
    pub fn set_addresses(&mut self, peer: &PeerId, mut addresses: Vec<Multiaddr>) -> Option<Buddy> {
        addresses.truncate(ADDRESSES_MAX);
        let buddy = self.by_peer.get_mut(peer)?;
        if addresses.is_empty() || buddy.addresses == addresses {
            return None;
        }
        buddy.addresses = addresses;
        Some(buddy.clone())
    }

    /// The buddy with this id.
    pub fn get(&self, peer: &PeerId) -> Option<&Buddy> {
        self.by_peer.get(peer)
    }

    /// The buddy with this alias (in any case) or PeerId.
    pub fn find(&self, text: &str) -> Option<&Buddy> {
        let peer = match self.by_alias.get(&text.to_lowercase()) {
            Some(peer) => *peer,
            None => text.parse().ok()?,
        };
        self.by_peer.get(&peer)
    }

    /// How far the contact with a peer has come; `None` for a stranger.
    pub fn contact(&self, peer: &PeerId) -> Option<Contact> {
        self.by_peer.get(peer).map(|buddy| buddy.contact)
    }

    /// All buddies, by PeerId.
    pub fn iter(&self) -> impl Iterator<Item = &Buddy> {
        self.by_peer.values()
    }

    /// How many buddies have come this far. O(n), for a face or a stranger's request.
    pub fn count(&self, contact: Contact) -> usize {
        self.iter().filter(|buddy| buddy.contact == contact).count()
    }

    fn free_alias(&self, alias: Alias) -> Alias {
        if !self.by_alias.contains_key(&alias.key()) {
            return alias;
        }
        // At most BUDDIES_MAX aliases are taken, so one of as many numbers is free.
        (2..=BUDDIES_MAX + 2)
            .map(|number| alias.numbered(number))
            .find(|alias| !self.by_alias.contains_key(&alias.key()))
            .unwrap_or(alias)
    }
}

/// Characters with a meaning in a line of the plain face.
fn forbidden(character: char) -> bool {
    character.is_whitespace() || matches!(character, ':' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(text: &str) -> Alias {
        Alias::parse(text).unwrap()
    }

    #[test]
    fn a_taken_alias_gets_a_number_whatever_its_case() {
        let mut list = BuddyList::default();
        let names: Vec<String> = ["bob", "Bob", "bob"]
            .map(|name| {
                let buddy = list.put(PeerId::random(), alias(name), Contact::Accepted, vec![]);
                buddy.unwrap().alias.to_string()
            })
            .to_vec();
        assert_eq!(names, ["bob", "Bob-2", "bob-3"]);
        assert!(list.find("BOB-2").is_some());
    }

    #[test]
    fn a_known_peer_keeps_its_alias() {
        let mut list = BuddyList::default();
        let peer = PeerId::random();
        list.put(peer, alias("bob"), Contact::PendingOut, vec![]).unwrap();
        let buddy = list.put(peer, alias("robert"), Contact::Accepted, vec![]).unwrap();
        assert_eq!((buddy.alias.as_str(), buddy.contact), ("bob", Contact::Accepted));
        assert_eq!(list.find(&peer.to_string()), Some(&buddy));
        list.remove(&peer);
        assert!(list.find("bob").is_none() && list.get(&peer).is_none());
    }

    #[test]
    fn aliases_that_would_make_a_line_ambiguous_are_refused() {
        let id = PeerId::random().to_string();
        for text in ["", "--", "a b", "a:b", "/a", "a\u{1b}b", "a\u{202e}", &id, &"x".repeat(65)] {
            assert!(Alias::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(alias("Jörg_2").as_str(), "Jörg_2");
    }

    #[test]
    fn any_name_of_a_peer_gives_an_alias() {
        let peer = PeerId::random();
        assert_eq!(Alias::of_peer(" Ann Lee:x\u{7} ", &peer).as_str(), "Ann-Lee-x");
        assert!(Alias::of_peer("\u{1b}", &peer).as_str().starts_with("peer-"));
        assert!(Alias::of_peer(&peer.to_string(), &peer).as_str().starts_with("peer-"));
        assert!(Alias::of_peer(&"ä".repeat(99), &peer).as_str().len() <= NAME_BYTES_MAX);
    }

    #[test]
    fn a_full_list_refuses_and_keeps_what_it_has() {
        let mut list = BuddyList::default();
        for _ in 0..BUDDIES_MAX {
            list.put(PeerId::random(), alias("x"), Contact::Accepted, vec![]).unwrap();
        }
        let more = list.put(PeerId::random(), alias("y"), Contact::Accepted, vec![]);
        assert_eq!(more, Err(BuddyError::Full { max: BUDDIES_MAX }));
        assert_eq!(list.count(Contact::Accepted), BUDDIES_MAX);
    }

    #[test]
    fn words_of_contacts_are_read_back() {
        for contact in Contact::ALL {
            assert_eq!(Contact::from_word(contact.as_str()), Some(contact));
        }
    }
}
