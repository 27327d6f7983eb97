//! What management costs the application on a narrow link: round trips of a small message while a backlog is replayed.
//!
//! A peer and its manager behind one link of 512 kbit/s. Over it goes an echo of the application each 20 ms, and what
//! the agent's spool holds for the manager: not at all, at the default pace, and without one, each round anew.

use std::time::{Duration, Instant};

use bytes::Bytes;
use mgmt_service::ManagePolicy;
use mgmt_service::arm::{Application, Transaction, TransactionDefinition};
use mgmt_service::jmx::{AttributeValue, BeanServer};
use mgmt_service::net::ManagementAgent;
use mgmt_service::protocol::{DictionaryReader, FromAgent, FromManager, Terms, pipe_id};
use mgmt_service::subscription::Pace;
use overlay::{BidiPipe, Multiaddr, Peer, PeerId, PipeId, Protocol};
use tests::bench::{Figure, Plan, micros_since, quantile};
use tests::{FaultyLink, PATIENCE};

const LINK_BYTES_PER_S: u32 = 64 * 1024;
const ONE_WAY: Duration = Duration::from_millis(10);
const ECHO_PERIOD: Duration = Duration::from_millis(20);
/// Records of the backlog, so many that no round sees its end.
const BACKLOG: u64 = 100 * 1024;

/// Prints the figures.
pub(crate) fn run(plan: Plan) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(plan));
}

async fn measure(plan: Plan) {
    let quiet = "no replay";
    let mut paced_p50 = Figure::beside("management_yield_rtt_p50", "us", quiet);
    let mut paced_p99 = Figure::beside("management_yield_rtt_p99", "us", quiet);
    let mut free_p50 = Figure::beside("management_unpaced_rtt_p50", "us", quiet);
    let mut free_p99 = Figure::beside("management_unpaced_rtt_p99", "us", quiet);
    let mut paced_rate = Figure::beside("management_yield_push_rate", "B/s", "without a pace");
    let slice = plan.slice * 5;
    let world = World::new().await;
    for round in 0..(plan.rounds as u64 / 3) {
        let mut quantiles = Vec::new();
        let mut rates = Vec::new();
        for (mode, pace) in [None, Some(Some(Pace::default())), Some(None), None].into_iter().enumerate() {
            let (times, rate) = world.round(round * 4 + mode as u64, pace, slice).await;
            quantiles.push([quantile(&times, 0.5), quantile(&times, 0.99)]);
            rates.push(rate);
        }
        let [before, paced, free, after] = quantiles[..] else { unreachable!("four modes") };
        paced_p50.round(paced[0], before[0], after[0]);
        paced_p99.round(paced[1], before[1], after[1]);
        free_p50.round(free[0], before[0], after[0]);
        free_p99.round(free[1], before[1], after[1]);
        paced_rate.round(rates[1], rates[2], rates[2]);
    }
    for figure in [paced_p50, paced_p99, free_p50, free_p99, paced_rate] {
        figure.print();
    }
}

