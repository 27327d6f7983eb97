//! Questions of the other side of one session that are not answered yet.
//!
//! In: questions, cancels and credits. Out: whether there is still somebody to answer, and room for an answer.
//! Bounds: `SESSION_QUERIES_MAX` questions; a window of `ANSWERS_WINDOW_MAX` each, `QUERY_DEADLINE_MAX` long.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};

use super::SessionHandle;
use super::asking::cost;
use crate::error::AnswerError;
use crate::limits::{ANSWERS_WINDOW_MAX, QUERY_DEADLINE_MAX, SESSION_QUERIES_MAX};
use crate::meters::{Meters, Traffic};
use crate::protocol::session::{Frame, Outcome, Terms};
use crate::wire::WireError;

/// One question that is not answered yet.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Bytes of answers that the asker has room for; `None` when it takes one answer.
    window: Option<Semaphore>,
    /// Closed, once nobody awaits an answer any more. It has no permits.
    awaited: Semaphore,
    deadline: Instant,
}

/// The questions, by number.
#[derive(Debug, Default)]
pub(super) struct Open(Mutex<HashMap<u64, Arc<Asked>>>);

impl Asked {
    fn new(now: Instant, terms: Terms) -> Self {
        let window = terms.window.map(|bytes| Semaphore::new(bytes.min(ANSWERS_WINDOW_MAX) as usize));
        let left = terms.deadline.unwrap_or(QUERY_DEADLINE_MAX).min(QUERY_DEADLINE_MAX);
        Self { window, awaited: Semaphore::new(0), deadline: now + left }
    }

    pub(crate) fn takes_many(&self) -> bool {
        self.window.is_some()
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.awaited.is_closed() || Instant::now() >= self.deadline
    }

    /// Waits until nobody awaits an answer any more. Cancel-safe.
    pub(crate) async fn cancelled(&self) {
        // It has no permits, so what comes is that it is closed.
        let _ = tokio::time::timeout_at(self.deadline.into(), self.awaited.acquire()).await;
    }

    fn cancel(&self) {
        self.awaited.close();
    }

    /// Room that the asker grants, up to the bound.
    fn grant(&self, bytes: u32) {
        if let Some(window) = &self.window {
            let room = (ANSWERS_WINDOW_MAX as usize).saturating_sub(window.available_permits());
            window.add_permits(room.min(bytes as usize));
        }
    }
}

impl Open {
    /// Takes a question in; `None` when there are too many, or its number is in use.
    pub(super) fn open(&self, now: Instant, number: u64, terms: Terms) -> Option<Arc<Asked>> {
        let mut table = self.table();
        let full = table.len() >= SESSION_QUERIES_MAX;
        match table.entry(number) {
            Entry::Vacant(free) if !full => Some(free.insert(Arc::new(Asked::new(now, terms))).clone()),
            _ => None,
        }
    }

    /// The asker awaits no answer any more; false when none was to come.
    pub(super) fn cancel(&self, number: u64) -> bool {
        let asked = self.table().remove(&number);
        asked.inspect(|asked| asked.cancel()).is_some()
    }

    /// The asker has more room; false when it asks nothing by that number.
    pub(super) fn grant(&self, number: u64, bytes: u32) -> bool {
        self.table().get(&number).inspect(|asked| asked.grant(bytes)).is_some()
    }

    /// The session is over.
    pub(super) fn clear(&self) {
        self.table().drain().for_each(|(_, asked)| asked.cancel());
    }

    fn close(&self, number: u64, asked: &Arc<Asked>) {
        let mut table = self.table();
        // After a cancel the number may be another question's.
        if table.get(&number).is_some_and(|known| Arc::ptr_eq(known, asked)) {
            table.remove(&number);
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<u64, Arc<Asked>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to answer one question of the other side.
#[derive(Debug)]
pub(crate) struct Answering {
    number: u64,
    session: SessionHandle,
    asked: Arc<Asked>,
    /// Where answers are counted; nowhere when the question is refused.
    traffic: Option<Arc<Traffic>>,
    /// Where the end goes, behind the answers that have gone before.
    end: Option<mpsc::OwnedPermit<Bytes>>,
}

impl Answering {
    pub(super) fn new(
        number: u64,
        session: SessionHandle,
        asked: Arc<Asked>,
        traffic: Option<Arc<Traffic>>,
    ) -> Self {
        Self { number, session, asked, traffic, end: None }
    }

    pub(crate) fn asked(&self) -> &Asked {
        &self.asked
    }

    /// Gives one of many answers, waiting for room. Cancel-safe.
    pub(crate) async fn give_one(&mut self, body: Bytes) -> Result<(), AnswerError> {
        let asked = self.asked.clone();
        tokio::select! {
            biased;
            () = asked.cancelled() => Err(AnswerError::Cancelled),
            given = self.give_awaited(body) => given,
        }
    }

    async fn give_awaited(&mut self, body: Bytes) -> Result<(), AnswerError> {
        let Some(window) = &self.asked.window else { return Err(AnswerError::Enough) };
        let (len, cost) = (body.len(), cost(&body));
        let frame = Frame::Part { number: self.number, body }.encode().map_err(too_large)?;
        let parts = &self.session.0.parts;
        if self.end.is_none() {
            self.end = Some(parts.clone().reserve_owned().await.map_err(|_| AnswerError::Cancelled)?);
        }
        let room = window.acquire_many(cost).await.map_err(|_| AnswerError::Cancelled)?;
        let place = parts.reserve().await.map_err(|_| AnswerError::Cancelled)?;
        room.forget();
        place.send(frame);
        self.count(len);
        Ok(())
    }

    fn count(&self, bytes: usize) {
        if let Some(traffic) = &self.traffic {
            traffic.query_out(false, bytes, self.session.is_relayed());
        }
    }

    /// Gives the last answer; an asker that doesn't read its answers loses its session.
    pub(crate) fn end(self, outcome: Outcome, body: Bytes, meters: &Meters) {
        self.session.0.open.close(self.number, &self.asked);
        if self.asked.is_cancelled() {
            return;
        }
        self.count(body.len());
        match self.end {
            None => self.session.answer(self.number, outcome, body, meters),
            Some(place) => {
                place.send(answer_frame(self.number, outcome, body));
            }
        }
    }
}

/// An answer as bytes; one that is too large reads as *failed*.
pub(super) fn answer_frame(number: u64, outcome: Outcome, body: Bytes) -> Bytes {
    let failed = || Frame::Answer { number, outcome: Outcome::Failed, body: Bytes::new() }.encode();
    // An empty answer always fits.
    Frame::Answer { number, outcome, body }.encode().or_else(|_| failed()).unwrap_or_default()
}

fn too_large(error: WireError) -> AnswerError {
    match error {
        WireError::TooLarge { len, max } => AnswerError::TooLarge { len, max },
        // Bytes behind a number can always be encoded.
        _ => AnswerError::Cancelled,
    }
}
