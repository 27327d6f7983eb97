//! Promise: SIGINT, SIGTERM, `quit` and the end of stdin end a program politely; buddies learn it at once.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::{Home, Meeting, Messenger, Signal, befriend};

/// A polite end lasts at most this.
const POLITE_END_MAX: Duration = Duration::from_secs(5);

/// How often a way to end is taken at most until it was that quick: the machine may stand still meanwhile.
const TRIES_MAX: usize = 6;

/// Takes a way to end, which says how long it took, until it was quick enough.
fn is_quick(way: &str, mut end: impl FnMut() -> Duration) {
    let mut took = Vec::new();
    while took.last().is_none_or(|last| *last > POLITE_END_MAX) {
        assert!(took.len() < TRIES_MAX, "{way}: {took:?}");
        took.push(end());
    }
}

#[test]
fn each_way_to_end_a_messenger_is_polite_and_its_buddy_sees_it() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let mut alice = Messenger::start(&home, "alice", &meeting.address, &[]);
    let mut bob = Messenger::start(&home, "bob", &meeting.address, &[]);
    befriend(&mut alice, &mut bob);
    let mut there = Some(bob);
    type End = (&'static str, fn(&mut Messenger), i32);
    let ways: [End; 4] = [
        ("quit", |bob| assert_eq!(bob.must(json!({"command": "quit"})), json!({})), 0),
        ("end of stdin", |bob| bob.close_stdin(), 0),
        ("SIGTERM", |bob| bob.signal(Signal::Terminate), 0),
        ("SIGINT", |bob| bob.signal(Signal::Interrupt), 130),
    ];
    for (way, end, code) in ways {
        is_quick(way, || {
            let mut bob = there.take().unwrap();
            let asked_at = Instant::now();
            end(&mut bob);
            alice.sees(&bob, "offline");
            let exit = bob.into_process().finish();
            let took = asked_at.elapsed();
            assert_eq!(exit.code, Some(code), "{way}: {exit:?}");
            let bob = Messenger::start(&home, "bob", &meeting.address, &[]);
            alice.sees(&bob, "online");
            there = Some(bob);
            took
        });
    }
}

#[test]
fn a_rendezvous_ends_politely() {
    let home = Home::new();
    for (signal, code) in [(Signal::Terminate, 0), (Signal::Interrupt, 130)] {
        is_quick("a signal", || {
            let meeting = Meeting::start(&home, "rendezvous");
            let _alice = Messenger::start(&home, "alice", &meeting.address, &[]);
            let asked_at = Instant::now();
            meeting.signal(signal);
            let exit = meeting.into_process().finish();
            assert_eq!(exit.code, Some(code), "{exit:?}");
            asked_at.elapsed()
        });
    }
}
