//! What an instrumented program and its consumers see.
#![expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]

use std::time::Duration;

use super::*;
use crate::arm::{
    ArmRecord, Correlator, DestStatus, Metric, MetricValue, Path, Started, Stopped, TypedValue,
    ValueDefinition, ValueKind,
};
use crate::limits::{CONSUMERS_MAX, TRANSACTIONS_IN_FLIGHT_MAX};

mod traces;

const TIMEOUT: Duration = Duration::from_secs(10);

struct World {
    app: Application,
    ping: Transaction,
    consumer: Consumer,
    now: Instant,
    me: PeerId,
    buddy: PeerId,
}

impl World {
    fn new() -> Self {
        let (me, buddy) = (PeerId::random(), PeerId::random());
        let app = Application::new(me, [5; 32]);
        let ping = app.define(TransactionDefinition::new("presence.ping", TIMEOUT)).unwrap();
        let consumer = app.subscribe(4096, Overflow::DropNewest).unwrap();
        Self { app, ping, consumer, now: Instant::now(), me, buddy }
    }

    fn start(&self) -> Correlator {
        self.ping.start(self.now, 1_000, self.buddy, Path::Direct).unwrap()
    }

    fn pong(&self, after: Duration, correlator: Correlator) -> Stopped {
        self.ping.stop(self.now + after, correlator, self.buddy, Outcome::good(DestStatus::Online))
    }

    fn records(&self) -> Vec<ArmRecord> {
        std::iter::from_fn(|| self.consumer.get()).collect()
    }

    fn counter(&self, name: &str) -> u64 {
        self.app.counters().iter().find(|(counter, _)| *counter == name).unwrap().1
    }
}

#[test]
fn an_answered_ping_is_one_good_record_with_every_metric() {
    let world = World::new();
    let correlator = world.start();
    let outcome = Outcome { hold_us: Some(40), ..Outcome::good(DestStatus::Busy) };
    let stopped = world.ping.stop(world.now + Duration::from_micros(850), correlator, world.buddy, outcome);

    assert_eq!(stopped, Stopped::Recorded);
    let expected = ArmRecord {
        at_ms: 1_000,
        peer: world.me,
        transaction: Arc::from("presence.ping"),
        dest: world.buddy,
        dest_status: DestStatus::Busy,
        correlator,
        status: Status::Good,
        response_us: Some(850),
        hold_us: Some(40),
        path: Path::Direct,
        reason: Reason::None,
        details: crate::arm::Details::default(),
        split: crate::arm::Split::default(),
    };
    assert_eq!(world.records(), [expected]);
}

#[test]
fn an_unanswered_ping_is_one_failed_record_and_its_late_pong_is_only_counted() {
    let world = World::new();
    let correlator = world.start();
    assert_eq!(world.app.poll_timeout(), Some(world.now + TIMEOUT));
    assert_eq!(world.app.expire(world.now + TIMEOUT), 1);
    assert_eq!(world.pong(TIMEOUT * 2, correlator), Stopped::Unknown);

    let records = world.records();
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].status, records[0].reason), (Status::Failed, Reason::Timeout));
    assert_eq!((records[0].response_us, records[0].correlator), (None, correlator));
    assert_eq!((world.counter("timeouts"), world.counter("late")), (1, 1));
}

#[test]
fn a_pong_after_the_deadline_is_a_timeout_even_before_the_timer_runs() {
    let world = World::new();
    let correlator = world.start();
    assert_eq!(world.pong(TIMEOUT, correlator), Stopped::Unknown);
    assert_eq!(world.app.expire(world.now + TIMEOUT), 0);
    assert_eq!(world.records().iter().map(|record| record.reason).collect::<Vec<_>>(), [Reason::Timeout]);
    assert_eq!((world.counter("timeouts"), world.counter("late"), world.counter("stopped")), (1, 1, 0));
}

#[test]
fn a_doubled_pong_is_late_and_a_guessed_one_forged() {
    let world = World::new();
    let correlator = world.start();
    assert_eq!(world.pong(Duration::ZERO, correlator), Stopped::Recorded);
    assert_eq!(world.pong(Duration::ZERO, correlator), Stopped::Unknown);
    assert_eq!(world.pong(Duration::ZERO, Correlator(correlator.0 + 1)), Stopped::Unknown);
    assert_eq!(world.records().len(), 1);
    assert_eq!((world.counter("late"), world.counter("forged")), (1, 1));
}

