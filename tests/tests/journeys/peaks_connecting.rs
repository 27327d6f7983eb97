//! Promise: `mgmt report` tells a slow lookup, a slow dial and a relayed path apart, of buddies of whom one can't be
//! dialed by the other.

use std::time::Duration;

use im_app::invite::Invite;
use mgmt_service::arm::{ArmRecord, Path, Status};
use tests::{FaultyLink, Home, Meeting, Messenger, Program, befriend, lasting_port};
use tokio::runtime::Runtime;

use crate::peaks::{ANSWERED, listening, managed, runtime};
use crate::peaks_told::{MADE, Made, Measured, SLOW_US, Told, told_as_made};

/// How often Bob moves at most until a dial of his after a slow lookup is in time.
const MOVES_MAX: usize = 10;

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
        let mut alice = Messenger::start_at(&home, "alice", &[&places[..], &managed(ANSWERED)].concat());
        // Where somebody else can listen in his place.
        let listen = format!("/ip4/127.0.0.1/tcp/{}", lasting_port());
        let places = ["--rendezvous", &square.address, "--listen", &listen];
        let mut bob = Messenger::start_at(&home, "bob", &[&places[..], &managed(ANSWERED)].concat());
        let ban = Program::new("rendezvous", &home).args(["ban", &bob.peer_id]);
        assert_eq!(ban.data_dir(&home.join("relay")).run().code, Some(0));
        befriend(&mut alice, &mut bob);
        let measured = Measured::usual(&home, &[&relay, &square]);
        Self { home, alice, bob, square, square_by_link, link, measured, _relay: relay, runtime }
    }

    /// What Alice measures: Bob has to wait for her, whatever she does.
    fn told(self) -> Told {
        self.measured.told(&self.home).by("alice")
    }
}

#[test]
fn a_buddy_that_moved_while_the_rendezvous_is_slow_is_told_as_a_slow_lookup() {
    told_as_made(|| {
        let mut stage = Stage::usual(&["--no-relay"]);
        let id = stage.bob.peer_id.clone();
        let made = Made::begins();
        let mut found = false;
        for _ in 0..MOVES_MAX {
            stage.bob.into_process().kill();
            stage.alice.sees_peer(&id, "offline");
            stage.link.delay(MADE / 2);
            stage.bob = Messenger::start(&stage.home, "bob", &stage.square.address, &managed(ANSWERED));
            stage.alice.sees(&stage.bob, "online");
            stage.link.delay(Duration::ZERO);
            let is_slow = |record: &ArmRecord| {
                record.status == Status::Good && record.split.lookup_us.is_some_and(|us| us > SLOW_US)
            };
            found = stage.measured.saw(&stage.alice.peer_id, is_slow);
            if found {
                break;
            }
            // A lookup that leaves the dial too little time is told as an outage; its successor knows where Bob is.
        }
        assert!(found, "no dial ended in time");
        let made = made.ends();
        stage.told().has_peaks(&made, &[("alice", "bob", "lookup")])
    });
}

#[test]
fn a_buddy_whose_address_answers_late_is_told_as_a_slow_dial() {
    told_as_made(|| {
        let mut stage = Stage::usual(&["--no-relay"]);
        let id = stage.bob.peer_id.clone();
        let old = listening(&stage.bob.invite().parse::<Invite>().unwrap());
        let made = Made::begins();
        // Nobody can tell her of another address.
        stage.square.into_process().kill();
        stage.bob.into_process().kill();
        // The dial after a loss is given up early; the next one lasts.
        stage.alice.sees_peer(&id, "offline");
        stage.bob = Messenger::start(&stage.home, "bob", &stage.square_by_link, &managed(ANSWERED));
        let new = listening(&stage.bob.invite().parse::<Invite>().unwrap());
        let _late = stage.runtime.block_on(FaultyLink::spawn_at(old, new, MADE));
        stage.measured.slow(1, |record| record.split.dial_us.is_some_and(|us| us > SLOW_US));
        let made = made.ends();
        let told = stage.measured.told(&stage.home).by("alice");
        told.has_peaks(&made, &[("alice", "bob", "dial")])
    });
}

#[test]
fn a_buddy_that_is_reached_through_a_slow_relay_where_none_was_is_told_by_its_path() {
    told_as_made(|| {
        let mut stage = Stage::usual(&[]);
        let made = Made::begins();
        stage.bob.into_process().kill();
        let circuit = format!("{}/p2p-circuit", stage.square_by_link);
        let places = ["--rendezvous", &stage.square_by_link, "--listen", &circuit];
        stage.bob = Messenger::start_at(&stage.home, "bob", &[&places[..], &managed(ANSWERED)].concat());
        stage.measured.relayed();
        // Each question and each answer passes the link twice.
        stage.link.delay(MADE / 4);
        stage.measured.slow(4, |record| record.path == Path::Relayed);
        stage.link.delay(Duration::ZERO);
        let made = made.ends();
        // Before, she had to find Bob anew: at the relay.
        stage.told().has_peaks(&made, &[("alice", "bob", "path")])
    });
}
