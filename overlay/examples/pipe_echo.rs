//! Echo over a bidirectional pipe.
//!
//! `cargo run -p overlay --example pipe_echo` waits and prints its address. With that address as argument it sends
//! each line of its input there, and prints what comes back with the time it took.
#![expect(clippy::disallowed_methods, reason = "a program starts tasks and reads the clock")]

use std::error::Error;
use std::time::{Duration, Instant};

use overlay::{Genesis, Multiaddr, Peer, PipeId};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        None => serve().await,
        Some(address) => ask(address.parse()?).await,
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let peer = Peer::builder().listen("/ip4/127.0.0.1/tcp/0".parse()?).spawn().await?;
    let group = peer.join(&Genesis::open("echo"));
    let mut listener = group.bind(PipeId::derive(&group.id(), "echo"))?;
    for address in peer.addresses() {
        println!("{address}");
    }
    while let Some(mut pipe) = listener.accept().await {
        tokio::spawn(async move {
            while let Ok(Some(message)) = pipe.recv().await {
                if pipe.send(message).await.is_err() {
                    break;
                }
            }
        });
    }
    Ok(())
}

async fn ask(address: Multiaddr) -> Result<(), Box<dyn Error>> {
    let peer = Peer::builder().spawn().await?;
    let server = peer.dial_address(address, Duration::from_secs(20)).await?;
    let group = peer.join(&Genesis::open("echo"));
    let mut pipe = group.connect(server, PipeId::derive(&group.id(), "echo")).await?;

    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let sent = Instant::now();
        pipe.send(line).await?;
        let echo = pipe.recv().await?.ok_or("the other side has ended")?;
        println!("{} ({:?})", String::from_utf8_lossy(&echo), sent.elapsed());
    }
    pipe.close().await?;
    Ok(())
}
