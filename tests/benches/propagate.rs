//! `cargo bench -p tests --bench propagate`: 1 KiB from one to 32 members, all in one process, beside a bare libp2p
//! substream to each of 32, behind a buffer of 64 KiB with the same framing; ours and the reference take turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter, WriteHalf};
use libp2p::swarm::Stream;
use overlay::{Genesis, Peer, PipeId, PropagatePipe, PropagateSender, Propagated};
use tests::Bare;
use tests::bench::{Figure, Plan, quantile};
use tokio::sync::{Notify, mpsc};

const MEMBERS: usize = 32;
const BYTES: usize = 1024;
/// Messages that are sent in one flush, and that may be on their way.
const BATCH: u64 = 16;
const WINDOW: u64 = 256;
const SINK: &str = "/bench/propagate/1";
const PATIENCE: Duration = Duration::from_secs(10);

fn main() {
    let plan = Plan::from_args("propagate");
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async move {
        let (mut ours, mut theirs) = (Ours::new().await, Theirs::new().await);
        let mut rate = Figure::beside("propagate_32_deliveries", "1/s", "libp2p substream to each");
        let mut p99 = Figure::beside("propagate_32_p99", "us", "libp2p substream to each");
        let mut lost = Figure::alone("propagate_32_lost", "1");
        for _ in 0..plan.rounds {
            let mine = ours.measure(plan.slice).await;
            let (reference, again) = (theirs.measure(plan.slice).await, theirs.measure(plan.slice).await);
            rate.round(mine.rate, reference.rate, again.rate);
            p99.round(mine.p99, reference.p99, again.p99);
            lost.measured(mine.lost);
        }
        rate.print();
        p99.print();
        lost.print();
    });
}

/// What came of one slice.
struct Measured {
    rate: f64,
    p99: f64,
    lost: f64,
}

/// What the receivers report: how many messages came, and how long each took.
#[derive(Clone)]
struct Counting {
    start: Instant,
    came: Arc<AtomicU64>,
    progress: Arc<Notify>,
    took: mpsc::UnboundedSender<f64>,
}

impl Counting {
    fn new() -> (Self, mpsc::UnboundedReceiver<f64>) {
        let (took, times) = mpsc::unbounded_channel();
        (Self { start: Instant::now(), came: Arc::default(), progress: Arc::default(), took }, times)
    }

    /// A message: when it is sent stands in it.
    fn message(&self) -> Vec<u8> {
        let mut body = vec![7; BYTES];
        let now = u64::try_from(self.start.elapsed().as_nanos()).unwrap();
        body[..8].copy_from_slice(&now.to_le_bytes());
        body
    }

    fn comes(&self, body: &[u8]) {
        let sent = u64::from_le_bytes(body[..8].try_into().unwrap());
        let now = u64::try_from(self.start.elapsed().as_nanos()).unwrap();
        self.took.send((now - sent) as f64 / 1e3).unwrap();
        self.came.fetch_add(1, Ordering::Relaxed);
        self.progress.notify_one();
    }

    /// Waits until no more than `left` of `sent` messages are on their way; whether that was so in time.
    async fn until(&self, sent: u64, left: u64) -> bool {
        let arrived = async {
            while self.came.load(Ordering::Relaxed) + left * MEMBERS as u64 <= sent * MEMBERS as u64
                && self.came.load(Ordering::Relaxed) < sent * MEMBERS as u64
            {
                self.progress.notified().await;
            }
        };
        tokio::time::timeout(PATIENCE, arrived).await.is_ok()
    }

    fn measured(&self, sent: u64, start: Instant, times: &mut mpsc::UnboundedReceiver<f64>) -> Measured {
        let came = self.came.swap(0, Ordering::Relaxed);
        let rate = came as f64 / start.elapsed().as_secs_f64();
        let mut took = Vec::new();
        while let Ok(time) = times.try_recv() {
            took.push(time);
        }
        let lost = (sent * MEMBERS as u64) as f64 - came as f64;
        Measured { rate, p99: quantile(&took, 0.99), lost }
    }
}

struct Ours {
    counting: Counting,
    times: mpsc::UnboundedReceiver<f64>,
    sender: PropagateSender,
    _peer: Peer,
}

