//! The answering side of the resolver (JXTA): handlers by name, and the questions that wait for them.

mod answers;
mod query;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use libp2p::PeerId;
use tokio::sync::{mpsc, oneshot};

use super::shared::{Shared, Table};
use crate::error::{AlreadyRegistered, QueryError};
use crate::id::GroupId;
use crate::limits::{HANDLER_NAME_BYTES_MAX, HANDLER_QUEUE};
use crate::meters::Meters;
use crate::protocol::session::Outcome;
use crate::protocol::{closed, discovery};

pub use answers::Answers;
pub use query::Query;

pub(super) use query::ReplySlot;

/// The group whose questions a handler takes; `None` takes those of all that have no handler of their own.
type Scope = Option<GroupId>;

/// The handlers registered at this peer.
#[derive(Debug, Default)]
pub(crate) struct Handlers {
    table: Table<HashMap<String, HashMap<Scope, mpsc::Sender<Query>>>>,
    /// Takes questions for what this peer publishes itself, and whether those of neighbours in open groups are among
    /// them while nobody is registered for discovery.
    own_discovery: OnceLock<(mpsc::Sender<Query>, bool)>,
}

impl Handlers {
    /// From now on questions for what this peer publishes itself go to the returned queue: those of members in a closed
    /// group, and if `neighbours` is set those of discovery that no handler is registered for.
    pub(crate) fn answer_own_discovery(&self, neighbours: bool) -> mpsc::Receiver<Query> {
        let (sender, questions) = mpsc::channel(HANDLER_QUEUE);
        // It is called once, when the peer is spawned.
        let _ = self.own_discovery.set((sender, neighbours));
        questions
    }

    /// Whether somebody has registered `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.table.read().contains_key(name)
    }

    /// Whether questions of neighbours in open groups are answered.
    pub(crate) fn answers_neighbours(&self) -> bool {
        self.own_discovery.get().is_some_and(|(_, neighbours)| *neighbours)
    }

    /// Asks a handler of this peer itself, as another peer would.
    ///
    /// # Errors
    /// [`QueryError`], `NoHandler` when nobody has registered `name`.
    pub(crate) async fn ask(
        &self,
        from: PeerId,
        group: GroupId,
        name: &str,
        body: Bytes,
        meters: &Arc<Meters>,
    ) -> Result<Bytes, QueryError> {
        if self.registered(&group, name).is_none() {
            return Err(QueryError::NoHandler);
        }
        let (asker, answered) = oneshot::channel();
        let slot = ReplySlot::local(asker, meters.clone());
        self.dispatch((&group, name), slot, meters, |slot| Query::new(from, group, body, slot));
        let (outcome, body) = answered.await.map_err(|_| QueryError::Failed)?;
        outcome.into_result(body)
    }

    fn registered(&self, group: &GroupId, name: &str) -> Option<mpsc::Sender<Query>> {
        let table = self.table.read();
        let scopes = table.get(name)?;
        scopes.get(&Some(*group)).or_else(|| scopes.get(&None)).cloned()
    }

    /// Passes a question on; answers it at once when nobody is there or the queue is full.
    pub(crate) fn dispatch(
        &self,
        (group, name): (&GroupId, &str),
        slot: ReplySlot,
        meters: &Meters,
        query_for: impl FnOnce(ReplySlot) -> Query,
    ) {
        let own = || {
            let asks_own = name == closed::OWN || (name == discovery::HANDLER && self.answers_neighbours());
            self.own_discovery.get().filter(|_| asks_own).map(|(sender, _)| sender.clone())
        };
        let Some(handler) = self.registered(group, name).or_else(own) else {
            meters.queries_refused.add(1);
            return slot.answer(Outcome::NoHandler, Bytes::new());
        };
        match handler.try_reserve() {
            Ok(permit) => permit.send(query_for(slot)),
            Err(_) => {
                meters.queries_busy.add(1);
                slot.answer(Outcome::Busy, Bytes::new());
            }
        }
    }
}

/// The questions to one handler. Dropping it unregisters the name.
#[derive(Debug)]
pub struct Queries {
    name: String,
    scope: Scope,
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Query>,
}

impl Queries {
    /// Registers `name` for the questions of `scope`.
    ///
    /// # Errors
    /// [`AlreadyRegistered`], also for a name that is too long.
    pub(crate) fn register(
        shared: Arc<Shared>,
        scope: Option<GroupId>,
        name: &str,
    ) -> Result<Self, AlreadyRegistered> {
        let mut table = shared.handlers.table.write();
        let taken = table.get(name).is_some_and(|scopes| scopes.contains_key(&scope));
        if name.len() > HANDLER_NAME_BYTES_MAX || taken {
            return Err(AlreadyRegistered { name: name.to_owned() });
        }
        let (sender, queue) = mpsc::channel(HANDLER_QUEUE);
        table.entry(name.to_owned()).or_default().insert(scope, sender);
        drop(table);
        Ok(Self { name: name.to_owned(), scope, shared, queue })
    }

    /// The next question that somebody still awaits an answer to. Never ends while the peer lives. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Query> {
        std::future::poll_fn(|cx| self.poll_awaited(cx)).await
    }

    fn poll_awaited(&mut self, cx: &mut Context<'_>) -> Poll<Option<Query>> {
        loop {
            match ready!(self.queue.poll_recv(cx)) {
                Some(query) if query.is_cancelled() => {}
                query => return Poll::Ready(query),
            }
        }
    }
}

impl Stream for Queries {
    type Item = Query;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Query>> {
        self.poll_awaited(cx)
    }
}

impl Drop for Queries {
    fn drop(&mut self) {
        let mut table = self.shared.handlers.table.write();
        let Some(scopes) = table.get_mut(&self.name) else { return };
        scopes.remove(&self.scope);
        if scopes.is_empty() {
            table.remove(&self.name);
        }
    }
}
