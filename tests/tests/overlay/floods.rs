//! Floods by a real hostile peer, and what honest peers feel of them.
//!
//! Method: the victim and an honest friend live on a runtime of their own, the flooder on another, and a bystander,
//! a peer like the victim, on a third. A round measures round trips over a pipe and queries between friend and victim
//! twice, in turns: while the flooder sends its bytes to the bystander, and while it sends the same to the victim. So
//! the machine is as busy both times, and what differs is what the victim lets the flooder take from others. The
//! judgement is the median over the rounds of the ratio of their medians, at most 2: while it is more, there are more
//! rounds, up to a bound, since what else runs on a machine spoils some rounds, and what a flood takes all of them. The
//! ratio of their 99th percentiles, which a noisy machine moves much, is shown (`--nocapture`) and not judged. What an offender may do
//! before it is slowed down or banned is spent before the first round. The flood lasts as long as a measurement.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::AsyncWriteExt;
use libp2p::Multiaddr;
use overlay::{BidiPipe, GroupId, Peer};
use tests::bench::{median, quantile};
use tests::{Bare, scaled};
use tokio::runtime::Runtime;

use crate::hostile::frame;
use crate::world::{PATIENCE, becomes, connect, meter, peer};

const SESSION: &str = "/juxta/session/1";
const PIPE: &str = "/juxta/pipe/1";

/// One flood at a time: they would measure each other.
static ALONE: Mutex<()> = Mutex::new(());

/// What a flooder sends.
#[derive(Debug, Clone, Copy)]
enum Flood {
    /// The same frames again and again, over a session that it opened and greeted on.
    Session(fn(u64) -> Vec<u8>),
    /// Opens pipes that nobody has bound, and doesn't wait for the answers.
    Opens,
    /// Connects by TCP and says nothing that is understood.
    Connections,
    /// Connects with a new identity each time.
    Handshakes,
}

/// What honest peers feel, in microseconds: the median and the 99th percentile over a pipe and of queries.
type Felt = [f64; 4];

const FELT: [&str; 4] = ["pipe p50", "pipe p99", "query p50", "query p99"];

/// A 99th percentile of so few is the machine's as much as ours: it is shown, not judged.
const JUDGED: [usize; 2] = [0, 2];

/// How many times as many rounds there are at most, on a machine that spoils them.
const ROUNDS_MORE: u32 = 12;

/// The victim and its friend, the flooder, and the bystander, each on threads of their own.
struct Arena {
    honest: Runtime,
    hostile: Runtime,
    _other: Runtime,
    victim: Peer,
    friend: Peer,
    bystander: Peer,
    pipe: BidiPipe,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A peer that answers the queries for "oracle".
async fn oracle() -> Peer {
    let peer = peer().await;
    let mut questions = peer.register_handler("oracle").unwrap();
    tokio::spawn(async move {
        while let Some(question) = questions.recv().await {
            question.reply("yes");
        }
    });
    peer
}

impl Arena {
    fn new() -> Self {
        let (honest, hostile, other) = (runtime(), runtime(), runtime());
        let bystander = other.block_on(oracle());
        let (victim, friend, pipe) = honest.block_on(async {
            let (victim, friend) = (oracle().await, peer().await);
            let (near, mut far) = connect(&friend, &victim, "echo").await;
            tokio::spawn(async move {
                while let Ok(Some(message)) = far.recv().await {
                    if far.send(message).await.is_err() {
                        return;
                    }
                }
            });
            (victim, friend, near)
        });
        Self { honest, hostile, _other: other, victim, friend, bystander, pipe }
    }

    /// What the friend feels, while `target` is flooded, or nobody.
    fn feel(&mut self, flooded: Option<(Flood, Peer)>) -> Felt {
        let sent = Arc::new(AtomicU64::new(0));
        let flooding = flooded.map(|(flood, target)| {
            let (sent, address) = (sent.clone(), target.addresses().remove(0));
            let id = target.id();
            let task = self.hostile.spawn(async move { run(flood, id, &address, &sent).await });
            (task, target)
        });
        let (friend, victim, pipe) = (&self.friend, &self.victim, &mut self.pipe);
        self.honest.block_on(async {
            if flooding.is_some() {
                becomes("the flood does not begin", || sent.load(Ordering::Relaxed) >= 3).await;
            }
            let felt = probe(friend, victim, pipe).await;
            if let Some((task, target)) = flooding {
                task.abort();
                let _ = task.await;
                // The next measurement begins when nothing is left of the flood.
                let left = if target.id() == victim.id() { 1 } else { 0 };
                becomes("the flood does not end", || meter(&target, "connections") <= left).await;
            }
            felt
        })
    }