impl Ours {
    async fn new() -> Self {
        let (counting, times) = Counting::new();
        let (peer, pipe) = member(None).await;
        let mut others = Vec::new();
        for _ in 0..MEMBERS {
            others.push(member(Some(&peer)).await);
        }
        for (_, other) in &others {
            other.wait_members(MEMBERS).await;
        }
        pipe.wait_members(MEMBERS).await;
        for (peer, mut pipe) in others {
            let counting = counting.clone();
            tokio::spawn(async move {
                let _alive = peer;
                while let Some(came) = pipe.recv().await {
                    if let Propagated::Message(message) = came {
                        counting.comes(&message.body);
                    }
                }
            });
        }
        Self { counting, times, sender: pipe.split().0, _peer: peer }
    }

    async fn measure(&mut self, slice: Duration) -> Measured {
        let (start, mut sent) = (Instant::now(), 0);
        while start.elapsed() < slice && self.counting.until(sent, WINDOW).await {
            for _ in 0..BATCH {
                self.sender.feed(self.counting.message()).await.unwrap();
            }
            self.sender.flush().await.unwrap();
            sent += BATCH;
        }
        self.counting.until(sent, 0).await;
        self.counting.measured(sent, start, &mut self.times)
    }
}

async fn member(first: Option<&Peer>) -> (Peer, PropagatePipe) {
    let peer = Peer::builder().listen("/ip4/127.0.0.1/tcp/0".parse().unwrap()).spawn().await.unwrap();
    if let Some(first) = first {
        peer.dial(first.id(), first.addresses(), PATIENCE).await.unwrap();
    }
    let genesis = Genesis::open("bench");
    let pipe = peer.join(&genesis).propagate_pipe(PipeId::derive(&genesis.id(), "all")).unwrap();
    (peer, pipe)
}

struct Theirs {
    counting: Counting,
    times: mpsc::UnboundedReceiver<f64>,
    /// One task a substream, as each may be slow by itself.
    writers: Vec<mpsc::Sender<Vec<Bytes>>>,
    _sender: Bare,
}

impl Theirs {
    async fn new() -> Self {
        let (counting, times) = Counting::new();
        let (sender, mut writers) = (Bare::spawn(true).await, Vec::new());
        for _ in 0..MEMBERS {
            let member = Bare::spawn(true).await;
            let mut streams = member.accept(SINK);
            sender.dial(&member.address).await;
            let (read, write) = sender.open(member.id, SINK).await.split();
            drop(read);
            let (queue, batches) = mpsc::channel(WINDOW as usize);
            tokio::spawn(write_all(write, batches));
            writers.push(queue);
            let counting = counting.clone();
            tokio::spawn(async move {
                let _alive = &member;
                let (_, stream) = streams.next().await.unwrap();
                let mut read = BufReader::with_capacity(64 * 1024, stream);
                let mut message = Vec::new();
                while let Ok(len) = unsigned_varint::aio::read_usize(&mut read).await {
                    message.resize(len, 0);
                    if read.read_exact(&mut message).await.is_err() {
                        return;
                    }
                    counting.comes(&message);
                }
            });
        }
        Self { counting, times, writers, _sender: sender }
    }

    async fn measure(&mut self, slice: Duration) -> Measured {
        let (start, mut sent) = (Instant::now(), 0);
        while start.elapsed() < slice && self.counting.until(sent, WINDOW).await {
            let batch: Vec<Bytes> = (0..BATCH).map(|_| self.counting.message().into()).collect();
            for writer in &self.writers {
                writer.send(batch.clone()).await.unwrap();
            }
            sent += BATCH;
        }
        self.counting.until(sent, 0).await;
        self.counting.measured(sent, start, &mut self.times)
    }
}

async fn write_all(write: WriteHalf<Stream>, mut batches: mpsc::Receiver<Vec<Bytes>>) {
    let mut write = BufWriter::with_capacity(64 * 1024, write);
    while let Some(batch) = batches.recv().await {
        for message in batch {
            let mut buffer = unsigned_varint::encode::usize_buffer();
            write.write_all(unsigned_varint::encode::usize(message.len(), &mut buffer)).await.unwrap();
            write.write_all(&message).await.unwrap();
        }
        write.flush().await.unwrap();
    }
}
