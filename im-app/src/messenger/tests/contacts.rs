//! Who becomes whose buddy, and what strangers may do.

use super::world::{PERIOD, World, alias};
use crate::buddy::Contact;
use crate::error::ErrorCode;
use crate::limits::{LINK_FAULTS_MAX, PENDING_IN_MAX, STRANGER_SILENCE_MAX};
use crate::messenger::{Answer, Command, Counter, Event};
use crate::status::{Presence, Status};
use crate::wire::{Frame, TextMessage};

fn add(world: &mut World, who: usize, whom: usize) {
    let invite = Box::new(world.core(whom).invite());
    world.command(who, Command::Add { invite, alias: None }).expect("added");
}

fn requests(world: &World, who: usize) -> usize {
    world.nodes[who].events.iter().filter(|event| matches!(event, Event::ContactRequest { .. })).count()
}

#[test]
fn presence_flows_only_after_both_agreed() {
    let mut world = World::of(2);
    add(&mut world, 0, 1);
    assert_eq!(
        (world.contact(0, 1), world.contact(1, 0)),
        (Some(Contact::PendingOut), Some(Contact::PendingIn))
    );
    world.pass(PERIOD * 3);
    assert_eq!((world.sees(0, 1), world.sees(1, 0)), (Status::Offline, Status::Offline));
    assert_eq!(requests(&world, 1), 1, "asked again with each pipe, shown once");
    let refused = world.say(0, 1, "hello?").unwrap_err();
    assert_eq!(refused.code, ErrorCode::NotAccepted);
    world.command(1, Command::Accept { buddy: "n0".into() }).unwrap();
    assert_eq!((world.sees(0, 1), world.sees(1, 0)), (Status::Online, Status::Online));
}

#[test]
fn who_ask_each_other_have_agreed() {
    let mut world = World::of(2);
    add(&mut world, 0, 1);
    add(&mut world, 1, 0);
    assert_eq!((world.sees(0, 1), world.sees(1, 0)), (Status::Online, Status::Online));
}

#[test]
fn a_request_to_somebody_away_arrives_when_they_come() {
    let mut world = World::of(2);
    let invite = Box::new(world.core(1).invite());
    world.kill(1);
    let bob = Some(alias("bob"));
    world.command(0, Command::Add { invite, alias: bob }).unwrap();
    world.pass(PERIOD * 2);
    world.start(1);
    world.pass(PERIOD);
    assert_eq!(requests(&world, 1), 1);
}

#[test]
fn an_answer_given_while_the_asker_was_away_reaches_them() {
    let mut world = World::of(2);
    add(&mut world, 0, 1);
    world.kill(0);
    world.command(1, Command::Accept { buddy: "n0".into() }).unwrap();
    world.start(0);
    world.pass(PERIOD);
    assert_eq!((world.sees(0, 1), world.sees(1, 0)), (Status::Online, Status::Online));
}

#[test]
fn a_rejected_or_removed_buddy_is_told_and_can_ask_anew() {
    let mut world = World::of(2);
    add(&mut world, 0, 1);
    world.command(1, Command::Reject { buddy: "n0".into() }).unwrap();
    assert_eq!((world.contact(0, 1), world.contact(1, 0)), (Some(Contact::Refused), None));
    add(&mut world, 0, 1);
    assert_eq!(requests(&world, 1), 2);
    world.command(1, Command::Accept { buddy: "n0".into() }).unwrap();
    world.command(1, Command::Remove { buddy: "n0".into() }).unwrap();
    assert_eq!(world.contact(0, 1), Some(Contact::Refused));
    assert_eq!(world.sees(0, 1), Status::Offline);
    world.pass(PERIOD * 5);
    assert_eq!(requests(&world, 1), 2, "nobody asks by itself after a no");
}

#[test]
fn who_was_removed_while_away_learns_it_on_return() {
    let mut world = World::of_buddies();
    world.kill(0);
    world.command(1, Command::Remove { buddy: "n0".into() }).unwrap();
    world.start(0);
    assert_eq!((world.contact(0, 1), world.contact(1, 0)), (Some(Contact::Refused), None));
}

#[test]
fn to_a_blocked_peer_one_is_offline_and_its_pipes_are_closed() {
    let mut world = World::of_buddies();
    world.command(1, Command::Block { buddy: "n0".into() }).unwrap();
    assert_eq!(world.sees(0, 1), Status::Offline);
    world.pass(PERIOD * 4);
    assert_eq!((world.sees(0, 1), world.pipe_count()), (Status::Offline, 0));
    assert!(world.count(1, Counter::StrangersRefused) >= 3);
    assert_eq!(world.say(1, 0, "x").unwrap_err().code, ErrorCode::Blocked);
    add_is_blocked(&mut world);
}

fn add_is_blocked(world: &mut World) {
    let invite = Box::new(world.core(0).invite());
    let error = world.command(1, Command::Add { invite, alias: None }).unwrap_err();
    assert_eq!(error.code, ErrorCode::Blocked);
}

#[test]
fn a_stranger_may_say_hello_and_ask_and_no_more() {
    let mut world = World::of(2);
    world.connect(0, 1);
    world.settle();
    let message =
        TextMessage { message_id: [1; 16], seq: 1, sent_at_ms: 0, late: false, text: "spam".into() };
    for _ in 0..LINK_FAULTS_MAX / 2 {
        world.forge(0, 1, Frame::Message(message.clone()));
        world.forge(0, 1, Frame::Status(Presence::default()));
    }
    assert_eq!(world.texts(1), Vec::<String>::new());
    assert_eq!(world.count(1, Counter::FramesRefused), u64::from(LINK_FAULTS_MAX));
    assert_eq!(world.pipe_count(), 0, "too many faults");
}

#[test]
fn a_silent_stranger_is_shown_out_in_time() {
    let mut world = World::of(2);
    world.connect(0, 1);
    world.pass(STRANGER_SILENCE_MAX - std::time::Duration::from_millis(1));
    assert_eq!(world.pipe_count(), 1);
    world.pass(std::time::Duration::from_millis(1));
    assert_eq!((world.pipe_count(), world.count(1, Counter::StrangersRefused)), (0, 1));
}

#[test]
fn more_requests_than_may_wait_are_refused_and_counted() {
    let mut world = World::of(PENDING_IN_MAX + 3);
    for who in 1..PENDING_IN_MAX + 3 {
        add(&mut world, who, 0);
    }
    assert_eq!(requests(&world, 0), PENDING_IN_MAX);
    assert_eq!(world.count(0, Counter::StrangersRefused), 2);
}

#[test]
fn commands_about_nobody_name_the_field() {
    let mut world = World::of(1);
    let buddy = || "nobody".to_owned();
    for (command, field) in [
        (Command::Accept { buddy: buddy() }, "buddy"),
        (Command::Block { buddy: buddy() }, "buddy"),
        (Command::Fetch { buddy: buddy() }, "buddy"),
        (Command::Send { to: buddy(), text: String::new() }, "to"),
    ] {
        let error = world.command(0, command).unwrap_err();
        assert_eq!((error.code, error.field), (ErrorCode::UnknownBuddy, Some(field)));
    }
    let invite = Box::new(world.core(0).invite());
    let own = world.command(0, Command::Add { invite, alias: None }).unwrap_err();
    assert_eq!((own.code, own.field), (ErrorCode::BadInvite, Some("invite")));
    assert_eq!(world.command(0, Command::Roster), Ok(Answer::Roster(vec![])));
}
