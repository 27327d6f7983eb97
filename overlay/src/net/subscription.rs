//! Subscriptions of this peer: kept at each rendezvous whose lease holds, fed by what those tell.
//!
//! In: subscriptions of handles, leases that begin, notifications. Out: changes for readers. A rendezvous that grants a
//! new lease knows no subscription of before, so each is made again there. Only notifications of a rendezvous that this
//! peer leases from, about a subscription that was made there, are taken; others are refused and counted. Bounds:
//! [`SUBSCRIPTIONS_PER_PEER_MAX`] subscriptions, each with one [`View`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::task::AtomicWaker;
use libp2p::PeerId;
use tokio::sync::{Notify, mpsc, oneshot};

use super::command::Command;
use super::handle::Handle;
use super::lease::Way;
use super::resolver::{Queries, Query};
use super::shared::{Shared, Table};
use crate::advertisement::{DiscoveryQuery, SignedAdvertisement};
use crate::core::{Change, View};
use crate::error::{QueryError, RefuseReason, SubscribeError};
use crate::id::GroupId;
use crate::limits::{
    NEIGHBOUR_LOOK_PERIOD, SUBSCRIBE_RETRY, SUBSCRIPTION_KNOWN_MAX, SUBSCRIPTIONS_PER_PEER_MAX,
};
use crate::protocol::discovery::{self, DiscoveryRequest};
use crate::protocol::notification::{self, Notification};

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
    query: DiscoveryQuery,
    view: Mutex<View>,
    reader: AtomicWaker,
    /// Where it was made, and how that went.
    places: Mutex<HashMap<PeerId, Place>>,
}

