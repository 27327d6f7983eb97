//! Resumable pipes: whatever the network does, each message arrives once and in order, or its sender is told.

use std::net::SocketAddr;
use std::time::Duration;

use overlay::{ConnectError, Multiaddr, Peer, Protocol, RecvError, ResumablePipe, SendError, limits};
use tests::{FaultyLink, scaled};
use tokio::sync::watch;

use crate::world::{PATIENCE, group, meter, meter_reaches, peer, pipe};

/// A link to `to` by which alone `from` reaches it.
async fn link(from: &Peer, to: &Peer) -> FaultyLink {
    let address = to.addresses().remove(0);
    let port = address.iter().find_map(|part| if let Protocol::Tcp(port) = part { Some(port) } else { None });
    let link = FaultyLink::spawn(SocketAddr::from(([127, 0, 0, 1], port.unwrap()))).await;
    // No room is left for the address that identify will tell.
    for port in 1..limits::ADDRESSES_PER_PEER_MAX {
        from.add_address(to.id(), format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()).await;
    }
    let near: Multiaddr = format!("/ip4/127.0.0.1/tcp/{}", link.near.port()).parse().unwrap();
    from.dial(to.id(), vec![near], PATIENCE).await.unwrap();
    link
}

/// Both ends of a new resumable pipe from `from` to `to`.
async fn connect(from: &Peer, to: &Peer, within: Duration) -> (ResumablePipe, ResumablePipe) {
    let mut listener = group(to).bind_resumable(pipe("lasting")).unwrap();
    let near = group(from).connect_resumable(to.id(), pipe("lasting"), within).await.unwrap();
    let far = listener.accept().await.unwrap();
    assert_eq!((near.remote(), far.remote()), (to.id(), from.id()));
    (near, far)
}

