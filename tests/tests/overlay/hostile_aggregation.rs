//! Who lies in the tree of aggregators: claims of many peers, floods, reports of the future, aggregators without the role.
//! What they get is at most the place of one peer that measures.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use mgmt_service::access::ManagementRole;
use mgmt_service::aggregate::{
    Beat, Fate, Figure, FromChild, FromParent, Newcomer, Report, Stamp, TREE_HANDLER, TreeAnswer,
    TreeQuestion, tree_pipe_id,
};
use mgmt_service::limits::{CHILD_ANSWER_MAX, CHILD_MESSAGES_MAX};
use overlay::{
    Advertisement, AdvertisementKind, BidiPipe, Lifetime, Peer, PeerGroup, PeerId, Queries, QueryError,
    RefuseReason,
};
use tokio::time::timeout;

use crate::aggregation::{LONG, Managed, Station, sums, until};
use crate::world::PATIENCE;

async fn attach(group: &PeerGroup, to: PeerId, newcomer: Newcomer) -> (BidiPipe, FromParent) {
    let first = FromChild::Attach(newcomer).encode().unwrap();
    let pipe = tree_pipe_id(&group.id(), &to);
    let mut pipe = group.connect_with(to, pipe, Some(first.into()), PATIENCE).await.unwrap();
    let answer = hears(&mut pipe).await.unwrap();
    (pipe, answer)
}

async fn hears(pipe: &mut BidiPipe) -> Option<FromParent> {
    let said: Option<Bytes> = timeout(PATIENCE, pipe.recv()).await.unwrap().ok().flatten();
    said.map(|bytes| FromParent::decode(&bytes).unwrap())
}

fn counter(station: &Station, name: &str) -> u64 {
    station.node.counters().into_iter().find(|(known, _)| *known == name).unwrap().1
}

/// A report of more than there can be.
fn lie(interval: u64, boot: u64) -> Report {
    let mut lie = Report::of_one(Stamp { interval, boot });
    (lie.expected, lie.reporting) = (u64::MAX, u64::MAX);
    lie.figures.add("presence.ping", &Figure { failed: u64::MAX, ..Figure::default() });
    lie
}

/// What becomes of a report.
async fn fate(pipe: &mut BidiPipe, report: Report) -> Fate {
    let sent = report.stamp.interval;
    pipe.send(FromChild::Report(report).encode().unwrap()).await.unwrap();
    loop {
        // Meanwhile it may hear how intervals go on.
        match hears(pipe).await.expect("it is answered") {
            FromParent::Said { interval, fate } if interval == sent && fate != Fate::HandedOn => return fate,
            _ => {}
        }
    }
}

