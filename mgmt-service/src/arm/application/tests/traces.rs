//! Which transactions are parts of which, in one application and across others.

use super::*;
use crate::arm::{Parent, TraceId, bound};

#[test]
fn transactions_of_bound_work_are_its_parts() {
    let world = World::new();
    let parent = world.start();
    let span = world.ping.as_parent(parent);
    let child = bound(span, || world.start());
    let arrived = world.now.checked_sub(Duration::from_micros(9));
    let started = Started { arrived, ..Started::new(1, world.buddy, Path::Direct) };
    let queued = world.ping.start_with(world.now, &started).unwrap();
    assert!(world.ping.block(world.now, parent));
    for correlator in [child, parent, queued] {
        world.pong(Duration::from_micros(5), correlator);
    }
    let details: Vec<_> = world
        .records()
        .iter()
        .map(|record| (record.details.parent, record.details.blocked_us, record.split.queue_us))
        .collect();
    assert_eq!(details, [(Some(span), 0, None), (None, 5, None), (None, 0, Some(9))]);
}

#[test]
fn a_part_belongs_to_the_trace_of_its_whole() {
    let world = World::new();
    let correlator = world.start();
    let header = world.ping.traceparent(correlator, true).to_string();
    let read: crate::arm::Traceparent = header.parse().unwrap();
    assert_eq!((read.trace, read.span), (TraceId::of(&world.me, correlator), correlator));
    assert_ne!(world.ping.as_parent(world.start()).trace, read.trace);
    let child = bound(read.into(), || world.start());
    let grandchild = bound(world.ping.as_parent(child), || world.start());
    for part in [grandchild, child] {
        assert_eq!(world.ping.as_parent(part), Parent { trace: read.trace, span: part });
    }
    world.pong(Duration::ZERO, grandchild);
    let expected = Parent { trace: read.trace, span: child };
    assert_eq!(world.records()[0].details.parent, Some(expected));
}

#[test]
fn a_transaction_under_a_traceparent_from_elsewhere_keeps_its_trace() {
    let world = World::new();
    let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let foreign = Parent::from(header.parse::<crate::arm::Traceparent>().unwrap());
    let started = Started { parent: Some(foreign), ..Started::new(1, world.buddy, Path::Direct) };
    let correlator = world.ping.start_with(world.now, &started).unwrap();
    let next = world.ping.traceparent(correlator, true);
    assert_eq!(next.to_string(), format!("00-{}-{correlator}-01", foreign.trace));
    world.app.expire(world.now + TIMEOUT);
    let reported = world.ping.report(&started, Duration::ZERO, Outcome::new(Status::Good), &[]);
    let records = world.records();
    assert_eq!(records.iter().map(|record| record.correlator).collect::<Vec<_>>(), [correlator, reported]);
    assert!(records.iter().all(|record| record.details.parent == Some(foreign)));
}
