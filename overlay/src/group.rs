//! The peer group: where advertisements are published and found, and pipes are bound and connected.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, FuturesUnordered};
use futures::{Stream, StreamExt};
use libp2p::PeerId;
use tokio::sync::oneshot;

use crate::advertisement::{Advertisement, AdvertisementKind, DiscoveryQuery, Lifetime, SignedAdvertisement};
use crate::credential::{Role, Ticket};
use crate::error::{BindError, ConnectError, CredentialError, PublishError, QueryError, WithdrawError};
use crate::id::{AdvertisementId, Genesis, GroupId, PipeId, Policy};
use crate::limits::OPEN_TIMEOUT;
use crate::net::{Binding, Command, FrameStream, Handle, Substream, connect_error, open_pipe, push, within};
use crate::pipe::{BidiPipe, InputPipe, OutputPipe, PipeListener};
use crate::protocol::pipe::{Header, PipeKind};

/// One peer's view of a group. Clones are the same view.
#[derive(Debug, Clone)]
pub struct PeerGroup {
    handle: Handle,
    genesis: Arc<Genesis>,
    id: GroupId,
}

/// How one is to become a member of a new group.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum GroupPolicy<'a> {
    /// By its label. Everybody who says the same label means the same group.
    Open,
    /// By this passphrase, with the group's [`Genesis`] as text. Nobody need be online for it, nobody can be
    /// revoked, and whoever has the genesis may try passphrases offline, at the cost of one Argon2id (64 MiB) each:
    /// take [`generate_passphrase`](crate::credential::generate_passphrase).
    Passphrase(&'a str),
    /// By a ticket of an issuer. The creator is the group's authority, by its own key.
    Invite,
}

impl std::fmt::Debug for GroupPolicy<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "Open",
            Self::Passphrase(_) => "Passphrase",
            Self::Invite => "Invite",
        })
    }
}

/// How a publication began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// What names the advertisement.
    pub id: AdvertisementId,
    /// Rendezvous that hold it now. With 0 no lease held: it is pushed as soon as one does.
    pub acknowledged_by: usize,
}

impl PeerGroup {
    pub(crate) fn new(handle: Handle, genesis: Arc<Genesis>) -> Self {
        let id = genesis.id();
        Self { handle, genesis, id }
    }

    /// What the group is made of; of a passphrase group it is, as text, what one joins with.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

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

    /// Ends the membership of `peer`, and of those that it let in. Its pipes with this peer end at once, with other
    /// members as soon as they are told: at once over the connections that have proven the group, else by the first
    /// handshake with a member that knows. A member that meets none lets `peer` in until its credential ends, at most
    /// 24 h later.
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
    /// group, open pipes end. The net group can't be left.
    pub fn resign(self) {
        self.handle.shared.leave(&self.id);
    }

    /// Whether this peer is a member now; always in an open group.
    pub fn is_member(&self) -> bool {
        !self.is_closed() || self.handle.shared.is_member(&self.id)
    }

    fn is_closed(&self) -> bool {
        self.genesis.policy() != Some(Policy::Open)
    }

    /// The group's id.
    pub fn id(&self) -> GroupId {
        self.id
    }

    /// The id of the peer whose view this is.
    pub fn peer_id(&self) -> PeerId {
        self.handle.shared.id
    }

    /// Publishes in this group for as long as `lifetime` says; renewed in time, and pushed to each rendezvous that
    /// grants a lease later. The same kind and key replaces. Returns when each leased rendezvous has answered.
    ///
    /// A rendezvous does not serve closed groups: in one, this is refused.
    ///
    /// # Errors
    /// [`PublishError`]. After [`PublishError::Rendezvous`] it is still published here and tried again.
    pub async fn publish(
        &self,
        advertisement: Advertisement,
        lifetime: Lifetime,
    ) -> Result<Published, PublishError> {
        if self.is_closed() {
            return Err(PublishError::ClosedGroup);
        }
        let advertisement = Advertisement { group: self.id, ..advertisement };
        let (reply, signed) = oneshot::channel();
        let command = Command::Publish { advertisement, lifetime, reply };
        self.handle.commands.send(command).await.map_err(|_| PublishError::Closed)?;
        let signed = signed.await.map_err(|_| PublishError::Closed)??;
        match self.push_to_leased(&signed).await {
            Ok(acknowledged_by) => Ok(Published { id: signed.id(), acknowledged_by }),
            Err(error) => Err(PublishError::Rendezvous(error)),
        }
    }

