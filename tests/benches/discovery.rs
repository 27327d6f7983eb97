//! `cargo bench -p tests --bench discovery`: queries and insertions in a cache of 100,000 advertisements of 100
//! publishers, under a virtual clock; then the time from `publish` at one edge until another has found it through a
//! rendezvous, and until another that has subscribed is told, over loopback TCP, each of the three on a thread and runtime of its own.

use std::future::Future;
use std::thread;
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use futures::{FutureExt, StreamExt};
use overlay::{
    Advertisement, AdvertisementCache, AdvertisementKind, CacheLimits, Change, DiscoveryQuery, Genesis,
    GroupId, Keypair, Lifetime, Multiaddr, Peer, PeerGroup, SignedAdvertisement,
};
use rendezvous::limits::{Limits, Quota};
use rendezvous::net::server::Server;
use tests::bench::{Figure, Plan, micros_since, quantile};

const HELD: usize = 100_000;
const PUBLISHERS: usize = 100;
/// Rooms that share the advertisements, so that each has a hundred.
const ROOMS: usize = 1_000;
const LOOKUPS: usize = 1_000;
const INSERTIONS: usize = 500;
const PUBLICATIONS: usize = 20;
const PATIENCE: Duration = Duration::from_secs(10);
/// Between the expiries of two advertisements.
const STEP: Duration = Duration::from_millis(1);

fn main() {
    let plan = Plan::from_args("discovery");
    let publishers: Vec<_> = (0..PUBLISHERS).map(|_| Keypair::generate_ed25519()).collect();
    let start = Instant::now();
    let mut cache = filled(start, &publishers);
    let room = |index: usize| index * 7_919 % ROOMS;
    lookups(plan, &cache, start, "discovery_equals_p99", |query, index| {
        query.equals("room", format!("room-{}", room(index)))
    });
    // One in a hundred of these prefixes is that of 11,100 advertisements, the others of 100 or 1,100.
    lookups(plan, &cache, start, "discovery_glob_p99", |query, index| {
        query.glob("name", &format!("room-{}*", room(index)))
    });
    lookups(plan, &cache, start, "discovery_glob_all_p99", |query, _| query.glob("name", "room-*"));
    lookups(plan, &cache, start, "discovery_range_p99", |query, index| {
        let from = room(index) as f64 / ROOMS as f64;
        query.at_least("load", from).below("load", from + 0.001)
    });
    insertions(plan, &mut cache, start, &publishers);
    published_to_found(plan);
    published_to_subscriber(plan);
}

fn group() -> GroupId {
    Genesis::open("bench").id()
}

fn advertisement(index: usize, publishers: &[Keypair]) -> SignedAdvertisement {
    let room = index % ROOMS;
    let mut advertisement = Advertisement::new(AdvertisementKind::Service)
        .key(index.to_string())
        .attribute("name", format!("room-{room}-{index}"))
        .attribute("room", format!("room-{room}"))
        .attribute("load", (index * 7_919 % HELD) as f64 / HELD as f64);
    advertisement.group = group();
    let lifetime = Lifetime::while_alive(Duration::from_secs(3600));
    SignedAdvertisement::sign(advertisement, lifetime, 1, &publishers[index % PUBLISHERS]).unwrap()
}

/// A full cache, and a line about what it takes.
fn filled(start: Instant, publishers: &[Keypair]) -> AdvertisementCache {
    let limits = CacheLimits { total: 2 * HELD, per_publisher: HELD, bytes: usize::MAX };
    let mut cache = AdvertisementCache::new(limits);
    let before = resident_bytes();
    for index in 0..HELD {
        cache.insert(start, advertisement(index, publishers), expiry(index)).unwrap();
    }
    let each = |bytes: usize| bytes / HELD;
    let memory = each(resident_bytes().saturating_sub(before));
    println!("{memory} B of memory per advertisement, {} B of them its signed bytes", each(cache.bytes()));
    cache
}

fn expiry(index: usize) -> Duration {
    Duration::from_secs(60) + STEP * u32::try_from(index).unwrap()
}

fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4096
}

/// Lookups as a group makes them: of one kind, in one group, at most 50 answers.
fn lookups(
    plan: Plan,
    cache: &AdvertisementCache,
    now: Instant,
    name: &'static str,
    with: impl Fn(DiscoveryQuery, usize) -> DiscoveryQuery,
) {
    let fresh = || DiscoveryQuery::new().kind(AdvertisementKind::Service).group(group());
    let queries: Vec<_> = (0..LOOKUPS).map(|index| with(fresh(), index)).collect();
    let mut figure = Figure::alone(name, "us");
    for _ in 0..plan.rounds {
        let times = queries.iter().map(|query| {
            let start = Instant::now();
            let found = cache.find(now, query).len();
            let time = micros_since(start);
            assert_eq!(found, 50, "{query}");
            time
        });
        figure.measured(quantile(&times.collect::<Vec<_>>(), 0.99));
    }
    figure.print();
}

