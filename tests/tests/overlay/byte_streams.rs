//! Byte streams carry what any reader and writer of bytes says, end by halves, and never pass a break off as an end.

use std::io::ErrorKind;

use overlay::{ConnectError, Peer, PipeStream};
use tests::scaled;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{PATIENCE, group, peer, pipe};

/// Both ends of a new byte stream from `from` to `to`.
async fn connect(from: &Peer, to: &Peer) -> (PipeStream, PipeStream) {
    let mut listener = group(to).bind_stream(pipe("bytes")).unwrap();
    from.dial(to.id(), to.addresses(), PATIENCE).await.unwrap();
    let near = group(from).connect_stream(to.id(), pipe("bytes")).await.unwrap();
    let far = listener.accept().await.unwrap();
    assert_eq!((near.remote(), far.remote()), (to.id(), from.id()));
    (near, far)
}

#[tokio::test]
async fn a_large_file_arrives_as_it_was_by_tokios_own_copy() {
    let (anne, bert) = (peer().await, peer().await);
    let (mut near, mut far) = connect(&anne, &bert).await;
    let megabytes = scaled(1024);
    let sending = tokio::spawn(async move {
        let mut hasher = blake3::Hasher::new();
        for number in 0..megabytes {
            let megabyte: Vec<u8> = (0..1 << 20).map(|at: u32| ((at / 7) ^ at ^ number) as u8).collect();
            hasher.update(&megabyte);
            tokio::io::copy(&mut megabyte.as_slice(), &mut near).await.unwrap();
        }
        near.shutdown().await.unwrap();
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.unwrap();
        (hasher.finalize(), answer)
    });
    let (mut hasher, mut buffer, mut total) = (blake3::Hasher::new(), vec![0; 100_000], 0);
    while let len @ 1.. = far.read(&mut buffer).await.unwrap() {
        hasher.update(&buffer[..len]);
        total += len;
    }
    // The other direction still goes after the end of this one.
    far.write_all(b"thanks").await.unwrap();
    far.shutdown().await.unwrap();
    let (sent, answer) = sending.await.unwrap();
    assert_eq!((total, hasher.finalize()), ((megabytes as usize) << 20, sent));
    assert_eq!(answer, "thanks");
}

#[tokio::test]
async fn the_traits_of_futures_do_as_well() {
    use futures::io::{AsyncReadExt, AsyncWriteExt};
    let (anne, bert) = (peer().await, peer().await);
    let (near, mut far) = connect(&anne, &bert).await;
    let (mut read, mut write) = AsyncReadExt::split(near);
    AsyncWriteExt::write_all(&mut write, b"to and").await.unwrap();
    AsyncWriteExt::close(&mut write).await.unwrap();
    let mut heard = Vec::new();
    AsyncReadExt::read_to_end(&mut far, &mut heard).await.unwrap();
    AsyncWriteExt::write_all(&mut far, b" fro").await.unwrap();
    AsyncWriteExt::close(&mut far).await.unwrap();
    AsyncReadExt::read_to_end(&mut read, &mut heard).await.unwrap();
    assert_eq!(heard, b"to and fro");
}

#[tokio::test]
async fn a_stream_that_is_dropped_or_whose_peer_is_gone_is_an_error_and_not_an_end() {
    let (anne, bert) = (peer().await, peer().await);
    let (mut near, mut far) = connect(&anne, &bert).await;
    near.write_all(b"half a wo").await.unwrap();
    near.flush().await.unwrap();
    drop(near);
    let mut heard = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, far.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let writing = async { while far.write_all(&[0; 4096]).await.is_ok() && far.flush().await.is_ok() {} };
    tokio::time::timeout(PATIENCE, writing).await.expect("a write to nobody goes on for ever");

    let (mut near, mut far) = connect(&anne, &bert).await;
    far.write_all(b"x").await.unwrap();
    far.flush().await.unwrap();
    assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 1);
    drop(bert);
    let ended = tokio::time::timeout(PATIENCE, near.read(&mut [0; 8])).await.unwrap();
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_reader_that_stalls_makes_the_writer_wait_with_bounded_memory() {
    let (anne, bert) = (peer().await, peer().await);
    let (mut near, mut far) = connect(&anne, &bert).await;
    let (mut taken, block) = (0, vec![7; 64 * 1024]);
    // Nobody reads: at some point no write is ready any more, however long one waits.
    loop {
        let next = std::pin::pin!(near.write(&block));
        match tokio::time::timeout(std::time::Duration::from_millis(500), next).await {
            Ok(len) => taken += len.unwrap(),
            Err(_) => break,
        }
        assert!(taken <= 4 << 20, "{taken} bytes were taken that nobody reads");
    }
    // All of it arrives once somebody does.
    let closing = tokio::spawn(async move { near.shutdown().await.unwrap() });
    let mut heard = Vec::new();
    far.read_to_end(&mut heard).await.unwrap();
    closing.await.unwrap();
    assert_eq!((heard.len(), heard.iter().all(|byte| *byte == 7)), (taken, true));
}

#[tokio::test]
async fn a_byte_stream_is_no_pipe_of_messages() {
    let (anne, bert) = (peer().await, peer().await);
    let _listener = group(&bert).bind_stream(pipe("kind")).unwrap();
    anne.dial(bert.id(), bert.addresses(), PATIENCE).await.unwrap();
    let opened = group(&anne).connect(bert.id(), pipe("kind")).await;
    assert_eq!(opened.err(), Some(ConnectError::NoSuchPipe));
}
