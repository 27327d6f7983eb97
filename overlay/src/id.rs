//! Identifiers of groups, pipes and advertisements (JXTA ids), 32 bytes each, and the genesis that names a group.
//!
//! The text form is `urn:jxta:<kind>-<64 hex digits>`; it parses back to the same id and to no other kind.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::ParseIdError;

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
