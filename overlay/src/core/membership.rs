//! This peer's place in a closed group: what it shows, whom it lets in, what it issues, who is revoked. Pure: times
//! are seconds since 1970, by whoever calls.

mod saved;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};

use crate::credential::{
    Claim, Credential, RevocationList, Role, Ticket, TicketClaim, TicketProof, VerifiedChain, verify_chain,
};
use crate::error::CredentialError;
use crate::id::{Genesis, Policy};
use crate::limits::{CREDENTIAL_LIFE, CREDENTIAL_LIFE_MAX, RENEWAL_RETRY, TICKETS_SPENT_MAX};
use crate::protocol::membership::Papers;

/// A place in a closed group.
#[derive(Debug)]
pub(crate) struct Membership {
    genesis: Arc<Genesis>,
    identity: Keypair,
    /// The key of the group, for its founder or who knows the passphrase.
    authority: Option<Keypair>,
    chain: Vec<Bytes>,
    place: VerifiedChain,
    renew_at: u64,
    revoked: RevocationList,
    /// Who came by which ticket, until the ticket is over.
    spent: HashMap<[u8; 16], (PeerId, u64)>,
    issuers: Vec<(PeerId, Vec<Multiaddr>)>,
}

impl Membership {
    /// The place of who holds the group's key, and so issues its own credential.
    ///
    /// # Errors
    /// [`CredentialError::WrongPassphrase`] for another key.
    pub(crate) fn with_key(
        genesis: Arc<Genesis>,
        authority: Keypair,
        identity: Keypair,
        now: u64,
    ) -> Result<Self, CredentialError> {
        let key = authority.public().try_into_ed25519().map_err(|_| CredentialError::BadSignature)?;
        if genesis.authority() != Some(&key.to_bytes()) {
            return Err(CredentialError::WrongPassphrase);
        }
        let place = VerifiedChain { role: Role::Member, until: 0, peers: Vec::new() };
        let mut membership = Self {
            genesis,
            identity,
            authority: Some(authority),
            chain: Vec::new(),
            place,
            renew_at: 0,
            revoked: RevocationList::default(),
            spent: HashMap::new(),
            issuers: Vec::new(),
        };
        membership.renew_own(now)?;
        Ok(membership)
    }

    /// The place that an issuer gave.
    ///
    /// # Errors
    /// [`CredentialError`] when the papers don't make this peer a member.
    pub(crate) fn invited(
        genesis: Arc<Genesis>,
        papers: Papers,
        issuers: Vec<(PeerId, Vec<Multiaddr>)>,
        identity: Keypair,
        now: u64,
    ) -> Result<Self, CredentialError> {
        let revoked = RevocationList::from_bytes(papers.revocations, &genesis)?;
        let me = identity.public().to_peer_id();
        let place = verify_chain(&papers.chain, &genesis, &me, now, &revoked)?;
        let mut membership = Self {
            genesis,
            identity,
            authority: None,
            chain: Vec::new(),
            place: place.clone(),
            renew_at: 0,
            revoked,
            spent: HashMap::new(),
            issuers,
        };
        membership.take(papers.chain, place, now);
        Ok(membership)
    }

    /// What the group is made of.
    pub(crate) fn genesis(&self) -> &Arc<Genesis> {
        &self.genesis
    }

    /// What this peer shows to others.
    pub(crate) fn papers(&self) -> Papers {
        Papers { chain: self.chain.clone(), revocations: self.revoked.to_bytes() }
    }

    /// Until when its own credentials count.
    pub(crate) fn until(&self) -> u64 {
        self.place.until
    }

    /// The number of the newest revocation list.
    pub(crate) fn list_number(&self) -> u64 {
        self.revoked.number()
    }

    /// Whom to ask for a new credential.
    pub(crate) fn issuers(&self) -> &[(PeerId, Vec<Multiaddr>)] {
        &self.issuers
    }

