//! What lasting and propagate pipes say beside messages, and what closed groups ask a rendezvous.

use std::time::Duration;

use bytes::Bytes;
use libp2p::identity::Keypair;

use super::survives;
use crate::id::{Genesis, GroupId, PipeId};
use crate::protocol::closed::{ClosedRequest, RevocationNews};
use crate::protocol::pipe::Acceptance;
use crate::protocol::propagate::{Frame, Hello, Item, Member, Parcel, Position, Scope, Welcome};
use crate::protocol::resumable;
use crate::wire::frame_len;

/// A parcel that was read is passed on byte for byte; any other frame is read again as the same.
pub(super) fn propagate(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| Frame::decode(&Bytes::copy_from_slice(bytes)).ok().flatten();
    match decode(bytes) {
        None => false,
        Some(Frame::Parcel(parcel)) => {
            assert!(parcel.end() > parcel.first, "a parcel is empty");
            let carried: usize = parcel.items.iter().map(|item| item.body.len()).sum();
            assert!(carried < bytes.len(), "a parcel has more than was read");
            assert!(
                !parcel.is_signed() || behind_length(&parcel.frame) == bytes,
                "what is passed on differs"
            );
            // A mutation is no signature of anybody; to find that out must be safe.
            let _ = parcel.is_genuine(SCOPE);
            true
        }
        Some(frame) => survives(&frame, frame.encode(), |bytes| decode(behind_length(bytes))),
    }
}

pub(super) fn propagate_samples() -> Vec<Vec<u8>> {
    let (keypair, sender) = sender();
    let item = |begins, more, body: &'static [u8]| Item { begins, more, body: Bytes::from_static(body) };
    let items = || vec![item(true, false, b"whole"), item(true, true, b"be"), item(false, false, b"gun")];
    let parcel = |scope| Frame::Parcel(Parcel::new(&keypair, (300, 7), items(), scope).unwrap());
    let addresses = vec!["/ip4/127.0.0.1/tcp/4001".parse().unwrap()];
    let position = position();
    let frames = [
        parcel(None),
        parcel(Some(SCOPE)),
        Frame::Lag { behind: u64::MAX },
        Frame::Offer(vec![position, position]),
        Frame::Graft(position),
        Frame::Prune { sender },
        Frame::Members(vec![Member { peer: sender, addresses }, Member { peer: sender, addresses: vec![] }]),
        Frame::Leave,
    ];
    frames.iter().map(|frame| behind_length(&frame.encode().unwrap()).to_vec()).collect()
}

pub(super) fn propagate_hello(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| Hello::decode(bytes).ok();
    decode(bytes).is_some_and(|hello| survives(&hello, hello.encode(), |bytes| decode(behind_length(bytes))))
}

pub(super) fn propagate_hello_samples() -> Vec<Vec<u8>> {
    let addresses = vec!["/ip4/127.0.0.1/tcp/4001".parse().unwrap()];
    let hello = Hello { scope: SCOPE, epoch: 1, next: 300, addresses, positions: vec![position()] };
    vec![behind_length(&hello.encode().unwrap()).to_vec()]
}

pub(super) fn propagate_welcome(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| Welcome::decode(bytes).ok();
    decode(bytes)
        .is_some_and(|welcome| survives(&welcome, welcome.encode(), |bytes| decode(behind_length(bytes))))
}

pub(super) fn propagate_welcome_samples() -> Vec<Vec<u8>> {
    let welcome = |acceptance, positions| Welcome { acceptance, positions };
    [welcome(Acceptance::Ok, vec![position()]), welcome(Acceptance::Busy, vec![])]
        .iter()
        .map(|welcome| behind_length(&welcome.encode().unwrap()).to_vec())
        .collect()
}

pub(super) fn resumable_hello(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| resumable::Hello::decode(bytes).ok();
    decode(bytes).is_some_and(|hello| survives(&hello, hello.encode(), decode))
}

pub(super) fn resumable_hello_samples() -> Vec<Vec<u8>> {
    let (within, at) = (Duration::from_secs(60), AT);
    let hello = |fresh| resumable::Hello { session: [9; 16], fresh, within, at };
    [true, false].map(|fresh| hello(fresh).encode().unwrap()).to_vec()
}

pub(super) fn resumable_at(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| resumable::At::decode(bytes).ok();
    decode(bytes).is_some_and(|at| survives(&at, at.encode(), decode))
}

pub(super) fn resumable_at_samples() -> Vec<Vec<u8>> {
    vec![AT.encode().unwrap()]
}

pub(super) fn closed(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| ClosedRequest::decode(bytes).ok();
    decode(bytes).is_some_and(|request| survives(&request, request.encode(), decode))
}

pub(super) fn closed_samples() -> Vec<Vec<u8>> {
    let (group, body) = (GroupId::net(), Bytes::from_static(b"body"));
    let requests = [
        ClosedRequest::Enter {
            genesis: Genesis::open("friends"),
            chain: vec![body.clone(), body.clone()],
            revocations: body.clone(),
        },
        ClosedRequest::Leave { group },
        ClosedRequest::Ask { group, request: body },
    ];
    requests.iter().map(|request| request.encode().unwrap().to_vec()).collect()
}

pub(super) fn revocation_news(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| RevocationNews::decode(bytes).ok();
    decode(bytes).is_some_and(|news| survives(&news, news.encode(), decode))
}

pub(super) fn revocation_news_samples() -> Vec<Vec<u8>> {
    let news = |revocations| RevocationNews { group: GroupId::net(), revocations, fresh: true };
    [Bytes::new(), Bytes::from_static(b"a list")].map(|list| news(list).encode().unwrap().to_vec()).to_vec()
}

/// An encoded frame without its length.
fn behind_length(frame: &[u8]) -> &[u8] {
    let (len, used) = frame_len(frame, usize::MAX >> 1).unwrap().unwrap();
    assert_eq!(used + len, frame.len(), "a frame says another length than it has");
    frame.split_at(used).1
}

fn sender() -> (Keypair, libp2p::PeerId) {
    let keypair = Keypair::ed25519_from_bytes([1; 32]).unwrap();
    let sender = keypair.public().to_peer_id();
    (keypair, sender)
}

fn position() -> Position {
    Position { sender: sender().1, epoch: 300, next: 7 }
}

const SCOPE: Scope = Scope { group: GroupId::from_bytes([1; 32]), pipe: PipeId::from_bytes([2; 32]) };
const AT: resumable::At = resumable::At { received: 5, limit: 300 };
