//! The CSV file of `mgmt collect`, read as a script would read it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The columns, in their order.
pub(crate) const COLUMNS: [&str; 11] = [
    "at",
    "peer",
    "transaction",
    "dest",
    "dest_status",
    "corr",
    "status",
    "response_us",
    "hold_us",
    "path",
    "reason",
];

/// How many of the last PINGs of a peer may still be under way when the collector ends.
const UNDER_WAY_MAX: u32 = 2;

/// One line of the file by column.
pub(crate) type Record = BTreeMap<String, String>;

/// Reads the file; its first line must name the columns.
pub(crate) fn read(path: &Path) -> Vec<Record> {
    let mut reader =
        csv::Reader::from_path(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let headers: Vec<&str> = reader.headers().unwrap().iter().take(COLUMNS.len()).collect();
    assert_eq!(headers, COLUMNS, "further columns come behind these");
    let names = || COLUMNS.iter().map(|name| (*name).to_owned());
    let lines = reader.records().map(Result::unwrap);
    lines.map(|line| names().zip(line.iter().map(str::to_owned)).collect()).collect()
}

/// What holds for every line: known peers, a correlator used once, and a status that fits the other columns.
pub(crate) fn assert_each_is_whole(records: &[Record], peers: &[&str]) {
    let mut correlators = BTreeSet::new();
    for record in records {
        let field = |name: &str| record[name].as_str();
        assert!(peers.contains(&field("peer")) && peers.contains(&field("dest")), "{record:?}");
        assert_ne!(field("peer"), field("dest"), "{record:?}");
        assert!(field("at").contains('T') && field("at").ends_with('Z'), "RFC 3339: {record:?}");
        assert!(!field("transaction").is_empty(), "{record:?}");
        assert!(correlators.insert((field("peer"), field("corr"))), "one correlator twice: {record:?}");
        match field("status") {
            "good" => {
                assert!(field("response_us").parse::<u64>().is_ok(), "{record:?}");
                assert!(field("hold_us").is_empty() || field("hold_us").parse::<u64>().is_ok(), "{record:?}");
                assert!(["online", "busy", "away", "offline"].contains(&field("dest_status")), "{record:?}");
                assert_eq!((field("path"), field("reason")), ("direct", ""), "{record:?}");
            }
            "failed" => {
                assert_eq!(field("response_us"), "", "{record:?}");
                assert!(["timeout", "unreachable"].contains(&field("reason")), "{record:?}");
            }
            "aborted" => assert_eq!(field("reason"), "stopped", "{record:?}"),
            other => panic!("status {other:?}: {record:?}"),
        }
    }
}

/// How many records `peer` has of PINGs to `dest` with this status.
pub(crate) fn count(records: &[Record], peer: &str, dest: &str, status: &str) -> usize {
    records.iter().filter(|one| one["peer"] == peer && one["dest"] == dest && one["status"] == status).count()
}

/// Every PING of `peer` since its first record has a line, and at least `at_least` of them were there to be checked.
///
/// A correlator is 16 hexadecimal digits, of which the first 8 count the PINGs of one run of a peer.
pub(crate) fn assert_none_is_missing(records: &[Record], peer: &str, at_least: u32) {
    let numbers = sequence_numbers(records, peer);
    let (checked, missing) = gaps(&numbers);
    assert!(
        checked >= at_least,
        "only {checked} PINGs of {peer} could be checked, {at_least} are wanted: {numbers:?}"
    );
    assert!(missing.is_empty(), "of {peer} there is no record of the PINGs {missing:?}, but of {numbers:?}");
}

/// The number of the first PING of which there is a record in the last run of `peer`; each run counts from 1.
pub(crate) fn first_of_the_last_run(records: &[Record], peer: &str) -> u32 {
    let of_peer = records.iter().filter(|record| record["peer"] == peer);
    let mut numbered: Vec<(&str, u32)> =
        of_peer.map(|record| (record["at"].as_str(), number(&record["corr"]))).collect();
    numbered.sort_unstable();
    let mut run = 0;
    let mut last = u32::MAX;
    for (_, number) in numbered {
        if number <= last {
            run = number;
        }
        last = number;
    }
    run
}

/// The numbers of the PINGs of which `peer` has a record.
fn sequence_numbers(records: &[Record], peer: &str) -> BTreeSet<u32> {
    records.iter().filter(|record| record["peer"] == peer).map(|record| number(&record["corr"])).collect()
}

fn number(corr: &str) -> u32 {
    u32::from_str_radix(&corr[..8], 16).unwrap_or_else(|_| panic!("correlator {corr}"))
}

/// How many numbers from the first on must be there, and which of them are not; the last may still be under way.
fn gaps(numbers: &BTreeSet<u32>) -> (u32, Vec<u32>) {
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return (0, Vec::new()) };
    let due = *first..last.saturating_sub(UNDER_WAY_MAX).max(*first);
    (due.end - due.start, due.filter(|number| !numbers.contains(number)).collect())
}

#[test]
fn a_missing_record_is_a_gap_unless_it_may_be_under_way() {
    let numbers = |numbers: &[u32]| numbers.iter().copied().collect::<BTreeSet<u32>>();
    assert_eq!(gaps(&numbers(&[2, 3, 4, 5, 6, 7, 8])), (4, vec![]));
    assert_eq!(gaps(&numbers(&[2, 3, 5, 6, 7, 8])), (4, vec![4]));
    assert_eq!(gaps(&numbers(&[2, 3, 4, 5, 6, 8])), (4, vec![]), "7 may be under way");
    assert_eq!(gaps(&numbers(&[2, 3, 4])), (0, vec![]), "too few to say anything");
    assert_eq!(gaps(&numbers(&[])), (0, vec![]));
}
