//! A membership as bytes for a file, and back: without secrets, since what it proves it proves for this peer's key.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use serde::{Deserialize, Serialize};

use super::Membership;
use crate::error::CredentialError;
use crate::id::{Genesis, Policy};
use crate::limits::{MEMBERSHIP_BYTES_MAX, TICKETS_SPENT_MAX};
use crate::protocol::membership::Papers;
use crate::wire::{Ext, WireError, decode_message, encode_message};

impl Membership {
    /// All that has to outlive the process, but the key of a passphrase group.
    ///
    /// # Errors
    /// The codec's.
    pub(crate) fn save(&self) -> Result<Vec<u8>, CredentialError> {
        let Papers { chain, revocations } = self.papers();
        let issuers = self
            .issuers
            .iter()
            .map(|(peer, addresses)| (peer.to_bytes(), addresses.iter().map(Multiaddr::to_vec).collect()));
        let saved = Saved {
            genesis: self.genesis.to_bytes()?,
            chain,
            revocations,
            issuers: issuers.collect(),
            spent: self.spent.iter().map(|(id, (by, until))| (*id, by.to_bytes(), *until)).collect(),
            ext: Ext::new(),
        };
        Ok(encode_message(VERSION, &saved, MEMBERSHIP_BYTES_MAX)?)
    }

    /// The membership that was saved. The founder of a group by invitation gets a new credential by its own key; a
    /// member needs the one saved to be still good.
    ///
    /// # Errors
    /// [`CredentialError`]; [`CredentialError::WrongPassphrase`] for a passphrase group, which is joined anew.
    pub(crate) fn restore(bytes: &[u8], identity: Keypair, now: u64) -> Result<Self, CredentialError> {
        let saved: Saved = decode_message(VERSION, bytes, MEMBERSHIP_BYTES_MAX)?;
        let genesis = Arc::new(Genesis::from_bytes(&saved.genesis)?);
        if genesis.policy() != Some(Policy::Invite) {
            return Err(CredentialError::WrongPassphrase);
        }
        let mut issuers = Vec::new();
        for (issuer, addresses) in saved.issuers {
            let addresses: Result<_, _> = addresses.into_iter().map(Multiaddr::try_from).collect();
            issuers.push((peer(&issuer)?, addresses.map_err(|_| WireError::Malformed)?));
        }
        let mut spent = HashMap::new();
        for (id, by, until) in saved.spent.into_iter().take(TICKETS_SPENT_MAX) {
            spent.insert(id, (peer(&by)?, until));
        }
        let mut membership = match Self::with_key(genesis.clone(), identity.clone(), identity.clone(), now) {
            Ok(mut founder) => {
                founder.learn(saved.revocations)?;
                founder
            }
            Err(CredentialError::WrongPassphrase) => {
                let papers = Papers { chain: saved.chain, revocations: saved.revocations };
                Self::invited(genesis, papers, issuers, identity, now)?
            }
            Err(error) => return Err(error),
        };
        membership.spent = spent;
        Ok(membership)
    }
}

fn peer(bytes: &[u8]) -> Result<PeerId, WireError> {
    PeerId::from_bytes(bytes).map_err(|_| WireError::Malformed)
}

/// What is saved, behind a version byte.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    genesis: Vec<u8>,
    chain: Vec<Bytes>,
    revocations: Bytes,
    issuers: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    spent: Vec<([u8; 16], Vec<u8>, u64)>,
    ext: Ext,
}

const VERSION: u8 = 1;
