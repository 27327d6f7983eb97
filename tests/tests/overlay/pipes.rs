//! Pipes deliver in order, say what becomes of each message, and a slow reader stalls nobody else.

use std::time::Duration;

use bytes::Bytes;
use overlay::{ConnectError, RecvError, SendError, limits};
use tests::scaled;

use crate::world::{PATIENCE, connect, group, meter, peer, pipe};

#[tokio::test]
async fn messages_of_all_sizes_arrive_whole_and_in_order_both_ways() {
    let (anne, bert) = (peer().await, peer().await);
    let (near, far) = connect(&anne, &bert, "order").await;
    let sizes: Vec<usize> = vec![0, 1, 127, 128, 65_535, 65_536, 1_000_003, limits::PIPE_MESSAGE_BYTES_MAX];
    let (mut near_tx, mut near_rx) = near.split();
    let (mut far_tx, mut far_rx) = far.split();
    let echo = tokio::spawn(async move {
        while let Some(message) = far_rx.recv().await.unwrap() {
            far_tx.send(message).await.unwrap();
        }
        far_tx.close().await.unwrap();
    });
    let expected = sizes.clone();
    let sending = tokio::spawn(async move {
        for (number, size) in sizes.into_iter().enumerate() {
            near_tx.feed(vec![number as u8; size]).await.unwrap();
        }
        near_tx.close().await.unwrap();
    });
    for (number, size) in expected.into_iter().enumerate() {
        let message = near_rx.recv().await.unwrap().unwrap();
        assert_eq!((message.len(), message.iter().all(|byte| *byte == number as u8)), (size, true));
    }
    assert_eq!(near_rx.recv().await.unwrap(), None);
    sending.await.unwrap();
    echo.await.unwrap();
}

#[tokio::test]
async fn a_slow_reader_on_one_pipe_stalls_nobody_else() {
    let (anne, bert) = (peer().await, peer().await);
    let (mut stuck, _unread) = connect(&anne, &bert, "stuck").await;
    let (mut near, mut far) = connect(&anne, &bert, "lively").await;
    let block = Bytes::from(vec![0; 64 * 1024]);
    let fill = async {
        loop {
            stuck.send(block.clone()).await.unwrap();
        }
    };
    // The stuck pipe takes what its window holds, then its sender waits: memory is bounded.
    let echo = tokio::spawn(async move {
        while let Some(message) = far.recv().await.unwrap() {
            far.send(message).await.unwrap();
        }
    });
    let chat = async {
        for round in 0..scaled(20_000) {
            near.send(round.to_le_bytes().to_vec()).await.unwrap();
            let answer = near.recv().await.unwrap().unwrap();
            assert_eq!(answer.as_ref(), round.to_le_bytes());
        }
    };
    tokio::select! {
        () = fill => panic!("a pipe that nobody reads took everything"),
        finished = tokio::time::timeout(PATIENCE, chat) => finished.expect("the lively pipe was stalled"),
    }
    // The resolver between the same two peers is not stalled either.
    let unanswered = anne.query(bert.id(), &overlay::GroupId::net(), "nobody", "", PATIENCE).await;
    assert_eq!(unanswered, Err(overlay::QueryError::NoHandler));
    echo.abort();
}

#[tokio::test]
async fn a_reader_that_stalls_bounds_what_its_sender_hands_over_and_then_gets_it_all() {
    let (anne, bert) = (peer().await, peer().await);
    let (mut near, mut far) = connect(&anne, &bert, "stalled").await;
    let (before, block) = (anne.link_meters(bert.id()), Bytes::from(vec![7; 64 * 1024]));
    let mut fed = 0u64;
    // Taken for full when it takes nothing for a while; should it only have been slow, less was fed and all still holds.
    while let Ok(done) = tokio::time::timeout(Duration::from_millis(500), near.feed(block.clone())).await {
        done.unwrap();
        fed += 1;
        assert!(
            fed * 64 < 2 * limits::PIPE_MESSAGE_BYTES_MAX as u64 / 1024,
            "{fed} blocks of 64 KiB and no end"
        );
    }
    let handed = anne.link_meters(bert.id()).bytes_out - before.bytes_out;
    assert!(handed <= fed * (64 * 1024 + 3), "{handed} bytes counted, {fed} blocks fed");
    let reading = tokio::spawn(async move {
        let mut blocks = 0;
        while let Some(block) = far.recv().await.unwrap() {
            blocks += u64::from(block.len() == 64 * 1024);
        }
        blocks
    });
    near.close().await.unwrap();
    assert_eq!(reading.await.unwrap(), fed);
    let after = bert.link_meters(anne.id());
    assert!(after.bytes_in >= fed * 64 * 1024 && after.connections == 1, "{after:?}");
}

