//! Promise: one-shot commands talk to the running `im` of their data directory, and work without one.

use serde_json::json;
use tests::{Exit, Home, Meeting, Messenger, Program, befriend, loopback};

/// Runs a one-shot command in the data directory `name`.
fn im(home: &Home, name: &str, args: &[&str]) -> Exit {
    Program::new("im", home).args(args).data_dir(&home.join(name)).run()
}

#[test]
fn one_shot_commands_reach_the_running_messenger() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let alice = Messenger::start(&home, "alice", &meeting.address, &[]);
    let mut bob = Messenger::start(&home, "bob", &meeting.address, &[]);

    let id = im(&home, "alice", &["id"]);
    assert_eq!(id.code, Some(0), "{id:?}");
    assert!(id.stdout.concat().contains(&alice.peer_id));
    let invite = im(&home, "bob", &["invite"]);
    assert_eq!(invite.code, Some(0), "{invite:?}");
    let invite =
        invite.stdout.iter().find(|line| line.trim().starts_with("juxta:")).expect("an invite").trim();

    let added = im(&home, "alice", &["add", invite, "--alias", "robert"]);
    assert_eq!(added.code, Some(0), "{added:?}");
    bob.event("a contact request", |event| event["event"] == "contact-request");
    bob.must(json!({"command": "accept", "buddy": "alice"}));
    alice.sees(&bob, "online");

    let sent = im(&home, "alice", &["send", "robert", "good", "morning"]);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let message = bob.event("the message", |event| event["event"] == "message");
    assert_eq!((&message["from"], &message["text"]), (&json!("alice"), &json!("good morning")));

    let status = im(&home, "alice", &["status", "busy", "in a meeting"]);
    assert_eq!(status.code, Some(0), "{status:?}");
    assert_eq!(bob.sees(&alice, "busy")["note"], "in a meeting");

    let roster = im(&home, "bob", &["roster"]);
    assert!(roster.stdout.iter().any(|line| line.contains("alice") && line.contains("busy")), "{roster:?}");
    let history = im(&home, "bob", &["history", "alice"]);
    assert!(history.stdout.iter().any(|line| line.contains("good morning")), "{history:?}");
    let unknown = im(&home, "alice", &["send", "nobody", "x"]);
    assert_eq!((unknown.code, unknown.stderr.trim().lines().count()), (Some(1), 1), "{unknown:?}");
}

#[test]
fn without_a_running_messenger_they_do_the_work_themselves() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let mut alice = Messenger::start(&home, "alice", &meeting.address, &[]);
    let mut bob = Messenger::start(&home, "bob", &meeting.address, &[]);
    befriend(&mut alice, &mut bob);
    bob.must(json!({"command": "quit"}));
    assert_eq!(bob.into_process().finish().code, Some(0));

    let roster = im(&home, "bob", &["roster"]);
    assert_eq!(roster.code, Some(0), "{roster:?}");
    assert!(roster.stdout.concat().contains("alice"));
    let arguments = ["send", "alice", "from a script", "--rendezvous", &meeting.address];
    let sent = Program::new("im", &home).args(arguments).args(loopback()).data_dir(&home.join("bob")).run();
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let message = alice.event("the message", |event| event["event"] == "message");
    assert_eq!(message["text"], "from a script");
}
