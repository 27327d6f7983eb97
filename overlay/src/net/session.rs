//! The session: one long-lived framed stream per connection, opened by its dialer.
//!
//! One task reads and writes it. Questions of this peer come through a [`SessionHandle`]; questions of the other
//! go to the registered handlers. Garbage ends the session, and with it the connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use libp2p::PeerId;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::frame::FrameStream;
use super::groups::Proof;
use super::handshake;
use super::resolver::{Query, ReplySlot};
use super::shared::Shared;
use super::substream::Substream;
use crate::core::{PeerEvent, RoundTrip};
use crate::error::{QueryError, RefuseReason};
use crate::id::GroupId;
use crate::limits::{
    HANDLER_NAME_BYTES_MAX, SESSION_FRAME_BYTES_MAX, SESSION_GREETING_TIMEOUT, SESSION_PING_INTERVAL,
    SESSION_QUERIES_MAX, SESSION_QUEUE, SESSION_READ_BYTES,
};
use crate::protocol::membership::Papers;
use crate::protocol::session::{Frame, Outcome, QueryFrame};
use crate::wire::{Ext, WireError};

/// A way to ask the other end of a live session. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct SessionHandle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    out: mpsc::Sender<Bytes>,
    next_number: AtomicU64,
    pending: Mutex<HashMap<u64, oneshot::Sender<(Outcome, Bytes)>>>,
    slots: Semaphore,
    round_trip: Mutex<RoundTrip>,
    ended: Notify,
    /// What the other side has proven here, of each closed group that this peer is in.
    proofs: Mutex<HashMap<GroupId, Proof>>,
}

impl SessionHandle {
    fn new(out: mpsc::Sender<Bytes>) -> Self {
        Self(Arc::new(Inner {
            out,
            next_number: AtomicU64::new(0),
            pending: Mutex::default(),
            slots: Semaphore::new(SESSION_QUERIES_MAX),
            round_trip: Mutex::default(),
            ended: Notify::new(),
            proofs: Mutex::default(),
        }))
    }

    /// Whether both are the same session.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Asks and waits for the answer; the caller sets the deadline by dropping the future.
    ///
    /// # Errors
    /// [`QueryError`], without `TimedOut` and `Unreachable`.
    pub(crate) async fn ask(&self, group: GroupId, handler: &str, body: Bytes) -> Result<Bytes, QueryError> {
        let handler = handler.to_owned();
        self.call(|number| Frame::Query(QueryFrame { number, group, handler, body, ext: Ext::new() })).await
    }

    /// Shows what makes this peer a member of a closed group; what the other side shows comes back.
    ///
    /// # Errors
    /// [`QueryError`], as above.
    pub(super) async fn show(&self, group: GroupId, papers: Papers) -> Result<Bytes, QueryError> {
        self.call(|number| Frame::GroupProof { number, group, papers }).await
    }

    async fn call(&self, frame_for: impl FnOnce(u64) -> Frame) -> Result<Bytes, QueryError> {
        let _slot = self.0.slots.acquire().await.map_err(|_| QueryError::Closed)?;
        let number = self.0.next_number.fetch_add(1, Ordering::Relaxed);
        let frame = frame_for(number).encode().map_err(too_large)?;
        let (sender, answer) = oneshot::channel();
        let _pending = Pending::new(&self.0, number, sender);
        self.0.out.send(frame).await.map_err(|_| QueryError::Closed)?;
        let (outcome, body) = answer.await.map_err(|_| QueryError::Closed)?;
        outcome.into_result(body)
    }

    /// The smoothed round trip, once the first ping was answered.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.measuring().smoothed()
    }

    fn measuring(&self) -> MutexGuard<'_, RoundTrip> {
        self.0.round_trip.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what the other side has proven.
    pub(super) fn keep_proof(&self, group: GroupId, proof: Proof) {
        self.proofs().insert(group, proof);
    }

    /// Forgets what the other side has proven.
    pub(super) fn forget_proof(&self, group: &GroupId) {
        self.proofs().remove(group);
    }

    /// Looks at what the other side has proven.
    pub(super) fn proof<T>(&self, group: &GroupId, look: impl FnOnce(&Proof) -> T) -> Option<T> {
        self.proofs().get(group).map(look)
    }

    /// Whether something is proven in `group`, true or no longer true.
    pub(super) fn has_proof(&self, group: &GroupId) -> bool {
        self.proofs().contains_key(group)
    }

    /// Changes what is known of a proof; false without one.
    pub(super) fn change_proof(&self, group: &GroupId, change: impl FnOnce(&mut Proof) -> bool) -> bool {
        self.proofs().get_mut(group).is_some_and(change)
    }

    fn proofs(&self) -> MutexGuard<'_, HashMap<GroupId, Proof>> {
        self.0.proofs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the session: its peer asks and doesn't read the answers.
    pub(crate) fn end(&self) {
        self.0.ended.notify_one();
    }

    /// Queues an answer; false when the queue is full.
    pub(crate) fn answer(&self, number: u64, outcome: Outcome, body: Bytes) -> bool {
        let frame = Frame::Answer { number, outcome, body };
        let failed = || Frame::Answer { number, outcome: Outcome::Failed, body: Bytes::new() }.encode();
        frame.encode().or_else(|_| failed()).is_ok_and(|frame| self.0.out.try_send(frame).is_ok())
    }

    fn settle(&self, number: u64, outcome: Outcome, body: Bytes) -> bool {
        let waiter = self.0.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        waiter.is_some_and(|waiter| waiter.send((outcome, body)).is_ok())
    }
}

