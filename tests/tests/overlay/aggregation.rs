//! The tree of aggregators over real peers and a rendezvous that is no member: figures are exact at the root whoever dies,
//! say how many peers they lack, and are given to nobody else.

use std::time::{Duration, Instant};

use mgmt_service::ManagePolicy;
use mgmt_service::access::ManagementRole;
use mgmt_service::aggregate::Totals;
use mgmt_service::arm::{Application, DestStatus, Outcome, Path, Transaction, TransactionDefinition};
use mgmt_service::error::AggregateError;
use mgmt_service::jmx::{AttributeValue, BeanServer};
use mgmt_service::net::{AggregatorNode, ManagementAgent, ManagementGroup, Manager};
use overlay::{Peer, PeerId};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::closed_groups::Town;
use crate::world::PATIENCE;

/// Long enough for orphans to find another parent, also on a machine that stands still in between.
pub(crate) const LONG: Duration = PATIENCE.saturating_mul(3);

/// A group with its creator, who manages it.
pub(crate) struct Managed {
    pub(crate) town: Town,
    pub(crate) boss: ManagementGroup,
    pub(crate) manager: Manager,
    _boss_peer: Peer,
    _home: TempDir,
}

impl Managed {
    pub(crate) async fn new() -> Self {
        let (town, home) = (Town::new().await, tempfile::tempdir().unwrap());
        let peer = town.edge().await;
        let boss = ManagementGroup::create(&peer, home.path()).await.unwrap();
        let manager = Manager::in_group(&peer, boss.group().clone()).patient(PATIENCE);
        Self { town, boss, manager, _boss_peer: peer, _home: home }
    }

    pub(crate) async fn member(&self, role: ManagementRole) -> (Peer, ManagementGroup, TempDir) {
        let (peer, home) = (self.town.edge().await, tempfile::tempdir().unwrap());
        let ticket = self.boss.invite(role).unwrap();
        let place = ManagementGroup::join(&peer, home.path(), &ticket).await.unwrap();
        (peer, place, home)
    }

    pub(crate) async fn aggregator(&self, level: u8) -> Station {
        let (peer, place, home) = self.member(ManagementRole::Aggregator).await;
        let node = AggregatorNode::spawn(&peer, &place, level, INTERVAL).await.unwrap();
        Station { node, peer, place, _home: home }
    }

    pub(crate) async fn agent(&self) -> Agent {
        let (peer, home) = (self.town.edge().await, tempfile::tempdir().unwrap());
        let ticket = self.boss.invite(ManagementRole::Agent).unwrap();
        let (beans, application) = (BeanServer::new(), Application::new(peer.id(), [7; 32]));
        let ping = application.define(TransactionDefinition::new("presence.ping", PATIENCE)).unwrap();
        let policy = ManagePolicy::Ticket(ticket.into());
        let measuring = Some(application);
        let agent =
            ManagementAgent::start(&peer, "plant", measuring, beans.clone(), &policy, home.path()).await;
        Agent { peer, ping, beans, agent: agent.unwrap(), _home: home }
    }

    /// What the roots say, once it is as wanted.
    pub(crate) async fn totals(&self, what: &str, wanted: impl Fn(&Totals) -> bool) -> Totals {
        let start = Instant::now();
        loop {
            let totals = self.manager.totals(PATIENCE).await;
            if wanted(&totals) {
                return totals;
            }
            assert!(start.elapsed() < LONG, "{what}: {}", totals.to_json());
        }
    }
}

/// An aggregator at a peer of its own.
pub(crate) struct Station {
    pub(crate) node: AggregatorNode,
    pub(crate) peer: Peer,
    place: ManagementGroup,
    _home: TempDir,
}

impl Station {
    /// As another run of an aggregator of level 1 at the same peer.
    pub(crate) async fn restarted(self) -> Self {
        let Self { node, peer, place, _home } = self;
        drop(node);
        let start = Instant::now();
        let node = loop {
            match AggregatorNode::spawn(&peer, &place, 1, INTERVAL).await {
                Ok(node) => break node,
                // The one before ends when its tasks are dropped.
                Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
            }
            tokio::task::yield_now().await;
        };
        Self { node, peer, place, _home }
    }
}

/// A peer that measures.
pub(crate) struct Agent {
    pub(crate) peer: Peer,
    ping: Transaction,
    beans: BeanServer,
    pub(crate) agent: ManagementAgent,
    _home: TempDir,
}

impl Agent {
    /// Measures some transactions: one unreachable, the others answered.
    pub(crate) fn measure(&self, answered: u64) {
        let (now, to) = (Instant::now(), PeerId::random());
        self.ping.unreachable(now, 0, to);
        for number in 0..answered {
            let correlator = self.ping.start(now, 0, to, Path::Direct).unwrap();
            let answer = now + Duration::from_millis(1 + number);
            self.ping.stop(answer, correlator, to, Outcome::good(DestStatus::Online));
        }
    }

    fn shows(&self, attribute: &str) -> Option<AttributeValue> {
        let beans = self.beans.query(&"juxta:type=aggregation".parse().unwrap());
        beans.first().and_then(|(_, bean)| bean.attribute(attribute))
    }

    pub(crate) fn parent(&self) -> Option<PeerId> {
        match self.shows("parent") {
            Some(AttributeValue::Str(text)) => text.parse().ok(),
            _ => None,
        }
    }
}