/// Sends `count` numbered messages, each when it is allowed, while as many are received; then closes.
async fn exchange(pipe: ResumablePipe, count: u32, mut allowed: watch::Receiver<u32>) {
    let (mut sender, mut receiver) = pipe.split();
    let sending = async {
        for number in 0..count {
            allowed.wait_for(|allowed| number < *allowed).await.unwrap();
            let padding = number as usize % 1000;
            sender.send([&number.to_le_bytes()[..], &vec![number as u8; padding]].concat()).await.unwrap();
            if number % 97 == 0 {
                sender.flush().await.unwrap();
            }
        }
        sender.close().await.unwrap();
        assert_eq!(sender.unconfirmed(), 0);
    };
    let receiving = async {
        for number in 0..count {
            let message = receiver.recv().await.unwrap().expect("messages are lost");
            assert_eq!(message[..4], number.to_le_bytes(), "lost, doubled or out of order");
            assert_eq!(message.len(), 4 + number as usize % 1000);
        }
        assert_eq!(receiver.recv().await, Ok(None));
    };
    tokio::join!(sending, receiving);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_however_often_the_connection_is_cut() {
    let (anne, bert) = (peer().await, peer().await);
    let link = link(&anne, &bert).await;
    let (near, far) = connect(&anne, &bert, PATIENCE).await;
    let (count, cuts) = (scaled(100_000), scaled(50).max(5));
    let allow = watch::Sender::new(0);
    let there = tokio::spawn(exchange(near, count, allow.subscribe()));
    let back = tokio::spawn(exchange(far, count, allow.subscribe()));
    for cut in 0..cuts {
        link.connected().await;
        meter_reaches(&anne, "pipes_resumed", u64::from(cut)).await;
        link.delay(Duration::from_millis(u64::from(cut % 4)));
        // It breaks in the middle of what it carries, or in what follows on it.
        allow.send_replace(count / cuts * (cut + 1));
        tokio::time::sleep(Duration::from_millis(u64::from(7 * cut % 20))).await;
        match cut % 3 {
            0 => link.reset(),
            1 => link.close(),
            _ => {
                link.lose(true);
                tokio::time::sleep(Duration::from_millis(10)).await;
                link.refuse(true);
                link.reset();
                link.lose(false);
                tokio::time::sleep(Duration::from_millis(10)).await;
                link.refuse(false);
            }
        }
    }
    allow.send_replace(count);
    let both = async { (there.await.unwrap(), back.await.unwrap()) };
    tokio::time::timeout(4 * PATIENCE, both).await.expect("the pipe stands still");
    assert!(meter(&anne, "pipes_resumed") >= u64::from(cuts) - 1);
    assert_eq!(meter(&bert, "pipes_in"), 1, "a resumption is no new pipe");
    for name in ["resumes_refused", "pipes_given_up", "pipe_garbage", "task_panics"] {
        assert_eq!([meter(&anne, name), meter(&bert, name)], [0, 0], "{name}");
    }
}

#[tokio::test]
async fn a_slow_reader_bounds_the_sender_and_both_ends_memory() {
    let (anne, bert) = (peer().await, peer().await);
    let _link = link(&anne, &bert).await;
    let (mut near, mut far) = connect(&anne, &bert, PATIENCE).await;
    let (mut sent, message) = (0u64, vec![3; 10_000]);
    while let Ok(accepted) =
        tokio::time::timeout(Duration::from_millis(500), near.send(message.clone())).await
    {
        accepted.unwrap();
        sent += 1;
    }
    assert!(sent * 10_000 <= limits::RESUMABLE_WINDOW + 10_000, "{sent} messages were accepted");
    // What the other end has is acknowledged, read or not.
    near.flush().await.unwrap();
    let reading = tokio::spawn(async move {
        let mut read = 0;
        while let Some(message) = far.recv().await.unwrap() {
            assert_eq!(message.len(), 10_000);
            read += 1;
        }
        read
    });
    near.send(message.clone()).await.unwrap();
    near.close().await.unwrap();
    assert_eq!(reading.await.unwrap(), sent + 1);
}

#[tokio::test]
async fn who_cannot_resume_is_told_how_many_messages_are_unconfirmed() {
    let (anne, bert) = (peer().await, peer().await);
    let link = link(&anne, &bert).await;
    let (mut near, far) = connect(&anne, &bert, Duration::from_secs(1)).await;
    near.send("arrives").await.unwrap();
    near.flush().await.unwrap();
    // The time to resume in begins when the connection is seen to be lost.
    link.lose(true);
    near.send("one").await.unwrap();
    near.send("two").await.unwrap();
    link.refuse(true);
    link.reset();
    let flushed = tokio::time::timeout(PATIENCE, near.flush()).await.expect("the failure is silent");
    match flushed {
        Err(SendError::NotResumed { unconfirmed: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert!(matches!(near.send("three").await, Err(SendError::NotResumed { unconfirmed: 2, .. })));
    assert_eq!(near.recv().await, Err(RecvError::Reset));
    assert_eq!(meter(&anne, "pipes_given_up"), 1);
    drop(far);
}

#[tokio::test]
async fn a_peer_that_is_gone_and_one_that_forgot_the_pipe_end_it_with_a_reason() {
    let (anne, bert) = (peer().await, peer().await);
    let link = link(&anne, &bert).await;
    let (mut near, far) = connect(&anne, &bert, PATIENCE).await;
    // The application at the other end drops the pipe while the connection is down: then it is unknown there.
    link.refuse(true);
    link.reset();
    near.send("who is there").await.unwrap();
    drop(far);
    link.refuse(false);
    let ended = tokio::time::timeout(PATIENCE, near.flush()).await.expect("the failure is silent");
    assert!(matches!(
        ended,
        Err(SendError::NotResumed { unconfirmed: 1, last: ConnectError::NoSuchPipe | ConnectError::Closed })
    ));
    // This peer itself ends.
    let (mut near, mut far) = connect(&anne, &bert, PATIENCE).await;
    far.send("last words").await.unwrap();
    assert_eq!(near.recv().await.unwrap().as_deref(), Some(&b"last words"[..]));
    anne.shutdown().await;
    let voiced = async { while near.send("into the void").await.is_ok() && near.flush().await.is_ok() {} };
    tokio::time::timeout(PATIENCE, voiced).await.expect("the failure is silent");
    assert!(matches!(near.flush().await.and(near.send("").await), Err(SendError::NotResumed { .. })));
}

#[tokio::test]
async fn a_dropped_end_delivers_what_it_accepted_and_ends_the_other() {
    let (anne, bert) = (peer().await, peer().await);
    let _link = link(&anne, &bert).await;
    let (mut near, mut far) = connect(&anne, &bert, PATIENCE).await;
    near.send("before I go").await.unwrap();
    drop(near);
    assert_eq!(far.recv().await.unwrap().as_deref(), Some(&b"before I go"[..]));
    assert_eq!(far.recv().await, Err(RecvError::Reset));
    assert!(matches!(far.send("too late").await, Err(SendError::NotResumed { .. })));
    // A clean end leaves nothing behind.
    let (mut near, mut far) = connect(&anne, &bert, PATIENCE).await;
    let (closed, ended) = tokio::join!(near.close(), far.recv());
    assert_eq!((closed, ended), (Ok(()), Ok(None)));
    assert!(matches!(near.send("after the end").await, Err(SendError::Closed { .. })));
    far.close().await.unwrap();
    assert_eq!(near.recv().await, Ok(None));
}
