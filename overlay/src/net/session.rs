//! The session: one long-lived framed stream per connection, opened by its dialer.
//!
//! One task reads and writes it. Questions of this peer come through a [`SessionHandle`]; questions of the other
//! go to the registered handlers. Garbage ends the session, and with it the connection.

mod asked;
mod asking;
mod handle;

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use asking::{Duty, Settled};

use super::frame::FrameStream;
use super::handshake::ProofQuota;
use super::resolver::{Query, ReplySlot};
use super::shared::Shared;
use super::substream::Substream;
use crate::core::{Offence, PeerEvent};
use crate::error::RefuseReason;
use crate::limits::{
    HANDLER_NAME_BYTES_MAX, SESSION_FRAME_BYTES_MAX, SESSION_FRAMES_PER_TURN, SESSION_GREETING_TIMEOUT,
    SESSION_OFFENCES_PER_PAUSE, SESSION_PARTS_QUEUE, SESSION_PAUSE, SESSION_PING_INTERVAL,
    SESSION_QUERIES_MAX, SESSION_QUEUE, SESSION_READ_BYTES,
};
use crate::meters::Meter;
use crate::protocol::session::{Frame, Outcome, QueryFrame, Terms};
use crate::wire::WireError;

pub(crate) use asked::Answering;
pub(crate) use asking::Inflow;
pub(crate) use handle::SessionHandle;

/// Where sessions are told that came up.
pub(crate) type Opens = mpsc::Sender<(PeerId, SessionHandle)>;

/// Greets, then serves the session until it ends; `opens` hears of it when it is up. False when the other side has
/// ended the stream before any greeting, as one does that speaks another protocol.
pub(crate) async fn run(
    peer: PeerId,
    connection: ConnectionId,
    stream: Substream,
    shared: Arc<Shared>,
    opens: Opens,
) -> bool {
    let mut frames = FrameStream::new(stream, SESSION_FRAME_BYTES_MAX, SESSION_READ_BYTES);
    let greeting = tokio::time::timeout(SESSION_GREETING_TIMEOUT, greet(&mut frames)).await;
    let ours = !matches!(greeting, Ok(Err(None)));
    match greeting.unwrap_or(Err(None)) {
        Ok(()) => {}
        Err(garbage) => {
            let meter = if garbage.is_some() {
                shared.offends(peer, Offence::Garbage);
                &shared.meters.session_garbage
            } else {
                &shared.meters.sessions_failed
            };
            meter.add(1);
            return ours;
        }
    }
    let (out, queue) = mpsc::channel(SESSION_QUEUE);
    // Beyond the answers there is a place for the end of each question, so that an end never waits.
    let (parts, later) = mpsc::channel(SESSION_PARTS_QUEUE + SESSION_QUERIES_MAX);
    let (duties, due) = Duty::queue();
    let relayed = shared.paths.is_relayed(&peer, connection);
    let handle = SessionHandle::new(out, parts, duties, (relayed, frames.io.link()), shared.traffics.clone());
    let Some(first) = shared.sessions.add(peer, handle.clone()) else {
        shared.meters.sessions_refused.add(1);
        return true;
    };
    shared.meters.sessions.add(1);
    if first {
        shared.tell(PeerEvent::SessionOpened { peer });
    }
    shared.met.send_replace(());
    // The event loop outlives its tasks, or nobody waits any more.
    let _ = opens.send((peer, handle.clone())).await;
    let (offences, proofs, session) = (Cell::new(0), ProofQuota::default(), handle.clone());
    Session { peer, frames, queue, later, due, handle: session, shared: shared.clone(), offences, proofs }
        .serve()
        .await;
    shared.meters.sessions.sub(1);
    if shared.sessions.remove(&peer, &handle) {
        shared.tell(PeerEvent::SessionLost { peer });
    }
    shared.met.send_replace(());
    true
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
    /// What gives way to `queue`.
    later: mpsc::Receiver<Bytes>,
    due: mpsc::Receiver<Duty>,
    handle: SessionHandle,
    shared: Arc<Shared>,
    /// Offending frames since the last pause.
    offences: Cell<usize>,
    /// How much the other may still show.
    proofs: ProofQuota,
}

