//! Promise: two people meet through a rendezvous and chat, one vanishes and returns, and a manager has every PING.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Home, Meeting, Messenger, PATIENCE, Process, Program, Signal, befriend, loopback};

use crate::csv_records::{assert_each_is_whole, assert_none_is_missing, count, first_of_the_last_run, read};

/// How often the messengers PING here.
const PING_PERIOD: Duration = Duration::from_secs(1);
/// Who is killed is seen offline within this.
const OFFLINE_SEEN: Duration = Duration::from_secs(3);
/// Who returns is seen online within a PING period and this.
const RETURN_SLACK: Duration = Duration::from_secs(2);
/// How many answered PINGs the manager sees before the kill, and again after the return.
const STEADY_PINGS: u32 = 4;
/// How often Bob is killed at most until he was seen to go and to return in time: the machine may stand still meanwhile.
const KILLS_MAX: usize = 6;
/// Arguments of the messengers: measured by whoever asks, a PING each second. An answer that is a little late makes nobody
/// offline; one that never comes is a record before as many were answered as are waited for at the end.
const MEASURED: [&str; 6] = ["--manage", "open", "--ping-period", "1s", "--ping-timeout", "3s"];

#[test]
fn people_chat_one_is_killed_and_returns_and_the_manager_misses_no_ping() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let mut alice = Messenger::start(&home, "alice", &meeting.address, &MEASURED);
    let mut bob = Messenger::start(&home, "bob", &meeting.address, &MEASURED);
    let csv = home.join("records.csv");
    let csv_text = csv.display().to_string();
    let collect = manager(&home, "collector", &meeting, &["collect", "--csv", &csv_text]);
    let watch = manager(&home, "watcher", &meeting, &["watch", "--jsonl"]);

    befriend(&mut alice, &mut bob);
    chat(&mut alice, &mut bob, &["one", "two", "three", "four"]);
    chat(&mut bob, &mut alice, &["eins", "zwei", "drei"]);
    (0..STEADY_PINGS).for_each(|_| watched(&watch, &alice, &bob.peer_id, "good"));
    watched(&watch, &bob, &alice.peer_id, "good");

    let bob_id = bob.peer_id.clone();
    let mut took = Vec::new();
    loop {
        let killed_at = Instant::now();
        bob.into_process().kill();
        alice.sees_peer(&bob_id, "offline");
        let gone = killed_at.elapsed();
        assert_eq!(
            alice.refused(json!({"command": "send", "to": "bob", "text": "are you there?"})),
            "offline"
        );
        watched(&watch, &alice, &bob_id, "failed");

        let restarted_at = Instant::now();
        bob = Messenger::start(&home, "bob", &meeting.address, &MEASURED);
        assert_eq!(bob.peer_id, bob_id, "the same data directory is the same peer");
        alice.sees(&bob, "online");
        took.push((gone, restarted_at.elapsed()));
        bob.sees(&alice, "online");
        if took.iter().any(|(gone, back)| *gone <= OFFLINE_SEEN && *back <= PING_PERIOD + RETURN_SLACK) {
            break;
        }
        assert!(took.len() < KILLS_MAX, "seen too late: {took:?}");
    }
    chat(&mut alice, &mut bob, &["five"]);
    chat(&mut bob, &mut alice, &["vier"]);
    (0..STEADY_PINGS).for_each(|_| watched(&watch, &alice, &bob_id, "good"));

    let said = ["one", "two", "three", "four", "<eins", "<zwei", "<drei", "five", "<vier"];
    assert_eq!(history(&mut alice, "bob", "in"), said);
    assert_eq!(history(&mut bob, "alice", "out"), said);
    [&alice, &bob].into_iter().for_each(assert_nothing_twice);

    collect.signal(Signal::Interrupt);
    let exit = collect.finish();
    assert_eq!(exit.code, Some(130), "{}", exit.stderr);
    let records = read(&csv);
    assert_each_is_whole(&records, &[&alice.peer_id, &bob_id]);
    assert!(
        count(&records, &alice.peer_id, &bob_id, "good") >= STEADY_PINGS as usize,
        "before the kill and after the return"
    );
    assert!(count(&records, &bob_id, &alice.peer_id, "good") >= 1);
    assert!(count(&records, &alice.peer_id, &bob_id, "failed") >= 1, "PINGs to who is gone have lines too");
    assert_none_is_missing(&records, &alice.peer_id, STEADY_PINGS + 1);
    assert_eq!(
        first_of_the_last_run(&records, &bob_id),
        1,
        "who comes back is recorded from the first PING on"
    );
}

/// Starts `mgmt` with these arguments.
fn manager(home: &Home, name: &str, meeting: &Meeting, args: &[&str]) -> Process {
    let program = Program::new("mgmt", home).args(args).args(["--rendezvous", &meeting.address]);
    program.args(loopback()).data_dir(&home.join(name)).start()
}

/// Waits for a record of a PING from `peer` to `dest` that ended in `status`, later than the one before.
fn watched(watch: &Process, peer: &Messenger, dest: &str, status: &str) {
    let of_pair = |record: &Value| record["peer"] == peer.peer_id.as_str() && record["dest"] == dest;
    let wanted = |record: &Value| of_pair(record) && record["status"] == status;
    watch.newest_within(PATIENCE, &format!("a {status} record of {}", peer.name), wanted, of_pair);
}

/// Sends every text at once; each arrives, in order, and its sender learns that it was delivered.
fn chat(from: &mut Messenger, to: &mut Messenger, texts: &[&str]) {
    let sent: Vec<String> = texts
        .iter()
        .map(|text| {
            let result = from.must(json!({"command": "send", "to": to.name, "text": text}));
            result["message_id"].as_str().unwrap().to_owned()
        })
        .collect();
    for (text, id) in texts.iter().zip(&sent) {
        let message = to.event("the next message", |event| event["event"] == "message");
        let (said, said_id) = (&message["text"], &message["message_id"]);
        assert_eq!((said, said_id), (&json!(text), &json!(id)), "in order: {message}");
        assert_eq!((&message["from"], &message["peer_id"]), (&json!(from.name), &json!(from.peer_id)));
    }
    for id in &sent {
        from.event("delivered", |event| {
            event["event"] == "message-state"
                && event["message_id"] == json!(id)
                && event["state"] == "delivered"
        });
    }
}

/// What was said with `buddy`, oldest first, with `<` before what has the direction `marked`.
fn history(messenger: &mut Messenger, buddy: &str, marked: &str) -> Vec<String> {
    let result = messenger.must(json!({"command": "history", "buddy": buddy, "limit": 1000}));
    let messages = result["messages"].as_array().unwrap();
    let said = messages.iter().filter(|message| message["state"] != "failed");
    said.map(|message| {
        let mark = if message["direction"] == marked { "<" } else { "" };
        format!("{mark}{}", message["text"].as_str().unwrap())
    })
    .collect()
}

/// No message was shown twice, and cursors only grow.
fn assert_nothing_twice(messenger: &Messenger) {
    let messages = messenger.seen(|event| event["event"] == "message");
    let ids: BTreeSet<&str> =
        messages.iter().map(|message| message["message_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), messages.len(), "{messages:?}");
    let cursors: Vec<u64> =
        messenger.seen(|_| true).iter().filter_map(|event| event["cursor"].as_u64()).collect();
    assert!(cursors.is_sorted_by(|one, next| one < next), "{cursors:?}");
}
