//! Who is seen how, and when.

use std::time::Duration;

use super::world::{PERIOD, World};
use crate::limits::FETCH_DEADLINE;
use crate::messenger::{Answer, BuddyPresence, Command, Event};
use crate::presence::Source;
use crate::status::{Note, Presence, Status};
use crate::wire::Frame;

fn seen(world: &World, who: usize) -> Vec<BuddyPresence> {
    let presence = |event: &Event| match event {
        Event::Presence(presence) => Some(presence.clone()),
        _ => None,
    };
    world.nodes[who].events.iter().filter_map(presence).collect()
}

#[test]
fn each_buddy_is_pinged_each_period_and_answers_are_no_events() {
    let mut world = World::of_buddies();
    let before = world.nodes[0].pings;
    world.pass(PERIOD * 10);
    assert_eq!(world.nodes[0].pings - before, 10);
    assert_eq!(seen(&world, 0), []);
}

#[test]
fn a_buddy_without_pipe_is_recorded_as_unreachable_each_period() {
    let mut world = World::of_buddies();
    world.kill(1);
    let pings = world.nodes[0].pings;
    world.pass(PERIOD * 10);
    assert_eq!((world.nodes[0].unreachable, world.nodes[0].pings), (10, pings));
}

#[test]
fn a_lost_pipe_and_a_failed_redial_are_offline_and_a_return_is_seen_within_a_period() {
    let mut world = World::of_buddies();
    world.kill(1);
    assert_eq!(world.sees(0, 1), Status::Offline);
    world.start(1);
    assert_eq!((world.sees(0, 1), world.sees(1, 0)), (Status::Online, Status::Online));
    let states: Vec<Status> = seen(&world, 0).iter().map(|seen| seen.sight.presence.status).collect();
    assert_eq!(states, [Status::Offline, Status::Online]);
}

#[test]
fn a_lost_pipe_that_is_dialed_again_is_not_offline() {
    let mut world = World::of_buddies();
    world.break_pipes();
    assert_eq!(world.sees(0, 1), Status::Online);
    let offline = seen(&world, 0).iter().any(|seen| seen.sight.presence.status == Status::Offline);
    assert!(!offline);
    assert_eq!(world.pipe_count(), 1, "both dialed, one pipe stays");
}

#[test]
fn two_unanswered_pings_are_offline_and_the_next_answer_is_online() {
    let mut world = World::of_buddies();
    world.pass(PERIOD);
    world.deaf.insert(1);
    world.pass(PERIOD * 2);
    assert_eq!(world.sees(0, 1), Status::Online);
    world.pass(PERIOD);
    assert_eq!(world.sees(0, 1), Status::Offline);
    world.deaf.clear();
    world.pass(PERIOD);
    assert_eq!(world.sees(0, 1), Status::Online);
}

#[test]
fn a_change_is_told_at_once_with_its_note() {
    let mut world = World::of_buddies();
    let presence = Presence { status: Status::Busy, note: Note::new("tea").unwrap() };
    world.command(1, Command::SetStatus(presence.clone())).unwrap();
    let seen = seen(&world, 0);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].sight.presence, presence);
}

#[test]
fn a_goodbye_is_offline_at_once() {
    let mut world = World::of_buddies();
    world.forge(1, 0, Frame::Bye);
    let first = seen(&world, 0).first().map(|seen| seen.sight.presence.status);
    assert_eq!(first, Some(Status::Offline), "before any pipe is lost");
}

#[test]
fn a_fetch_is_answered_by_the_buddy_or_from_the_cache_in_time() {
    let mut world = World::of_buddies();
    let fetch = || Command::Fetch { buddy: "n1".into() };
    let source = |answer| match answer {
        Ok(Answer::Presence(seen)) => (seen.sight.source, seen.sight.presence.status),
        other => panic!("{other:?}"),
    };
    assert_eq!(source(world.command(0, fetch())), (Source::Peer, Status::Online));
    world.deaf.insert(1);
    let replies = world.nodes[0].replies.len();
    // The last reply is still the one before: this one waits.
    let _ = world.command(0, fetch());
    world.pass(FETCH_DEADLINE - Duration::from_millis(1));
    assert_eq!(world.nodes[0].replies.len(), replies);
    world.pass(Duration::from_millis(1));
    let late = world.nodes[0].replies.last().cloned().unwrap();
    assert_eq!(source(late), (Source::Cache, Status::Online));
    world.kill(1);
    assert_eq!(source(world.command(0, fetch())), (Source::Cache, Status::Offline));
}

#[test]
fn everybody_sees_everybody_after_all_restart() {
    let mut world = World::of(4);
    for who in 0..4 {
        for whom in 0..who {
            let invite = Box::new(world.core(whom).invite());
            world.command(who, Command::Add { invite, alias: None }).unwrap();
            let buddy = world.nodes[who].peer.to_string();
            world.command(whom, Command::Accept { buddy }).unwrap();
        }
    }
    (0..4).for_each(|who| world.kill(who));
    (0..4).for_each(|who| world.start(who));
    world.pass(PERIOD);
    for (who, whom) in [(0, 1), (1, 0), (0, 3), (3, 0), (2, 3), (3, 2)] {
        assert_eq!(world.sees(who, whom), Status::Online, "{whom} as {who} sees it");
    }
    assert_eq!(world.pipe_count(), 6, "one for each pair");
}
