//! The batch's promises: golden bytes, small records, bounds, nobody speaks for another.

use proptest::prelude::*;

use super::super::FromAgent;
use super::*;
use crate::arm::Details;
use crate::limits::{COLUMNS_BYTES_MAX, DICTIONARY_PEERS_MAX};

mod details;
mod weights;

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
        details: Details::default(),
        split: Split::default(),
    }
}

fn read(bytes: &[u8]) -> Result<RecordBatch, WireError> {
    match FromAgent::decode(peer(1), &mut DictionaryReader::default(), bytes)? {
        FromAgent::Batch(batch) => Ok(batch),
        other => panic!("{other:?}"),
    }
}

fn batch(records: &[ArmRecord]) -> Bytes {
    let mut builder = BatchBuilder::default();
    records.iter().for_each(|record| builder.push(record));
    builder.close(5, 6, 7).unwrap().message(&mut DictionaryWriter::default()).unwrap()
}

#[test]
fn golden_bytes_of_a_batch() {
    let bytes = batch(&[record(0)]);
    let mut golden = vec![1, 8, 0, 5, 6, 7, 1, 0, 1, 38];
    golden.extend(peer(2).to_bytes());
    golden.extend([1, 4]);
    golden.extend(b"ping");
    // Guarded half, low byte of 851; then the columns, which the compressor may write in other ways.
    golden.extend([5, 5, 6, 7, 0, 0x53]);
    assert_eq!(bytes[..golden.len()], golden);
    let columns = zstd::bulk::decompress(&bytes[golden.len() + 1..bytes.len() - 1], 1000).unwrap();
    let times = [1, 3, 1, 0, 0, 0, 0, 0];
    let numbers = [vec![1, 252, 8, 6, 4, 2, 1, 252, 0x80, 0x84, 0x1e, 0], vec![1, 0, 1, 0, 1, 251, 0, 0x21]];
    assert_eq!(columns, [numbers.concat(), times.to_vec()].concat());
    let expected = RecordBatch { boot: 5, seq: 6, dropped: 7, records: vec![record(0)] };
    assert_eq!(read(&bytes), Ok(expected));
}

#[test]
fn a_peer_is_named_once_on_a_pipe_and_again_on_the_next() {
    let mut builder = BatchBuilder::default();
    let mut sealed = |n| {
        builder.push(&record(n));
        builder.close(5, n, 0).unwrap()
    };
    let (first, second) = (sealed(1), sealed(2));
    let (mut writer, mut reader) = (DictionaryWriter::default(), DictionaryReader::default());
    let long = first.message(&mut writer).unwrap();
    let short = second.message(&mut writer).unwrap();
    assert_eq!(long.len() - short.len(), 38 + 1, "the second batch says a place");
    for (bytes, number) in [(&long, 1), (&short, 2)] {
        let FromAgent::Batch(batch) = FromAgent::decode(peer(1), &mut reader, bytes).unwrap() else {
            panic!()
        };
        assert_eq!(batch.records, [record(number)]);
    }
    assert_eq!(read(&short), Err(WireError::Malformed), "a new pipe knows nobody");
    assert_eq!(second.message(&mut DictionaryWriter::default()).unwrap().len(), long.len());
}

#[test]
fn both_ends_stop_learning_at_the_same_peer() {
    let (mut writer, mut reader) = (DictionaryWriter::default(), DictionaryReader::default());
    let peers: Vec<PeerId> = (0..DICTIONARY_PEERS_MAX + 5).map(|_| PeerId::random()).collect();
    for round in 0..2 {
        for (n, peer) in peers.iter().enumerate() {
            let said = writer.write(peer);
            assert_eq!(said == 0, round == 0 || n >= DICTIONARY_PEERS_MAX);
            let new = if said == 0 { vec![peer.to_bytes().into()] } else { Vec::new() };
            assert_eq!(reader.read(&[said], &new).unwrap(), [*peer]);
        }
    }
}