const LEAF: Newcomer = Newcomer { boot: 5, level: 0, expected: u64::MAX };

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_lies_counts_as_one_peer_and_one_that_floods_is_cut() {
    let managed = Managed::new().await;
    let root = managed.aggregator(2).await;
    let (_peer, place, _home) = managed.member(ManagementRole::Agent).await;
    let (group, to) = (place.group().clone(), root.peer.id());
    let (_pipe, answer) = attach(&group, to, Newcomer { level: 1, ..LEAF }).await;
    assert_eq!(answer, FromParent::Full, "it has no role to speak for others");
    let (mut pipe, answer) = attach(&group, to, LEAF).await;
    let FromParent::Attached { at, length, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(counter(&root, "expected"), 1);
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let beat = Beat::of_parent(Instant::now(), unix, at, length).unwrap();
    assert_eq!(fate(&mut pipe, lie(u64::MAX, 5)).await, Fate::Refused);
    assert_eq!(fate(&mut pipe, lie(beat.at(Instant::now()).0, 6)).await, Fate::Refused);
    // One that comes before its interval is over counts.
    let taken = loop {
        let interval = beat.at(Instant::now()).0;
        match fate(&mut pipe, lie(interval, 5)).await {
            Fate::Taken => break lie(interval, 5),
            other => assert_eq!(other, Fate::Late),
        }
    };
    // Who does not read what it is answered may be cut for that.
    while counter(&root, "children_flooding") == 0 {
        for _ in 0..=CHILD_MESSAGES_MAX * 30 {
            if pipe.send(FromChild::Report(taken.clone()).encode().unwrap()).await.is_err() {
                break;
            }
        }
        while hears(&mut pipe).await.is_some() {}
        pipe = attach(&group, to, LEAF).await.0;
    }
    assert_eq!(counter(&root, "children_flooding"), 1);
    pipe.send(vec![0xff; 100]).await.unwrap();
    while hears(&mut pipe).await.is_some() {}
    until("garbage is counted", || counter(&root, "children_flooding") == 2).await;
    let totals = managed.totals("the lie is in", |totals| sums(totals).1 > 0).await;
    let (_, last) = totals.intervals().find(|(_, total)| !total.figures.is_empty()).unwrap();
    assert_eq!((last.reporting, last.expected), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_calls_itself_an_aggregator_gets_no_report() {
    let managed = Managed::new().await;
    let (liar, place, _home) = managed.member(ManagementRole::Agent).await;
    let mut listener = place.group().bind(tree_pipe_id(&place.group().id(), &liar.id())).unwrap();
    let claim = Advertisement::new(AdvertisementKind::Service).key(TREE_HANDLER);
    let claim = claim.attribute("service", "mgmt-aggregator").attribute("level", "1");
    place.group().publish(claim, Lifetime::while_alive(Duration::from_secs(60))).await.unwrap();
    let agent = managed.agent().await;
    let pipe = timeout(LONG, listener.accept()).await.unwrap().unwrap();
    let (mut sender, mut receiver) = pipe.split();
    let at = (1, Duration::ZERO);
    let yes = FromParent::Attached { boot: 1, at, length: Duration::from_secs(1), above: None };
    // It may be gone before the answer.
    let _ = sender.send(yes.encode().unwrap()).await;
    while let Ok(Some(said)) = timeout(PATIENCE, receiver.recv()).await.unwrap() {
        assert!(matches!(FromChild::decode(&said), Ok(FromChild::Attach(_))), "it was told figures");
    }
    assert_eq!(agent.parent(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_from_outside_are_refused() {
    let managed = Managed::new().await;
    let root = managed.aggregator(1).await;
    let stranger = managed.town.edge().await;
    let ask = async |peer: &Peer, group, body: Vec<u8>| {
        peer.query(root.peer.id(), &group, TREE_HANDLER, body, PATIENCE).await
    };
    let totals = TreeQuestion::Totals { after: 0 }.encode().unwrap();
    let group = managed.boss.group().id();
    let open = stranger.net_group().id();
    for group in [group, open] {
        let answer = ask(&stranger, group, totals.clone()).await;
        assert!(matches!(answer, Err(QueryError::Refused(_))), "{answer:?}");
    }
    let (agent, _place, _home) = managed.member(ManagementRole::Agent).await;
    assert_eq!(ask(&agent, group, totals).await, Err(QueryError::Refused(RefuseReason::Policy)));
    assert_eq!(ask(&agent, group, vec![7; 9]).await, Err(QueryError::Refused(RefuseReason::Malformed)));
    until("refusals are counted", || counter(&root, "questions_refused") >= 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_again_and_again_that_an_aggregator_is_lost_has_it_asked_once_at_a_time() {
    let managed = Managed::new().await;
    let root = managed.aggregator(2).await;
    let (accused, place, _home) = managed.member(ManagementRole::Aggregator).await;
    let (asker, _place, _home2) = managed.member(ManagementRole::Agent).await;
    let group = place.group().clone();
    let mut questions = accused.register_handler(TREE_HANDLER).unwrap();
    let said = Doubted { root, group, asker, accused: accused.id() };
    // Where the machine stands still for longer than an answer may take, the scene begins anew.
    for boot in 5..15 {
        if said.again_and_again(boot, &mut questions).await {
            return;
        }
    }
    panic!("it was never asked twice");
}

/// An aggregator that somebody says is lost.
struct Doubted {
    root: Station,
    group: PeerGroup,
    asker: Peer,
    accused: PeerId,
}

impl Doubted {
    /// Whether it lives, as the one who says that it is lost is told.
    async fn lives(&self, boot: u64) -> bool {
        let lost = TreeQuestion::Settle { aggregator: self.accused, boot, stamps: Vec::new() };
        let (to, group, lost) = (self.root.peer.id(), self.group.id(), lost.encode().unwrap());
        let answer = self.asker.query(to, &group, TREE_HANDLER, lost, PATIENCE).await.unwrap();
        match TreeAnswer::decode(&answer).unwrap() {
            TreeAnswer::Settled(settled) => settled.lives,
            other => panic!("{other:?}"),
        }
    }

    /// Answers the first question and not the second; false when not even the first answer came in time.
    async fn again_and_again(&self, boot: u64, questions: &mut Queries) -> bool {
        let newcomer = Newcomer { boot, level: 1, ..LEAF };
        let attached_at = Instant::now();
        let (mut pipe, answer) = attach(&self.group, self.root.peer.id(), newcomer).await;
        assert!(matches!(answer, FromParent::Attached { .. }), "{answer:?}");
        let in_time = |lives| {
            assert!(lives || attached_at.elapsed() >= CHILD_ANSWER_MAX, "its pipe is whole");
            lives
        };
        for _ in 0..20 {
            if !in_time(self.lives(boot).await) {
                return false;
            }
        }
        timeout(PATIENCE, questions.recv()).await.unwrap().unwrap().refuse(RefuseReason::Policy);
        // It answered, so it lives; the next question it leaves unanswered. That one may have to wait for the end of the
        // first.
        let begun = Instant::now();
        let unanswered = loop {
            if !in_time(self.lives(boot).await) {
                return false;
            }
            if let Ok(question) = timeout(Duration::from_millis(20), questions.recv()).await {
                break question;
            }
        };
        while self.lives(boot).await && counter(&self.root, "children") > 0 {
            assert!(begun.elapsed() < LONG, "it still counts as alive");
            let another = timeout(Duration::from_millis(20), questions.recv()).await;
            let over = begun.elapsed() >= CHILD_ANSWER_MAX;
            assert!(another.is_err() || over, "it was asked again before the time for the answer was over");
        }
        drop(unanswered);
        // It still hears how intervals went on, and then its pipe is over.
        while hears(&mut pipe).await.is_some() {}
        true
    }
}