/// Transactions, and those that failed, over all intervals.
pub(crate) fn sums(totals: &Totals) -> (u64, u64) {
    let figures = totals.figures();
    figures.get("presence.ping").map_or((0, 0), |figure| (figure.count(), figure.failed))
}

/// Whether so many peers are expected in the last interval, and all are in.
fn whole(totals: &Totals, peers: u64) -> bool {
    totals.last().is_some_and(|(_, last)| (last.reporting, last.expected) == (peers, peers))
}

/// Yields to the others until something holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

pub(crate) const INTERVAL: Duration = Duration::from_millis(400);

#[tokio::test(flavor = "multi_thread")]
async fn figures_of_all_peers_arrive_at_the_root_with_how_many_they_are_of() {
    let managed = Managed::new().await;
    let root = managed.aggregator(2).await;
    let below = [managed.aggregator(1).await, managed.aggregator(1).await];
    for station in &below {
        until("below the root", || station.node.parent() == Some(root.peer.id())).await;
    }
    let mut agents = Vec::new();
    for _ in 0..4 {
        agents.push(managed.agent().await);
    }
    for agent in &agents {
        until("an agent attaches", || agent.parent().is_some()).await;
        agent.measure(9);
    }
    managed.totals("all is in", |totals| sums(totals) == (40, 4)).await;
    let tree = |totals: &Totals| (totals.aggregators, totals.roots, totals.unanswered);
    managed.totals("one root above two", |totals| tree(totals) == (3, 1, 0)).await;
    let totals = managed.totals("everybody reports", |totals| whole(totals, 4)).await;
    let figures = totals.figures();
    let p50 = figures.get("presence.ping").unwrap().response.quantile(0.5).unwrap();
    assert!((p50.as_secs_f64() / 0.005 - 1.0).abs() < 0.012, "{p50:?}");
    // One that ends says what it has; then it is not expected any more.
    let gone = agents.pop().unwrap();
    gone.measure(4);
    gone.agent.shutdown_within(PATIENCE).await;
    managed.totals("its last words are in", |totals| sums(totals) == (45, 5)).await;
    managed.totals("one less is expected", |totals| whole(totals, 3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_an_aggregator_dies_its_children_find_another_and_every_transaction_counts_once() {
    let managed = Managed::new().await;
    let root = managed.aggregator(2).await;
    let mut below = vec![managed.aggregator(1).await, managed.aggregator(1).await];
    for station in &below {
        until("below the root", || station.node.parent() == Some(root.peer.id())).await;
    }
    let mut agents = Vec::new();
    for _ in 0..5 {
        agents.push(managed.agent().await);
    }
    for agent in &agents {
        until("an agent attaches", || agent.parent().is_some()).await;
    }
    let busiest = (0..2)
        .max_by_key(|at| agents.iter().filter(|agent| agent.parent() == Some(below[*at].peer.id())).count());
    let (mut rounds, mut dying) = (0, Some(below.remove(busiest.unwrap())));
    let heir = below[0].peer.id();
    let mut died = None;
    // They measure all the time; the death comes within an interval, with reports at every stage of their way.
    while rounds < 60 || agents.iter().any(|agent| agent.parent() != Some(heir)) {
        agents.iter().for_each(|agent| agent.measure(3));
        rounds += 1;
        if rounds == 30 {
            drop(dying.take());
            died = Some(Instant::now());
        }
        assert!(died.is_none_or(|died| died.elapsed() < LONG), "the orphans find no parent");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let all = (rounds * 4 * 5, rounds * 5);
    managed.totals("every transaction is in", |totals| sums(totals) == all).await;
    let last = managed.totals("", |_| true).await.last().map(|(interval, _)| interval);
    // Nothing comes twice later.
    let totals = managed
        .totals("intervals go on", |totals| {
            totals.last().map(|(interval, _)| interval) > last.map(|last| last + 2)
        })
        .await;
    assert_eq!(sums(&totals), all);
    managed.totals("everybody reports", |totals| whole(totals, 5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_has_the_role_takes_reports_and_only_who_may_read_learns_them() {
    let managed = Managed::new().await;
    let (peer, place, _home) = managed.member(ManagementRole::Reader).await;
    let refused = AggregatorNode::spawn(&peer, &place, 1, INTERVAL).await;
    assert!(matches!(refused, Err(AggregateError::Role)), "{refused:?}");
    let root = managed.aggregator(1).await;
    let agent = managed.agent().await;
    until("an agent attaches", || agent.parent() == Some(root.peer.id())).await;
    agent.measure(4);
    managed.totals("it is in", |totals| sums(totals) == (5, 1)).await;
    // A reader may; an agent and a stranger may not.
    let reader = Manager::in_group(&peer, place.group().clone()).patient(PATIENCE);
    let seen = async { while sums(&reader.totals(PATIENCE).await) != (5, 1) {} };
    timeout(LONG, seen).await.unwrap();
    let (agents, agents_place, _home) = managed.member(ManagementRole::Agent).await;
    let curious = Manager::in_group(&agents, agents_place.group().clone()).patient(PATIENCE);
    let refused = async {
        loop {
            let totals = curious.totals(PATIENCE).await;
            assert_eq!((sums(&totals), totals.roots), ((0, 0), 0));
            if totals.unanswered == 1 {
                return;
            }
        }
    };
    timeout(LONG, refused).await.unwrap();
    let stranger = managed.town.edge().await;
    assert_eq!(sums(&Manager::new(&stranger).totals(Duration::from_secs(1)).await), (0, 0));
}
