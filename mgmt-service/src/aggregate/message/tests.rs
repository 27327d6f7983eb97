//! Each message on the wire, and what is refused.

use super::*;

pub(super) fn peer() -> PeerId {
    PeerId::from_bytes(&[vec![0, 36, 8, 1, 18, 32], vec![7; 32]].concat()).unwrap()
}

#[test]
fn golden_bytes_of_what_a_child_says() {
    let attach = FromChild::Attach(Newcomer { boot: 8, level: 1, expected: 9 });
    assert_eq!(attach.encode().unwrap(), [1, 1, 0, 8, 1, 9, 0]);
    let report = FromChild::Report(Report::of_one(Stamp { interval: 7, boot: 8 }));
    assert_eq!(report.encode().unwrap(), [1, 2, 0, 8, 1, 7, 8, 1, 1, 0, 0, 0]);
    for message in [attach, report] {
        assert_eq!(FromChild::decode(&message.encode().unwrap()), Ok(message));
    }
}

#[test]
fn golden_bytes_of_what_a_parent_says() {
    let at = (7, Duration::from_micros(5));
    let attached = FromParent::Attached { boot: 8, at, length: Duration::from_millis(100), above: None };
    let said = FromParent::Said { interval: 7, fate: Fate::Late };
    let golden: [(FromParent, &[u8]); 4] = [
        (attached, &[1, 3, 0, 8, 7, 5, 100, 0, 0]),
        (FromParent::Full, &[1, 4, 0, 0]),
        (FromParent::Gone, &[1, 5, 0, 0]),
        (said, &[1, 6, 0, 7, 2, 0]),
    ];
    for (message, bytes) in golden {
        assert_eq!(message.encode().unwrap(), bytes);
        assert_eq!(FromParent::decode(bytes), Ok(message));
    }
    assert_eq!(FromParent::decode(&[1, 6, 0, 7, 5, 0]), Err(WireError::Malformed));
}

#[test]
fn questions_and_answers_come_back_as_they_were() {
    let stamps = vec![Stamp { interval: 7, boot: 8 }];
    for question in
        [TreeQuestion::Settle { aggregator: peer(), boot: 3, stamps }, TreeQuestion::Totals { after: 5 }]
    {
        assert_eq!(TreeQuestion::decode(&question.encode().unwrap()), Ok(question));
    }
    let stamps = vec![Stamp { interval: 7, boot: 8 }; REPORTS_KEPT + 1];
    let many = TreeQuestion::Settle { aggregator: peer(), boot: 3, stamps };
    assert_eq!(TreeQuestion::decode(&many.encode().unwrap()), Err(WireError::Malformed));
    let reports = vec![Report::of_one(Stamp { interval: 7, boot: 8 }); 2];
    let totals = TotalsAnswer { length: Duration::from_secs(60), above: Some(peer()), reports, more: false };
    for answer in
        [TreeAnswer::Settled(Settled { lives: true, included: vec![7] }), TreeAnswer::Totals(totals)]
    {
        assert_eq!(TreeAnswer::decode(&answer.encode().unwrap()), Ok(answer));
    }
}

#[test]
fn any_bytes_are_a_message_or_an_error() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for kind in 0..12 {
        for length in 0..200 {
            let noise = (0..length).map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random as u8
            });
            let bytes: Vec<u8> = [VERSION, kind, 0].into_iter().chain(noise).collect();
            let _ = (FromChild::decode(&bytes), FromParent::decode(&bytes));
            let _ = (TreeQuestion::decode(&bytes), TreeAnswer::decode(&bytes));
        }
    }
    let long = vec![1; ANSWER_MAX + 1];
    assert!(matches!(TreeAnswer::decode(&long), Err(WireError::TooLarge { .. })));
    assert!(matches!(FromChild::decode(&long), Err(WireError::TooLarge { .. })));
}