#[tokio::test]
async fn every_open_ends_in_a_pipe_or_a_reason() {
    let (anne, bert) = (peer().await, peer().await);
    anne.dial(bert.id(), bert.addresses(), PATIENCE).await.unwrap();
    let unbound = group(&anne).connect(bert.id(), pipe("unbound")).await;
    assert_eq!(unbound.err(), Some(ConnectError::NoSuchPipe));
    let _listener = group(&bert).bind(pipe("full")).unwrap();
    let wrong_kind = group(&anne).connect_unicast(bert.id(), pipe("full")).await;
    assert_eq!(wrong_kind.err(), Some(ConnectError::NoSuchPipe));
    let mut held = Vec::new();
    for _ in 0..limits::ACCEPT_QUEUE {
        held.push(group(&anne).connect(bert.id(), pipe("full")).await.unwrap());
    }
    let one_more = group(&anne).connect(bert.id(), pipe("full")).await;
    assert_eq!(one_more.err(), Some(ConnectError::Busy));
    assert_eq!((meter(&bert, "pipes_refused"), meter(&bert, "pipes_busy")), (2, 1));
}

#[tokio::test]
async fn many_opens_at_once_are_accepted_or_told_busy_and_none_is_silent() {
    let (anne, bert) = (peer().await, peer().await);
    let mut listener = group(&bert).bind(pipe("crowd")).unwrap();
    anne.dial(bert.id(), bert.addresses(), PATIENCE).await.unwrap();
    let accepting = tokio::spawn(async move {
        let mut accepted = Vec::new();
        while let Some(pipe) = listener.accept().await {
            accepted.push(pipe);
        }
    });
    let group = group(&anne);
    let opens = (0..scaled(1000)).map(|_| group.connect(bert.id(), pipe("crowd")));
    for open in futures::future::join_all(opens).await {
        match open {
            Ok(_) | Err(ConnectError::Busy) => {}
            Err(other) => panic!("an open ended in {other}"),
        }
    }
    accepting.abort();
}

#[tokio::test]
async fn a_pipe_is_bound_in_its_group_alone() {
    let (anne, bert) = (peer().await, peer().await);
    let _listener = group(&bert).bind(pipe("here")).unwrap();
    anne.dial(bert.id(), bert.addresses(), PATIENCE).await.unwrap();
    let elsewhere = anne.join(&overlay::Genesis::open("elsewhere")).connect(bert.id(), pipe("here")).await;
    assert_eq!(elsewhere.err(), Some(ConnectError::NoSuchPipe));
}

#[tokio::test]
async fn a_first_message_rides_with_the_open() {
    let (anne, bert) = (peer().await, peer().await);
    let mut listener = group(&bert).bind(pipe("first")).unwrap();
    anne.dial(bert.id(), bert.addresses(), PATIENCE).await.unwrap();
    let first = Some(Bytes::from_static(b"hello"));
    let _near = group(&anne).connect_with(bert.id(), pipe("first"), first, PATIENCE).await.unwrap();
    let mut far = listener.accept().await.unwrap();
    assert_eq!(far.recv().await.unwrap().as_deref(), Some(&b"hello"[..]));
}

#[tokio::test]
async fn an_end_and_a_break_are_told_apart_and_a_break_is_told_to_the_sender() {
    let (anne, bert) = (peer().await, peer().await);
    let (mut near, mut far) = connect(&anne, &bert, "ends").await;
    let too_large = near.send(vec![0; limits::PIPE_MESSAGE_BYTES_MAX + 1]).await;
    assert!(matches!(too_large, Err(SendError::TooLarge { .. })));
    near.close().await.unwrap();
    assert_eq!(far.recv().await, Ok(None));

    let (mut near, mut far) = connect(&anne, &bert, "breaks").await;
    bert.close(anne.id()).await;
    let far_end = tokio::time::timeout(PATIENCE, far.recv()).await.expect("a broken pipe is silent");
    assert_eq!(far_end, Err(RecvError::Reset));
    let broken = async { while near.send("are you there").await.is_ok() {} };
    tokio::time::timeout(PATIENCE, broken).await.expect("a send on a broken pipe goes on for ever");
}

#[tokio::test]
async fn a_dropped_pipe_and_a_peer_that_is_gone_are_breaks_and_told_to_who_is_sending() {
    let (anne, bert) = (peer().await, peer().await);
    let (mut near, far) = connect(&anne, &bert, "dropped").await;
    drop(far);
    let far_end = tokio::time::timeout(PATIENCE, near.recv()).await.expect("a dropped pipe is silent");
    assert_eq!(far_end, Err(RecvError::Reset));

    let (near, mut far) = connect(&anne, &bert, "gone").await;
    let (mut sender, mut receiver) = near.split();
    // In the middle of a message that is larger than what fits on the way.
    let sending = tokio::spawn(async move { sender.send(vec![0; 8 << 20]).await });
    let receiving = tokio::spawn(async move { receiver.recv().await });
    far.send("so far").await.unwrap();
    let mut input = group(&bert).bind_unicast(pipe("inbox")).unwrap();
    let mut output = group(&anne).connect_unicast(bert.id(), pipe("inbox")).await.unwrap();
    output.send("heard").await.unwrap();
    assert_eq!(input.recv().await.map(|message| message.body), Some(Bytes::from_static(b"heard")));
    drop(bert);
    drop((far, input));
    let ends = async { (sending.await.unwrap(), receiving.await.unwrap()) };
    let (sent, received) = tokio::time::timeout(PATIENCE, ends).await.expect("a half waits for ever");
    match sent {
        Err(SendError::Closed { unconfirmed }) => assert!(unconfirmed > 1 << 20, "{unconfirmed} bytes"),
        other => panic!("{other:?}"),
    }
    assert_eq!(received, Ok(Some(Bytes::from_static(b"so far"))));
    let telling = async { while output.send("anybody").await.is_ok() {} };
    tokio::time::timeout(PATIENCE, telling).await.expect("a unicast sender is never told");
}

