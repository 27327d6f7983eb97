//! A question that waits for its handler's answers.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use libp2p::PeerId;
use tokio::sync::oneshot;

use crate::error::{AnswerError, RefuseReason};
use crate::id::GroupId;
use crate::meters::Meters;
use crate::net::session::Answering;
use crate::protocol::session::Outcome;

/// A question of another peer. Dropping it before its end tells the asker that the handler failed.
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

    /// Gives the one answer, or the last of many. One beyond a session frame (64 KiB with its envelope) reads as
    /// *failed* at the asker. An asker that doesn't read its answers loses its session.
    pub fn reply(self, body: impl Into<Bytes>) {
        self.slot.answer(Outcome::Answered, body.into());
    }

    /// Gives one of many answers; [`finish`](Self::finish) or [`reply`](Self::reply) ends them. Waits while the asker
    /// has read too little of what came before ([`ANSWERS_WINDOW`](crate::limits::ANSWERS_WINDOW)). Cancel-safe:
    /// dropped while it waits, the answer is not given.
    ///
    /// # Errors
    /// [`AnswerError`]; `Enough` for the second answer to an asker that takes one.
    pub async fn answer(&mut self, body: impl Into<Bytes>) -> Result<(), AnswerError> {
        self.slot.give_one(body.into()).await
    }

    /// Ends the answers. An asker that takes one answer and was given none reads it as *failed*.
    pub fn finish(self) {
        self.slot.answer(Outcome::Finished, Bytes::new());
    }

    /// Says no.
    pub fn refuse(self, reason: RefuseReason) {
        self.slot.answer(Outcome::Refused(reason), Bytes::new());
    }

    /// Whether the asker takes more than one answer.
    pub fn takes_many(&self) -> bool {
        self.slot.remote_asker().is_some_and(|asker| asker.asked().takes_many())
    }

    /// Whether nobody awaits an answer any more: the asker has cancelled, its session has ended, or its deadline has
    /// passed.
    pub fn is_cancelled(&self) -> bool {
        self.slot.is_cancelled()
    }

    /// Waits until nobody awaits an answer any more: the asker has cancelled, its session has ended, or its deadline
    /// has passed. Cancel-safe.
    pub async fn cancelled(&self) {
        match &self.slot.asker {
            Some(Asker::Remote(asker)) => asker.asked().cancelled().await,
            Some(Asker::Local(_)) => std::future::pending().await,
            None => {}
        }
    }

    /// Until when an answer is of use, by this peer's clock and at most
    /// [`QUERY_DEADLINE_MAX`](crate::limits::QUERY_DEADLINE_MAX) away; `None` when this peer itself asks.
    pub fn deadline(&self) -> Option<Instant> {
        self.slot.remote_asker().map(|asker| asker.asked().deadline())
    }
}

/// The right to answer one question.
#[derive(Debug)]
pub(crate) struct ReplySlot {
    asker: Option<Asker>,
    meters: Arc<Meters>,
}

/// Where an answer goes.
#[derive(Debug)]
enum Asker {
    /// To another peer, over its session.
    Remote(Answering),
    /// To this peer itself, which takes one.
    Local(oneshot::Sender<(Outcome, Bytes)>),
}

impl ReplySlot {
    pub(in crate::net) fn remote(answering: Answering, meters: Arc<Meters>) -> Self {
        Self { asker: Some(Asker::Remote(answering)), meters }
    }

    pub(super) fn local(asker: oneshot::Sender<(Outcome, Bytes)>, meters: Arc<Meters>) -> Self {
        Self { asker: Some(Asker::Local(asker)), meters }
    }

    /// Gives the last answer.
    pub(crate) fn answer(mut self, outcome: Outcome, body: Bytes) {
        self.give(outcome, body);
    }

    async fn give_one(&mut self, body: Bytes) -> Result<(), AnswerError> {
        if self.is_cancelled() {
            return Err(AnswerError::Cancelled);
        }
        match &mut self.asker {
            None => Err(AnswerError::Enough),
            Some(Asker::Remote(asker)) if asker.asked().takes_many() => asker.give_one(body).await,
            Some(_) => {
                self.give(Outcome::Answered, body);
                Ok(())
            }
        }
    }

    fn is_cancelled(&self) -> bool {
        match &self.asker {
            Some(Asker::Remote(asker)) => asker.asked().is_cancelled(),
            Some(Asker::Local(asker)) => asker.is_closed(),
            None => false,
        }
    }

    fn remote_asker(&self) -> Option<&Answering> {
        match &self.asker {
            Some(Asker::Remote(asker)) => Some(asker),
            _ => None,
        }
    }

    fn give(&mut self, outcome: Outcome, body: Bytes) {
        match self.asker.take() {
            Some(Asker::Remote(asker)) => asker.end(outcome, body, &self.meters),
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