    /// How much more the friend feels when the victim is flooded, than when the bystander is.
    fn judge(mut self, name: &str, flood: Flood) -> Peer {
        let (mut ratios, mut quiets) = (vec![Vec::new(); 4], vec![Vec::new(); 4]);
        self.feel(None);
        // What an offender may do before it is slowed down and banned is bounded, and spent here.
        self.feel(Some((flood, self.victim.clone())));
        for round in 0..scaled(60) * ROUNDS_MORE {
            if round >= scaled(60) && JUDGED.iter().all(|felt| median(&ratios[*felt]) <= 2.0) {
                break;
            }
            let quiet = self.feel(None);
            let (control, attack) = if round % 2 == 0 {
                let control = self.feel(Some((flood, self.bystander.clone())));
                (control, self.feel(Some((flood, self.victim.clone()))))
            } else {
                let attack = self.feel(Some((flood, self.victim.clone())));
                (self.feel(Some((flood, self.bystander.clone()))), attack)
            };
            for felt in 0..4 {
                ratios[felt].push(attack[felt] / control[felt]);
                quiets[felt].push(attack[felt] / quiet[felt]);
            }
        }
        for (felt, what) in FELT.iter().enumerate() {
            let (ratio, quiet) = (median(&ratios[felt]), median(&quiets[felt]));
            println!("{name}: {what} {ratio:.2} of a flooded bystander's, {quiet:.2} of quiet");
            assert!(
                !JUDGED.contains(&felt) || ratio <= 2.0,
                "{name}: {what} is {ratio:.2} × what it is beside the flood: {ratios:?}"
            );
        }
        assert_eq!(meter(&self.victim, "task_panics"), 0);
        self.victim.clone()
    }
}

async fn probe(friend: &Peer, victim: &Peer, pipe: &mut BidiPipe) -> Felt {
    let (mut messages, mut queries) = (Vec::new(), Vec::new());
    for _ in 0..300 {
        let start = Instant::now();
        pipe.send(vec![7; 64]).await.unwrap();
        pipe.recv().await.unwrap().expect("the pipe ended");
        messages.push(start.elapsed().as_secs_f64() * 1e6);
        let start = Instant::now();
        let answer = friend.query(victim.id(), &GroupId::net(), "oracle", "?", PATIENCE).await;
        assert_eq!(answer.as_deref(), Ok(&b"yes"[..]));
        queries.push(start.elapsed().as_secs_f64() * 1e6);
    }
    [median(&messages), quantile(&messages, 0.99), median(&queries), quantile(&queries, 0.99)]
}

/// Floods until it is stopped; cut off, it comes again, as somebody else.
async fn run(flood: Flood, target: overlay::PeerId, address: &Multiaddr, sent: &AtomicU64) {
    loop {
        match flood {
            Flood::Session(frames) => drop(shout(frames, target, address, sent).await),
            Flood::Opens => drop(open_pipes(target, address, sent).await),
            Flood::Connections => drop(knock(address).await),
            Flood::Handshakes => {
                let enemy = Bare::spawn(true).await;
                enemy.try_dial(address).await;
            }
        }
        sent.fetch_add(1, Ordering::Relaxed);
        // Who is refused at once knocks again a thousand times a second, and does not spin on the honest peers'
        // processor.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn shout(
    frames: fn(u64) -> Vec<u8>,
    target: overlay::PeerId,
    address: &Multiaddr,
    sent: &AtomicU64,
) -> Option<()> {
    let enemy = Bare::spawn(true).await;
    enemy.try_dial(address).await.then_some(())?;
    let mut stream = enemy.try_open(target, SESSION).await?;
    stream.write_all(&frame(&[1, 1, 0, 0])).await.ok()?;
    for round in 0.. {
        sent.fetch_add(1, Ordering::Relaxed);
        if stream.write_all(&frames(round)).await.is_err() {
            return None;
        }
    }
    None
}

async fn open_pipes(target: overlay::PeerId, address: &Multiaddr, sent: &AtomicU64) -> Option<()> {
    let enemy = Bare::spawn(true).await;
    enemy.try_dial(address).await.then_some(())?;
    let header = [&[1, 0][..], &[9; 80]].concat();
    let mut open = std::collections::VecDeque::new();
    loop {
        let mut stream = enemy.try_open(target, PIPE).await?;
        stream.write_all(&frame(&header)).await.ok()?;
        stream.flush().await.ok()?;
        open.push_back(stream);
        if open.len() > 64 {
            open.pop_front();
        }
        sent.fetch_add(1, Ordering::Relaxed);
    }
}

async fn knock(address: &Multiaddr) -> Option<()> {
    use libp2p::multiaddr::Protocol;
    use tokio::io::AsyncWriteExt as _;
    let port = address.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    })?;
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream.write_all(b"\x13/multistream/1.0.0\n\x07/noise\n").await.ok()?;
    stream.write_all(&[7; 300]).await.ok()
}

