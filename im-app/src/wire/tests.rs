//! What the codec of the buddy pipe promises.

use proptest::prelude::*;

use super::*;

fn note() -> impl Strategy<Value = Note> {
    "[a-z ]{0,40}".prop_map(|text| Note::new(&text).unwrap())
}

fn some_presence() -> impl Strategy<Value = Presence> {
    (0usize..4, note()).prop_map(|(at, note)| Presence { status: Status::ALL[at], note })
}

fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        ("[a-z]{0,20}", prop::option::of(some_presence()), prop::collection::vec(any::<Vec<u8>>(), 0..4))
            .prop_map(|(name, presence, addresses)| Frame::Hello(Hello { name, presence, addresses })),
        "[a-z]{0,20}".prop_map(|name| Frame::ContactRequest { name }),
        (any::<bool>(), "[a-z]{0,20}").prop_map(|(accepted, name)| Frame::ContactAnswer { accepted, name }),
        any::<u64>().prop_map(|correlator| Frame::Ping { correlator }),
        (any::<u64>(), some_presence(), any::<u32>()).prop_map(|(correlator, presence, hold_us)| {
            Frame::Pong(Pong { correlator, presence, hold_us })
        }),
        some_presence().prop_map(Frame::Status),
        (any::<MessageId>(), any::<u64>(), any::<u64>(), any::<bool>(), ".{0,60}").prop_map(
            |(message_id, seq, sent_at_ms, late, text)| Frame::Message(TextMessage {
                message_id,
                seq,
                sent_at_ms,
                late,
                text
            })
        ),
        any::<MessageId>().prop_map(|message_id| Frame::Delivered { message_id }),
        (any::<MessageId>(), 0u16..9).prop_map(|(message_id, code)| Frame::Refused {
            message_id,
            reason: RefuseReason::from_code(code)
        }),
        Just(Frame::Bye),
    ]
}

proptest! {
    #[test]
    fn every_frame_is_read_back(frame in frame()) {
        prop_assert_eq!(Frame::decode(&frame.encode().unwrap()).unwrap(), frame);
    }

    #[test]
    fn every_truncation_is_an_error(frame in frame()) {
        let bytes = frame.encode().unwrap();
        for len in 0..bytes.len() {
            prop_assert!(Frame::decode(&bytes[..len]).is_err(), "cut to {len}");
        }
    }

    #[test]
    fn trailing_bytes_are_an_error(frame in frame(), tail in 1usize..9) {
        let mut bytes = frame.encode().unwrap();
        bytes.extend(vec![0; tail]);
        prop_assert_eq!(Frame::decode(&bytes), Err(WireError::Trailing { len: tail }));
    }

    #[test]
    fn an_unknown_version_is_an_error(frame in frame(), version in 2u8..) {
        let mut bytes = frame.encode().unwrap();
        bytes[0] = version;
        prop_assert_eq!(Frame::decode(&bytes), Err(WireError::UnknownVersion { got: version }));
    }

    #[test]
    fn any_bytes_are_a_frame_or_an_error(mut bytes: Vec<u8>, kind in 0u8..12, known: bool) {
        if known && bytes.len() > 3 {
            bytes[..3].copy_from_slice(&[VERSION, kind, 0]);
        }
        let _ = Frame::decode(&bytes);
    }

    #[test]
    fn a_ping_has_at_most_64_bytes_and_its_correlator_at_most_ten(correlator: u64) {
        let ping = Frame::Ping { correlator }.encode().unwrap();
        let without = wire::encode_kind(VERSION, PING, &Ext::new(), PING_BYTES_MAX).unwrap();
        prop_assert!(ping.len() <= 64);
        prop_assert!(ping.len() - without.len() <= 10);
    }
}

#[test]
fn a_frame_above_the_bound_is_refused_before_it_is_read() {
    let bytes = vec![0xff; WIRE_BYTES_MAX + 1];
    let too_large = WireError::TooLarge { len: bytes.len(), max: WIRE_BYTES_MAX };
    assert_eq!(Frame::decode(&bytes), Err(too_large));
}

