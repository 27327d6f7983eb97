//! The messages that travel unsigned: framing, sessions, pipes, discovery, leases.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::io::Cursor;

use super::survives;
use crate::advertisement::{AdvertisementKind, Condition, DiscoveryQuery};
use crate::core::cache_records::{self, CacheRecord};
use crate::error::RefuseReason;
use crate::id::{AdvertisementId, GroupId, PipeId};
use crate::net::ReadFrames;
use crate::protocol::discovery::{DiscoveryRequest, FindAnswer, PublishAnswer};
use crate::protocol::membership::Papers;
use crate::protocol::notification::Notification;
use crate::protocol::pipe::{Acceptance, Header, PipeKind};
use crate::protocol::rendezvous::{LeaseGrant, RendezvousRequest};
use crate::protocol::session::{Frame, Outcome, QueryFrame};
use crate::wire::{Ext, put_frame_len};

/// Frames come out as they went in: put together again they are the bytes read.
pub(super) fn frames(bytes: &[u8]) -> bool {
    let (mut io, mut reads) = (pin!(Cursor::new(bytes)), ReadFrames::new(FRAME_BYTES_MAX, 64));
    let mut again = BytesMut::new();
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match reads.poll_frame(&mut io, &mut cx) {
            Poll::Ready(Ok(Some(frame))) => {
                assert!(frame.len() <= FRAME_BYTES_MAX, "a frame is longer than its bound");
                put_frame_len(frame.len(), &mut again);
                again.extend_from_slice(&frame);
            }
            Poll::Ready(end) => {
                assert!(bytes.starts_with(&again), "frames are not what was read");
                // Only the farewell is an end; what follows it is not read.
                return end.is_ok();
            }
            Poll::Pending => return false,
        }
    }
}

pub(super) fn frames_samples() -> Vec<Vec<u8>> {
    let frames = [vec![], vec![0], vec![2, 7, 8, 0, 1, 9], [vec![0x80, 0x02], vec![3; 256]].concat()];
    let farewell = [0xff, 0xff, 0xff, 0x7f];
    frames.into_iter().map(|frames| [frames, farewell.to_vec()].concat()).collect()
}

pub(super) fn session(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| Frame::decode(bytes).ok().flatten();
    decode(bytes).is_some_and(|frame| survives(&frame, frame.encode(), decode))
}

pub(super) fn session_samples() -> Vec<Vec<u8>> {
    let (group, body) = (GroupId::net(), Bytes::from_static(b"question"));
    let ext: Ext = vec![(7, Bytes::from_static(b"later"))];
    let papers = Papers { chain: vec![body.clone(), body.clone()], revocations: body.clone() };
    let refused = Outcome::Refused(RefuseReason::Full);
    let frames = [
        Frame::Greeting,
        Frame::Query(QueryFrame {
            number: 300,
            group,
            handler: "juxta.discovery".into(),
            body: body.clone(),
            ext,
        }),
        Frame::Answer { number: 5, outcome: refused, body: Bytes::new() },
        Frame::Answer { number: 6, outcome: Outcome::Answered, body },
        Frame::Ping { nonce: u64::MAX },
        Frame::Pong { nonce: 8 },
        Frame::GroupProof { number: 7, group, papers },
    ];
    frames.iter().map(|frame| frame.encode().unwrap().to_vec()).collect()
}

pub(super) fn pipe_header(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| Header::decode(bytes).ok();
    decode(bytes).is_some_and(|header| survives(&header, header.encode(), decode))
}

pub(super) fn pipe_header_samples() -> Vec<Vec<u8>> {
    let (group, pipe) = (GroupId::net(), PipeId::derive(&GroupId::net(), "echo"));
    let header = |kind| Header { group, pipe, kind }.encode().unwrap();
    [PipeKind::Unicast, PipeKind::Bidirectional].map(header).to_vec()
}

pub(super) fn acceptance(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| Acceptance::decode(bytes).ok();
    decode(bytes).is_some_and(|acceptance| survives(&acceptance, acceptance.encode(), decode))
}

pub(super) fn acceptance_samples() -> Vec<Vec<u8>> {
    [Acceptance::Ok, Acceptance::Busy, Acceptance::NoSuchPipe].map(|said| said.encode().unwrap()).to_vec()
}

