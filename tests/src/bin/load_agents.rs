//! `load_agents`: many peers that measure in one process, each with its agent, its identity and its disk.
//!
//! In: arguments as `--name value`; the lines `stop` and `end` on stdin. Out: `ready` when all hold a lease, `subscribed`
//! when a manager has subscribed to each; from then on each measures so often a second, and says in its own file which
//! number comes next, so that who checks knows how many there must be. At most the peers that it is told to run.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::{StreamExt, stream};
use mgmt_service::ManagePolicy;
use mgmt_service::arm::{
    Application, DestStatus, Outcome, Path as ArmPath, Transaction, TransactionDefinition,
};
use mgmt_service::jmx::BeanServer;
use mgmt_service::net::ManagementAgent;
use overlay::limits::ADDRESSES_PER_PEER_MAX;
use overlay::{Keypair, Multiaddr, Peer, PeerId, Protocol, identity};
use tests::PATIENCE;

/// One peer that measures.
struct Measuring {
    peer: Peer,
    application: Application,
    ping: Transaction,
    agent: ManagementAgent,
    /// Eight bytes: the number of the last record that was begun, of all runs.
    count: File,
    last: u64,
    dests: Vec<PeerId>,
}

struct Arguments(HashMap<String, String>);

impl Arguments {
    fn read() -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        Self(words.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("{name} is missing"))
    }

    fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap()
    }

    /// The manager's address on a link, for peers that nobody can dial.
    fn manager(&self) -> Option<Multiaddr> {
        self.0.get("--manager").map(|text| text.parse().unwrap())
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let arguments = Arc::new(Arguments::read());
    let numbers = 0..arguments.number("--agents");
    let starting = stream::iter(numbers).map(|number| Measuring::start(arguments.clone(), number));
    let mut agents: Vec<Measuring> = starting.buffer_unordered(32).collect().await;
    say("ready");
    let (stop, end) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (stopping, ending) = (stop.clone(), end.clone());
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            stopping.store(true, Ordering::Release);
            ending.store(line == "end", Ordering::Release);
        }
        ending.store(true, Ordering::Release);
    });
    while !agents.iter().all(|agent| agent.is_subscribed()) && !end.load(Ordering::Acquire) {
        tokio::time::sleep(TICK).await;
    }
    say("subscribed");
    measure(&mut agents, arguments.number("--per-second"), &stop).await;
    say("stopped");
    while !end.load(Ordering::Acquire) {
        tokio::time::sleep(TICK).await;
    }
    stream::iter(agents).for_each_concurrent(None, Measuring::end).await;
}

fn say(event: &str) {
    println!("{}", serde_json::json!({ "event": event }));
}

/// Each agent measures `per_second`, spread over the second, until it is stopped. What the machine stood still is not made up
/// for: nobody measures more in a moment than it should in some ticks.
async fn measure(agents: &mut [Measuring], per_second: u64, stop: &AtomicBool) {
    let (mut worked, mut looked, count) = (Duration::ZERO, Instant::now(), agents.len() as u64);
    let first: Vec<u64> = agents.iter().map(|agent| agent.last).collect();
    while !stop.load(Ordering::Acquire) {
        tokio::time::sleep(TICK).await;
        let now = Instant::now();
        worked += now.duration_since(looked).min(TICK_MAX);
        looked = now;
        let elapsed = worked.as_micros() as u64;
        for (place, (agent, first)) in (0..).zip(agents.iter_mut().zip(&first)) {
            let due = (elapsed * per_second + place * 1_000_000 / count) / 1_000_000;
            while agent.last - first < due {
                agent.measure();
            }
        }
    }
}