fn judge(name: &str, flood: Flood) -> Peer {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    Arena::new().judge(name, flood)
}

fn query(number: u64) -> Vec<u8> {
    let number = [&[253][..], &number.to_le_bytes()].concat();
    let head = [vec![1, 2, 0], number, GroupId::net().as_bytes().to_vec()].concat();
    frame(&[&head[..], &[6], b"oracle", &[0, 0]].concat())
}

#[test]
fn a_flood_of_queries_is_not_felt_by_others() {
    let victim =
        judge("queries", Flood::Session(|round| (0..500).flat_map(|i| query(500 * round + i)).collect()));
    assert!(meter(&victim, "queries_in") > 0);
}

#[test]
fn a_flood_of_queries_and_cancels_is_not_felt_by_others() {
    judge(
        "queries and cancels",
        Flood::Session(|round| {
            (0..500)
                .flat_map(|i| {
                    let number = [&[253][..], &(500 * round + i).to_le_bytes()].concat();
                    [query(500 * round + i), frame(&[&[1, 8, 0][..], &number, &[0]].concat())].concat()
                })
                .collect()
        }),
    );
}

#[test]
fn a_flood_of_cancels_of_nothing_is_not_felt_by_others() {
    let victim = judge("cancels", Flood::Session(|_| frame(&[1, 8, 0, 7, 0]).repeat(5000)));
    assert!(meter(&victim, "queries_unknown") > 0);
}

#[test]
fn a_flood_of_pings_is_not_felt_by_others() {
    judge("pings", Flood::Session(|_| frame(&[1, 4, 0, 7, 0]).repeat(5000)));
}

#[test]
fn a_flood_of_unknown_frames_is_not_felt_by_others() {
    let victim = judge("unknown frames", Flood::Session(|_| frame(&[1, 77, 0, 1, 2, 3]).repeat(5000)));
    assert!(meter(&victim, "session_unknown_kinds") > 0);
}

#[test]
fn a_flood_of_answers_to_nothing_is_not_felt_by_others() {
    let victim = judge("answers", Flood::Session(|_| frame(&[1, 3, 0, 0, 0, 0, 0, 0]).repeat(5000)));
    assert!(meter(&victim, "answers_unmatched") > 0);
}

#[test]
fn a_flood_of_garbage_is_not_felt_by_others() {
    let victim = judge("garbage", Flood::Session(|_| vec![0xff; 1 << 16]));
    assert!(meter(&victim, "session_garbage") > 0);
}

#[test]
fn a_flood_of_pipe_opens_is_not_felt_by_others() {
    judge("opens", Flood::Opens);
}

#[test]
fn a_flood_of_connections_is_not_felt_by_others() {
    judge("connections", Flood::Connections);
}

#[test]
fn a_flood_of_handshakes_is_not_felt_by_others() {
    judge("handshakes", Flood::Handshakes);
}
