//! `group_talker`: a manageable peer in two groups, whose messages are known to the byte.
//!
//! In: arguments `--rendezvous ADDRESS --data-dir DIR`; lines `GROUP PEER ADDRESS COUNT BYTES` on stdin, each of which sends so
//! many messages of so many bytes to a peer in the group `red` or `blue`. Out: `ready` with id and address, `sent` when the
//! other side has read them all. Ends with its stdin. One command at a time.

use std::path::PathBuf;

use mgmt_service::ManagePolicy;
use mgmt_service::jmx::BeanServer;
use mgmt_service::net::ManagementAgent;
use overlay::{Genesis, Peer, PeerGroup, PipeId, PipeListener, identity};
use serde_json::json;
use tests::PATIENCE;
use tokio::io::{AsyncBufReadExt, BufReader};

#[tokio::main(worker_threads = 2)]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let of = |name: &str| words[1 + words.iter().position(|word| word == name).unwrap()].clone();
    let dir = PathBuf::from(of("--data-dir"));
    std::fs::create_dir_all(&dir).unwrap();
    let keypair = identity::load_or_create(&dir.join("identity")).unwrap();
    let listening = Peer::builder().keypair(keypair).listen("/ip4/127.0.0.1/tcp/0".parse().unwrap());
    let peer = listening.rendezvous(of("--rendezvous").parse().unwrap()).spawn().await.unwrap();
    peer.wait_leased(PATIENCE).await.unwrap();
    let open = ManagePolicy::Open;
    let agent = ManagementAgent::start(&peer, "talker", None, BeanServer::new(), &open, &dir).await.unwrap();
    for label in ["red", "blue"] {
        let (group, pipe) = group(&peer, label);
        tokio::spawn(listen(group.bind(pipe).unwrap()));
    }
    let address = peer.addresses().first().unwrap().to_string();
    println!("{}", json!({ "event": "ready", "peer_id": peer.id().to_string(), "address": address }));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        send(&peer, &line).await;
        println!("{}", json!({ "event": "sent" }));
    }
    agent.shutdown().await;
    tokio::time::timeout(PATIENCE, peer.shutdown()).await.unwrap();
}

fn group(peer: &Peer, label: &str) -> (PeerGroup, PipeId) {
    let group = peer.join(&Genesis::open(label));
    let pipe = PipeId::derive(&group.id(), "talk");
    (group, pipe)
}

/// Reads what comes, and closes each pipe behind its last message.
async fn listen(mut listener: PipeListener) {
    while let Some(mut pipe) = listener.accept().await {
        while let Ok(Some(_)) = pipe.recv().await {}
        // Who sent may be gone.
        let _ = pipe.close().await;
    }
}

async fn send(peer: &Peer, line: &str) {
    let [label, to, address, count, bytes] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let to = to.parse().unwrap();
    peer.dial(to, vec![address.parse().unwrap()], PATIENCE).await.unwrap();
    let (group, pipe) = group(peer, label);
    let mut pipe = group.connect(to, pipe).await.unwrap();
    for _ in 0..count.parse().unwrap() {
        pipe.feed(vec![7; bytes.parse().unwrap()]).await.unwrap();
    }
    pipe.close().await.unwrap();
    assert_eq!(pipe.recv().await, Ok(None));
}
