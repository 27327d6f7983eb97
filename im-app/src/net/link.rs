//! One pipe to a peer: a task whose two halves read and write at the same time, so that two peers that write much to
//! each other never block each other.
//!
//! In: orders of the messenger, frames of the peer. Out: frames, and inputs for the messenger. PINGs are answered here
//! from the own presence of the moment, and measured here, so neither waits for the messenger's task. Bounds:
//! `LINK_ORDERS_MAX`, `RECEIVE_WINDOW`, `LINK_WRITE_MAX`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use overlay::{BidiPipe, PipeReceiver, PipeSender};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep_until, timeout};

use super::actor::{Inbound, wall_ms};
use super::pinger::Pinger;
use crate::limits::{LINK_ORDERS_MAX, LINK_WRITE_MAX, PINGS_OUTSTANDING_MAX, RECEIVE_WINDOW, RETIRE_AFTER};
use crate::messenger::{Input, LinkId, Order};
use crate::status::Presence;
use crate::wire::{Frame, Pong};

/// What a pipe's task starts with.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) inputs: mpsc::Sender<Inbound>,
    pub(super) own: watch::Receiver<Presence>,
    pub(super) pinger: Arc<Pinger>,
}

/// The pipe can't be written any more.
struct Broken;

/// A PING that is to be answered.
struct Asked {
    correlator: u64,
    at: Instant,
}

/// What the halves of one pipe share.
struct Shared {
    /// Messages that may still be read before one is acknowledged.
    window: Semaphore,
    /// Messages written and not acknowledged by the peer.
    unacknowledged: AtomicU64,
}

impl Link {
    /// Runs until the pipe ends or is ordered to; says so as its last act.
    pub(super) async fn run(self, pipe: BidiPipe) {
        let (sender, mut receiver) = pipe.split();
        let (asked, questions) = mpsc::channel(RECEIVE_WINDOW);
        let shared = Shared { window: Semaphore::new(RECEIVE_WINDOW), unacknowledged: AtomicU64::new(0) };
        let (id, inputs, pinger) = (self.id, self.inputs.clone(), Arc::clone(&self.pinger));
        let reader = Reader { id, inputs: &inputs, pinger: &pinger, asked, shared: &shared };
        let writer = Writer {
            link: self,
            sender,
            questions,
            shared: &shared,
            sharing: None,
            held: Vec::new(),
            retire_until: None,
        };
        {
            let reading = reader.run(&mut receiver);
            tokio::pin!(reading);
            tokio::select! {
                () = &mut reading => {}
                closed = writer.run() => if closed.is_ok() {
                    // The other side reads to the end and closes too.
                    let _ = timeout(CLOSE_MAX, reading).await;
                }
            }
        }
        // When the messenger has ended, nobody needs to know.
        let _ = inputs.send(Inbound::Core(Input::LinkDown { link: id })).await;
    }
}

/// The reading half.
struct Reader<'a> {
    id: LinkId,
    inputs: &'a mpsc::Sender<Inbound>,
    pinger: &'a Pinger,
    asked: mpsc::Sender<Asked>,
    shared: &'a Shared,
}

impl Reader<'_> {
    async fn run(self, receiver: &mut PipeReceiver) {
        while let Ok(Some(bytes)) = receiver.recv().await {
            let at = Instant::now();
            let link = self.id;
            let input = match Frame::decode(&bytes) {
                Ok(Frame::Ping { correlator }) => {
                    if self.asked.send(Asked { correlator, at }).await.is_err() {
                        return;
                    }
                    continue;
                }
                Ok(Frame::Pong(pong)) => {
                    let rtt = self.pinger.stop(at, &pong);
                    let presence = pong.presence;
                    Input::Pong { link, presence, rtt }
                }
                Ok(frame) => {
                    self.note(&frame).await;
                    Input::Frame { link, frame }
                }
                Err(error) => {
                    tracing::debug!(?link, %error, "malformed message");
                    Input::Fault { link }
                }
            };
            if self.inputs.send(Inbound::Core(input)).await.is_err() {
                return;
            }
        }
    }

    /// Waits while too many messages are not committed; counts acknowledgements.
    async fn note(&self, frame: &Frame) {
        match frame {
            Frame::Message(_) => {
                if let Ok(permit) = self.shared.window.acquire().await {
                    permit.forget();
                }
            }
            Frame::Delivered { .. } | Frame::Refused { .. } => {
                let less = |count: u64| Some(count.saturating_sub(1));
                let _ = self.shared.unacknowledged.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
            }
            _ => {}
        }
    }
}

/// The writing half.
struct Writer<'a> {
    link: Link,
    sender: PipeSender,
    questions: mpsc::Receiver<Asked>,
    shared: &'a Shared,
    /// The peer may know the own presence; and what it was told last.
    sharing: Option<Option<Presence>>,
    /// PINGs that came before it was clear whether the peer may know; as many as it may await.
    held: Vec<Asked>,
    retire_until: Option<Instant>,
}

