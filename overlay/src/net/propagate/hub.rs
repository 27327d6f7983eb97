//! What all tasks of one bound propagate pipe share: its state behind a lock that is never held while waiting, and the
//! signals by which they wait for each other.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use futures::task::AtomicWaker;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{Notify, mpsc, watch};

use super::super::frame::FrameStream;
use super::super::shared::{Shared, Table};
use super::super::substream::Substream;
use crate::core::{Breach, Delivery, Propagation};
use crate::error::BindError;
use crate::limits::{ACCEPT_QUEUE, PROPAGATE_PIPES_MAX};
use crate::meters::Traffic;
use crate::protocol::propagate::{Frame, Parcel, Scope};

/// A member whose link to this one was accepted.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) peer: PeerId,
    pub(super) addresses: Vec<Multiaddr>,
    pub(super) frames: FrameStream<Substream>,
}

/// How the links stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Known members.
    pub(crate) known: usize,
    /// Whether there is a link to each that there should be one to.
    pub(crate) complete: bool,
}

/// One bound propagate pipe.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) scope: Scope,
    pub(crate) shared: Arc<Shared>,
    /// Where messages are counted.
    pub(super) traffic: Arc<Traffic>,
    state: Mutex<Propagation>,
    /// Some link has something to send.
    pub(super) news: watch::Sender<()>,
    /// Somebody has taken something, so that there may be room.
    pub(super) moved: watch::Sender<()>,
    pub(crate) standing: watch::Sender<Standing>,
    /// Something for the keeper to look at.
    pub(super) review: Notify,
    pub(super) joining: mpsc::Sender<Joined>,
    pub(super) feeder: AtomicWaker,
    receiver: AtomicWaker,
    /// Whether members pass on what this one sends, so that it must sign.
    pub(super) signs: AtomicBool,
    pub(super) ended: AtomicBool,
}

/// The propagate pipes bound at this peer.
#[derive(Debug, Default)]
pub(crate) struct Propagations(Table<HashMap<Scope, Arc<Hub>>>);

impl Propagations {
    /// The hub of a pipe, if it is bound.
    pub(super) fn of(&self, scope: &Scope) -> Option<Arc<Hub>> {
        self.0.read().get(scope).cloned()
    }
}

