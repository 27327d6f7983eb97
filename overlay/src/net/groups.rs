//! The groups that this peer is in, and what counts in a closed one: which connections have proven their place, and
//! which pipes end when that place does. Default deny: what is not in this table is refused.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use libp2p::PeerId;
use tokio::sync::Notify;

use super::closed::Entries;
use super::lease::Way;
use super::session::SessionHandle;
use super::shared::{Shared, Table};
use super::substream::{Fuse, Guard};
use crate::core::{Membership, PeerEvent};
use crate::credential::{Role, VerifiedChain};
use crate::error::CredentialError;
use crate::id::{Genesis, GroupId};
use crate::limits::GROUPS_MAX;
use crate::protocol::membership::Papers;

/// The groups of one peer.
#[derive(Debug)]
pub(crate) struct Groups {
    table: Table<HashMap<GroupId, Group>>,
    /// Something is to be told, to others or to a pipe.
    pub(super) changed: Notify,
    /// What this peer has proven to the rendezvous that it is itself, if it is one.
    pub(super) own_entries: Entries,
}

#[derive(Debug)]
enum Group {
    Open,
    Closed(Box<Closed>),
}

#[derive(Debug)]
struct Closed {
    membership: Membership,
    /// What ends the open pipes of each peer.
    pipes: HashMap<PeerId, Vec<Fuse>>,
}

/// What one connection has proven in one group, and what it was shown.
#[derive(Debug, Clone)]
pub(crate) struct Proof {
    /// The other side's place.
    place: VerifiedChain,
    /// What it was shown.
    shown: Shown,
    /// It is being shown newer ones.
    pub(super) being_told: bool,
}

/// What others were shown of this peer's papers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    /// Until when the credentials count.
    until: u64,
    /// The number of the list.
    list: u64,
}

impl Shown {
    fn of(membership: &Membership) -> Self {
        Self { until: membership.until(), list: membership.list_number() }
    }

    /// Who says this list itself knows it, too.
    pub(super) fn or_known(self, membership: &Membership, said: &Bytes) -> Self {
        let knows = membership.papers().revocations == *said;
        Self { list: if knows { membership.list_number() } else { self.list }, ..self }
    }

    /// Whether there is something newer.
    pub(super) fn is_older(self, newest: Self) -> bool {
        self.until != newest.until || self.list < newest.list
    }
}

impl Default for Groups {
    fn default() -> Self {
        let table = Table::new(HashMap::from([(GroupId::net(), Group::Open)]));
        Self { table, changed: Notify::new(), own_entries: Entries::default() }
    }
}

impl Groups {
    /// Looks at a membership.
    pub(super) fn look<T>(&self, group: &GroupId, look: impl FnOnce(&Membership) -> T) -> Option<T> {
        match self.table.read().get(group) {
            Some(Group::Closed(closed)) => Some(look(&closed.membership)),
            _ => None,
        }
    }

    /// Changes a membership.
    pub(super) fn change<T>(&self, group: &GroupId, change: impl FnOnce(&mut Membership) -> T) -> Option<T> {
        match self.table.write().get_mut(group) {
            Some(Group::Closed(closed)) => Some(change(&mut closed.membership)),
            _ => None,
        }
    }

    /// How what is published in `group` travels; not at all when this peer is not in it.
    pub(crate) fn way(&self, group: &GroupId) -> Option<Way> {
        match self.table.read().get(group)? {
            Group::Open => Some(Way::Open),
            Group::Closed(_) => Some(Way::Closed(*group)),
        }
    }

    /// Whether what `publisher` says in a closed group counts, as far as this peer knows.
    pub(super) fn hears(&self, group: &GroupId, publisher: &PeerId) -> bool {
        self.look(group, |known| !known.has_revoked(publisher)).unwrap_or(false)
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<GroupId> {
        self.table.read().keys().copied().collect()
    }

    /// The closed groups.
    pub(super) fn closed(&self) -> Vec<GroupId> {
        let table = self.table.read();
        table.iter().filter(|(_, group)| matches!(group, Group::Closed(_))).map(|(id, _)| *id).collect()
    }
}

impl Shared {
    /// From now on this peer is in the open group; beyond [`GROUPS_MAX`] it is not.
    pub(crate) fn join_open(&self, group: GroupId) {
        let mut table = self.groups.table.write();
        if table.len() < GROUPS_MAX {
            table.entry(group).or_insert(Group::Open);
            self.traffics.make_room(|group| !table.contains_key(group));
        }
    }