/// Insertions into the full cache, each after the expiry of one.
fn insertions(plan: Plan, cache: &mut AdvertisementCache, start: Instant, publishers: &[Keypair]) {
    let mut figure = Figure::alone("discovery_insert_p50", "us");
    let mut next = HELD;
    for _ in 0..plan.rounds {
        let fresh: Vec<_> = (next..next + INSERTIONS).map(|index| advertisement(index, publishers)).collect();
        let times = fresh.into_iter().map(|signed| {
            let now = start + expiry(next - HELD);
            next += 1;
            let begin = Instant::now();
            let expired = cache.expire(now);
            cache.insert(now, signed, expiry(HELD)).unwrap();
            let time = micros_since(begin);
            assert_eq!((expired, cache.len()), (1, HELD));
            time
        });
        figure.measured(quantile(&times.collect::<Vec<_>>(), 0.5));
    }
    figure.print();
}

/// A rendezvous without quotas, and two edges in one group.
fn edges() -> (PeerGroup, PeerGroup, impl Sized) {
    let (address, server) = on_thread(async {
        let peer = Peer::builder().listen(loopback()).spawn().await.unwrap();
        let mut limits = Limits::default();
        let plenty = Quota { per_second: 1_000_000, burst: 1_000_000 };
        (limits.rate.lookup, limits.rate.publication) = (plenty, plenty);
        limits.index.per_peer_max = 100_000;
        let server = Server::spawn(&peer, &limits).unwrap();
        (peer.addresses().remove(0), (server, peer))
    });
    let (anne, bert) = (on_thread(edge(address.clone())), on_thread(edge(address)));
    let genesis = Genesis::open("bench");
    (anne.join(&genesis), bert.join(&genesis), server)
}

fn fresh(index: usize) -> (String, Advertisement) {
    let name = format!("fresh-{index}");
    let advertisement = Advertisement::new(AdvertisementKind::Service).key(&name).attribute("name", &*name);
    (name, advertisement)
}

fn published_to_found(plan: Plan) {
    let (anne, bert, _server) = edges();
    let lifetime = Lifetime::while_alive(Duration::from_secs(60));
    let mut figure = Figure::alone("discovery_publish_to_found_p99", "us");
    let mut times = Vec::new();
    let asking = async {
        for index in 0..plan.rounds * PUBLICATIONS {
            let (name, advertisement) = fresh(index);
            let query = DiscoveryQuery::new().equals("name", &*name).threshold(1);
            let start = Instant::now();
            let published = anne.publish(advertisement, lifetime).await.unwrap();
            let found = bert.discover(query).next().await.unwrap();
            times.push(micros_since(start));
            assert_eq!(found.id(), published.id);
            anne.withdraw(published.id).await.unwrap();
        }
    };
    runtime().block_on(asking);
    figure.measured(quantile(&times, 0.99));
    figure.print();
}

/// From `publish` until the other edge's subscription tells of it, unasked.
fn published_to_subscriber(plan: Plan) {
    let (anne, bert, _server) = edges();
    let lifetime = Lifetime::while_alive(Duration::from_secs(60));
    let mut figure = Figure::alone("discovery_publish_to_subscriber_p99", "us");
    let mut times = Vec::new();
    let listening = async {
        let mut told = bert.subscribe(DiscoveryQuery::new().kind(AdvertisementKind::Service)).unwrap();
        for index in 0..plan.rounds * PUBLICATIONS {
            let (_, advertisement) = fresh(index);
            let start = Instant::now();
            let publishing = anne.publish(advertisement, lifetime);
            let (published, change) = futures::join!(publishing, told.recv());
            times.push(micros_since(start));
            let id = published.unwrap().id;
            assert!(matches!(change, Some(Change::Added(signed)) if signed.id() == id));
            anne.withdraw(id).await.unwrap();
            assert!(matches!(told.recv().await, Some(Change::Withdrawn(_))));
        }
    };
    runtime().block_on(listening);
    figure.measured(quantile(&times, 0.99));
    figure.print();
}

fn loopback() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/0".parse().unwrap()
}

async fn edge(rendezvous: Multiaddr) -> Peer {
    let peer = Peer::builder().listen(loopback()).rendezvous(rendezvous).spawn().await.unwrap();
    peer.wait_leased(PATIENCE).await.unwrap();
    peer
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// What `start` brings, on a thread whose runtime goes on for as long as the process lives.
fn on_thread<T: Send + 'static>(start: impl Future<Output = T> + Send + 'static) -> T {
    let (ready, started) = oneshot::channel();
    thread::spawn(move || {
        runtime().block_on(async move {
            let _ = ready.send(start.await);
            futures::future::pending::<()>().await;
        });
    });
    futures::executor::block_on(started.map(Result::unwrap))
}
