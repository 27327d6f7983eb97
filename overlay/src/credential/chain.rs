//! From the authority to a member: the way on which a credential gets its weight.

use bytes::Bytes;
use libp2p::PeerId;
use libp2p::identity::PublicKey;

use super::revocation::RevocationList;
use super::signed::{Credential, Role};
use crate::error::CredentialError;
use crate::id::{Genesis, Policy};
use crate::limits::{CLOCK_SKEW_MAX, CREDENTIAL_CHAIN_MAX};

/// What a valid chain gives its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedChain {
    /// What the subject may do.
    pub role: Role,
    /// When it ends, in seconds since 1970: with its first credential that does, and the forgiven difference of clocks.
    pub until: u64,
    /// The subject, and the issuer before it if there is one; when one of them is revoked, so is the chain.
    pub peers: Vec<PeerId>,
}

/// Checks that `chain`, the credential next to the authority first, makes `subject` a member at `now` (seconds since
/// 1970). Costs one verification of a signature a credential, and none for a chain that is too long.
///
/// # Errors
/// [`CredentialError`], the first that is found.
pub fn verify_chain(
    chain: &[Bytes],
    genesis: &Genesis,
    subject: &PeerId,
    now: u64,
    revoked: &RevocationList,
) -> Result<VerifiedChain, CredentialError> {
    let Some(Policy::Passphrase | Policy::Invite) = genesis.policy() else {
        return Err(CredentialError::NotClosed);
    };
    if chain.is_empty() || chain.len() > CREDENTIAL_CHAIN_MAX {
        return Err(CredentialError::ChainLength { len: chain.len() });
    }
    let group = genesis.id();
    let mut before: Option<Credential> = None;
    let mut verified = VerifiedChain { role: Role::Member, until: u64::MAX, peers: Vec::new() };
    for bytes in chain {
        let credential = Credential::from_bytes(bytes.clone())?;
        let claim = *credential.claim();
        check_signer(&credential, before.as_ref(), genesis)?;
        if claim.group != group {
            return Err(CredentialError::WrongGroup);
        }
        credential.check_time(now)?;
        if revoked.contains(&claim.subject) {
            return Err(CredentialError::Revoked);
        }
        verified.role = claim.role;
        verified.until = verified.until.min(claim.not_after.saturating_add(CLOCK_SKEW_MAX.as_secs()));
        verified.peers.insert(0, claim.subject);
        before = Some(credential);
    }
    match verified.peers.first() {
        Some(shown) if shown == subject => Ok(verified),
        _ => Err(CredentialError::WrongSubject),
    }
}

/// The first credential is the authority's; one behind it is of the issuer before it, and makes no issuer.
fn check_signer(
    credential: &Credential,
    before: Option<&Credential>,
    genesis: &Genesis,
) -> Result<(), CredentialError> {
    let Some(issuer) = before else {
        return if is_authority(credential.signer(), genesis) {
            Ok(())
        } else {
            Err(CredentialError::WrongIssuer)
        };
    };
    if credential.signer().to_peer_id() != issuer.claim().subject {
        return Err(CredentialError::WrongIssuer);
    }
    match (issuer.claim().role, credential.claim().role) {
        (Role::Issuer, Role::Member | Role::Duty(_)) => Ok(()),
        _ => Err(CredentialError::NotAnIssuer),
    }
}

/// Whether `key` is the one that the group goes back to.
pub(super) fn is_authority(key: &PublicKey, genesis: &Genesis) -> bool {
    let key = key.clone().try_into_ed25519();
    key.is_ok_and(|key| Some(&key.to_bytes()) == genesis.authority())
}
