//! Somebody asks to be dialed back where it is not: AutoNAT v2 spoken by hand.

use futures::{AsyncReadExt, AsyncWriteExt};
use overlay::{Multiaddr, Reach};
use tests::Bare;
use tokio::net::TcpListener;

use crate::reach::relay;
use crate::world::{meter, meter_reaches};

const DIAL_REQUEST: &str = "/libp2p/autonat/2/dial-request";

/// { dialRequest: { addrs: [address], nonce } }
fn request(address: &Multiaddr) -> Vec<u8> {
    let address = address.to_vec();
    let nonce = [&[2 << 3 | 1], &7_u64.to_le_bytes()[..]].concat();
    let request = [&[1 << 3 | 2, address.len() as u8], &address[..], &nonce].concat();
    let message = [&[1 << 3 | 2, request.len() as u8], &request[..]].concat();
    [&[message.len() as u8], &message[..]].concat()
}

/// { dialDataResponse: { data: 4,000 bytes } }
fn data() -> Vec<u8> {
    let varint = |number: usize| [number as u8 | 128, (number >> 7) as u8];
    let data = [&[1 << 3 | 2], &varint(4000)[..], &[0; 4000]].concat();
    let message = [&[4 << 3 | 2], &varint(data.len())[..], &data].concat();
    [&varint(message.len())[..], &message].concat()
}

#[tokio::test]
async fn nobody_is_dialed_back_where_it_is_not() {
    let (host, address) = relay(Reach::default()).await;
    let third_party = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = third_party.local_addr().unwrap().port();
    let liar = Bare::spawn(false).await;
    liar.dial(&address).await;
    for number in 1..=3 {
        let mut stream = liar.open(host.id(), DIAL_REQUEST).await;
        let elsewhere = format!("/ip4/127.0.0.2/tcp/{port}").parse().unwrap();
        stream.write_all(&request(&elsewhere)).await.unwrap();
        // At most 100,000 bytes are wanted for an address that isn't the one seen.
        for _ in 0..26 {
            if stream.write_all(&data()).await.is_err() || stream.flush().await.is_err() {
                break;
            }
        }
        let mut answers = Vec::new();
        let _ = stream.read_to_end(&mut answers).await;
        meter_reaches(&host, "dial_backs_refused", number).await;
    }
    let knocked = tokio::time::timeout(std::time::Duration::ZERO, third_party.accept()).await;
    assert!(knocked.is_err());
    assert_eq!(meter(&host, "dial_backs"), 0);
}
