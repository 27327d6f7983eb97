//! The outbox's promises, on a virtual clock: batches leave in time, nothing is lost, bounds hold.
#![expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]

use std::time::Duration;

use overlay::PeerId;

use super::*;
use crate::limits::{BATCH_AGE_MAX, BATCH_RECORDS_MAX, STANDING_BATCH_AGE_MAX};
use crate::protocol::{DictionaryReader, RecordBatch};

struct World {
    outbox: Outbox,
    now: Instant,
    peer: PeerId,
    pushed: u64,
    /// The manager's end of the present pipe.
    dictionary: DictionaryReader,
}

impl World {
    fn new() -> Self {
        let (outbox, dictionary) = (Outbox::new(7, BATCH_AGE_MAX), DictionaryReader::default());
        let mut world = Self { outbox, now: Instant::now(), peer: PeerId::random(), pushed: 0, dictionary };
        world.attach((0, 0));
        world
    }

    fn attach(&mut self, resume_from: (u64, u64)) {
        self.dictionary = DictionaryReader::default();
        self.outbox.attach(resume_from, Terms::default());
    }

    /// Offers records until `count` are taken or no more are wanted; the number taken.
    fn push(&mut self, count: usize) -> usize {
        for taken in 0..count {
            if !self.outbox.wants_record() {
                return taken;
            }
            let record = ArmRecord { at_ms: self.pushed, ..ArmRecord::empty(self.peer) };
            self.outbox.push(self.now, &record);
            self.pushed += 1;
        }
        count
    }

    fn sent(&mut self) -> Option<FromAgent> {
        let bytes = self.outbox.poll_send(self.now, 3)?;
        Some(FromAgent::decode(self.peer, &mut self.dictionary, &bytes).unwrap())
    }