#[test]
fn a_pong_of_another_peer_leaves_the_transaction_to_the_one_asked() {
    let world = World::new();
    let correlator = world.start();
    let outcome = Outcome::good(DestStatus::Online);
    let stopped = world.ping.stop(world.now, correlator, PeerId::random(), outcome);
    assert_eq!(stopped, Stopped::WrongPeer);
    assert_eq!(world.pong(Duration::ZERO, correlator), Stopped::Recorded);
    assert_eq!((world.counter("wrong_peer"), world.records().len()), (1, 1));
}

#[test]
fn an_unreachable_buddy_is_recorded_even_when_the_pool_is_exhausted() {
    let world = World::new();
    for _ in 0..TRANSACTIONS_IN_FLIGHT_MAX {
        world.start();
    }
    assert!(world.ping.start(world.now, 1, world.buddy, Path::Direct).is_err());
    world.ping.unreachable(world.now, 2, world.buddy);
    world.ping.unreachable(world.now, 3, world.buddy);

    let records = world.records();
    assert_eq!(records.len(), 2);
    assert!(
        records.iter().all(|record| record.reason == Reason::Unreachable && record.response_us.is_none())
    );
    assert_ne!(records[0].correlator, records[1].correlator);
    assert_eq!((world.counter("pool_exhausted"), world.counter("unreachable")), (1, 2));
}

#[test]
fn a_stopping_application_records_what_was_in_flight_as_aborted() {
    let world = World::new();
    world.start();
    world.start();
    assert_eq!(world.app.stop_all(world.now), 2);
    let ends: Vec<_> = world.records().iter().map(|record| (record.status, record.reason)).collect();
    assert_eq!(ends, [(Status::Aborted, Reason::Stopped); 2]);
    assert_eq!((world.counter("aborted"), world.counter("in_flight")), (2, 0));
}

#[test]
fn a_receiver_cannot_claim_to_have_held_a_ping_longer_than_it_took() {
    let world = World::new();
    let correlator = world.start();
    let outcome = Outcome { hold_us: Some(u64::MAX), ..Outcome::good(DestStatus::Online) };
    world.ping.stop(world.now + Duration::from_micros(9), correlator, world.buddy, outcome);
    assert_eq!(world.records()[0].hold_us, Some(9));
}

#[test]
fn metrics_that_a_definition_leaves_out_stay_empty() {
    let world = World::new();
    let definition = TransactionDefinition {
        metrics: Metric::PAPER.to_vec(),
        ..TransactionDefinition::new("bare", TIMEOUT)
    };
    let bare = world.app.define(definition).unwrap();
    let correlator = bare.start(world.now, 1, world.buddy, Path::Relayed).unwrap();
    let outcome = Outcome { hold_us: Some(1), ..Outcome::good(DestStatus::Away) };
    bare.stop(world.now, correlator, world.buddy, outcome);
    let records = world.records();
    assert_eq!(
        (records[0].hold_us, records[0].path, records[0].dest_status),
        (None, Path::None, DestStatus::Away)
    );
}

#[test]
fn a_stalled_consumer_loses_records_and_the_others_get_all() {
    let world = World::new();
    let stalled = world.app.subscribe(2, Overflow::DropOldest).unwrap();
    let third = world.app.subscribe(100, Overflow::DropOldest).unwrap();
    let pings: Vec<_> = (0..50).map(|_| world.start()).collect();
    for correlator in &pings {
        assert_eq!(world.pong(Duration::ZERO, *correlator), Stopped::Recorded);
    }
    let correlators =
        |records: Vec<ArmRecord>| records.iter().map(|record| record.correlator).collect::<Vec<_>>();
    assert_eq!(correlators(world.records()), pings);
    assert_eq!((third.len(), third.dropped()), (50, 0));
    assert_eq!((stalled.len(), stalled.dropped(), world.counter("dropped")), (2, 48, 48));
}

#[test]
fn a_dropped_consumer_is_fed_no_more_and_its_place_is_free() {
    let world = World::new();
    let mut others: Vec<_> =
        (1..CONSUMERS_MAX).map(|_| world.app.subscribe(1, Overflow::DropNewest).unwrap()).collect();
    assert!(world.app.subscribe(1, Overflow::DropNewest).is_err());
    others.pop();
    assert_eq!(world.counter("consumers"), CONSUMERS_MAX as u64 - 1);
    assert!(world.app.subscribe(1, Overflow::DropNewest).is_ok());
}