/// A subscription at one rendezvous.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Under which of the leases that it has granted.
    grant: u64,
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
    /// Shows an edition that was published or found here to each subscription.
    pub(crate) fn offer(&self, now: Instant, signed: &SignedAdvertisement, keep_for: Duration) {
        let all = self.all();
        if all.is_empty() {
            return;
        }
        let signed = Arc::new(signed.clone());
        for watched in all {
            watched.look(|view| view.offer(now, signed.clone(), None, keep_for));
        }
        self.changed.notify_one();
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
    pub(crate) fn new(handle: Handle, query: DiscoveryQuery) -> Result<Self, SubscribeError> {
        let subscriptions = &handle.shared.subscriptions;
        let number = subscriptions.next_number.fetch_add(1, Ordering::Relaxed);
        DiscoveryRequest::Subscribe { number, query: query.clone() }.encode()?;
        let watched = Arc::new(Watched {
            number,
            view: Mutex::new(View::new(query.clone())),
            query,
            reader: AtomicWaker::new(),
            places: Mutex::default(),
        });
        let mut table = subscriptions.table.write();
        if table.len() >= SUBSCRIPTIONS_PER_PEER_MAX {
            return Err(SubscribeError::Full { max: SUBSCRIPTIONS_PER_PEER_MAX });
        }
        table.insert(number, watched.clone());
        drop(table);
        subscriptions.changed.notify_one();
        Ok(Self { watched, handle })
    }

    /// The next change; `None` when the peer has ended.
    pub(crate) fn poll_change(&self, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        self.watched.reader.register(cx.waker());
        let mut view = self.watched.view();
        self.handle.shared.meters.changes_merged.add(view.take_merged());
        match view.poll_change() {
            Some(change) => Poll::Ready(Some(change)),
            None if self.handle.commands.is_closed() => Poll::Ready(None),
            None => Poll::Pending,
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

/// What a task of [`keep`] ended with.
enum Done {
    /// The subscription at a rendezvous stands, or not.
    Asked { watched: Arc<Watched>, at: PeerId, result: Result<Bytes, QueryError> },
    /// Nothing more to do.
    Told,
}

type Doing = FuturesUnordered<BoxFuture<'static, Done>>;

/// Makes each subscription at each rendezvous that grants a lease, and ends what nobody reads, until the peer ends.
pub(super) async fn keep(shared: Arc<Shared>, commands: mpsc::WeakSender<Command>) {
    let _end = End(shared.clone());
    let mut leases = shared.leases.subscribe();
    let mut made: HashMap<u64, Arc<Watched>> = HashMap::new();
    let doing = Doing::new();
    futures::pin_mut!(doing);
    let mut look_at = Instant::now() + NEIGHBOUR_LOOK_PERIOD;
    loop {
        let now = Instant::now();
        let mut next: Option<Instant> = None;
        let all = shared.subscriptions.all();
        for watched in &all {
            if made.insert(watched.number, watched.clone()).is_none() {
                doing.push(Box::pin(look_here(watched.clone(), commands.clone())));
                doing.push(Box::pin(look_around(shared.clone(), watched.clone(), commands.clone())));
            }
            if watched.view().expire(now) {
                watched.reader.wake();
            }
            let retry_at = make(&shared, watched, now, &doing);
            next = [next, watched.view().poll_timeout(), retry_at].into_iter().flatten().min();
        }
        made.retain(|number, watched| {
            let read = all.iter().any(|one| one.number == *number);
            if !read {
                end(&shared, watched, &doing);
            }
            read
        });
        tokio::select! {
            () = shared.subscriptions.changed.notified() => {}
            changed = leases.changed() => if changed.is_err() { return },
            Some(done) = doing.next() => on_done(&shared, done),
            () = sleep_until(next) => {}
            () = tokio::time::sleep_until(look_at.into()) => {
                look_at = Instant::now() + NEIGHBOUR_LOOK_PERIOD;
                let looks = shared.subscriptions.all().into_iter();
                let looks = looks.map(|watched| look_around(shared.clone(), watched, commands.clone()));
                looks.for_each(|look| doing.push(Box::pin(look)));
            }
        }
    }
}

/// Looks at what neighbours publish, who tell nothing unasked; the cache shows what they answer to all subscriptions.
async fn look_around(
    shared: Arc<Shared>,
    watched: Arc<Watched>,
    commands: mpsc::WeakSender<Command>,
) -> Done {
    if !shared.neighbours.read().is_empty()
        && let Some(commands) = commands.upgrade()
    {
        let query = watched.query.clone().threshold(SUBSCRIPTION_KNOWN_MAX);
        Handle { shared, commands }.find_nearby(Way::Open, &query).count().await;
    }
    Done::Told
}

/// Wakes all readers when the peer ends.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.subscriptions.all().iter().for_each(|watched| watched.reader.wake());
    }
}

/// Shows a new subscription what is known here.
async fn look_here(watched: Arc<Watched>, commands: mpsc::WeakSender<Command>) -> Done {
    let query = watched.query.clone().threshold(SUBSCRIPTION_KNOWN_MAX);
    let (reply, found) = oneshot::channel();
    let Some(commands) = commands.upgrade() else { return Done::Told };
    if commands.send(Command::Find { query, reply }).await.is_ok() {
        let (found, now) = (found.await.unwrap_or_default(), Instant::now());
        watched.look(|view| {
            found.into_iter().for_each(|signed| view.offer(now, signed, None, BELIEVED_HERE));
        });
    }
    Done::Told
}

/// Asks each rendezvous that does not know of `watched`; when to try those again that have refused.
fn make(shared: &Arc<Shared>, watched: &Arc<Watched>, now: Instant, doing: &Doing) -> Option<Instant> {
    let leases = shared.leases.borrow();
    let grant = |at: &PeerId| leases.grants.get(at).copied().unwrap_or_default();
    let mut wanted: Vec<_> = leases.held.iter().map(|at| (*at, grant(at))).collect();
    drop(leases);
    if shared.handlers.has(discovery::HANDLER) {
        wanted.push((shared.id, 0));
    }
    let (mut places, mut next) = (watched.places(), None);
    for (at, grant) in wanted {
        let known = places.get(&at).filter(|known| known.grant == grant);
        if let Some(known) = known.filter(|known| known.retry_at.is_none_or(|retry| retry > now)) {
            next = [next, known.retry_at].into_iter().flatten().min();
            continue;
        }
        places.insert(at, Place { grant, retry_at: None });
        let request = DiscoveryRequest::Subscribe { number: watched.number, query: watched.query.clone() };
        let (shared, watched) = (shared.clone(), watched.clone());
        doing.push(Box::pin(
            async move { Done::Asked { result: ask(&shared, at, &request).await, watched, at } },
        ));
    }
    next
}

/// Ends a subscription wherever it was made. A rendezvous that doesn't hear of it is refused when it next tells.
fn end(shared: &Arc<Shared>, watched: &Watched, doing: &Doing) {
    let request = DiscoveryRequest::Unsubscribe { number: watched.number };
    for at in watched.places().keys().copied() {
        let (shared, request) = (shared.clone(), request.clone());
        doing.push(Box::pin(async move {
            let _ = ask(&shared, at, &request).await;
            Done::Told
        }));
    }
}

async fn ask(shared: &Arc<Shared>, at: PeerId, request: &DiscoveryRequest) -> Result<Bytes, QueryError> {
    let body = Bytes::from(request.encode().map_err(|_| QueryError::Failed)?);
    let net = GroupId::net();
    let asking = async {
        if at == shared.id {
            return shared.handlers.ask(at, net, discovery::HANDLER, body, &shared.meters).await;
        }
        let session = shared.sessions.of(&at).ok_or(QueryError::Closed)?;
        session.ask(net, discovery::HANDLER, body).await
    };
    let after = SUBSCRIBE_RETRY;
    tokio::time::timeout(after, asking).await.unwrap_or(Err(QueryError::TimedOut { after }))
}

fn on_done(shared: &Shared, done: Done) {
    let Done::Asked { watched, at, result: Err(error) } = done else { return };
    tracing::debug!(rendezvous = %at, reason = %error, "subscription failed");
    shared.meters.subscriptions_failed.add(1);
    if let Some(place) = watched.places().get_mut(&at) {
        place.retry_at = Some(Instant::now() + SUBSCRIBE_RETRY);
    }
}

/// Takes in what rendezvous tell, until the peer ends.
pub(super) async fn serve(shared: Arc<Shared>, commands: mpsc::WeakSender<Command>) {
    let Ok(mut queries) = Queries::register(shared.clone(), None, notification::HANDLER) else { return };
    while let Some(query) = queries.recv().await {
        match take_in(&shared, &query) {
            Ok(editions) => {
                shared.subscriptions.changed.notify_one();
                query.reply(Bytes::new());
                if let Some(commands) = commands.upgrade().filter(|_| !editions.is_empty()) {
                    // A peer that has ended needs no memory.
                    let _ = commands.send(Command::Learn { found: editions }).await;
                }
            }
            Err(reason) => {
                shared.meters.notifications_rejected.add(1);
                query.refuse(reason);
            }
        }
    }
}

/// The verified editions of a notification, when its sender may tell them.
fn take_in(shared: &Shared, query: &Query) -> Result<Vec<SignedAdvertisement>, RefuseReason> {
    let notification = Notification::decode(&query.body).map_err(|_| RefuseReason::Malformed)?;
    let from = query.from;
    let leased = from == shared.id || shared.leases.borrow().held.contains(&from);
    let watched = shared.subscriptions.table.read().get(&notification.number).cloned();
    let watched = watched.filter(|watched| leased && watched.places().contains_key(&from));
    let watched = watched.ok_or(RefuseReason::Policy)?;
    let mut editions = Vec::with_capacity(notification.editions.len());
    for envelope in notification.editions {
        match SignedAdvertisement::verify(envelope) {
            Ok(signed) if Some(signed.advertisement().group) == watched.query.group => editions.push(signed),
            _ => shared.meters.advertisements_rejected.add(1),
        }
    }
    let now = Instant::now();
    watched.look(|view| {
        if notification.restart {
            view.restart(from);
        }
        for signed in &editions {
            view.offer(now, Arc::new(signed.clone()), Some(from), signed.lifetime().remote);
        }
        notification.gone.into_iter().for_each(|id| view.gone(id, from));
        if notification.complete {
            view.complete(now, from);
        }
        if notification.cut {
            view.cut();
        }
    });
    Ok(editions)
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// For how long a subscription believes what was found here before it began; rendezvous soon tell whether it is true.
const BELIEVED_HERE: Duration = Duration::from_secs(30);
