//! Promise: `mgmt report` tells a slow lookup, a slow dial and a relayed path apart, of buddies of whom one can't be
//! dialed by the other.

use std::time::Duration;

use im_app::invite::Invite;
use mgmt_service::arm::Path;
use tests::{FaultyLink, Home, Meeting, Messenger, Program, SilentPort, befriend};
use tokio::runtime::Runtime;

use crate::peaks::{MADE_US, MANAGED, Measured, SLOW_US, have, listening, runtime};
use crate::store::grows;

/// Alice is reached through a relay alone, by the manager, but not by Bob, who is banned there: only she can open their
/// pipes. Both meet at a square, to which she has a link.
struct Stage {
    home: Home,
    alice: Messenger,
    bob: Messenger,
    square: Meeting,
    /// The square, at the near end of the link.
    square_by_link: String,
    link: FaultyLink,
    measured: Measured,
    _relay: Meeting,
    runtime: Runtime,
}

impl Stage {
    /// Measured long enough for something to be usual.
    fn usual(square: &[&str]) -> Self {
        let (runtime, home) = (runtime(), Home::new());
        let relay = Meeting::start(&home, "relay");
        let square = Meeting::start_with(&home, "square", square);
        let port = |address: &str| address.split('/').nth(4).unwrap().parse::<u16>().unwrap();
        let far = ([127, 0, 0, 1], port(&square.address)).into();
        let link = runtime.block_on(FaultyLink::spawn(far));
        let id = square.ready["peer_id"].as_str().unwrap();
        let square_by_link = format!("/ip4/127.0.0.1/tcp/{}/p2p/{id}", link.near.port());
        let circuit = format!("{}/p2p-circuit", relay.address);
        let places = ["--rendezvous", &relay.address, "--rendezvous", &square_by_link, "--listen", &circuit];
        let mut alice = Messenger::start_at(&home, "alice", &[&places[..], &MANAGED].concat());
        let mut bob = Messenger::start(&home, "bob", &square.address, &MANAGED);
        let ban = Program::new("rendezvous", &home).args(["ban", &bob.peer_id]);
        assert_eq!(ban.data_dir(&home.join("relay")).run().code, Some(0));
        befriend(&mut alice, &mut bob);
        let measured = Measured::usual(&home, &[&relay, &square]);
        Self { home, alice, bob, square, square_by_link, link, measured, _relay: relay, runtime }
    }

    fn peaks(self) -> Vec<(String, String, String)> {
        self.measured.peaks(&self.home)
    }
}

/// What Alice measures: Bob has to wait for her, whatever she does.
fn alice_tells(cause: &str, also: &str, mut peaks: Vec<(String, String, String)>) {
    peaks.retain(|(peer, ..)| peer == "alice");
    assert!(have(cause, also, &peaks), "{peaks:?}");
}

#[test]
fn a_buddy_that_moved_while_the_rendezvous_is_slow_is_told_as_a_slow_lookup() {
    let mut stage = Stage::usual(&["--no-relay"]);
    stage.bob.into_process().kill();
    stage.link.delay(Duration::from_micros(MADE_US / 2));
    stage.bob = Messenger::start(&stage.home, "bob", &stage.square.address, &MANAGED);
    stage.measured.slow(1, |record| record.split.lookup_us.is_some_and(|us| us > SLOW_US));
    stage.link.delay(Duration::ZERO);
    grows(&stage.measured.store, 60);
    alice_tells("lookup", "lookup", stage.peaks());
}

#[test]
fn a_buddy_whose_old_address_says_nothing_is_told_as_a_slow_dial() {
    let mut stage = Stage::usual(&["--no-relay"]);
    let old = listening(&stage.bob.invite().parse::<Invite>().unwrap());
    stage.bob.into_process().kill();
    let silent = stage.runtime.block_on(SilentPort::spawn(old));
    stage.bob = Messenger::start(&stage.home, "bob", &stage.square.address, &MANAGED);
    // The first dial after the loss is given up early; the next one lasts.
    stage.alice.sees(&stage.bob, "offline");
    // This is the fault itself.
    std::thread::park_timeout(Duration::from_micros(MADE_US));
    drop(silent);
    stage.measured.slow(1, |record| record.split.dial_us.is_some_and(|us| us > SLOW_US));
    grows(&stage.measured.store, 60);
    alice_tells("dial", "dial", stage.peaks());
}

#[test]
fn a_buddy_that_is_reached_through_a_slow_relay_where_none_was_is_told_by_its_path() {
    let mut stage = Stage::usual(&[]);
    stage.bob.into_process().kill();
    let circuit = format!("{}/p2p-circuit", stage.square_by_link);
    let places = ["--rendezvous", &stage.square_by_link, "--listen", &circuit];
    stage.bob = Messenger::start_at(&stage.home, "bob", &[&places[..], &MANAGED].concat());
    stage.measured.relayed();
    // Each question and each answer passes the link twice.
    stage.link.delay(Duration::from_micros(MADE_US / 4));
    stage.measured.slow(4, |record| record.path == Path::Relayed);
    stage.link.delay(Duration::ZERO);
    // Before, she had to find Bob anew, which a busy machine makes slow.
    alice_tells("path", "dial", stage.peaks());
}
