//! One link of a resumable pipe: its substream, from the exchanged positions to its loss.

use std::task::{Context, Poll, ready};

use super::end::{Shared, State};
use crate::core::FAREWELL;
use crate::error::RecvError;
use crate::limits::{PIPE_MESSAGE_BYTES_MAX, PIPE_READ_BYTES, RESUMABLE_BURST};
use crate::net::frame::FrameStream;
use crate::net::substream::Substream;
use crate::wire::WireError;

/// A link that is up.
#[derive(Debug)]
pub(super) struct Link {
    frames: FrameStream<Substream>,
    /// Something was put that has not been flushed.
    dirty: bool,
    /// The farewell was put; nothing comes after it.
    farewell: bool,
}

/// How a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkEnd {
    /// Its substream broke.
    Lost,
    /// Both ends need nothing more, or this one has said that it gives up.
    Finished,
    /// The other end gives the pipe up.
    Gone,
    /// The other end breaks the rules.
    Garbage,
}

impl Link {
    /// A link over a substream whose positions have been exchanged, or been put.
    pub(super) fn new(mut frames: FrameStream<Substream>) -> Self {
        // A byte more than a message: the kind of its frame.
        frames.reads.grow(PIPE_MESSAGE_BYTES_MAX + 1, PIPE_READ_BYTES);
        Self { frames, dirty: true, farewell: false }
    }

    /// Moves both directions on until the link ends.
    pub(super) fn poll(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Poll<LinkEnd> {
        shared.driver.register(cx.waker());
        let mut state = shared.lock();
        let read = self.poll_read(&mut state, cx);
        let wrote = self.poll_write(&mut state, cx);
        let (done, gone) = (state.core.is_done(), state.core.is_gone());
        drop(state);
        shared.wake_application();
        if let Poll::Ready(end) = read {
            return Poll::Ready(end);
        }
        let broken = wrote == Poll::Ready(Err(()));
        let said_farewell = self.farewell && wrote == Poll::Ready(Ok(()));
        match (gone, done) {
            (true, false) => Poll::Ready(LinkEnd::Gone),
            (true, true) if broken || said_farewell => Poll::Ready(LinkEnd::Finished),
            _ if broken => Poll::Ready(LinkEnd::Lost),
            (false, false) if said_farewell => Poll::Ready(LinkEnd::Finished),
            // Who is done waits for the other's farewell: it may lack a last confirmation, and resume for it.
            _ => Poll::Pending,
        }
    }

    fn poll_read(&mut self, state: &mut State, cx: &mut Context<'_>) -> Poll<LinkEnd> {
        let FrameStream { io, reads, .. } = &mut self.frames;
        for _ in 0..RESUMABLE_BURST {
            if state.core.is_gone() {
                return Poll::Pending;
            }
            match ready!(reads.poll_frame(io, cx)) {
                Ok(Some(frame)) => {
                    if state.core.handle(frame).is_err() {
                        return Poll::Ready(LinkEnd::Garbage);
                    }
                }
                // In the middle of a frame it may be cut as well.
                Ok(None) | Err(RecvError::Reset | RecvError::Garbage(WireError::Truncated)) => {
                    return Poll::Ready(LinkEnd::Lost);
                }
                Err(RecvError::Garbage(_)) => return Poll::Ready(LinkEnd::Garbage),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes all that there is, at most two windows; an error when the substream is broken.
    fn poll_write(&mut self, state: &mut State, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        let FrameStream { io, writes, .. } = &mut self.frames;
        loop {
            while writes.has_room() && !self.farewell {
                let over = state.core.is_done() || state.abandoned;
                let frame = state.core.transmit();
                self.farewell = frame.is_none() && over;
                let farewell = self.farewell.then(|| FAREWELL.into());
                let Some(frame) = frame.or(farewell) else { break };
                writes.put(&frame, PIPE_MESSAGE_BYTES_MAX + 1).map_err(|_| ())?;
                self.dirty = true;
            }
            if !self.dirty {
                return Poll::Ready(Ok(()));
            }
            ready!(writes.poll_flush(io, cx)).map_err(|_| ())?;
            self.dirty = false;
        }
    }
}
