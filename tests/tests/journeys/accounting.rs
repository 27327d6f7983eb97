//! Promise: `mgmt report` accounts for the messages, bytes and relayed bytes of each peer and of all, and of each group.

use mgmt_service::store::{Selection, Store};
use overlay::{Genesis, GroupId, PeerId};
use serde_json::{Value, json};
use tests::{Home, Meeting, Messenger, Process, Program, Signal, befriend, loopback};

use crate::store::until;

#[test]
fn messages_and_bytes_of_buddies_behind_a_relay_are_accounted() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "relay");
    let circuit = format!("{}/p2p-circuit", meeting.address);
    let places = ["--rendezvous", &meeting.address, "--listen", &circuit, "--manage", "open"];
    let arguments = [&places[..], &["--ping-period", "200ms", "--ping-timeout", "60s", "--no-mdns"]].concat();
    let mut alice = Messenger::start_at(&home, "alice", &arguments);
    let mut bob = Messenger::start_at(&home, "bob", &arguments);
    let mut invite: im_app::invite::Invite = bob.invite().parse().unwrap();
    invite.addresses = vec![circuit.parse().unwrap()];
    bob.ready["invite"] = invite.to_string().into();
    befriend(&mut alice, &mut bob);

    let manager = home.join("manager");
    let collect = Program::new("mgmt", &home).args(["collect", "--rendezvous", &meeting.address]);
    let collecting = collect.args(loopback()).data_dir(&manager).start();
    let store = until("a store", || Store::read(&manager.join("records.db")).ok());
    let ever = Selection { since_ms: 0, until_ms: u64::MAX };
    let used = || store.usage(ever).unwrap();
    // What is sent before the manager has looked at both is not its business.
    until("both are looked at", || (used().len() == 2).then_some(()));
    for text in ["one", "two", "three"] {
        alice.must(json!({"command": "send", "to": bob.peer_id, "text": text}));
    }
    until("the messages", || used().values().any(|used| used.usage.messages_in >= 3).then_some(()));
    collecting.signal(Signal::Interrupt);
    assert_eq!(collecting.finish().code, Some(130));

    let report = |arguments: &[&str]| {
        let exit = Program::new("mgmt", &home).args(["report"]).args(arguments).data_dir(&manager).run();
        assert_eq!(exit.code, Some(0), "{exit:?}");
        exit.stdout.join("\n")
    };
    let told: Value = serde_json::from_str(&report(&["--json"])).unwrap();
    let accounting = &told["accounting"];
    let of = |peer: &str| {
        let peers = accounting["peers"].as_array().unwrap();
        peers.iter().find(|one| one["peer"] == peer).cloned().unwrap()
    };
    let (of_alice, of_bob) = (of(&alice.peer_id), of(&bob.peer_id));
    assert_eq!(of_bob["messages_in"], 3, "{accounting}");
    assert_eq!(of_bob["messages_out"], 0, "{accounting}");
    for one in [&of_alice, &of_bob] {
        for (all, relayed) in [("bytes_in", "relayed_bytes_in"), ("bytes_out", "relayed_bytes_out")] {
            let (all, relayed) = (one[all].as_u64().unwrap(), one[relayed].as_u64().unwrap());
            assert!(0 < relayed && relayed <= all, "{accounting}");
        }
        assert!(one["online_s"].as_u64().unwrap() >= 1, "{accounting}");
    }
    assert_eq!(accounting["group"]["messages_in"], 3);
    let text = report(&[]);
    assert!(text.contains("relayed out") && text.contains("  bob"), "{text}");
    // The messenger talks in the group that all peers are in; that it came through a relay is known there as well.
    let net = of_group(&told, GroupId::net());
    for one in net["peers"].as_array().unwrap() {
        assert!(one["relayed_bytes_in"].as_u64().unwrap() > 0, "{net}");
        assert!(one["queries_in"].as_u64().unwrap() > 0, "{net}");
    }
    assert!(text.contains("accounting by group") && text.contains("group net"), "{text}");
}

/// What is told of one group.
fn of_group(told: &Value, group: GroupId) -> Value {
    let groups = told["accounting"]["groups"].as_array().unwrap();
    let found = groups.iter().find(|one| one["group"] == group.to_string());
    found.cloned().unwrap_or_else(|| panic!("{group} in {told:#}"))
}

/// A manageable peer that talks in two groups.
struct Talker {
    process: Process,
    peer_id: String,
    address: String,
}

impl Talker {
    fn start(home: &Home, name: &str, rendezvous: &str) -> Self {
        let program = Program::new("group_talker", home).args(["--rendezvous", rendezvous]);
        let process = program.data_dir(&home.join(name)).start();
        let ready = process.event("ready", |event| event["event"] == "ready");
        let of = |key: &str| ready[key].as_str().unwrap().to_owned();
        Self { peer_id: of("peer_id"), address: of("address"), process }
    }

