//! Promise: `mgmt report` names what made an exchange slow, and names nothing when nothing was.

use std::net::SocketAddr;
use std::time::Duration;

use im_app::invite::Invite;
use mgmt_service::arm::{ArmRecord, Path, Status};
use mgmt_service::store::Store;
use overlay::{Multiaddr, Protocol};
use serde_json::Value;
use tests::{FaultyLink, Home, Meeting, Messenger, Process, Program, Signal, befriend, loopback};
use tokio::runtime::Runtime;

use crate::store::{grows, stored, until};

/// A manager that keeps what everybody measures.
pub(crate) struct Measured {
    collecting: Process,
    pub(crate) store: Store,
}

impl Measured {
    /// Collects from whom these rendezvous know, and waits for something to be usual.
    pub(crate) fn usual(home: &Home, rendezvous: &[&Meeting]) -> Self {
        let manager = home.join("manager");
        let addresses = rendezvous.iter().flat_map(|meeting| ["--rendezvous", &meeting.address]);
        let collect = Program::new("mgmt", home).args(["collect"]).args(addresses);
        let collecting = collect.args(loopback()).data_dir(&manager).start();
        let store = until("a store", || Store::read(&manager.join("records.db")).ok());
        grows(&store, 60);
        Self { collecting, store }
    }

    /// Waits until an exchange went through a relay.
    pub(crate) fn relayed(&self) {
        until("a relayed exchange", || {
            let stored = stored(&self.store);
            let is_relayed =
                |record: &&ArmRecord| record.status == Status::Good && record.path == Path::Relayed;
            stored.iter().find(is_relayed).map(|_| ())
        });
    }

    /// Waits for records that are as `wanted`, which took much longer than usual.
    pub(crate) fn slow(&self, count: usize, wanted: impl Fn(&ArmRecord) -> bool) {
        let total = |record: &ArmRecord| record.split.before_us() + record.response_us.unwrap_or(0);
        let is_slow =
            |record: &&ArmRecord| record.status == Status::Good && total(record) > SLOW_US && wanted(record);
        until("slow records", || (stored(&self.store).iter().filter(is_slow).count() >= count).then_some(()));
    }

    /// The peaks that the report tells: who asked whom, and the cause.
    pub(crate) fn peaks(self, home: &Home) -> Vec<(String, String, String)> {
        self.collecting.signal(Signal::Interrupt);
        assert_eq!(self.collecting.finish().code, Some(130));
        let report = Program::new("mgmt", home).args(["report", "--json"]);
        let exit = report.data_dir(&home.join("manager")).run();
        assert_eq!(exit.code, Some(0), "{exit:?}");
        let report: Value = serde_json::from_str(&exit.stdout.concat()).unwrap();
        let name = |id: &Value| report["names"][id.as_str().unwrap()].as_str().unwrap().to_owned();
        let mut peaks: Vec<&Value> = report["peaks"].as_array().unwrap().iter().collect();
        // What a test did takes longer than what a busy machine does.
        peaks.retain(|peak| peak["slowest_us"].as_u64().unwrap() > SLOW_US);
        peaks.iter().for_each(|peak| eprintln!("{peak}"));
        let told = |peak: &&Value| {
            (name(&peak["peer"]), name(&peak["dest"]), peak["cause"].as_str().unwrap().to_owned())
        };
        peaks.iter().map(told).collect()
    }
}

/// The arguments of messengers that measure each other often, and may be managed.
pub(crate) const MANAGED: [&str; 7] =
    ["--manage", "open", "--no-mdns", "--ping-period", "100ms", "--ping-timeout", "20s"];

/// Two buddies whose only way to each other is a link, and who collect what they measure.
struct Circle {
    home: Home,
    alice: Messenger,
    bob: Messenger,
    link: FaultyLink,
    measured: Measured,
    _meeting: Meeting,
    _runtime: Runtime,
}

impl Circle {
    /// Measured long enough for something to be usual.
    fn usual() -> Self {
        let runtime = runtime();
        let home = Home::new();
        let meeting = Meeting::start(&home, "rendezvous");
        let mut alice = Messenger::start(&home, "alice", &meeting.address, &MANAGED);
        let mut bob = Messenger::start(&home, "bob", &meeting.address, &MANAGED);
        let mut invite: Invite = bob.invite().parse().unwrap();
        let link = runtime.block_on(FaultyLink::spawn(listening(&invite)));
        let near: Multiaddr = format!("/ip4/127.0.0.1/tcp/{}", link.near.port()).parse().unwrap();
        invite.addresses = vec![near];
        bob.ready["invite"] = invite.to_string().into();
        befriend(&mut alice, &mut bob);
        runtime.block_on(link.connected());
        let measured = Measured::usual(&home, &[&meeting]);
        Self { home, alice, bob, link, measured, _meeting: meeting, _runtime: runtime }
    }

    /// The peaks that the report tells once everything has gone on as usual for a while.
    fn peaks(self) -> Vec<(String, String, String)> {
        grows(&self.measured.store, 60);
        self.measured.peaks(&self.home)
    }
}

/// What links run in.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Where who invites listens.
pub(crate) fn listening(invite: &Invite) -> SocketAddr {
    let port = invite.addresses.iter().flatten().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    SocketAddr::from(([127, 0, 0, 1], port.expect("who invites listens on TCP")))
}

pub(crate) fn told(peer: &str, dest: &str, cause: &str) -> (String, String, String) {
    (peer.to_owned(), dest.to_owned(), cause.to_owned())
}

/// Whether a peak has the cause that was made, and none has one that neither the test (`also`) nor the machine made: on
/// one that is too busy, processes do stand still, and that is told as what it is.
pub(crate) fn have(cause: &str, also: &str, peaks: &[(String, String, String)]) -> bool {
    let known = [cause, also, "local-queue", "remote-hold"];
    peaks.iter().any(|(.., found)| found == cause)
        && peaks.iter().all(|(.., found)| known.contains(&&**found))
}

/// How long what is injected makes an exchange.
pub(crate) const MADE_US: u64 = 1_500_000;

/// From when on an exchange counts as made slow.
pub(crate) const SLOW_US: u64 = MADE_US * 3 / 4;

#[test]
fn a_slow_link_is_told_from_both_ends() {
    let circle = Circle::usual();
    circle.link.delay(Duration::from_micros(MADE_US / 2));
    circle.measured.slow(4, |_| true);
    circle.link.delay(Duration::ZERO);
    let peaks = circle.peaks();
    assert!(have("network", "network", &peaks), "{peaks:?}");
}

#[test]
fn a_process_that_stood_still_is_told_as_busy_by_its_buddy_and_as_late_by_itself() {
    let circle = Circle::usual();
    circle.bob.signal(Signal::Stop);
    // This is the fault itself: so long nobody is served.
    std::thread::park_timeout(Duration::from_micros(MADE_US));
    circle.bob.signal(Signal::Continue);
    let peaks = circle.peaks();
    assert!(peaks.contains(&told("alice", "bob", "remote-hold")), "{peaks:?}");
    assert!(peaks.contains(&told("bob", "alice", "local-queue")), "{peaks:?}");
}

#[test]
fn quiet_has_no_cause() {
    let circle = Circle::usual();
    assert!(circle.alice.seen(|event| event["event"] == "warning").is_empty());
    let mut peaks = circle.peaks();
    peaks.retain(|(.., cause)| cause != "local-queue" && cause != "remote-hold");
    assert_eq!(peaks, [], "but for a machine that makes processes stand still");
}
