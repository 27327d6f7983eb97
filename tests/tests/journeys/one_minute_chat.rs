//! Promise: the README's minute. One machine hosts, the other joins, both chat line by line.

use tests::{Home, Program, loopback};

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
