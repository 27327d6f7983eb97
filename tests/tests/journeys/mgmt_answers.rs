//! Promise: what `mgmt` answers says of whom it is, and what is wrong or not there is said, with a code that scripts see.

use tests::{Exit, Home, Meeting, Messenger, Process, Program, Signal, befriend, loopback};

use crate::manage::are_agents;

/// A rendezvous and a place for managers.
struct Place {
    home: Home,
    meeting: Meeting,
}

impl Place {
    fn new() -> Self {
        let home = Home::new();
        let meeting = Meeting::start(&home, "rendezvous");
        Self { home, meeting }
    }

    fn program(&self, name: &str, args: &[&str]) -> Program {
        let program = Program::new("mgmt", &self.home).args(args).args(loopback());
        program.args(["--rendezvous", &self.meeting.address]).data_dir(&self.home.join(name))
    }

    /// A command of `mgmt` in the data directory `name`.
    fn mgmt(&self, name: &str, args: &[&str]) -> Exit {
        self.program(name, args).run()
    }

    /// Fails unless the command ends with `code` and one sentence with these words on stderr.
    fn told(&self, name: &str, args: &[&str], code: i32, words: &[&str]) {
        let exit = self.mgmt(name, args);
        assert_eq!(exit.code, Some(code), "mgmt {args:?}: {exit:?}");
        assert_eq!(exit.stderr.trim().lines().count(), 1, "mgmt {args:?}: {}", exit.stderr);
        for word in words {
            assert!(exit.stderr.contains(word), "mgmt {args:?}: {word:?} is not in {}", exit.stderr);
        }
    }

    fn person(&self, name: &str, manage: &str) -> Messenger {
        Messenger::start(
            &self.home,
            name,
            &self.meeting.address,
            &["--manage", manage, "--ping-period", "200ms"],
        )
    }

    /// A ticket, and the issuer that waits until it was used.
    fn invite(&self, role: &str) -> (Process, String) {
        let inviting = self.program("boss", &["invite", role]).start();
        let ticket = inviting.line("a ticket", |line| line.starts_with("juxta-group:"));
        (inviting, ticket)
    }
}

/// Alice and Bob, who are buddies and whom anybody may manage.
fn open() -> (Place, [Messenger; 2]) {
    let place = Place::new();
    let (mut alice, mut bob) = (place.person("alice", "open"), place.person("bob", "open"));
    befriend(&mut alice, &mut bob);
    are_agents(|| place.program("manager", &["agents"]), &[&alice.peer_id, &bob.peer_id]);
    (place, [alice, bob])
}

#[test]
fn objects_of_several_agents_stand_under_the_name_and_id_of_theirs() {
    let (place, people) = open();
    let exit = place.mgmt("manager", &["get", "*", "juxta:type=agent", "gets"]);
    assert_eq!(exit.code, Some(0), "{exit:?}");
    for person in &people {
        let of = exit.stdout.iter().position(|line| line.ends_with(&person.peer_id)).expect("whose it is");
        assert_eq!(exit.stdout[of + 1], "juxta:type=agent", "{exit:?}");
    }
    let named = exit.stdout.iter().filter(|line| line.starts_with("alice ") || line.starts_with("bob "));
    assert_eq!(named.count(), 2, "{exit:?}");
    // Who asks one peer knows whose they are.
    let one = place.mgmt("manager", &["get", "alice", "juxta:type=agent", "gets"]);
    assert_eq!(one.stdout[0], "juxta:type=agent", "{one:?}");
}

