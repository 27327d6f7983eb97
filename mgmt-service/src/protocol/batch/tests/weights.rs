//! Weights on the wire: nothing for ordinary records, few bytes for a sample, nothing a hostile reporter gains.

use super::*;
use crate::limits::RECORD_WEIGHT_MAX;

fn weighing(n: u64, folded: u32) -> ArmRecord {
    ArmRecord { details: Details { folded, ..Details::default() }, ..record(n) }
}

#[test]
fn weights_read_back_and_the_batch_says_how_many_it_stands_for() {
    let records: Vec<_> = [0, 0, 19, 19, 0, RECORD_WEIGHT_MAX - 1, 0]
        .into_iter()
        .zip(0..)
        .map(|(folded, n)| weighing(n, folded))
        .collect();
    let read = read(&batch(&records)).unwrap();
    assert_eq!((read.folded(), &read.records), (38 + u64::from(RECORD_WEIGHT_MAX) - 1, &records));
    let with_both =
        ArmRecord { details: Details { blocked_us: 5, folded: 7, ..Details::default() }, ..record(0) };
    assert_eq!(super::read(&batch(std::slice::from_ref(&with_both))).unwrap().records, [with_both]);
}

#[test]
fn records_that_stand_for_themselves_make_the_batch_they_always_made() {
    let rows = [write(&record(0), 0, 0), write(&weighing(1, 0), 0, 0)];
    let packed = pack(&rows).unwrap();
    assert_eq!((packed.weights, packed.details), (None, None));
    assert_eq!(batch(&[record(0)]).last(), Some(&0), "an empty end, as before weights were");
}

#[test]
fn a_sample_costs_little_and_its_weights_are_cut_off_by_an_old_reader_only() {
    let plain: Vec<_> = (0..1_000).map(record).collect();
    let sample: Vec<_> = (0..1_000).map(|n| weighing(n, if n % 50 == 0 { 0 } else { 19 })).collect();
    let (plain, sample) = (batch(&plain), batch(&sample));
    let head = plain.len() - 1;
    assert_eq!(plain[..head], sample[..head]);
    assert!(sample.len() - plain.len() < 120, "{} bytes", sample.len() - plain.len());
}

#[test]
fn weights_that_cannot_be_are_errors() {
    let message = |runs: &[(u16, u16)]| {
        let mut rows = pack(&[write(&record(0), 0, 0), write(&record(1), 0, 0)]).unwrap();
        rows.weights = Some(overlay::wire::encode(&runs, 10_000).unwrap().into());
        let (peers, transactions) = (vec![peer(2)], vec!["ping".to_owned()]);
        let sealed = SealedBatch { boot: 1, seq: 1, dropped: 0, peers, transactions, rows };
        sealed.message(&mut DictionaryWriter::default()).unwrap()
    };
    assert!(read(&message(&[(2, 1)])).is_ok());
    let beyond = RECORD_WEIGHT_MAX as u16;
    for wrong in [&[(1, 1)][..], &[(3, 1)], &[(2, beyond)], &[(0, 1), (2, 1)], &[]] {
        assert_eq!(read(&message(wrong)), Err(WireError::Malformed), "{wrong:?}");
    }
    let long = [(1, 1); 1_200];
    assert!(read(&message(&long)).is_err());
}

#[test]
fn the_longest_weights_fit_a_message() {
    let mut builder = BatchBuilder::default();
    while !builder.is_full() {
        let n = builder.len() as u64;
        builder.push(&weighing(n, if n.is_multiple_of(2) { 400 } else { 0 }));
    }
    let bytes = builder.close(1, 1, 0).unwrap().message(&mut DictionaryWriter::default()).unwrap();
    assert!(bytes.len() <= BATCH_BYTES_MAX + 256, "{}", bytes.len());
    assert!(read(&bytes).is_ok());
}
