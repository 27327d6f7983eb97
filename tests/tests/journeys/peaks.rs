//! Promise: `mgmt report` names what made an exchange slow or fail, and names nothing when nothing was.

use std::net::SocketAddr;
use std::time::Duration;

use im_app::invite::Invite;
use mgmt_service::arm::{ArmRecord, Reason};
use overlay::{Multiaddr, Protocol};
use tests::{FaultyLink, Home, Meeting, Messenger, Signal, befriend};
use tokio::runtime::Runtime;

use crate::peaks_told::{MADE, Made, Measured, Told, told_as_made};

/// The arguments of messengers that measure each other often, and may be managed.
pub(crate) fn managed(timeout: &str) -> [&str; 7] {
    ["--manage", "open", "--no-mdns", "--ping-period", "100ms", "--ping-timeout", timeout]
}

/// So long that whatever is injected is answered in the end.
pub(crate) const ANSWERED: &str = "20s";

/// So short that what is injected fails.
const FAILS: &str = "500ms";

/// Two buddies whose only way to each other is a link, or a connection without one, and who collect what they measure.
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
    fn usual(timeout: &str) -> Self {
        Self::measured(timeout, true)
    }

    /// The same without a link, which is as late as the process of this test: nothing stands between the two.
    fn straight(timeout: &str) -> Self {
        Self::measured(timeout, false)
    }

    fn measured(timeout: &str, by_link: bool) -> Self {
        let runtime = runtime();
        let home = Home::new();
        let meeting = Meeting::start(&home, "rendezvous");
        let mut alice = Messenger::start(&home, "alice", &meeting.address, &managed(timeout));
        let mut bob = Messenger::start(&home, "bob", &meeting.address, &managed(timeout));
        let mut invite: Invite = bob.invite().parse().unwrap();
        let link = runtime.block_on(FaultyLink::spawn(listening(&invite)));
        let near: Multiaddr = format!("/ip4/127.0.0.1/tcp/{}", link.near.port()).parse().unwrap();
        if by_link {
            invite.addresses = vec![near];
            bob.ready["invite"] = invite.to_string().into();
        }
        befriend(&mut alice, &mut bob);
        if by_link {
            runtime.block_on(link.connected());
        }
        let measured = Measured::usual(&home, &[&meeting]);
        Self { home, alice, bob, link, measured, _meeting: meeting, _runtime: runtime }
    }

    fn bob_stands_still(&self) {
        self.bob.signal(Signal::Stop);
        // This is the fault itself: so long nobody is served.
        std::thread::park_timeout(MADE);
        self.bob.signal(Signal::Continue);
    }

    fn told(self) -> Told {
        self.measured.told(&self.home)
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

#[test]
fn a_slow_link_is_told_from_both_ends() {
    told_as_made(|| {
        let circle = Circle::usual(ANSWERED);
        let made = Made::begins();
        circle.link.delay(MADE / 2);
        for messenger in [&circle.alice, &circle.bob] {
            circle.measured.slow(4, |record| record.peer.to_string() == messenger.peer_id);
        }
        circle.link.delay(Duration::ZERO);
        let made = made.ends();
        let told = circle.told();
        told.has_peaks(&made, &[("alice", "bob", "network"), ("bob", "alice", "network")])
    });
}

#[test]
fn a_process_that_stood_still_is_told_as_busy_by_its_buddy_and_as_late_by_itself() {
    told_as_made(|| {
        let circle = Circle::usual(ANSWERED);
        let made = Made::begins();
        circle.bob_stands_still();
        let made = made.ends();
        let told = circle.told();
        told.has_peaks(&made, &[("alice", "bob", "remote-hold"), ("bob", "alice", "local-queue")])
    });
}

#[test]
fn quiet_has_no_cause_but_a_machine_that_has_no_processor_left() {
    told_as_made(|| {
        let circle = Circle::straight(ANSWERED);
        assert!(circle.alice.seen(|event| event["event"] == "warning").is_empty());
        circle.told().is_quiet()
    });
}

#[test]
fn a_link_that_is_down_is_told_from_both_ends() {
    told_as_made(|| {
        let circle = Circle::usual(FAILS);
        let made = Made::begins();
        circle.link.lose(true);
        for messenger in [&circle.alice, &circle.bob] {
            let failed = |record: &ArmRecord| {
                record.peer.to_string() == messenger.peer_id && record.reason == Reason::Timeout
            };
            circle.measured.sees("failed records", 10, failed);
        }
        circle.link.lose(false);
        circle.link.reset();
        let made = made.ends();
        let told = circle.told();
        told.has_outages(&made, &[("alice", "bob", "network"), ("bob", "alice", "network")])
    });
}

#[test]
fn a_buddy_that_stands_still_and_answers_too_late_is_no_broken_link() {
    told_as_made(|| {
        let circle = Circle::usual(FAILS);
        let made = Made::begins();
        circle.bob_stands_still();
        let made = made.ends();
        let told = circle.told();
        told.has_outages(&made, &[("alice", "bob", "remote-hold")])
    });
}