/// A question whose answer is awaited; dropping it forgets the question.
struct Pending<'a> {
    inner: &'a Inner,
    number: u64,
}

impl<'a> Pending<'a> {
    fn new(inner: &'a Inner, number: u64, sender: oneshot::Sender<(Outcome, Bytes)>) -> Self {
        inner.pending.lock().unwrap_or_else(PoisonError::into_inner).insert(number, sender);
        Self { inner, number }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.inner.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// Where sessions are told that came up.
pub(crate) type Opens = mpsc::Sender<(PeerId, SessionHandle)>;

/// Greets, then serves the session until it ends; `opens` hears of it when it is up.
pub(crate) async fn run(peer: PeerId, stream: Substream, shared: Arc<Shared>, opens: Opens) {
    let mut frames = FrameStream::new(stream, SESSION_FRAME_BYTES_MAX, SESSION_READ_BYTES);
    let greeting = tokio::time::timeout(SESSION_GREETING_TIMEOUT, greet(&mut frames)).await;
    match greeting.unwrap_or(Err(None)) {
        Ok(()) => {}
        Err(garbage) => {
            let meter = if garbage.is_some() {
                &shared.meters.session_garbage
            } else {
                &shared.meters.sessions_failed
            };
            meter.add(1);
            return;
        }
    }
    let (out, queue) = mpsc::channel(SESSION_QUEUE);
    let handle = SessionHandle::new(out);
    let Some(first) = shared.sessions.add(peer, handle.clone()) else {
        shared.meters.sessions_refused.add(1);
        return;
    };
    shared.meters.sessions.add(1);
    if first {
        shared.tell(PeerEvent::SessionOpened { peer });
    }
    shared.met.send_replace(());
    // The event loop outlives its tasks, or nobody waits any more.
    let _ = opens.send((peer, handle.clone())).await;
    Session {
        peer,
        frames,
        queue,
        handle: handle.clone(),
        shared: shared.clone(),
        unanswered: Arc::default(),
    }
    .serve()
    .await;
    shared.meters.sessions.sub(1);
    handle.0.slots.close();
    handle.0.pending.lock().unwrap_or_else(PoisonError::into_inner).clear();
    if shared.sessions.remove(&peer, &handle) {
        shared.tell(PeerEvent::SessionLost { peer });
    }
    shared.met.send_replace(());
}

/// Sends our greeting and reads theirs. `Err(Some)` for garbage, `Err(None)` for a stream that ended.
async fn greet(frames: &mut FrameStream<Substream>) -> Result<(), Option<WireError>> {
    let greeting = Frame::Greeting.encode().map_err(Some)?;
    frames.writes.put(&greeting, SESSION_FRAME_BYTES_MAX).map_err(|_| None)?;
    frames.flush().await.map_err(|_| None)?;
    match frames.recv().await {
        Ok(Some(bytes)) => match Frame::decode(&bytes) {
            Ok(Some(Frame::Greeting)) => Ok(()),
            Ok(_) => Err(Some(WireError::Malformed)),
            Err(error) => Err(Some(error)),
        },
        Ok(None) | Err(crate::error::RecvError::Reset) => Err(None),
        Err(crate::error::RecvError::Garbage(error)) => Err(Some(error)),
    }
}

/// A session that is up.
struct Session {
    peer: PeerId,
    frames: FrameStream<Substream>,
    queue: mpsc::Receiver<Bytes>,
    handle: SessionHandle,
    shared: Arc<Shared>,
    /// Questions of the other that are not answered yet.
    unanswered: Arc<()>,
}

impl Session {
    async fn serve(mut self) {
        let (handle, mut dirty) = (self.handle.clone(), false);
        let mut pings = tokio::time::interval(SESSION_PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next = std::future::poll_fn(|cx| self.poll_next(cx, &mut dirty));
            let frame = tokio::select! {
                () = handle.0.ended.notified() => return,
                _ = pings.tick() => {
                    dirty |= self.ping();
                    continue;
                }
                frame = next => frame,
            };
            let Some(bytes) = frame else { return };
            match Frame::decode(&bytes) {
                Ok(Some(frame)) => self.handle_frame(frame),
                Ok(None) => self.shared.meters.session_unknown_kinds.add(1),
                Err(error) => {
                    tracing::debug!(peer = %self.peer, reason = %error, "session garbage");
                    self.shared.meters.session_garbage.add(1);
                    return;
                }
            }
        }
    }

    /// Moves both directions on until a frame has come; `None` when the session is over.
    fn poll_next(&mut self, cx: &mut Context<'_>, dirty: &mut bool) -> Poll<Option<Bytes>> {
        let FrameStream { io, reads, writes } = &mut self.frames;
        loop {
            while writes.has_room() {
                let Poll::Ready(Some(frame)) = self.queue.poll_recv(cx) else { break };
                *dirty = writes.put(&frame, SESSION_FRAME_BYTES_MAX).is_ok() || *dirty;
            }
            if !*dirty {
                break;
            }
            match writes.poll_flush(io, cx) {
                Poll::Ready(Ok(())) => *dirty = false,
                Poll::Ready(Err(_)) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        match std::task::ready!(reads.poll_frame(io, cx)) {
            Ok(frame) => Poll::Ready(frame),
            Err(crate::error::RecvError::Garbage(_)) => {
                self.shared.meters.session_garbage.add(1);
                Poll::Ready(None)
            }
            Err(_) => Poll::Ready(None),
        }
    }

    /// Puts a ping behind what is being written; false when there is no room, which leaves it to the next.
    fn ping(&mut self) -> bool {
        let mut nonce = [0; 8];
        let Ok(()) = getrandom::fill(&mut nonce) else { return false };
        let nonce = u64::from_le_bytes(nonce);
        let writes = &mut self.frames.writes;
        let Some(frame) = Frame::Ping { nonce }.encode().ok().filter(|_| writes.has_room()) else {
            return false;
        };
        self.handle.measuring().asked(Instant::now(), nonce);
        writes.put(&frame, SESSION_FRAME_BYTES_MAX).is_ok()
    }

    fn handle_frame(&self, frame: Frame) {
        match frame {
            Frame::Greeting => {}
            Frame::Answer { number, outcome, body } => {
                if !self.handle.settle(number, outcome, body) {
                    self.shared.meters.answers_unmatched.add(1);
                }
            }
            Frame::Query(query) => self.handle_query(query),
            Frame::Ping { nonce } => {
                let pong = Frame::Pong { nonce }.encode();
                if !pong.is_ok_and(|pong| self.handle.0.out.try_send(pong).is_ok()) {
                    self.shared.meters.pongs_dropped.add(1);
                }
            }
            Frame::Pong { nonce } => {
                if !self.handle.measuring().answered(Instant::now(), nonce) {
                    self.shared.meters.pongs_unmatched.add(1);
                }
            }
            Frame::GroupProof { number, group, papers } => {
                let slot = self.slot(number);
                let (outcome, body) = handshake::answer(&self.shared, self.peer, &self.handle, group, papers);
                slot.answer(outcome, body);
            }
        }
    }

    fn slot(&self, number: u64) -> ReplySlot {
        ReplySlot::new(number, self.handle.clone(), self.unanswered.clone(), self.shared.meters.clone())
    }

    fn handle_query(&self, query: QueryFrame) {
        let meters = &self.shared.meters;
        meters.queries_in.add(1);
        let slot = self.slot(query.number);
        if Arc::strong_count(&self.unanswered) > SESSION_QUERIES_MAX + 1 {
            meters.queries_busy.add(1);
            return slot.answer(Outcome::Busy, Bytes::new());
        }
        if query.handler.len() > HANDLER_NAME_BYTES_MAX || !self.shared.lets_in(&self.peer, &query.group) {
            meters.queries_refused.add(1);
            return slot.answer(Outcome::Refused(RefuseReason::NotMember), Bytes::new());
        }
        let query_for = |slot| Query::new(self.peer, query.group, query.body, slot);
        self.shared.handlers.dispatch(&query.handler, slot, meters, query_for);
    }
}

fn too_large(error: WireError) -> QueryError {
    match error {
        WireError::TooLarge { len, max } => QueryError::TooLarge { len, max },
        _ => QueryError::Failed,
    }
}
