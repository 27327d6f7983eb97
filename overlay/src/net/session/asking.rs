//! Questions of this peer on one session that are not answered yet, each in a slot of its own.
//!
//! In: frames that answer. Out: one answer, or many as they are read; a cancel when nobody waits any more.
//! Bounds: `SESSION_QUERIES_MAX` questions, and for each the window of answers that it was sent with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::SessionHandle;
use crate::error::QueryError;
use crate::limits::{ANSWER_OVERHEAD_BYTES, ANSWERS_WINDOW, SESSION_QUERIES_MAX};
use crate::meters::Traffic;
use crate::protocol::session::{Frame, Outcome};
use crate::wire::WireError;

/// Who waits for what, by the question's number.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<HashMap<u64, Waiter>>);

#[derive(Debug)]
pub(super) enum Waiter {
    One(oneshot::Sender<(Outcome, Bytes)>),
    Many { left: u32, answers: mpsc::Sender<Bytes>, end: oneshot::Sender<End> },
}

/// How many answers ended.
type End = Result<(Outcome, Bytes), QueryError>;

/// What became of a frame that answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Taken,
    /// Nobody asked, or nobody waits any more.
    Unmatched,
    /// It is more than there is room for; the question is over.
    Overrun,
}

/// What the session's task is to tell the other side, when all that was asked before is on its way.
#[derive(Debug)]
pub(super) enum Duty {
    Cancel { number: u64, _slot: Option<OwnedSemaphorePermit> },
    Credit { number: u64, bytes: u32 },
}

impl Duty {
    /// A queue that is never full: each question in a slot has one cancel, and two credits of half a window.
    pub(super) fn queue() -> (mpsc::Sender<Self>, mpsc::Receiver<Self>) {
        mpsc::channel(3 * SESSION_QUERIES_MAX)
    }

    pub(super) fn frame(&self) -> Frame {
        match *self {
            Self::Cancel { number, .. } => Frame::Cancel { number },
            Self::Credit { number, bytes } => Frame::Credit { number, bytes },
        }
    }
}

impl Waiting {
    /// Takes the last answer.
    pub(super) fn settle(&self, number: u64, outcome: Outcome, body: Bytes) -> Settled {
        let taken = match self.table().remove(&number) {
            None => false,
            Some(Waiter::One(waiter)) => waiter.send((outcome, body)).is_ok(),
            Some(Waiter::Many { end, .. }) => end.send(Ok((outcome, body))).is_ok(),
        };
        if taken { Settled::Taken } else { Settled::Unmatched }
    }

    /// Takes one of many answers.
    pub(super) fn settle_part(&self, number: u64, body: Bytes) -> Settled {
        let mut table = self.table();
        let Some(Waiter::Many { left, answers, .. }) = table.get_mut(&number) else {
            return Settled::Unmatched;
        };
        if let Some(rest) = left.checked_sub(cost(&body)) {
            *left = rest;
            // Who reads may have gone away this moment.
            if answers.try_send(body).is_ok() {
                return Settled::Taken;
            }
        }
        if let Some(Waiter::Many { end, .. }) = table.remove(&number) {
            let _ = end.send(Err(QueryError::Overrun));
        }
        Settled::Overrun
    }

    /// Lets all who wait know that there will be no answer.
    pub(super) fn clear(&self) {
        self.table().clear();
    }