    /// Withdraws what this peer published in this group as `id`: here and at each leased rendezvous a signed tombstone
    /// takes its place until its remote lifetime ends, so that no older edition comes back; rendezvous that grant a
    /// lease later are told too. Who found it before may remember it for up to half a minute. Publishing the same kind
    /// and key again takes the tombstone's place. Returns how many rendezvous have acknowledged; cancelled
    /// while it waits for them, it is withdrawn all the same.
    ///
    /// # Errors
    /// [`WithdrawError`]. After [`WithdrawError::Rendezvous`] it is withdrawn here, and told again.
    pub async fn withdraw(&self, id: AdvertisementId) -> Result<usize, WithdrawError> {
        let (reply, signed) = oneshot::channel();
        let command = Command::Withdraw { group: self.id, id, reply };
        self.handle.commands.send(command).await.map_err(|_| WithdrawError::Closed)?;
        let signed = signed.await.map_err(|_| WithdrawError::Closed)??;
        self.push_to_leased(&signed).await.map_err(WithdrawError::Rendezvous)
    }

    /// [`withdraw`](Self::withdraw)s what this peer published in this group with this kind and key.
    ///
    /// # Errors
    /// As [`withdraw`](Self::withdraw).
    pub async fn withdraw_key(&self, kind: AdvertisementKind, key: &str) -> Result<usize, WithdrawError> {
        let advertisement = Advertisement { group: self.id, ..Advertisement::new(kind).key(key) };
        self.withdraw(advertisement.id(&self.peer_id())).await
    }

    /// How many leased rendezvous took `signed`; an error when there are some and none did.
    async fn push_to_leased(&self, signed: &SignedAdvertisement) -> Result<usize, QueryError> {
        let envelope = [signed.to_bytes()];
        let pushes = self.handle.leased().into_iter().map(|rendezvous| self.push_to(rendezvous, &envelope));
        let results: Vec<_> = pushes.collect::<FuturesUnordered<_>>().collect().await;
        let acknowledged_by = results.iter().filter(|result| result.is_ok()).count();
        match results.into_iter().find_map(Result::err) {
            Some(error) if acknowledged_by == 0 => {
                self.handle.shared.meters.publications_failed.add(1);
                Err(error)
            }
            _ => Ok(acknowledged_by),
        }
    }

    /// Finds what answers `query` in this group: what is known here at once, then what the rendezvous answer,
    /// verified, each once. Ends at the threshold, when all have answered, or at the deadline.
    /// A query beyond a bound ([`limits`](crate::limits)) is answered from here alone, and counted as `lookups_failed`.
    /// In a closed group, which no rendezvous serves, it finds nothing.
    pub fn discover(&self, query: DiscoveryQuery) -> Discovery {
        if self.is_closed() {
            return Discovery { found: stream::empty().boxed() };
        }
        let (group, query) = (self.clone(), query.group(self.id));
        let deadline = query.deadline;
        let threshold = query.threshold;
        let local = {
            let (group, query) = (group.clone(), query.clone());
            stream::once(async move { group.handle.find_locally(query).await }).flat_map(stream::iter)
        };
        let remote =
            stream::once(async move { group.handle.find_remotely(&query).await }).flat_map(stream::iter);
        let mut seen = HashSet::new();
        let fresh = local.chain(remote).filter(move |signed| {
            let fresh = seen.insert(signed.id());
            async move { fresh }
        });
        let until = Box::pin(tokio::time::sleep(deadline));
        Discovery { found: fresh.take(threshold).take_until(until).boxed() }
    }

