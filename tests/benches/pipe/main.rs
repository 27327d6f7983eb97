//! `cargo bench -p tests --bench pipe`: round trips and throughput of a bidirectional pipe beside a bare libp2p
//! substream with the same framing and transport; the start and the memory of a peer. Both ends run in one process,
//! each on a thread and runtime of its own; ours and the reference take turns.
//!
//! `-- --quick` is short, `-- --only throughput` chooses figures by a part of their names.
//!
//! What limits one way is the cipher: of a whole run at 1 KiB (ours and the reference, both ends) `perf record` counts
//! 22 % in sealing by ChaCha20-Poly1305 and 22 % in opening, 8 % in copying and clearing memory, 2 % in the pipe's own
//! code with its counted references, and nearly all of the rest in the kernel's TCP. Frames of Yamux have 16 KiB at
//! most, which libp2p lets nobody change; pipes of one connection share its one task and so its one core.

mod peer;
mod streams;

use std::future::Future;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use futures::{StreamExt, channel::oneshot};
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::Stream;
use overlay::{BidiPipe, Genesis, Peer, PeerGroup, PeerId, PipeId};
use tests::bench::{Figure, Plan, median, micros_since, wanted};
use tests::{Bare, DelayedLink};

const ECHO: &str = "/bench/echo/1";
const SINK: &str = "/bench/sink/1";
const PATIENCE: Duration = Duration::from_secs(10);

fn main() {
    if peer::was_idle_peer() {
        return;
    }
    let plan = Plan::from_args("pipe");
    let server = on_thread(serve());
    let (peer, bare) = (server.0, server.1);
    peer::memory(&peer.1, peer.0);
    runtime().block_on(async move {
        let ours = Peer::builder().spawn().await.unwrap();
        ours.dial(peer.0, vec![peer.1.clone()], PATIENCE).await.unwrap();
        let group = ours.join(&genesis());
        // The bare client must dial as well; the server's overlay peer is the only thing that is ours.
        let theirs = Bare::spawn(true).await;
        theirs.dial(&bare.1).await;
        round_trips(plan, &group, peer.0, &theirs, bare.0, ("pipe_rtt_64b_p50", 64)).await;
        round_trips(plan, &group, peer.0, &theirs, bare.0, ("pipe_rtt_1k_p50", 1024)).await;
        throughput(plan, &group, peer.0, &theirs, bare.0, ("pipe_throughput_1k", 1024)).await;
        throughput(plan, &group, peer.0, &theirs, bare.0, ("pipe_throughput_64k", 64 * 1024)).await;
        streams::throughput(plan, &group, peer.0, &theirs, bare.0).await;
        peer::resolver_query(plan, &ours, &group, peer.0).await;
        peer::start_to_leased(plan, &peer.1).await;
        open_round_trips(peer.0, &peer.1).await;
    });
}

fn genesis() -> Genesis {
    Genesis::open("bench")
}

