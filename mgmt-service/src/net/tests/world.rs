//! A rendezvous, peers with agents, managers: over loopback, each with its own identity.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use overlay::protocol::discovery::{self, DiscoveryRequest, FindAnswer, PublishAnswer};
use overlay::protocol::rendezvous::{self, LeaseGrant, RendezvousRequest};
use overlay::{AdvertisementCache, CacheLimits, Keypair, Multiaddr, Peer, SignedAdvertisement};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::ManagePolicy;
use crate::arm::{Application, ArmRecord, Transaction, TransactionDefinition};
use crate::jmx::{AttributeValue, BeanServer, ObjectNamePattern};
use crate::net::{AgentInfo, Collection, ManagementAgent, Manager, RecordSink};

/// How long a test waits for what must come, on a machine that may stand still in between. Shorter than
/// `STANDING_BATCH_AGE_MAX` and `SUBSCRIPTION_KEPT`, so that what comes did not wait for these.
pub(super) const PATIENCE: Duration = Duration::from_secs(45);

/// The smallest thing that lets peers find each other: it grants every lease and keeps every advertisement.
pub(super) struct World {
    address: Multiaddr,
    _rendezvous: Peer,
    answering: JoinHandle<()>,
}

impl World {
    pub(super) async fn new() -> Self {
        let peer = Peer::builder().listen(loopback()).spawn().await.unwrap();
        let mut leases = peer.register_handler(rendezvous::HANDLER).unwrap();
        let mut index = peer.register_handler(discovery::HANDLER).unwrap();
        let answering = tokio::spawn(async move {
            let limits = CacheLimits { total: 1_000, per_publisher: 10, bytes: 1 << 20 };
            let mut cache = AdvertisementCache::new(limits);
            loop {
                tokio::select! {
                    Some(query) = leases.recv() => match RendezvousRequest::decode(&query.body) {
                        Ok(RendezvousRequest::Lease { wanted, .. }) => {
                            query.reply(LeaseGrant { ttl: wanted, fresh: false }.encode().unwrap());
                        }
                        _ => query.reply(Vec::new()),
                    },
                    Some(query) = index.recv() => {
                        let answer = index_answer(&mut cache, DiscoveryRequest::decode(&query.body).unwrap());
                        query.reply(answer);
                    }
                }
            }
        });
        Self { address: peer.addresses().remove(0), _rendezvous: peer, answering }
    }

    /// A peer with a lease.
    pub(super) async fn peer(&self, key: &Keypair) -> Peer {
        let builder = Peer::builder().keypair(key.clone()).listen(loopback());
        let peer = builder.rendezvous(self.address.clone()).spawn().await.unwrap();
        peer.wait_leased(PATIENCE).await.unwrap();
        peer
    }

    /// A peer that measures, with an agent that anybody may ask.
    pub(super) async fn agent(&self, name: &str, key: &Keypair) -> Measured {
        self.agent_at(name, key, None).await
    }

    /// As [`Self::agent`], with a place for what a manager that is away has yet to get.
    pub(super) async fn agent_at(&self, name: &str, key: &Keypair, spools: Option<PathBuf>) -> Measured {
        let peer = self.peer(key).await;
        let boot: [u8; 32] = std::array::from_fn(|_| getrandom::u32().unwrap() as u8);
        let application = Application::new(peer.id(), boot);
        let definition = TransactionDefinition::new("presence.ping", PATIENCE);
        let ping = application.define(definition).unwrap();
        let beans = BeanServer::new();
        let policy = ManagePolicy::Open;
        let (measuring, objects) = (Some(application.clone()), beans.clone());
        let agent = ManagementAgent::spawn_spooled(&peer, name, measuring, objects, policy, spools).unwrap();
        Measured { peer, ping, beans, agent, application }
    }

    pub(super) async fn manager(&self) -> (Peer, Manager) {
        let peer = self.peer(&Keypair::generate_ed25519()).await;
        let manager = manager_at(&peer);
        (peer, manager)
    }
}

/// A manager that does not mind when the machine stands still.
pub(super) fn manager_at(peer: &Peer) -> Manager {
    Manager::new(peer).patient(PATIENCE)
}

