//! What is published in the group, withdrawn, and found (JXTA discovery protocol).

use std::collections::HashSet;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::{self, BoxStream, FuturesUnordered};
use futures::{Stream, StreamExt};
use libp2p::PeerId;
use tokio::sync::{mpsc, oneshot};

use super::PeerGroup;
use crate::advertisement::{Advertisement, AdvertisementKind, DiscoveryQuery, Lifetime, SignedAdvertisement};
use crate::error::{PublishError, QueryError, RefuseReason, WithdrawError};
use crate::id::AdvertisementId;
use crate::limits::OPEN_TIMEOUT;
use crate::net::{Command, Way, push};

/// How a publication began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// What names the advertisement.
    pub id: AdvertisementId,
    /// Rendezvous that hold it now. With 0 no lease held: it is pushed as soon as one does.
    pub acknowledged_by: usize,
}

/// Answers to a query as they come, each once.
pub struct Discovery {
    found: BoxStream<'static, SignedAdvertisement>,
}

impl PeerGroup {
    /// Publishes in this group for as long as `lifetime` says; renewed in time, and pushed to each rendezvous that
    /// grants a lease later. The same kind and key replaces. Returns when each leased rendezvous has answered.
    ///
    /// In a closed group, the rendezvous is shown this peer's credentials and then serves its members alone: it sees who
    /// is one and what is published, never what is said.
    ///
    /// # Errors
    /// [`PublishError`]; [`PublishError::NotMember`] for a view of a closed group without membership. After
    /// [`PublishError::Rendezvous`] it is still published here, and pushed again with the next renewal of the lease,
    /// within 40 s.
    pub async fn publish(
        &self,
        advertisement: Advertisement,
        lifetime: Lifetime,
    ) -> Result<Published, PublishError> {
        if !self.is_member() {
            return Err(PublishError::NotMember);
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
    /// lease later are told too. Who found it before may remember it for up to half a minute, who has subscribed not.
    /// Publishing the same kind and key again takes the tombstone's place. Returns how many rendezvous have
    /// acknowledged; cancelled while it waits for them, it is withdrawn all the same.
    ///
    /// # Errors
    /// [`WithdrawError`]. After [`WithdrawError::Rendezvous`] it is withdrawn here, and told again with the next renewal of the lease.
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

    /// Finds what answers `query` in this group: what is known here at once, then what the rendezvous answer, each
    /// answer as it comes and page by page, verified, each once. Ends at the threshold, when all have answered, or at the deadline.
    /// A query beyond a bound ([`limits`](crate::limits)) is answered from here alone, and counted as `lookups_failed`.
    ///
    /// In a closed group it finds what this peer publishes itself, what the rendezvous answer, who ask for its credentials
    /// first, and what up to 32 connected members publish themselves; nothing for who is no member. That a publisher found
    /// through a rendezvous is a member is the rendezvous's word: a finder checks group and signature. The members
    /// themselves check each other when they connect.
    pub fn discover(&self, query: DiscoveryQuery) -> Discovery {
        if !self.is_member() {
            return Discovery { found: stream::empty().boxed() };
        }
        let (group, query) = (self.clone(), query.group(self.id));
        let deadline = query.deadline;
        let threshold = query.threshold;
        let local = {
            let (group, query) = (group.clone(), query.clone());
            stream::once(async move { group.find_here(query).await }).flat_map(stream::iter)
        };
        let remote = stream::once(async move { group.handle.find_remotely(group.way(), &query) });
        let remote = remote.flatten().flat_map(stream::iter);
        let mut seen = HashSet::new();
        let fresh = local.chain(remote).filter(move |signed| {
            let fresh = seen.insert(signed.id());
            async move { fresh }
        });
        let until = Box::pin(tokio::time::sleep(deadline));
        Discovery { found: fresh.take(threshold).take_until(until).boxed() }
    }

    /// In a closed group, what others publish is not believed from memory: they may have been revoked since.
    async fn find_here(&self, query: DiscoveryQuery) -> Vec<SignedAdvertisement> {
        match query.publisher {
            Some(publisher) if self.is_closed() && publisher != self.peer_id() => Vec::new(),
            _ if self.is_closed() => self.handle.find_locally(query.publisher(self.peer_id())).await,
            _ => self.handle.find_locally(query).await,
        }
    }

    /// How advertisements of this group travel.
    pub(super) fn way(&self) -> Way {
        if self.is_closed() { Way::Closed(self.id) } else { Way::Open }
    }

    /// How many leased rendezvous took `signed`; an error when there are some and none did.
    async fn push_to_leased(&self, signed: &SignedAdvertisement) -> Result<usize, QueryError> {
        let envelope = [signed.to_bytes()];
        if self.is_closed() {
            self.handle.publish_at_own(self.id, signed.to_bytes()).await;
        }
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

    async fn push_to(&self, rendezvous: PeerId, envelopes: &[Bytes]) -> Result<(), QueryError> {
        let mut unless_taken = PushAgain { commands: &self.handle.commands, rendezvous, is_taken: false };
        let session = self.handle.shared.sessions.of(&rendezvous).ok_or(QueryError::Closed)?;
        let pushing = push(&self.handle.shared, &session, self.way(), envelopes);
        let pushed = tokio::time::timeout(OPEN_TIMEOUT, pushing).await;
        match pushed.unwrap_or(Err(QueryError::TimedOut { after: OPEN_TIMEOUT }))? {
            answer if answer.refused > 0 => Err(QueryError::Refused(RefuseReason::Policy)),
            _ => {
                unless_taken.is_taken = true;
                Ok(())
            }
        }
    }
}

/// Has a rendezvous get everything again that did not take what was pushed, also when nobody waits for it any more.
struct PushAgain<'a> {
    commands: &'a mpsc::Sender<Command>,
    rendezvous: PeerId,
    is_taken: bool,
}

impl Drop for PushAgain<'_> {
    fn drop(&mut self) {
        if !self.is_taken {
            // With a full queue it is the publication's own renewal that tells the rendezvous.
            let _ = self.commands.try_send(Command::NotPushed { rendezvous: self.rendezvous });
        }
    }
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
