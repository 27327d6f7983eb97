//! An invite: what one person hands another so that they can become buddies.
//!
//! In: PeerId, name, addresses, addresses of rendezvous. Out: one word of text, `juxta:` and base32, that can be read
//! aloud, pasted or shown as a QR code, and back. A check sum finds slips; at most `INVITE_BYTES_MAX`.

use std::fmt;
use std::str::FromStr;

use overlay::wire::{self, Ext, WireError};
use overlay::{Multiaddr, PeerId};
use serde::{Deserialize, Serialize};

use crate::error::InviteError;
use crate::limits::{ADDRESSES_MAX, INVITE_BYTES_MAX, NAME_BYTES_MAX};
use crate::text::{cut, printable};

/// How to become somebody's buddy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Whose buddy.
    pub peer: PeerId,
    /// How they call themselves; proves nothing.
    pub name: String,
    /// Where they listened when they made it.
    pub addresses: Vec<Multiaddr>,
    /// Rendezvous that know where they are.
    pub rendezvous: Vec<Multiaddr>,
}

/// The invite's bytes; never reordered, extended through `ext`.
#[derive(Serialize, Deserialize)]
struct Content {
    peer: Vec<u8>,
    name: String,
    addresses: Vec<Vec<u8>>,
    rendezvous: Vec<Vec<u8>>,
    ext: Ext,
}

impl Invite {
    fn content(&self) -> Content {
        let bytes =
            |addresses: &[Multiaddr]| addresses.iter().take(ADDRESSES_MAX).map(Multiaddr::to_vec).collect();
        Content {
            peer: self.peer.to_bytes(),
            name: cut(&self.name, NAME_BYTES_MAX).to_owned(),
            addresses: bytes(&self.addresses),
            rendezvous: bytes(&self.rendezvous),
            ext: Ext::new(),
        }
    }
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut content = self.content();
        // Long addresses (chains of relays) may not fit; the last ones are left out.
        let mut bytes = loop {
            match wire::encode_message(VERSION, &content, CONTENT_BYTES_MAX) {
                Ok(bytes) => break bytes,
                Err(_) if content.addresses.pop().is_some() || content.rendezvous.pop().is_some() => {}
                Err(_) => return Err(fmt::Error),
            }
        };
        bytes.extend_from_slice(&checksum(&bytes));
        write!(f, "{PREFIX}{}", wire::base32(&bytes))
    }
}

impl FromStr for Invite {
    type Err = InviteError;

