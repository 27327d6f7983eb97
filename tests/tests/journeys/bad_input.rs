//! Promise: a line that can't be carried out gets an error that names the field, and nothing else changes.

use serde_json::{Value, json};
use tests::{Home, Meeting, Messenger, befriend};

/// Bytes of a line at most.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a message's text at most.
const TEXT_BYTES_MAX: usize = 16 * 1024;

#[test]
fn a_line_that_cannot_be_read_is_answered_and_the_next_one_is_carried_out() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let mut alice = Messenger::start(&home, "alice", &meeting.address, &[]);
    let oversize =
        format!("{{\"id\":\"x\",\"command\":\"roster\",\"pad\":\"{}\"}}", "x".repeat(LINE_BYTES_MAX));
    for line in ["{", "roster", "[1, 2]", "\"roster\"", "{\"id\":", "\u{0}\u{1b}[31m", &oversize] {
        alice.write_line(line);
        let what = format!("an answer to {:.40}", line);
        let reply = alice.event(&what, |event| event["event"] == "reply");
        assert_eq!((&reply["id"], &reply["ok"]), (&Value::Null, &json!(false)), "{line:.40}: {reply}");
        assert_eq!(reply["error"]["code"], "bad-command", "{line:.40}: {reply}");
        assert!(!reply["error"]["message"].as_str().unwrap().is_empty());
        assert_eq!(alice.must(json!({"command": "roster"}))["buddies"], json!([]));
    }
}

#[test]
fn a_command_with_a_wrong_field_is_answered_under_its_id_with_the_name_of_the_field() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let mut alice = Messenger::start(&home, "alice", &meeting.address, &[]);
    for (command, field) in [
        (json!({"command": "dance"}), "command"),
        (json!({"command": 7}), "command"),
        (json!({"to": "bob", "text": "no command"}), "command"),
        (json!({"command": "send", "to": "bob"}), "text"),
        (json!({"command": "send", "text": "to whom?"}), "to"),
        (json!({"command": "send", "to": "bob", "text": 5}), "text"),
        (json!({"command": "send", "to": ["bob"], "text": "x"}), "to"),
        (json!({"command": "set-status", "status": "asleep"}), "status"),
        (json!({"command": "set-status"}), "status"),
        (json!({"command": "history", "buddy": "bob", "limit": "many"}), "limit"),
        (json!({"command": "history", "buddy": "bob", "limit": 10_001}), "limit"),
        (json!({"command": "replay", "since": "yesterday"}), "since"),
        (json!({"command": "add"}), "invite"),
    ] {
        let reply = alice.command(command.clone());
        assert_eq!(reply["ok"], false, "{command}: {reply}");
        assert_eq!(reply["error"]["code"], "bad-command", "{command}: {reply}");
        assert_eq!(reply["error"]["field"], field, "{command}: {reply}");
    }
    alice.must(json!({"command": "roster"}));
}

#[test]
fn what_cannot_be_done_has_its_own_code() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let mut alice = Messenger::start(&home, "alice", &meeting.address, &[]);
    let mut bob = Messenger::start(&home, "bob", &meeting.address, &[]);
    assert_eq!(alice.refused(json!({"command": "send", "to": "nobody", "text": "x"})), "unknown-buddy");
    assert_eq!(alice.refused(json!({"command": "history", "buddy": "nobody"})), "unknown-buddy");
    assert_eq!(alice.refused(json!({"command": "add", "invite": "juxta:nonsense"})), "bad-invite");
    assert_eq!(alice.refused(json!({"command": "add", "invite": ""})), "bad-invite");
    befriend(&mut alice, &mut bob);
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    assert_eq!(alice.refused(json!({"command": "send", "to": "bob", "text": long})), "too-large");
    let full = "x".repeat(TEXT_BYTES_MAX);
    alice.must(json!({"command": "send", "to": "bob", "text": full}));
    let message = bob.event("the full message", |event| event["event"] == "message");
    assert_eq!(message["text"], json!(full), "the refused one left nothing behind");
}

#[test]
fn each_command_of_a_flood_is_answered_exactly_once() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let mut alice = Messenger::start(&home, "alice", &meeting.address, &[]);
    let commands = tests::scaled(2000);
    for number in 0..commands {
        let line = if number % 3 == 0 {
            "{oops".to_owned()
        } else {
            format!("{{\"id\":\"f{number}\",\"command\":\"roster\"}}")
        };
        alice.write_line(&line);
    }
    alice.must(json!({"command": "roster"}));
    let replies = alice.seen(|event| event["event"] == "reply");
    assert_eq!(replies.len(), commands as usize + 1);
    let mut ids: Vec<&str> = replies.iter().filter_map(|reply| reply["id"].as_str()).collect();
    ids.sort_unstable();
    let answered = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), answered, "an id answered twice");
}
