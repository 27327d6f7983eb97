//! Spot checks find an aggregator that lies, over real sockets, and never accuse one that does not, whoever dies or moves.

use std::time::Instant;

use mgmt_service::access::ManagementRole;
use mgmt_service::aggregate::{
    Check, Checks, Finding, Lie as Found, NotCheckable, TOLD_HANDLER, TreeQuestion, Which,
};
use overlay::{PeerId, QueryError, RefuseReason};
use tests::liar::{Liar, Lie};

use crate::aggregation::{Agent, INTERVAL, LONG, Managed, until};
use crate::world::PATIENCE;

/// Checks until something is found as wanted; whoever is accused must be `liar`.
async fn found(
    managed: &Managed,
    agents: &[Agent],
    liar: PeerId,
    wanted: impl Fn(&Checks) -> bool,
) -> Checks {
    let start = Instant::now();
    loop {
        let checks = look(managed, agents, liar).await;
        if wanted(&checks) {
            return checks;
        }
        assert!(start.elapsed() < LONG, "{}", checks.to_json());
    }
}

/// Some checks; whoever is accused must be `liar`.
async fn look(managed: &Managed, agents: &[Agent], liar: PeerId) -> Checks {
    agents.iter().for_each(|agent| agent.measure(3));
    let (_, checks) = managed.manager.checked_totals(PATIENCE, 32).await;
    for (_, found) in checks.contradictions() {
        assert_eq!(found.aggregator, liar, "{}", found.sentence());
    }
    checks
}

fn lies(checks: &Checks) -> Vec<Found> {
    checks.contradictions().map(|(_, found)| found.lie).collect()
}