    /// From now on this peer has this place in a closed group; false beyond [`GROUPS_MAX`].
    pub(crate) fn join_closed(&self, membership: Membership) -> bool {
        let id = membership.genesis().id();
        let mut table = self.groups.table.write();
        let full = table.len() >= GROUPS_MAX;
        match table.get_mut(&id) {
            // A new place in the same group: its pipes go on, what was revoked stays so.
            Some(Group::Closed(closed)) => {
                let known = closed.membership.papers().revocations;
                closed.membership = membership;
                closed.membership.learn(known).is_ok()
            }
            _ if full => false,
            _ => {
                let closed = Closed { membership, pipes: HashMap::new() };
                table.insert(id, Group::Closed(Box::new(closed)));
                self.traffics.make_room(|group| !table.contains_key(group));
                true
            }
        }
    }

    /// From now on this peer is not in `group`: its pipes end, what was proven there is forgotten. The net group
    /// can't be left.
    pub(crate) fn leave(&self, group: &GroupId) {
        if *group == GroupId::net() {
            return;
        }
        // Dropping the fuses ends the pipes.
        let left = self.groups.table.write().remove(group);
        if let Some(Group::Closed(closed)) = left {
            self.subscriptions.end_in(group);
            self.meters
                .pipes_cut
                .add(closed.pipes.values().flatten().filter(|fuse| fuse.is_live()).count() as u64);
            self.sessions.all().iter().for_each(|(_, session)| session.forget_proof(group));
            // The rendezvous are told.
            self.groups.changed.notify_one();
        }
    }

    /// Whether this peer is in a closed group, as a member whose credentials count.
    pub(crate) fn is_member(&self, group: &GroupId) -> bool {
        self.groups.look(group, |membership| membership.holds(now_s())).unwrap_or(false)
    }

    /// Whether `peer` may ask in `group`.
    pub(crate) fn lets_in(&self, peer: &PeerId, group: &GroupId) -> bool {
        match self.groups.table.read().get(group) {
            None => false,
            Some(Group::Open) => true,
            Some(Group::Closed(closed)) => self.has_proven(peer, group, &closed.membership),
        }
    }

    /// Lets a pipe with `peer` be open in `group`; in a closed one it ends when the peer's place does.
    ///
    /// # Errors
    /// Nothing that may be told.
    pub(crate) fn admit_pipe(&self, peer: &PeerId, group: &GroupId) -> Result<Option<Guard>, ()> {
        match self.groups.table.read().get(group) {
            None => return Err(()),
            Some(Group::Open) => return Ok(None),
            Some(Group::Closed(_)) => {}
        }
        // Asked again, since the lock was let go: the fuse is set while nothing can be revoked.
        match self.groups.table.write().get_mut(group) {
            Some(Group::Closed(closed)) if self.has_proven(peer, group, &closed.membership) => {
                let (guard, fuse) = Guard::new();
                let fuses = closed.pipes.entry(*peer).or_default();
                if fuses.len() == fuses.capacity() {
                    fuses.retain(Fuse::is_live);
                }
                fuses.push(fuse);
                Ok(Some(guard))
            }
            _ => Err(()),
        }
    }

    /// A proof counts when any live connection of the peer has given it, and nothing has ended it since.
    fn has_proven(&self, peer: &PeerId, group: &GroupId, membership: &Membership) -> bool {
        let now = now_s();
        membership.holds(now)
            && self.sessions.of_peer(peer).iter().any(|session| {
                session.proof(group, |proof| membership.still_counts(&proof.place, now)).unwrap_or(false)
            })
    }

    /// What this peer shows in `group`, if it is in it.
    pub(super) fn papers(&self, group: &GroupId) -> Option<Papers> {
        let own = |membership: &Membership| membership.holds(now_s()).then(|| membership.papers());
        self.groups.look(group, own).flatten()
    }

    /// As [`papers`](Self::papers), with what they are.
    pub(super) fn to_show(&self, group: &GroupId) -> Option<(Papers, Shown)> {
        let own = |known: &Membership| known.holds(now_s()).then(|| (known.papers(), Shown::of(known)));
        self.groups.look(group, own).flatten()
    }

    /// Others have been shown this. What has become newer since, while they took it, is shown next.
    pub(super) fn has_shown(&self, group: &GroupId, shown: Shown) {
        if self.groups.look(group, Shown::of).is_some_and(|newest| shown.is_older(newest)) {
            self.groups.changed.notify_one();
        }
    }