#[tokio::test]
async fn many_senders_reach_one_input_pipe_each_in_order() {
    let receiver = peer().await;
    let mut input = group(&receiver).bind_unicast(pipe("inbox")).unwrap();
    let count = scaled(4000);
    for sender in 0..4u8 {
        let to = (receiver.id(), receiver.addresses());
        tokio::spawn(async move {
            let peer = peer().await;
            peer.dial(to.0, to.1, PATIENCE).await.unwrap();
            let mut output = group(&peer).connect_unicast(to.0, pipe("inbox")).await.unwrap();
            for number in 0..count {
                output.feed([&[sender][..], &number.to_le_bytes()].concat()).await.unwrap();
            }
            output.close().await.unwrap();
            // The peer must live until everything has left it.
            std::future::pending::<()>().await;
        });
    }
    let mut next = [0u32; 4];
    while next != [count; 4] {
        let message = tokio::time::timeout(PATIENCE, input.recv()).await.unwrap().unwrap();
        let (sender, number) = message.body.split_first().unwrap();
        let expected = &mut next[usize::from(*sender)];
        assert_eq!(number, expected.to_le_bytes());
        *expected += 1;
    }
}

#[tokio::test]
async fn opening_and_closing_leaves_nothing_behind() {
    let (anne, bert) = (peer().await, peer().await);
    let mut listener = group(&bert).bind(pipe("cycle")).unwrap();
    anne.dial(bert.id(), bert.addresses(), PATIENCE).await.unwrap();
    for _ in 0..scaled(10_000) {
        let mut near = group(&anne).connect(bert.id(), pipe("cycle")).await.unwrap();
        let mut far = listener.accept().await.unwrap();
        near.close().await.unwrap();
        assert_eq!(far.recv().await, Ok(None));
    }
    drop(listener);
    let unbound = group(&anne).connect(bert.id(), pipe("cycle")).await;
    assert_eq!(unbound.err(), Some(ConnectError::NoSuchPipe));
    for name in ["pipes_busy", "pipe_timeouts", "inbound_overflow", "task_panics"] {
        assert_eq!((name, meter(&bert, name)), (name, 0));
    }
    assert_eq!(meter(&bert, "pipes_in"), u64::from(scaled(10_000)));
}

#[tokio::test]
async fn nobody_is_reached_without_an_address_and_the_error_says_so() {
    let (anne, bert) = (peer().await, peer().await);
    let unknown = group(&anne).connect(bert.id(), pipe("x")).await;
    assert!(matches!(unknown, Err(ConnectError::Unreachable { .. })), "{unknown:?}");
    let dead = "/ip4/127.0.0.1/tcp/9".parse().unwrap();
    let refused = anne.dial(bert.id(), vec![dead], PATIENCE).await;
    match refused {
        Err(ConnectError::Unreachable { reason }) => assert!(reason.contains("/tcp/9"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn both_halves_of_a_pipe_hear_that_this_side_closed_the_connection() {
    let (anne, bert) = (peer().await, peer().await);
    let (near, far) = connect(&anne, &bert, "halves").await;
    let (mut sender, mut receiver) = near.split();
    let reading = tokio::spawn(async move { receiver.recv().await });
    // Nobody reads at the far end, so the writer waits as well once the window is full.
    let writing = tokio::spawn(async move { while sender.send(vec![0; 64 * 1024]).await.is_ok() {} });
    a_turn_passes(&anne).await;
    anne.close(bert.id()).await;
    let ended = async { (reading.await.unwrap(), writing.await.unwrap()) };
    let (read, ()) = tokio::time::timeout(PATIENCE, ended).await.expect("a half waits for ever");
    assert_eq!(read, Err(RecvError::Reset));
    drop(far);
}

/// Waits until a question has gone there and back, so that what was started before has had its turn.
async fn a_turn_passes(peer: &overlay::Peer) {
    let nobody = overlay::Keypair::generate_ed25519().public().to_peer_id();
    let asked = peer.query(nobody, &overlay::GroupId::net(), "nobody", "", PATIENCE).await;
    assert!(asked.is_err());
}