/// An honest aggregator and one that lies, each with children. Who is accused of what, once somebody is.
async fn caught(lie: impl AsyncFnOnce(&Managed) -> Lie) -> (Checks, PeerId) {
    let managed = Managed::new().await;
    let lie = lie(&managed).await;
    let (peer, place, _home) = managed.member(ManagementRole::Aggregator).await;
    let _liar = Liar::spawn(&peer, &place, INTERVAL, lie).await;
    let honest = managed.aggregator(1).await;
    let evident = |checks: &Checks| {
        let invented = |(peer, why): (&PeerId, _)| {
            lie == Lie::Invents(*peer) && [NotCheckable::Unreachable, NotCheckable::NoMember].contains(&why)
        };
        !lies(checks).is_empty() || checks.not_checkable().any(invented)
    };
    let (mut agents, start): (Vec<Agent>, _) = (Vec::new(), Instant::now());
    let of = |agents: &[Agent], parent| agents.iter().any(|agent| agent.parent() == Some(parent));
    loop {
        // Children may move to the other one when the machine stands still.
        while !of(&agents, peer.id()) || !of(&agents, honest.peer.id()) {
            let agent = managed.agent().await;
            until("an agent attaches", || agent.parent().is_some()).await;
            agents.push(agent);
            assert!(agents.len() < 30, "nobody chooses one of the two");
        }
        let checks = look(&managed, &agents, peer.id()).await;
        if evident(&checks) {
            return (checks, peer.id());
        }
        assert!(start.elapsed() < LONG, "{}", checks.to_json());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_inflates_the_figures_of_a_child_is_contradicted_by_it() {
    let (checks, liar) = caught(async |_| Lie::Inflates).await;
    assert!(lies(&checks).iter().all(|lie| *lie == Found::Changed), "{}", checks.to_json());
    let (_, found) = checks.contradictions().next().unwrap();
    let more = found.counted.unwrap().failed - found.told.unwrap().failed;
    assert_eq!((more, checks.contradicted().contains_key(&liar)), (1000, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_adds_to_the_sum_is_contradicted_by_its_own_parts() {
    let (checks, _) = caught(async |_| Lie::Exaggerates).await;
    assert!(lies(&checks).iter().all(|lie| *lie == Found::Sum), "{}", checks.to_json());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_drops_a_child_is_contradicted_by_it() {
    let (checks, _) = caught(async |_| Lie::Drops).await;
    assert!(lies(&checks).iter().all(|lie| *lie == Found::Dropped), "{}", checks.to_json());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_invents_a_child_that_is_no_member_is_shown_with_it() {
    let mut stranger = None;
    let (checks, liar) = caught(async |managed| {
        let peer = stranger.insert(managed.town.edge().await);
        Lie::Invents(peer.id())
    })
    .await;
    assert!(lies(&checks).is_empty() && checks.unverified().contains_key(&liar), "{}", checks.to_json());
    let stranger = stranger.unwrap().id();
    let shown = checks.not_checkable().any(|found| found == (&stranger, NotCheckable::NoMember));
    assert!(shown, "{}", checks.to_json());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_invents_reports_of_a_member_is_contradicted_by_it() {
    let mut idle = None;
    let (checks, _) = caught(async |managed| {
        // It reports to the honest one or to the liar, but not that.
        let agent = idle.insert(managed.agent().await);
        Lie::Invents(agent.peer.id())
    })
    .await;
    let fits = |lie: &Found| [Found::NeverSent, Found::Changed].contains(lie);
    assert!(!lies(&checks).is_empty() && lies(&checks).iter().all(fits), "{}", checks.to_json());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_invents_a_child_that_nobody_can_reach_is_shown_with_it() {
    let invented = PeerId::random();
    let (checks, liar) = caught(async |_| Lie::Invents(invented)).await;
    assert!(lies(&checks).is_empty() && checks.unverified().contains_key(&liar), "{}", checks.to_json());
    assert!(checks.not_checkable().any(|found| found == (&invented, NotCheckable::Unreachable)));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_honest_is_accused_while_aggregators_die_and_children_come_and_go() {
    let managed = Managed::new().await;
    let root = managed.aggregator(2).await;
    let mut below = vec![managed.aggregator(1).await, managed.aggregator(1).await];
    for station in &below {
        until("below the root", || station.node.parent() == Some(root.peer.id())).await;
    }
    let mut agents = Vec::new();
    for _ in 0..4 {
        agents.push(managed.agent().await);
    }
    for agent in &agents {
        until("an agent attaches", || agent.parent().is_some()).await;
    }
    let nobody = PeerId::random();
    // All the way up, and all the way down.
    let agree = |checks: &Checks| {
        let long = |check: &&Check| check.finding == Finding::Agrees && check.path.len() == 3;
        let down = |check: &&Check| check.path.first() == Some(&root.peer.id());
        let (down, up): (Vec<_>, Vec<_>) = checks.checks.iter().filter(long).partition(down);
        !down.is_empty() && !up.is_empty()
    };
    found(&managed, &agents, nobody, agree).await;
    // An aggregator dies; while its children move, and one of them ends, everybody is checked.
    let begun = Instant::now();
    drop(below.pop());
    let heir = below[0].peer.id();
    agents.pop().unwrap().agent.shutdown_within(PATIENCE).await;
    let moved = |agents: &[Agent]| agents.iter().all(|agent| agent.parent() == Some(heir));
    while !moved(&agents) {
        found(&managed, &agents, nobody, |_| true).await;
        assert!(begun.elapsed() < LONG, "the orphans find no parent");
    }
    // The other one starts anew as the same peer, and forgets all.
    let station = below.pop().unwrap();
    let again = station.restarted().await;
    agents.push(managed.agent().await);
    let checks = found(&managed, &agents, nobody, agree).await;
    assert!(checks.questions > 0 && checks.bytes > 0);
    drop(again);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_read_is_told_what_a_peer_has_reported() {
    let managed = Managed::new().await;
    let root = managed.aggregator(1).await;
    let agent = managed.agent().await;
    until("an agent attaches", || agent.parent() == Some(root.peer.id())).await;
    let group = managed.boss.group().id();
    let question = TreeQuestion::Told(Which::HandedOn).encode().unwrap();
    let stranger = managed.town.edge().await;
    let answer = stranger.query(agent.peer.id(), &group, TOLD_HANDLER, question.clone(), PATIENCE).await;
    assert!(matches!(answer, Err(QueryError::Refused(_))), "{answer:?}");
    let (other, _place, _home) = managed.member(ManagementRole::Agent).await;
    let answer = other.query(agent.peer.id(), &group, TOLD_HANDLER, question, PATIENCE).await;
    assert_eq!(answer, Err(QueryError::Refused(RefuseReason::Policy)));
}
