//! The sending end: gathers messages into parcels and puts each into the log as soon as there is room.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use tokio::time::Sleep;

use super::hub::Hub;
use crate::error::SendError;
use crate::limits::{
    PROPAGATE_MESSAGE_BYTES_MAX, PROPAGATE_PARCEL_BYTES, PROPAGATE_PARCEL_ITEMS_MAX, PROPAGATE_PIECE_BYTES,
};
use crate::protocol::propagate::{Item, Parcel};

/// What was fed and is not in the log yet.
#[derive(Debug)]
pub(crate) struct Feeder {
    pub(crate) hub: Arc<Hub>,
    pending: VecDeque<Item>,
    pending_bytes: usize,
    /// Wakes when a member that is in the way counts as stalled.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Feeder {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub, pending: VecDeque::new(), pending_bytes: 0, waiting: None }
    }

    /// Whether another message may be put; moves on what was put until it may.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        while self.pending_bytes >= PROPAGATE_PARCEL_BYTES || self.pending.len() >= PROPAGATE_PARCEL_ITEMS_MAX
        {
            ready!(self.poll_parcel(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes one message.
    ///
    /// # Errors
    /// [`SendError::TooLarge`]; then nothing has changed.
    pub(crate) fn put(&mut self, message: Bytes) -> Result<(), SendError> {
        let (len, max) = (message.len(), PROPAGATE_MESSAGE_BYTES_MAX);
        if len > max {
            return Err(SendError::TooLarge { len, max });
        }
        self.pending_bytes += len;
        self.hub.traffic.sent(len);
        let (mut rest, mut begins) = (message, true);
        loop {
            let body = rest.split_to(rest.len().min(PROPAGATE_PIECE_BYTES));
            let more = !rest.is_empty();
            self.pending.push_back(Item { begins, more, body });
            begins = false;
            if !more {
                return Ok(());
            }
        }
    }

    /// Puts all that was fed into the log, from which the links take it.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        while !self.pending.is_empty() {
            ready!(self.poll_parcel(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether all members that are not stalled have taken everything.
    pub(crate) fn poll_taken(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        ready!(self.poll_flush(cx))?;
        self.hub.feeder.register(cx.waker());
        if self.hub.state().is_taken() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Puts one parcel into the log, when there is room.
    fn poll_parcel(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let closed = SendError::Closed { unconfirmed: self.pending_bytes };
        let (mut count, mut bytes) = (0, 0);
        for item in self.pending.iter().take(PROPAGATE_PARCEL_ITEMS_MAX) {
            bytes += item.body.len() + 4;
            if count > 0 && bytes > PROPAGATE_PARCEL_BYTES {
                break;
            }
            count += 1;
        }
        self.hub.feeder.register(cx.waker());
        let place = loop {
            if self.hub.ended.load(Ordering::Acquire) {
                return Poll::Ready(Err(closed));
            }
            // Bound to a name, so that the lock is let go before anything waits.
            let reserved = self.hub.state().reserve(Instant::now(), bytes);
            match reserved {
                Ok(place) => break place,
                Err(until) => {
                    let mut sleep = Box::pin(tokio::time::sleep_until(until.into()));
                    let woken = sleep.as_mut().poll(cx);
                    self.waiting = Some(sleep);
                    ready!(woken);
                }
            }
        };
        self.waiting = None;
        let items: Vec<Item> = self.pending.drain(..count).collect();
        self.pending_bytes -= items.iter().map(|item| item.body.len()).sum::<usize>();
        let scope = self.hub.signs.load(Ordering::Relaxed).then_some(self.hub.scope);
        let parcel = Parcel::new(&self.hub.shared.keypair, place, items, scope).map_err(|_| closed)?;
        let mut state = self.hub.state();
        state.send(Instant::now(), &parcel);
        self.hub.done(state);
        Poll::Ready(Ok(()))
    }
}
