//! Makes each subscription where it is to be, ends it there, and looks where nobody tells.
//!
//! In: the subscriptions, leases and places that begin. Out: requests to rendezvous; what neighbours, or members at hand
//! of a closed group, answer. A subscription that is refused is tried again after [`SUBSCRIBE_RETRY`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use libp2p::PeerId;
use tokio::sync::{mpsc, oneshot};

use super::{Place, Watched};
use crate::error::QueryError;
use crate::limits::{FOUND_KEPT_MAX, NEIGHBOUR_LOOK_PERIOD, SUBSCRIBE_RETRY, SUBSCRIPTION_KNOWN_MAX};
use crate::net::closed::Host;
use crate::net::command::Command;
use crate::net::handle::Handle;
use crate::net::lease::Way;
use crate::net::shared::Shared;
use crate::protocol::discovery::DiscoveryRequest;

/// What a task of [`keep`] ended with.
enum Done {
    /// The subscription at a rendezvous stands, or not.
    Asked { watched: Arc<Watched>, at: PeerId, entry: Option<u64>, result: Result<Bytes, QueryError> },
    /// Nothing more to do.
    Told,
}

type Doing = FuturesUnordered<BoxFuture<'static, Done>>;

/// Makes each subscription at each rendezvous that grants a lease, and ends what nobody reads, until the peer ends.
pub(in crate::net) async fn keep(shared: Arc<Shared>, commands: mpsc::WeakSender<Command>) {
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
                doing.push(Box::pin(look_here(shared.id, watched.clone(), commands.clone())));
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

/// Looks at what neighbours or members at hand publish, who tell nothing unasked. The cache shows what neighbours answer
/// to all subscriptions; it holds nothing of closed groups.
async fn look_around(
    shared: Arc<Shared>,
    watched: Arc<Watched>,
    commands: mpsc::WeakSender<Command>,
) -> Done {
    let nobody = watched.way == Way::Open && shared.neighbours.read().is_empty();
    let Some(commands) = commands.upgrade().filter(|_| !nobody) else { return Done::Told };
    let query = watched.query.clone().threshold(SUBSCRIPTION_KNOWN_MAX);
    let mut found = Handle { shared, commands }.find_nearby(watched.way, &query);
    while let Some(page) = found.next().await {
        if watched.way != Way::Open {
            let now = Instant::now();
            watched.look(|view| {
                page.into_iter().for_each(|signed| {
                    view.offer(now, Arc::new(signed), None, FOUND_KEPT_MAX);
                });
            });
        }
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

/// Shows a new subscription what is known here; in a closed group what this peer publishes itself.
async fn look_here(me: PeerId, watched: Arc<Watched>, commands: mpsc::WeakSender<Command>) -> Done {
    let mut query = watched.query.clone().threshold(SUBSCRIPTION_KNOWN_MAX);
    if watched.way != Way::Open && *query.publisher.get_or_insert(me) != me {
        return Done::Told;
    }
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
    let (mut places, mut next) = (watched.places(), None);
    for (at, grant) in hosts_of(shared, watched.way) {
        let entry = entry_at(shared, at, watched.way);
        let known = places.get(&at).filter(|known| known.grant == grant);
        let known = known.filter(|known| known.is_asked || known.entry == entry);
        if let Some(known) = known.filter(|known| known.retry_at.is_none_or(|retry| retry > now)) {
            next = [next, known.retry_at].into_iter().flatten().min();
            continue;
        }
        places.insert(at, Place { grant, entry, is_asked: true, retry_at: None });
        let request = DiscoveryRequest::Subscribe { number: watched.number, query: watched.query.clone() };
        let (shared, watched) = (shared.clone(), watched.clone());
        doing.push(Box::pin(async move {
            let result = ask(&shared, at, watched.way, &request).await;
            // Asking may have entered the closed group there.
            let entry = entry_at(&shared, at, watched.way);
            Done::Asked { watched, at, entry, result }
        }));
    }
    next
}

/// The rendezvous that serve this peer, and how many leases each has granted.
fn hosts_of(shared: &Shared, way: Way) -> Vec<(PeerId, u64)> {
    let leases = shared.leases.borrow();
    let grant = |at: &PeerId| leases.grants.get(at).copied().unwrap_or_default();
    let leased = leases.held.iter().map(|at| (*at, grant(at)));
    leased.chain(shared.handlers.has(way.handler()).then_some((shared.id, 0))).collect()
}

fn host_at(shared: &Shared, at: PeerId) -> Option<Host> {
    if at == shared.id { Some(Host::Own) } else { shared.sessions.of(&at).map(Host::Leased) }
}

/// Which of its places this peer has there in a closed group.
fn entry_at(shared: &Shared, at: PeerId, way: Way) -> Option<u64> {
    match way {
        Way::Open => None,
        Way::Closed(group) => host_at(shared, at)?.entry(shared, &group),
    }
}

/// Ends a subscription wherever it was made. A rendezvous that doesn't hear of it is refused when it next tells; one that
/// serves a closed group is told that this peer has left.
fn end(shared: &Arc<Shared>, watched: &Watched, doing: &Doing) {
    let way = watched.way;
    if matches!(way, Way::Closed(group) if !shared.is_member(&group)) {
        return;
    }
    let request = DiscoveryRequest::Unsubscribe { number: watched.number };
    for at in watched.places().keys().copied() {
        let (shared, request) = (shared.clone(), request.clone());
        doing.push(Box::pin(async move {
            let _ = ask(&shared, at, way, &request).await;
            Done::Told
        }));
    }
}

async fn ask(
    shared: &Arc<Shared>,
    at: PeerId,
    way: Way,
    request: &DiscoveryRequest,
) -> Result<Bytes, QueryError> {
    let body = Bytes::from(request.encode().map_err(|_| QueryError::Failed)?);
    let host = host_at(shared, at).ok_or(QueryError::Closed)?;
    let (asking, after) = (host.ask(shared, way, body), SUBSCRIBE_RETRY);
    tokio::time::timeout(after, asking).await.unwrap_or(Err(QueryError::TimedOut { after }))
}

fn on_done(shared: &Shared, done: Done) {
    let Done::Asked { watched, at, entry, result } = done else { return };
    if let Some(place) = watched.places().get_mut(&at) {
        (place.entry, place.is_asked) = (entry, false);
        place.retry_at = result.is_err().then(|| Instant::now() + SUBSCRIBE_RETRY);
    }
    if let Err(error) = result {
        tracing::debug!(rendezvous = %at, reason = %error, "subscription failed");
        shared.meters.subscriptions_failed.add(1);
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// For how long a subscription believes what was found here before it began; rendezvous soon tell whether it is true.
const BELIEVED_HERE: Duration = Duration::from_secs(30);
