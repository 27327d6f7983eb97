//! Machines without a processor to spare, and what transactions did meanwhile.

use std::sync::Arc;

use overlay::PeerId;

use super::super::*;
use super::{World, slower};
use crate::arm::{ArmRecord, Correlator, Details, Parent, Path, Status, TraceId, TypedValue, Wait, Waits};

/// `peer` tells in its record of second 310 how long it waited for a processor in the slots of these milliseconds.
fn waited(world: &mut World, peer: PeerId, slots: &[(u64, u64)]) {
    let mut waits = Waits::default();
    for &(from_ms, waited_ms) in slots {
        waits.add(Wait { from_ms, until_ms: from_ms + 250, waited_ms });
    }
    let tells = |record: &&mut ArmRecord| record.peer == peer && record.at_ms == 1_310_000;
    let record = world.records.iter_mut().find(tells).unwrap();
    let typed =
        TypedValue { definition: Arc::new(Waits::definition()), value: waits.tell(record.at_ms).unwrap().0 };
    record.details.values = Some(Arc::new([typed]));
}

#[test]
fn a_machine_that_had_no_processor_left_is_the_cause_and_no_part_of_the_exchange() {
    for (own, cause) in [(true, Cause::AskerStall), (false, Cause::ReceiverStall)] {
        let mut world = World::quiet();
        world.inject(|record| {
            if record.at_ms == 1_301_000 {
                slower(record, 180_000);
            }
        });
        let whose = if own { world.alice } else { world.bob };
        waited(&mut world, whose, &[(1_300_900, 190)]);
        let peak = world.only_peak();
        assert_eq!((peak.cause, peak.parts.of(Cause::Network)), (cause, 0), "{peak:?}");
    }
}

#[test]
fn an_asker_whose_machine_let_it_wait_was_not_busy_itself() {
    let mut world = World::quiet();
    world.inject(|record| {
        if record.at_ms == 1_301_000 {
            record.split.queue_us = Some(180_000);
        }
    });
    let alice = world.alice;
    waited(&mut world, alice, &[(1_300_750, 190)]);
    assert_eq!(world.only_peak().cause, Cause::AskerStall);
}

#[test]
fn a_slow_link_between_restless_machines_stays_the_cause() {
    let mut world = World::quiet();
    world.inject(|record| slower(record, 2_400_000));
    let (alice, bob) = (world.alice, world.bob);
    for peer in [alice, bob] {
        // No thread of theirs ever ran at once.
        let slots: Vec<_> = (0..7).map(|slot| (1_299_750 + slot * 250, 250)).collect();
        waited(&mut world, peer, &slots);
    }
    let peak = world.only_peak();
    assert_eq!(peak.cause, Cause::Network, "{peak:?}");
    assert!(peak.share > 0.5, "{peak:?}");
}

#[test]
fn a_wait_long_before_or_after_explains_nothing() {
    let mut world = World::quiet();
    world.inject(|record| slower(record, 60_000));
    let (alice, bob) = (world.alice, world.bob);
    waited(&mut world, alice, &[(1_299_000, 250), (1_303_500, 250)]);
    waited(&mut world, bob, &[(1_298_000, 250), (1_304_500, 250)]);
    assert_eq!(world.only_peak().cause, Cause::Network);
}

#[test]
fn what_the_records_to_come_may_explain_is_told_with_them() {
    let mut world = World::quiet();
    for record in world.records.iter_mut().filter(|record| record.at_ms == 1_599_000) {
        slower(record, 60_000);
    }
    assert_eq!(explain(&world.records).len(), 2, "nobody ever waited");
    let alice = world.alice;
    waited(&mut world, alice, &[(1_309_000, 250)]);
    assert_eq!(explain(&world.records), []);
    let last = |record: &&ArmRecord| record.peer == alice && record.at_ms == 1_598_000;
    let next = world.records.iter().find(last).unwrap().clone();
    world.records.push(ArmRecord { at_ms: 1_600_000, ..next });
    assert_eq!(explain(&world.records).len(), 2);
}

#[test]
fn a_peak_is_told_although_its_receiver_is_not_heard_from_again() {
    let mut world = World::quiet();
    world.inject(|record| slower(record, 60_000));
    let bob = world.bob;
    waited(&mut world, bob, &[(1_309_000, 250)]);
    // Bob told a wait earlier than all of this, and falls silent.
    for record in world.records.iter_mut().filter(|record| record.at_ms == 1_310_000) {
        record.at_ms = 1_200_000;
    }
    world.records.retain(|record| record.peer != bob || record.at_ms < 1_300_000);
    let end_ms = 1_302_000 + 61;
    let told_by = |newest_ms: u64| {
        explain(&world.records.iter().filter(|record| record.at_ms <= newest_ms).cloned().collect::<Vec<_>>())
    };
    assert_eq!(told_by(end_ms + 60_000), [], "an agent that gathers is waited for");
    assert_eq!(told_by(end_ms + 71_000).len(), 1);
}

/// A part of Alice's exchange of second 301, measured by `peer` as a transaction named so.
fn child(world: &World, peer: PeerId, name: &str, us: u64) -> ArmRecord {
    let parent = Parent { trace: TraceId::from_bytes([1; 16]), span: Correlator(77) };
    ArmRecord {
        at_ms: 1_301_000,
        transaction: name.into(),
        correlator: Correlator(78),
        dest: world.bob,
        status: Status::Good,
        path: Path::Direct,
        response_us: Some(us),
        details: Details { parent: Some(parent), ..Details::default() },
        ..ArmRecord::empty(peer)
    }
}

#[test]
fn a_part_that_was_measured_by_itself_is_named_and_is_no_time_on_the_way() {
    let others = PeerId::random();
    for (name, own, cause) in [
        ("session.lookup", true, Cause::Lookup),
        ("session.dial", true, Cause::Dial),
        ("db.commit", true, Cause::LocalQueue),
        ("db.commit", false, Cause::RemoteHold),
    ] {
        let mut world = World::quiet();
        world.inject(|record| {
            if record.at_ms == 1_301_000 {
                slower(record, 90_000);
                record.correlator = Correlator(77);
            }
        });
        let peer = if own { world.alice } else { world.bob };
        let part = child(&world, peer, name, 88_000);
        // Who took no part can't say what it did.
        let lie = child(&world, others, "lie", 900_000);
        world.records.extend([part, child(&world, peer, "short", 10), lie]);
        let peak = world.only_peak();
        assert_eq!((peak.cause, peak.slowest), (cause, Correlator(77)), "{name} {peak:?}");
        let named = peak.child.unwrap();
        assert_eq!((&*named.transaction, named.correlator, named.peer), (name, Correlator(78), peer));
    }
}

#[test]
fn blocked_time_is_the_askers_own() {
    let mut world = World::quiet();
    world.inject(|record| {
        slower(record, 90_000);
        record.details.blocked_us = 85_000;
    });
    let peak = world.only_peak();
    assert_eq!((peak.cause, peak.blocked_us), (Cause::LocalQueue, 85_000), "{peak:?}");
}
