//! Promise: beside a `mgmt serve` (or another command that stays) the other commands of its data directory are run by that
//! process, and answer and end as without it.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use tests::{Exit, Home, Meeting, Messenger, Process, Program, Served, Signal, loopback};

use crate::manage::are_agents;

/// Alice as an agent of the management group that `boss` has created.
struct Office {
    home: Home,
    meeting: Meeting,
    alice: Messenger,
}

impl Office {
    fn open() -> Self {
        let home = Home::new();
        let meeting = Meeting::start(&home, "rendezvous");
        let exit = mgmt(&home, &meeting, "boss", &["init"]).run();
        assert_eq!(exit.code, Some(0), "{exit:?}");
        let inviting = mgmt(&home, &meeting, "boss", &["invite", "agent"]).start();
        let ticket = ticket_of(&inviting);
        let alice =
            Messenger::start(&home, "alice", &meeting.address, &["--manage", &ticket, "--ping-period", "1s"]);
        assert_eq!(inviting.finish().code, Some(0));
        are_agents(|| mgmt(&home, &meeting, "boss", &["agents"]), &[&alice.peer_id]);
        Self { home, meeting, alice }
    }

    /// A command in the data directory `name`.
    fn mgmt(&self, name: &str, args: &[&str]) -> Program {
        mgmt(&self.home, &self.meeting, name, args)
    }

    fn run(&self, name: &str, args: &[&str]) -> Exit {
        self.mgmt(name, args).run()
    }

    fn serve(&self, name: &str) -> Served {
        let program = Program::new("mgmt", &self.home).args(["serve", "--rendezvous", &self.meeting.address]);
        Served::start(program.args(loopback()), &self.home.join(name))
    }

    /// `name` enters as `role`.
    fn enter(&self, name: &str, role: &str) -> Exit {
        let inviting = self.mgmt("boss", &["invite", role]).start();
        let ticket = ticket_of(&inviting);
        let entered = self.run(name, &["join", &ticket]);
        let invited = inviting.finish();
        assert_eq!((entered.code, invited.code), (Some(0), Some(0)), "{entered:?} {invited:?}");
        assert_eq!(invited.stderr, "mgmt: the ticket was used");
        entered
    }
}

fn mgmt(home: &Home, meeting: &Meeting, name: &str, args: &[&str]) -> Program {
    // First what every command has: `invoke` takes all that follows as arguments.
    let program = Program::new("mgmt", home).args(["--rendezvous", &meeting.address]);
    program.args(loopback()).data_dir(&home.join(name)).args(args)
}

fn ticket_of(inviting: &Process) -> String {
    inviting.line("a ticket", |line| line.starts_with("juxta-group:"))
}

/// How a command ended, for comparison.
fn whole(exit: Exit) -> (Option<i32>, Vec<String>, String) {
    (exit.code, exit.stdout, exit.stderr)
}

const SETTINGS: &str = "juxta:type=messenger-settings";

