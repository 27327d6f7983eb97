//! A file never delays a ping by more than its window takes: what is short goes between the pieces of what is long.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use overlay::{GroupId, Multiaddr, Peer, Protocol};
use tests::FaultyLink;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{PATIENCE, group, peer, pipe};

/// Bytes a second of the link, and those that one stream may have on the way.
const RATE: u32 = 2_000_000;
const WINDOW: u32 = 256 * 1024;
/// How often it is measured again at most.
const TRIES: u32 = 20;

/// The median round trip of questions on the session, which pings share.
async fn round_trip(from: &Peer, to: &Peer) -> Duration {
    let mut times = Vec::new();
    for _ in 0..15 {
        let start = Instant::now();
        let unanswered = from.query(to.id(), &GroupId::net(), "nobody", "", PATIENCE).await;
        assert_eq!(unanswered, Err(overlay::QueryError::NoHandler));
        times.push(start.elapsed());
    }
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_on_a_narrow_link_delays_a_ping_by_its_window_at_most() {
    let (anne, bert) = (peer().await, peer().await);
    let address = bert.addresses().remove(0);
    let port = address.iter().find_map(|part| if let Protocol::Tcp(port) = part { Some(port) } else { None });
    let link = FaultyLink::spawn(SocketAddr::from(([127, 0, 0, 1], port.unwrap()))).await;
    link.delay(Duration::from_millis(10));
    link.narrow(RATE);
    let near: Multiaddr = format!("/ip4/127.0.0.1/tcp/{}", link.near.port()).parse().unwrap();
    anne.dial(bert.id(), vec![near], PATIENCE).await.unwrap();
    let quiet = round_trip(&anne, &bert).await;
    let mut listener = group(&bert).bind_stream(pipe("file")).unwrap();
    let mut near = group(&anne).connect_stream(bert.id(), pipe("file")).await.unwrap();
    let mut far = listener.accept().await.unwrap();
    let writing = tokio::spawn(async move { while near.write_all(&[1; 65_536]).await.is_ok() {} });
    let mut buffer = vec![0; 65_536];
    for _ in 0..20 {
        // The link is full before anything is measured.
        assert!(far.read(&mut buffer).await.unwrap() > 0);
    }
    let reading = tokio::spawn(async move { while far.read(&mut buffer).await.is_ok() {} });
    let most = 2 * quiet + Duration::from_secs(1) * WINDOW / RATE;
    // A file that delays pings by more does so whenever they are measured; a busy machine only now and then.
    for (from, to) in [(&anne, &bert), (&bert, &anne)] {
        let mut delayed = round_trip(from, to).await;
        for _ in 0..TRIES {
            if delayed < most {
                break;
            }
            delayed = delayed.min(round_trip(from, to).await);
        }
        println!("quiet {quiet:?}, beside a file {delayed:?}");
        assert!(delayed < most, "{delayed:?} beside a file, {quiet:?} without");
    }
    writing.abort();
    reading.abort();
}
