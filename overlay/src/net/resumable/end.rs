//! The application's end of a resumable pipe, and what it shares with the task that drives it.
//!
//! In: messages to send, and polls. Out: messages received, and what became of those sent. Whatever the links do, the
//! application sees one pipe.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::task::AtomicWaker;
use libp2p::PeerId;

use crate::core::Resumable;
use crate::error::{ConnectError, RecvError, SendError};
use crate::limits::PIPE_MESSAGE_BYTES_MAX;
use crate::meters::Traffic;

/// What the application and the driver share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// The driver waits for the application to do something.
    pub(super) driver: AtomicWaker,
    sending: AtomicWaker,
    receiving: AtomicWaker,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) core: Resumable,
    /// Why no link will come any more.
    pub(super) broken: Option<ConnectError>,
    /// The application has dropped its end.
    pub(super) abandoned: bool,
}

impl Shared {
    pub(super) fn new(core: Resumable) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State { core, broken: None, abandoned: false }),
            driver: AtomicWaker::new(),
            sending: AtomicWaker::new(),
            receiving: AtomicWaker::new(),
        })
    }

    /// The state; held for a step, never while waiting. A panic elsewhere ends the pipe, not this task.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the application look again.
    pub(super) fn wake_application(&self) {
        self.sending.wake();
        self.receiving.wake();
    }

    /// No link will come any more.
    pub(super) fn give_up(&self, why: ConnectError) {
        self.lock().broken.get_or_insert(why);
        self.wake_application();
    }

    /// Ready when both directions have ended and are confirmed.
    pub(super) fn poll_done(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.driver.register(cx.waker());
        if self.lock().core.is_done() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Waits until the application has dropped its end, with something still to be sent or received.
    pub(super) async fn abandoned(&self) {
        std::future::poll_fn(|cx| {
            self.driver.register(cx.waker());
            let state = self.lock();
            if state.abandoned && !state.core.is_done() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl State {
    /// Why nothing more can be sent.
    fn check_open(&self) -> Result<(), SendError> {
        match &self.broken {
            Some(last) => {
                Err(SendError::NotResumed { unconfirmed: self.core.unconfirmed(), last: last.clone() })
            }
            None => Ok(()),
        }
    }
}

/// The application's end. Dropping it ends the pipe for both, after what was accepted has been sent once more.
#[derive(Debug)]
pub(crate) struct ResumableEnd {
    remote: PeerId,
    shared: Arc<Shared>,
    traffic: Arc<Traffic>,
}

impl ResumableEnd {
    pub(super) fn new(remote: PeerId, shared: Arc<Shared>, traffic: Arc<Traffic>) -> Self {
        Self { remote, shared, traffic }
    }

    /// Who is at the other end.
    pub(crate) fn remote(&self) -> PeerId {
        self.remote
    }

    /// Messages accepted that the other end has not acknowledged.
    pub(crate) fn unconfirmed(&self) -> usize {
        self.shared.lock().core.unconfirmed()
    }

    /// Waits until the window has room.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.shared.sending.register(cx.waker());
        let state = self.shared.lock();
        state.check_open()?;
        if state.core.has_ended() {
            return Poll::Ready(Err(SendError::Closed { unconfirmed: 0 }));
        }
        if state.core.has_room() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Accepts a message into the window.
    pub(crate) fn put(&self, message: &[u8]) -> Result<(), SendError> {
        if message.len() > PIPE_MESSAGE_BYTES_MAX {
            return Err(SendError::TooLarge { len: message.len(), max: PIPE_MESSAGE_BYTES_MAX });
        }
        let mut state = self.shared.lock();
        state.check_open()?;
        if state.core.has_ended() {
            return Err(SendError::Closed { unconfirmed: 0 });
        }
        state.core.put(message);
        drop(state);
        self.traffic.sent(message.len());
        self.shared.driver.wake();
        Ok(())
    }

    /// Waits until the other end has acknowledged all that was accepted.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.shared.sending.register(cx.waker());
        let state = self.shared.lock();
        if state.core.unconfirmed() == 0 {
            return Poll::Ready(Ok(()));
        }
        state.check_open()?;
        Poll::Pending
    }

    /// Ends this direction, and waits until the other end has acknowledged all of it.
    pub(crate) fn poll_close(&self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let mut state = self.shared.lock();
        if !state.core.has_ended() {
            state.check_open()?;
            state.core.end();
            self.shared.driver.wake();
        }
        drop(state);
        self.poll_flush(cx)
    }

    /// The next message, `None` when the other end has ended its direction.
    pub(crate) fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, RecvError>> {
        self.shared.receiving.register(cx.waker());
        let mut state = self.shared.lock();
        if let Some(message) = state.core.take() {
            let room_to_tell = state.core.has_frames();
            drop(state);
            if room_to_tell {
                self.shared.driver.wake();
            }
            self.traffic.received(message.len());
            return Poll::Ready(Ok(Some(message)));
        }
        if state.core.is_drained() {
            return Poll::Ready(Ok(None));
        }
        if state.broken.is_some() { Poll::Ready(Err(RecvError::Reset)) } else { Poll::Pending }
    }
}

impl Drop for ResumableEnd {
    fn drop(&mut self) {
        self.shared.lock().abandoned = true;
        self.shared.driver.wake();
    }
}