    fn send(&mut self, group: &str, to: &Self, count: u64, bytes: u64) {
        self.process.write_line(&format!("{group} {} {} {count} {bytes}", to.peer_id, to.address));
        self.process.event("sent", |event| event["event"] == "sent");
    }
}

/// Asserts that one peer of a group sent so many messages and bytes, and another got so many.
fn accounts(account: &Value, (sender, sent): (&str, (u64, u64)), (receiver, got): (&str, (u64, u64))) {
    let of = |peer: &str| {
        let peers = account["peers"].as_array().unwrap();
        let one = peers.iter().find(|one| one["peer"] == peer).unwrap();
        ["messages_out", "bytes_out", "messages_in", "bytes_in"].map(|key| one[key].as_u64().unwrap())
    };
    assert_eq!(of(sender), [sent.0, sent.1, 0, 0], "{account:#}");
    assert_eq!(of(receiver), [0, 0, got.0, got.1], "{account:#}");
    assert_eq!([&account["messages_out"], &account["bytes_in"]], [sent.0, got.1]);
}

#[test]
fn two_groups_are_accounted_for_to_the_byte_over_restarts_of_a_peer_and_of_the_manager() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let mut anne = Talker::start(&home, "anne", &meeting.address);
    let bert = Talker::start(&home, "bert", &meeting.address);
    let manager = home.join("manager");
    let collect = || -> Process {
        let program = Program::new("mgmt", &home).args(["collect", "--rendezvous", &meeting.address]);
        program.args(loopback()).data_dir(&manager).start()
    };
    let end = |collecting: Process| {
        collecting.signal(Signal::Interrupt);
        assert_eq!(collecting.finish().code, Some(130));
    };
    let collecting = collect();
    let store = until("a store", || Store::read(&manager.join("records.db")).ok());
    let ever = Selection { since_ms: 0, until_ms: u64::MAX };
    let used = || store.usage(ever).unwrap();
    // What is sent before the manager has looked at both is not its business.
    until("both are looked at", || (used().len() == 2).then_some(()));
    anne.send("red", &bert, 3, 100);
    anne.send("blue", &bert, 2, 50_000);
    let [red, blue] = ["red", "blue"].map(|label| Genesis::open(label).id());
    let ids: [PeerId; 2] = [&anne.peer_id, &bert.peer_id].map(|id| id.parse().unwrap());
    // Messages out and in, of anne and of bert.
    let seen = |group: &GroupId| {
        let usage = store.group_usage(ever).unwrap();
        let of = |peer, at: usize| Some(usage.get(group)?.get(peer)?.usage.0[at]);
        (of(&ids[0], 0).unwrap_or(0), of(&ids[1], 1).unwrap_or(0))
    };
    until("all of bert's first life", || (seen(&red) == (3, 3) && seen(&blue) == (2, 2)).then_some(()));
    end(collecting);
    // While nobody looks, one sends more and the other starts anew, and then gets more than it ever had.
    anne.send("red", &bert, 1, 7);
    let Talker { mut process, .. } = bert;
    process.close_stdin();
    assert_eq!(process.finish().code, Some(0));
    let bert = Talker::start(&home, "bert", &meeting.address);
    anne.send("red", &bert, 9, 1000);
    let collecting = collect();
    until("bert again", || (seen(&red).1 >= 12).then_some(()));
    anne.send("blue", &bert, 1, 3);
    end(collecting);
    // A look that a manager takes when it ends is short; whom it misses, the next one finds.
    until("the last message", || {
        let is_there = seen(&blue) == (3, 3);
        if !is_there {
            end(collect());
        }
        is_there.then_some(())
    });

    let report = |arguments: &[&str]| {
        let exit = Program::new("mgmt", &home).args(["report"]).args(arguments).data_dir(&manager).run();
        assert_eq!(exit.code, Some(0), "{exit:?}");
        exit.stdout.join("\n")
    };
    let told: Value = serde_json::from_str(&report(&["--json"])).unwrap();
    // Of bert's first life the message that nobody looked at is gone, with its counters.
    let (annes, berts) = ((1 + 12, 7 + 300 + 9000), (12, 300 + 9000));
    for (group, annes, berts) in [(red, annes, berts), (blue, (3, 100_003), (3, 100_003))] {
        accounts(&of_group(&told, group), (&anne.peer_id, annes), (&bert.peer_id, berts));
    }
    let text = report(&[]);
    let short = format!("group …{}", &red.to_string()[red.to_string().len() - 8..]);
    assert!(text.contains(&short) && text.contains("group net"), "{text}");
}
