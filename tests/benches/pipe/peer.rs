//! What a peer costs: its start, a question to another one, its memory and that of an open pipe.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use overlay::{BidiPipe, Multiaddr, Peer, PeerGroup, PeerId};
use rendezvous::limits::Limits;
use rendezvous::net::server::Server;
use tests::bench::{Figure, Plan, median, micros_since, wanted};

use super::{PATIENCE, genesis, pipe, runtime};

/// The name of the handler that answers with what it was asked.
pub(crate) const ECHO_HANDLER: &str = "bench-echo";
/// The argument that makes this program one idle leased peer.
const IDLE_PEER: &str = "--idle-peer";

/// A question and its answer on the session beside a round trip over an open pipe; the third column is the pipe again.
pub(crate) async fn resolver_query(plan: Plan, peer: &Peer, group: &PeerGroup, to: PeerId) {
    let name = "resolver_query_p50";
    if !wanted(name) {
        return;
    }
    let mut pipe = group.connect(to, pipe("echo")).await.unwrap();
    let message = Bytes::from(vec![7; 64]);
    let mut figure = Figure::beside(name, "us", "pipe round trip, 64 B");
    for _ in 0..plan.rounds {
        let mut queries = Vec::new();
        let until = Instant::now() + plan.slice;
        while Instant::now() < until {
            let start = Instant::now();
            peer.query(to, &genesis().id(), ECHO_HANDLER, message.clone(), PATIENCE).await.unwrap();
            queries.push(micros_since(start));
        }
        let first = pipe_round_trip(plan, &mut pipe, &message).await;
        let again = pipe_round_trip(plan, &mut pipe, &message).await;
        figure.round(median(&queries), first, again);
    }
    figure.print();
}

async fn pipe_round_trip(plan: Plan, pipe: &mut BidiPipe, message: &Bytes) -> f64 {
    let mut taken = Vec::new();
    let until = Instant::now() + plan.slice;
    while Instant::now() < until {
        let start = Instant::now();
        pipe.send(message.clone()).await.unwrap();
        pipe.recv().await.unwrap().unwrap();
        taken.push(micros_since(start));
    }
    median(&taken)
}

/// Makes the peer of `serve` a rendezvous too.
pub(crate) fn rendezvous_at(peer: &Peer) -> Server {
    Server::spawn(peer, &Limits::default()).unwrap()
}

/// From nothing to the first lease, with the key made and an address listened on.
pub(crate) async fn start_to_leased(plan: Plan, rendezvous: &Multiaddr) {
    if !wanted("start_to_leased_p50") {
        return;
    }
    let mut figure = Figure::alone("start_to_leased_p50", "ms");
    for _ in 0..plan.rounds {
        let start = Instant::now();
        let peer = leased_peer(rendezvous).await;
        figure.measured(micros_since(start) / 1000.0);
        peer.shutdown().await;
    }
    figure.print();
}

async fn leased_peer(rendezvous: &Multiaddr) -> Peer {
    let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
    let peer = Peer::builder().listen(listen).rendezvous(rendezvous.clone()).spawn().await.unwrap();
    peer.wait_leased(PATIENCE).await.unwrap();
    peer
}

/// The memory of a process that is one idle leased peer: all that is resident, most of which are pages of the program
/// itself, and what is its own alone; and how much more is its own with [`PIPES`] idle pipes open.
pub(crate) fn memory(rendezvous: &Multiaddr, to: PeerId) {
    if !["idle_peer_rss", "idle_peer_private", "pipe_open_memory"].into_iter().any(wanted) {
        return;
    }
    let mut resident = Figure::alone("idle_peer_rss", "MB");
    let mut private = Figure::alone("idle_peer_private", "MB");
    let mut pipe = Figure::alone("pipe_open_memory", "KiB");
    for _ in 0..3 {
        let (rss, base) = memory_of(rendezvous, to, 0);
        resident.measured(rss * 1.024 / 1000.0);
        private.measured(base * 1.024 / 1000.0);
        pipe.measured((memory_of(rendezvous, to, PIPES).1 - base) / PIPES as f64);
    }
    [resident, private, pipe].iter().for_each(Figure::print);
}

/// Pipes held open at once: well below what one connection carries.
const PIPES: usize = 500;

/// KiB in a child that is one leased peer with `pipes` open to `to`: resident, and of these its own.
fn memory_of(rendezvous: &Multiaddr, to: PeerId, pipes: usize) -> (f64, f64) {
    let program = std::env::current_exe().unwrap();
    let (rendezvous, to, pipes) = (rendezvous.to_string(), to.to_string(), pipes.to_string());
    let mut child = Ended(
        Command::new(program)
            .args([IDLE_PEER, &rendezvous, &to, &pipes])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut ready = String::new();
    let stdout = child.0.stdout.as_mut().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut ready).unwrap();
    assert_eq!(ready.trim(), "ready");
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.0.id())).unwrap();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    (kib("VmRSS:"), kib("RssAnon:"))
}

/// A child that ends with its measurement.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether this process is the child; then it has been one until its parent was done with it.
pub(crate) fn was_idle_peer() -> bool {
    let args: Vec<_> = std::env::args().skip_while(|arg| arg != IDLE_PEER).collect();
    let [_, rendezvous, to, pipes, ..] = &args[..] else { return false };
    let (rendezvous, to) = (rendezvous.parse().unwrap(), to.parse().unwrap());
    runtime().block_on(async {
        let peer = leased_peer(&rendezvous).await;
        let group = peer.join(&genesis());
        let mut open = Vec::new();
        for _ in 0..pipes.parse().unwrap() {
            open.push(group.connect(to, pipe("echo")).await.unwrap());
        }
        // What the start left behind is let go of, and the first lease is long settled.
        tokio::time::sleep(Duration::from_millis(300)).await;
        println!("ready");
        std::future::pending::<()>().await;
    });
    true
}
