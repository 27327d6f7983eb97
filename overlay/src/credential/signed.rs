//! One credential: what somebody with a key says of a peer's place in a group.

use std::num::NonZeroU8;

use bytes::Bytes;
use libp2p::PeerId;
use libp2p::identity::{Keypair, PublicKey};
use serde::{Deserialize, Serialize};

use super::sealed::{Domain, seal, unseal};
use crate::error::CredentialError;
use crate::id::GroupId;
use crate::limits::{CLOCK_SKEW_MAX, CREDENTIAL_BYTES_MAX, CREDENTIAL_LIFE_MAX};
use crate::wire::{Ext, WireError};

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Open and bind pipes, ask and answer.
    Member,
    /// That, and let members in.
    Issuer,
    /// What a member may, and whatever the group's application means by this number. To the overlay, and to versions that
    /// don't know the number, it is a member.
    Duty(NonZeroU8),
}

impl Role {
    /// The role as a credential and a ticket have it: what everybody knows in the low byte, a duty in the high one.
    pub(super) fn to_bits(self) -> u16 {
        match self {
            Self::Member => MEMBER,
            Self::Issuer => MEMBER | ISSUER,
            Self::Duty(number) => MEMBER | (u16::from(number.get()) << 8),
        }
    }

    /// The role of these bits; none without that of a member, which all have.
    pub(super) fn from_bits(bits: u16) -> Option<Self> {
        let [known, duty] = bits.to_le_bytes();
        match (u16::from(known), NonZeroU8::new(duty)) {
            (known, _) if known & MEMBER == 0 => None,
            (known, _) if known & ISSUER != 0 => Some(Self::Issuer),
            (_, Some(number)) => Some(Self::Duty(number)),
            (_, None) => Some(Self::Member),
        }
    }
}

/// What a credential says. Times are seconds since 1970 by the issuer's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The group.
    pub group: GroupId,
    /// Who is a member of it.
    pub subject: PeerId,
    /// As what.
    pub role: Role,
    /// Which of its issuer's credentials it is.
    pub serial: u64,
    /// From when on.
    pub not_before: u64,
    /// Until when, at most seven days after its begin.
    pub not_after: u64,
}

/// A claim whose signature was verified; whether the signer had the right to make it is the chain's question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    claim: Claim,
    signer: PublicKey,
    sealed: Bytes,
}

impl Credential {
    /// Signs `claim`.
    ///
    /// # Errors
    /// [`CredentialError`], for a key that can't sign.
    pub fn issue(claim: Claim, keypair: &Keypair) -> Result<Self, CredentialError> {
        let Claim { group, serial, not_before, not_after, .. } = claim;
        let roles = claim.role.to_bits();
        let subject = Bytes::from(claim.subject.to_bytes());
        let wire = Wire { group, subject, roles, serial, not_before, not_after, ext: Ext::new() };
        Ok(Self { claim, signer: keypair.public(), sealed: seal(DOMAIN, keypair, &wire)? })
    }

    /// Reads and verifies the bytes of a credential.
    ///
    /// # Errors
    /// [`CredentialError::BadSignature`], [`CredentialError::Malformed`].
    pub fn from_bytes(sealed: Bytes) -> Result<Self, CredentialError> {
        let (wire, signer): (Wire, _) = unseal(DOMAIN, &sealed)?;
        let subject = PeerId::from_bytes(&wire.subject).map_err(|_| WireError::Malformed)?;
        let role = Role::from_bits(wire.roles).ok_or(WireError::UnknownKind { got: wire.roles })?;
        let Wire { group, serial, not_before, not_after, .. } = wire;
        let claim = Claim { group, subject, role, serial, not_before, not_after };
        Ok(Self { claim, signer, sealed })
    }

    /// What it says.
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Whose signature it bears.
    pub fn signer(&self) -> &PublicKey {
        &self.signer
    }

    /// The signed bytes.
    pub fn to_bytes(&self) -> Bytes {
        self.sealed.clone()
    }

    /// Whether it counts at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// [`CredentialError::TooLongLived`], [`CredentialError::NotYetValid`], [`CredentialError::Expired`].
    pub fn check_time(&self, now: u64) -> Result<(), CredentialError> {
        check_time(self.claim.not_before, self.claim.not_after, now)
    }
}

/// Whether something that lives from `begin` to `end` counts at `now`; the clocks may differ a little.
pub(super) fn check_time(begin: u64, end: u64, now: u64) -> Result<(), CredentialError> {
    let (skew, max) = (CLOCK_SKEW_MAX.as_secs(), CREDENTIAL_LIFE_MAX.as_secs());
    let seconds = end.saturating_sub(begin);
    if seconds > max {
        return Err(CredentialError::TooLongLived { seconds, max });
    }
    if begin > now.saturating_add(skew) {
        return Err(CredentialError::NotYetValid { seconds: begin.saturating_sub(now) });
    }
    if now >= end.saturating_add(skew) {
        return Err(CredentialError::Expired { seconds: now.saturating_sub(end) });
    }
    Ok(())
}

/// What is signed, behind a version byte.
#[derive(Debug, Serialize, Deserialize)]
struct Wire {
    group: GroupId,
    subject: Bytes,
    roles: u16,
    serial: u64,
    not_before: u64,
    not_after: u64,
    ext: Ext,
}

const DOMAIN: Domain = Domain { name: "juxta/cred/1", bytes_max: CREDENTIAL_BYTES_MAX };
const MEMBER: u16 = 1;
const ISSUER: u16 = 2;
