//! The management group over real peers and a rendezvous that is no member: each role gets what is promised and nothing else,
//! whoever asks from outside, with somebody else's papers or after being revoked, and all of it stands in the audit log.

mod held_back;
mod quick;

use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use mgmt_service::ManagePolicy;
use mgmt_service::access::{ManagementRole, unknown_peer, verify_audit};
use mgmt_service::arm::{Application, ArmRecord, TransactionDefinition};
use mgmt_service::error::{FailureCode, GetError, ManageError, MembershipError};
use mgmt_service::jmx::{AttributeValue, BeanServer, ManagedBean, ObjectName, SetOptions, ValueType};
use mgmt_service::net::{ManagementAgent, ManagementGroup, Manager, RecordSink};
use overlay::{
    Advertisement, AdvertisementKind, JoinError, Keypair, Lifetime, Peer, PeerId, QueryError, RefuseReason,
};
use tempfile::TempDir;

use crate::closed_groups::Town;
use crate::world::PATIENCE;

/// A group with its creator, and an agent in it that has something to set and to do.
struct Managed {
    town: Town,
    _boss_peer: Peer,
    boss: ManagementGroup,
    boss_home: TempDir,
    agent_peer: Peer,
    agent: ManagementAgent,
    agent_home: TempDir,
    application: Application,
    level: Arc<AtomicI64>,
}

impl Managed {
    async fn new() -> Self {
        let town = Town::new().await;
        let (boss_peer, boss_home, agent_home) =
            (town.edge().await, tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let boss = ManagementGroup::create(&boss_peer, boss_home.path()).await.unwrap();
        let agent_peer = town.edge().await;
        let place = member(&boss, &agent_peer, agent_home.path(), ManagementRole::Agent).await;
        let level = Arc::new(AtomicI64::new(3));
        let (application, beans) = plant(&agent_peer, &level);
        let measuring = Some(application.clone());
        let agent =
            ManagementAgent::start_in(place, &agent_peer, "plant", measuring, beans, agent_home.path());
        let agent = agent.unwrap();
        Self {
            town,
            _boss_peer: boss_peer,
            boss,
            boss_home,
            agent_peer,
            agent,
            agent_home,
            application,
            level,
        }
    }

    async fn member(&self, role: ManagementRole) -> Member {
        let (peer, home) = (self.town.edge().await, tempfile::tempdir().unwrap());
        let place = member(&self.boss, &peer, home.path(), role).await;
        let manager = Manager::in_group(&peer, place.group().clone()).patient(PATIENCE);
        Member { peer, place, manager, _home: home }
    }

    fn id(&self) -> PeerId {
        self.agent_peer.id()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.agent_home.path().join("audit.log")).unwrap()
    }
}

