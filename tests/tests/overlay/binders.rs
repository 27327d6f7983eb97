//! A pipe is connected to wherever it is bound, and followed when it moves.

use std::time::Duration;

use overlay::{ConnectError, InputPipe, Peer, SendError};

use crate::meeting::{edge, rendezvous_on_loopback};
use crate::world::{PATIENCE, awake, becomes, group, meter, pipe};

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
    let following = async {
        let mut hearing = Box::pin(hears(&mut at_cleo, &anne, "to the second"));
        // What is handed to the transport before the end is heard of goes nowhere, so it is said until it is heard.
        loop {
            output.send("to the second").await.unwrap();
            if tokio::time::timeout(Duration::from_millis(10), hearing.as_mut()).await.is_ok() {
                break;
            }
        }
    };
    awake(RECOVERY, following).await.expect("the second binder is not found");
    assert_eq!(output.remote(), Some(cleo.id()));

    // Its peer dies without a word, and another takes its place.
    let at_bert = bind(&bert).await;
    drop((at_cleo, cleo));
    let following = async {
        while output.remote() != Some(bert.id()) {
            output.send("to whom it may concern").await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    awake(RECOVERY, following).await.expect("the third binder is not found");
    drop(at_bert);
}

#[tokio::test]
async fn one_of_several_binders_is_chosen_and_stayed_with() {
    let (_rendezvous, _server, address) = rendezvous_on_loopback().await;
    let (anne, bert, cleo) = (edge(&address).await, edge(&address).await, edge(&address).await);
    let _inputs = (bind(&bert).await, bind(&cleo).await);
    // Who doesn't answer in time is left out, and asked again.
    let finding = async {
        loop {
            let binders = group(&anne).binders(pipe("moving")).await;
            if binders.len() == 2 {
                return binders;
            }
        }
    };
    let binders = tokio::time::timeout(PATIENCE, finding).await.expect("not both are found");
    assert!(binders.contains(&bert.id()) && binders.contains(&cleo.id()));
    let mut output = group(&anne).connect_any(pipe("moving"), PATIENCE).await.unwrap();
    let (chosen, opened) = (output.remote(), meter(&anne, "pipes_out"));
    for _ in 0..100 {
        output.send("x").await.unwrap();
        assert_eq!(output.remote(), chosen);
    }
    assert_eq!(meter(&anne, "pipes_out"), opened);
    // Among those who bind it, one that can be talked to already comes first.
    anne.reach(cleo.id(), PATIENCE).await.unwrap();
    anne.close(bert.id()).await;
    becomes("it is not at hand", || {
        anne.round_trip(cleo.id()).is_some() && anne.round_trip(bert.id()).is_none()
    })
    .await;
    assert_eq!(group(&anne).binders(pipe("moving")).await.first(), Some(&cleo.id()));
}

#[tokio::test]
async fn a_pipe_that_nobody_binds_is_an_error_within_the_deadline() {
    let (_rendezvous, _server, address) = rendezvous_on_loopback().await;
    let (anne, bert) = (edge(&address).await, edge(&address).await);
    let short = Duration::from_millis(500);
    let nobody = group(&anne).connect_any(pipe("moving"), short).await;
    assert_eq!(nobody.err(), Some(ConnectError::NoBinder { tried: 0, after: short }));
    // Advertised, and not bound. A machine that stands still finds even that out within a longer deadline alone.
    for deadline in [short, 4 * short, 16 * short, 64 * short] {
        let input = bind(&bert).await;
        let Ok(mut output) = group(&anne).connect_any(pipe("moving"), deadline).await else { continue };
        drop(input);
        let refused = group(&anne).connect_any(pipe("moving"), deadline).await.err();
        if refused == Some(ConnectError::NoBinder { tried: 0, after: deadline }) {
            continue;
        }
        assert_eq!(refused, Some(ConnectError::NoBinder { tried: 1, after: deadline }));
        let sending = async {
            loop {
                if let Err(error) = output.send("anybody there").await {
                    return error;
                }
            }
        };
        let error = tokio::time::timeout(PATIENCE, sending).await.expect("sends go nowhere for ever");
        assert_eq!((error, output.remote()), (SendError::NoBinder { after: deadline }, None));
        return;
    }
    panic!("the binder is never found within the deadline");
}