    fn from_str(text: &str) -> Result<Self, InviteError> {
        let text = text.trim();
        if text.len() > INVITE_BYTES_MAX {
            return Err(InviteError::TooLong { len: text.len(), max: INVITE_BYTES_MAX });
        }
        let head = text.get(..PREFIX.len()).ok_or(InviteError::NoPrefix)?;
        if !head.eq_ignore_ascii_case(PREFIX) {
            return Err(InviteError::NoPrefix);
        }
        let bytes = bytes_of(text.get(PREFIX.len()..).unwrap_or_default())?;
        let (content, sum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(InviteError::Damaged)?;
        if checksum(content) != *sum {
            return Err(InviteError::Damaged);
        }
        let content: Content = wire::decode_message(VERSION, content, CONTENT_BYTES_MAX)?;
        let many = |all: Vec<Vec<u8>>| match all.len() {
            0..=ADDRESSES_MAX => all
                .into_iter()
                .map(|bytes| Multiaddr::try_from(bytes).map_err(|_| WireError::Malformed))
                .collect::<Result<Vec<_>, _>>(),
            len => Err(WireError::TooLarge { len, max: ADDRESSES_MAX }),
        };
        Ok(Self {
            peer: PeerId::from_bytes(&content.peer).map_err(|_| WireError::Malformed)?,
            name: printable(cut(&content.name, NAME_BYTES_MAX)),
            addresses: many(content.addresses)?,
            rendezvous: many(content.rendezvous)?,
        })
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let [a, b, c, d, ..] = *blake3::hash(bytes).as_bytes();
    [a, b, c, d]
}

fn bytes_of(text: &str) -> Result<Vec<u8>, InviteError> {
    let foreign = |character: &char| !matches!(character.to_ascii_lowercase(), 'a'..='z' | '2'..='7');
    wire::from_base32(text).ok_or_else(|| match text.chars().find(foreign) {
        Some(character) => InviteError::Character { character },
        None => InviteError::Damaged,
    })
}

const PREFIX: &str = "juxta:";
const VERSION: u8 = 1;
const CHECKSUM: usize = 4;
/// What remains of the text without its prefix, at five bits a character, less the check sum.
const CONTENT_BYTES_MAX: usize = (INVITE_BYTES_MAX - PREFIX.len()) * 5 / 8 - CHECKSUM;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn invite() -> Invite {
        let address = |port: u16| format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
        Invite {
            peer: PeerId::random(),
            name: "Bob".into(),
            addresses: vec![address(4001), address(4002)],
            rendezvous: vec![format!("/ip4/127.0.0.1/tcp/1/p2p/{}", PeerId::random()).parse().unwrap()],
        }
    }

    #[test]
    fn an_invite_is_read_back_from_its_text_in_any_case_and_with_spaces_around() {
        let invite = invite();
        let text = invite.to_string();
        assert!(text.starts_with("juxta:") && text.len() < 400, "{text}");
        assert_eq!(text.parse(), Ok(invite.clone()));
        assert_eq!(format!("  {}\n", text.to_uppercase()).parse(), Ok(invite));
    }

    #[test]
    fn every_slip_of_one_character_is_found() {
        let text = invite().to_string();
        for at in 6..text.len() {
            let mut slip: Vec<char> = text.chars().collect();
            slip[at] = if slip[at] == 'a' { 'b' } else { 'a' };
            let slip: String = slip.into_iter().collect();
            assert!(slip.parse::<Invite>().is_err(), "{at}");
            assert!(text[..at].parse::<Invite>().is_err(), "cut at {at}");
        }
    }

    #[test]
    fn other_texts_are_named() {
        assert_eq!("12D3KooW".parse::<Invite>(), Err(InviteError::NoPrefix));
        assert_eq!("juxta:".parse::<Invite>(), Err(InviteError::Damaged));
        assert_eq!("juxta:a1".parse::<Invite>(), Err(InviteError::Character { character: '1' }));
        let long = format!("juxta:{}", "a".repeat(INVITE_BYTES_MAX));
        assert!(matches!(long.parse::<Invite>(), Err(InviteError::TooLong { .. })));
    }

    #[test]
    fn an_unknown_version_is_named() {
        let mut bytes = wire::encode_message(9, &invite().content(), CONTENT_BYTES_MAX).unwrap();
        bytes.extend_from_slice(&checksum(&bytes));
        let text = format!("juxta:{}", wire::base32(&bytes));
        let unknown = InviteError::Malformed(WireError::UnknownVersion { got: 9 });
        assert_eq!(text.parse::<Invite>(), Err(unknown));
    }

    #[test]
    fn more_addresses_than_allowed_are_left_out_and_the_text_keeps_its_bound() {
        let long: String = (0..20).map(|_| format!("/p2p/{}/p2p-circuit", PeerId::random())).collect();
        let mut invite = invite();
        invite.addresses = vec![long.parse().unwrap(); 20];
        let text = invite.to_string();
        assert!(text.len() <= INVITE_BYTES_MAX);
        let read: Invite = text.parse().unwrap();
        assert!(!read.addresses.is_empty() && read.addresses.len() <= ADDRESSES_MAX);
        assert_eq!(read.rendezvous, invite.rendezvous);
    }

    proptest! {
        #[test]
        fn base32_is_read_back(bytes: Vec<u8>) {
            prop_assert_eq!(bytes_of(&wire::base32(&bytes)).unwrap(), bytes);
        }

        #[test]
        fn any_text_is_an_invite_or_an_error(text in "(juxta:)?[a-z2-7é ]{0,300}") {
            let _ = text.parse::<Invite>();
        }
    }
}
