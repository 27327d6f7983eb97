//! A hostile peer on propagate pipes: a stranger hears and says nothing, and nobody speaks for another.

use std::time::{Duration, Instant};

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::swarm::Stream;
use overlay::limits::PROPAGATE_DIALS;
use overlay::{GroupId, GroupPolicy, Keypair, Multiaddr, Peer, PeerId, PropagatePipe};
use tests::Bare;

use crate::hostile::{enemy_of, frame};
use crate::propagate::next;
use crate::world::{PATIENCE, becomes, group, meter, meter_reaches, peer, pipe};

const PROPAGATE: &str = "/juxta/propagate/1";

/// Opens a link as a member would; what is answered, and the link.
async fn link(enemy: &Bare, victim: &Peer, group: GroupId, name: &str) -> (Vec<u8>, Stream) {
    let mut stream = enemy.open(victim.id(), PROPAGATE).await;
    let hello = [&[1][..], group.as_bytes(), pipe(name).as_bytes(), &[1, 0, 0, 0, 0]].concat();
    stream.write_all(&frame(&hello)).await.unwrap();
    stream.flush().await.unwrap();
    let reading = async {
        let len = unsigned_varint::aio::read_usize(&mut stream).await.unwrap();
        let mut bytes = vec![0; len];
        stream.read_exact(&mut bytes).await.unwrap();
        bytes
    };
    (tokio::time::timeout(PATIENCE, reading).await.expect("no answer"), stream)
}

/// A parcel that says it is of `sender`.
fn parcel(sender: PeerId, number: u8, signature: &[u8], body: &[u8]) -> Vec<u8> {
    let id = sender.to_bytes();
    let head = [&[id.len() as u8][..], &id, &[1, number, signature.len() as u8], signature, &[0]].concat();
    frame(&[&[1, 1, 0, head.len() as u8][..], &head, &[(body.len() as u8) << 2 | 2], body].concat())
}

async fn says(stream: &mut Stream, bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
}

async fn victim_with(name: &str) -> (Peer, PropagatePipe) {
    let victim = peer().await;
    let bound = group(&victim).propagate_pipe(pipe(name)).unwrap();
    (victim, bound)
}

#[tokio::test]
async fn who_is_no_member_of_a_closed_group_is_refused_like_in_an_unknown_one() {
    let victim = peer().await;
    let closed = victim.create_group("target", GroupPolicy::Invite).await.unwrap();
    let _bound = closed.propagate_pipe(pipe("vault")).unwrap();
    let enemy = enemy_of(&victim).await;
    let unknown = link(&enemy, &victim, GroupId::from_bytes([9; 32]), "vault").await.0;
    assert_eq!(link(&enemy, &victim, closed.id(), "vault").await.0, unknown);
    meter_reaches(&victim, "propagate_refused", 2).await;
}

#[tokio::test]
async fn who_speaks_for_another_is_cut_off_with_and_without_a_signature_and_is_not_heard() {
    for signature in [&[][..], &[7; 64][..]] {
        let (victim, mut bound) = victim_with("speaking").await;
        let enemy = enemy_of(&victim).await;
        let (_, mut stream) = link(&enemy, &victim, group(&victim).id(), "speaking").await;
        says(&mut stream, &parcel(enemy.id, 0, &[], b"as myself")).await;
        let other = Keypair::generate_ed25519().public().to_peer_id();
        says(&mut stream, &parcel(other, 0, signature, b"as another")).await;
        assert_eq!(&next(&mut bound).await.body[..], b"as myself");
        meter_reaches(&victim, "propagate_forgeries", 1).await;
        // It is not taken back, and a friend is heard.
        let friend = peer().await;
        friend.dial(victim.id(), victim.addresses(), PATIENCE).await.unwrap();
        let mut friends = group(&friend).propagate_pipe(pipe("speaking")).unwrap();
        tokio::time::timeout(PATIENCE, friends.wait_members(1)).await.unwrap();
        friends.send("friend").await.unwrap();
        assert_eq!(&next(&mut bound).await.body[..], b"friend");
        assert_eq!(meter(&victim, "task_panics"), 0);
    }
}

#[tokio::test]
async fn garbage_and_oversize_end_the_link_and_are_counted() {
    let (victim, _bound) = victim_with("garbage").await;
    let garbage = [
        frame(&[1, 1, 0, 200]),
        frame(&[9; 9]),
        vec![0xff; 32],
        frame(&vec![0; 81 * 1024]),
        frame(&[1, 3, 0, 9]),
    ];
    for (count, bytes) in garbage.into_iter().enumerate() {
        let enemy = enemy_of(&victim).await;
        let (_, mut stream) = link(&enemy, &victim, group(&victim).id(), "garbage").await;
        // It may be ended while it is written.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.flush().await;
        meter_reaches(&victim, "propagate_garbage", count as u64 + 1).await;
    }
    let enemy = enemy_of(&victim).await;
    let mut stream = enemy.open(victim.id(), PROPAGATE).await;
    says(&mut stream, &frame(&[1, 2, 3])).await;
    meter_reaches(&victim, "propagate_garbage", 6).await;
    assert_eq!(meter(&victim, "task_panics"), 0);
}

#[tokio::test]
async fn who_tells_of_a_thousand_members_makes_nobody_dial_them_all() {
    let (victim, mut bound) = victim_with("storm").await;
    let enemy = enemy_of(&victim).await;
    let (_, mut stream) = link(&enemy, &victim, group(&victim).id(), "storm").await;
    let target = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = target.local_addr().unwrap().port();
    let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
    let address = address.to_vec();
    let start = Instant::now();
    for _ in 0..8 {
        let mut members = vec![1, 6, 0, 125];
        for _ in 0..125 {
            let id = Keypair::generate_ed25519().public().to_peer_id().to_bytes();
            members.extend([&[id.len() as u8][..], &id, &[1, address.len() as u8], &address].concat());
        }
        members.push(0);
        says(&mut stream, &frame(&members)).await;
    }
    let mut dialed = 0;
    for _ in 0..=20 {
        drop(tokio::time::timeout(PATIENCE, target.accept()).await.expect("few are dialed").unwrap());
        dialed += 1;
    }
    let dialing = async {
        loop {
            drop(target.accept().await.unwrap());
            dialed += 1;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(2), dialing).await.is_err());
    // A try dials where the member is said to be, and once more where it may have moved since.
    let (burst, rate) = (f64::from(PROPAGATE_DIALS.burst), f64::from(PROPAGATE_DIALS.per_second));
    let allowed = 2.0 * (burst + start.elapsed().as_secs_f64() * rate + 1.0);
    assert!(f64::from(dialed) <= allowed, "{dialed} dials, allowed {allowed}");
    // Who comes by itself is linked with all the same.
    let friend = peer().await;
    friend.dial(victim.id(), victim.addresses(), PATIENCE).await.unwrap();
    let mut friends = group(&friend).propagate_pipe(pipe("storm")).unwrap();
    becomes("the friend is not known", || bound.members().contains(&friend.id())).await;
    friends.send("friend").await.unwrap();
    assert_eq!(&next(&mut bound).await.body[..], b"friend");
}
