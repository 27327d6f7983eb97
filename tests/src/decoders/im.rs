//! What travels between buddies, invites, and what programs write on standard input.

use im_app::buddy::Alias;
use im_app::invite::Invite;
use im_app::jsonl::{parse_line, parse_time, rfc3339};
use im_app::status::{Note, Presence, Status};
use im_app::wire::{Frame, Hello, Pong, TextMessage};
use overlay::fuzzing::{Decoder, survives};
use overlay::{Keypair, PeerId};

/// The decoders.
pub(super) const DECODERS: &[Decoder] = &[
    Decoder::new("im.wire", wire, wire_samples),
    Decoder::new("im.invite", invite, invite_samples),
    Decoder::new("im.command", command, command_samples),
    Decoder::new("im.time", time, || vec![b"2026-01-31T12:00:00.123Z".to_vec()]),
    Decoder::new("im.alias", alias, || vec![b"bob".to_vec(), "Zo\u{eb}-2".into()]),
];

fn wire(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| Frame::decode(bytes).ok();
    match decode(bytes) {
        None => false,
        Some(Frame::Unknown { .. }) => true,
        Some(frame) => survives(&frame, frame.encode(), decode),
    }
}

fn wire_samples() -> Vec<Vec<u8>> {
    let presence = Presence { status: Status::Away, note: Note::new("tea").unwrap() };
    let (name, message_id) = (String::from("bob"), [7; 16]);
    let frames = [
        Frame::Hello(Hello {
            name: name.clone(),
            presence: Some(presence.clone()),
            addresses: vec![vec![4, 127, 0, 0, 1]],
        }),
        Frame::Hello(Hello { name: name.clone(), presence: None, addresses: Vec::new() }),
        Frame::ContactRequest { name: name.clone() },
        Frame::ContactAnswer { accepted: true, name },
        Frame::Ping { correlator: u64::MAX },
        Frame::Pong(Pong { correlator: 9, presence: presence.clone(), hold_us: 120 }),
        Frame::Status(presence),
        Frame::Message(TextMessage {
            message_id,
            seq: 1,
            sent_at_ms: 1_769_860_800_123,
            late: false,
            text: "hello".into(),
        }),
        Frame::Delivered { message_id },
        Frame::Bye,
    ];
    frames.iter().map(|frame| frame.encode().unwrap()).collect()
}

/// The text, and the bytes as if they were the content of one with the right check sum.
fn invite(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<Invite>().ok();
    let survives = |bytes: &[u8]| {
        decode(bytes).is_some_and(|read| survives(&read, Ok::<_, ()>(read.to_string()), decode))
    };
    let checked = [bytes, &blake3::hash(bytes).as_bytes()[..4]].concat();
    survives(format!("juxta:{}", overlay::wire::base32(&checked)).as_bytes()) | survives(bytes)
}

fn invite_samples() -> Vec<Vec<u8>> {
    let addresses = vec!["/ip4/127.0.0.1/tcp/4001".parse().unwrap()];
    let text =
        Invite { peer: peer(), name: "bob".into(), addresses: addresses.clone(), rendezvous: addresses }
            .to_string();
    let mut content = overlay::wire::from_base32(&text["juxta:".len()..]).unwrap();
    content.truncate(content.len() - 4);
    vec![text.into_bytes(), content]
}

fn command(bytes: &[u8]) -> bool {
    match parse_line(bytes) {
        Ok(request) => !request.id.is_null(),
        Err(bad) => {
            assert!(!bad.error.to_string().is_empty(), "what is wrong is said");
            false
        }
    }
}

fn command_samples() -> Vec<Vec<u8>> {
    let invite = String::from_utf8(invite_samples().swap_remove(0)).unwrap();
    let lines = [
        format!(r#"{{"id":"1","command":"add","invite":"{invite}","alias":"b"}}"#),
        r#"{"id":"2","command":"send","to":"b","text":"hi","policy":"refuse"}"#.into(),
        r#"{"id":"3","command":"set-status","status":"away","note":"tea"}"#.into(),
        r#"{"id":4,"command":"history","buddy":"b","limit":5,"before":"2026-01-31T12:00:00Z","search":"a b"}"#.into(),
        r#"{"id":"5","command":"replay","since":0}"#.into(),
        r#"{"id":"6","command":"quit"}"#.into(),
    ];
    lines.map(String::into_bytes).to_vec()
}

/// A time that was read is written so that it reads as the same, to the millisecond.
fn time(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| parse_time(std::str::from_utf8(bytes).ok()?);
    decode(bytes).is_some_and(|ms| survives(&ms, Ok::<_, ()>(rfc3339(ms)), decode))
}

/// An alias stays itself, and whatever a peer calls itself becomes one.
fn alias(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let given = Alias::of_peer(&text, &peer());
    assert_eq!(Alias::parse(given.as_str()), Ok(given), "an alias can be typed");
    Alias::parse(&text).is_ok_and(|alias| alias.as_str() == text)
}

fn peer() -> PeerId {
    Keypair::ed25519_from_bytes([1; 32]).unwrap().public().to_peer_id()
}
