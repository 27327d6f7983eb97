//! The spool's promises: what was written comes back after a crash, torn ends do not, bounds hold and are counted.

use super::*;
use crate::arm::Correlator;
use crate::jmx::ObjectNamePattern;

fn peer(n: u8) -> PeerId {
    overlay::Keypair::ed25519_from_bytes([n; 32]).unwrap().public().to_peer_id()
}

fn standing() -> Standing {
    let pattern = ObjectNamePattern::everything();
    Standing { manager: peer(9), subscription: 3, pattern, boot: 7 }
}

fn open(root: &Path) -> (Spool, Recovered) {
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
    let (mut spool, recovered) = open(root.path());
    assert_eq!(recovered, Recovered::default());
    spool.append(1, &batch(1, 0..5)).unwrap();
    spool.append(2, &batch(2, 5..9)).unwrap();
    spool.journal(3, 3, &[record(9)]).unwrap();
    spool.journal(4, 3, &[record(10), record(11)]).unwrap();
    drop(spool);
    let (mut spool, recovered) = open(root.path());
    assert_eq!(recovered, Recovered { last_seq: 2, open: vec![record(9), record(10), record(11)] });
    assert_eq!(spool.read_after(0).unwrap(), Some(batch(1, 0..5)));
    assert_eq!(spool.read_after(1).unwrap(), Some(batch(2, 5..9)));
    assert_eq!(spool.read_after(2).unwrap(), None);
    // The open batch closes: its journal is done with.
    spool.append(5, &batch(3, 9..12)).unwrap();
    drop(spool);
    assert_eq!(open(root.path()).1, Recovered { last_seq: 3, open: Vec::new() });
}

#[test]
fn a_batch_that_closed_just_before_a_crash_does_not_come_from_its_journal_again() {
    let root = tempfile::tempdir().unwrap();
    let (mut spool, _) = open(root.path());
    spool.journal(1, 1, &[record(0)]).unwrap();
    let journal = std::fs::read(file(root.path(), JOURNAL)).unwrap();
    spool.append(2, &batch(1, 0..1)).unwrap();
    drop(spool);
    // As if the process had been killed between the two writes.
    std::fs::write(file(root.path(), JOURNAL), journal).unwrap();
    assert_eq!(open(root.path()).1, Recovered { last_seq: 1, open: Vec::new() });
}

#[test]
fn a_torn_or_damaged_end_is_cut_off_and_the_log_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let (mut spool, _) = open(root.path());
    spool.append(1, &batch(1, 0..5)).unwrap();
    let whole = spool.bytes();
    spool.append(2, &batch(2, 5..9)).unwrap();
    let both = spool.bytes();
    drop(spool);
    let segment = file(root.path(), SEGMENT_EXTENSION);
    let bytes = std::fs::read(&segment).unwrap();
    for cut in [whole + 1, whole + 10, both - 1] {
        std::fs::write(&segment, &bytes[..cut as usize]).unwrap();
        let (mut spool, recovered) = open(root.path());
        assert_eq!((recovered.last_seq, spool.bytes()), (1, whole));
        assert_eq!(spool.read_after(1).unwrap(), None);
    }
    let mut damaged = bytes;
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(&segment, damaged).unwrap();
    let (mut spool, recovered) = open(root.path());
    assert_eq!(recovered.last_seq, 1);
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
    let (spool, _) = open(root.path());
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
    // A day later, whatever was in full segments is too old.
    for _ in 0..200 {
        seq += 1;
        spool.append(seq, &large(seq)).unwrap();
    }
    let segments = spool.segments.len();
    spool.append(seq + 2 * SPOOL_KEPT.as_millis() as u64, &large(seq + 1)).unwrap();
    assert!(spool.segments.len() < segments && spool.lost() > lost);
}

#[test]
fn a_boot_is_kept_and_a_removed_spool_is_gone() {
    let root = tempfile::tempdir().unwrap();
    let (mut spool, _) = open(root.path());
    spool.reboot(8).unwrap();
    drop(spool);
    let (spool, _) = open(root.path());
    assert_eq!(*spool.standing(), Standing { boot: 8, ..standing() });
    assert_eq!(Standing::read(&root.path().join(standing().directory())).unwrap().boot, 8);
    spool.remove();
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}