impl Drop for Session {
    /// Also when the peer ends, and its tasks with it.
    fn drop(&mut self) {
        self.handle.close();
    }
}

impl Session {
    async fn serve(mut self) {
        let (handle, mut dirty, mut turn) = (self.handle.clone(), false, 0usize);
        let mut pings = tokio::time::interval(SESSION_PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next = std::future::poll_fn(|cx| self.poll_next(cx, &mut dirty));
            let frame = tokio::select! {
                // It doesn't read its answers, or is banned already.
                () = handle.0.ended.notified() => return self.offends(Offence::Garbage),
                _ = pings.tick() => {
                    dirty |= self.ping();
                    continue;
                }
                frame = next => frame,
            };
            let Some(bytes) = frame else { return };
            match Frame::decode(&bytes) {
                Ok(Some(frame)) => self.handle_frame(frame),
                Ok(None) => self.offended(&self.shared.meters.session_unknown_kinds, Offence::Chatter),
                Err(error) => {
                    tracing::debug!(peer = %self.peer, reason = %error, "session garbage");
                    return self.offended(&self.shared.meters.session_garbage, Offence::Garbage);
                }
            }
            turn += 1;
            if self.offences.get() >= SESSION_OFFENCES_PER_PAUSE {
                self.offences.set(0);
                tokio::time::sleep(SESSION_PAUSE).await;
            } else if turn % SESSION_FRAMES_PER_TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Moves both directions on until a frame has come; `None` when the session is over.
    fn poll_next(&mut self, cx: &mut Context<'_>, dirty: &mut bool) -> Poll<Option<Bytes>> {
        loop {
            while self.frames.writes.has_room() {
                let Poll::Ready(frame) = self.poll_to_write(cx) else { break };
                *dirty = self.frames.writes.put(&frame, SESSION_FRAME_BYTES_MAX).is_ok() || *dirty;
            }
            let FrameStream { io, writes, .. } = &mut self.frames;
            if !*dirty {
                break;
            }
            match writes.poll_flush(io, cx) {
                Poll::Ready(Ok(())) => *dirty = false,
                Poll::Ready(Err(_)) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        let FrameStream { io, reads, .. } = &mut self.frames;
        match std::task::ready!(reads.poll_frame(io, cx)) {
            Ok(frame) => Poll::Ready(frame),
            Err(crate::error::RecvError::Garbage(_)) => {
                self.offended(&self.shared.meters.session_garbage, Offence::Garbage);
                Poll::Ready(None)
            }
            Err(_) => Poll::Ready(None),
        }
    }

    /// What is to be written next: what waits in the queue, then cancels and credits, which may not overtake their
    /// question, then answers of which there are many.
    fn poll_to_write(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        if let Poll::Ready(Some(frame)) = self.queue.poll_recv(cx) {
            return Poll::Ready(frame);
        }
        if !self.queue.is_empty() {
            return Poll::Pending;
        }
        if let Poll::Ready(Some(duty)) = self.due.poll_recv(cx) {
            // Two numbers always fit.
            return Poll::Ready(duty.frame().encode().unwrap_or_default());
        }
        match self.later.poll_recv(cx) {
            Poll::Ready(Some(frame)) => Poll::Ready(frame),
            _ => Poll::Pending,
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

    fn handle_frame(&mut self, frame: Frame) {
        match frame {
            Frame::Greeting => {}
            Frame::Answer { number, outcome, body } => {
                self.note_settled(number, &self.handle.0.waiting.settle(number, outcome, body));
            }
            Frame::Part { number, body } => {
                self.note_settled(number, &self.handle.0.waiting.settle_part(number, body));
            }
            Frame::Cancel { number } => {
                let meters = &self.shared.meters;
                if self.handle.0.open.cancel(number) {
                    meters.queries_cancelled.add(1);
                    // No offence, but more of it than is usual slows a session down as well.
                    self.offences.set(self.offences.get() + 1);
                } else {
                    self.offended(&meters.queries_unknown, Offence::Chatter);
                }
            }
            Frame::Credit { number, bytes } => {
                if !self.handle.0.open.grant(number, bytes) {
                    self.offended(&self.shared.meters.queries_unknown, Offence::Chatter);
                }
            }
            Frame::Query(query) => self.handle_query(query),
            Frame::Ping { nonce } => {
                self.offends(Offence::Chatter);
                let pong = Frame::Pong { nonce }.encode();
                if !pong.is_ok_and(|pong| self.handle.0.out.try_send(pong).is_ok()) {
                    self.shared.meters.pongs_dropped.add(1);
                }
            }
            Frame::Pong { nonce } => {
                if !self.handle.measuring().answered(Instant::now(), nonce) {
                    self.offended(&self.shared.meters.pongs_unmatched, Offence::Chatter);
                }
            }
            Frame::GroupProof { number, group, papers } => {
                let (now, who) = (Instant::now(), (self.peer, &self.handle));
                let (outcome, body) = self.proofs.answer(now, &self.shared, who, group, papers);
                self.handle.answer(number, outcome, body, &self.shared.meters);
            }
        }
    }

    fn note_settled(&self, number: u64, settled: &Settled) {
        match settled {
            Settled::Taken => {}
            // It was late, or the answerer couldn't know yet that nobody waits.
            Settled::Unmatched if self.handle.has_asked(number) => {
                self.shared.meters.answers_unmatched.add(1)
            }
            Settled::Unmatched => self.offended(&self.shared.meters.answers_unmatched, Offence::Forged),
            Settled::Overrun => {
                self.offended(&self.shared.meters.answers_overrun, Offence::Garbage);
                // Its slot is freed by who asked; a full queue leaves what comes unmatched.
                let _ = self.handle.0.duties.try_send(Duty::Cancel { number, _slot: None });
            }
        }
    }

    fn handle_query(&self, query: QueryFrame) {
        let (meters, number) = (&self.shared.meters, query.number);
        meters.queries_in.add(1);
        let Some(asked) = self.handle.0.open.open(Instant::now(), number, Terms::of(&query.ext)) else {
            self.offended(&meters.queries_busy, Offence::Overdrawn);
            return self.handle.answer(number, Outcome::Busy, Bytes::new(), meters);
        };
        let may_ask =
            query.handler.len() <= HANDLER_NAME_BYTES_MAX && self.shared.lets_in(&self.peer, &query.group);
        let traffic = may_ask.then(|| self.shared.traffics.of(&query.group));
        let (bytes, relayed) = (query.body.len(), self.handle.is_relayed());
        traffic.iter().for_each(|traffic| traffic.query_in(true, bytes, relayed));
        let answering = Answering::new(number, self.handle.clone(), asked, traffic);
        let slot = ReplySlot::remote(answering, meters.clone());
        if !may_ask {
            self.offended(&meters.queries_refused, Offence::Refused);
            return slot.answer(Outcome::Refused(RefuseReason::NotMember), Bytes::new());
        }
        let query_for = |slot| Query::new(self.peer, query.group, query.body, slot);
        self.shared.handlers.dispatch((&query.group, &query.handler), slot, meters, query_for);
    }

    /// Counts what the other side should not do.
    fn offended(&self, meter: &Meter, offence: Offence) {
        meter.add(1);
        self.offends(offence);
    }

    /// One that does so too often is banned, and its session ends.
    fn offends(&self, offence: Offence) {
        self.offences.set(self.offences.get() + 1);
        if self.shared.offends(self.peer, offence) {
            self.handle.end();
        }
    }
}
