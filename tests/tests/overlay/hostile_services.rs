//! A hostile peer that speaks the overlay well and its services badly: garbage to the rendezvous, to a messenger and
//! to its management agent. Each is refused and counted, and the victims go on.

use std::time::Duration;

use bytes::Bytes;
use im_app::messenger::{Command, Event};
use im_app::net::{Face, Messenger, Output, Settings};
use mgmt_service::ManagePolicy;
use mgmt_service::jmx::{BeanServer, ObjectNamePattern};
use mgmt_service::net::{ManagementAgent, Manager};
use overlay::protocol::{discovery, rendezvous as leases};
use overlay::{Genesis, GroupId, Multiaddr, Peer, PeerId, PipeId, QueryError, RefuseReason};
use rendezvous::limits::Limits;
use rendezvous::net::server::Server;
use serde_json::json;

use crate::world::{PATIENCE, becomes, peer};

/// Bytes that no service can read.
fn garbage() -> Vec<Bytes> {
    let noise: Vec<u8> = (0..500u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let endless = [&[1, 1, 0, 253][..], &[0xff; 8]].concat();
    vec![
        Bytes::new(),
        Bytes::from_static(&[9, 1, 0]),
        Bytes::from_static(&[1]),
        Bytes::from_static(&[1, 0xff, 0xff, 0]),
        Bytes::from(vec![1; 40]),
        Bytes::from(endless),
        Bytes::from(noise),
        Bytes::from(vec![0; 30_000]),
    ]
}

async fn rendezvous() -> (Peer, Server, Multiaddr) {
    let node = peer().await;
    let server = Server::spawn(&node, &Limits::default()).unwrap();
    let address = node.addresses().remove(0);
    (node, server, address)
}

async fn leasing(rendezvous: &Multiaddr) -> Peer {
    let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
    let peer = Peer::builder().listen(listen).rendezvous(rendezvous.clone()).spawn().await.unwrap();
    peer.wait_leased(PATIENCE).await.unwrap();
    peer
}

fn counted(counters: Vec<(&'static str, u64)>, name: &str) -> u64 {
    counters.into_iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no counter {name}")).1
}

/// Waits until `count` has reached `value`.
async fn reaches(what: &str, value: u64, count: impl Fn() -> u64) {
    becomes(what, || count() >= value).await;
}

#[tokio::test]
async fn garbage_to_a_rendezvous_is_refused_as_malformed_and_counted() {
    let (_node, server, address) = rendezvous().await;
    let enemy = leasing(&address).await;
    let victim = server.peer_id();
    let ask = |handler, body| {
        let enemy = enemy.clone();
        async move { enemy.query(victim, &GroupId::net(), handler, body, PATIENCE).await }
    };
    let mut refused = 0;
    for body in garbage() {
        for handler in [leases::HANDLER, discovery::HANDLER] {
            let answer = ask(handler, body.clone()).await;
            assert_eq!(answer, Err(QueryError::Refused(RefuseReason::Malformed)), "{handler}: {body:?}");
            refused += 1;
        }
    }
    assert_eq!(counted(server.status().snapshot(), "refused_malformed"), refused);
    // A publication whose envelopes are garbage is answered, and none of it is kept.
    let publish = discovery::DiscoveryRequest::Publish { advertisements: garbage() }.encode().unwrap();
    let answer = ask(discovery::HANDLER, publish.into()).await.unwrap();
    let answer = discovery::PublishAnswer::decode(&answer).unwrap();
    assert_eq!((answer.accepted, answer.refused), (0, garbage().len() as u32));
    // Others are served as before.
    leasing(&address).await;
}

#[tokio::test]
async fn who_publishes_for_another_or_without_lease_is_refused() {
    let (_node, server, address) = rendezvous().await;
    let (honest, enemy, stranger) = (leasing(&address).await, leasing(&address).await, peer().await);
    let stolen: Vec<Bytes> =
        honest.published().await.iter().map(overlay::SignedAdvertisement::to_bytes).collect();
    assert!(!stolen.is_empty());
    let publish = discovery::DiscoveryRequest::Publish { advertisements: stolen.clone() }.encode().unwrap();
    let answer =
        enemy.query(server.peer_id(), &GroupId::net(), discovery::HANDLER, publish.clone(), PATIENCE).await;
    let answer = discovery::PublishAnswer::decode(&answer.unwrap()).unwrap();
    assert_eq!((answer.accepted, answer.refused), (0, stolen.len() as u32));
    stranger.dial(server.peer_id(), vec![address], PATIENCE).await.unwrap();
    let answer =
        stranger.query(server.peer_id(), &GroupId::net(), discovery::HANDLER, publish, PATIENCE).await;
    assert_eq!(answer, Err(QueryError::Refused(RefuseReason::NotLeased)));
}

/// A messenger with its management agent, and the face that sees what it does.
async fn messenger(name: &str, home: &std::path::Path) -> (Peer, Messenger, Face, ManagementAgent) {
    let peer = peer().await;
    let mut settings = Settings::new(home.join(format!("{name}.db")), name.to_owned());
    settings.ping_period = Duration::from_millis(100);
    let messenger = Messenger::spawn(&peer, settings).await.unwrap();
    let face = messenger.attach().await.unwrap();
    let application = Some(messenger.application().clone());
    let agent =
        ManagementAgent::spawn(&peer, name, application, BeanServer::new(), ManagePolicy::Open).unwrap();
    (peer, messenger, face, agent)
}

fn buddy_pipe(of: PeerId) -> PipeId {
    PipeId::derive(&Genesis::open("im").id(), &format!("buddy/{of}"))
}

/// Opens the pipe, says this as its first message, and waits until the victim ends it or has read it.
async fn say(enemy: &Peer, genesis: &Genesis, to: PeerId, pipe: PipeId, body: Bytes) {
    let group = enemy.join(genesis);
    let mut pipe = group.connect_with(to, pipe, Some(body), PATIENCE).await.unwrap();
    let _ = pipe.close().await;
    let ended = async { while let Ok(Some(_)) = pipe.recv().await {} };
    tokio::time::timeout(PATIENCE, ended).await.expect("the victim keeps a pipe of garbage open");
}

#[tokio::test]
async fn garbage_on_a_messengers_pipe_is_counted_and_its_chat_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let (anne, victim, face, _agent) = messenger("anne", home.path()).await;
    let enemy = peer().await;
    enemy.dial(anne.id(), anne.addresses(), PATIENCE).await.unwrap();
    for (expected, body) in garbage().into_iter().enumerate() {
        say(&enemy, &Genesis::open("im"), anne.id(), buddy_pipe(anne.id()), body).await;
        let refused = || {
            let counters = victim.counters().snapshot();
            counted(counters.clone(), "frames_refused") + counted(counters, "frames_unknown")
        };
        reaches("frames_refused + frames_unknown", expected as u64 + 1, refused).await;
    }
    // A friend comes, and is heard.
    let (_bert, _messenger, friend, _friends_agent) = messenger("bert", home.path()).await;
    let ((anne_says, mut anne_hears), (bert_says, mut bert_hears)) = (face.split(), friend.split());
    let befriending = async {
        while let Some(output) = anne_hears.recv().await {
            let Output::Event { event, .. } = output else { continue };
            match &*event {
                Event::Ready { invite, .. } => {
                    let invite = Box::new(invite.parse().unwrap());
                    bert_says.command(json!(1), Ok(Command::Add { invite, alias: None })).await.unwrap();
                }
                Event::ContactRequest { peer, .. } => {
                    let accept = Command::Accept { buddy: peer.to_string() };
                    anne_says.command(json!(1), Ok(accept)).await.unwrap();
                }
                Event::Message { message, .. } => return message.text.clone(),
                _ => {}
            }
        }
        panic!("anne's messenger has ended");
    };
    let talking = async {
        while let Some(output) = bert_hears.recv().await {
            if let Output::Event { event, .. } = output
                && let Event::Presence(presence) = &*event
                && presence.sight.presence.status.is_open()
            {
                let send = Command::Send { to: "anne".to_owned(), text: "still there?".to_owned() };
                bert_says.command(json!(2), Ok(send)).await.unwrap();
            }
        }
        panic!("bert's messenger has ended");
    };
    let heard = tokio::time::timeout(PATIENCE, async {
        tokio::select! { heard = befriending => heard, heard = talking => heard }
    });
    assert_eq!(heard.await.expect("the friend is not heard"), "still there?");
}

#[tokio::test]
async fn garbage_to_a_management_agent_is_refused_and_it_still_answers() {
    let home = tempfile::tempdir().unwrap();
    let (anne, _messenger, _face, _agent) = messenger("anne", home.path()).await;
    let enemy = peer().await;
    enemy.dial(anne.id(), anne.addresses(), PATIENCE).await.unwrap();
    let net = Genesis::net();
    for body in garbage() {
        let handler = mgmt_service::protocol::HANDLER;
        let answer = enemy.query(anne.id(), &net.id(), handler, body.clone(), PATIENCE).await;
        assert_eq!(answer, Err(QueryError::Refused(RefuseReason::Malformed)), "{body:?}");
        say(&enemy, &net, anne.id(), mgmt_service::protocol::pipe_id(&net.id(), &anne.id()), body).await;
    }
    let manager = peer().await;
    manager.dial(anne.id(), anne.addresses(), PATIENCE).await.unwrap();
    let agents: ObjectNamePattern = "juxta:type=agent".parse().unwrap();
    let beans = Manager::new(&manager).get(anne.id(), &agents, &[]).await.unwrap();
    let attributes: Vec<_> = beans.iter().flat_map(|bean| &bean.attributes).collect();
    let value = |name: &str| {
        attributes.iter().find(|(known, _)| known.as_str() == name).map(|(_, value)| value.to_string())
    };
    assert_eq!(value("gets_refused"), Some(garbage().len().to_string()));
    let failed: u64 = ["subscribing_failed", "pipes_broken"]
        .iter()
        .map(|name| value(name).unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(failed, garbage().len() as u64);
}
