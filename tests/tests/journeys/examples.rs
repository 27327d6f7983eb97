//! Promise: each example of the crate `overlay` does what its first lines say, and a developer can read it at a glance.

use std::path::Path;

use tests::{Home, Meeting, Process, Program};

/// The address that a serving example prints first.
fn address(process: &Process) -> String {
    process.line("an address", |line| line.starts_with("/ip4/"))
}

#[test]
fn an_echo_comes_back_over_a_pipe() {
    let home = Home::new();
    let server = Program::example("pipe_echo", &home).start();
    let mut client = Program::example("pipe_echo", &home).args([address(&server)]).start();
    for text in ["good morning", "äöü", ""] {
        client.write_line(text);
        client.line("the echo", |line| line.starts_with(&format!("{text} (")));
    }
    assert_eq!(client.finish().code, Some(0));
}

#[test]
fn what_is_published_is_found_by_its_attributes() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let start = |args: &[&str]| {
        let args = [&[meeting.address.as_str()], args].concat();
        Program::example("publish_discover", &home).args(args).start()
    };
    let printer = start(&["publish", "printer-1", "pages=80", "color"]);
    let other = start(&["publish", "printer-2", "pages=300"]);
    for publisher in [&printer, &other] {
        publisher.line("its publication", |line| line.ends_with("held by 1 rendezvous"));
    }
    let found = start(&["discover", r#"name="print*" pages<=100"#]).finish();
    assert_eq!((found.code, found.stdout.len()), (Some(0), 1), "{found:?}");
    assert!(found.stdout.concat().starts_with("printer-1 by 12D3"));
    assert_eq!(start(&["discover", "color and"]).finish().code, Some(1), "a query that is none");
}

#[test]
fn a_service_of_ones_own_answers() {
    let home = Home::new();
    let server = Program::example("word_service", &home).start();
    let answer = Program::example("word_service", &home).args([&address(&server), "one two three"]).run();
    assert_eq!((answer.code, answer.stdout.concat()), (Some(0), "3 words".to_owned()), "{}", answer.stderr);
}

#[test]
fn one_enters_by_invitation_and_is_out_when_revoked() {
    let home = Home::new();
    let mut creator = Program::example("private_group", &home).args(["create", "attic"]).start();
    creator.write_line("invite");
    let ticket = creator.line("a ticket", |line| line.starts_with("juxta-group:"));
    let member = Program::example("private_group", &home).args(["join", &ticket]).start();
    let joined = member.line("its place", |line| line.contains(r#"is in the group "attic""#));
    let id = joined.split(' ').next().unwrap_or_default();
    creator.line("a greeting", |line| line == format!("{id}: hello"));
    let second = Program::example("private_group", &home).args(["join", &ticket]).run();
    assert_eq!(second.code, Some(1), "a ticket lets one in");
    creator.write_line(&format!("revoke {id}"));
    member.line("the end", |line| line.starts_with("left: "));
    assert_eq!(member.finish().code, Some(0));
}

#[test]
fn an_example_has_at_most_seventy_lines() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../overlay/examples");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 4);
    for file in files {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 70, "{} has {lines} lines", file.display());
    }
}
