//! A pipe is connected to wherever it is bound, and followed when it moves.

use std::time::{Duration, Instant};

use overlay::{ConnectError, InputPipe, Peer, SendError};

use crate::meeting::{edge, rendezvous_on_loopback};
use crate::world::{PATIENCE, group, meter, pipe};

/// How soon a sender must have found the new binder.
const RECOVERY: Duration = Duration::from_secs(5);

async fn bind(peer: &Peer) -> InputPipe {
    let input = group(peer).bind_unicast(pipe("moving")).unwrap();
    group(peer).advertise_binder(pipe("moving")).await.unwrap();
    input
}

async fn hears(input: &mut InputPipe, from: &Peer, expected: &str) {
    let message = tokio::time::timeout(PATIENCE, input.recv()).await.unwrap().unwrap();
    assert_eq!((message.from, &message.body[..]), (from.id(), expected.as_bytes()));
}

#[tokio::test]
async fn a_sender_follows_a_pipe_that_moves_to_another_peer() {
    let (_rendezvous, _server, address) = rendezvous_on_loopback().await;
    let (anne, bert, cleo) = (edge(&address).await, edge(&address).await, edge(&address).await);
    let mut at_bert = bind(&bert).await;
    let mut output = group(&anne).connect_any(pipe("moving"), PATIENCE).await.unwrap();
    output.send("to the first").await.unwrap();
    assert_eq!(output.remote(), Some(bert.id()));
    hears(&mut at_bert, &anne, "to the first").await;

    // It moves: unbound here, bound there.
    drop(at_bert);
    group(&bert).withdraw_binder(pipe("moving")).await.unwrap();
    let mut at_cleo = bind(&cleo).await;
    let start = Instant::now();
    let mut hearing = Box::pin(hears(&mut at_cleo, &anne, "to the second"));
    // What is handed to the transport before the end is heard of goes nowhere, so it is said until it is heard.
    loop {
        output.send("to the second").await.unwrap();
        if tokio::time::timeout(Duration::from_millis(10), hearing.as_mut()).await.is_ok() {
            break;
        }
    }
    drop(hearing);
    assert_eq!(output.remote(), Some(cleo.id()));
    assert!(start.elapsed() < RECOVERY, "found after {:?}", start.elapsed());

    // Its peer dies without a word, and another takes its place.
    let at_bert = bind(&bert).await;
    drop((at_cleo, cleo));
    let start = Instant::now();
    while output.remote() != Some(bert.id()) {
        output.send("to whom it may concern").await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(start.elapsed() < RECOVERY, "found after {:?}", start.elapsed());
    drop(at_bert);
}

#[tokio::test]
async fn one_of_several_binders_is_chosen_and_stayed_with() {
    let (_rendezvous, _server, address) = rendezvous_on_loopback().await;
    let (anne, bert, cleo) = (edge(&address).await, edge(&address).await, edge(&address).await);
    let _inputs = (bind(&bert).await, bind(&cleo).await);
    let binders = group(&anne).binders(pipe("moving")).await;
    assert!(binders.len() == 2 && binders.contains(&bert.id()) && binders.contains(&cleo.id()));
    let mut output = group(&anne).connect_any(pipe("moving"), PATIENCE).await.unwrap();
    let chosen = output.remote();
    for _ in 0..100 {
        output.send("x").await.unwrap();
        assert_eq!(output.remote(), chosen);
    }
    assert_eq!(meter(&anne, "pipes_out"), 1);
    // Among those who bind it, one that can be talked to already comes first.
    anne.reach(cleo.id(), PATIENCE).await.unwrap();
    anne.close(bert.id()).await;
    while anne.round_trip(cleo.id()).is_none() || anne.round_trip(bert.id()).is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(group(&anne).binders(pipe("moving")).await.first(), Some(&cleo.id()));
}

#[tokio::test]
async fn a_pipe_that_nobody_binds_is_an_error_within_the_deadline() {
    let (_rendezvous, _server, address) = rendezvous_on_loopback().await;
    let (anne, bert) = (edge(&address).await, edge(&address).await);
    let deadline = Duration::from_millis(500);
    let nobody = group(&anne).connect_any(pipe("moving"), deadline).await;
    assert_eq!(nobody.err(), Some(ConnectError::NoBinder { tried: 0, after: deadline }));
    // Advertised, and not bound.
    let input = bind(&bert).await;
    let mut output = group(&anne).connect_any(pipe("moving"), deadline).await.unwrap();
    drop(input);
    let refused = group(&anne).connect_any(pipe("moving"), deadline).await;
    assert_eq!(refused.err(), Some(ConnectError::NoBinder { tried: 1, after: deadline }));
    let sending = async {
        loop {
            if let Err(error) = output.send("anybody there").await {
                return error;
            }
        }
    };
    let error = tokio::time::timeout(PATIENCE, sending).await.expect("sends go nowhere for ever");
    assert_eq!((error, output.remote()), (SendError::NoBinder { after: deadline }, None));
}