fn pipe(name: &str) -> PipeId {
    PipeId::derive(&genesis().id(), name)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs the servers on a thread of their own for as long as the process lives.
fn on_thread<T: Send + 'static>(
    start: impl Future<Output = (T, futures::future::BoxFuture<'static, ()>)> + Send + 'static,
) -> T {
    let (ready, started) = oneshot::channel();
    thread::spawn(move || {
        runtime().block_on(async move {
            let (what, serving) = start.await;
            let _ = ready.send(what);
            serving.await;
        });
    });
    futures::executor::block_on(started).unwrap()
}

type Where = (PeerId, Multiaddr);

/// An overlay peer and a bare one, both with an echo and a sink.
async fn serve() -> ((Where, Where), futures::future::BoxFuture<'static, ()>) {
    let peer = Peer::builder().listen("/ip4/127.0.0.1/tcp/0".parse().unwrap()).spawn().await.unwrap();
    let bare = Bare::spawn(true).await;
    let group = peer.join(&genesis());
    let mut echoes = group.bind(pipe("echo")).unwrap();
    let mut sinks = group.bind(pipe("sink")).unwrap();
    let (mut bare_echoes, mut bare_sinks) = (bare.accept(ECHO), bare.accept(SINK));
    let server = peer::rendezvous_at(&peer);
    let mut queries = peer.register_handler(peer::ECHO_HANDLER).unwrap();
    let at = ((peer.id(), peer.addresses().remove(0)), (bare.id, bare.address.clone()));
    let serving = async move {
        let _alive = (peer, bare, server);
        loop {
            tokio::select! {
                Some(query) = queries.recv() => {
                    let body = query.body.clone();
                    query.reply(body);
                }
                Some(pipe) = echoes.accept() => drop(tokio::spawn(echo(pipe))),
                Some(pipe) = sinks.accept() => drop(tokio::spawn(sink(pipe))),
                Some((_, stream)) = bare_echoes.next() => drop(tokio::spawn(bare_echo(stream))),
                Some((_, stream)) = bare_sinks.next() => drop(tokio::spawn(bare_sink(stream))),
            }
        }
    };
    (at, Box::pin(serving))
}

async fn echo(mut pipe: BidiPipe) {
    while let Ok(Some(message)) = pipe.recv().await {
        if pipe.send(message).await.is_err() {
            return;
        }
    }
}

/// Answers an empty message, which ends a slice, so that the sender knows that all before it has come.
async fn sink(mut pipe: BidiPipe) {
    while let Ok(Some(message)) = pipe.recv().await {
        if message.is_empty() && pipe.send(Bytes::new()).await.is_err() {
            return;
        }
    }
}

async fn bare_echo(stream: Stream) {
    let (read, write) = stream.split();
    let (mut read, mut write) =
        (BufReader::with_capacity(16 * 1024, read), BufWriter::with_capacity(64 * 1024, write));
    let mut message = Vec::new();
    while read_frame(&mut read, &mut message).await {
        write_frame(&mut write, &message).await;
        write.flush().await.unwrap();
    }
}

async fn bare_sink(stream: Stream) {
    let (read, mut write) = stream.split();
    let mut read = BufReader::with_capacity(64 * 1024, read);
    let mut message = Vec::new();
    while read_frame(&mut read, &mut message).await {
        if message.is_empty() {
            write_frame(&mut write, &message).await;
            write.flush().await.unwrap();
        }
    }
}

async fn read_frame(read: &mut (impl AsyncRead + Unpin), message: &mut Vec<u8>) -> bool {
    let Ok(len) = unsigned_varint::aio::read_usize(&mut *read).await else { return false };
    message.resize(len, 0);
    read.read_exact(message).await.is_ok()
}

async fn write_frame(write: &mut (impl AsyncWrite + Unpin), message: &[u8]) {
    let mut buffer = unsigned_varint::encode::usize_buffer();
    write.write_all(unsigned_varint::encode::usize(message.len(), &mut buffer)).await.unwrap();
    write.write_all(message).await.unwrap();
}

async fn round_trips(
    plan: Plan,
    group: &PeerGroup,
    to: PeerId,
    bare: &Bare,
    bare_to: PeerId,
    (name, bytes): (&'static str, usize),
) {
    if !wanted(name) {
        return;
    }
    let mut pipe = group.connect(to, pipe("echo")).await.unwrap();
    let (read, write) = bare.open(bare_to, ECHO).await.split();
    let (mut read, mut write) =
        (BufReader::with_capacity(16 * 1024, read), BufWriter::with_capacity(64 * 1024, write));
    let message = Bytes::from(vec![7; bytes]);
    let mut figure = Figure::beside(name, "us", "libp2p substream");
    for _ in 0..plan.rounds {
        let mut ours = Vec::new();
        let until = Instant::now() + plan.slice;
        while Instant::now() < until {
            let start = Instant::now();
            pipe.send(message.clone()).await.unwrap();
            pipe.recv().await.unwrap().unwrap();
            ours.push(micros_since(start));
        }
        let mut theirs = [Vec::new(), Vec::new()];
        for slice in &mut theirs {
            let mut answer = Vec::new();
            let until = Instant::now() + plan.slice;
            while Instant::now() < until {
                let start = Instant::now();
                write_frame(&mut write, &message).await;
                write.flush().await.unwrap();
                assert!(read_frame(&mut read, &mut answer).await);
                slice.push(micros_since(start));
            }
        }
        figure.round(median(&ours), median(&theirs[0]), median(&theirs[1]));
    }
    figure.print();
}

async fn throughput(
    plan: Plan,
    group: &PeerGroup,
    to: PeerId,
    bare: &Bare,
    bare_to: PeerId,
    (name, bytes): (&'static str, usize),
) {
    if !wanted(name) {
        return;
    }
    let mut pipe = group.connect(to, pipe("sink")).await.unwrap();
    let (mut read, write) = bare.open(bare_to, SINK).await.split();
    let mut write = BufWriter::with_capacity(64 * 1024, write);
    let message = Bytes::from(vec![7; bytes]);
    let mut figure = Figure::beside(name, "1/s", "libp2p substream, 64 KiB buffer");
    for _ in 0..plan.rounds {
        let ours = ours_per_second(plan, &mut pipe, &message).await;
        let mut theirs = [0.0; 2];
        for rate in &mut theirs {
            *rate = theirs_per_second(plan, &mut read, &mut write, &message).await;
        }
        figure.round(ours, theirs[0], theirs[1]);
    }
    figure.print();
}

/// Messages a second through a pipe to a sink, counted when it has them all.
async fn ours_per_second(plan: Plan, pipe: &mut BidiPipe, message: &Bytes) -> f64 {
    let (start, mut sent) = (Instant::now(), 0u32);
    while start.elapsed() < plan.slice {
        for _ in 0..16 {
            pipe.feed(message.clone()).await.unwrap();
            sent += 1;
        }
    }
    pipe.send(Bytes::new()).await.unwrap();
    pipe.recv().await.unwrap().unwrap();
    f64::from(sent) / start.elapsed().as_secs_f64()
}

/// The same through a bare substream.
async fn theirs_per_second(
    plan: Plan,
    read: &mut (impl AsyncRead + Unpin),
    write: &mut (impl AsyncWrite + Unpin),
    message: &Bytes,
) -> f64 {
    let (start, mut sent, mut answer) = (Instant::now(), 0u32, Vec::new());
    while start.elapsed() < plan.slice {
        for _ in 0..16 {
            write_frame(&mut *write, message).await;
            sent += 1;
        }
    }
    write_frame(&mut *write, &[]).await;
    write.flush().await.unwrap();
    assert!(read_frame(&mut *read, &mut answer).await);
    f64::from(sent) / start.elapsed().as_secs_f64()
}

/// Opens over a link of 50 ms there and back: how many of those pass until the echo of the first message is back.
async fn open_round_trips(to: PeerId, address: &Multiaddr) {
    const ROUND_TRIP: Duration = Duration::from_millis(50);
    if !wanted("pipe_open_first_message_round_trips") {
        return;
    }
    let port = address
        .iter()
        .find_map(|part| if let Protocol::Tcp(port) = part { Some(port) } else { None })
        .unwrap();
    let link = DelayedLink::spawn(SocketAddr::from(([127, 0, 0, 1], port)), ROUND_TRIP / 2).await;
    let near = format!("/ip4/127.0.0.1/tcp/{}/p2p/{to}", link.near.port()).parse().unwrap();
    let peer = Peer::builder().spawn().await.unwrap();
    peer.dial(to, vec![near], PATIENCE).await.unwrap();
    let group = peer.join(&genesis());
    let mut figure = Figure::alone("pipe_open_first_message_round_trips", "1");
    for _ in 0..12 {
        let start = Instant::now();
        let first = Some(Bytes::from_static(b"first"));
        let mut pipe = group.connect_with(to, pipe("echo"), first, PATIENCE).await.unwrap();
        pipe.recv().await.unwrap().unwrap();
        figure.measured(start.elapsed().as_secs_f64() / ROUND_TRIP.as_secs_f64());
    }
    figure.print();
}
