//! What every task that talks over one session holds of it: the ways to be written, the slots, what is proven.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore, mpsc};

use super::asked::{Open, answer_frame};
use super::asking::{Duty, Inflow, Waiting};
use crate::core::RoundTrip;
use crate::error::QueryError;
use crate::id::GroupId;
use crate::limits::{ANSWERS_WINDOW, SESSION_QUERIES_MAX};
use crate::meters::{Link, LinkMeters, Meters};
use crate::net::closed::Entries;
use crate::net::groups::Proof;
use crate::net::traffic::GroupTraffics;
use crate::protocol::membership::Papers;
use crate::protocol::session::{Frame, Outcome, QueryFrame, Terms};

/// A way to ask the other end of a live session. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct SessionHandle(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) out: mpsc::Sender<Bytes>,
    /// Whether its connection goes through a relay.
    relayed: bool,
    /// What is counted of its connection.
    link: Arc<Link>,
    /// What is counted of each group.
    traffics: GroupTraffics,
    next_number: AtomicU64,
    /// Answers of which there are many; they give way to all other frames.
    pub(super) parts: mpsc::Sender<Bytes>,
    pub(super) duties: mpsc::Sender<Duty>,
    pub(super) waiting: Waiting,
    pub(super) open: Open,
    pub(super) slots: Arc<Semaphore>,
    round_trip: Mutex<RoundTrip>,
    pub(super) ended: Notify,
    /// What the other side has proven here, of each closed group that this peer is in.
    proofs: Mutex<HashMap<GroupId, Proof>>,
    /// What this side has proven to the other, if that serves closed groups without being a member.
    entries: Entries,
}

impl SessionHandle {
    pub(super) fn new(
        out: mpsc::Sender<Bytes>,
        parts: mpsc::Sender<Bytes>,
        duties: mpsc::Sender<Duty>,
        (relayed, link): (bool, Arc<Link>),
        traffics: GroupTraffics,
    ) -> Self {
        Self(Arc::new(Inner {
            out,
            relayed,
            link,
            traffics,
            next_number: AtomicU64::new(0),
            parts,
            duties,
            waiting: Waiting::default(),
            open: Open::default(),
            slots: Arc::new(Semaphore::new(SESSION_QUERIES_MAX)),
            round_trip: Mutex::default(),
            ended: Notify::new(),
            proofs: Mutex::default(),
            entries: Entries::default(),
        }))
    }

    /// Whether both are the same session.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether it goes through a relay.
    pub(crate) fn is_relayed(&self) -> bool {
        self.0.relayed
    }

    /// Asks and waits for the answer; the caller sets the deadline by dropping the future.
    ///
    /// # Errors
    /// [`QueryError`], without `TimedOut` and `Unreachable`.
    pub(crate) async fn ask(&self, group: GroupId, handler: &str, body: Bytes) -> Result<Bytes, QueryError> {
        self.ask_by(None, group, handler, body).await
    }

    /// As [`ask`](Self::ask), telling the other side until when an answer is of use.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(crate) async fn ask_by(
        &self,
        until: Option<Instant>,
        group: GroupId,
        handler: &str,
        body: Bytes,
    ) -> Result<Bytes, QueryError> {
        let terms = || Terms { deadline: until.map(left), window: None };
        let traffic = self.0.traffics.of(&group);
        traffic.query_out(true, body.len(), self.0.relayed);
        let answer = self.call(|number| query_frame(number, group, handler, body, terms())).await;
        answer.inspect(|answer| traffic.query_in(false, answer.len(), self.0.relayed))
    }

    /// Asks for as many answers as the other side gives, until it ends them.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(crate) async fn ask_many(
        &self,
        until: Instant,
        group: GroupId,
        handler: &str,
        body: Bytes,
    ) -> Result<Inflow, QueryError> {
        let terms = || Terms { deadline: Some(left(until)), window: Some(ANSWERS_WINDOW) };
        let traffic = self.0.traffics.of(&group);
        traffic.query_out(true, body.len(), self.0.relayed);
        self.call_many(traffic, |number| query_frame(number, group, handler, body, terms())).await
    }

    /// Shows what makes this peer a member of a closed group; what the other side shows comes back.
    ///
    /// # Errors
    /// [`QueryError`], as above.
    pub(in crate::net) async fn show(&self, group: GroupId, papers: Papers) -> Result<Bytes, QueryError> {
        self.call(|number| Frame::GroupProof { number, group, papers }).await
    }

    pub(super) fn next_number(&self) -> u64 {
        self.0.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether a question had this number, however it ended.
    pub(super) fn has_asked(&self, number: u64) -> bool {
        number < self.0.next_number.load(Ordering::Relaxed)
    }

    /// The smoothed round trip, once the first ping was answered.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.measuring().smoothed()
    }

    /// Adds what is counted of its connection to `sum`.
    pub(crate) fn count_into(&self, sum: &mut LinkMeters) {
        sum.add(&self.0.link, self.round_trip());
    }

    pub(super) fn measuring(&self) -> MutexGuard<'_, RoundTrip> {
        self.0.round_trip.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what the other side has proven.
    pub(in crate::net) fn keep_proof(&self, group: GroupId, proof: Proof) {
        self.proofs().insert(group, proof);
    }

    /// Forgets what the other side has proven.
    pub(in crate::net) fn forget_proof(&self, group: &GroupId) {
        self.proofs().remove(group);
    }

    /// Looks at what the other side has proven.
    pub(in crate::net) fn proof<T>(&self, group: &GroupId, look: impl FnOnce(&Proof) -> T) -> Option<T> {
        self.proofs().get(group).map(look)
    }

    /// Whether something is proven in `group`, true or no longer true.
    pub(in crate::net) fn has_proof(&self, group: &GroupId) -> bool {
        self.proofs().contains_key(group)
    }

    /// Changes what is known of a proof; false without one.
    pub(in crate::net) fn change_proof(
        &self,
        group: &GroupId,
        change: impl FnOnce(&mut Proof) -> bool,
    ) -> bool {
        self.proofs().get_mut(group).is_some_and(change)
    }

    fn proofs(&self) -> MutexGuard<'_, HashMap<GroupId, Proof>> {
        self.0.proofs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The closed groups in which the other side, a rendezvous, serves this peer.
    pub(in crate::net) fn entries(&self) -> &Entries {
        &self.0.entries
    }

    /// Ends the session: its peer asks and doesn't read the answers.
    pub(crate) fn end(&self) {
        self.0.ended.notify_one();
    }

    /// Nothing is written any more: who waits for an answer, or works on one, is told.
    pub(super) fn close(&self) {
        self.0.slots.close();
        self.0.waiting.clear();
        self.0.open.clear();
    }

    /// Queues an answer; a full queue ends the session.
    pub(super) fn answer(&self, number: u64, outcome: Outcome, body: Bytes, meters: &Meters) {
        if self.0.out.try_send(answer_frame(number, outcome, body)).is_err() {
            meters.answers_undeliverable.add(1);
            self.end();
        }
    }
}

fn query_frame(number: u64, group: GroupId, handler: &str, body: Bytes, terms: Terms) -> Frame {
    Frame::Query(QueryFrame { number, group, handler: handler.to_owned(), body, ext: terms.ext() })
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}
