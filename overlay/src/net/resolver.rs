//! The answering side of the resolver (JXTA): handlers by name, and the questions that wait for them.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use libp2p::PeerId;
use tokio::sync::{mpsc, oneshot};

use super::session::SessionHandle;
use super::shared::{Shared, Table};
use crate::error::{AlreadyRegistered, QueryError, RefuseReason};
use crate::id::GroupId;
use crate::limits::{HANDLER_NAME_BYTES_MAX, HANDLER_QUEUE};
use crate::meters::Meters;
use crate::protocol::session::Outcome;
use crate::protocol::{closed, discovery};

/// The handlers registered at this peer.
#[derive(Debug, Default)]
pub(crate) struct Handlers {
    table: Table<HashMap<String, mpsc::Sender<Query>>>,
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
        if !self.table.read().contains_key(name) {
            return Err(QueryError::NoHandler);
        }
        let (asker, answered) = oneshot::channel();
        let slot = ReplySlot { asker: Some(Asker::Local(asker)), meters: meters.clone() };
        self.dispatch(name, slot, meters, |slot| Query::new(from, group, body, slot));
        let (outcome, body) = answered.await.map_err(|_| QueryError::Failed)?;
        outcome.into_result(body)
    }

    /// Passes a question on; answers it at once when nobody is there or the queue is full.
    pub(crate) fn dispatch(
        &self,
        name: &str,
        slot: ReplySlot,
        meters: &Meters,
        query_for: impl FnOnce(ReplySlot) -> Query,
    ) {
        let own = || {
            let asks_own = name == closed::OWN || (name == discovery::HANDLER && self.answers_neighbours());
            self.own_discovery.get().filter(|_| asks_own).map(|(sender, _)| sender.clone())
        };
        let registered = self.table.read().get(name).cloned();
        let Some(handler) = registered.or_else(own) else {
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
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Query>,
}

impl Queries {
    /// Registers `name`.
    ///
    /// # Errors
    /// [`AlreadyRegistered`], also for a name that is too long.
    pub(crate) fn register(shared: Arc<Shared>, name: &str) -> Result<Self, AlreadyRegistered> {
        let mut table = shared.handlers.table.write();
        if name.len() > HANDLER_NAME_BYTES_MAX || table.contains_key(name) {
            return Err(AlreadyRegistered { name: name.to_owned() });
        }
        let (sender, queue) = mpsc::channel(HANDLER_QUEUE);
        table.insert(name.to_owned(), sender);
        drop(table);
        Ok(Self { name: name.to_owned(), shared, queue })
    }

    /// The next question. Never ends while the peer lives. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Query> {
        self.queue.recv().await
    }
}

impl Stream for Queries {
    type Item = Query;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Query>> {
        self.queue.poll_recv(cx)
    }
}

impl Drop for Queries {
    fn drop(&mut self) {
        self.shared.handlers.table.write().remove(&self.name);
    }
}

/// A question of another peer. Dropping it unanswered tells the asker that the handler failed.
#[derive(Debug)]
pub struct Query {
    /// Who asks; proven by the connection.
    pub from: PeerId,
    /// In which group.
    pub group: GroupId,
    /// What.
    pub body: Bytes,
    slot: ReplySlot,
}

impl Query {
    pub(crate) fn new(from: PeerId, group: GroupId, body: Bytes, slot: ReplySlot) -> Self {
        Self { from, group, body, slot }
    }

    /// Answers. An answer beyond a session frame (64 KiB with its envelope) reads as *failed* at the asker.
    /// An asker that doesn't read its answers loses its session.
    pub fn reply(self, body: impl Into<Bytes>) {
        self.slot.answer(Outcome::Answered, body.into());
    }

    /// Says no.
    pub fn refuse(self, reason: RefuseReason) {
        self.slot.answer(Outcome::Refused(reason), Bytes::new());
    }
}

/// The right to answer one question, once.
#[derive(Debug)]
pub(crate) struct ReplySlot {
    asker: Option<Asker>,
    meters: Arc<Meters>,
}

/// Where an answer goes.
#[derive(Debug)]
enum Asker {
    /// To another peer, over its session. The count is of its questions that are not answered yet.
    Remote { number: u64, session: SessionHandle, _unanswered: Arc<()> },
    /// To this peer itself.
    Local(oneshot::Sender<(Outcome, Bytes)>),
}

impl ReplySlot {
    pub(crate) fn new(number: u64, session: SessionHandle, unanswered: Arc<()>, meters: Arc<Meters>) -> Self {
        Self { asker: Some(Asker::Remote { number, session, _unanswered: unanswered }), meters }
    }

    /// Answers.
    pub(crate) fn answer(mut self, outcome: Outcome, body: Bytes) {
        self.give(outcome, body);
    }

    fn give(&mut self, outcome: Outcome, body: Bytes) {
        match self.asker.take() {
            Some(Asker::Remote { number, session, .. }) => {
                let queued = session.answer(number, outcome, body);
                if !queued {
                    self.meters.answers_undeliverable.add(1);
                    session.end();
                }
            }
            Some(Asker::Local(asker)) => {
                // Who asked may have gone away.
                let _ = asker.send((outcome, body));
            }
            None => {}
        }
    }
}

impl Drop for ReplySlot {
    fn drop(&mut self) {
        self.give(Outcome::Failed, Bytes::new());
    }
}
