//! Identifiers of groups, pipes and advertisements (JXTA ids), 32 bytes each, and the genesis that names a group.
//!
//! The text form is `urn:jxta:<kind>-<64 hex digits>`; it parses back to the same id and to no other kind.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::ParseIdError;
use crate::limits::GENESIS_BYTES_MAX;
use crate::wire::{Ext, WireError, base32, decode_message, encode_message, from_base32};

/// Declares one kind of 32-byte identifier with its text form.
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The id that is these 32 bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes of this id.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let digits = text.strip_prefix($prefix).ok_or(ParseIdError::WrongKind { expected: $prefix })?;
                parse_hex(digits).map(Self)
            }
        }
    };
}

identifier!(
    /// Names a peer group: the BLAKE3 hash of its [`Genesis`].
    GroupId,
    "urn:jxta:group-"
);
identifier!(
    /// Names a pipe within a group.
    PipeId,
    "urn:jxta:pipe-"
);
identifier!(
    /// Names an advertisement: the hash of its publisher, group, kind and key. A newer sequence keeps the id.
    AdvertisementId,
    "urn:jxta:adv-"
);

impl GroupId {
    /// The group that every peer is in (JXTA `NetPeerGroup`).
    pub fn net() -> Self {
        Genesis::net().id()
    }
}

impl PipeId {
    /// A fresh id from the operating system's random bytes.
    ///
    /// # Errors
    /// When the operating system has no random bytes to give.
    pub fn random() -> std::io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        Ok(Self(bytes))
    }

    /// The id that everybody derives from the same group and name.
    pub fn derive(group: &GroupId, name: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("juxta pipe id 1");
        hasher.update(group.as_bytes()).update(name.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }
}

/// How one becomes a member of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Policy {
    /// By saying its name; no credential is needed.
    Open,
    /// By knowing the passphrase, from which everybody derives the authority's key.
    Passphrase,
    /// By a ticket that an issuer answers with a credential.
    Invite,
}

/// What a group is made of; its hash is the group's id, so it can't be changed without becoming another group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Genesis {
    version: u8,
    policy: u16,
    authority: Option<[u8; 32]>,
    salt: [u8; 16],
    label: String,
}

impl Genesis {
    /// An open group: no credential is needed, and everybody who says the same label means the same group.
    pub fn open(label: &str) -> Self {
        Self { version: 1, policy: POLICY_OPEN, authority: None, salt: [0; 16], label: label.to_owned() }
    }

    /// A group whose members show credentials of the authority with this Ed25519 public key.
    pub(crate) fn closed(policy: Policy, authority: [u8; 32], salt: [u8; 16], label: &str) -> Self {
        let policy = match policy {
            Policy::Open => POLICY_OPEN,
            Policy::Passphrase => POLICY_PASSPHRASE,
            Policy::Invite => POLICY_INVITE,
        };
        Self { version: 1, policy, authority: Some(authority), salt, label: label.to_owned() }
    }

    /// The genesis of `NetPeerGroup`.
    pub fn net() -> Self {
        Self::open("NetPeerGroup")
    }

    /// The group's id.
    pub fn id(&self) -> GroupId {
        let mut hasher = blake3::Hasher::new_derive_key("juxta group genesis 1");
        hasher.update(&[self.version]).update(&self.policy.to_le_bytes());
        match &self.authority {
            Some(key) => hasher.update(&[1]).update(key),
            None => hasher.update(&[0]),
        };
        hasher.update(&self.salt).update(self.label.as_bytes());
        GroupId(*hasher.finalize().as_bytes())
    }

    /// The name that people gave the group; not unique.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// How one becomes a member; `None` for a policy of a later version, which lets nobody in here.
    pub fn policy(&self) -> Option<Policy> {
        match (self.policy, self.authority) {
            (POLICY_OPEN, _) => Some(Policy::Open),
            (POLICY_PASSPHRASE, Some(_)) => Some(Policy::Passphrase),
            (POLICY_INVITE, Some(_)) => Some(Policy::Invite),
            _ => None,
        }
    }

    /// The Ed25519 public key that all credentials of a closed group go back to.
    pub fn authority(&self) -> Option<&[u8; 32]> {
        self.authority.as_ref()
    }

    /// The random bytes that tell groups of the same label apart, and that a passphrase is hashed with.
    pub fn salt(&self) -> &[u8; 16] {
        &self.salt
    }

    /// The genesis as bytes.
    ///
    /// # Errors
    /// [`WireError::TooLarge`] for a label beyond [`GENESIS_BYTES_MAX`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, WireError> {
        let wire = (self.policy, self.authority, self.salt, &self.label, Ext::new());
        encode_message(self.version, &wire, GENESIS_BYTES_MAX)
    }

    /// The genesis in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        let (policy, authority, salt, label, _ext): (_, _, _, _, Ext) =
            decode_message(1, bytes, GENESIS_BYTES_MAX)?;
        Ok(Self { version: 1, policy, authority, salt, label })
    }
}

/// `juxta-genesis:` and base32: what one needs, besides the passphrase, to join a passphrase group.
impl fmt::Display for Genesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.to_bytes().map_err(|_| fmt::Error)?;
        write!(f, "{GENESIS_PREFIX}{}", base32(&bytes))
    }
}

impl FromStr for Genesis {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let wrong = ParseIdError::WrongKind { expected: GENESIS_PREFIX };
        let bytes = from_base32(text.strip_prefix(GENESIS_PREFIX).ok_or(wrong)?);
        Self::from_bytes(&bytes.ok_or(ParseIdError::Damaged)?).map_err(|_| ParseIdError::Damaged)
    }
}

fn parse_hex(digits: &str) -> Result<[u8; 32], ParseIdError> {
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return Err(ParseIdError::NotHex);
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| ParseIdError::NotHex)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| ParseIdError::NotHex)?;
    }
    Ok(bytes)
}

const POLICY_OPEN: u16 = 0;
const POLICY_PASSPHRASE: u16 = 1;
const POLICY_INVITE: u16 = 2;
const GENESIS_PREFIX: &str = "juxta-genesis:";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_form_parses_back_to_the_same_id(bytes: [u8; 32]) {
            let id = PipeId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<PipeId>().unwrap(), id);
        }

        #[test]
        fn any_text_is_an_id_or_an_error(text: String) {
            let _ = text.parse::<GroupId>();
            let _ = text.parse::<Genesis>();
        }

        #[test]
        fn a_genesis_survives_its_text_and_its_bytes(authority: [u8; 32], salt: [u8; 16], label in ".{0,60}") {
            for policy in [Policy::Passphrase, Policy::Invite] {
                let genesis = Genesis::closed(policy, authority, salt, &label);
                prop_assert_eq!(genesis.policy(), Some(policy));
                prop_assert_eq!(&genesis.to_string().parse::<Genesis>().unwrap(), &genesis);
                prop_assert_ne!(genesis.id(), Genesis::open(&label).id());
            }
        }
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let pipe = PipeId::derive(&GroupId::net(), "x").to_string();
        assert!(matches!(pipe.parse::<GroupId>(), Err(ParseIdError::WrongKind { .. })));
    }

    #[test]
    fn same_label_same_group_and_other_label_other_group() {
        assert_eq!(Genesis::open("im").id(), Genesis::open("im").id());
        assert_ne!(Genesis::open("im").id(), Genesis::open("files").id());
    }

    #[test]
    fn same_pipe_name_in_two_groups_is_two_pipes() {
        let (a, b) = (Genesis::open("a").id(), Genesis::open("b").id());
        assert_ne!(PipeId::derive(&a, "x"), PipeId::derive(&b, "x"));
    }
}