impl Hub {
    /// Binds the pipe at this peer.
    ///
    /// # Errors
    /// [`BindError`].
    pub(super) fn bind(
        shared: Arc<Shared>,
        scope: Scope,
    ) -> Result<(Arc<Self>, mpsc::Receiver<Joined>), BindError> {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let epoch = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX);
        let traffic = shared.traffics.of(&scope.group);
        let state =
            Propagation::new(Instant::now(), (shared.id, epoch), shared.meters.clone(), traffic.clone());
        let (joining, joined) = mpsc::channel(ACCEPT_QUEUE);
        let hub = Arc::new(Self {
            scope,
            shared: shared.clone(),
            traffic,
            state: Mutex::new(state),
            news: watch::Sender::default(),
            moved: watch::Sender::default(),
            standing: watch::Sender::default(),
            review: Notify::new(),
            joining,
            feeder: AtomicWaker::new(),
            receiver: AtomicWaker::new(),
            signs: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let mut table = shared.propagations.0.write();
        if table.contains_key(&scope) {
            return Err(BindError::AlreadyBound);
        }
        if table.len() >= PROPAGATE_PIPES_MAX {
            return Err(BindError::Full { max: PROPAGATE_PIPES_MAX });
        }
        table.insert(scope, hub.clone());
        drop(table);
        Ok((hub, joined))
    }

    /// Binds the pipe no more; who waits for it is told.
    pub(super) fn unbind(self: &Arc<Self>) {
        let mut table = self.shared.propagations.0.write();
        if table.get(&self.scope).is_some_and(|bound| Arc::ptr_eq(bound, self)) {
            table.remove(&self.scope);
        }
        drop(table);
        self.ended.store(true, Ordering::Release);
        self.feeder.wake();
        self.receiver.wake();
        self.news.send_replace(());
    }

    /// Whether the pipe is bound here, by anybody.
    pub(super) fn is_bound_again(&self) -> bool {
        self.shared.propagations.of(&self.scope).is_some()
    }

    /// The state. A panic elsewhere while it was changed leaves at worst a message undelivered.
    pub(crate) fn state(&self) -> MutexGuard<'_, Propagation> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the state and tells who waits for what was done to it.
    pub(super) fn done(&self, mut state: MutexGuard<'_, Propagation>) {
        let news = state.has_news();
        drop(state);
        if news {
            self.news.send_replace(());
        }
    }

    /// The application has taken a message.
    pub(crate) fn counts_received(&self, bytes: usize) {
        self.traffic.received(bytes);
    }

    /// Tells that something was taken, by a link or by the application.
    pub(super) fn moves(&self) {
        self.feeder.wake();
        if self.moved.receiver_count() > 0 {
            self.moved.send_replace(());
        }
    }

    /// What has come for the application; `None` when the pipe is not bound any more.
    pub(crate) fn poll_deliver(&self, cx: &mut Context<'_>) -> Poll<Option<VecDeque<Delivery>>> {
        self.receiver.register(cx.waker());
        let ready = self.state().deliver();
        if !ready.is_empty() {
            self.moves();
            return Poll::Ready(Some(ready));
        }
        if self.ended.load(Ordering::Acquire) { Poll::Ready(None) } else { Poll::Pending }
    }

    /// Takes in a frame that a member sent; waits while the application or a link is behind.
    ///
    /// # Errors
    /// [`Breach`].
    pub(super) async fn on_frame(&self, from: PeerId, frame: Frame) -> Result<(), Breach> {
        match frame {
            Frame::Parcel(parcel) => return self.on_parcel(from, parcel).await,
            Frame::Lag { behind } => {
                self.state().on_lag(from, behind);
                self.receiver.wake();
                return Ok(());
            }
            // Who reads the link handles it.
            Frame::Leave => return Ok(()),
            _ => {}
        }
        let (mut state, now) = (self.state(), Instant::now());
        match frame {
            Frame::Offer(offered) => state.on_offer(now, from, &offered),
            Frame::Graft(place) => state.on_graft(now, from, place),
            Frame::Prune { sender } => state.on_prune(from, sender),
            Frame::Members(members) => {
                if state.learn(members) {
                    self.review.notify_one();
                }
            }
            Frame::Parcel(_) | Frame::Lag { .. } | Frame::Leave => {}
        }
        self.done(state);
        Ok(())
    }

    async fn on_parcel(&self, from: PeerId, parcel: Parcel) -> Result<(), Breach> {
        // Most copies are of what was checked before; to check a signature takes longer than all else.
        let known = parcel.is_signed() && self.state().has(&parcel);
        let genuine = known || parcel.is_genuine(self.scope);
        if parcel.is_signed() && !genuine {
            return Err(Breach);
        }
        let mut parcel = Some(parcel);
        if let Ok(taken) = self.try_parcel(from, &mut parcel, genuine) {
            return taken;
        }
        let mut moved = self.moved.subscribe();
        loop {
            moved.borrow_and_update();
            let until = match self.try_parcel(from, &mut parcel, genuine) {
                Ok(taken) => return taken,
                Err(until) => until,
            };
            let waking = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = moved.changed() => {}
                () = waking => {}
            }
        }
    }

    /// Takes the parcel in, or says until when to wait for room.
    fn try_parcel(
        &self,
        from: PeerId,
        waiting: &mut Option<Parcel>,
        genuine: bool,
    ) -> Result<Result<(), Breach>, Option<Instant>> {
        let (mut state, now) = (self.state(), Instant::now());
        if state.is_full() {
            return Err(None);
        }
        let Some(parcel) = waiting.take() else { return Ok(Ok(())) };
        if let Err(until) = state.make_room_for(now, &parcel) {
            *waiting = Some(parcel);
            return Err(Some(until));
        }
        let taken = state.on_parcel(now, from, parcel, genuine);
        self.done(state);
        self.receiver.wake();
        Ok(taken)
    }
}
