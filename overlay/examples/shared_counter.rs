//! A counter with a replica at each peer, over resumable pipes: no cut of a connection loses or doubles a step.
//!
//! `cargo run -p overlay --example shared_counter` prints its address; `… -- ADDRESS` counts with it. Each number on
//! the input is added; the sum is printed whenever it changes, here and there.
#![expect(clippy::disallowed_methods, reason = "a program starts tasks")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use futures::StreamExt;
use overlay::{Genesis, Peer, PipeId, ResumablePipe};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::sync::watch;

/// What each peer has added. Only itself raises its number, so of two numbers the larger is the newer.
type State = BTreeMap<String, u64>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let peer = Peer::builder().listen("/ip4/127.0.0.1/tcp/0".parse()?).spawn().await?;
    let (group, state) = (peer.join(&Genesis::open("counter")), watch::Sender::new(State::new()));
    let (pipe, mut changes) = (PipeId::derive(&group.id(), "state"), state.subscribe());
    if let Some(address) = std::env::args().nth(1) {
        let to = peer.dial_address(address.parse()?, Duration::from_secs(20)).await?;
        let pipe = group.connect_resumable(to, pipe, Duration::from_secs(60)).await?;
        tokio::spawn(exchange(pipe, state.clone()));
    } else {
        let (listener, state) = (group.bind_resumable(pipe)?, state.clone());
        peer.addresses().iter().for_each(|address| println!("{address}"));
        tokio::spawn(listener.for_each_concurrent(None, move |pipe| exchange(pipe, state.clone())));
    }
    let mut lines = BufReader::new(stdin()).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => {
                let Some(line) = line? else { return Ok(()) };
                let step: u64 = line.parse()?;
                state.send_modify(|state| *state.entry(peer.id().to_string()).or_default() += step);
            }
            Ok(()) = changes.changed() => println!("{}", changes.borrow_and_update().values().sum::<u64>()),
        }
    }
}

/// Tells the other end each new state and takes in its states, until one of them leaves.
async fn exchange(mut pipe: ResumablePipe, state: watch::Sender<State>) {
    let mut changes = state.subscribe();
    changes.mark_changed();
    loop {
        tokio::select! {
            Ok(()) = changes.changed() => {
                let text: String = changes.borrow_and_update().iter().map(|(peer, n)| format!("{peer} {n}\n")).collect();
                if pipe.send(text).await.is_err() { return }
            }
            theirs = pipe.recv() => {
                let Ok(Some(theirs)) = theirs else { return };
                let text = String::from_utf8_lossy(&theirs).into_owned();
                state.send_if_modified(|state| {
                    let before = state.values().sum::<u64>();
                    for (peer, n) in text.lines().filter_map(|line| line.split_once(' ')) {
                        let known = state.entry(peer.to_owned()).or_default();
                        *known = n.parse().unwrap_or(0).max(*known);
                    }
                    state.values().sum::<u64>() > before
                });
            }
        }
    }
}
