//! A group that one enters by invitation only.
//!
//! `cargo run -p overlay --example private_group -- create NAME` creates it, prints one ticket for each line `invite`
//! on its input, and revokes a member for each line `revoke PEER`. `… -- join TICKET` enters and says hello.
#![expect(clippy::disallowed_methods, reason = "a program starts tasks and reads the clock")]

use std::error::Error;
use std::time::Duration;

use overlay::credential::{Role, Ticket};
use overlay::{GroupPolicy, Peer, PeerGroup, PipeId};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let peer = Peer::builder().listen("/ip4/127.0.0.1/tcp/0".parse()?).spawn().await?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["create", name] => create(&peer.create_group(name, GroupPolicy::Invite).await?).await,
        ["join", ticket] => {
            let issuer = ticket.parse::<Ticket>()?.issuers().next().ok_or("the ticket names no issuer")?;
            let group = peer.join_ticket(ticket).await?;
            let mut pipe = group.connect(issuer, PipeId::derive(&group.id(), "hall")).await?;
            pipe.send("hello").await?;
            println!("{} is in the group {:?}", peer.id(), group.genesis().label());
            // The pipe ends when the membership does.
            let ended = pipe.recv().await;
            println!("left: {ended:?}");
            Ok(())
        }
        _ => Err("arguments: create NAME, or join TICKET".into()),
    }
}

async fn create(group: &PeerGroup) -> Result<(), Box<dyn Error>> {
    let mut hall = group.bind(PipeId::derive(&group.id(), "hall"))?;
    let mut lines = BufReader::new(stdin()).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => {
                let Some(line) = line? else { return Ok(()) };
                match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                    ["invite"] => println!("{}", group.invite(Role::Member, Duration::from_secs(3600))?),
                    ["revoke", peer] => group.revoke(peer.parse()?)?,
                    _ => println!("commands: invite, revoke PEER"),
                }
            }
            Some(mut pipe) = hall.accept() => {
                tokio::spawn(async move {
                    while let Ok(Some(message)) = pipe.recv().await {
                        println!("{}: {}", pipe.remote(), String::from_utf8_lossy(&message));
                    }
                    println!("{} has gone", pipe.remote());
                });
            }
        }
    }
}
