//! A relay that wants to read what it carries: it speaks circuit relay v2 by hand, opens what is encrypted for it,
//! and looks for the message.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::swarm::Stream;
use overlay::{Multiaddr, Peer, PeerId, Protocol};
use tests::Bare;

use crate::reach::{behind, circuit};
use crate::world::{PATIENCE, group, pipe};

const HOP: &str = "/libp2p/circuit/relay/0.2.0/hop";
const STOP: &str = "/libp2p/circuit/relay/0.2.0/stop";
const SECRET: &[u8] = b"the words that nobody between may read";

/// What went through.
type Seen = Arc<Mutex<Vec<u8>>>;

/// A protobuf field that holds bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 128);
    [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
}

/// A protobuf field that holds a number below 128.
fn small(number: u8, value: u8) -> Vec<u8> {
    vec![number << 3, value]
}

async fn put(stream: &mut Stream, message: &[u8]) {
    let len = u8::try_from(message.len()).unwrap();
    assert!(len < 128);
    stream.write_all(&[&[len], message].concat()).await.unwrap();
    stream.flush().await.unwrap();
}

async fn take(stream: &mut Stream) -> Vec<u8> {
    let mut len = [0];
    stream.read_exact(&mut len).await.unwrap();
    let mut message = vec![0; len[0].into()];
    stream.read_exact(&mut message).await.unwrap();
    message
}

/// Seconds since 1970, as a varint.
fn in_an_hour() -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (mut bytes, mut rest) = (Vec::new(), now + 3600);
    while rest >= 128 {
        bytes.push(rest as u8 | 128);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// Grants each reservation, connects each circuit, and keeps all that comes by.
async fn relay_and_read(bare: Bare, seen: Seen) {
    let mut asked = bare.accept(HOP);
    let address = bare.address.clone();
    while let Some((from, mut hop)) = asked.next().await {
        let message = take(&mut hop).await;
        // { type: RESERVE }, which is the default and left out, or { type: CONNECT, peer: { id } }
        if !message.starts_with(&small(1, 1)) {
            let reservation = [vec![1 << 3], in_an_hour(), field(2, &address.to_vec())].concat();
            let status = vec![5 << 3, 100];
            put(&mut hop, &[small(1, 2), field(3, &reservation), status].concat()).await;
            hop.close().await.unwrap();
            continue;
        }
        let peer = &message[2..];
        let target = PeerId::from_bytes(&peer[4..]).unwrap();
        let mut stop = bare.open(target, STOP).await;
        put(&mut stop, &[small(1, 0), field(2, &field(1, &from.to_bytes()))].concat()).await;
        take(&mut stop).await;
        put(&mut hop, &[small(1, 2), vec![5 << 3, 100]].concat()).await;
        let ((from_hop, to_hop), (from_stop, to_stop)) = (hop.split(), stop.split());
        tokio::spawn(copy(from_hop, to_stop, seen.clone()));
        tokio::spawn(copy(from_stop, to_hop, seen.clone()));
    }
}

async fn copy(mut from: futures::io::ReadHalf<Stream>, mut to: futures::io::WriteHalf<Stream>, seen: Seen) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        seen.lock().unwrap().extend(&buffer[..len]);
        if to.write_all(&buffer[..len]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_relay_that_reads_along_sees_no_word() {
    let (bare, seen) = (Bare::spawn(false).await, Seen::default());
    let address: Multiaddr = bare.address.clone();
    tokio::spawn(relay_and_read(bare, seen.clone()));
    let bert = behind(&address, None).await;
    circuit(&bert).await;
    let mut listener = group(&bert).bind(pipe("secret")).unwrap();
    let anne = Peer::builder().spawn().await.unwrap();
    let through = address.with(Protocol::P2pCircuit).with(Protocol::P2p(bert.id()));
    anne.dial(bert.id(), vec![through], PATIENCE).await.unwrap();
    let mut near = group(&anne).connect(bert.id(), pipe("secret")).await.unwrap();
    let mut far = listener.accept().await.unwrap();
    for _ in 0..100 {
        near.send(SECRET).await.unwrap();
        assert_eq!(far.recv().await.unwrap().unwrap(), SECRET);
    }
    let seen = seen.lock().unwrap();
    let shows = |words: &[u8]| seen.windows(words.len()).any(|window| window == words);
    // What precedes the encryption shows that it is the circuit that is read.
    assert!(shows(b"/noise") && seen.len() > 100 * SECRET.len(), "{} bytes", seen.len());
    assert!(!shows(SECRET) && !shows(&SECRET[..12]) && !shows(b"/juxta/"));
}
