//! Promise: the README's minute. One machine hosts, the other joins, both chat line by line. And the manual's five minutes:
//! they end at a dashboard with something on it.

use tests::{Home, Process, Program, Served, loopback};

#[test]
fn two_homes_with_nothing_configured_chat_as_the_readme_says() {
    let (hers, his) = (Home::new(), Home::new());
    let mut alice =
        Program::new("im", &hers).args(["--host", "--plain", "--name", "alice"]).args(loopback()).start();
    let line = alice.line("the rendezvous' address", |line| line.contains("/p2p/12D3"));
    let address = line.split_whitespace().find(|word| word.starts_with("/ip4/")).unwrap().to_owned();

    let invite = Program::new("im", &hers).args(["invite"]).run();
    assert_eq!(invite.code, Some(0), "{invite:?}");
    let invite = invite.stdout.iter().find(|line| line.starts_with("juxta:")).expect("an invite").clone();

    let arguments = ["--plain", "--name", "bob", "--rendezvous", &address];
    let mut bob = Program::new("im", &his).args(arguments).args(loopback()).start();
    bob.line("bob's own invite", |line| line.starts_with("juxta:"));
    let added = Program::new("im", &his).args(["add", &invite]).run();
    assert_eq!(added.code, Some(0), "{added:?}");

    alice.line("the request", |line| line.contains("bob wants to be your buddy"));
    alice.write_line("/accept bob");
    bob.line("alice online", |line| line.contains("alice") && line.contains("online"));
    bob.write_line("alice: is there tea?");
    alice.line("bob's question", |line| line.contains("bob") && line.contains("is there tea?"));
    let sent = Program::new("im", &hers).args(["send", "bob", "the", "kettle", "is", "on"]).run();
    assert_eq!(sent.code, Some(0), "{sent:?}");
    bob.line("alice's answer", |line| line.contains("alice") && line.contains("the kettle is on"));

    for person in [&mut alice, &mut bob] {
        person.write_line("/quit");
    }
    assert_eq!((alice.finish().code, bob.finish().code), (Some(0), Some(0)));
}

/// The commands of the manual's five minutes, without their comments.
fn five_minutes() -> Vec<Vec<String>> {
    let manual = include_str!("../../../docs/manage.md");
    let block = manual.split("## Five minutes").nth(1).and_then(|rest| rest.split("```").nth(1)).unwrap();
    let words = |line: &str| line.split('#').next().unwrap().split_whitespace().map(str::to_owned).collect();
    block.trim().lines().map(words).collect()
}

#[test]
fn the_five_minutes_of_the_manual_end_at_people_who_ping_each_other() {
    let home = Home::new();
    let commands = five_minutes();
    let [rendezvous, alice, bob, serve, add] = commands.as_slice() else { panic!("{commands:?}") };
    // Word by word, but for any free port instead of the manual's.
    let program = |words: &[String], address: &str| {
        let args =
            words[1..].iter().map(|word| word.replace("ADDRESS", address).replace("/tcp/4001", "/tcp/0"));
        Program::new(&words[0], &home).args(args)
    };
    let meeting = program(rendezvous, "").start();
    let line = meeting.line("the rendezvous' address", |line| line.contains("/p2p/12D3"));
    let address = line.trim().to_owned();
    let start = |words| -> Process { program(words, &address).args(loopback()).start() };
    let (mut alice, bob) = (start(alice), start(bob));
    for person in [&alice, &bob] {
        person.line("an invite", |line| line.starts_with("juxta:"));
    }
    let served = Served::start(program(serve, &address).args(loopback()), &home.join("manager"));

    let (asks, invites) = add.split_at(add.iter().position(|word| word.starts_with("\"$(")).unwrap());
    let invites: Vec<String> =
        invites.iter().map(|word| word.trim_matches(['"', '$', '(', ')']).to_owned()).collect();
    let invite = program(&invites, "").run().stdout.concat();
    assert!(invite.starts_with("juxta:"), "{invite}");
    let added = program(asks, "").args([&invite]).run();
    assert_eq!(added.code, Some(0), "{added:?}");
    alice.line("the request", |line| line.contains("bob wants to be your buddy"));
    alice.write_line("/accept bob");
    served.state("two who PING each other", |state| state["pairs_in_all"] == 2);
}
