//! Questions to a group and their answerers (JXTA resolver protocol, propagated query).
//!
//! In: a question, and who of the group is known or found. Out: what each peer asked made of it, as it comes.
//! Bounds: `QueryOptions`, and `GROUP_QUERY_CONCURRENCY` at the same time.

use std::collections::HashSet;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use libp2p::PeerId;
use tokio::sync::oneshot;

use super::PeerGroup;
use crate::advertisement::{Advertisement, AdvertisementKind, DiscoveryQuery, Lifetime};
use crate::error::{PublishError, QueryError, ServeError};
use crate::id::AdvertisementId;
use crate::limits::{GROUP_QUERY_CONCURRENCY, GROUP_QUERY_PEERS, PEER_ADVERTISEMENT_LIFETIME};
use crate::net::{Command, Deadline, Queries, Query};

/// How far a question to a group goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryOptions {
    deadline: Duration,
    wanted: usize,
    peers: usize,
}

impl QueryOptions {
    /// All answers of at most [`GROUP_QUERY_PEERS`] peers, until `deadline`.
    pub fn new(deadline: Duration) -> Self {
        Self { deadline, wanted: usize::MAX, peers: GROUP_QUERY_PEERS }
    }

    /// Ends after so many answers; refusals and failures don't count.
    pub fn wanted(mut self, answers: usize) -> Self {
        self.wanted = answers;
        self
    }

    /// Asks at most so many peers.
    pub fn peers(mut self, peers: usize) -> Self {
        self.peers = peers;
        self
    }
}

/// What each peer of the group made of a question, as it comes, each peer once. Dropping it cancels what is not
/// answered yet.
#[must_use = "a stream asks nothing until it is polled"]
pub struct GroupAnswers {
    outcomes: BoxStream<'static, (PeerId, Result<Bytes, QueryError>)>,
    /// Answers that are still wanted.
    wanted: usize,
}

/// A handler of one group, and its advertisement there. Dropping it unregisters the name and withdraws the
/// advertisement.
#[derive(Debug)]
pub struct Served {
    group: PeerGroup,
    queries: Queries,
    advertisement: AdvertisementId,
}

impl PeerGroup {
    /// Answers this group's questions for `name`, and publishes that it does, so that who asks the group finds this
    /// peer. Questions of other groups don't come here.
    ///
    /// # Errors
    /// [`ServeError`]. When it isn't published at the rendezvous yet, that is tried again and no error.
    pub async fn serve(&self, name: &str) -> Result<Served, ServeError> {
        let queries = Queries::register(self.handle.shared.clone(), Some(self.id), name)?;
        let service = Advertisement::new(AdvertisementKind::Service).key(handler_key(name));
        let service = service.attribute(HANDLER, name);
        let advertisement = Advertisement { group: self.id, ..service.clone() }.id(&self.peer_id());
        match self.publish(service, Lifetime::while_alive(PEER_ADVERTISEMENT_LIFETIME)).await {
            Ok(_) | Err(PublishError::Rendezvous(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Served { group: self.clone(), queries, advertisement })
    }

    /// Asks the handler `name` of all peers of this group that are known: those with a session, and those whose
    /// advertisement says that they [`serve`](Self::serve) it. In a closed group nobody is asked who has not proven
    /// to be a member. Ends when all have answered, refused or failed, or as the options say; each peer that was
    /// asked and did not answer by the deadline says [`QueryError::TimedOut`].
    ///
    /// A peer with a session that doesn't serve `name` says [`QueryError::NoHandler`], one that is not in the group
    /// [`QueryError::Refused`].
    pub fn query(&self, name: &str, body: impl Into<Bytes>, options: QueryOptions) -> GroupAnswers {
        let (handle, id, me) = (self.handle.clone(), self.id, self.peer_id());
        let deadline = Deadline::after(options.deadline);
        let serving = DiscoveryQuery::new().kind(AdvertisementKind::Service).equals(HANDLER, name);
        // One more than is asked, since this peer may be among them.
        let serving = serving.threshold(options.peers.saturating_add(1)).deadline(options.deadline);
        let found = self.discover(serving).map(|signed| signed.publisher());
        let (mut seen, name, body) = (HashSet::from([me]), name.to_owned(), body.into());
        let candidates = stream::iter(handle.present_in(&id)).chain(found).filter(move |peer| {
            let fresh = seen.insert(*peer);
            async move { fresh }
        });
        let outcomes = candidates.take(options.peers).map(move |peer| {
            let (handle, name, body) = (handle.clone(), name.clone(), body.clone());
            async move { (peer, Box::pin(handle.ask_within(deadline, peer, id, &name, body)).await) }
        });
        let outcomes = outcomes.buffer_unordered(GROUP_QUERY_CONCURRENCY).boxed();
        GroupAnswers { outcomes, wanted: options.wanted }
    }
}

impl GroupAnswers {
    /// The next outcome; `None` after the last. Cancel-safe.
    pub async fn next(&mut self) -> Option<(PeerId, Result<Bytes, QueryError>)> {
        StreamExt::next(self).await
    }
}

impl Stream for GroupAnswers {
    type Item = (PeerId, Result<Bytes, QueryError>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.wanted == 0 {
            // What is still asked is of no use.
            self.outcomes = stream::empty().boxed();
            return Poll::Ready(None);
        }
        let outcome = ready!(self.outcomes.poll_next_unpin(cx));
        if matches!(outcome, Some((_, Ok(_)))) {
            self.wanted -= 1;
        }
        Poll::Ready(outcome)
    }
}

impl std::fmt::Debug for GroupAnswers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupAnswers").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl Served {
    /// The next question that somebody still awaits an answer to. Never ends while the peer lives. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Query> {
        self.queries.recv().await
    }
}

impl Stream for Served {
    type Item = Query;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Query>> {
        self.queries.poll_next_unpin(cx)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Without waiting: when the event loop is too busy for it, who finds the advertisement is told that there is
        // no handler.
        let (reply, _) = oneshot::channel();
        let withdraw = Command::Withdraw { group: self.group.id, id: self.advertisement, reply };
        let _ = self.group.handle.commands.try_send(withdraw);
    }
}

/// The key of a handler's advertisement, apart from those that applications choose.
fn handler_key(name: &str) -> String {
    format!("handler/{name}")
}

/// The attribute that names the handler.
const HANDLER: &str = "handler";