    /// Binds a unicast pipe at this peer: many senders, one receiver.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind_unicast(&self, pipe: PipeId) -> Result<InputPipe, BindError> {
        Binding::new(self.handle.shared.clone(), self.id, pipe, PipeKind::Unicast).map(InputPipe::new)
    }

    /// Connects to the unicast pipe that `to` binds. Cancel-safe.
    ///
    /// # Errors
    /// [`ConnectError`]; the deadline is [`OPEN_TIMEOUT`].
    pub async fn connect_unicast(&self, to: PeerId, pipe: PipeId) -> Result<OutputPipe, ConnectError> {
        let frames = self.open(to, pipe, PipeKind::Unicast, None, OPEN_TIMEOUT).await?;
        Ok(OutputPipe::new(to, frames))
    }

    /// Binds a bidirectional pipe at this peer; each that connects makes a [`BidiPipe`].
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(&self, pipe: PipeId) -> Result<PipeListener, BindError> {
        Binding::new(self.handle.shared.clone(), self.id, pipe, PipeKind::Bidirectional)
            .map(PipeListener::new)
    }

    /// Connects to the bidirectional pipe that `to` binds, reaching the peer if needed. Cancel-safe.
    ///
    /// # Errors
    /// [`ConnectError`]; the deadline is [`OPEN_TIMEOUT`].
    pub async fn connect(&self, to: PeerId, pipe: PipeId) -> Result<BidiPipe, ConnectError> {
        let frames = self.open(to, pipe, PipeKind::Bidirectional, None, OPEN_TIMEOUT).await?;
        Ok(BidiPipe::new(to, frames))
    }

    /// Like [`connect`](Self::connect) with a first message that rides with the open, and a deadline.
    ///
    /// # Errors
    /// [`ConnectError`]; then the message was not received.
    pub async fn connect_with(
        &self,
        to: PeerId,
        pipe: PipeId,
        first: Option<Bytes>,
        deadline: Duration,
    ) -> Result<BidiPipe, ConnectError> {
        let frames = self.open(to, pipe, PipeKind::Bidirectional, first, deadline).await?;
        Ok(BidiPipe::new(to, frames))
    }

    async fn open(
        &self,
        to: PeerId,
        pipe: PipeId,
        kind: PipeKind,
        first: Option<Bytes>,
        deadline: Duration,
    ) -> Result<FrameStream<Substream>, ConnectError> {
        let opening = async {
            let session = self.handle.reach_session(to).await?;
            let header = Header { group: self.id, pipe, kind };
            let open = |first| open_pipe(&self.handle.commands, to, header.clone(), first, deadline);
            let mut frames = if self.is_closed() {
                let proven_before = self.handle.prove(to, &session, self.id).await.map_err(connect_error)?;
                match open(first.clone()).await {
                    // The other side may have forgotten, having left and come back.
                    Err(ConnectError::NoSuchPipe) if proven_before => {
                        self.handle.prove_again(to, &session, self.id).await.map_err(connect_error)?;
                        open(first).await?
                    }
                    opened => opened?,
                }
            } else {
                open(first).await?
            };
            if self.is_closed() {
                let guard = self.handle.shared.admit_pipe(&to, &self.id);
                frames.io.guard(guard.map_err(|()| ConnectError::Refused)?);
            }
            self.handle.shared.meters.pipes_out.add(1);
            Ok(frames)
        };
        within(deadline, opening).await
    }

    async fn push_to(&self, rendezvous: PeerId, envelopes: &[Bytes]) -> Result<(), QueryError> {
        let session = self.handle.shared.sessions.of(&rendezvous).ok_or(QueryError::Closed)?;
        let pushing = push(&session, envelopes, &self.handle.shared.meters);
        let pushed = tokio::time::timeout(OPEN_TIMEOUT, pushing).await;
        match pushed.unwrap_or(Err(QueryError::TimedOut { after: OPEN_TIMEOUT }))? {
            answer if answer.refused > 0 => Err(QueryError::Refused(crate::error::RefuseReason::Policy)),
            _ => Ok(()),
        }
    }
}

/// Answers to a query as they come, each once.
pub struct Discovery {
    found: BoxStream<'static, SignedAdvertisement>,
}

impl Stream for Discovery {
    type Item = SignedAdvertisement;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SignedAdvertisement>> {
        self.found.poll_next_unpin(cx)
    }
}

impl std::fmt::Debug for Discovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discovery").finish_non_exhaustive()
    }
}