impl Writer<'_> {
    /// Ends with `Ok` after a close that was ordered.
    async fn run(mut self) -> Result<(), Broken> {
        loop {
            let check = Instant::now() + RETIRE_CHECK;
            tokio::select! {
                biased;
                Some(asked) = self.questions.recv() => self.answer(asked).await?,
                order = self.link.orders.recv() => match order {
                    Some(order) => if self.obey_all(order).await? {
                        break;
                    },
                    None => break,
                },
                changed = self.link.own.changed(), if self.sharing.is_some() => {
                    if changed.is_err() {
                        break;
                    }
                    self.tell().await?;
                }
                () = sleep_until(check.into()), if self.retire_until.is_some() => if self.may_retire() {
                    break;
                },
            }
        }
        match timeout(LINK_WRITE_MAX, self.sender.close()).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Broken),
        }
    }

    /// Does an order and those that wait behind it, with one flush; true when the pipe is to be closed.
    async fn obey_all(&mut self, first: Order) -> Result<bool, Broken> {
        let mut written = Vec::new();
        let mut close = false;
        let (mut next, mut left) = (Some(first), LINK_ORDERS_MAX);
        while let Some(order) = next.take() {
            match order {
                Order::Send(frame) => {
                    self.put(&frame).await?;
                    match frame {
                        Frame::Message(message) => written.push(message.message_id),
                        Frame::Delivered { .. } | Frame::Refused { .. } => self.shared.window.add_permits(1),
                        _ => {}
                    }
                }
                Order::Share { told } => {
                    self.sharing = Some(told);
                    self.tell().await?;
                    for asked in std::mem::take(&mut self.held) {
                        self.answer(asked).await?;
                    }
                }
                Order::Ping { due } => self.ping(due).await?,
                Order::Retire => self.retire_until = Some(Instant::now() + RETIRE_AFTER),
                Order::Close => {
                    close = true;
                    break;
                }
            }
            left -= 1;
            next = if left > 0 { self.link.orders.try_recv().ok() } else { None };
        }
        self.flush().await?;
        self.shared.unacknowledged.fetch_add(written.len() as u64, Ordering::Relaxed);
        let link = self.link.id;
        for message_id in written {
            self.report(Input::Written { link, message_id }).await?;
        }
        Ok(close)
    }

    /// Starts the clock and writes a PING at once; nothing of before is measured with it.
    async fn ping(&mut self, due: Instant) -> Result<(), Broken> {
        self.flush().await?;
        let correlator = self.link.pinger.start(Instant::now(), wall_ms(), due);
        self.put(&Frame::Ping { correlator }).await?;
        self.flush().await
    }

    async fn answer(&mut self, asked: Asked) -> Result<(), Broken> {
        if self.sharing.is_none() {
            if self.held.len() >= PINGS_OUTSTANDING_MAX {
                return self.report(Input::Fault { link: self.link.id }).await;
            }
            self.held.push(asked);
            return Ok(());
        }
        let presence = self.link.own.borrow().clone();
        let held = Instant::now().saturating_duration_since(asked.at);
        let pong = Pong {
            correlator: asked.correlator,
            presence,
            hold_us: u32::try_from(held.as_micros()).unwrap_or(u32::MAX),
        };
        self.put(&Frame::Pong(pong)).await?;
        self.flush().await
    }

    /// Tells the own presence if the peer knows another.
    async fn tell(&mut self) -> Result<(), Broken> {
        let presence = self.link.own.borrow_and_update().clone();
        if self.sharing != Some(Some(presence.clone())) {
            self.sharing = Some(Some(presence.clone()));
            self.put(&Frame::Status(presence)).await?;
            self.flush().await?;
        }
        Ok(())
    }

    fn may_retire(&self) -> bool {
        let idle = !self.link.pinger.is_waiting()
            && self.shared.unacknowledged.load(Ordering::Relaxed) == 0
            && self.shared.window.available_permits() >= RECEIVE_WINDOW;
        idle || self.retire_until.is_some_and(|until| until <= Instant::now())
    }

    async fn put(&mut self, frame: &Frame) -> Result<(), Broken> {
        let bytes = frame.encode().map_err(|error| {
            tracing::error!(%error, "a message can't be written");
            Broken
        })?;
        match timeout(LINK_WRITE_MAX, self.sender.feed(bytes)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Broken),
        }
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        match timeout(LINK_WRITE_MAX, self.sender.flush()).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Broken),
        }
    }

    async fn report(&self, input: Input) -> Result<(), Broken> {
        self.link.inputs.send(Inbound::Core(input)).await.map_err(|_| Broken)
    }
}

/// How often a pipe that is to be retired looks whether it may.
const RETIRE_CHECK: Duration = Duration::from_millis(50);
/// How long the other side is given to close after this one has.
const CLOSE_MAX: Duration = Duration::from_secs(1);
