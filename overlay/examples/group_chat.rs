//! A chat of many on a propagate pipe.
//!
//! `cargo run -p overlay --example group_chat -- RENDEZVOUS NAME [OTHERS]` joins and waits for so many others, one if not
//! said; then each line of the input goes to all who have joined. RENDEZVOUS is an address that `rendezvous run` prints.

use std::error::Error;
use std::time::Duration;

use overlay::{Genesis, Message, Peer, PipeId, Propagated};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rendezvous, name, others @ ..] = arguments.as_slice() else {
        return Err("arguments: RENDEZVOUS NAME [OTHERS]".into());
    };
    let peer = Peer::builder()
        .listen("/ip4/127.0.0.1/tcp/0".parse()?)
        .rendezvous(rendezvous.parse()?)
        .spawn()
        .await?;
    peer.wait_leased(Duration::from_secs(30)).await?;
    let group = peer.join(&Genesis::open("chat"));
    let (mut sender, mut receiver) = group.propagate_pipe(PipeId::derive(&group.id(), "hall"))?.split();

    println!("joined; waiting for others");
    sender.wait_members(others.first().map_or(Ok(1), |others| others.parse())?).await;
    println!("{} here beside you", sender.members().len());
    let mut lines = BufReader::new(stdin()).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(line) => sender.send(format!("{name}: {line}")).await?,
                None => break,
            },
            event = receiver.recv() => match event {
                Some(Propagated::Message(Message { body, .. })) => println!("{}", String::from_utf8_lossy(&body)),
                // Who reads too slowly is told how far it is behind, and what it will never get.
                Some(Propagated::Missed { from, count }) => println!("{count} messages of {from} are lost"),
                Some(_) => {}
                None => break,
            },
        }
    }
    // What was sent leaves first.
    sender.close().await?;
    peer.shutdown().await;
    Ok(())
}