/// A minute of a hundred buddies that are asked in turn every ten seconds, as a messenger on a local network measures.
fn minute() -> Vec<ArmRecord> {
    let buddies: Vec<PeerId> = (0..100).map(|_| PeerId::random()).collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = move |width: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % width
    };
    let asked = (0..6_u64).flat_map(|round| buddies.iter().zip(0..).map(move |(dest, n)| (round, dest, n)));
    asked
        .map(|(round, dest, n)| ArmRecord {
            at_ms: 1_769_860_800_000 + round * 10_000 + n / 8,
            dest: *dest,
            correlator: Correlator(((round * 100 + n) << 32) | noise(1 << 32)),
            response_us: Some(400 + noise(300) + noise(300) + noise(400)),
            hold_us: Some(20 + noise(20) + noise(30)),
            split: Split { queue_us: Some(1 + noise(6)), ..Split::default() },
            ..record(0)
        })
        .collect()
}

#[test]
fn a_record_of_a_minute_costs_at_most_ten_bytes_once_the_peers_are_known() {
    let records = minute();
    let mut writer = DictionaryWriter::default();
    let mut message = || {
        let mut builder = BatchBuilder::default();
        records.iter().for_each(|record| builder.push(record));
        builder.close(5, 6, 7).unwrap().message(&mut writer).unwrap().len() as f64 / records.len() as f64
    };
    let (first, second) = (message(), message());
    assert!(second <= 10.0, "{second} bytes a record, {first} in the first batch");
}

#[test]
fn a_bomb_is_malformed_and_never_unpacked() {
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 19).unwrap();
    assert!(bomb.len() < 8 * 1024, "{}", bomb.len());
    let rows = Packed {
        plain: Bytes::from_static(&[0; PLAIN_BYTES]),
        packed: bomb.into(),
        details: None,
        weights: None,
    };
    assert_eq!(unpack(&rows), Err(WireError::Malformed));
    // As long as may be, but not what was promised.
    let zeros = zstd::bulk::compress(&vec![0; COLUMNS_BYTES_MAX], 19).unwrap();
    assert!(unpack(&Packed { packed: zeros.into(), ..rows.clone() }).is_err());
    let many = Packed { plain: vec![0; PLAIN_BYTES * (BATCH_RECORDS_MAX + 1)].into(), ..rows };
    assert!(matches!(unpack(&many), Err(WireError::TooLarge { .. })));
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
            at_ms: if n.is_multiple_of(2) { 0 } else { u64::MAX / 2 },
            correlator: Correlator(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            dest: PeerId::random(),
            response_us: Some(u64::MAX - 1),
            hold_us: Some(u64::MAX - 1),
            split: Split::of([Some(u64::MAX - 1); 4]),
            ..record(n)
        };
        builder.push(&worst);
    }
    assert!(builder.len() < BATCH_RECORDS_MAX);
    let sealed = builder.close(u64::MAX, u64::MAX, u64::MAX).unwrap();
    let bytes = sealed.message(&mut DictionaryWriter::default()).unwrap();
    assert!(bytes.len() <= BATCH_BYTES_MAX + 256, "{}", bytes.len());
    assert!(read(&bytes).is_ok());
}

#[test]
fn a_reporter_cannot_speak_for_another_peer() {
    let mut foreign = record(0);
    foreign.peer = peer(9);
    assert_eq!(read(&batch(&[foreign])).unwrap().records[0].peer, peer(1));
}

#[test]
fn places_and_codes_that_do_not_exist_are_errors() {
    let row = |dest, transaction, codes| Row { dest, transaction, codes, ..write(&record(0), 0, 0) };
    let message = |row| {
        let rows = pack(&[row]).unwrap();
        let (peers, transactions) = (vec![peer(2)], vec!["ping".to_owned()]);
        let sealed = SealedBatch { boot: 1, seq: 1, dropped: 0, peers, transactions, rows };
        sealed.message(&mut DictionaryWriter::default()).unwrap()
    };
    assert!(read(&message(row(0, 0, 0))).is_ok());
    for wrong in [row(1, 0, 0), row(0, 1, 0), row(0, 0, 0x000f)] {
        assert_eq!(read(&message(wrong)), Err(WireError::Malformed));
    }
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
                details: Details::default(),
                path: Path::ALL[codes.2],
                dest_status: DestStatus::ALL[codes.3],
                split: Split::of(split),
                correlator: Correlator((n as u64) << 32 | 7),
                ..record(0)
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
        let mut bytes = vec![VERSION, 8, 0];
        bytes.extend(noise);
        let _ = read(&bytes);
    }
}
