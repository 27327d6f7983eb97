//! Who is in the group: inviting, revoking, leaving, coming back after a restart.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libp2p::PeerId;

use super::PeerGroup;
use crate::credential::{Role, Ticket};
use crate::error::CredentialError;
use crate::id::Policy;

impl PeerGroup {
    /// A ticket that lets one peer into this group as `role`, within `ttl` (at most seven days; clocks may differ, so five
    /// minutes more are forgiven). Its text is what one
    /// hands over; any issuer that it names and that is online answers it. An issuer gives each ticket to one peer only;
    /// issuers don't tell each other, so a ticket that leaks may be used once at each of the at most
    /// [`TICKET_ISSUERS_MAX`](crate::limits::TICKET_ISSUERS_MAX) that it names.
    ///
    /// # Errors
    /// [`CredentialError::NotAnIssuer`] for who may not let anybody in, or not as that.
    pub fn invite(&self, role: Role, ttl: Duration) -> Result<Ticket, CredentialError> {
        if self.genesis.policy() != Some(Policy::Invite) {
            return Err(CredentialError::NotAnIssuer);
        }
        self.handle.invite(&self.id, role, ttl)
    }

    /// Who has used a ticket of [`invite`](Self::invite); `None` as long as nobody has, and for one that another issuer
    /// has answered.
    #[must_use]
    pub fn used_by(&self, ticket: &Ticket) -> Option<PeerId> {
        self.handle.spent_by(&self.id, ticket)
    }

    /// Ends the membership of `peer`, and of those that it let in. Its pipes with this peer end at once, with other
    /// members as soon as they are told: at once over the connections that have proven the group and through each rendezvous
    /// that serves both in it, else by the first handshake with a member that knows. Rendezvous that are told forget what
    /// `peer` has published in the group. A member that meets none, or a rendezvous that keeps silent, lets `peer` in until
    /// its credential ends, at most 24 h later.
    ///
    /// # Errors
    /// [`CredentialError::NotAnIssuer`] for others than the creator, for itself, and in groups by passphrase.
    pub fn revoke(&self, peer: PeerId) -> Result<(), CredentialError> {
        self.handle.shared.revoke(&self.id, peer)
    }

    /// This membership as bytes, for [`Peer::restore_group`](crate::Peer::restore_group) after a restart: save it after
    /// each invitation, revocation and renewal. It holds no secret: without this peer's key it is of no use.
    ///
    /// # Errors
    /// [`CredentialError::NotClosed`] for an open group and for who is no member.
    pub fn save(&self) -> Result<Vec<u8>, CredentialError> {
        self.handle.save(&self.id)
    }

    /// Leaves the group (JXTA): all views of it at this peer. Opens of others are refused from now on; in a closed
    /// group, open pipes end, and the rendezvous forget at once what was published there. What was published is not renewed
    /// any more, until this peer joins again. The net group can't be left.
    pub fn resign(self) {
        self.handle.shared.leave(&self.id);
    }

    /// Whether this peer is a member now; always in an open group.
    pub fn is_member(&self) -> bool {
        !self.is_closed() || self.handle.shared.is_member(&self.id)
    }

    /// What this peer is in the group; `None` in an open group and for who is no member now.
    pub fn role(&self) -> Option<Role> {
        self.handle.shared.own_role(&self.id)
    }

    /// When this peer's credential ends unless it is renewed, which happens by itself as long as an issuer is reached now and
    /// then; `None` in an open group and for who is no member now.
    pub fn member_until(&self) -> Option<SystemTime> {
        let until_s = self.handle.shared.own_until(&self.id)?;
        UNIX_EPOCH.checked_add(Duration::from_secs(until_s))
    }

    /// The role that `peer` has proven to this peer, as long as it counts: `None` once its credential has ended or this
    /// peer knows it to be revoked, and in an open group. Who asks a question or opens a pipe in the group has proven it
    /// before.
    pub fn role_of(&self, peer: &PeerId) -> Option<Role> {
        self.handle.shared.role_of(peer, &self.id)
    }

    /// Whether `peer` came in by a ticket that this peer answered, as long as that is remembered: until the ticket is over.
    pub fn has_let_in(&self, peer: &PeerId) -> bool {
        self.handle.shared.has_let_in(peer, &self.id)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.genesis.policy() != Some(Policy::Open)
    }
}
