//! A service of one's own on the resolver: it counts the words of what it is asked.
//!
//! `cargo run -p overlay --example word_service` serves and prints its address; with that address and a text as
//! arguments it asks. No pipe is opened: question and answer travel on the session of the two peers.

use std::error::Error;
use std::time::Duration;

use overlay::{GroupId, Multiaddr, Peer, RefuseReason};

/// The name that asker and answerer agree on.
const HANDLER: &str = "example.words";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => serve().await,
        [address, text] => ask(address.parse()?, text.clone()).await,
        _ => Err("arguments: none to serve, or ADDRESS TEXT to ask".into()),
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let peer = Peer::builder().listen("/ip4/127.0.0.1/tcp/0".parse()?).spawn().await?;
    let mut queries = peer.register_handler(HANDLER)?;
    for address in peer.addresses() {
        println!("{address}");
    }
    while let Some(query) = queries.recv().await {
        // Refusing says why; a query that is dropped is answered "failed", so nobody waits in vain.
        match std::str::from_utf8(&query.body) {
            Ok(text) => {
                let words = text.split_whitespace().count();
                query.reply(words.to_string());
            }
            Err(_) => query.refuse(RefuseReason::Malformed),
        }
    }
    Ok(())
}

async fn ask(address: Multiaddr, text: String) -> Result<(), Box<dyn Error>> {
    let peer = Peer::builder().spawn().await?;
    let server = peer.dial_address(address, Duration::from_secs(20)).await?;
    let answer = peer.query(server, &GroupId::net(), HANDLER, text, Duration::from_secs(20)).await?;
    println!("{} words", String::from_utf8_lossy(&answer));
    Ok(())
}