/// A place by a ticket, with the key of the pseudonyms where the role has it.
async fn member(boss: &ManagementGroup, peer: &Peer, home: &Path, role: ManagementRole) -> ManagementGroup {
    let ticket = boss.invite(role).unwrap();
    let place = ManagementGroup::join(peer, home, &ticket).await.unwrap();
    let keyed = async {
        while place.veil().is_none() && role != ManagementRole::Reader {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, keyed).await.unwrap();
    place
}

struct Member {
    peer: Peer,
    place: ManagementGroup,
    manager: Manager,
    _home: TempDir,
}

impl Member {
    async fn set(&self, agent: PeerId, value: &str, options: SetOptions) -> Result<u64, ManageError> {
        let change = self.manager.set(agent, &valve(), "level", value.into(), options).await?;
        Ok(change.version)
    }

    async fn open(&self, agent: PeerId) -> Result<AttributeValue, ManageError> {
        self.manager.invoke(agent, &valve(), "open", vec!["9".into()]).await
    }

    async fn get(&self, agent: PeerId, pattern: &str) -> Result<String, GetError> {
        let beans = self.manager.get(agent, &pattern.parse().unwrap(), &[]).await?;
        Ok(beans.iter().map(|bean| format!("{} {:?}\n", bean.name, bean.attributes)).collect())
    }
}

fn valve() -> ObjectName {
    "plant:type=valve".parse().unwrap()
}

async fn agent(peer: &Peer, level: &Arc<AtomicI64>, ticket: &str, home: &Path) -> ManagementAgent {
    let (application, beans) = plant(peer, level);
    let policy = ManagePolicy::Ticket(ticket.into());
    ManagementAgent::start(peer, "plant", Some(application), beans, &policy, home).await.unwrap()
}

/// What an agent has to show.
fn plant(peer: &Peer, level: &Arc<AtomicI64>) -> (Application, BeanServer) {
    let beans = BeanServer::new();
    let (shown, set, opened) = (level.clone(), level.clone(), level.clone());
    let number = || ValueType::Int { min: 0, max: 9 };
    let bean = ManagedBean::new("a valve")
        .sets(
            "level",
            "0 to 9",
            number(),
            move || shown.load(Ordering::Relaxed),
            move |value| match value {
                AttributeValue::Int(value) => {
                    set.store(value, Ordering::Relaxed);
                    Ok(())
                }
                _ => Err("no number".to_owned()),
            },
        )
        .does("open", "opens it", [("to", number())], move |arguments| {
            let opened = opened.clone();
            async move {
                let Some(AttributeValue::Int(to)) = arguments.first() else { return Err("no".to_owned()) };
                Ok(opened.swap(*to, Ordering::Relaxed).into())
            }
        });
    std::mem::forget(beans.register(valve(), Arc::new(bean)).unwrap());
    (Application::new(peer.id(), [7; 32]), beans)
}

/// Whether it was refused for this reason, as the one who asked sees it.
fn refused<T: std::fmt::Debug>(answer: Result<T, ManageError>, reason: RefuseReason) -> bool {
    matches!(answer, Err(ManageError::Query(QueryError::Refused(given))) if given == reason)
}

const NOW: SetOptions = SetOptions { expected: None, dry_run: false };

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_finds_reads_sets_and_invokes_and_all_of_it_is_written_down() {
    let managed = Managed::new().await;
    let operator = managed.member(ManagementRole::Operator).await;
    let found = async {
        loop {
            let agents = operator.manager.agents(PATIENCE).await;
            if let Some(agent) = agents.first() {
                return agent.clone();
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, found).await.unwrap();
    assert_eq!((found.peer, &*found.name), (managed.id(), "plant"));
    let agent = managed.id();
    assert!(operator.get(agent, "plant:*").await.unwrap().contains("Int(3)"));
    let dry = SetOptions { dry_run: true, expected: Some(0) };
    assert_eq!(operator.set(agent, "5", dry).await.unwrap(), 0);
    assert_eq!(managed.level.load(Ordering::Relaxed), 3);
    assert_eq!(operator.set(agent, "5", NOW).await.unwrap(), 1);
    let stale = operator.set(agent, "6", SetOptions { expected: Some(0), dry_run: false }).await;
    assert!(matches!(stale, Err(ManageError::Failed { code: FailureCode::Stale, .. })));
    let wrong = operator.set(agent, "10", NOW).await;
    assert!(matches!(wrong, Err(ManageError::Failed { code: FailureCode::BadValue, .. })));
    assert_eq!(operator.open(agent).await.unwrap(), 5_i64.into());
    let described = operator.manager.describe(agent, &valve()).await.unwrap();
    assert_eq!(described.attributes[0].set, Some(("a whole number from 0 to 9".to_owned(), 1)));
    let head = operator.get(agent, "juxta:type=audit").await.unwrap();
    let log = managed.log();
    let file = BufReader::new(log.as_bytes());
    let last = log.lines().last().unwrap().split(' ').next().unwrap();
    assert!(head.contains(last));
    assert!(verify_audit(file, Some(last)).is_ok());
    for said in [
        r#""after":5,"result":"dry-run""#,
        r#""before":3,"after":5,"result":"done""#,
        "is at version 1",
        "a whole number from 0 to 9 is expected",
        r#""target":"open","after":"9","result":"begun""#,
        &format!(r#""subject":"{}","role":"operator""#, operator.peer.id()),
    ] {
        assert!(log.contains(said), "{said} is not in\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reader_aggregator_agent_and_strangers_change_nothing() {
    let managed = Managed::new().await;
    let agent = managed.id();
    for role in [ManagementRole::Reader, ManagementRole::Aggregator, ManagementRole::Agent] {
        let member = managed.member(role).await;
        assert!(refused(member.set(agent, "5", NOW).await, RefuseReason::Policy), "{role}");
        assert!(refused(member.open(agent).await, RefuseReason::Policy), "{role}");
        let reads = member.get(agent, "plant:*").await.is_ok();
        assert_eq!(reads, role != ManagementRole::Agent, "{role}");
    }
    // A peer without papers: neither in the group nor in the net group is there anything for it.
    let stranger = managed.town.edge().await;
    let group = stranger.join(managed.boss.group().genesis());
    for manager in [Manager::new(&stranger), Manager::in_group(&stranger, group)] {
        let manager = manager.patient(PATIENCE);
        assert!(manager.agents(Duration::from_secs(1)).await.is_empty());
        let got = manager.get(agent, &"*:*".parse().unwrap(), &[]).await;
        assert!(matches!(got, Err(GetError::Query(QueryError::Refused(_)))), "{got:?}");
        let set = manager.set(agent, &valve(), "level", "5".into(), NOW).await;
        assert!(refused(set, RefuseReason::NotMember));
    }
    assert_eq!(managed.level.load(Ordering::Relaxed), 3);
    let log = managed.log();
    for said in [r#""role":"reader""#, r#""role":"aggregator""#, r#""role":"agent""#, r#""role":"nobody""#] {
        assert!(log.lines().any(|line| line.contains(said) && line.contains(r#""event":"deny""#)), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_for_one_peer_and_stolen_papers_are_of_no_use_to_another() {
    let managed = Managed::new().await;
    let ticket = managed.boss.invite(ManagementRole::Operator).unwrap();
    let (owner, home) = (managed.town.edge().await, tempfile::tempdir().unwrap());
    ManagementGroup::join(&owner, home.path(), &ticket).await.unwrap();
    // A second peer that has overheard the ticket.
    let (thief, den) = (managed.town.edge().await, tempfile::tempdir().unwrap());
    let joined = ManagementGroup::join(&thief, den.path(), &ticket).await;
    assert!(matches!(joined, Err(MembershipError::Join(JoinError::Refused))), "{joined:?}");
    // One that has copied the owner's file, pseudonyms' key and all.
    std::fs::copy(home.path().join("management-group"), den.path().join("management-group")).unwrap();
    let restored = ManagementGroup::restore(&thief, den.path());
    assert!(matches!(restored, Err(MembershipError::Join(JoinError::Credential(_)))), "{restored:?}");
    let view = Manager::in_group(&thief, thief.join(managed.boss.group().genesis())).patient(PATIENCE);
    let set = view.set(managed.id(), &valve(), "level", "5".into(), NOW).await;
    assert!(refused(set, RefuseReason::NotMember));
}

#[tokio::test(flavor = "multi_thread")]
async fn places_and_the_audit_log_outlive_a_restart_without_the_issuer() {
    let managed = Managed::new().await;
    let (peer, key, home) = {
        let key = Keypair::generate_ed25519();
        (managed.town.edge_as(key.clone()).await, key, tempfile::tempdir().unwrap())
    };
    let ticket = managed.boss.invite(ManagementRole::Agent).unwrap();
    let level = Arc::new(AtomicI64::new(1));
    let agent_once = agent(&peer, &level, &ticket, home.path()).await;
    agent_once.shutdown().await;
    peer.shutdown().await;
    let operator = managed.member(ManagementRole::Operator).await;
    // The issuer is away; the ticket is still on the command line.
    let Managed { town, _boss_peer: boss_peer, boss, boss_home, .. } = managed;
    drop(boss);
    boss_peer.shutdown().await;
    let peer = town.edge_as(key).await;
    let _agent = agent(&peer, &level, &ticket, home.path()).await;
    assert_eq!(operator.set(peer.id(), "4", NOW).await.unwrap(), 1);
    let log = std::fs::File::open(home.path().join("audit.log")).unwrap();
    assert_eq!(verify_audit(BufReader::new(log), None).unwrap().lines, 3);
    assert!(boss_home.path().join("management-group").exists());
    assert_eq!(operator.place.role(), Some(ManagementRole::Operator));
}

/// Keeps what comes.
#[derive(Clone, Default)]
struct Kept(Arc<std::sync::Mutex<Vec<ArmRecord>>>);

impl RecordSink for Kept {
    fn write(&mut self, records: &[ArmRecord]) -> std::io::Result<()> {
        self.0.lock().unwrap().extend_from_slice(records);
        Ok(())
    }

    fn commit(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_pseudonyms_of_both_ends_and_can_test_no_guess() {
    let managed = Managed::new().await;
    let definition = TransactionDefinition::new("presence.ping", PATIENCE);
    let ping = managed.application.define(definition).unwrap();
    let (reader, operator) =
        (managed.member(ManagementRole::Reader).await, managed.member(ManagementRole::Operator).await);
    let (agent, dest) = (managed.id(), PeerId::random());
    let (seen, known) = (Kept::default(), Kept::default());
    let all = || "*:*".parse().unwrap();
    let (reading, knowing) =
        (reader.manager.collect(all(), seen.clone()), operator.manager.collect(all(), known.clone()));
    let came = async {
        let mut at = 1_000_000_000_000;
        while seen.0.lock().unwrap().is_empty() || known.0.lock().unwrap().is_empty() {
            at += 1;
            ping.unreachable(Instant::now(), at, dest);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, came).await.unwrap();
    reading.stop_within(PATIENCE).await;
    knowing.stop_within(PATIENCE).await;
    let (seen, known) = (seen.0.lock().unwrap()[0].clone(), known.0.lock().unwrap()[0].clone());
    assert_eq!((known.peer, known.dest), (agent, dest));
    let veil = operator.place.veil().unwrap();
    assert_eq!((seen.peer, seen.dest), (veil.peer(&agent), veil.peer(&dest)));
    assert!(reader.place.veil().is_none());
    let text = reader.get(agent, "*:*").await.unwrap();
    assert!(text.contains(&veil.peer(&dest).to_string()));
    for id in [agent, dest, reader.peer.id(), operator.peer.id()] {
        assert!(!text.contains(&id.to_string()), "{id} in\n{text}");
    }
    // A guess matches nothing, its pseudonym does; for the operator it is the other way round.
    let (guess, pseudonym) = (format!("*:dest={dest},*"), format!("*:dest={},*", veil.peer(&dest)));
    assert_eq!(reader.get(agent, &guess).await.unwrap(), "");
    assert_ne!(reader.get(agent, &pseudonym).await.unwrap(), "");
    assert_ne!(operator.get(agent, &guess).await.unwrap(), "");
    assert_eq!(operator.get(agent, &pseudonym).await.unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_claims_the_pseudonym_of_another_makes_both_unknown_to_readers() {
    let managed = Managed::new().await;
    let ping = managed.application.define(TransactionDefinition::new("presence.ping", PATIENCE)).unwrap();
    let (reader, thief) =
        (managed.member(ManagementRole::Reader).await, managed.member(ManagementRole::Operator).await);
    let pseudonym = thief.place.veil().unwrap().peer(&managed.id());
    let claim = Advertisement::new(AdvertisementKind::Service)
        .key("mgmt")
        .attribute("service", "mgmt-agent")
        .attribute("pseudonym", pseudonym.to_string());
    let lifetime = Lifetime::while_alive(PATIENCE * 3);
    thief.place.group().publish(claim, lifetime).await.unwrap();
    let seen = Kept::default();
    let reading = reader.manager.collect("*:*".parse().unwrap(), seen.clone());
    let came = async {
        while !reading.counters().contains(&("pseudonyms_contested", 2)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        seen.0.lock().unwrap().clear();
        let mut at = 1_000_000_000_000;
        while !seen.0.lock().unwrap().iter().any(|record| record.at_ms > 1_000_000_000_000) {
            at += 1;
            ping.unreachable(Instant::now(), at, PeerId::random());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, came).await.unwrap();
    reading.stop_within(PATIENCE).await;
    let peers: Vec<PeerId> = seen.0.lock().unwrap().iter().map(|record| record.peer).collect();
    assert!(peers.iter().all(|peer| *peer == unknown_peer()), "{peers:?}");
}
