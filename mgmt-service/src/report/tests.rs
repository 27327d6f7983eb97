//! The machine's reading of figure 3: who stands out, since when, and who does not.

use overlay::PeerId;

use super::*;
use crate::arm::{ArmRecord, Reason, Status};
use crate::store::{Level, Losses};

/// A second's PINGs of everybody to everybody for ten minutes; `time` says what each takes.
fn group(peers: &[PeerId], time: impl Fn(usize, usize, u64) -> (u64, u64)) -> Vec<ArmRecord> {
    let mut records = Vec::new();
    for second in 0..600u64 {
        for (asker, peer) in peers.iter().enumerate() {
            for (asked, dest) in peers.iter().enumerate().filter(|(asked, _)| *asked != asker) {
                let (response, hold) = time(asker, asked, second);
                records.push(ArmRecord {
                    at_ms: second * 1000,
                    dest: *dest,
                    status: Status::Good,
                    response_us: Some(response + second * 31 % 200),
                    hold_us: Some(hold),
                    ..ArmRecord::empty(*peer)
                });
            }
        }
    }
    records
}

fn peers<const N: usize>() -> [PeerId; N] {
    std::array::from_fn(|_| PeerId::random())
}

#[test]
fn a_group_without_a_far_member_has_none() {
    let four = peers::<4>();
    assert_eq!(distant(&group(&four, |_, _, _| (800, 10))), []);
    assert_eq!(distant(&[]), []);
}

#[test]
fn the_far_member_is_told_with_the_second_since_when_also_among_three() {
    let three = peers::<3>();
    let records = group(&three, |asker, asked, second| {
        let far = (asker == 1 || asked == 1) && second >= 240;
        (if far { 90_000 } else { 800 }, 10)
    });
    let [found] = distant(&records).try_into().unwrap();
    assert_eq!((found.subject, found.since_ms), (Subject::Peer(three[1]), 240_000), "{found:?}");
    assert!(!found.slow && !found.from_the_start && found.usual_us > 80_000 && found.group_us < 1_100);
}

#[test]
fn a_member_that_answers_late_is_slow_and_a_single_bad_link_blames_nobody() {
    let four = peers::<4>();
    let slow = group(&four, |_, asked, _| if asked == 2 { (60_000, 59_000) } else { (800, 10) });
    let found = distant(&slow);
    assert!(found.iter().all(|distant| distant.slow && distant.from_the_start), "{found:?}");
    assert_eq!(found.len(), 3, "each link to it, but not what it asks itself: {found:?}");

    let link =
        group(&four, |asker, asked, _| if (asker, asked) == (0, 3) { (60_000, 10) } else { (800, 10) });
    let [found] = distant(&link).try_into().unwrap();
    assert_eq!((found.subject, found.slow), (Subject::Link(four[0], four[3]), false));
}

#[test]
fn levels_add_up_by_link_by_peer_and_over_all() {
    let [alice, bob] = peers();
    let level = |status, reason, count| {
        let mut times = crate::store::Times::default();
        if status == Status::Good {
            (0..count).for_each(|_| times.add(1000));
        }
        Level { peer: alice, dest: bob, transaction: "ping".into(), status, reason, count, times, minutes: 7 }
    };
    let levels = [
        level(Status::Good, Reason::None, 90),
        level(Status::Failed, Reason::Timeout, 6),
        level(Status::Failed, Reason::Unreachable, 4),
        level(Status::Aborted, Reason::Stopped, 5),
    ];
    let link = &by_link(&levels)[&(alice, bob)];
    assert_eq!((link.count, link.availability(), link.failures()), (105, Some(0.9), 10));
    assert_eq!((&by_peer(&levels)[&bob], &whole_group(&levels)), (link, link));
    let accounts = accounts(&levels);
    assert_eq!(accounts[&alice], Account { asked: 101, answered: 0, online_minutes: 7 });
    assert_eq!(accounts[&bob], Account { asked: 0, answered: 90, online_minutes: 7 });
    let report = Report::new(&levels, &[], &Default::default(), vec![], Losses::default());
    let text = report.to_string();
    assert!(
        text.contains("90.000 %") && text.contains("6 timeout") && text.contains("peaks: none"),
        "{text}"
    );
}

#[test]
fn the_longest_outage_is_told_first() {
    let [alice, bob, carol] = peers();
    let record = |dest, second: u64, fails| ArmRecord {
        at_ms: second * 1000,
        dest,
        status: if fails { Status::Failed } else { Status::Good },
        reason: if fails { Reason::Timeout } else { Reason::None },
        ..ArmRecord::empty(alice)
    };
    let records: Vec<ArmRecord> = (0..100)
        .flat_map(|second| {
            [
                record(bob, second, (10..13).contains(&second)),
                record(carol, second, (20..60).contains(&second)),
            ]
        })
        .collect();
    let text = Report::new(&[], &records, &Default::default(), vec![], Losses::default()).to_string();
    assert!(text.contains(": 3 failed") && text.find(": 40 failed") < text.find(": 3 failed"), "{text}");
}

#[test]
fn an_objective_that_nothing_is_about_is_not_said_to_be_kept() {
    let [alice] = peers();
    let text = "[[objective]]\nname = 'a'\navailability = 0.9\ndest = 'nobdy'";
    let objective = &crate::objectives::read(text).unwrap()[0];
    let records = [ArmRecord { at_ms: 1000, status: Status::Good, ..ArmRecord::empty(alice) }];
    let said = |dest: &str| {
        let standing = objective.standing(&records, 2000, |_| ["alice".into(), dest.into()]);
        let report = Report::new(&[], &records, &Default::default(), vec![standing], Losses::default());
        (report.to_string(), report.to_json()["objectives"][0]["no_data"].clone())
    };
    let (text, without) = said("bob");
    assert!(text.contains("no data") && !text.contains("kept") && without == true, "{text}");
    let (text, without) = said("nobdy");
    assert!(text.contains("kept") && without == false, "{text}");
}