#[test]
fn a_record_outlives_its_consumer() {
    let World { app, ping, consumer, now, buddy, .. } = World::new();
    ping.unreachable(now, 1, buddy);
    let record = consumer.get().unwrap();
    drop((consumer, ping, app));
    assert_eq!(record.reason, Reason::Unreachable);
}

#[test]
fn definitions_are_unique_and_bounded() {
    let world = World::new();
    let named = |name: &str| TransactionDefinition::new(name, TIMEOUT);
    assert!(matches!(world.app.define(named("presence.ping")), Err(DefineError::Taken { .. })));
    for number in 1..DEFINITIONS_MAX {
        world.app.define(named(&format!("t{number}"))).unwrap();
    }
    let refused = world.app.define(named("one-more")).unwrap_err();
    assert_eq!(refused, DefineError::Full { max: DEFINITIONS_MAX });
}

#[test]
fn threads_that_start_stop_and_expire_leave_one_record_each() {
    let world = World::new();
    let consumer = world.app.subscribe(20_000, Overflow::DropNewest).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (ping, app, now, buddy) = (&world.ping, &world.app, world.now, world.buddy);
            scope.spawn(move || {
                for round in 0..2_000_u64 {
                    let now = now + Duration::from_millis(round);
                    let correlator = ping.start(now, round, buddy, Path::Direct).unwrap();
                    // One thread leaves its transactions to the timeout, against which the others race.
                    if thread > 0 {
                        ping.stop(now, correlator, buddy, Outcome::good(DestStatus::Online));
                    } else if round % 500 == 0 {
                        app.expire(now + TIMEOUT * 2);
                    }
                }
            });
        }
    });
    world.app.expire(world.now + TIMEOUT * 2);
    let mut correlators: Vec<_> =
        std::iter::from_fn(|| consumer.get()).map(|record| record.correlator).collect();
    correlators.sort_unstable();
    correlators.dedup();
    assert_eq!((correlators.len(), consumer.dropped()), (8_000, 0));
    let sum = world.counter("stopped") + world.counter("timeouts");
    assert_eq!((world.counter("started"), world.counter("records"), sum), (8_000, 8_000, 8_000));
}

#[test]
fn typed_values_reach_the_record_and_those_of_another_type_are_counted() {
    let world = World::new();
    let values = vec![
        ValueDefinition::new("sent", "By", ValueKind::Counter),
        ValueDefinition::new("error", "", ValueKind::NumericId),
    ];
    let definition = TransactionDefinition { values, ..TransactionDefinition::new("transfer", TIMEOUT) };
    let transfer = world.app.define(definition).unwrap();
    let correlator = transfer.start(world.now, 1, world.buddy, Path::Direct).unwrap();
    let given = [Some(MetricValue::Counter(7)), Some(MetricValue::Gauge(-1))];
    transfer.stop_with(world.now, correlator, world.buddy, Outcome::new(Status::Good), &given);
    let records = world.records();
    let values = records[0].details.values.as_deref().unwrap();
    let [TypedValue { definition, value }] = values else { panic!("{values:?}") };
    assert_eq!((definition.name.as_str(), value), ("sent", &MetricValue::Counter(7)));
    assert_eq!(world.counter("values_refused"), 1);
}

#[test]
fn values_told_on_the_way_are_in_the_record_however_it_ends() {
    let world = World::new();
    let values = ["sent", "left"].map(|name| ValueDefinition::new(name, "By", ValueKind::Counter)).to_vec();
    let definition = TransactionDefinition { values, ..TransactionDefinition::new("transfer", TIMEOUT) };
    let transfer = world.app.define(definition).unwrap();
    let start = || transfer.start(world.now, 1, world.buddy, Path::Direct).unwrap();
    let counter = |number| Some(MetricValue::Counter(number));
    let (ends, stalls, silent) = (start(), start(), start());
    for correlator in [ends, stalls] {
        assert!(transfer.update_with(world.now, correlator, &[counter(1), counter(9)]));
        assert!(transfer.update_with(world.now, correlator, &[counter(5)]));
    }
    transfer.stop_with(world.now, ends, world.buddy, Outcome::new(Status::Good), &[None, counter(0)]);
    assert!(!transfer.update_with(world.now, ends, &[counter(7)]));
    assert_eq!(world.app.expire(world.now + TIMEOUT), 2);
    let told = |record: &ArmRecord| {
        let values = record.details.values.iter().flat_map(|values| values.iter());
        (record.correlator, values.map(|typed| Some(typed.value.clone())).collect())
    };
    let records: Vec<(Correlator, Vec<_>)> = world.records().iter().map(told).collect();
    let expected =
        [(ends, vec![counter(5), counter(0)]), (stalls, vec![counter(5), counter(9)]), (silent, vec![])];
    assert_eq!(records, expected);
}

