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
fn what_one_says_in_a_group_chat_all_hear() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let join = |name: &str| Program::example("group_chat", &home).args([&meeting.address, name, "2"]).start();
    let mut members = ["anne", "bert", "cora"].map(join);
    for member in &members {
        member.line("the others", |line| line == "2 here beside you");
    }
    members[0].write_line("first");
    members[1].line("her words", |line| line == "anne: first");
    members[2].line("her words", |line| line == "anne: first");
    members[2].write_line("and good evening");
    for member in &members[..2] {
        member.line("the words", |line| line == "cora: and good evening");
    }
    for member in members {
        assert_eq!(member.finish().code, Some(0));
    }
}

#[test]
fn a_file_arrives_whole_and_its_name_leads_nowhere_else() {
    let home = Home::new();
    let server = Program::example("send_file", &home).start();
    let sent = home.join("sent");
    std::fs::create_dir(&sent).unwrap();
    let content: Vec<u8> = (0..3_000_000u32).map(|number| (number % 251) as u8).collect();
    std::fs::write(sent.join("picture"), &content).unwrap();
    let address = address(&server);
    let send = || {
        let file = sent.join("picture").display().to_string();
        Program::example("send_file", &home).args([&address, &file]).run()
    };
    let first = send();
    assert_eq!((first.code, first.stdout.concat()), (Some(0), "picture: 3000000 bytes".to_owned()));
    assert!(std::fs::read(home.join("picture")).unwrap() == content);
    assert_ne!(send().code, Some(0), "a file that is there is not overwritten");
}

#[test]
fn a_counter_shows_the_same_sum_at_each_replica() {
    let home = Home::new();
    let mut first = Program::example("shared_counter", &home).start();
    let address = address(&first);
    let mut others = [(); 2].map(|()| Program::example("shared_counter", &home).args([&address]).start());
    first.write_line("3");
    others[0].line("the first step", |line| line == "3");
    others[0].write_line("4");
    others[1].write_line("5");
    for replica in [&first, &others[0], &others[1]] {
        replica.line("the sum", |line| line == "12");
    }
}

#[test]
fn an_example_has_at_most_seventy_lines() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../overlay/examples");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 7);
    for file in files {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 70, "{} has {lines} lines", file.display());
    }
}