    /// Judges what the other side of a session shows in `group`, and keeps it there when it counts. It has been `shown`
    /// this; without it, it is shown the newest next.
    ///
    /// # Errors
    /// [`CredentialError`], for this side's eyes.
    pub(super) fn take_proof(
        &self,
        (peer, session): (&PeerId, &SessionHandle),
        group: &GroupId,
        papers: Papers,
        shown: Option<Shown>,
    ) -> Result<(), CredentialError> {
        let learned = self.learn_revocations(group, papers.revocations.clone());
        let judge = |membership: &Membership| {
            let place = membership.admit(&papers.chain, peer, now_s())?;
            let shown =
                shown.map_or(Shown::of(membership), |shown| shown.or_known(membership, &papers.revocations));
            Ok(Proof { place, shown, being_told: false })
        };
        let judged =
            learned.and_then(|()| self.groups.look(group, judge).unwrap_or(Err(CredentialError::NotClosed)));
        match judged {
            // An older proof is replaced in one step: pipes that live by it go on.
            Ok(proof) => {
                let shown = proof.shown;
                session.keep_proof(*group, proof);
                self.has_shown(group, shown);
                self.met.send_replace(());
            }
            Err(error) => {
                session.forget_proof(group);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes in a revocation list. When it is newer, pipes end at once and others are told.
    ///
    /// # Errors
    /// [`CredentialError`] for a forged one.
    pub(super) fn learn_revocations(&self, group: &GroupId, list: Bytes) -> Result<(), CredentialError> {
        // Most lists are known; a look is cheaper than a change.
        if list.is_empty()
            || self.groups.look(group, |known| known.papers().revocations == list) == Some(true)
        {
            return Ok(());
        }
        if self.groups.change(group, |membership| membership.learn(list)).unwrap_or(Ok(false))? {
            self.meters.revocations_learned.add(1);
            self.sweep(group);
            self.groups.changed.notify_one();
        }
        Ok(())
    }

    /// Revokes `peer` and ends its pipes here at once; the others are told by the upkeep.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub(crate) fn revoke(&self, group: &GroupId, peer: PeerId) -> Result<(), CredentialError> {
        let revoked = self.groups.change(group, |membership| membership.revoke(peer, now_s()));
        revoked.unwrap_or(Err(CredentialError::NotAnIssuer))?;
        self.sweep(group);
        self.groups.changed.notify_one();
        Ok(())
    }

    /// Ends the pipes of who has no place any more. When that is this peer itself, it leaves the group.
    pub(super) fn sweep(&self, group: &GroupId) {
        if !self.groups.look(group, |membership| membership.holds(now_s())).unwrap_or(true) {
            self.leave(group);
            return self.tell(PeerEvent::MembershipLost { group: *group });
        }
        self.subscriptions.disbelieve_revoked(&self.groups, group);
        let mut table = self.groups.table.write();
        let Some(Group::Closed(closed)) = table.get_mut(group) else { return };
        let membership = &closed.membership;
        closed.pipes.retain(|peer, fuses| {
            fuses.retain(Fuse::is_live);
            let stays = self.has_proven(peer, group, membership);
            if !stays {
                self.meters.pipes_cut.add(fuses.len() as u64);
            }
            stays && !fuses.is_empty()
        });
    }

    /// Sessions that are to be shown newer papers in `group`; each is named once until that is done.
    pub(super) fn to_be_told(&self, group: &GroupId) -> Vec<(PeerId, SessionHandle)> {
        let Some(newest) = self.groups.look(group, Shown::of) else { return Vec::new() };
        let mut sessions = self.sessions.all();
        sessions.retain(|(_, session)| {
            session.change_proof(group, |proof| {
                proof.shown.is_older(newest) && !std::mem::replace(&mut proof.being_told, true)
            })
        });
        sessions
    }

    /// The role that `peer` has proven in `group`.
    pub(crate) fn role_of(&self, peer: &PeerId, group: &GroupId) -> Option<Role> {
        let mut sessions = self.sessions.of_peer(peer).into_iter();
        if !self.lets_in(peer, group) {
            return None;
        }
        sessions.find_map(|session| session.proof(group, |proof| proof.place.role))
    }

    /// Whether `peer` came into `group` by a ticket that this peer answered and remembers.
    pub(crate) fn has_let_in(&self, peer: &PeerId, group: &GroupId) -> bool {
        self.groups.look(group, |membership| membership.has_let_in(peer)).unwrap_or(false)
    }

    /// The role of this peer itself.
    pub(crate) fn own_role(&self, group: &GroupId) -> Option<Role> {
        let held = |membership: &Membership| membership.holds(now_s()).then(|| membership.role());
        self.groups.look(group, held).flatten()
    }

    /// Until when this peer's credential counts, in seconds since 1970.
    pub(crate) fn own_until(&self, group: &GroupId) -> Option<u64> {
        let held = |membership: &Membership| membership.holds(now_s()).then(|| membership.until());
        self.groups.look(group, held).flatten()
    }

    /// A place for this peer with the key of a closed group.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub(crate) fn place_with_key(
        &self,
        genesis: Arc<Genesis>,
        authority: libp2p::identity::Keypair,
    ) -> Result<Membership, CredentialError> {
        Membership::with_key(genesis, authority, self.keypair.clone(), now_s())
    }
}

/// Seconds since 1970 by this machine's clock.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
