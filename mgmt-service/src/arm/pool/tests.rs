//! The pool against a plain model of itself, and each of its rules alone.
#![expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(10);

fn pool() -> TransactionPool {
    TransactionPool::new(BootKey::new([7; 32]), 3, TIMEOUT)
}

fn with(dest: PeerId) -> Started {
    Started { wall_ms: 1_000, dest, path: Path::Direct }
}

#[test]
fn answer_in_time_ends_the_transaction_with_the_time_since_its_start() {
    let (mut pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let correlator = pool.start(now, with(dest)).unwrap();

    let ended = pool.stop(now + Duration::from_millis(850), correlator, &dest).unwrap();

    assert_eq!(ended, Ended { correlator, started: with(dest), elapsed: Duration::from_millis(850) });
    assert_eq!((pool.in_flight(), pool.poll_timeout()), (0, None));
}

#[test]
fn several_in_flight_end_in_any_order() {
    let (mut pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let started: Vec<_> = (0..5).map(|_| pool.start(now, with(dest)).unwrap()).collect();
    for index in [3, 0, 4, 2, 1] {
        assert_eq!(pool.stop(now, started[index], &dest).unwrap().correlator, started[index]);
    }
}

#[test]
fn doubled_answer_is_late() {
    let (mut pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let correlator = pool.start(now, with(dest)).unwrap();
    pool.stop(now, correlator, &dest).unwrap();
    assert_eq!(pool.stop(now, correlator, &dest), Err(NotStopped::Late));
}

#[test]
fn answer_to_an_older_use_of_a_slot_does_not_end_its_present_one() {
    let (mut pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let old = pool.start(now, with(dest)).unwrap();
    pool.stop(now, old, &dest).unwrap();
    let present =
        (0..TRANSACTIONS_IN_FLIGHT_MAX).map(|_| pool.start(now, with(dest)).unwrap()).last().unwrap();
    assert_eq!(slot_of(old.seq()), slot_of(present.seq()));

    assert_eq!(pool.stop(now, old, &dest), Err(NotStopped::Late));
    assert!(pool.stop(now, present, &dest).is_ok());
}

#[test]
fn answer_of_another_peer_leaves_the_transaction_in_flight() {
    let (mut pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let correlator = pool.start(now, with(dest)).unwrap();
    assert_eq!(pool.stop(now, correlator, &PeerId::random()), Err(NotStopped::WrongPeer));
    assert!(pool.stop(now, correlator, &dest).is_ok());
}

#[test]
fn guessed_token_is_forged_and_ends_nothing() {
    let (mut pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let correlator = pool.start(now, with(dest)).unwrap();
    assert_eq!(pool.stop(now, Correlator(correlator.0 ^ 1), &dest), Err(NotStopped::Forged));
    assert_eq!(pool.stop(now, Correlator(u64::MAX), &dest), Err(NotStopped::Forged));
    assert_eq!(pool.in_flight(), 1);
}

#[test]
fn deadline_ends_the_transaction_once_and_not_before() {
    let (mut pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let correlator = pool.start(now, with(dest)).unwrap();
    assert_eq!(pool.poll_timeout(), Some(now + TIMEOUT));
    assert_eq!(pool.expire(now + TIMEOUT - Duration::from_nanos(1)), None);

    assert_eq!(pool.expire(now + TIMEOUT).unwrap().correlator, correlator);
    assert_eq!(pool.expire(now + TIMEOUT * 2), None);
    assert_eq!(pool.stop(now + TIMEOUT, correlator, &dest), Err(NotStopped::Late));
}

#[test]
fn answer_after_the_deadline_is_overdue_even_when_the_timer_has_not_run() {
    let (mut pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let correlator = pool.start(now, with(dest)).unwrap();
    let stopped = pool.stop(now + TIMEOUT, correlator, &dest);
    assert!(matches!(stopped, Err(NotStopped::Overdue(ended)) if ended.correlator == correlator));
    assert_eq!(pool.expire(now + TIMEOUT), None);
}

#[test]
fn exhausted_pool_refuses_and_takes_up_again_when_one_ends() {
    let (mut pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let started: Vec<_> =
        (0..TRANSACTIONS_IN_FLIGHT_MAX).map(|_| pool.start(now, with(dest)).unwrap()).collect();
    let refused = Err(PoolExhausted { max: TRANSACTIONS_IN_FLIGHT_MAX });
    assert_eq!(pool.start(now, with(dest)), refused);
    pool.stop(now, started[500], &dest).unwrap();
    assert!(pool.start(now, with(dest)).is_ok());
    assert_eq!(pool.start(now, with(dest)), refused);
}

#[test]
fn one_that_never_ends_does_not_let_the_order_grow() {
    let (mut pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let stuck = pool.start(now, with(dest)).unwrap();
    let room = pool.order.capacity();
    for _ in 0..10 * TRANSACTIONS_IN_FLIGHT_MAX {
        let correlator = pool.start(now, with(dest)).unwrap();
        pool.stop(now, correlator, &dest).unwrap();
    }
    assert_eq!(pool.order.capacity(), room);
    assert_eq!(pool.expire(now + TIMEOUT).unwrap().correlator, stuck);
}

#[test]
fn definitions_and_unstarted_exchanges_never_share_a_correlator() {
    let (now, dest) = (Instant::now(), PeerId::random());
    let mut seen = std::collections::HashSet::new();
    for number in 0..16 {
        let mut pool = TransactionPool::new(BootKey::new([7; 32]), number, TIMEOUT);
        for _ in 0..100 {
            assert!(seen.insert(pool.start(now, with(dest)).unwrap()));
            assert!(seen.insert(pool.unstarted(&dest)));
        }
    }
}

#[test]
fn counter_wraps_into_its_own_definition() {
    let (mut pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    pool.counter = COUNTER_MASK;
    let correlator = pool.start(now, with(dest)).unwrap();
    assert_eq!(correlator.seq(), 3 << COUNTER_BITS);
    assert!(pool.stop(now, correlator, &dest).is_ok());
}

#[derive(Debug, Clone)]
enum Step {
    Start { dest: usize },
    Stop { started: prop::sample::Index, by_dest: bool },
    Pass { ms: u64 },
    Expire,
    EndOldest,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..3_usize).prop_map(|dest| Step::Start { dest }),
        4 => (any::<prop::sample::Index>(), prop::bool::weighted(0.9))
            .prop_map(|(started, by_dest)| Step::Stop { started, by_dest }),
        3 => (0..6_000_u64).prop_map(|ms| Step::Pass { ms }),
        2 => Just(Step::Expire),
        1 => Just(Step::EndOldest),
    ];
    prop::collection::vec(step, 0..400)
}

proptest! {
    #[test]
    fn each_started_transaction_ends_exactly_once(steps in steps()) {
        let mut now = Instant::now();
        let peers = [(); 3].map(|()| PeerId::random());
        let mut pool = pool();
        let mut started = Vec::new();
        let mut ends: HashMap<Correlator, u32> = HashMap::new();
        for step in steps {
            let ended = match step {
                Step::Start { dest } => {
                    let correlator = pool.start(now, with(peers[dest])).unwrap();
                    started.push((correlator, dest, now));
                    None
                }
                Step::Stop { started: index, by_dest } if !started.is_empty() => {
                    let (correlator, dest, at) = *index.get(&started);
                    let from = if by_dest { dest } else { (dest + 1) % peers.len() };
                    match pool.stop(now, correlator, &peers[from]) {
                        Ok(ended) => {
                            prop_assert!(by_dest && now < at + TIMEOUT);
                            Some(ended)
                        }
                        Err(NotStopped::Overdue(ended)) => {
                            prop_assert!(by_dest && now >= at + TIMEOUT);
                            Some(ended)
                        }
                        Err(NotStopped::Late) => {
                            prop_assert!(by_dest && ends.contains_key(&correlator));
                            None
                        }
                        Err(NotStopped::WrongPeer) => {
                            prop_assert!(!by_dest && !ends.contains_key(&correlator));
                            None
                        }
                        Err(NotStopped::Forged) => {
                            prop_assert!(!by_dest && ends.contains_key(&correlator));
                            None
                        }
                    }
                }
                Step::Stop { .. } => None,
                Step::Pass { ms } => {
                    now += Duration::from_millis(ms);
                    None
                }
                Step::Expire => pool.expire(now),
                Step::EndOldest => pool.end_oldest(now),
            };
            if let Some(ended) = ended {
                *ends.entry(ended.correlator).or_default() += 1;
            }
            prop_assert_eq!(pool.in_flight(), started.len() - ends.len());
            let next = started.iter().filter(|(correlator, ..)| !ends.contains_key(correlator)).map(|s| s.2 + TIMEOUT);
            prop_assert_eq!(pool.poll_timeout(), next.min());
        }
        while let Some(ended) = pool.expire(now + TIMEOUT) {
            *ends.entry(ended.correlator).or_default() += 1;
        }
        prop_assert_eq!(pool.in_flight(), 0);
        prop_assert!(started.iter().all(|(correlator, ..)| ends.get(correlator) == Some(&1)));
    }
}
