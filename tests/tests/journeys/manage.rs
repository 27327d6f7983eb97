//! Promise: who says `--manage open` can be read by `mgmt` over the overlay; who says nothing can not.

use serde_json::Value;
use tests::{Home, Meeting, Messenger, Program, befriend, loopback};

use crate::store::until;

/// A rendezvous, and Alice and Bob as buddies who can be managed.
struct Circle {
    home: Home,
    meeting: Meeting,
    alice: Messenger,
    bob: Messenger,
}

impl Circle {
    fn managed() -> Self {
        let home = Home::new();
        let meeting = Meeting::start(&home, "rendezvous");
        let managed = ["--manage", "open", "--ping-period", "1s"];
        let mut alice = Messenger::start(&home, "alice", &meeting.address, &managed);
        let mut bob = Messenger::start(&home, "bob", &meeting.address, &managed);
        befriend(&mut alice, &mut bob);
        Self { home, meeting, alice, bob }
    }

    /// A command of `mgmt`, as a manager of its own.
    fn mgmt(&self, args: &[&str]) -> Program {
        let program =
            Program::new("mgmt", &self.home).args(args).args(["--rendezvous", &self.meeting.address]);
        program.args(loopback()).data_dir(&self.home.join("manager"))
    }

    /// Every JSON value that a command prints, one a line or one array.
    fn json(&self, args: &[&str]) -> Vec<Value> {
        let exit = self.mgmt(args).run();
        assert_eq!(exit.code, Some(0), "mgmt {args:?}: {exit:?}");
        match serde_json::from_str(&exit.stdout.join("\n")) {
            Ok(Value::Array(values)) => values,
            Ok(value) => vec![value],
            Err(_) => exit.stdout.iter().map(|line| serde_json::from_str(line).unwrap()).collect(),
        }
    }

    /// Waits until a PING of Alice to Bob was answered.
    fn wait_for_a_record(&self) {
        let watch = self.mgmt(&["watch", "--jsonl"]).start();
        watch.event("an answered PING", |record| {
            record["peer"] == self.alice.peer_id.as_str() && record["status"] == "good"
        });
    }
}

/// Waits until `mgmt agents` lists these peers: each is published some time after its messenger was ready.
pub(crate) fn are_agents(agents: impl Fn() -> Program, peers: &[&str]) {
    until("agents", || {
        let listed = agents().run().stdout.concat();
        peers.iter().all(|peer| listed.contains(peer)).then_some(())
    });
}

/// Whether any value names the text.
fn name(values: &[Value], text: &str) -> bool {
    values.iter().any(|value| value.to_string().contains(text))
}

#[test]
fn agents_are_found_their_beans_are_read_and_the_matrix_shows_their_latency() {
    let circle = Circle::managed();
    circle.wait_for_a_record();
    let (alice, bob) = (circle.alice.peer_id.as_str(), circle.bob.peer_id.as_str());
    are_agents(|| circle.mgmt(&["agents"]), &[alice, bob]);

    let agents = circle.json(&["agents", "--json"]);
    assert!(name(&agents, alice) && name(&agents, bob), "{agents:?}");

    for peer in ["alice", alice] {
        let beans = circle.json(&["get", peer, "*:dest=*,*", "--json"]);
        assert!(name(&beans, &format!("dest={bob}")) && name(&beans, "corr="), "{peer}: {beans:?}");
    }
    // Bob has answered before, but his own first PING may not have been answered yet.
    until("the records of everybody", || {
        let everybody = circle.json(&["get", "*", "*:dest=*,*", "--json"]);
        let both = name(&everybody, &format!("dest={bob}")) && name(&everybody, &format!("dest={alice}"));
        both.then_some(())
    });

    let exit = circle.mgmt(&["get", "nobody", "*:*"]).run();
    assert_eq!(exit.code, Some(3), "{exit:?}");
    let exit = circle.mgmt(&["get", "alice", "no pattern"]).run();
    assert_eq!(exit.code, Some(2), "{exit:?}");

    until("both in the matrix", || {
        let view = circle.json(&["view", "--json"]);
        (name(&view, "alice") && name(&view, "bob")).then_some(())
    });
}

#[test]
fn collecting_for_a_time_ends_by_itself_with_a_summary() {
    let circle = Circle::managed();
    let csv = circle.home.join("records.csv");
    // The longer, the surer there are records; how soon there are is no promise.
    let times = ["4s", "8s", "16s", "32s", "64s"];
    let some = times.into_iter().find(|time| {
        let exit = circle.mgmt(&["collect", "--for", time, "--csv", &csv.display().to_string()]).run();
        assert_eq!(exit.code, Some(0), "{exit:?}");
        assert!(!exit.stdout.concat().is_empty(), "a summary line: {exit:?}");
        let records = crate::csv_records::read(&csv);
        crate::csv_records::assert_each_is_whole(&records, &[&circle.alice.peer_id, &circle.bob.peer_id]);
        !records.is_empty()
    });
    assert!(some.is_some(), "no records in a minute");
}

#[test]
fn who_did_not_ask_to_be_managed_is_no_agent() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let alice = Messenger::start(&home, "alice", &meeting.address, &[]);
    let agents = Program::new("mgmt", &home).args(["agents", "--json", "--rendezvous", &meeting.address]);
    let exit = agents.args(loopback()).data_dir(&home.join("manager")).run();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(!exit.stdout.concat().contains(&alice.peer_id), "{exit:?}");
}