pub(super) fn discovery(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| DiscoveryRequest::decode(bytes).ok();
    decode(bytes).is_some_and(|request| survives(&request, request.encode(), decode))
}

pub(super) fn discovery_samples() -> Vec<Vec<u8>> {
    let sampled = |text: &str| DiscoveryRequest::Find { query: text.parse().unwrap() };
    let calm = [Condition::below("load", 0.5), !Condition::exists("busy")];
    let query = DiscoveryQuery::new().kind(AdvertisementKind::Pipe).glob("name", "chat-*").any(calm);
    let requests = [
        DiscoveryRequest::Publish { advertisements: vec![Bytes::from_static(b"signed"); 3] },
        DiscoveryRequest::Find { query: query.clone() },
        DiscoveryRequest::FindMore { query: query.clone(), skip: 64 },
        DiscoveryRequest::Subscribe { number: 3, query },
        DiscoveryRequest::Unsubscribe { number: 3 },
        sampled("load=0.2..0.5 or (a=1 and not b=true) x!=y"),
        sampled("threshold=3 n>=5 t<\"text\""),
    ];
    requests.iter().map(|request| request.encode().unwrap()).collect()
}

pub(super) fn publish_answer(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| PublishAnswer::decode(bytes).ok();
    decode(bytes).is_some_and(|answer| survives(&answer, answer.encode(), decode))
}

pub(super) fn publish_answer_samples() -> Vec<Vec<u8>> {
    vec![PublishAnswer { accepted: 64, refused: 1000 }.encode().unwrap()]
}

pub(super) fn find_answer(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| FindAnswer::decode(bytes).ok();
    decode(bytes).is_some_and(|answer| survives(&answer, answer.encode(), decode))
}

pub(super) fn find_answer_samples() -> Vec<Vec<u8>> {
    let found =
        |count| FindAnswer { advertisements: vec![Bytes::from_static(b"signed"); count], more: count > 2 };
    [0, 3].map(|count| found(count).encode().unwrap()).to_vec()
}

pub(super) fn notification(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| Notification::decode(bytes).ok();
    decode(bytes).is_some_and(|notification| survives(&notification, notification.encode(), decode))
}

pub(super) fn notification_samples() -> Vec<Vec<u8>> {
    let (number, editions) = (300, vec![Bytes::from_static(b"signed"); 2]);
    let first = Notification { number, restart: true, editions, ..Notification::default() };
    let gone = vec![AdvertisementId::from_bytes([5; 32])];
    let last = Notification { number, complete: true, cut: true, gone, ..Notification::default() };
    [first, last].map(|notification| notification.encode().unwrap()).to_vec()
}

/// The user's own file, which may be damaged.
pub(super) fn cache_records(bytes: &[u8]) -> bool {
    let (records, _) = cache_records::decode(bytes);
    let again = cache_records::decode(&cache_records::encode(&records));
    assert_eq!(again, (records.clone(), 0), "records that were read can be written");
    !records.is_empty()
}

pub(super) fn cache_records_samples() -> Vec<Vec<u8>> {
    let envelope = Bytes::from_static(b"signed");
    let record = CacheRecord::Advertisement { known_ms: 1_000, ends_ms: 61_000, envelope };
    let whole = cache_records::encode(&[CacheRecord::Sequence(77), record]);
    let torn = whole.get(..whole.len() - 3).unwrap_or_default().to_vec();
    vec![whole, torn]
}

pub(super) fn rendezvous(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| RendezvousRequest::decode(bytes).ok();
    decode(bytes).is_some_and(|request| survives(&request, request.encode(), decode))
}

pub(super) fn rendezvous_samples() -> Vec<Vec<u8>> {
    let wanted = Duration::from_secs(120);
    [RendezvousRequest::Lease { wanted, since: 7 }, RendezvousRequest::Cancel]
        .map(|asked| asked.encode().unwrap())
        .to_vec()
}

pub(super) fn lease_grant(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| LeaseGrant::decode(bytes).ok();
    decode(bytes).is_some_and(|grant| survives(&grant, grant.encode(), decode))
}

pub(super) fn lease_grant_samples() -> Vec<Vec<u8>> {
    vec![LeaseGrant { ttl: Duration::from_secs(600), fresh: true }.encode().unwrap()]
}

/// The bound of the frames here: small, so that a fuzzer reaches it.
const FRAME_BYTES_MAX: usize = 1024;
