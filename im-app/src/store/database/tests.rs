//! What the database promises.

use super::*;
use crate::store::{Before, HistoryQuery};

fn fresh() -> (tempfile::TempDir, Database) {
    let place = tempfile::tempdir().unwrap();
    let database = Database::open(&place.path().join("im.db")).unwrap();
    (place, database)
}

fn incoming(peer: PeerId, number: u8, text: &str) -> Vec<Op> {
    let message = TextMessage {
        message_id: [number; 16],
        seq: number.into(),
        sent_at_ms: u64::from(number) * 1000,
        late: false,
        text: text.into(),
    };
    let json = format!("{{\"n\":{number}}}");
    vec![Op::Receive { peer, message }, Op::LogEvent { cursor: number.into(), json }]
}

fn outgoing(peer: PeerId, number: u8) -> Outgoing {
    Outgoing {
        peer,
        message_id: [number; 16],
        seq: number.into(),
        sent_at_ms: 5,
        text: format!("out {number}"),
    }
}

fn history(
    database: &Database,
    peer: PeerId,
    limit: u64,
    before: Option<Before>,
    words: &[&str],
) -> Option<Vec<String>> {
    let words = words.iter().map(|word| word.to_string()).collect();
    let query = HistoryQuery { peer, limit, before, words };
    let history = database.history(&query).unwrap()?;
    Some(history.messages.into_iter().map(|message| message.text).collect())
}

#[test]
fn a_message_that_comes_twice_is_kept_once_and_the_rest_of_its_batch_is_skipped() {
    let (_place, mut database) = fresh();
    let peer = PeerId::random();
    assert_eq!(database.apply(&[incoming(peer, 1, "a")]).unwrap(), [Outcome { fresh: true }]);
    let mut again = incoming(peer, 1, "a");
    if let Some(Op::LogEvent { cursor, .. }) = again.get_mut(1) {
        *cursor = 9;
    }
    assert_eq!(database.apply(&[again]).unwrap(), [Outcome { fresh: false }]);
    assert_eq!(database.events(0, 99, 99).unwrap().len(), 1);
    assert_eq!(history(&database, peer, 9, None, &[]).unwrap(), ["a"]);
    let other = PeerId::random();
    let mut same_id = incoming(other, 1, "b");
    same_id.truncate(1);
    assert_eq!(database.apply(&[same_id]).unwrap(), [Outcome { fresh: true }], "another sender's id");
}

#[test]
fn a_group_with_an_impossible_change_is_not_done_at_all() {
    let (_place, mut database) = fresh();
    let peer = PeerId::random();
    let twice = vec![Op::Queue(outgoing(peer, 3)), Op::Queue(outgoing(peer, 3))];
    assert!(database.apply(&[incoming(peer, 1, "a"), twice]).is_err());
    assert_eq!(history(&database, peer, 9, None, &[]).unwrap(), Vec::<String>::new());
    assert!(database.apply(&[incoming(peer, 1, "a")]).is_ok());
}

#[test]
fn buddies_outbox_numbers_and_settings_are_there_after_reopening() {
    let (place, mut database) = fresh();
    let peer = PeerId::random();
    let buddy = Buddy {
        peer,
        alias: Alias::parse("bob").unwrap(),
        contact: Contact::Accepted,
        addresses: vec!["/ip4/127.0.0.1/tcp/1".parse().unwrap(), "/ip4/127.0.0.1/tcp/2".parse().unwrap()],
    };
    let delivered = Op::SetState { peer, message_id: [2; 16], state: MessageState::Delivered, reason: None };
    let ops = vec![
        Op::PutBuddy(buddy.clone()),
        Op::Queue(outgoing(peer, 1)),
        Op::Queue(outgoing(peer, 2)),
        Op::Queue(outgoing(peer, 3)),
        delivered,
        Op::PutSetting { key: "status", value: "away".into() },
    ];
    database.apply(&[ops]).unwrap();
    drop(database);
    let kept = Database::open(&place.path().join("im.db")).unwrap().load().unwrap();
    assert_eq!(kept.buddies, [buddy]);
    assert_eq!(kept.outbox, [outgoing(peer, 1), outgoing(peer, 3)]);
    assert_eq!(kept.last_seq.get(&peer), Some(&3));
    assert_eq!(kept.settings.get("status").map(String::as_str), Some("away"));
}

#[cfg(unix)]
#[test]
fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (place, mut database) = fresh();
    database.apply(&[incoming(PeerId::random(), 1, "a")]).unwrap();
    for name in ["im.db", "im.db-wal"] {
        let mode = std::fs::metadata(place.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn history_is_the_newest_that_match_oldest_first() {
    let (_place, mut database) = fresh();
    let peer = PeerId::random();
    for (number, text) in [(1, "Tea at 5"), (2, "100% tea"), (3, "coffee"), (4, "100 teas")] {
        database.apply(&[incoming(peer, number, text)]).unwrap();
    }
    let ask = |limit, before, words: &[&str]| history(&database, peer, limit, before, words);
    assert_eq!(ask(2, None, &[]).unwrap(), ["coffee", "100 teas"]);
    assert_eq!(ask(9, Some(Before::Message([3; 16])), &[]).unwrap(), ["Tea at 5", "100% tea"]);
    assert_eq!(ask(9, Some(Before::At(2000)), &[]).unwrap(), ["Tea at 5"]);
    assert_eq!(ask(9, None, &["tea", "100"]).unwrap(), ["100% tea", "100 teas"]);
    assert_eq!(ask(9, None, &["100%"]).unwrap(), ["100% tea"], "a wildcard is a character");
    assert_eq!(ask(9, Some(Before::Message([9; 16])), &[]), None);
}

#[test]
fn only_the_newest_events_are_kept() {
    let (_place, mut database) = fresh();
    let events: Vec<Op> =
        (1..=EVENTS_KEPT + 5).map(|cursor| Op::LogEvent { cursor, json: String::new() }).collect();
    database.apply(&[events]).unwrap();
    let kept = database.events(0, u64::MAX, u64::MAX).unwrap();
    assert_eq!(kept.len() as u64, EVENTS_KEPT);
    assert_eq!(kept.first().map(|(cursor, _)| *cursor), Some(6));
    assert_eq!(database.events(10, 12, 9).unwrap().len(), 2);
}

#[test]
fn a_sound_file_has_nothing_wrong() {
    let (_place, database) = fresh();
    assert_eq!(database.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_file_that_is_no_database_is_an_error_and_stays() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("im.db");
    std::fs::write(&path, "my diary, all of it, for many years, and no database at all").unwrap();
    assert!(Database::open(&path).is_err());
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("my diary"));
}
