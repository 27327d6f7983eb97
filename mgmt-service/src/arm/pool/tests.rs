//! The pool against a plain model of itself, and each of its rules alone.
#![expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::slots::slot_of;
use super::*;

const TIMEOUT: Duration = Duration::from_secs(10);

fn pool() -> TransactionPool {
    TransactionPool::new(BootKey::new([7; 32]), 3, TIMEOUT)
}

/// What ends by its timeout at `now`.
fn expired(pool: &TransactionPool, now: Instant) -> Vec<(Correlator, PeerId)> {
    let mut ends = Vec::new();
    pool.expire(now, |ended, dest| ends.push((ended.correlator, dest.peer().unwrap())));
    ends
}

impl TransactionPool {
    fn stop_by(&self, now: Instant, correlator: Correlator, from: &PeerId) -> Result<Ended, NotStopped> {
        self.stop(now, correlator, &PeerWords::of(from))
    }
}

fn with(dest: PeerId) -> Started {
    Started::new(1_000, dest, Path::Direct)
}

#[test]
fn answer_in_time_ends_the_transaction_with_the_time_since_its_start() {
    let (pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let correlator = pool.start(now, &with(dest)).unwrap();

    let ended = pool.stop_by(now + Duration::from_millis(850), correlator, &dest).unwrap();

    let expected = Ended {
        correlator,
        wall_ms: 1_000,
        path: Path::Direct,
        parent: None,
        queue_us: None,
        elapsed_ns: 850_000_000,
        blocked_us: 0,
    };
    assert_eq!(ended, expected);
    assert_eq!((pool.in_flight(), pool.poll_timeout()), (0, None));
}

#[test]
fn several_in_flight_end_in_any_order() {
    let (pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let started: Vec<_> = (0..5).map(|_| pool.start(now, &with(dest)).unwrap()).collect();
    for index in [3, 0, 4, 2, 1] {
        assert_eq!(pool.stop_by(now, started[index], &dest).unwrap().correlator, started[index]);
    }
}

#[test]
fn doubled_answer_is_late() {
    let (pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let correlator = pool.start(now, &with(dest)).unwrap();
    pool.stop_by(now, correlator, &dest).unwrap();
    assert_eq!(pool.stop_by(now, correlator, &dest), Err(NotStopped::Late(None)));
}

#[test]
fn answer_to_an_older_use_of_a_slot_does_not_end_its_present_one() {
    let (pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let old = pool.start(now, &with(dest)).unwrap();
    pool.stop_by(now, old, &dest).unwrap();
    let place = |correlator: Correlator| slot_of(correlator.seq().into());
    let mut starts = (0..TRANSACTIONS_IN_FLIGHT_MAX).map(|_| pool.start(now, &with(dest)).unwrap());
    let present = starts.find(|present| place(*present) == place(old)).unwrap();

    assert_eq!(pool.stop_by(now, old, &dest), Err(NotStopped::Late(None)));
    assert!(pool.stop_by(now, present, &dest).is_ok());
}

#[test]
fn answer_of_another_peer_leaves_the_transaction_in_flight() {
    let (pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let correlator = pool.start(now, &with(dest)).unwrap();
    assert_eq!(pool.stop_by(now, correlator, &PeerId::random()), Err(NotStopped::WrongPeer));
    assert!(pool.stop_by(now, correlator, &dest).is_ok());
}

#[test]
fn guessed_token_is_forged_and_ends_nothing() {
    let (pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let correlator = pool.start(now, &with(dest)).unwrap();
    assert_eq!(pool.stop_by(now, Correlator(correlator.0 ^ 1), &dest), Err(NotStopped::Forged));
    assert_eq!(pool.stop_by(now, Correlator(u64::MAX), &dest), Err(NotStopped::Forged));
    assert_eq!(pool.in_flight(), 1);
}

#[test]
fn deadline_ends_the_transaction_once_and_not_before() {
    let (pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let correlator = pool.start(now, &with(dest)).unwrap();
    assert_eq!(pool.poll_timeout(), Some(now + TIMEOUT));
    assert_eq!(expired(&pool, now + TIMEOUT - Duration::from_nanos(1)), []);

    assert_eq!(expired(&pool, now + TIMEOUT), [(correlator, dest)]);
    assert_eq!(expired(&pool, now + TIMEOUT * 2), []);
    let late = NotStopped::Late(Some(11_000_000_000));
    assert_eq!(
        pool.stop_by(now + Duration::from_secs(11), correlator, &PeerId::random()),
        Err(NotStopped::Forged)
    );
    assert_eq!(pool.stop_by(now + Duration::from_secs(11), correlator, &dest), Err(late));
    assert_eq!(pool.stop_by(now + Duration::from_secs(11), correlator, &dest), Err(NotStopped::Late(None)));
}

#[test]
fn answer_after_the_deadline_is_overdue_even_when_the_timer_has_not_run() {
    let (pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let correlator = pool.start(now, &with(dest)).unwrap();
    let stopped = pool.stop_by(now + TIMEOUT, correlator, &dest);
    assert!(matches!(stopped, Err(NotStopped::Overdue(ended)) if ended.correlator == correlator));
    assert_eq!(expired(&pool, now + TIMEOUT), []);
}

#[test]
fn exhausted_pool_refuses_and_takes_up_again_when_one_ends() {
    let (pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let started: Vec<_> =
        (0..TRANSACTIONS_IN_FLIGHT_MAX).map(|_| pool.start(now, &with(dest)).unwrap()).collect();
    let refused = Err(PoolExhausted { max: TRANSACTIONS_IN_FLIGHT_MAX });
    assert_eq!(pool.start(now, &with(dest)), refused);
    pool.stop_by(now, started[500], &dest).unwrap();
    assert!(pool.start(now, &with(dest)).is_ok());
    assert_eq!(pool.start(now, &with(dest)), refused);
}

#[test]
fn numbers_have_no_gap_so_that_a_reader_of_records_sees_what_is_missing() {
    let (pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let mut last = pool.unstarted(&PeerWords::of(&dest)).seq();
    for _ in 0..3 * TRANSACTIONS_IN_FLIGHT_MAX {
        let correlator = pool.start(now, &with(dest)).unwrap();
        pool.stop_by(now, correlator, &dest).unwrap();
        assert_eq!(correlator.seq(), last + 1);
        last = correlator.seq();
    }
}

#[test]
fn threads_that_start_at_once_share_no_slot() {
    let (pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let start = |_| pool.start(now, &with(dest)).unwrap();
    let quarter = || (0..TRANSACTIONS_IN_FLIGHT_MAX / 4).map(start).collect::<Vec<_>>();
    let started: Vec<Correlator> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(quarter)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(pool.in_flight(), TRANSACTIONS_IN_FLIGHT_MAX);
    assert!(started.iter().all(|correlator| pool.stop_by(now, *correlator, &dest).is_ok()));
}

#[test]
fn one_that_never_ends_is_gone_round_and_still_ends_at_its_deadline() {
    let (pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let stuck = pool.start(now, &with(dest)).unwrap();
    for _ in 0..10 * TRANSACTIONS_IN_FLIGHT_MAX {
        let correlator = pool.start(now, &with(dest)).unwrap();
        pool.stop_by(now, correlator, &dest).unwrap();
    }
    assert_eq!((pool.in_flight(), expired(&pool, now + TIMEOUT)), (1, vec![(stuck, dest)]));
}

#[test]
fn a_heartbeat_gives_the_whole_timeout_again() {
    let (pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let correlator = pool.start(now, &with(dest)).unwrap();
    assert!(pool.update(now + TIMEOUT / 2, correlator));
    // One that comes late with an older clock takes nothing away.
    assert!(pool.update(now, correlator));
    assert_eq!(pool.poll_timeout(), Some(now + TIMEOUT * 3 / 2));
    assert_eq!(expired(&pool, now + TIMEOUT), []);
    assert_eq!(pool.stop_by(now + TIMEOUT, correlator, &dest).unwrap().elapsed_ns, 10_000_000_000);
    assert!(!pool.update(now, correlator));
}

#[test]
fn blocked_time_adds_up_and_counts_until_the_stop() {
    let (pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let after = |ms| now + Duration::from_millis(ms);
    let correlator = pool.start(now, &with(dest)).unwrap();
    assert!(!pool.unblock(after(1), correlator));
    assert!(pool.block(now, correlator) && !pool.block(after(1), correlator));
    assert!(pool.unblock(after(5), correlator) && !pool.unblock(after(6), correlator));
    assert!(pool.block(after(10), correlator));
    assert_eq!(pool.stop_by(after(12), correlator, &dest).unwrap().blocked_us, 7_000);
    assert!(!pool.block(after(13), correlator));
}

#[test]
fn edits_do_not_reach_the_next_use_of_a_slot() {
    let (pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let old = pool.start(now, &with(dest)).unwrap();
    assert!(pool.block(now, old) && pool.update(now + TIMEOUT / 2, old) && pool.discard(old));
    assert!(!pool.discard(old));
    let all: Vec<_> =
        (0..TRANSACTIONS_IN_FLIGHT_MAX).map(|_| pool.start(now, &with(dest)).unwrap()).collect();
    assert!(!pool.block(now, old) && !pool.unblock(now, old) && !pool.update(now, old));
    assert_eq!(pool.poll_timeout(), Some(now + TIMEOUT));
    assert_eq!(pool.stop_by(now + TIMEOUT / 2, *all.last().unwrap(), &dest).unwrap().blocked_us, 0);
}

#[test]
fn parent_and_time_before_the_start_are_kept() {
    let (pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let parent = Some(Parent { trace: TraceId::from_bytes([9; 16]), span: Correlator(77) });
    let arrived = Some(now);
    let later = now + Duration::from_micros(40);
    let correlator = pool.start(later, &Started { parent, arrived, ..with(dest) }).unwrap();
    let ended = pool.stop_by(later, correlator, &dest).unwrap();
    assert_eq!((ended.parent, ended.queue_us, ended.elapsed_ns), (parent, Some(40), 0));
    let next = pool.start(later, &with(dest)).unwrap();
    assert_eq!(pool.stop_by(later, next, &dest).unwrap().parent, None);
}

#[test]
fn definitions_and_unstarted_exchanges_never_share_a_correlator() {
    let (now, dest) = (Instant::now(), PeerId::random());
    let mut seen = std::collections::HashSet::new();
    for number in 0..16 {
        let pool = TransactionPool::new(BootKey::new([7; 32]), number, TIMEOUT);
        for _ in 0..100 {
            assert!(seen.insert(pool.start(now, &with(dest)).unwrap()));
            assert!(seen.insert(pool.unstarted(&PeerWords::of(&dest))));
        }
    }
}

#[test]
fn counter_wraps_into_its_own_definition() {
    let (pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    pool.issued.0.store(NUMBER_MASK - 1, Ordering::Relaxed);
    let before = pool.start(now, &with(dest)).unwrap();
    let correlator = pool.start(now, &with(dest)).unwrap();
    assert_eq!((before.seq(), correlator.seq()), (3 << 28 | NUMBER_MASK as u32, 3 << 28));
    assert!(pool.stop_by(now, correlator, &dest).is_ok());
    assert!(pool.stop_by(now, before, &dest).is_ok());
    assert_eq!(pool.stop_by(now, before, &dest), Err(NotStopped::Late(None)));
}

#[test]
fn a_number_that_comes_round_again_has_another_token() {
    let (pool, now, dest) = (pool(), Instant::now(), PeerId::random());
    let old = pool.start(now, &with(dest)).unwrap();
    pool.stop_by(now, old, &dest).unwrap();
    pool.issued.0.store(NUMBER_MASK + 1, Ordering::Relaxed);
    let new = pool.start(now, &with(dest)).unwrap();
    assert_eq!(new.seq(), old.seq());
    assert_eq!(pool.stop_by(now, old, &dest), Err(NotStopped::Late(None)));
    assert!(pool.stop_by(now, new, &dest).is_ok());
}

#[derive(Debug, Clone)]
enum Step {
    Start { dest: usize },
    Stop { started: prop::sample::Index, by_dest: bool },
    Pass { ms: u64 },
    Expire,
    EndAll,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..3_usize).prop_map(|dest| Step::Start { dest }),
        4 => (any::<prop::sample::Index>(), prop::bool::weighted(0.9))
            .prop_map(|(started, by_dest)| Step::Stop { started, by_dest }),
        3 => (0..6_000_u64).prop_map(|ms| Step::Pass { ms }),
        2 => Just(Step::Expire),
        1 => Just(Step::EndAll),
    ];
    prop::collection::vec(step, 0..400)
}

proptest! {
    #[test]
    fn each_started_transaction_ends_exactly_once(steps in steps()) {
        let mut now = Instant::now();
        let peers = [(); 3].map(|()| PeerId::random());
        let pool = pool();
        let mut started = Vec::new();
        let mut ends: HashMap<Correlator, u32> = HashMap::new();
        for step in steps {
            let expiring = matches!(step, Step::Expire);
            let ended: Vec<_> = match step {
                Step::Start { dest } => {
                    let correlator = pool.start(now, &with(peers[dest])).unwrap();
                    started.push((correlator, dest, now));
                    Vec::new()
                }
                Step::Stop { started: index, by_dest } if !started.is_empty() => {
                    let (correlator, dest, at) = *index.get(&started);
                    let from = if by_dest { dest } else { (dest + 1) % peers.len() };
                    match pool.stop_by(now, correlator, &peers[from]) {
                        Ok(ended) => {
                            prop_assert!(by_dest && now < at + TIMEOUT);
                            vec![ended.correlator]
                        }
                        Err(NotStopped::Overdue(ended)) => {
                            prop_assert!(by_dest && now >= at + TIMEOUT);
                            vec![ended.correlator]
                        }
                        Err(NotStopped::Late(_)) => {
                            prop_assert!(by_dest && ends.contains_key(&correlator));
                            Vec::new()
                        }
                        Err(NotStopped::WrongPeer) => {
                            prop_assert!(!by_dest && !ends.contains_key(&correlator));
                            Vec::new()
                        }
                        Err(NotStopped::Forged) => {
                            prop_assert!(!by_dest && ends.contains_key(&correlator));
                            Vec::new()
                        }
                    }
                }
                Step::Stop { .. } => Vec::new(),
                Step::Pass { ms } => {
                    now += Duration::from_millis(ms);
                    Vec::new()
                }
                Step::Expire => expired(&pool, now).into_iter().map(|end| end.0).collect(),
                Step::EndAll => {
                    let mut ends = Vec::new();
                    pool.end_all(now, |ended, _| ends.push(ended.correlator));
                    ends
                }
            };
            for correlator in ended {
                *ends.entry(correlator).or_default() += 1;
            }
            prop_assert_eq!(pool.in_flight(), started.len() - ends.len());
            let next = started.iter().filter(|(correlator, ..)| !ends.contains_key(correlator)).map(|s| s.2 + TIMEOUT);
            let (next, wake) = (next.min(), pool.poll_timeout());
            prop_assert!(next.is_none_or(|next| wake.is_some_and(|wake| wake <= next)), "{next:?} {wake:?}");
            prop_assert!(!expiring || next.is_none_or(|next| next > now), "all that is due ends");
        }
        for (correlator, _) in expired(&pool, now + TIMEOUT) {
            *ends.entry(correlator).or_default() += 1;
        }
        prop_assert_eq!(pool.in_flight(), 0);
        prop_assert!(started.iter().all(|(correlator, ..)| ends.get(correlator) == Some(&1)));
    }
}
