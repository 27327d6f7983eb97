//! Promise: being measured takes no thread, and less than 2 MB.

use serde_json::Value;
use tests::footprint::{anonymous_mib, threads};
use tests::{Home, Meeting, Messenger, PATIENCE, Program, befriend, loopback};

/// Records of the measured one that its manager has before anything is compared.
const RECORDS: usize = 3;
/// Records, one a second, after which there was a moment without an idle thread.
const RECORDS_UNTIL_IDLE: usize = 90;
/// The promise, in MiB.
const MEMORY_MIB: f64 = 2.0;
/// Arguments of both messengers.
const BOTH: [&str; 3] = ["--no-mdns", "--ping-period", "1s"];

#[test]
fn a_measured_and_collected_messenger_has_no_more_threads_and_less_than_two_megabytes_more() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let start = |name: &str, manage: &str| {
        let more: Vec<&str> = BOTH.into_iter().chain(["--manage", manage]).collect();
        Messenger::start(&home, name, &meeting.address, &more)
    };
    let (mut measured, mut plain) = (start("measured", "open"), start("plain", "off"));
    befriend(&mut measured, &mut plain);
    let program = Program::new("mgmt", &home).args(["watch", "--jsonl", "--rendezvous", &meeting.address]);
    let manager = program.args(loopback()).data_dir(&home.join("manager")).start();
    let of_measured =
        |record: &Value| record["peer"] == measured.peer_id.as_str() && record["status"] == "good";
    let next_record = || manager.event_within(PATIENCE, "a record of the measured one", of_measured);
    (0..RECORDS).for_each(|_| drop(next_record()));

    let counted = || [&measured, &plain].map(|messenger| threads(messenger.pid()));
    let mut fewest = counted();
    // Threads that once did something blocking go when they have idled for a while.
    for _ in 0..RECORDS_UNTIL_IDLE {
        if fewest[0] <= fewest[1] {
            break;
        }
        next_record();
        fewest = [0, 1].map(|of| fewest[of].min(counted()[of]));
    }
    assert!(fewest[0] <= fewest[1], "{fewest:?} threads");
    let memory = [&measured, &plain].map(|messenger| anonymous_mib(messenger.pid()));
    println!("{memory:?} MiB");
    assert!(memory[0] - memory[1] < MEMORY_MIB, "{memory:?} MiB");
}