impl Measuring {
    async fn start(arguments: Arc<Arguments>, number: u64) -> Self {
        let dir = PathBuf::from(arguments.text("--dir")).join(format!("agent-{number}"));
        std::fs::create_dir_all(&dir).unwrap();
        let keypair = identity::load_or_create(&dir.join("identity")).unwrap();
        let mut builder = Peer::builder().keypair(keypair);
        let manager = arguments.manager();
        if manager.is_none() {
            builder = builder.listen("/ip4/127.0.0.1/tcp/0".parse().unwrap());
        }
        let rendezvous = arguments.text("--rendezvous").parse().unwrap();
        let peer = builder.rendezvous(rendezvous).spawn().await.unwrap();
        peer.wait_leased(PATIENCE).await.unwrap();
        let application = Application::new(peer.id(), random());
        let ping = application.define(TransactionDefinition::new("presence.ping", PATIENCE)).unwrap();
        let (name, measuring) = (format!("agent-{number}"), Some(application.clone()));
        let agent =
            ManagementAgent::start(&peer, &name, measuring, BeanServer::new(), &ManagePolicy::Open, &dir);
        let agent = agent.await.unwrap();
        if let Some(manager) = manager {
            tokio::spawn(stay_connected(peer.clone(), manager));
        }
        let (count, last) = open_count(&dir);
        let dests = (0..10).map(|buddy| derived(number * 10 + buddy)).collect();
        Self { peer, application, ping, agent, count, last, dests }
    }

    /// The agent's own consumer makes objects of records; each subscription has one more.
    fn is_subscribed(&self) -> bool {
        self.application.counters().into_iter().any(|(name, count)| name == "consumers" && count >= 2)
    }

    /// One transaction, whose response takes as many microseconds as its number.
    fn measure(&mut self) {
        self.last += 1;
        self.count.write_all_at(&self.last.to_le_bytes(), 0).unwrap();
        let now = Instant::now();
        let wall_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let dest = self.dests[self.last as usize % self.dests.len()];
        let outcome = Outcome { hold_us: Some(self.last % 40), ..Outcome::good(DestStatus::Online) };
        let correlator = self.ping.start(now, wall_ms, dest, ArmPath::Direct).unwrap();
        self.ping.stop(now + Duration::from_micros(self.last), correlator, dest, outcome);
    }

    async fn end(self) {
        self.agent.shutdown().await;
        self.peer.shutdown().await;
    }
}

/// The file that counts; a line for each run in `runs` says which number was the last before it.
fn open_count(dir: &Path) -> (File, u64) {
    let mut options = OpenOptions::new();
    let count = options.create(true).read(true).write(true).truncate(false).open(dir.join("count")).unwrap();
    let mut bytes = [0; 8];
    let last = count.read_exact_at(&mut bytes, 0).map_or(0, |()| u64::from_le_bytes(bytes));
    let mut runs = OpenOptions::new().create(true).append(true).open(dir.join("runs")).unwrap();
    writeln!(runs, "{last}").unwrap();
    (count, last)
}

/// Keeps a connection to the manager over the link, as a peer must that nobody can dial.
async fn stay_connected(peer: Peer, manager: Multiaddr) {
    let Some(Protocol::P2p(id)) = manager.iter().last() else { panic!("the manager's address has its id") };
    // Each peer tells where it listens. Ports where nobody does push that way round the link out of the address book.
    let nowhere =
        (1..ADDRESSES_PER_PEER_MAX).map(|port| format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap());
    let addresses: Vec<Multiaddr> = std::iter::once(manager).chain(nowhere).collect();
    loop {
        if peer.paths(id).is_empty() {
            let _ = peer.dial(id, addresses.clone(), Duration::from_secs(2)).await;
        }
        tokio::time::sleep(REDIAL).await;
    }
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes
}

/// The same peer for the same number, in every run.
fn derived(number: u64) -> PeerId {
    let mut bytes = *blake3::hash(&number.to_le_bytes()).as_bytes();
    Keypair::ed25519_from_bytes(&mut bytes).unwrap().public().to_peer_id()
}

/// How often what is due is measured.
const TICK: Duration = Duration::from_millis(20);

/// What counts of a tick at most.
const TICK_MAX: Duration = Duration::from_millis(500);

/// Time between two looks whether the manager is connected.
const REDIAL: Duration = Duration::from_millis(300);