#[test]
fn a_name_or_an_attribute_that_nobody_has_is_told() {
    let (place, _people) = open();
    place.told("manager", &["get", "alice", "juxta:type=nix"], 1, &["juxta:type=nix", "*:*"]);
    place.told("manager", &["get", "*", "juxta:type=nix", "--json"], 1, &["juxta:type=nix"]);
    place.told("manager", &["get", "alice", "juxta:type=agent", "gets", "getz"], 1, &["getz"]);
    place.told("manager", &["get", "alice", "juxta:*", "getz"], 1, &["getz"]);
    // A pattern may well match nothing now, and an attribute be one of some objects alone.
    for args in [["get", "alice", "*:nix=*,*", "gets"], ["get", "*", "juxta:*", "gets"]] {
        let exit = place.mgmt("manager", &args);
        assert_eq!(exit.code, Some(0), "{args:?}: {exit:?}");
    }
}

#[test]
fn watching_calls_everybody_by_name_from_the_first_line_on() {
    let (place, _people) = open();
    let watching = place.program("manager", &["watch"]).start();
    for name in ["alice ", "bob "] {
        watching.line(name, |line| line.contains(name));
    }
    watching.signal(Signal::Interrupt);
    let exit = watching.finish();
    assert_eq!(exit.code, Some(130), "{exit:?}");
    assert!(!exit.stdout.iter().any(|line| line.contains('…')), "{exit:?}");
}

#[test]
fn who_holds_no_place_in_a_management_group_is_told_how_to_come_by_one() {
    let place = Place::new();
    for command in [&["totals"][..], &["totals", "--json"], &["aggregate"]] {
        place.told("stranger", command, 4, &["no management group", "mgmt join TICKET"]);
    }
    let revoke = ["revoke", "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"];
    for command in [&["invite", "agent"][..], &revoke] {
        place.told("stranger", command, 4, &["no management group", "mgmt init", "--data-dir"]);
    }
}

#[test]
fn an_invitation_that_is_ended_before_it_was_used_is_code_3() {
    let place = Place::new();
    assert_eq!(place.mgmt("boss", &["init"]).code, Some(0));
    for (signal, code) in [(Signal::Terminate, 3), (Signal::Interrupt, 130)] {
        let (inviting, _) = place.invite("agent");
        inviting.signal(signal);
        let exit = inviting.finish();
        assert_eq!(exit.code, Some(code), "{exit:?}");
    }
}

#[test]
fn who_is_revoked_was_a_member_or_it_is_told_that_nobody_knew_it() {
    let place = Place::new();
    assert_eq!(place.mgmt("boss", &["init"]).code, Some(0));
    let (inviting, ticket) = place.invite("agent");
    let alice = place.person("alice", &ticket);
    assert_eq!(inviting.finish().code, Some(0));
    are_agents(|| place.program("boss", &["agents"]), &[&alice.peer_id]);
    // One character of her id is another one: still an id, of nobody.
    let mistyped = alternatives(&alice.peer_id);
    place.told("boss", &["revoke", &mistyped], 1, &[&mistyped, "not known as a member"]);
    place.told("boss", &["revoke", "*"], 2, &["one peer"]);
    place.told("boss", &["revoke", "nobody"], 3, &["nobody"]);
    let exit = place.mgmt("boss", &["revoke", "alice"]);
    assert_eq!((exit.code, exit.stdout.concat().contains(&alice.peer_id)), (Some(0), true), "{exit:?}");
}

/// An id that differs from `id` in its last character.
fn alternatives(id: &str) -> String {
    let (most, last) = id.split_at(id.len() - 1);
    format!("{most}{}", if last == "a" { "b" } else { "a" })
}

#[test]
fn what_cannot_be_read_or_had_is_named_with_what_to_do() {
    let place = Place::new();
    place.told("manager", &["report", "--slo", "nix.toml"], 2, &["nix.toml", "--slo", "TOML"]);
    place.told("manager", &["report", "--slo", "/"], 2, &["/: ", "--slo", "TOML"]);
    place.told("manager", &["agents", "--config", "nix.toml"], 2, &["nix.toml", "--config"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    place.told("manager", &["serve", "--http", &address], 1, &[&address, "--http 127.0.0.1:0"]);
}
