//! `cargo bench -p tests --bench presence`: the paper's measurement, a PING and its PONG between two buddies with a
//! rendezvous running (paper §4.5: 850 ms ± 300 ms on a LAN, its rendezvous outside). Two messengers in one process,
//! each on a thread and runtime of its own, over loopback TCP; the times are those that ARM records.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use im_app::invite::Invite;
use im_app::messenger::{Command, Event};
use im_app::net::{Face, Messenger, Output, Settings};
use mgmt_service::arm::{Overflow, Status};
use overlay::{Multiaddr, Peer};
use rendezvous::net::server::Server;
use serde_json::json;
use tests::bench::{Figure, Plan, quantile};

const PATIENCE: Duration = Duration::from_secs(10);
/// The shortest that a messenger takes, to gather enough of them.
const PING_PERIOD: Duration = Duration::from_millis(10);

fn main() {
    let plan = Plan::from_args("presence");
    let home = tempfile::tempdir().unwrap();
    let (address, rendezvous) = mpsc::sync_channel(1);
    thread::spawn(move || runtime().block_on(serve(&address)));
    let rendezvous = rendezvous.recv().unwrap();

    let (invite, invited) = mpsc::sync_channel(1);
    let (bert_home, bert_rendezvous) = (home.path().join("bert"), rendezvous.clone());
    thread::spawn(move || runtime().block_on(answer(bert_home, bert_rendezvous, &invite)));
    let invite = invited.recv().unwrap();

    let samples = plan.rounds * 20;
    let anne_home = home.path().join("anne");
    let times = runtime().block_on(ask(anne_home, rendezvous, &invite, samples));
    let (mut p50, mut p99) =
        (Figure::alone("presence_rtt_p50", "us"), Figure::alone("presence_rtt_p99", "us"));
    p50.measured(quantile(&times, 0.5));
    p99.measured(quantile(&times, 0.99));
    p50.print();
    p99.print();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn loopback() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/0".parse().unwrap()
}

async fn serve(address: &mpsc::SyncSender<Multiaddr>) {
    let peer = Peer::builder().listen(loopback()).spawn().await.unwrap();
    let server = Server::spawn(&peer, &rendezvous::limits::Limits::default()).unwrap();
    address.send(peer.addresses().remove(0)).unwrap();
    server.ended().await;
}

async fn messenger(name: &str, home: std::path::PathBuf, rendezvous: Multiaddr) -> (Messenger, Face) {
    std::fs::create_dir_all(&home).unwrap();
    let peer = Peer::builder().listen(loopback()).rendezvous(rendezvous.clone()).spawn().await.unwrap();
    peer.wait_leased(PATIENCE).await.unwrap();
    let mut settings = Settings::new(home.join("im.db"), name.to_owned());
    settings.rendezvous = vec![rendezvous];
    settings.ping_period = PING_PERIOD;
    let messenger = Messenger::spawn(&peer, settings).await.unwrap();
    let face = messenger.attach().await.unwrap();
    (messenger, face)
}

/// Bert says yes to whoever asks, and answers PINGs.
async fn answer(home: std::path::PathBuf, rendezvous: Multiaddr, invite: &mpsc::SyncSender<String>) {
    let (_messenger, face) = messenger("bert", home, rendezvous).await;
    let (commands, mut outputs) = face.split();
    while let Some(output) = outputs.recv().await {
        let Output::Event { event, .. } = output else { continue };
        match &*event {
            Event::Ready { invite: text, .. } => invite.send(text.clone()).unwrap(),
            Event::ContactRequest { peer, .. } => {
                let accept = Command::Accept { buddy: peer.to_string() };
                commands.command(json!(null), Ok(accept)).await.unwrap();
            }
            _ => {}
        }
    }
}

/// Anne adds Bert and measures until she has enough answered PINGs.
async fn ask(home: std::path::PathBuf, rendezvous: Multiaddr, invite: &str, samples: usize) -> Vec<f64> {
    let (messenger, face) = messenger("anne", home, rendezvous).await;
    let (commands, mut outputs) = face.split();
    let invite: Invite = invite.parse().unwrap();
    commands.command(json!(null), Ok(Command::Add { invite: Box::new(invite), alias: None })).await.unwrap();
    let records = messenger.application().subscribe(4096, Overflow::DropOldest).unwrap();
    // The first tenth is the transient phase, in which peers discover each other (paper §4.5).
    let warm_up = samples / 10;
    let mut times = Vec::new();
    while times.len() < samples + warm_up {
        tokio::select! {
            record = records.recv() => {
                if let (Status::Good, Some(response)) = (record.status, record.response_us) {
                    times.push(response as f64);
                }
            }
            _ = outputs.recv() => {}
        }
    }
    times.split_off(warm_up)
}
