//! Who takes part: a management group, aggregators as programs, agents in this process.

use std::time::Duration;

use mgmt_service::ManagePolicy;
use mgmt_service::access::ManagementRole;
use mgmt_service::arm::{Application, Transaction, TransactionDefinition};
use mgmt_service::jmx::{AttributeValue, BeanServer};
use mgmt_service::net::{ManagementAgent, ManagementGroup};
use overlay::{Peer, PeerId};
use serde_json::Value;
use tests::{Home, Meeting, PATIENCE, Process, Program, loopback};

use crate::store::until;

/// A management group whose creator is in this process, and programs that enter it.
pub(super) struct Circle {
    pub(super) home: Home,
    pub(super) meeting: Meeting,
    pub(super) boss: ManagementGroup,
    _boss_peer: Peer,
}

impl Circle {
    pub(super) async fn new() -> Self {
        let home = Home::new();
        let meeting = Meeting::start(&home, "rendezvous");
        let peer = edge(&meeting).await;
        let dir = home.join("boss");
        std::fs::create_dir(&dir).unwrap();
        let boss = ManagementGroup::create(&peer, &dir).await.unwrap();
        Self { home, meeting, boss, _boss_peer: peer }
    }

    pub(super) fn mgmt(&self, name: &str, args: &[&str]) -> Program {
        let program = Program::new("mgmt", &self.home).args(args).args(loopback());
        program.args(["--rendezvous", &self.meeting.address]).data_dir(&self.home.join(name))
    }

    pub(super) fn joined(&self, name: &str, role: ManagementRole) {
        let ticket = self.boss.invite(role).unwrap();
        let exit = self.mgmt(name, &["join", &ticket]).run();
        assert_eq!(exit.code, Some(0), "{exit:?}");
    }

    /// A running aggregator and its id.
    pub(super) fn aggregator(&self, name: &str, level: &str) -> (Process, PeerId) {
        self.joined(name, ManagementRole::Aggregator);
        let args = ["aggregate", "--level", level, "--interval", "500ms", "--manage", "open"];
        let process = self.mgmt(name, &args).start();
        let line = process.line("it aggregates", |line| line.starts_with("aggregating"));
        let id = line.rsplit(' ').next().and_then(|id| id.parse().ok()).unwrap();
        (process, id)
    }

    pub(super) async fn agent(&self, name: &str) -> Agent {
        let (peer, dir) = (edge(&self.meeting).await, self.home.join(name));
        std::fs::create_dir(&dir).unwrap();
        let policy = ManagePolicy::Ticket(self.boss.invite(ManagementRole::Agent).unwrap().into());
        let (beans, application) = (BeanServer::new(), Application::new(peer.id(), [7; 32]));
        let ping = application.define(TransactionDefinition::new("presence.ping", PATIENCE)).unwrap();
        let agent = ManagementAgent::start(&peer, name, Some(application), beans.clone(), &policy, &dir);
        Agent { _agent: agent.await.unwrap(), _peer: peer, ping, beans }
    }

    /// What a command says, as soon as these words are in it: whoever is asked may be too late at first.
    pub(super) fn tells(&self, name: &str, args: &[&str], words: &[&str]) -> String {
        until(&format!("{args:?} tells {words:?}"), || {
            let text = self.mgmt(name, args).run().stdout.join("\n");
            words.iter().all(|word| text.contains(word)).then_some(text)
        })
    }

    pub(super) fn totals(&self) -> Value {
        let exit = self.mgmt("reader", &["totals", "--json"]).run();
        assert_eq!(exit.code, Some(0), "{exit:?}");
        serde_json::from_str(&exit.stdout.join("\n")).unwrap()
    }
}

pub(super) struct Agent {
    _agent: ManagementAgent,
    _peer: Peer,
    pub(super) ping: Transaction,
    pub(super) beans: BeanServer,
}

impl Agent {
    /// What its agent shows of its reports.
    pub(super) fn shown(&self, attribute: &str) -> Option<AttributeValue> {
        let beans = self.beans.query(&"juxta:type=aggregation".parse().unwrap());
        beans.first()?.1.attribute(attribute)
    }

    pub(super) fn parent(&self) -> Option<PeerId> {
        match self.shown("parent")? {
            AttributeValue::Str(id) => id.parse().ok(),
            _ => None,
        }
    }

    /// Whether all that it reported counts, as far as it knows.
    pub(super) fn is_sure(&self) -> bool {
        self.shown("reports_in_doubt").is_none_or(|count| count.to_string() == "0")
    }
}

pub(super) async fn edge(meeting: &Meeting) -> Peer {
    let builder = Peer::builder().listen("/ip4/127.0.0.1/tcp/0".parse().unwrap());
    let peer = builder.rendezvous(meeting.address.parse().unwrap()).spawn().await.unwrap();
    peer.wait_leased(PATIENCE).await.unwrap();
    peer
}

pub(super) async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}
