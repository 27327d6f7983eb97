//! The spool's promises: what was written comes back after a crash, torn ends do not, bounds hold and are counted.

use std::fs::OpenOptions;
use std::time::Duration;

use super::*;
use crate::arm::Correlator;
use crate::jmx::ObjectNamePattern;
use crate::limits::CLOCK_SET_FROM_MS;

fn peer(n: u8) -> PeerId {
    overlay::Keypair::ed25519_from_bytes([n; 32]).unwrap().public().to_peer_id()
}

fn standing() -> Standing {
    let pattern = ObjectNamePattern::everything();
    Standing { manager: peer(9), subscription: 3, pattern, boot: 7, attached_ms: 1000 }
}

fn open(root: &Path) -> Spool {
    Spool::open(root, standing(), peer(1)).unwrap()
}

fn record(number: u64) -> ArmRecord {
    let correlator = Correlator(number << 32 | 5);
    ArmRecord { at_ms: number, dest: peer(2), correlator, ..ArmRecord::empty(peer(1)) }
}

fn batch(seq: u64, records: std::ops::Range<u64>) -> SealedBatch {
    let mut builder = BatchBuilder::default();
    records.for_each(|number| builder.push(&record(number)));
    builder.close(7, seq, 0).unwrap()
}

fn file(root: &Path, extension: &str) -> PathBuf {
    let directory = root.join(standing().directory());
    let mut files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    files.find(|path| path.to_string_lossy().ends_with(extension)).unwrap()
}

#[test]
fn what_was_written_outlives_the_process() {
    let root = tempfile::tempdir().unwrap();
    let mut spool = open(root.path());
    spool.append(1, &batch(1, 0..5)).unwrap();
    spool.append(2, &batch(2, 5..9)).unwrap();
    spool.journal(3, 3, &[record(9)]).unwrap();
    spool.journal(4, 3, &[record(10), record(11)]).unwrap();
    drop(spool);
    let mut spool = open(root.path());
    assert_eq!((spool.last_seq(), spool.lost()), (3, 0));
    assert_eq!(spool.read_after(0).unwrap(), Some(batch(1, 0..5)));
    assert_eq!(spool.read_after(1).unwrap(), Some(batch(2, 5..9)));
    // The batch that was open is closed, so that its number means the same for ever.
    assert_eq!(spool.read_after(2).unwrap(), Some(batch(3, 9..12)));
    spool.append(5, &batch(4, 12..13)).unwrap();
    drop(spool);
    assert_eq!(open(root.path()).last_seq(), 4);
}

#[test]
fn a_batch_that_closed_just_before_a_crash_does_not_come_from_its_journal_again() {
    let root = tempfile::tempdir().unwrap();
    let mut spool = open(root.path());
    spool.journal(1, 1, &[record(0)]).unwrap();
    let journal = std::fs::read(file(root.path(), JOURNAL)).unwrap();
    spool.append(2, &batch(1, 0..1)).unwrap();
    drop(spool);
    // As if the process had been killed between the two writes.
    std::fs::write(file(root.path(), JOURNAL), journal).unwrap();
    let mut spool = open(root.path());
    assert_eq!((spool.last_seq(), spool.read_after(1).unwrap()), (1, None));
}

#[test]
fn a_torn_or_damaged_end_is_cut_off_and_the_log_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let mut spool = open(root.path());
    spool.append(1, &batch(1, 0..5)).unwrap();
    let whole = spool.bytes();
    spool.append(2, &batch(2, 5..9)).unwrap();
    let both = spool.bytes();
    drop(spool);
    let segment = file(root.path(), SEGMENT_EXTENSION);
    let bytes = std::fs::read(&segment).unwrap();
    for cut in [whole + 1, whole + 10, both - 1] {
        std::fs::write(&segment, &bytes[..cut as usize]).unwrap();
        let mut spool = open(root.path());
        assert_eq!((spool.last_seq(), spool.bytes()), (1, whole));
        assert_eq!(spool.read_after(1).unwrap(), None);
    }
    let mut damaged = bytes;
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(&segment, damaged).unwrap();
    let mut spool = open(root.path());
    assert_eq!(spool.last_seq(), 1);
    spool.append(3, &batch(2, 5..6)).unwrap();
    assert_eq!(spool.read_after(1).unwrap(), Some(batch(2, 5..6)));
}