    fn batch(&mut self) -> RecordBatch {
        match self.sent() {
            Some(FromAgent::Batch(batch)) => batch,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_record_leaves_within_a_second_of_its_coming() {
    let mut world = World::new();
    world.push(1);
    assert_eq!(world.sent(), None);
    let due = world.outbox.poll_timeout().unwrap();
    assert_eq!(due - world.now, BATCH_AGE_MAX);
    world.now += Duration::from_millis(500);
    world.push(1);
    assert_eq!(world.outbox.poll_timeout(), Some(due));
    world.now = due;
    let batch = world.batch();
    assert_eq!((batch.boot, batch.seq, batch.dropped, batch.records.len()), (7, 1, 3, 2));
    assert_eq!((world.sent(), world.outbox.poll_timeout()), (None, None));
}

#[test]
fn a_full_batch_leaves_at_once() {
    let mut world = World::new();
    assert_eq!(world.push(BATCH_RECORDS_MAX + 1), BATCH_RECORDS_MAX);
    assert_eq!(world.batch().records.len(), BATCH_RECORDS_MAX);
    assert!(world.outbox.wants_record());
}

#[test]
fn without_acknowledgement_the_window_closes_and_an_acknowledgement_opens_it() {
    let mut world = World::new();
    for seq in 1..=BATCHES_IN_FLIGHT_MAX as u64 {
        world.push(BATCH_RECORDS_MAX);
        assert_eq!(world.batch().seq, seq);
    }
    assert_eq!(world.push(2 * BATCH_RECORDS_MAX), BATCH_RECORDS_MAX);
    assert_eq!((world.sent(), world.outbox.wants_record(), world.outbox.poll_timeout()), (None, false, None));
    world.outbox.ack(2).unwrap();
    assert_eq!(world.batch().seq, BATCHES_IN_FLIGHT_MAX as u64 + 1);
    assert!(world.outbox.wants_record());
}

#[test]
fn a_manager_that_comes_back_gets_what_it_has_not_committed() {
    let mut world = World::new();
    for _ in 0..3 {
        world.push(BATCH_RECORDS_MAX);
        world.batch();
    }
    assert_eq!(world.outbox.unacknowledged_records(), 3 * BATCH_RECORDS_MAX);
    world.outbox.ack(1).unwrap();
    assert_eq!(world.outbox.unacknowledged_records(), 2 * BATCH_RECORDS_MAX);
    // The pipe broke after the manager had committed 2, before its acknowledgement arrived.
    world.attach((7, 2));
    let batch = world.batch();
    assert_eq!((batch.seq, batch.records[0].at_ms), (3, 2 * BATCH_RECORDS_MAX as u64));
    assert_eq!(world.sent(), None);
    // Another boot's number says nothing about this one.
    world.attach((8, 99));
    assert_eq!(world.batch().seq, 3);
}

#[test]
fn flush_sends_what_there_is_then_says_so() {
    let mut world = World::new();
    world.push(2);
    world.outbox.flush();
    assert!(world.outbox.is_draining());
    assert_eq!(world.sent(), None);
    world.push(1);
    world.outbox.drained();
    assert_eq!(world.batch().records.len(), 3);
    assert_eq!(world.sent(), Some(FromAgent::Flushed { seq: 1 }));
    assert_eq!(world.sent(), None);
    world.outbox.ack(1).unwrap();
    assert!(world.outbox.is_settled());
}

#[test]
fn flush_waits_for_the_window_and_loses_nothing() {
    let mut world = World::new();
    for _ in 0..BATCHES_IN_FLIGHT_MAX {
        world.push(BATCH_RECORDS_MAX);
        world.batch();
    }
    world.push(1);
    world.outbox.flush();
    world.outbox.drained();
    assert_eq!(world.sent(), None);
    world.outbox.ack(1).unwrap();
    let last = world.batch();
    assert_eq!(last.records.len(), 1);
    assert_eq!(world.sent(), Some(FromAgent::Flushed { seq: last.seq }));
}

#[test]
fn behind_a_spool_batches_close_without_a_manager_and_come_back_when_there_is_room() {
    let mut world = World::new();
    world.outbox = Outbox::spooled(7, Duration::from_secs(60), 3);
    world.attach((7, 2));
    assert_eq!(world.outbox.wants_after(), Some(2), "number 3 is in the spool alone");
    let mut spool = Vec::new();
    for _ in 0..2 * BATCHES_IN_FLIGHT_MAX {
        assert_eq!(world.push(BATCH_RECORDS_MAX), BATCH_RECORDS_MAX);
        spool.push(world.outbox.poll_closed(world.now, 0).unwrap());
    }
    assert_eq!((spool[0].seq(), world.sent()), (4, None));
    world.outbox.caught_up();
    assert_eq!(world.outbox.wants_after(), None);
    // A manager that has numbers which are lost here is given none of them anew.
    assert!(world.outbox.is_behind((7, 99)) && !world.outbox.is_behind((8, 99)));
    world.outbox.reboot(9);
    world.outbox = Outbox { queued: 3, ..world.outbox };
    for batch in spool {
        if world.outbox.wants_after().is_some() {
            world.outbox.keep(batch);
        }
    }
    assert_eq!((world.batch().boot, world.outbox.wants_after()), (9, None));
    world.outbox.ack(4).unwrap();
    assert_eq!(world.outbox.wants_after(), Some(3 + BATCHES_IN_FLIGHT_MAX as u64));
}

#[test]
fn a_manager_that_did_not_believe_in_a_hole_is_told_apart_from_one_that_never_saw_it() {
    let mut world = World::new();
    world.outbox = Outbox::spooled(7, Duration::from_secs(60), 3);
    let mut lost = BatchBuilder::default();
    lost.push(&ArmRecord::empty(world.peer));
    world.outbox.keep(lost.close(7, 3, 0).unwrap());
    assert!(!world.outbox.skipped_after((7, 1)), "it waits for its first pipe");
    world.attach((7, 1));
    assert_eq!(world.batch().seq, 3);
    assert!(world.outbox.skipped_after((7, 1)));
    assert!(!world.outbox.skipped_after((7, 2)) && !world.outbox.skipped_after((8, 1)));
}

#[test]
fn an_acknowledgement_of_what_was_not_sent_is_an_error() {
    let mut world = World::new();
    assert_eq!(world.outbox.ack(1), Err(AckError { seq: 1 }));
    world.push(BATCH_RECORDS_MAX);
    world.batch();
    assert_eq!(world.outbox.ack(2), Err(AckError { seq: 2 }));
    assert_eq!((world.outbox.ack(1), world.outbox.ack(1)), (Ok(()), Ok(())));
    assert_eq!(world.outbox.ack(u64::MAX), Err(AckError { seq: u64::MAX }));
}

#[test]
fn no_more_goes_out_than_is_granted_and_what_waits_grows() {
    let mut world = World::new();
    let granted = |granted| Terms { granted: Some(granted), ..Terms::default() };
    world.push(BATCH_RECORDS_MAX);
    world.outbox.attach((0, 0), granted(10));
    assert_eq!((world.sent(), world.outbox.lacks_credit()), (None, true));
    // The batch behind it does not close by its age, since it would only wait.
    world.push(1);
    world.now += BATCH_AGE_MAX;
    assert_eq!((world.sent(), world.outbox.poll_timeout()), (None, None));
    assert_eq!(world.push(2 * BATCH_RECORDS_MAX), BATCH_RECORDS_MAX - 1);
    // Grants are totals: a smaller one takes nothing back.
    world.outbox.agree(granted(1 << 20));
    world.outbox.agree(granted(10));
    assert_eq!([world.batch(), world.batch()].map(|batch| batch.records.len()), [BATCH_RECORDS_MAX; 2]);
    assert!(!world.outbox.lacks_credit());
    // They are of one pipe, and so is what was made for it.
    world.outbox.attach((0, 0), granted(10));
    assert_eq!(world.sent(), None);
    world.attach((0, 0));
    assert_eq!([world.batch(), world.batch()].map(|batch| batch.seq), [1, 2]);
}

#[test]
fn a_standing_subscription_is_quick_while_somebody_watches() {
    let mut world = World::new();
    world.outbox = Outbox::new(7, STANDING_BATCH_AGE_MAX);
    world.attach((0, 0));
    world.push(1);
    world.now += BATCH_AGE_MAX;
    assert_eq!((world.sent(), world.outbox.is_watched()), (None, false));
    let watched = |watched| Terms { watched, ..Terms::default() };
    world.outbox.agree(watched(true));
    assert!(world.outbox.is_watched() && world.outbox.poll_timeout() <= Some(world.now));
    assert_eq!(world.batch().records.len(), 1);
    world.outbox.agree(watched(false));
    world.push(1);
    assert_eq!(world.outbox.poll_timeout(), Some(world.now + STANDING_BATCH_AGE_MAX));
    world.outbox.agree(watched(true));
    world.outbox.detach();
    assert!(!world.outbox.is_watched(), "who watched is gone with the pipe");
}