struct World {
    _directory: tempfile::TempDir,
    _link: FaultyLink,
    peer: Peer,
    agent: ManagementAgent,
    beans: BeanServer,
    ping: Transaction,
    buddies: Vec<PeerId>,
    manager: Peer,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listen: Multiaddr = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
        let peer = Peer::builder().listen(listen).spawn().await.unwrap();
        let application = Application::new(peer.id(), [7; 32]);
        let ping = application.define(TransactionDefinition::new("presence.ping", PATIENCE)).unwrap();
        let beans = BeanServer::new();
        let agent = ManagementAgent::spawn_spooled(
            &peer,
            "peer",
            Some(application),
            beans.clone(),
            ManagePolicy::Open,
            Some(directory.path().to_owned()),
        );
        let address = peer.addresses().remove(0);
        let port =
            address.iter().find_map(|part| if let Protocol::Tcp(port) = part { Some(port) } else { None });
        let link = FaultyLink::spawn(([127, 0, 0, 1], port.unwrap()).into()).await;
        let manager = Peer::builder().spawn().await.unwrap();
        let near = format!("/ip4/127.0.0.1/tcp/{}", link.near.port()).parse().unwrap();
        manager.dial(peer.id(), vec![near], PATIENCE).await.unwrap();
        link.delay(ONE_WAY);
        link.narrow(LINK_BYTES_PER_S);
        let (agent, buddies) = (agent.unwrap(), (0..100).map(|_| PeerId::random()).collect());
        Self { _directory: directory, _link: link, peer, agent, beans, ping, buddies, manager }
    }

    /// Round trips of the application, in microseconds, and bytes a second of the batches that came meanwhile.
    async fn round(&self, number: u64, pace: Option<Option<Pace>>, slice: Duration) -> (Vec<f64>, f64) {
        let Some(pace) = pace else { return (self.echo(number, slice).await, 0.0) };
        self.fill(number).await;
        // The burst is no part of what lasts.
        self.agent.set_pace(pace.map(|pace| Pace { burst: 1, ..pace }));
        let mut pipe = self.subscribe(number).await;
        let (mut dictionary, mut bytes, begun) = (DictionaryReader::default(), 0, Instant::now());
        let times = {
            let echoing = self.echo(number, slice);
            tokio::pin!(echoing);
            loop {
                tokio::select! {
                    times = &mut echoing => break times,
                    message = pipe.recv() => {
                        let message = message.unwrap().unwrap();
                        bytes += message.len() as u64;
                        let read = FromAgent::decode(self.peer.id(), &mut dictionary, &message).unwrap();
                        let FromAgent::Batch(batch) = read else { panic!("nobody asked for a flush") };
                        let ack = FromManager::Ack { seq: batch.seq, terms: Terms::default() };
                        pipe.send(ack.encode().unwrap()).await.unwrap();
                    }
                }
            }
        };
        let rate = bytes as f64 / begun.elapsed().as_secs_f64();
        pipe.send(FromManager::Unsubscribe.encode().unwrap()).await.unwrap();
        while pipe.recv().await.is_ok_and(|message| message.is_some()) {}
        (times, rate)
    }

    /// Leaves a backlog in the spool of a subscription.
    async fn fill(&self, number: u64) {
        drop(self.subscribe(number).await);
        let before = self.counted("records_batched");
        for first in (0..BACKLOG).step_by(8 * 1024) {
            for at_ms in first..first + 8 * 1024 {
                let dest = self.buddies[at_ms as usize % self.buddies.len()];
                self.ping.unreachable(Instant::now(), at_ms, dest);
            }
            while self.counted("records_batched") < before + (first + 8 * 1024) as i64 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    async fn subscribe(&self, number: u64) -> BidiPipe {
        let group = self.manager.net_group();
        let subscribe = FromManager::Subscribe {
            subscription: number,
            pattern: "*:*".parse().unwrap(),
            resume_from: (0, 0),
            missed: Duration::ZERO,
            standing: true,
            terms: Terms::default(),
        };
        let first = Some(subscribe.encode().unwrap());
        let pipe = pipe_id(&group.id(), &self.peer.id());
        let opened = group.connect_with(self.peer.id(), pipe, first, PATIENCE).await.unwrap();
        // The subscription has its consumer, and so is there, when the agent counts it.
        while self.counted("subscriptions") == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        opened
    }

    fn counted(&self, name: &str) -> i64 {
        let agent = self.beans.query(&"juxta:type=agent".parse().unwrap());
        match agent.first().and_then(|(_, bean)| bean.attribute(name)) {
            Some(AttributeValue::Int(count)) => count,
            other => panic!("{name}: {other:?}"),
        }
    }

    async fn echo(&self, number: u64, slice: Duration) -> Vec<f64> {
        let group = self.peer.net_group();
        let pipe = PipeId::derive(&group.id(), &format!("echo {number}"));
        let mut listener = group.bind(pipe).unwrap();
        let echoing = tokio::spawn(async move {
            let mut pipe = listener.accept().await.unwrap();
            while let Ok(Some(message)) = pipe.recv().await {
                if pipe.send(message).await.is_err() {
                    break;
                }
            }
        });
        let mut pipe = self.manager.net_group().connect(self.peer.id(), pipe).await.unwrap();
        let (begun, mut times) = (Instant::now(), Vec::new());
        while begun.elapsed() < slice {
            let sent = Instant::now();
            pipe.send(Bytes::from_static(&[7; 64])).await.unwrap();
            pipe.recv().await.unwrap().unwrap();
            times.push(micros_since(sent));
            tokio::time::sleep(ECHO_PERIOD).await;
        }
        echoing.abort();
        times
    }
}
