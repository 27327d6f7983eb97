//! Who was a member and is none any more: a list that the authority signs and numbers; the newest counts.

use std::collections::BTreeMap;

use bytes::Bytes;
use libp2p::PeerId;
use libp2p::identity::Keypair;
use serde::{Deserialize, Serialize};

use super::chain::is_authority;
use super::sealed::{Domain, seal, unseal};
use crate::error::CredentialError;
use crate::id::{Genesis, GroupId, Policy};
use crate::limits::{CLOCK_SKEW_MAX, CREDENTIAL_LIFE_MAX, REVOCATIONS_BYTES_MAX, REVOKED_MAX};
use crate::wire::{Ext, WireError};

/// The revoked peers of one group. The empty list has number 0 and no signature.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RevocationList {
    number: u64,
    /// When each was revoked, in seconds since 1970.
    revoked: BTreeMap<PeerId, u64>,
    sealed: Bytes,
}

impl RevocationList {
    /// The next list, with `peer` too, signed by the authority at `now` (seconds since 1970). Peers of whom no
    /// credential can live any more leave it.
    ///
    /// # Errors
    /// [`CredentialError::ListFull`]; [`CredentialError::WrongIssuer`] for another key than the authority's.
    pub fn with(
        &self,
        peer: PeerId,
        genesis: &Genesis,
        authority: &Keypair,
        now: u64,
    ) -> Result<Self, CredentialError> {
        if !is_authority(&authority.public(), genesis) {
            return Err(CredentialError::WrongIssuer);
        }
        // Issued just before it was revoked, by a clock that was ahead, and shown to one that is behind.
        let remembered = CREDENTIAL_LIFE_MAX.as_secs() + 2 * CLOCK_SKEW_MAX.as_secs();
        let mut revoked = self.revoked.clone();
        revoked.retain(|_, at| at.saturating_add(remembered) > now);
        revoked.insert(peer, now);
        if revoked.len() > REVOKED_MAX {
            return Err(CredentialError::ListFull { max: REVOKED_MAX });
        }
        let number = self.number.saturating_add(1);
        let wire = Wire {
            group: genesis.id(),
            number,
            revoked: revoked.iter().map(|(peer, at)| (peer.to_bytes().into(), *at)).collect(),
            ext: Ext::new(),
        };
        Ok(Self { number, revoked, sealed: seal(DOMAIN, authority, &wire)? })
    }

    /// Reads and verifies the bytes of a list of this group; no bytes are the empty list.
    ///
    /// # Errors
    /// [`CredentialError`]; [`CredentialError::WrongIssuer`] in groups by passphrase, which revoke nobody.
    pub fn from_bytes(sealed: Bytes, genesis: &Genesis) -> Result<Self, CredentialError> {
        if sealed.is_empty() {
            return Ok(Self::default());
        }
        let (wire, signer): (Wire, _) = unseal(DOMAIN, &sealed)?;
        // Every member of a group by passphrase has its key; one could throw out all others.
        if !is_authority(&signer, genesis) || genesis.policy() != Some(Policy::Invite) {
            return Err(CredentialError::WrongIssuer);
        }
        if wire.group != genesis.id() {
            return Err(CredentialError::WrongGroup);
        }
        let peer = |bytes: Bytes| PeerId::from_bytes(&bytes).map_err(|_| WireError::Malformed);
        let revoked: Result<BTreeMap<_, _>, WireError> =
            wire.revoked.into_iter().map(|(bytes, at)| Ok((peer(bytes)?, at))).collect();
        let revoked = revoked?;
        if revoked.len() > REVOKED_MAX {
            return Err(CredentialError::ListFull { max: REVOKED_MAX });
        }
        Ok(Self { number: wire.number, revoked, sealed })
    }

    /// Which list of its group it is; a greater number is newer.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether `peer` is revoked.
    pub fn contains(&self, peer: &PeerId) -> bool {
        self.revoked.contains_key(peer)
    }

    /// The signed bytes; none for the empty list.
    pub fn to_bytes(&self) -> Bytes {
        self.sealed.clone()
    }
}

/// What is signed, behind a version byte.
#[derive(Debug, Serialize, Deserialize)]
struct Wire {
    group: GroupId,
    number: u64,
    revoked: Vec<(Bytes, u64)>,
    ext: Ext,
}

const DOMAIN: Domain = Domain { name: "juxta/revoked/1", bytes_max: REVOCATIONS_BYTES_MAX };