    /// What this peer is in the group.
    pub(crate) fn role(&self) -> Role {
        self.place.role
    }

    /// Judges what `peer` shows.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub(crate) fn admit(
        &self,
        chain: &[Bytes],
        peer: &PeerId,
        now: u64,
    ) -> Result<VerifiedChain, CredentialError> {
        verify_chain(chain, &self.genesis, peer, now, &self.revoked)
    }

    /// Whether what was admitted once still counts.
    pub(crate) fn still_counts(&self, place: &VerifiedChain, now: u64) -> bool {
        now < place.until && !place.peers.iter().any(|peer| self.revoked.contains(peer))
    }

    /// Whether `peer` is known to be revoked.
    pub(crate) fn has_revoked(&self, peer: &PeerId) -> bool {
        self.revoked.contains(peer)
    }

    /// Whether this peer itself still is a member.
    pub(crate) fn holds(&self, now: u64) -> bool {
        self.still_counts(&self.place, now)
    }

    /// Takes in a signed list if it is newer than the one known; whether it was.
    ///
    /// # Errors
    /// [`CredentialError`]; then nothing has changed.
    pub(crate) fn learn(&mut self, revocations: Bytes) -> Result<bool, CredentialError> {
        if revocations.is_empty() || revocations == self.revoked.to_bytes() {
            return Ok(false);
        }
        let list = RevocationList::from_bytes(revocations, &self.genesis)?;
        let newer = list.number() > self.revoked.number();
        if newer {
            self.revoked = list;
        }
        Ok(newer)
    }

    /// Revokes `peer`: the next list says so.
    ///
    /// # Errors
    /// [`CredentialError::NotAnIssuer`] for who is not the authority of an invite group, or means itself.
    pub(crate) fn revoke(&mut self, peer: PeerId, now: u64) -> Result<(), CredentialError> {
        match &self.authority {
            Some(authority)
                if self.genesis.policy() == Some(Policy::Invite)
                    && peer != self.identity.public().to_peer_id() =>
            {
                self.revoked = self.revoked.with(peer, &self.genesis, authority, now)?;
                Ok(())
            }
            _ => Err(CredentialError::NotAnIssuer),
        }
    }

    /// A ticket that lets one peer in as `role` for `life` from `now` on, answered by this peer, which listens at
    /// `addresses`, and by `others`.
    ///
    /// # Errors
    /// [`CredentialError::NotAnIssuer`]; [`CredentialError::TooLongLived`].
    pub(crate) fn invite(
        &self,
        role: Role,
        life: Duration,
        now: u64,
        issuers: Vec<(PeerId, Vec<Multiaddr>)>,
    ) -> Result<Ticket, CredentialError> {
        let (seconds, max) = (life.as_secs(), CREDENTIAL_LIFE_MAX.as_secs());
        if seconds > max {
            return Err(CredentialError::TooLongLived { seconds, max });
        }
        let (keypair, chain) = self.signing(role)?;
        let group = self.genesis.id();
        let not_after = now.saturating_add(seconds);
        let claim = TicketClaim { group, id: random()?, role, not_before: now, not_after };
        let proof = TicketProof::issue(claim, keypair, chain.to_vec())?;
        Ok(Ticket { genesis: (*self.genesis).clone(), proof, issuers })
    }

    /// Papers for the bearer of a ticket. The same peer gets them again until the ticket is over, another one never.
    ///
    /// # Errors
    /// [`CredentialError`]; one that was spent reads as revoked.
    pub(crate) fn redeem(
        &mut self,
        ticket: &TicketProof,
        from: PeerId,
        now: u64,
    ) -> Result<Papers, CredentialError> {
        let claim = ticket.verify(&self.genesis, now, &self.revoked)?;
        self.spent.retain(|_, (_, until)| *until > now);
        let spent_by_another = self.spent.get(&claim.id).is_some_and(|(by, _)| *by != from);
        if spent_by_another || self.revoked.contains(&from) {
            return Err(CredentialError::Revoked);
        }
        if self.spent.len() >= TICKETS_SPENT_MAX {
            return Err(CredentialError::ListFull { max: TICKETS_SPENT_MAX });
        }
        let papers = self.issue(from, claim.role, now)?;
        // Remembered for as long as any clock may still hold it valid.
        let until = claim.not_after.saturating_add(2 * crate::limits::CLOCK_SKEW_MAX.as_secs());
        self.spent.insert(claim.id, (from, until));
        Ok(papers)
    }

    /// Who has used a ticket of this peer's making, if somebody has.
    pub(crate) fn spent_by(&self, ticket: &TicketProof) -> Option<PeerId> {
        self.spent.get(&ticket.id()?).map(|(by, _)| *by)
    }

    /// Whether `peer` came by a ticket that this peer answered and that is not forgotten yet.
    pub(crate) fn has_let_in(&self, peer: &PeerId) -> bool {
        self.spent.values().any(|(by, _)| by == peer)
    }

    /// Papers of this peer's making.
    ///
    /// # Errors
    /// [`CredentialError::NotAnIssuer`].
    pub(crate) fn issue(&self, subject: PeerId, role: Role, now: u64) -> Result<Papers, CredentialError> {
        let (keypair, before) = self.signing(role)?;
        let claim = Claim {
            group: self.genesis.id(),
            subject,
            role,
            serial: u64::from_le_bytes(random()?),
            not_before: now,
            not_after: now.saturating_add(CREDENTIAL_LIFE.as_secs()),
        };
        let own = Credential::issue(claim, keypair)?.to_bytes();
        let chain = before.iter().cloned().chain([own]).collect();
        Ok(Papers { chain, revocations: self.revoked.to_bytes() })
    }

    /// Whether it is time to renew this peer's own credential; then not again for [`RENEWAL_RETRY`].
    pub(crate) fn takes_renewal(&mut self, now: u64) -> bool {
        let due = now >= self.renew_at;
        if due {
            self.renew_at = now.saturating_add(RENEWAL_RETRY.as_secs());
        }
        due
    }

    /// Issues a new credential to this peer itself; false for who holds no key.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub(crate) fn renew_own(&mut self, now: u64) -> Result<bool, CredentialError> {
        if self.authority.is_none() {
            return Ok(false);
        }
        let me = self.identity.public().to_peer_id();
        let role = match self.genesis.policy() {
            Some(Policy::Invite) => Role::Issuer,
            _ => Role::Member,
        };
        let papers = self.issue(me, role, now)?;
        let place = self.admit(&papers.chain, &me, now)?;
        self.take(papers.chain, place, now);
        Ok(true)
    }

    /// Takes in the papers that an issuer has renewed.
    ///
    /// # Errors
    /// [`CredentialError`]; then the old ones stay.
    pub(crate) fn renewed(&mut self, papers: Papers, now: u64) -> Result<(), CredentialError> {
        self.learn(papers.revocations)?;
        let place = self.admit(&papers.chain, &self.identity.public().to_peer_id(), now)?;
        self.take(papers.chain, place, now);
        Ok(())
    }

    fn take(&mut self, chain: Vec<Bytes>, place: VerifiedChain, now: u64) {
        self.renew_at = now.saturating_add(place.until.saturating_sub(now) / 2);
        (self.chain, self.place) = (chain, place);
    }

    /// The key and the credentials with which this peer makes a member or an issuer.
    fn signing(&self, role: Role) -> Result<(&Keypair, &[Bytes]), CredentialError> {
        match &self.authority {
            Some(authority) => Ok((authority, &[])),
            None if self.place.role == Role::Issuer && role != Role::Issuer => {
                Ok((&self.identity, &self.chain))
            }
            None => Err(CredentialError::NotAnIssuer),
        }
    }
}

fn random<const N: usize>() -> Result<[u8; N], CredentialError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| CredentialError::System(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
