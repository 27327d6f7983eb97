//! An invitation to a group: text that an issuer signed, good for one peer and for a while.

use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;

use bytes::Bytes;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use serde::{Deserialize, Serialize};

use super::chain::{is_authority, verify_chain};
use super::revocation::RevocationList;
use super::sealed::{Domain, seal, unseal};
use super::signed::{Role, check_time};
use crate::error::{CredentialError, ParseIdError};
use crate::id::{Genesis, GroupId};
use crate::limits::{ADDRESSES_PER_PEER_MAX, CREDENTIAL_BYTES_MAX, TICKET_BYTES_MAX, TICKET_ISSUERS_MAX};
use crate::wire::{Ext, WireError, base32, decode_message, encode_message, from_base32};

/// Lets its bearer become a member; any issuer of the group that is online answers it. Its text is one word,
/// `juxta-group:` and base32.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub(crate) genesis: Genesis,
    pub(crate) proof: TicketProof,
    /// Who answers it, and where they can be dialed.
    pub(crate) issuers: Vec<(PeerId, Vec<Multiaddr>)>,
}

/// What an issuer is shown of a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TicketProof {
    sealed: Bytes,
    /// What makes its signer an issuer; nothing for the authority.
    chain: Vec<Bytes>,
}

/// What a valid ticket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TicketClaim {
    pub(crate) group: GroupId,
    /// Which ticket it is: random.
    pub(crate) id: [u8; 16],
    pub(crate) role: Role,
    /// Seconds since 1970.
    pub(crate) not_before: u64,
    pub(crate) not_after: u64,
}

impl Ticket {
    /// The group that it leads into.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The peers that answer it.
    pub fn issuers(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.issuers.iter().map(|(peer, _)| *peer)
    }
}

impl TicketProof {
    /// Signs a ticket; `chain` makes the signer an issuer, empty for the authority.
    pub(crate) fn issue(
        claim: TicketClaim,
        keypair: &Keypair,
        chain: Vec<Bytes>,
    ) -> Result<Self, CredentialError> {
        let TicketClaim { group, id, not_before, not_after, .. } = claim;
        let issuer = claim.role == Role::Issuer;
        // An issuer of a version that knows no duties makes a member of its bearer: never more than was meant.
        let duty = match claim.role {
            Role::Duty(number) => vec![(DUTY, Bytes::copy_from_slice(&[number.get()]))],
            _ => Ext::new(),
        };
        let wire = Wire { group, id, issuer, not_before, not_after, ext: duty };
        Ok(Self { sealed: seal(DOMAIN, keypair, &wire)?, chain })
    }

    /// Which ticket it is, whether it is valid or not.
    pub(crate) fn id(&self) -> Option<[u8; 16]> {
        unseal::<Wire>(DOMAIN, &self.sealed).ok().map(|(wire, _)| wire.id)
    }

    /// What it says, when an issuer of the group that is not revoked signed it and it counts at `now`.
    pub(crate) fn verify(
        &self,
        genesis: &Genesis,
        now: u64,
        revoked: &RevocationList,
    ) -> Result<TicketClaim, CredentialError> {
        let (wire, signer): (Wire, _) = unseal(DOMAIN, &self.sealed)?;
        let role = wire.role();
        let Wire { group, id, not_before, not_after, .. } = wire;
        if group != genesis.id() {
            return Err(CredentialError::WrongGroup);
        }
        if !is_authority(&signer, genesis) {
            let issuer = verify_chain(&self.chain, genesis, &signer.to_peer_id(), now, revoked)?;
            if issuer.role != Role::Issuer || role == Role::Issuer {
                return Err(CredentialError::NotAnIssuer);
            }
        }
        check_time(not_before, not_after, now)?;
        Ok(TicketClaim { group, id, role, not_before, not_after })
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<(Vec<u8>, Vec<Vec<u8>>)> = self
            .issuers
            .iter()
            .map(|(peer, addresses)| (peer.to_bytes(), addresses.iter().map(Multiaddr::to_vec).collect()))
            .collect();
        let genesis = self.genesis.to_bytes().map_err(|_| fmt::Error)?;
        let wire = (genesis, &self.proof, issuers, Ext::new());
        let mut bytes = encode_message(VERSION, &wire, TICKET_BYTES_MAX).map_err(|_| fmt::Error)?;
        let check = checksum(&bytes);
        bytes.extend_from_slice(&check);
        write!(f, "{PREFIX}{}", base32(&bytes))
    }
}

impl FromStr for Ticket {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let wrong = ParseIdError::WrongKind { expected: PREFIX };
        let text = text.trim().strip_prefix(PREFIX).ok_or(wrong)?;
        let bytes = if text.len() > TICKET_BYTES_MAX * 2 { None } else { from_base32(text) };
        let bytes = bytes.ok_or(ParseIdError::Damaged)?;
        let (bytes, check) = bytes.split_last_chunk::<CHECKSUM>().ok_or(ParseIdError::Damaged)?;
        if checksum(bytes) != *check {
            return Err(ParseIdError::Damaged);
        }
        from_wire(bytes).map_err(|_| ParseIdError::Damaged)
    }
}

fn from_wire(bytes: &[u8]) -> Result<Ticket, WireError> {
    type Issuers = Vec<(Vec<u8>, Vec<Vec<u8>>)>;
    let (genesis, proof, issuers, _ext): (Vec<u8>, TicketProof, Issuers, Ext) =
        decode_message(VERSION, bytes, TICKET_BYTES_MAX)?;
    let read = |(peer, addresses): (Vec<u8>, Vec<Vec<u8>>)| {
        let peer = PeerId::from_bytes(&peer).map_err(|_| WireError::Malformed)?;
        let addresses = addresses.into_iter().take(ADDRESSES_PER_PEER_MAX).map(Multiaddr::try_from);
        Ok((peer, addresses.collect::<Result<_, _>>().map_err(|_| WireError::Malformed)?))
    };
    let issuers: Result<_, WireError> = issuers.into_iter().take(TICKET_ISSUERS_MAX).map(read).collect();
    Ok(Ticket { genesis: Genesis::from_bytes(&genesis)?, proof, issuers: issuers? })
}

/// Tells a text that was cut or mistyped from one that an issuer refuses.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let [a, b, c, d, ..] = *blake3::hash(bytes).as_bytes();
    [a, b, c, d]
}

/// What is signed, behind a version byte.
#[derive(Debug, Serialize, Deserialize)]
struct Wire {
    group: GroupId,
    id: [u8; 16],
    issuer: bool,
    not_before: u64,
    not_after: u64,
    ext: Ext,
}

impl Wire {
    fn role(&self) -> Role {
        let duty = self.ext.iter().find(|(tag, _)| *tag == DUTY).and_then(|(_, number)| match **number {
            [number] => NonZeroU8::new(number),
            _ => None,
        });
        match (self.issuer, duty) {
            (true, _) => Role::Issuer,
            (false, Some(number)) => Role::Duty(number),
            (false, None) => Role::Member,
        }
    }
}

/// The field that says which duty its bearer gets.
const DUTY: u16 = 1;

const DOMAIN: Domain = Domain { name: "juxta/ticket/1", bytes_max: CREDENTIAL_BYTES_MAX };
const PREFIX: &str = "juxta-group:";
const VERSION: u8 = 1;
const CHECKSUM: usize = 4;
