//! Frames of links read back as they were written, and anything else is an error.

use libp2p::identity::Keypair;
use proptest::prelude::*;

use super::*;
use crate::id::{GroupId, PipeId};
use crate::protocol::pipe::Acceptance;

fn scope(byte: u8) -> Scope {
    Scope { group: GroupId::from_bytes([1; 32]), pipe: PipeId::from_bytes([byte; 32]) }
}

fn items(bodies: &[Vec<u8>]) -> Vec<Item> {
    let item = |body: &Vec<u8>| Item { begins: true, more: body.len() % 2 == 1, body: body.clone().into() };
    bodies.iter().map(item).collect()
}

/// Without the length before it.
fn unframed(frame: &Bytes) -> Bytes {
    let (len, used) = crate::wire::frame_len(frame, 1 << 20).unwrap().unwrap();
    assert_eq!(len + used, frame.len());
    frame.slice(used..)
}

fn frames() -> Vec<Frame> {
    let peer = Keypair::ed25519_from_bytes([7; 32]).unwrap().public().to_peer_id();
    let position = Position { sender: peer, epoch: 3, next: 4 };
    let member = Member { peer, addresses: vec!["/ip4/127.0.0.1/tcp/1".parse().unwrap()] };
    vec![
        Frame::Lag { behind: 9 },
        Frame::Offer(vec![position]),
        Frame::Graft(position),
        Frame::Prune { sender: peer },
        Frame::Members(vec![member]),
        Frame::Leave,
    ]
}

#[test]
fn every_frame_decodes_to_itself_and_no_truncation_does() {
    for frame in frames() {
        let bytes = unframed(&frame.encode().unwrap());
        assert_eq!(Frame::decode(&bytes), Ok(Some(frame)));
        for len in 0..bytes.len() {
            assert!(Frame::decode(&bytes.slice(..len)).is_err());
        }
    }
    assert_eq!(Frame::decode(&Bytes::from_static(&[1, 77, 0, 5])), Ok(None));
}

#[test]
fn golden_bytes_guard_the_frames() {
    let short: Vec<_> = [0, 5].into_iter().map(|at| frames()[at].encode().unwrap()).collect();
    assert_eq!(short, [&[5, 1, 2, 0, 9, 0][..], &[4, 1, 7, 0, 0][..]]);
    let keypair = Keypair::ed25519_from_bytes([7; 32]).unwrap();
    let parcel = Parcel::new(&keypair, (3, 4), items(&[vec![8], vec![]]), None).unwrap();
    let id = keypair.public().to_peer_id().to_bytes();
    let head = [&[id.len() as u8][..], &id, &[3, 4, 0, 0]].concat();
    let expected = [&[1, 1, 0, head.len() as u8][..], &head, &[7, 8, 2]].concat();
    assert_eq!(unframed(&parcel.frame), expected);
    let welcome = Welcome { acceptance: Acceptance::Busy, positions: vec![] };
    assert_eq!(welcome.encode().unwrap(), &[4, 1, 1, 0, 0][..]);
    let (addresses, positions) = (vec![], vec![]);
    let hello = Hello { scope: scope(2), epoch: 5, next: 6, addresses, positions };
    let expected = [vec![70, 1], vec![1; 32], vec![2; 32], vec![5, 6, 0, 0, 0]].concat();
    assert_eq!(hello.encode().unwrap(), expected);
    assert_eq!(Hello::decode(&expected[1..]), Ok(hello));
}

#[test]
fn a_signature_counts_for_its_pipe_and_its_bytes_alone() {
    let keypair = Keypair::generate_ed25519();
    let signed = Parcel::new(&keypair, (3, 4), items(&[b"hello".to_vec()]), Some(scope(2))).unwrap();
    let bytes = unframed(&signed.frame);
    let Ok(Some(Frame::Parcel(read))) = Frame::decode(&bytes) else { panic!("no parcel") };
    assert_eq!(read, signed);
    assert!(read.is_genuine(scope(2)) && !read.is_genuine(scope(3)));
    for at in 3..bytes.len() {
        let mut forged = bytes.to_vec();
        forged[at] ^= 1;
        if let Ok(Some(Frame::Parcel(forged))) = Frame::decode(&forged.into()) {
            assert!(!forged.is_genuine(scope(2)), "byte {at} may be changed");
        }
    }
    let unsigned = Parcel::new(&keypair, (3, 4), items(&[b"hello".to_vec()]), None).unwrap();
    assert!(!unsigned.is_signed() && !unsigned.is_genuine(scope(2)));
}

proptest! {
    #[test]
    fn a_parcel_reads_back(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..9)) {
        let keypair = Keypair::ed25519_from_bytes([7; 32]).unwrap();
        let parcel = Parcel::new(&keypair, (1, 2), items(&bodies), None).unwrap();
        let Ok(Some(Frame::Parcel(read))) = Frame::decode(&unframed(&parcel.frame)) else { panic!("no parcel") };
        prop_assert_eq!(read.items, parcel.items);
    }

    #[test]
    fn any_bytes_are_a_frame_or_an_error(bytes: Vec<u8>, kind in 1u8..8) {
        let bytes = Bytes::from([&[1, kind, 0][..], &bytes].concat());
        let _ = Frame::decode(&bytes);
        let _ = (Hello::decode(&bytes), Welcome::decode(&bytes));
    }
}
