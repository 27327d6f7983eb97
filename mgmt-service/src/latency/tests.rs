//! What the matrix counts, where it stops, and how it shows.

use super::*;
use crate::arm::Reason;
use crate::limits::MATRIX_LINES_MAX;

fn answered(peer: PeerId, dest: PeerId, at_ms: u64, response_us: u64) -> ArmRecord {
    let status = Status::Good;
    ArmRecord { at_ms, dest, status, response_us: Some(response_us), ..ArmRecord::empty(peer) }
}

fn timed_out(peer: PeerId, dest: PeerId, at_ms: u64) -> ArmRecord {
    let (status, reason) = (Status::Failed, Reason::Timeout);
    ArmRecord { at_ms, dest, status, reason, ..ArmRecord::empty(peer) }
}

fn peers() -> [PeerId; 2] {
    [(); 2].map(|()| PeerId::random())
}

#[test]
fn a_pair_counts_its_answers_and_failures_apart_from_the_way_back() {
    let [p1, p2] = peers();
    let mut matrix = LatencyMatrix::new();
    matrix.record(&answered(p1, p2, 1, 400));
    matrix.record(&answered(p1, p2, 2, 600));
    matrix.record(&timed_out(p1, p2, 3));
    matrix.record(&ArmRecord { status: Status::Aborted, ..timed_out(p2, p1, 4) });

    let pair = matrix.pair(&p1, &p2).unwrap();
    assert_eq!((pair.response.count, pair.failed, pair.unfinished), (2, 1, 0));
    assert!((pair.response.mean_us - 500.0).abs() < 1e-9);
    assert_eq!((pair.last_us, pair.last_at_ms), (None, 3));
    let back = matrix.pair(&p2, &p1).unwrap();
    assert_eq!((back.response.count, back.failed, back.unfinished), (0, 0, 1));
    let overall = matrix.overall();
    assert_eq!((overall.response.count, overall.failed, overall.unfinished), (2, 1, 1));
}

#[test]
fn a_record_that_arrives_out_of_order_does_not_become_the_last() {
    let [p1, p2] = peers();
    let mut matrix = LatencyMatrix::new();
    matrix.record(&answered(p1, p2, 9, 900));
    matrix.record(&answered(p1, p2, 5, 500));
    assert_eq!(matrix.pair(&p1, &p2).unwrap().last_us, Some(900));
}

#[test]
fn pairs_beyond_the_bound_count_only_overall() {
    let peer = PeerId::random();
    let mut matrix = LatencyMatrix::new();
    let first = PeerId::random();
    matrix.record(&answered(peer, first, 1, 10));
    for _ in 0..MATRIX_PAIRS_MAX {
        matrix.record(&answered(peer, PeerId::random(), 1, 10));
    }
    matrix.record(&answered(peer, first, 2, 10));
    assert_eq!((matrix.pairs().count(), matrix.pairs_beyond()), (MATRIX_PAIRS_MAX, 1));
    assert_eq!(matrix.pair(&peer, &first).unwrap().response.count, 2);
    assert_eq!(matrix.overall().response.count, MATRIX_PAIRS_MAX as u64 + 2);
}

#[test]
fn names_beyond_the_bound_are_counted_and_known_ones_may_change() {
    let mut matrix = LatencyMatrix::new();
    let alice = PeerId::random();
    matrix.name_peer(alice, "alice");
    for _ in 0..MATRIX_NAMES_MAX {
        matrix.name_peer(PeerId::random(), "x");
    }
    matrix.name_peer(alice, "alice2");
    assert_eq!((matrix.names_beyond, matrix.names[&alice].as_str()), (1, "alice2"));
}

#[test]
fn table_shows_who_asks_down_and_who_answers_across() {
    let [p1, p2] = peers();
    let mut matrix = LatencyMatrix::new();
    matrix.name_peer(p1, "alice");
    matrix.name_peer(p2, "bob\u{1b}[2J\u{202e}");
    matrix.record(&answered(p1, p2, 1, 850_000));
    matrix.record(&answered(p2, p1, 1, 400));
    matrix.record(&timed_out(p2, p1, 2));

    let table = matrix.to_string();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 5, "{table}");
    assert!(lines[1].find("alice").unwrap() < lines[1].find("bob?[2J?").unwrap(), "{table}");
    assert!(lines[2].starts_with("alice ") && lines[2].ends_with("█ 850 ±0.000"), "{table}");
    assert!(lines[3].starts_with("bob?") && lines[3].contains("▁ 0.400 ±0.000 (1)"), "{table}");
    assert!(
        lines[4].starts_with("all: mean 425 ± ") && lines[4].ends_with("2 answered, 1 failed"),
        "{table}"
    );
    assert!(!table.contains('\u{1b}'));
}

#[test]
fn many_peers_are_listed_slowest_first_and_the_rest_is_counted() {
    let [p1, slow] = peers();
    let mut matrix = LatencyMatrix::new();
    for _ in 0..MATRIX_LINES_MAX {
        matrix.record(&answered(p1, PeerId::random(), 1, 10));
    }
    matrix.name_peer(slow, "slow");
    matrix.record(&answered(p1, slow, 1, 999_000));
    let table = matrix.to_string();
    assert!(table.lines().nth(1).unwrap().contains("→ slow"), "{table}");
    assert!(table.contains("… and 1 faster pairs"), "{table}");
}

#[test]
fn an_empty_matrix_says_so() {
    let matrix = LatencyMatrix::new();
    assert_eq!(matrix.to_string(), "no record yet\nall: no answer yet · 0 answered, 0 failed\n");
}

#[test]
fn json_names_pairs_and_units() {
    let [p1, p2] = peers();
    let mut matrix = LatencyMatrix::new();
    matrix.name_peer(p1, "alice");
    matrix.record(&answered(p1, p2, 7, 400));
    let json = matrix.to_json();
    let pair = &json["pairs"][0];
    assert_eq!((&pair["peer"], &pair["dest"]), (&json!(p1.to_string()), &json!(p2.to_string())));
    assert_eq!((&pair["peer_name"], &pair["dest_name"]), (&json!("alice"), &Value::Null));
    assert_eq!((&pair["count"], &pair["mean_us"], &pair["p99_us"]), (&json!(1), &json!(400.0), &json!(400)));
    assert_eq!((&pair["last_us"], &pair["last_at_ms"], &pair["failed"]), (&json!(400), &json!(7), &json!(0)));
    assert_eq!(json["overall"]["count"], 1);
}