#[test]
fn commands_beside_a_served_manager_answer_and_end_as_without_it() {
    let office = Office::open();
    let alice = office.alice.peer_id.as_str();
    let commands: [&[&str]; 9] = [
        &["agents", "--json"],
        &["get", alice, SETTINGS, "--json"],
        &["describe", alice, SETTINGS],
        &["set", alice, SETTINGS, "ping_period_ms=900", "--dry-run"],
        &["set", alice, SETTINGS, "ping_period_ms=soon"],
        &["invoke", alice, "juxta:type=monitors", "remove", "99"],
        &["get", "nobody", "*:*"],
        &["set", "*", SETTINGS, "ping_period_ms=900"],
        &["get", "alice", "no pattern"],
    ];
    let alone: Vec<_> = commands.iter().map(|command| whole(office.run("boss", command))).collect();
    let codes: Vec<_> = alone.iter().map(|(code, ..)| code.unwrap()).collect();
    assert_eq!(codes, [0, 0, 0, 0, 1, 1, 3, 2, 2], "{alone:?}");

    let served = office.serve("boss");
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let directory = office.home.join("boss");
    assert_eq!((mode(directory.clone()), mode(directory.join("mgmt.sock"))), (0o700, 0o600));
    let beside: Vec<_> = commands.iter().map(|command| office.mgmt("boss", command).start()).collect();
    for (command, (beside, alone)) in commands.iter().zip(beside.into_iter().zip(alone)) {
        assert_eq!(whole(beside.finish()), alone, "{command:?}");
    }
    let view = office.run("boss", &["view"]);
    assert_eq!(view.code, Some(0), "{view:?}");
    // The running one has its rendezvous: nobody has to name it again.
    let set = Program::new("mgmt", &office.home).args(["set", "alice", SETTINGS, "ping_period_ms=900"]);
    let set = set.data_dir(&directory).run();
    assert_eq!((set.code, set.stdout.len()), (Some(0), 1), "{set:?}");
    // What may be one alone is refused as ever.
    for alone in [&["collect", "--for", "1s"][..], &["serve"], &["init"], &["join", "juxta-group:x"]] {
        let refused = office.run("boss", alone);
        assert!(
            refused.code == Some(1) && refused.stderr.contains("used by another process"),
            "{alone:?}: {refused:?}"
        );
    }
    let oversize = format!("{}\n", "x".repeat(200_000));
    for bad in ["nonsense\n", "", oversize.as_str(), r#"{"args":["serve"],"terminal":false}"#] {
        let mut stream = UnixStream::connect(directory.join("mgmt.sock")).unwrap();
        // What is not read to its end may break the connection, before or after the answer.
        let _ = stream.write_all(bad.as_bytes()).and_then(|()| stream.write_all(b"\n"));
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.is_empty() || answer.contains(r#""code":2"#), "{answer}");
    }
    assert_eq!(office.run("boss", &["get", alice, SETTINGS]).code, Some(0));
    served.manager.signal(Signal::Terminate);
    assert_eq!(served.manager.finish().code, Some(0));
    assert!(!directory.join("mgmt.sock").exists());
}

#[test]
fn a_served_issuer_lets_in_and_out_and_a_served_reader_changes_nothing() {
    let office = Office::open();
    let served = office.serve("boss");
    office.enter("reader", "reader");
    office.enter("operator", "operator");
    let set: &[&str] = &["set", office.alice.peer_id.as_str(), SETTINGS, "ping_period_ms=900"];
    let done = office.run("operator", set);
    assert_eq!(done.code, Some(0), "{done:?}");

    let alone = whole(office.run("reader", set));
    let reading = office.serve("reader");
    assert_eq!((alone.0, whole(office.run("reader", set))), (Some(4), alone));
    let invite = office.run("reader", &["invite", "agent"]);
    assert_eq!(invite.code, Some(4), "{invite:?}");
    let unused = office.run("boss", &["invite", "agent", "--for", "1s"]);
    assert_eq!((unused.code, unused.stdout.len()), (Some(3), 1), "{unused:?}");

    let revoked = office.run("boss", &["revoke", &office.alice.peer_id]);
    assert_eq!(revoked.code, Some(0), "{revoked:?}");
    assert!(revoked.stdout.concat().contains(&office.alice.peer_id), "{revoked:?}");
    let gone = office.run("operator", set);
    assert_ne!(gone.code, Some(0), "{gone:?}");
    drop((reading, served));
}

#[test]
fn a_watch_ends_by_ctrl_c_or_with_its_asker_and_the_served_manager_goes_on() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let managed = ["--manage", "open", "--ping-period", "1s"];
    let mut alice = Messenger::start(&home, "alice", &meeting.address, &managed);
    let mut bob = Messenger::start(&home, "bob", &meeting.address, &managed);
    tests::befriend(&mut alice, &mut bob);
    let program = Program::new("mgmt", &home).args(["serve", "--rendezvous", &meeting.address]);
    let served = Served::start(program.args(loopback()), &home.join("manager"));
    let watch = || mgmt(&home, &meeting, "manager", &["watch", "--jsonl"]).start();
    let a_record =
        |watch: &Process| watch.event("a record", |record| record["peer"] == alice.peer_id.as_str());

    let first = watch();
    a_record(&first);
    // One manager has one place for this at each agent, and its own subscription has the other.
    let second = watch().finish();
    assert!(second.code == Some(1) && second.stderr.contains("end it first"), "{second:?}");
    first.signal(Signal::Interrupt);
    let exit = first.finish();
    assert_eq!((exit.code, exit.stderr.as_str()), (Some(130), ""), "{exit:?}");
    // Killed, it says nothing: its connection closes.
    let killed = watch();
    a_record(&killed);
    killed.kill();
    // It has its place until it has ended here.
    let mut short = mgmt(&home, &meeting, "manager", &["watch", "--for", "1s"]).run();
    while short.code != Some(0) {
        assert!(short.stderr.contains("end it first"), "{short:?}");
        short = mgmt(&home, &meeting, "manager", &["watch", "--for", "1s"]).run();
    }
    let again = watch();
    a_record(&again);

    let records = |served: &Served| served.state("records", |_| true)["peers"][0]["records"].as_u64();
    let before = records(&served);
    served.state("more records", |state| state["peers"][0]["records"].as_u64() > before);

    // When the served one is killed nobody hangs, and what it leaves behind is in nobody's way.
    let Served { manager, .. } = served;
    manager.kill();
    let left = again.finish();
    assert!(left.code == Some(1) && left.stderr.contains("has ended"), "{left:?}");
    assert!(home.join("manager").join("mgmt.sock").exists());
    let exit = mgmt(&home, &meeting, "manager", &["agents", "--json"]).run();
    assert!(exit.code == Some(0) && exit.stdout.concat().contains(&alice.peer_id), "{exit:?}");
    let program = Program::new("mgmt", &home).args(["serve", "--rendezvous", &meeting.address]);
    let served = Served::start(program.args(loopback()), &home.join("manager"));
    let exit = mgmt(&home, &meeting, "manager", &["agents", "--json"]).run();
    assert!(exit.code == Some(0) && exit.stdout.concat().contains(&alice.peer_id), "{exit:?}");
    drop(served);
}
