//! Promise: `mgmt report` accounts for the messages, bytes and relayed bytes of each peer and of all.

use mgmt_service::store::{Selection, Store};
use serde_json::{Value, json};
use tests::{Home, Meeting, Messenger, Program, Signal, befriend, loopback};

use crate::store::until;

#[test]
fn messages_and_bytes_of_buddies_behind_a_relay_are_accounted() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "relay");
    let circuit = format!("{}/p2p-circuit", meeting.address);
    let places = ["--rendezvous", &meeting.address, "--listen", &circuit, "--manage", "open"];
    let arguments = [&places[..], &["--ping-period", "200ms", "--no-mdns"]].concat();
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
}