/// A batch of records that don't compress.
fn large(seq: u64) -> SealedBatch {
    let mut builder = BatchBuilder::default();
    for number in 0..1000_u64 {
        let noise = Some((seq * 1000 + number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 2);
        builder.push(&ArmRecord {
            response_us: noise,
            hold_us: noise.map(|n| n ^ (n << 7)),
            ..record(number)
        });
    }
    builder.close(7, seq, 0).unwrap()
}

#[test]
fn beyond_its_bytes_or_its_days_the_oldest_segments_go_and_are_counted() {
    let root = tempfile::tempdir().unwrap();
    let spool = open(root.path());
    let mut spool = spool.with_bytes_max(3 * SPOOL_SEGMENT_BYTES);
    let mut seq = 0;
    while spool.lost() == 0 {
        seq += 1;
        spool.append(seq, &large(seq)).unwrap();
        assert!(spool.bytes() <= 3 * SPOOL_SEGMENT_BYTES + 64 * 1024);
    }
    let first = spool.read_after(0).unwrap().unwrap().seq();
    assert_eq!(spool.lost(), (first - 1) * 1000);
    // What is acknowledged goes too, and is no loss.
    let lost = spool.lost();
    spool.acknowledge(seq);
    assert_eq!((spool.lost(), spool.segments.len()), (lost, 1));
    // Two days later, whatever was in full segments is too old; but nobody knows when what a clock stamped was that had
    // not been set.
    for (start, is_old) in [(0, false), (CLOCK_SET_FROM_MS, true)] {
        for _ in 0..200 {
            seq += 1;
            spool.append(start + seq, &large(seq)).unwrap();
        }
        let (segments, lost) = (spool.segments.len(), spool.lost());
        seq += 1;
        spool.append(CLOCK_SET_FROM_MS + seq + 2 * SPOOL_KEPT.as_millis() as u64, &large(seq)).unwrap();
        assert_eq!((spool.segments.len() < segments, spool.lost() > lost), (is_old, is_old));
        spool.acknowledge(seq);
    }
}

#[test]
fn a_start_whose_clock_is_not_set_ages_no_spool_for_the_starts_to_come() {
    let root = tempfile::tempdir().unwrap();
    let there_ms = CLOCK_SET_FROM_MS + 1_000_000;
    let kept = || Standing::read(&root.path().join(standing().directory())).unwrap();
    let at_start = |clock_ms| {
        let standing = Standing { attached_ms: clock_ms, ..standing() };
        drop(Spool::open(root.path(), standing, peer(1)).unwrap());
    };
    open(root.path()).attached(there_ms).unwrap();
    at_start(1000);
    at_start(there_ms + 2 * SPOOL_KEPT.as_millis() as u64);
    assert_eq!(kept().attached_ms, there_ms);
    let hour = Duration::from_secs(60 * 60);
    assert_eq!(kept().away(there_ms + hour.as_millis() as u64), hour);
    assert_eq!(kept().away(1000), Duration::ZERO);
    // Its manager came while the clock was not set: nobody knows how long ago.
    open(root.path()).attached(1000).unwrap();
    assert_eq!((kept().attached_ms, kept().away(there_ms)), (1000, Duration::ZERO));
    // A file of an earlier version does not say when.
    open(root.path()).attached(u64::MAX).unwrap();
    at_start(there_ms);
    assert_eq!(kept().attached_ms, there_ms);
}

#[test]
fn a_boot_is_kept_and_a_removed_spool_is_gone() {
    let root = tempfile::tempdir().unwrap();
    let mut spool = open(root.path());
    spool.reboot(8).unwrap();
    spool.attached(500).unwrap();
    drop(spool);
    let spool = open(root.path());
    assert_eq!(*spool.standing(), Standing { boot: 8, attached_ms: 500, ..standing() });
    assert_eq!(Standing::read(&root.path().join(standing().directory())).unwrap().boot, 8);
    spool.remove();
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

/// The disk takes no more in the segments of `spool`, or does so again.
fn full(spool: &mut Spool, full: bool) {
    let segment = spool.segments.back_mut().unwrap();
    segment.file = OpenOptions::new().read(true).write(!full).open(&segment.path).unwrap();
    segment.file.seek(SeekFrom::End(0)).unwrap();
}

#[test]
fn what_a_full_disk_did_not_take_goes_there_before_what_comes_later() {
    let root = tempfile::tempdir().unwrap();
    let mut spool = open(root.path());
    spool.append(1, &batch(1, 0..5)).unwrap();
    full(&mut spool, true);
    spool.journal(2, 2, &[record(5)]).unwrap();
    spool.append(2, &batch(2, 5..6)).unwrap_err();
    assert_eq!(spool.read_after(1).unwrap(), Some(batch(2, 5..6)), "it is in memory");
    full(&mut spool, false);
    spool.append(3, &batch(3, 6..9)).unwrap();
    drop(spool);
    let mut spool = open(root.path());
    assert_eq!((spool.last_seq(), spool.lost()), (3, 0));
    assert_eq!(spool.read_after(1).unwrap(), Some(batch(2, 5..6)));
    assert_eq!(spool.read_after(2).unwrap(), Some(batch(3, 6..9)));
}

#[test]
fn batches_of_the_journal_come_back_each_by_its_number_when_the_disk_was_full_to_the_end() {
    let root = tempfile::tempdir().unwrap();
    let mut spool = open(root.path());
    spool.append(1, &batch(1, 0..5)).unwrap();
    full(&mut spool, true);
    for seq in 2..4 {
        spool.journal(seq, seq, &[record(seq)]).unwrap();
        spool.append(seq, &batch(seq, seq..seq + 1)).unwrap_err();
    }
    drop(spool);
    let mut spool = open(root.path());
    assert_eq!((spool.last_seq(), spool.lost()), (3, 0));
    assert_eq!(spool.read_after(1).unwrap(), Some(batch(2, 2..3)));
    assert_eq!(spool.read_after(2).unwrap(), Some(batch(3, 3..4)));
}

#[test]
fn what_has_room_neither_on_the_disk_nor_in_memory_is_counted_over_restarts() {
    let root = tempfile::tempdir().unwrap();
    let mut spool = open(root.path());
    spool.append(1, &batch(1, 0..5)).unwrap();
    full(&mut spool, true);
    let last = BATCHES_IN_FLIGHT_MAX as u64 + 2;
    for seq in 2..=last {
        spool.append(seq, &batch(seq, 0..4)).unwrap_err();
    }
    assert_eq!(spool.lost(), 4);
    // A manager has some of those that are only in memory.
    spool.acknowledge(3);
    drop(spool);
    for _ in 0..2 {
        let spool = open(root.path());
        let unknown = last - 1 - 3;
        assert_eq!((spool.last_seq(), spool.lost()), (last, 4 + unknown), "no number is used again");
    }
}

#[test]
fn a_damaged_batch_is_counted_once_and_those_behind_it_are_read() {
    let root = tempfile::tempdir().unwrap();
    let mut spool = open(root.path());
    let mut seq = 0;
    while spool.segments.len() < 2 {
        seq += 1;
        spool.append(seq, &large(seq)).unwrap();
    }
    let place = spool.segments[0].batches[1];
    let path = spool.segments[0].path.clone();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[place.offset as usize + 30] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    spool.read_after(1).unwrap_err();
    assert_eq!((spool.read_after(1).unwrap().unwrap().seq(), spool.lost()), (3, 1000));
    drop(spool);
    // Nothing behind it in its segment can be found again: at least one for each.
    let mut spool = open(root.path());
    let lost = 1000 + seq - 3;
    assert_eq!((spool.read_after(1).unwrap().unwrap().seq(), spool.lost()), (seq, lost));
    drop(spool);
    assert_eq!(open(root.path()).lost(), lost);
}

#[test]
fn what_went_for_want_of_room_is_counted_after_a_kill() {
    let root = tempfile::tempdir().unwrap();
    let mut spool = open(root.path()).with_bytes_max(2 * SPOOL_SEGMENT_BYTES);
    let mut seq = 0;
    while spool.lost() == 0 {
        seq += 1;
        spool.append(seq, &large(seq)).unwrap();
    }
    let lost = spool.lost();
    drop(spool);
    assert_eq!(open(root.path()).lost(), lost);
}

#[test]
fn after_a_power_cut_a_number_that_was_sent_from_memory_is_not_given_again() {
    let root = tempfile::tempdir().unwrap();
    let mut spool = open(root.path());
    spool.append(1, &batch(1, 0..5)).unwrap();
    full(&mut spool, true);
    spool.journal(2, 2, &[record(5)]).unwrap();
    spool.append(2, &batch(2, 5..6)).unwrap_err();
    assert!(spool.read_after(1).unwrap().is_some());
    drop(spool);
    // What was only in the page cache is gone.
    std::fs::write(file(root.path(), JOURNAL), []).unwrap();
    let spool = open(root.path());
    assert_eq!((spool.last_seq(), spool.lost()), (2, 1));
}
