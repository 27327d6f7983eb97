//! The batch's promises: golden bytes, small records, bounds, nobody speaks for another.

use proptest::prelude::*;

use super::super::FromAgent;
use super::*;

fn peer(n: u8) -> PeerId {
    let key = overlay::Keypair::ed25519_from_bytes([n; 32]).unwrap();
    key.public().to_peer_id()
}

fn record(n: u64) -> ArmRecord {
    ArmRecord {
        at_ms: 1_000_000 + n,
        peer: peer(1),
        transaction: "ping".into(),
        dest: peer(2),
        dest_status: DestStatus::Busy,
        correlator: Correlator(0x0102_0304_0506_0700 + n),
        status: Status::Good,
        response_us: Some(850),
        hold_us: None,
        path: Path::Direct,
        reason: Reason::None,
        split: Split::default(),
    }
}

fn read(bytes: &[u8]) -> Result<RecordBatch, WireError> {
    match FromAgent::decode(peer(1), bytes)? {
        FromAgent::Batch(batch) => Ok(batch),
        other => panic!("{other:?}"),
    }
}

fn batch(records: &[ArmRecord]) -> Bytes {
    let mut builder = BatchBuilder::default();
    records.iter().for_each(|record| builder.push(record));
    builder.close(5, 6, 7).unwrap()
}

#[test]
fn golden_bytes_of_a_batch() {
    let bytes = batch(&[record(0)]);
    let mut golden = vec![1, 3, 0, 5, 6, 7, 252, 0x40, 0x42, 0x0f, 0, 1, 38];
    golden.extend(peer(2).to_bytes());
    golden.extend([1, 4]);
    golden.extend(b"ping");
    golden.extend([1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 0, 251, 0, 0x21, 251, 0x53, 0x03, 0, 0]);
    assert_eq!(bytes, golden);
    let expected = RecordBatch { boot: 5, seq: 6, dropped: 7, records: vec![record(0)] };
    assert_eq!(read(&golden), Ok(expected));
}

#[test]
fn a_record_costs_about_twenty_bytes() {
    let records: Vec<_> = (0..BATCH_RECORDS_MAX as u64).map(record).collect();
    let per_record = batch(&records).len() / records.len();
    assert!(per_record <= 24, "{per_record}");
}

#[test]
fn a_batch_is_full_by_count_and_by_bytes_and_still_fits_a_message() {
    let mut builder = BatchBuilder::default();
    for n in 0..BATCH_RECORDS_MAX as u64 {
        assert!(!builder.is_full());
        builder.push(&record(n));
    }
    assert!(builder.is_full());
    assert!(builder.close(1, 1, 0).is_ok() && builder.is_empty());

    // Every record names another peer and is as long as can be.
    while !builder.is_full() {
        let n = builder.len() as u64;
        let worst = ArmRecord {
            at_ms: if n.is_multiple_of(2) { 0 } else { u64::MAX },
            dest: PeerId::random(),
            response_us: Some(u64::MAX - 1),
            hold_us: Some(u64::MAX - 1),
            split: Split::of([Some(u64::MAX - 1); 4]),
            ..record(n)
        };
        builder.push(&worst);
    }
    assert!(builder.len() < BATCH_RECORDS_MAX);
    let bytes = builder.close(u64::MAX, u64::MAX, u64::MAX).unwrap();
    assert!(bytes.len() <= BATCH_BYTES_MAX + 128, "{}", bytes.len());
    assert!(read(&bytes).is_ok());
}

#[test]
fn a_reporter_cannot_speak_for_another_peer() {
    let mut foreign = record(0);
    foreign.peer = peer(9);
    assert_eq!(read(&batch(&[foreign])).unwrap().records[0].peer, peer(1));
}

#[test]
fn splits_are_an_extension_that_old_readers_skip_and_old_batches_lack() {
    let split = Split { queue_us: Some(5), dial_us: Some(0), ..Split::default() };
    let bytes = batch(&[ArmRecord { split, ..record(0) }]);
    let old = batch(&[record(0)]);
    assert_eq!(bytes[..old.len() - 1], old[..old.len() - 1], "the extension comes behind everything else");
    assert_eq!(bytes[old.len() - 1..], [1, 1, 5, 1, 6, 0, 1, 0], "one extension, number 1, five bytes");
    assert_eq!(read(&bytes).unwrap().records[0].split, split);
    // Splits of other rows than there are.
    let mut wrong = bytes.to_vec();
    wrong[old.len() + 2] = 0;
    wrong.truncate(old.len() + 3);
    wrong[old.len() + 1] = 1;
    assert_eq!(read(&wrong), Err(WireError::Malformed));
}

#[test]
fn places_and_codes_that_do_not_exist_are_errors() {
    let whole = batch(&[record(0)]).to_vec();
    let row = whole.len() - 19;
    for (offset, value) in [(1, 9), (2, 9)] {
        let mut bytes = whole.clone();
        bytes[row + offset] = value;
        assert_eq!(read(&bytes), Err(WireError::Malformed), "{offset}");
    }
    let codes = whole.len() - 7;
    let mut bytes = whole.clone();
    bytes[codes] = 0x0f;
    assert_eq!(read(&bytes), Err(WireError::Malformed));
}

proptest! {
    #[test]
    fn records_read_back(
        at in proptest::collection::vec(any::<u64>(), 0..20),
        response in proptest::option::of(0..u64::MAX),
        hold in proptest::option::of(0..u64::MAX),
        split in proptest::array::uniform4(proptest::option::of(0..u64::MAX)),
        codes in (0usize..4, 0usize..4, 0usize..3, 0usize..5),
    ) {
        let records: Vec<_> = at
            .into_iter()
            .enumerate()
            .map(|(n, at_ms)| ArmRecord {
                at_ms,
                dest: peer(n as u8),
                response_us: response,
                hold_us: hold,
                status: Status::ALL[codes.0],
                reason: Reason::ALL[codes.1],
                path: Path::ALL[codes.2],
                dest_status: DestStatus::ALL[codes.3],
                split: Split::of(split),
                ..record(n as u64)
            })
            .collect();
        prop_assert_eq!(read(&batch(&records)).unwrap().records, records);
    }

    #[test]
    fn truncated_trailing_and_foreign_bytes_are_errors(cut in 0usize..90, tail in 1usize..5, noise: Vec<u8>) {
        let whole = batch(&[record(0), record(1)]).to_vec();
        prop_assert!(read(&whole[..cut.min(whole.len() - 1)]).is_err());
        let mut long = whole;
        long.extend(vec![0; tail]);
        prop_assert!(read(&long).is_err());
        let mut bytes = vec![VERSION, 3, 0];
        bytes.extend(noise);
        let _ = read(&bytes);
    }
}
