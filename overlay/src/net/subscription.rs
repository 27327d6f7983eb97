//! Subscriptions of this peer: kept at each rendezvous whose lease holds, fed by what those tell.
//!
//! In: subscriptions of handles, leases that begin, notifications. Out: changes for readers. A rendezvous that grants a
//! new lease knows no subscription of before, nor does one where a new place in a closed group begins, so each is made
//! again there. Only notifications of a rendezvous that this peer leases from, about a subscription that was made there,
//! are taken; others are refused and counted. A subscription in a closed group ends when this peer leaves it. Bounds:
//! [`SUBSCRIPTIONS_PER_PEER_MAX`] subscriptions, each with one [`View`].

mod hearing;
mod keeping;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::task::AtomicWaker;
use libp2p::PeerId;
use tokio::sync::Notify;

use super::groups::Groups;
use super::handle::Handle;
use super::lease::Way;
use super::shared::Table;
use crate::advertisement::{DiscoveryQuery, SignedAdvertisement};
use crate::core::{Change, View};
use crate::error::SubscribeError;
use crate::id::GroupId;
use crate::limits::SUBSCRIPTIONS_PER_PEER_MAX;
use crate::protocol::discovery::DiscoveryRequest;

pub(super) use hearing::serve;
pub(super) use keeping::keep;

/// The subscriptions of one peer.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    table: Table<HashMap<u64, Arc<Watched>>>,
    next_number: AtomicU64,
    /// There is something to do for the task that keeps them.
    changed: Notify,
}

/// One subscription.
#[derive(Debug)]
struct Watched {
    number: u64,
    way: Way,
    query: DiscoveryQuery,
    view: Mutex<View>,
    reader: AtomicWaker,
    /// Where it was made, and how that went.
    places: Mutex<HashMap<PeerId, Place>>,
    /// This peer has left the group.
    has_ended: AtomicBool,
}

/// A subscription at one rendezvous.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Under which of the leases that it has granted.
    grant: u64,
    /// In which of the places that this peer had there in the closed group.
    entry: Option<u64>,
    /// It is being made.
    is_asked: bool,
    /// It was refused and is tried again then.
    retry_at: Option<Instant>,
}

/// The reader's end of a subscription; dropping it ends it everywhere.
#[derive(Debug)]
pub(crate) struct Watching {
    watched: Arc<Watched>,
    handle: Handle,
}

impl Subscriptions {
    /// Shows an edition that was published or found here to each subscription; in a closed group its own alone, because
    /// others may have been revoked since.
    pub(crate) fn offer(&self, now: Instant, signed: &SignedAdvertisement, is_own: bool, keep_for: Duration) {
        let mut all = self.all();
        all.retain(|watched| is_own || watched.way == Way::Open);
        if all.is_empty() {
            return;
        }
        let signed = Arc::new(signed.clone());
        for watched in all {
            watched.look(|view| view.offer(now, signed.clone(), None, keep_for));
        }
        self.changed.notify_one();
    }

    /// A rendezvous may know less of them than before.
    pub(super) fn ask_again(&self) {
        self.changed.notify_one();
    }

    /// This peer has left the group: its subscriptions there end.
    pub(super) fn end_in(&self, group: &GroupId) {
        let ended = self.in_closed(group);
        self.table.write().retain(|_, watched| watched.way != Way::Closed(*group));
        for watched in ended {
            watched.has_ended.store(true, Ordering::Release);
            watched.reader.wake();
        }
        self.changed.notify_one();
    }

    /// Who is known to be revoked in the closed group is not believed any more. O(what is known).
    pub(super) fn disbelieve_revoked(&self, groups: &Groups, group: &GroupId) {
        for watched in self.in_closed(group) {
            groups.look(group, |known| watched.look(|view| view.disbelieve(|peer| known.has_revoked(peer))));
        }
    }

    fn in_closed(&self, group: &GroupId) -> Vec<Arc<Watched>> {
        let mut all = self.all();
        all.retain(|watched| watched.way == Way::Closed(*group));
        all
    }

    fn all(&self) -> Vec<Arc<Watched>> {
        self.table.read().values().cloned().collect()
    }
}

impl Watched {
    /// Changes the view and wakes the reader.
    fn look<T>(&self, change: impl FnOnce(&mut View) -> T) -> T {
        let result = change(&mut self.view());
        self.reader.wake();
        result
    }

    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn places(&self) -> MutexGuard<'_, HashMap<PeerId, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watching {
    /// Subscribes; what is known here comes first.
    ///
    /// # Errors
    /// [`SubscribeError`].
    pub(crate) fn new(handle: Handle, way: Way, query: DiscoveryQuery) -> Result<Self, SubscribeError> {
        let subscriptions = &handle.shared.subscriptions;
        let number = subscriptions.next_number.fetch_add(1, Ordering::Relaxed);
        DiscoveryRequest::Subscribe { number, query: query.clone() }.encode()?;
        let watched = Arc::new(Watched {
            number,
            way,
            view: Mutex::new(View::new(query.clone())),
            query,
            reader: AtomicWaker::new(),
            places: Mutex::default(),
            has_ended: AtomicBool::new(false),
        });
        let mut table = subscriptions.table.write();
        if table.len() >= SUBSCRIPTIONS_PER_PEER_MAX {
            return Err(SubscribeError::Full { max: SUBSCRIPTIONS_PER_PEER_MAX });
        }
        table.insert(number, watched.clone());
        drop(table);
        let watching = Self { watched, handle };
        // Asked once it is in the table, which who leaves the group looks through.
        if !watching.is_allowed() {
            return Err(SubscribeError::NotMember);
        }
        watching.handle.shared.subscriptions.changed.notify_one();
        Ok(watching)
    }

    /// The next change; `None` when the peer has ended or left the group.
    pub(crate) fn poll_change(&self, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        self.watched.reader.register(cx.waker());
        if self.watched.has_ended.load(Ordering::Acquire) || !self.is_allowed() {
            return Poll::Ready(None);
        }
        let mut view = self.watched.view();
        self.handle.shared.meters.changes_merged.add(view.take_merged());
        match view.poll_change() {
            Some(change) => Poll::Ready(Some(change)),
            None if self.handle.commands.is_closed() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn is_allowed(&self) -> bool {
        match self.watched.way {
            Way::Open => true,
            Way::Closed(group) => self.handle.shared.is_member(&group),
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let subscriptions = &self.handle.shared.subscriptions;
        subscriptions.table.write().remove(&self.watched.number);
        subscriptions.changed.notify_one();
    }
}