#[test]
fn a_text_of_petabytes_is_refused_before_it_is_allocated() {
    let mut bytes = vec![VERSION, STATUS as u8, 0, 1, 253];
    bytes.extend_from_slice(&(1u64 << 50).to_le_bytes());
    assert!(Frame::decode(&bytes).is_err());
}

#[test]
fn texts_names_and_notes_above_their_bounds_are_refused_on_both_sides() {
    let message = |len: usize| TextMessage {
        message_id: [0; 16],
        seq: 1,
        sent_at_ms: 0,
        late: false,
        text: "x".repeat(len),
    };
    assert!(Frame::Message(message(TEXT_BYTES_MAX)).encode().is_ok());
    assert!(Frame::Message(message(TEXT_BYTES_MAX + 1)).encode().is_err());
    let long = wire::encode_kind(VERSION, MESSAGE, &MessageBody::from(&message(TEXT_BYTES_MAX + 1)), 1 << 20);
    assert!(Frame::decode(&long.unwrap()).is_err());
    let status = wire::encode_kind(VERSION, STATUS, &(1u8, "x".repeat(257), Ext::new()), 1 << 20);
    assert!(Frame::decode(&status.unwrap()).is_err());
    let request = wire::encode_kind(VERSION, CONTACT_REQUEST, &("x".repeat(65), Ext::new()), 1 << 20);
    assert!(Frame::decode(&request.unwrap()).is_err());
}

#[test]
fn a_kind_of_a_later_version_is_told_apart_from_garbage() {
    let later = wire::encode_kind(VERSION, 99, &"whatever", 64).unwrap();
    assert_eq!(Frame::decode(&later), Ok(Frame::Unknown { kind: 99 }));
}

#[test]
fn an_old_reader_skips_what_a_new_writer_adds() {
    let ext: Ext = vec![(7, bytes::Bytes::from_static(b"new"))];
    let bytes = wire::encode_kind(VERSION, PING, &(5u64, ext), 64).unwrap();
    assert_eq!(Frame::decode(&bytes), Ok(Frame::Ping { correlator: 5 }));
}

#[test]
fn golden_bytes() {
    let busy = Presence { status: Status::Busy, note: Note::new("hm").unwrap() };
    let hello = Hello { name: "al".into(), presence: None, addresses: vec![vec![4, 5]] };
    let message = TextMessage { message_id: [7; 16], seq: 2, sent_at_ms: 300, late: true, text: "hi".into() };
    let pong = Pong { correlator: 1, presence: busy.clone(), hold_us: 9 };
    let id = [7u8; 16];
    let golden: [(Frame, Vec<u8>); 9] = [
        (Frame::Hello(hello), vec![1, 1, 0, 2, b'a', b'l', 0, 0, 1, 2, 4, 5, 0]),
        (Frame::ContactRequest { name: "al".into() }, vec![1, 2, 0, 2, b'a', b'l', 0]),
        (Frame::ContactAnswer { accepted: true, name: "b".into() }, vec![1, 3, 0, 1, 1, b'b', 0]),
        (Frame::Ping { correlator: u64::MAX }, vec![1, 4, 0, 253, 255, 255, 255, 255, 255, 255, 255, 255, 0]),
        (Frame::Pong(pong), vec![1, 5, 0, 1, 2, 2, b'h', b'm', 9, 0]),
        (Frame::Status(busy), vec![1, 6, 0, 2, 2, b'h', b'm', 0]),
        (Frame::Message(message), [&[1, 7, 0][..], &id, &[2, 251, 44, 1, 1, 2, b'h', b'i', 0]].concat()),
        (Frame::Delivered { message_id: id }, [&[1, 8, 0][..], &id, &[0]].concat()),
        (Frame::Bye, vec![1, 10, 0, 0]),
    ];
    for (frame, bytes) in golden {
        assert_eq!(frame.encode().unwrap(), bytes, "{frame:?}");
    }
}