#[test]
fn late_answers_have_a_sketch_of_their_own() {
    let world = World::new();
    let (good, late, overdue) = (world.start(), world.start(), world.start());
    world.pong(Duration::from_millis(2), good);
    world.app.expire(world.now + Duration::from_secs(5));
    assert_eq!(world.pong(TIMEOUT, overdue), Stopped::Unknown);
    world.app.expire(world.now + TIMEOUT);
    world.pong(TIMEOUT * 2, late);
    world.pong(TIMEOUT * 2, late);
    world.ping.stop(world.now, Correlator(late.0 ^ 1), world.buddy, Outcome::new(Status::Good));

    let sketches = world.app.sketches();
    let [sketch] = sketches.as_slice() else { panic!("one definition, one sketch") };
    assert_eq!((sketch.name.as_str(), sketch.id), ("presence.ping", world.ping.definition().id()));
    assert_eq!((sketch.answers.count(), sketch.answers.sum()), (1, Duration::from_millis(2)));
    assert_eq!((sketch.late.count(), sketch.late.range()), (2, Some((TIMEOUT, TIMEOUT * 2))));
    assert_eq!((world.counter("late"), world.counter("forged")), (3, 1));
}

#[test]
fn discarded_transactions_leave_no_record_and_reported_ones_leave_theirs() {
    let world = World::new();
    let correlator = world.start();
    assert!(world.ping.discard(correlator) && !world.ping.discard(correlator));
    assert_eq!(world.pong(Duration::ZERO, correlator), Stopped::Unknown);
    let started = Started::new(5, world.buddy, Path::Relayed);
    let response = Duration::from_micros(77);
    let reported = world.ping.report(&started, response, Outcome::good(DestStatus::Away), &[]);

    let records = world.records();
    assert_eq!((records.len(), records[0].correlator, records[0].response_us), (1, reported, Some(77)));
    let counted = ["started", "discarded", "reported", "stopped", "records", "in_flight"];
    assert_eq!(counted.map(|name| world.counter(name)), [1, 1, 1, 0, 1, 0]);
}

#[test]
fn a_definition_that_is_switched_off_measures_nothing_new_and_ends_what_is_in_flight() {
    let world = World::new();
    let in_flight = world.start();
    world.ping.set_measured(false);
    let none = world.start();
    assert_eq!((none, world.pong(Duration::ZERO, none)), (Correlator::NONE, Stopped::Unmeasured));
    world.ping.unreachable(world.now, 1, world.buddy);
    assert_eq!(world.pong(Duration::ZERO, in_flight), Stopped::Recorded);
    assert_eq!((world.counter("started"), world.counter("records")), (1, 1));

    world.ping.set_measured(true);
    assert_eq!(world.pong(Duration::ZERO, none), Stopped::Unknown);
    assert_eq!(world.counter("forged"), 1);
}

#[test]
fn threads_that_end_the_same_transactions_end_each_once() {
    let world = World::new();
    let (ended, mut records) = (std::sync::atomic::AtomicUsize::new(0), 0);
    for _ in 0..50 {
        let all: Vec<_> = (0..100).map(|_| world.start()).collect();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (world, all, ended) = (&world, &all, &ended);
                scope.spawn(move || {
                    let one = |correlator: &Correlator| match thread {
                        0 | 1 => usize::from(world.pong(Duration::ZERO, *correlator) == Stopped::Recorded),
                        2 => usize::from(world.ping.discard(*correlator)),
                        _ => {
                            world.ping.update(world.now, *correlator);
                            world.app.expire(world.now + TIMEOUT)
                        }
                    };
                    ended.fetch_add(all.iter().map(one).sum(), Ordering::Relaxed);
                });
            }
        });
        records += world.records().len() as u64;
    }
    assert_eq!((ended.load(Ordering::Relaxed), world.app.in_flight()), (5_000, 0));
    assert_eq!(records + world.counter("discarded"), 5_000);
    assert_eq!(world.counter("started"), 5_000);
}