impl Drop for World {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

/// A peer that measures.
pub(super) struct Measured {
    pub(super) peer: Peer,
    pub(super) ping: Transaction,
    pub(super) beans: BeanServer,
    pub(super) agent: ManagementAgent,
    pub(super) application: Application,
}

impl Measured {
    /// Ends transactions that are numbered by their start times.
    pub(super) fn measure(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            self.ping.unreachable(Instant::now(), number, self.peer.id());
        }
    }

    /// Waits until the only subscription has taken as many records out of its queue.
    pub(super) async fn all_batched(&self, count: u64) {
        let batched = || {
            let agent = self.beans.query(&"juxta:type=agent".parse().unwrap());
            let value = agent.first().and_then(|(_, bean)| bean.attribute("records_batched"));
            value == Some(AttributeValue::Int(i64::try_from(count).unwrap()))
        };
        until(batched).await;
    }

    /// Waits until as many managers are subscribed.
    pub(super) async fn subscribed(&self, count: usize) {
        let consumers = count as u64 + 1;
        let known = || self.application.counters().into_iter().any(|count| count == ("consumers", consumers));
        until(known).await;
    }
}

/// A collection whose records come out of a channel, after their commit.
pub(super) struct Collected {
    pub(super) collection: Collection,
    records: mpsc::Receiver<ArmRecord>,
}

struct Channel {
    written: Vec<ArmRecord>,
    out: mpsc::Sender<ArmRecord>,
}

impl RecordSink for Channel {
    fn write(&mut self, records: &[ArmRecord]) -> io::Result<()> {
        self.written.extend_from_slice(records);
        Ok(())
    }

    fn commit(&mut self) -> io::Result<()> {
        for record in self.written.drain(..) {
            self.out.blocking_send(record).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

impl Collected {
    pub(super) fn start(manager: &Manager) -> Self {
        let (out, records) = mpsc::channel(100_000);
        let sink = Channel { written: Vec::new(), out };
        Self { collection: manager.collect(ObjectNamePattern::everything(), sink), records }
    }

    /// The numbers of the next records, as many as asked for.
    pub(super) async fn numbers(&mut self, count: usize) -> Vec<u64> {
        let mut numbers = Vec::with_capacity(count);
        while numbers.len() < count {
            let record = timeout(PATIENCE, self.records.recv()).await.expect("records come in time");
            numbers.push(record.expect("the collection goes on").at_ms);
        }
        numbers
    }

    /// Stops, and says what came that nobody had asked for yet.
    pub(super) async fn stop(mut self) -> (super::super::CollectionSummary, Vec<ArmRecord>) {
        let end = self.collection.stop_within(PATIENCE).await;
        assert!(end.failure.is_none(), "{:?}", end.failure);
        let mut rest = Vec::new();
        while let Ok(record) = self.records.try_recv() {
            rest.push(record);
        }
        (end.summary, rest)
    }
}

/// Yields to the others until something holds.
pub(super) async fn until(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("it holds in time");
}

pub(super) fn loopback() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/0".parse().unwrap()
}

/// The agents that `manager` finds, once there are as many.
pub(super) async fn agents_found(manager: &Manager, count: usize) -> Vec<AgentInfo> {
    let looking = async {
        loop {
            let agents = manager.agents(PATIENCE).await;
            if agents.len() == count {
                return agents;
            }
        }
    };
    timeout(PATIENCE, looking).await.expect("agents are found in time")
}

fn index_answer(cache: &mut AdvertisementCache, request: DiscoveryRequest) -> Vec<u8> {
    match request {
        DiscoveryRequest::Publish { advertisements } => {
            let mut accepted = 0;
            for bytes in advertisements {
                let signed = SignedAdvertisement::verify(bytes).unwrap();
                cache.insert(Instant::now(), signed, PATIENCE * 3).unwrap();
                accepted += 1;
            }
            PublishAnswer { accepted, refused: 0 }.encode().unwrap()
        }
        DiscoveryRequest::Find { query } => {
            let found = cache.find(Instant::now(), &query);
            FindAnswer::fitting(found.iter().map(|signed| signed.to_bytes())).encode().unwrap()
        }
        other => panic!("nobody here asks {other:?}"),
    }
}
