//! In a closed group every kind of pipe asks for proof on each connection, and ends with the place of who opened it.

use std::time::Duration;

use overlay::credential::Role;
use overlay::{ConnectError, PipeId, SendError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::groups::{founder, member};
use crate::world::{PATIENCE, awake, meter_reaches, peer};

#[tokio::test]
async fn a_byte_stream_and_a_resumable_pipe_live_by_their_openers_place_and_no_longer() {
    let (anne, annes) = founder().await;
    let (bert, berts) = member(&annes, Role::Member).await;
    let [bytes, lasting] = ["bytes", "lasting"].map(|name| PipeId::derive(&annes.id(), name));
    let mut streams = annes.bind_stream(bytes).unwrap();
    let mut pipes = annes.bind_resumable(lasting).unwrap();

    // Who is no member finds neither.
    let mallory = peer().await;
    mallory.dial(anne.id(), anne.addresses(), PATIENCE).await.unwrap();
    let outside = mallory.net_group();
    assert_eq!(outside.connect_stream(anne.id(), bytes).await.err(), Some(ConnectError::NoSuchPipe));
    let refused = outside.connect_resumable(anne.id(), lasting, PATIENCE).await;
    assert_eq!(refused.err(), Some(ConnectError::NoSuchPipe));

    let mut near = berts.connect_resumable(anne.id(), lasting, PATIENCE).await.unwrap();
    let mut far = pipes.accept().await.unwrap();
    near.send("one").await.unwrap();
    assert_eq!(far.recv().await.unwrap().as_deref(), Some(&b"one"[..]));
    // On the next connection the opener proves its place again.
    anne.close(bert.id()).await;
    meter_reaches(&bert, "pipes_resumed", 1).await;
    near.send("two").await.unwrap();
    near.flush().await.unwrap();
    assert_eq!(far.recv().await.unwrap().as_deref(), Some(&b"two"[..]));

    let mut writer = berts.connect_stream(anne.id(), bytes).await.unwrap();
    let mut reader = streams.accept().await.unwrap();
    writer.write_all(b"three").await.unwrap();
    writer.flush().await.unwrap();
    reader.read_exact(&mut [0; 5]).await.unwrap();
    annes.revoke(bert.id()).unwrap();
    let ending = async {
        assert!(reader.read(&mut [0; 1]).await.is_err(), "a revoked member's stream ends as a whole one");
        while near.send("four").await.is_ok() && near.flush().await.is_ok() {}
        near.send("five").await
    };
    let ended = awake(Duration::from_secs(5), ending).await.expect("the revoked goes on");
    assert!(matches!(ended, Err(SendError::NotResumed { .. })), "{ended:?}");
}
