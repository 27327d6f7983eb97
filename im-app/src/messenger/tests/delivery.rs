//! Messages: nothing lost, nothing twice, in order.

use super::world::{PERIOD, World};
use crate::error::ErrorCode;
use crate::limits::{OUTBOX_BYTES_MAX, SEND_WINDOW, TEXT_BYTES_MAX};
use crate::message::MessageState;
use crate::messenger::{Answer, Command, Counter, Event};
use crate::status::{Note, Presence, Status};
use crate::wire::Frame;

fn states(world: &World, who: usize) -> Vec<MessageState> {
    let state = |event: &Event| match event {
        Event::MessageState { state, .. } => Some(*state),
        _ => None,
    };
    world.nodes[who].events.iter().filter_map(state).collect()
}

#[test]
fn a_message_is_queued_sent_and_delivered() {
    let mut world = World::of_buddies();
    let answer = world.say(0, 1, "hi");
    assert!(matches!(answer, Ok(Answer::Queued { state: MessageState::Queued, .. })));
    assert_eq!(world.texts(1), ["hi"]);
    assert_eq!(states(&world, 0), [MessageState::Sent, MessageState::Delivered]);
}

#[test]
fn what_was_not_acknowledged_comes_again_in_order_and_is_shown_once() {
    let mut world = World::of_buddies();
    world.lose_acknowledgements = true;
    for text in ["1", "2", "3"] {
        world.say(0, 1, text).unwrap();
    }
    world.lose_acknowledgements = false;
    world.break_pipes();
    assert_eq!(world.texts(1), ["1", "2", "3"]);
    assert_eq!(states(&world, 0).iter().filter(|state| **state == MessageState::Delivered).count(), 3);
    world.say(0, 1, "4").unwrap();
    assert_eq!(world.texts(1), ["1", "2", "3", "4"]);
}

#[test]
fn accepted_messages_survive_the_death_of_either_side() {
    for dies in [0, 1] {
        let mut world = World::of_buddies();
        world.lose_acknowledgements = true;
        for n in 0..SEND_WINDOW + 5 {
            world.say(0, 1, &n.to_string()).unwrap();
        }
        assert_eq!(world.texts(1).len(), SEND_WINDOW, "the window is full");
        world.kill(dies);
        world.lose_acknowledgements = false;
        world.start(dies);
        world.pass(PERIOD);
        let all: Vec<String> = (0..SEND_WINDOW + 5).map(|n| n.to_string()).collect();
        assert_eq!(world.texts(1), all, "{dies} died");
        world.say(0, 1, "on").unwrap();
        assert_eq!(world.texts(1).last().map(String::as_str), Some("on"), "numbers go on after {dies} died");
    }
}

#[test]
fn to_an_offline_buddy_nothing_is_accepted() {
    let mut world = World::of_buddies();
    world.kill(1);
    assert_eq!(world.say(0, 1, "x").unwrap_err().code, ErrorCode::Offline);
    world.start(1);
    assert_eq!(world.texts(1), Vec::<String>::new());
}

#[test]
fn who_says_offline_gets_no_messages_even_from_who_has_not_heard_it() {
    let mut world = World::of_buddies();
    let presence = Presence { status: Status::Offline, note: Note::default() };
    world.command(1, Command::SetStatus(presence)).unwrap();
    assert_eq!(world.say(0, 1, "x").unwrap_err().code, ErrorCode::Offline);
    world.forge(1, 0, Frame::Status(Presence::default()));
    world.say(0, 1, "x").unwrap();
    assert_eq!(world.texts(1), Vec::<String>::new());
    let failed = world.nodes[0].events.iter().any(|event| {
        matches!(event, Event::MessageState { state: MessageState::Failed, reason: Some("offline"), .. })
    });
    assert!(failed);
}

#[test]
fn two_pipes_never_turn_the_order_round() {
    let mut world = World::of_buddies();
    world.say(0, 1, "1").unwrap();
    world.connect(1, 0);
    world.say(0, 1, "2").unwrap();
    world.connect(0, 1);
    world.say(0, 1, "3").unwrap();
    world.settle();
    assert_eq!(world.texts(1), ["1", "2", "3"]);
    assert_eq!(world.pipe_count(), 1, "the others are retired");
}

#[test]
fn a_full_outbox_refuses_and_keeps_what_it_has() {
    let mut world = World::of_buddies();
    world.lose_acknowledgements = true;
    let full = OUTBOX_BYTES_MAX / TEXT_BYTES_MAX;
    let text = "x".repeat(TEXT_BYTES_MAX);
    for _ in 0..full {
        world.say(0, 1, &text).unwrap();
    }
    assert_eq!(world.say(0, 1, "x").unwrap_err().code, ErrorCode::Refused);
    assert_eq!(world.count(0, Counter::MessagesQueued), full as u64);
}

#[test]
fn an_acknowledgement_of_nothing_changes_nothing() {
    let mut world = World::of_buddies();
    world.forge(1, 0, Frame::Delivered { message_id: [9; 16] });
    assert_eq!(states(&world, 0), []);
}

#[test]
fn removing_a_buddy_ends_what_waits_for_it() {
    let mut world = World::of_buddies();
    world.lose_acknowledgements = true;
    world.say(0, 1, "x").unwrap();
    world.command(0, Command::Remove { buddy: "n1".into() }).unwrap();
    assert_eq!(states(&world, 0).last(), Some(&MessageState::Failed));
}
