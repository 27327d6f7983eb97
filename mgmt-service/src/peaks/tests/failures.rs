//! One cause of failures at a time, and what the records of both sides say of it.

use overlay::PeerId;

use super::super::*;
use super::World;
use crate::arm::{Reason, Split, Status};

/// Alice's and Bob's questions of these seconds get no answer.
fn unanswered(world: &mut World, seconds: std::ops::Range<u64>, of: &[PeerId]) {
    for record in world.records.iter_mut().filter(|record| of.contains(&record.peer)) {
        if seconds.contains(&((record.at_ms - 1_000_000) / 1000)) {
            (record.status, record.reason, record.response_us) = (Status::Failed, Reason::Timeout, None);
            record.split.network_us = None;
        }
    }
}

fn causes(world: &World) -> Vec<(PeerId, Cause, u64)> {
    let told = |outage: Outage| {
        assert!(outage.is_over && outage.since_ms == 1_300_000, "{outage:?}");
        (outage.peer, outage.cause, outage.count)
    };
    let mut causes: Vec<_> = outages(&world.records).into_iter().map(told).collect();
    causes.sort_by_key(|(peer, ..)| *peer == world.bob);
    causes
}

#[test]
fn a_link_is_down_when_the_receiver_was_not_still_meanwhile() {
    let mut world = World::quiet();
    let (alice, bob) = (world.alice, world.bob);
    assert_eq!(outages(&world.records), []);
    unanswered(&mut world, 300..310, &[alice, bob]);
    assert_eq!(causes(&world), [(alice, Cause::Network, 10), (bob, Cause::Network, 10)]);
}

#[test]
fn a_receiver_that_stood_still_is_no_broken_link_and_tells_that_it_stood_still() {
    let mut world = World::quiet();
    let (alice, bob) = (world.alice, world.bob);
    unanswered(&mut world, 300..310, &[alice]);
    unanswered(&mut world, 300..301, &[bob]);
    world.records.retain(|record| record.peer == alice || !(1_301_000..1_310_000).contains(&record.at_ms));
    for record in world.records.iter_mut().filter(|record| record.peer == bob && record.at_ms == 1_310_000) {
        record.split.queue_us = Some(9_000_000);
    }
    assert_eq!(causes(&world), [(alice, Cause::RemoteHold, 10), (bob, Cause::LocalQueue, 1)]);
}

#[test]
fn a_receiver_of_which_nothing_more_is_heard_has_stopped() {
    let mut world = World::quiet();
    let (alice, bob) = (world.alice, world.bob);
    unanswered(&mut world, 300..600, &[alice]);
    world.records.retain(|record| record.peer == alice || record.at_ms < 1_300_000);
    let [outage] = outages(&world.records).try_into().unwrap();
    assert_eq!((outage.dest, outage.cause, outage.is_over), (bob, Cause::RemoteHold, false));
}

#[test]
fn a_receiver_whose_transport_answers_stands_still_itself() {
    let mut world = World::quiet();
    let alice = world.alice;
    unanswered(&mut world, 300..310, &[alice]);
    for record in world.records.iter_mut().filter(|record| record.status == Status::Failed).take(1) {
        record.split.network_us = Some(900);
    }
    assert_eq!(causes(&world), [(alice, Cause::RemoteHold, 10)]);
}

#[test]
fn what_could_not_be_sent_says_what_was_tried() {
    let tried = [(Some(4_000_000), Some(1_000_000), Cause::Lookup), (Some(2_000), None, Cause::Lookup)];
    let tried =
        tried.into_iter().chain([(Some(1_000), Some(5_000_000), Cause::Dial), (None, None, Cause::Dial)]);
    for (lookup_us, dial_us, cause) in tried {
        let mut world = World::quiet();
        let alice = world.alice;
        unanswered(&mut world, 300..310, &[alice]);
        for record in world.records.iter_mut().filter(|record| record.status == Status::Failed) {
            record.reason = Reason::Unreachable;
            record.split = Split { lookup_us, dial_us, ..Split::default() };
        }
        let [outage] = outages(&world.records).try_into().unwrap();
        assert_eq!((outage.cause, outage.unreachable), (cause, 10), "{outage:?}");
    }
}
