//! Promise: `mgmt aggregate` takes the figures of many peers, `mgmt totals` shows them, and a SIGKILL costs and doubles none.

use std::time::{Duration, Instant};

use mgmt_service::ManagePolicy;
use mgmt_service::access::ManagementRole;
use mgmt_service::arm::{Application, Transaction, TransactionDefinition};
use mgmt_service::jmx::{AttributeValue, BeanServer};
use mgmt_service::net::{ManagementAgent, ManagementGroup};
use overlay::{Peer, PeerId};
use serde_json::Value;
use tests::{Home, Meeting, PATIENCE, Process, Program, loopback};

/// A management group whose creator is in this process, and programs that enter it.
struct Circle {
    home: Home,
    meeting: Meeting,
    boss: ManagementGroup,
    _boss_peer: Peer,
}

impl Circle {
    async fn new() -> Self {
        let home = Home::new();
        let meeting = Meeting::start(&home, "rendezvous");
        let peer = edge(&meeting).await;
        let dir = home.join("boss");
        std::fs::create_dir(&dir).unwrap();
        let boss = ManagementGroup::create(&peer, &dir).await.unwrap();
        Self { home, meeting, boss, _boss_peer: peer }
    }

    fn mgmt(&self, name: &str, args: &[&str]) -> Program {
        let program = Program::new("mgmt", &self.home).args(args).args(loopback());
        program.args(["--rendezvous", &self.meeting.address]).data_dir(&self.home.join(name))
    }

    fn joined(&self, name: &str, role: ManagementRole) {
        let ticket = self.boss.invite(role).unwrap();
        let exit = self.mgmt(name, &["join", &ticket]).run();
        assert_eq!(exit.code, Some(0), "{exit:?}");
    }

    /// A running aggregator and its id.
    fn aggregator(&self, name: &str, level: &str) -> (Process, PeerId) {
        self.joined(name, ManagementRole::Aggregator);
        let process = self.mgmt(name, &["aggregate", "--level", level, "--interval", "500ms"]).start();
        let line = process.line("it aggregates", |line| line.starts_with("aggregating"));
        let id = line.rsplit(' ').next().and_then(|id| id.parse().ok()).unwrap();
        (process, id)
    }

    async fn agent(&self, name: &str) -> Agent {
        let (peer, dir) = (edge(&self.meeting).await, self.home.join(name));
        std::fs::create_dir(&dir).unwrap();
        let policy = ManagePolicy::Ticket(self.boss.invite(ManagementRole::Agent).unwrap().into());
        let (beans, application) = (BeanServer::new(), Application::new(peer.id(), [7; 32]));
        let ping = application.define(TransactionDefinition::new("presence.ping", PATIENCE)).unwrap();
        let agent = ManagementAgent::start(&peer, name, Some(application), beans.clone(), &policy, &dir);
        Agent { _agent: agent.await.unwrap(), _peer: peer, ping, beans }
    }

    fn totals(&self) -> Value {
        let exit = self.mgmt("reader", &["totals", "--json"]).run();
        assert_eq!(exit.code, Some(0), "{exit:?}");
        serde_json::from_str(&exit.stdout.join("\n")).unwrap()
    }
}

struct Agent {
    _agent: ManagementAgent,
    _peer: Peer,
    ping: Transaction,
    beans: BeanServer,
}

impl Agent {
    fn parent(&self) -> Option<PeerId> {
        let beans = self.beans.query(&"juxta:type=aggregation".parse().unwrap());
        match beans.first()?.1.attribute("parent")? {
            AttributeValue::Str(id) => id.parse().ok(),
            _ => None,
        }
    }
}

async fn edge(meeting: &Meeting) -> Peer {
    let builder = Peer::builder().listen("/ip4/127.0.0.1/tcp/0".parse().unwrap());
    let peer = builder.rendezvous(meeting.address.parse().unwrap()).spawn().await.unwrap();
    peer.wait_leased(PATIENCE).await.unwrap();
    peer
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_killed_aggregator_costs_and_doubles_nothing() {
    let circle = Circle::new().await;
    circle.joined("reader", ManagementRole::Reader);
    let (_root, _) = circle.aggregator("root", "2");
    let mut below = vec![circle.aggregator("anne", "1"), circle.aggregator("bert", "1")];
    let mut agents = Vec::new();
    for name in ["carl", "dora", "emil", "fred"] {
        agents.push(circle.agent(name).await);
    }
    let start = Instant::now();
    while agents.iter().any(|agent| agent.parent().is_none()) {
        assert!(start.elapsed() < PATIENCE, "an agent finds no aggregator");
        pause().await;
    }
    let children = |id: PeerId| agents.iter().filter(|agent| agent.parent() == Some(id)).count();
    below.sort_by_key(|(_, id)| children(*id));
    let (mut dying, (_heir, heir)) = (below.pop(), below.pop().unwrap());
    let (mut measured, mut died) = (0, None);
    while measured < 100 || agents.iter().any(|agent| agent.parent() != Some(heir)) {
        for agent in &agents {
            agent.ping.unreachable(Instant::now(), measured, PeerId::random());
        }
        measured += 1;
        if measured == 50
            && let Some((process, _)) = dying.take()
        {
            process.kill();
            died = Some(Instant::now());
        }
        assert!(died.is_none_or(|died: Instant| died.elapsed() < REATTACH), "its children find no other");
        pause().await;
    }
    let all = measured * agents.len() as u64;
    let start = Instant::now();
    let mut whole = 0;
    // Exact, and still so some intervals later.
    while whole < 3 {
        let totals = circle.totals();
        let count = totals["total"][0]["count"].as_u64().unwrap_or(0);
        assert!(count <= all && start.elapsed() < PATIENCE, "{count} of {all}: {totals}");
        whole = if count == all { whole + 1 } else { 0 };
    }
    loop {
        let totals = circle.totals();
        assert_eq!(totals["total"][0]["failed"], all);
        let last = totals["intervals"].as_array().unwrap().last().unwrap();
        if (&last["reporting"], &last["expected"]) == (&4.into(), &4.into()) {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "somebody does not report: {totals}");
    }
    let text = circle.mgmt("reader", &["totals"]).run().stdout.join("\n");
    assert!(text.contains("presence.ping") && text.contains("peers reporting"), "{text}");
}

/// How long orphans may take to find another aggregator, on shared cores.
const REATTACH: Duration = Duration::from_secs(20);
