//! The groups of a peer: created, joined, come back into.

use std::sync::Arc;

use super::Peer;
use crate::credential::Role;
use crate::error::JoinError;
use crate::group::{GroupPolicy, PeerGroup};
use crate::id::{Genesis, GroupId, Policy};
use crate::meters::GroupMeters;

impl Peer {
    /// The group that every peer is in.
    pub fn net_group(&self) -> PeerGroup {
        PeerGroup::new(self.handle.clone(), Arc::new(Genesis::net()))
    }

    /// The groups that this peer is in, in no order; at most [`GROUPS_MAX`](crate::limits::GROUPS_MAX).
    pub fn groups(&self) -> Vec<GroupId> {
        self.handle.shared.groups.all()
    }

    /// What the pipes and queries of `group` have carried here, as [`PeerGroup::meters`] says.
    pub fn group_meters(&self, group: &GroupId) -> GroupMeters {
        self.handle.shared.traffics.meters(group)
    }

    /// This peer's role in a closed group; `None` in an open one, and when its credential has ended.
    pub fn group_role(&self, group: &GroupId) -> Option<Role> {
        self.handle.shared.own_role(group)
    }

    /// Joins an open group. Of a closed one this is a view without membership, which refuses everything, unless this
    /// peer has become a member.
    pub fn join(&self, genesis: &Genesis) -> PeerGroup {
        if genesis.policy() == Some(Policy::Open) {
            self.handle.shared.join_open(genesis.id());
        }
        PeerGroup::new(self.handle.clone(), Arc::new(genesis.clone()))
    }

    /// Creates a group and joins it. Of a closed one, each call makes a new group, whatever its label.
    ///
    /// # Errors
    /// [`JoinError`], for a label that is too long or a system without resources.
    pub async fn create_group(&self, label: &str, policy: GroupPolicy<'_>) -> Result<PeerGroup, JoinError> {
        let genesis = match policy {
            GroupPolicy::Open => return Ok(self.join(&Genesis::open(label))),
            GroupPolicy::Passphrase(passphrase) => {
                self.handle.create_by_passphrase(label, passphrase).await?
            }
            GroupPolicy::Invite => self.handle.create_by_invite(label)?,
        };
        Ok(PeerGroup::new(self.handle.clone(), genesis))
    }

    /// Joins a group by a ticket, the text of which an issuer handed over. The first issuer that it names and that is
    /// online answers. What it gives is renewed in time while an issuer can be reached.
    ///
    /// # Errors
    /// [`JoinError`].
    pub async fn join_ticket(&self, ticket: &str) -> Result<PeerGroup, JoinError> {
        let genesis = self.handle.join_ticket(ticket.parse()?).await?;
        Ok(PeerGroup::new(self.handle.clone(), genesis))
    }

    /// Comes back into a group by invitation with what [`PeerGroup::save`] gave: its creator at any time, a member
    /// while its credential is good, which is 24 h from its last renewal.
    ///
    /// # Errors
    /// [`JoinError::Credential`].
    pub fn restore_group(&self, saved: &[u8]) -> Result<PeerGroup, JoinError> {
        let genesis = self.handle.restore(saved)?;
        Ok(PeerGroup::new(self.handle.clone(), genesis))
    }

    /// Joins a passphrase group. Takes a good part of a second of computing, and nobody else.
    ///
    /// # Errors
    /// [`JoinError::Credential`] with [`CredentialError::WrongPassphrase`](crate::CredentialError::WrongPassphrase).
    pub async fn join_passphrase(&self, genesis: &Genesis, passphrase: &str) -> Result<PeerGroup, JoinError> {
        let genesis = Arc::new(genesis.clone());
        self.handle.join_passphrase(genesis.clone(), passphrase).await?;
        Ok(PeerGroup::new(self.handle.clone(), genesis))
    }
}