    fn grant(&self, number: u64, bytes: u32) {
        if let Some(Waiter::Many { left, .. }) = self.table().get_mut(&number) {
            *left = left.saturating_add(bytes);
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<u64, Waiter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionHandle {
    /// Asks for one answer.
    ///
    /// # Errors
    /// [`QueryError`], without `TimedOut` and `Unreachable`.
    pub(super) async fn call(&self, frame_for: impl FnOnce(u64) -> Frame) -> Result<Bytes, QueryError> {
        let (waiter, answer) = oneshot::channel();
        let _pending = self.put(Waiter::One(waiter), frame_for).await?;
        let (outcome, body) = answer.await.map_err(|_| QueryError::Closed)?;
        outcome.into_result(body)
    }

    /// Asks for as many answers as come, which are counted in `traffic`.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub(super) async fn call_many(
        &self,
        traffic: Arc<Traffic>,
        frame_for: impl FnOnce(u64) -> Frame,
    ) -> Result<Inflow, QueryError> {
        let (answers, coming) = mpsc::channel((ANSWERS_WINDOW / ANSWER_OVERHEAD_BYTES) as usize);
        let (end, ended) = oneshot::channel();
        let pending = self.put(Waiter::Many { left: ANSWERS_WINDOW, answers, end }, frame_for).await?;
        Ok(Inflow { coming, ended: Some(ended), read: 0, traffic, pending })
    }

    async fn put(&self, waiter: Waiter, frame_for: impl FnOnce(u64) -> Frame) -> Result<Pending, QueryError> {
        let slot = self.0.slots.clone().acquire_owned().await.map_err(|_| QueryError::Closed)?;
        let number = self.next_number();
        let frame = frame_for(number).encode().map_err(too_large)?;
        self.0.waiting.table().insert(number, waiter);
        let mut pending = Pending { session: self.clone(), number, slot: Some(slot), asked: false };
        self.0.out.send(frame).await.map_err(|_| QueryError::Closed)?;
        pending.asked = true;
        Ok(pending)
    }
}

/// A question whose answer is awaited; dropping it cancels the question.
#[derive(Debug)]
struct Pending {
    session: SessionHandle,
    number: u64,
    slot: Option<OwnedSemaphorePermit>,
    /// The question is on its way.
    asked: bool,
}

impl Drop for Pending {
    fn drop(&mut self) {
        let inner = &self.session.0;
        let awaited = inner.waiting.table().remove(&self.number).is_some();
        if awaited && self.asked {
            // The slot is free once the cancel is written. The queue has room for every slot; a session that has
            // ended needs no cancel.
            let _ = inner.duties.try_send(Duty::Cancel { number: self.number, _slot: self.slot.take() });
        }
    }
}

/// Many answers, as they come. Dropping it cancels the question.
#[derive(Debug)]
pub(crate) struct Inflow {
    coming: mpsc::Receiver<Bytes>,
    ended: Option<oneshot::Receiver<End>>,
    /// Bytes read that the answerer was not told of yet.
    read: u32,
    traffic: Arc<Traffic>,
    pending: Pending,
}

impl Inflow {
    /// The next answer; `None` after the last, or after an error.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, QueryError>>> {
        if let Some(body) = ready!(self.coming.poll_recv(cx)) {
            self.count(&body);
            self.make_room(cost(&body));
            return Poll::Ready(Some(Ok(body)));
        }
        let Some(ended) = &mut self.ended else { return Poll::Ready(None) };
        let end = ready!(std::pin::Pin::new(ended).poll(cx)).unwrap_or(Err(QueryError::Closed));
        self.ended = None;
        Poll::Ready(match end {
            Ok((Outcome::Finished, _)) => None,
            Ok((outcome, body)) => {
                let answer = outcome.into_result(body);
                Some(answer.inspect(|answer| self.count(answer)))
            }
            Err(error) => Some(Err(error)),
        })
    }

    fn count(&self, answer: &Bytes) {
        self.traffic.query_in(false, answer.len(), self.pending.session.is_relayed());
    }

    /// Tells the answerer of what was read, half a window at a time.
    fn make_room(&mut self, bytes: u32) {
        self.read += bytes;
        if self.read >= ANSWERS_WINDOW / 2 {
            let (inner, number) = (&self.pending.session.0, self.pending.number);
            let bytes = std::mem::take(&mut self.read);
            inner.waiting.grant(number, bytes);
            // As above: there is room, or nobody to tell.
            let _ = inner.duties.try_send(Duty::Credit { number, bytes });
        }
    }
}

/// What an answer takes of the window.
pub(super) fn cost(body: &Bytes) -> u32 {
    u32::try_from(body.len()).unwrap_or(u32::MAX).saturating_add(ANSWER_OVERHEAD_BYTES)
}

fn too_large(error: WireError) -> QueryError {
    match error {
        WireError::TooLarge { len, max } => QueryError::TooLarge { len, max },
        _ => QueryError::Failed,
    }
}
