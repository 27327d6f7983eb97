//! Tail sampling over real pipes: figures stay those of all, failures all travel, nothing counts as lost.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use overlay::Keypair;

use super::world::{Measured, PATIENCE, World, until};
use crate::arm::{ArmRecord, Outcome, Path, Status};
use crate::jmx::{AttributeValue, ObjectNamePattern, SetOptions};
use crate::latency::LatencyMatrix;

impl Measured {
    /// Sets how many records a second travel whole.
    fn let_travel(&self, rate: i64) {
        let settings = self.beans.query(&"juxta:type=agent-settings".parse().unwrap());
        let options = SetOptions::default();
        settings[0].1.set("record_rate_max", AttributeValue::Int(rate), options).unwrap();
    }

    /// Ends transactions that are answered after 1 ms, or 3 ms by turns.
    fn answer(&self, count: u64) {
        let (now, to) = (Instant::now(), self.peer.id());
        for number in 0..count {
            let correlator = self.ping.start(now, number, to, Path::Direct).unwrap();
            let answer = now + Duration::from_millis(1 + 2 * (number % 2));
            self.ping.stop(answer, correlator, to, Outcome::new(Status::Good));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn above_the_rate_figures_are_those_of_all_and_every_failure_travels() {
    let world = World::new().await;
    let anne = world.agent("anne", &Keypair::generate_ed25519()).await;
    anne.let_travel(20);
    let (_peer, manager) = world.manager().await;
    let records = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let records = records.clone();
        move |new: &[ArmRecord]| {
            records.lock().unwrap().extend_from_slice(new);
            Ok(())
        }
    };
    let collection = manager.collect(ObjectNamePattern::everything(), sink);
    anne.subscribed(1).await;
    let rounds = 20;
    for _ in 0..rounds {
        anne.answer(400);
        anne.measure(0..10);
        tokio::task::yield_now().await;
    }
    let (answered, failed) = (rounds * 400, rounds * 10);
    let counted = |name| {
        let agent = anne.beans.query(&"juxta:type=agent".parse().unwrap());
        match agent[0].1.attribute(name) {
            Some(AttributeValue::Int(count)) => count.unsigned_abs(),
            other => panic!("{name}: {other:?}"),
        }
    };
    until(|| counted("records_batched") + counted("records_folded") == answered + failed).await;
    let summary = collection.stop_within(PATIENCE).await.summary;
    let records = std::mem::take(&mut *records.lock().unwrap());
    assert_eq!((summary.records, summary.dropped, summary.unflushed), (records.len() as u64, 0, 0));
    assert!((200..2_500).contains(&(records.len() - failed as usize)), "{}", records.len());
    let mut matrix = LatencyMatrix::new();
    records.iter().for_each(|record| matrix.record(record));
    let overall = matrix.overall();
    assert_eq!(overall.failed, failed);
    // All but the group that was open at the end, at most 40 then.
    assert!(overall.response.count.abs_diff(answered) <= 40, "{} of {answered}", overall.response.count);
    assert_eq!(summary.folded + summary.records, overall.response.count + failed);
    // Some hundred of two times that are equally frequent: within a fifth of their mean of 2 ms.
    assert!((overall.response.mean_us - 2_000.0).abs() < 400.0, "{:?}", overall.response);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_an_ordinary_rate_and_without_a_bound_all_travel_and_stand_for_themselves() {
    for (rate, count) in [(1_000, 900), (0, 3_000)] {
        let world = World::new().await;
        let anne = world.agent("anne", &Keypair::generate_ed25519()).await;
        anne.let_travel(rate);
        let (_peer, manager) = world.manager().await;
        let weights = Arc::new(Mutex::new(Vec::new()));
        let sink = {
            let weights = weights.clone();
            move |new: &[ArmRecord]| {
                weights.lock().unwrap().extend(new.iter().map(ArmRecord::weight));
                Ok(())
            }
        };
        let collection = manager.collect(ObjectNamePattern::everything(), sink);
        anne.subscribed(1).await;
        anne.answer(count);
        anne.all_batched(count).await;
        let summary = collection.stop_within(PATIENCE).await.summary;
        assert_eq!((summary.records, summary.folded), (count, 0));
        assert!(weights.lock().unwrap().iter().all(|weight| *weight == 1));
    }
}
