//! Closed groups through a rendezvous that is no member: members find each other there, and nobody else learns a thing.

use std::time::Duration;

use futures::StreamExt;
use overlay::credential::Role;
use overlay::{
    Advertisement, AdvertisementKind, ConnectError, DiscoveryQuery, Genesis, GroupPolicy, Keypair, Lifetime,
    Multiaddr, Peer, PeerBuilder, PeerEvent, PeerGroup, PipeId, PublishError, QueryError, RefuseReason,
    SignedAdvertisement,
};
use rendezvous::limits::Limits;
use rendezvous::net::server::Server;

use crate::groups::{DAY, is_cut, says};
use crate::world::{PATIENCE, awake, is_found, meter, place_of_its_own};

/// A rendezvous, and what edges know of it: its address.
pub(crate) struct Town {
    pub(crate) host: Peer,
    pub(crate) server: Server,
    address: Multiaddr,
}

impl Town {
    pub(crate) async fn new() -> Self {
        Self::with(&Limits::default()).await
    }

    pub(crate) async fn with(limits: &Limits) -> Self {
        Self::spawn(Peer::builder().listen(loopback()), limits).await
    }

    async fn at(key: Keypair, listen: Multiaddr) -> Self {
        Self::spawn(Peer::builder().keypair(key).listen(listen), &Limits::default()).await
    }

    async fn spawn(builder: PeerBuilder, limits: &Limits) -> Self {
        let host = builder.spawn().await.unwrap();
        let server = Server::spawn(&host, limits).unwrap();
        let address = host.addresses().remove(0);
        Self { host, server, address }
    }

    /// A peer that knows the rendezvous and nothing else, and holds a lease.
    pub(crate) async fn edge(&self) -> Peer {
        self.edge_as(Keypair::generate_ed25519()).await
    }

    pub(crate) async fn edge_as(&self, keypair: Keypair) -> Peer {
        let builder = Peer::builder().keypair(keypair).listen(loopback());
        let peer = builder.rendezvous(self.address.clone()).spawn().await.unwrap();
        peer.wait_leased(PATIENCE).await.unwrap();
        is_found(&peer).await;
        peer
    }

    pub(crate) async fn founder(&self) -> (Peer, PeerGroup) {
        let peer = self.edge().await;
        let group = peer.create_group("friends", GroupPolicy::Invite).await.unwrap();
        (peer, group)
    }

    /// A peer that the issuer let in by a ticket.
    pub(crate) async fn member(&self, issuer: &PeerGroup) -> (Peer, PeerGroup) {
        let peer = self.edge().await;
        let ticket = issuer.invite(Role::Member, DAY).unwrap().to_string();
        let group = peer.join_ticket(&ticket).await.unwrap();
        (peer, group)
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        let counters = self.server.status().snapshot();
        counters
            .into_iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("no counter {name}"))
            .1
    }
}

fn loopback() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/0".parse().unwrap()
}

pub(crate) const MINUTE: Lifetime =
    Lifetime { local: Duration::from_secs(3600), remote: Duration::from_secs(60) };

pub(crate) fn door(peer: &Peer) -> Advertisement {
    Advertisement::new(AdvertisementKind::Pipe)
        .key("door")
        .attribute("name", "door")
        .body(peer.id().to_bytes())
}

pub(crate) async fn doors(group: &PeerGroup) -> Vec<SignedAdvertisement> {
    let query = DiscoveryQuery::new().kind(AdvertisementKind::Pipe).equals("name", "door");
    group.discover(query.deadline(PATIENCE)).collect().await
}

/// Waits, not for long, until `holds` does.
pub(crate) async fn soon(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(awake(Duration::from_secs(2), waiting).await.is_some(), "{what}");
}

#[tokio::test]
async fn members_that_know_a_rendezvous_alone_meet_talk_and_throw_one_out() {
    let town = Town::new().await;
    let (anne, annes) = town.founder().await;
    let (bert, berts) = town.member(&annes).await;
    let (carl, carls) = town.member(&annes).await;
    assert_eq!(berts.publish(door(&bert), MINUTE).await.unwrap().acknowledged_by, 1);
    let found = doors(&annes).await;
    assert_eq!((found.len(), found[0].publisher()), (1, bert.id()));
    assert_eq!(found[0].advertisement().group, annes.id());
    let pipe = PipeId::derive(&annes.id(), "door");
    let mut listener = berts.bind(pipe).unwrap();
    let mut near = carls.connect(doors(&carls).await[0].publisher(), pipe).await.unwrap();
    let mut far = listener.accept().await.unwrap();
    says(&mut near, &mut far, "hello bert").await;
    // Out: at the rendezvous, at who revoked, and at who was told.
    annes.revoke(bert.id()).unwrap();
    assert!(doors(&annes).await.is_empty(), "who revoked still finds the revoked");
    is_cut(&mut near).await;
    soon("the revoked is found", async || doors(&carls).await.is_empty()).await;
    soon("the revoked believes to be in", async || !berts.is_member()).await;
    assert_eq!(berts.publish(door(&bert), MINUTE).await.map(drop), Err(PublishError::NotMember));
    assert!(doors(&berts).await.is_empty());
    assert_eq!(carls.connect(bert.id(), pipe).await.map(drop), Err(ConnectError::Refused));
    assert_eq!((town.count("places"), town.count("places_ended")), (2, 1));
    assert_eq!(meter(&anne, "task_panics") + meter(&carl, "task_panics"), 0);
}

#[tokio::test]
async fn a_member_that_only_the_rendezvous_can_tell_throws_the_revoked_out() {
    let town = Town::new().await;
    let (anne, annes) = town.founder().await;
    let (bert, berts) = town.member(&annes).await;
    let (carl, carls) = town.member(&annes).await;
    for group in [&annes, &berts, &carls] {
        doors(group).await;
    }
    let pipe = PipeId::derive(&annes.id(), "hall");
    let mut listener = carls.bind(pipe).unwrap();
    let mut near = berts.connect(carl.id(), pipe).await.unwrap();
    says(&mut near, &mut listener.accept().await.unwrap(), "here i am").await;
    let mut far = {
        near = berts.connect(carl.id(), pipe).await.unwrap();
        listener.accept().await.unwrap()
    };
    // Anne, who revokes, has no connection with Carl.
    anne.close(carl.id()).await;
    soon("the connection stays", async || anne.paths(carl.id()).is_empty()).await;
    annes.revoke(bert.id()).unwrap();
    is_cut(&mut far).await;
    is_cut(&mut near).await;
    soon("carl does not hear of it", async || meter(&carl, "revocations_learned") == 1).await;
    assert!(anne.paths(carl.id()).is_empty());
    soon("nobody was told", async || town.count("news_told") >= 2).await;
}

#[tokio::test]
async fn a_closed_group_is_found_in_its_closed_parent_and_joined_from_there() {
    let town = Town::new().await;
    let (_anne, annes) = town.founder().await;
    let (bert, berts) = town.member(&annes).await;
    let cellar = berts_cellar(&bert, &berts).await;
    let query = DiscoveryQuery::new().kind(AdvertisementKind::PeerGroup).equals("policy", "passphrase");
    let query = query.deadline(PATIENCE);
    let found: Vec<_> = annes.discover(query.clone()).collect().await;
    let genesis = Genesis::from_advertisement(&found[0]).unwrap();
    assert_eq!((found.len(), genesis.id(), genesis.label()), (1, cellar.id(), "cellar"));
    let (carl, carls) = town.member(&annes).await;
    let joined = carl.join_passphrase(&genesis, "lusab-babad").await.unwrap();
    assert_eq!(joined.publish(door(&carl), MINUTE).await.unwrap().acknowledged_by, 1);
    assert_eq!(doors(&cellar).await.len(), 1);
    // It is in the child and not in the parent; the child is in the parent and nowhere else.
    assert!(doors(&carls).await.is_empty());
    let stranger = town.edge().await;
    for group in [stranger.net_group(), stranger.join(annes.genesis()), joined] {
        assert_eq!(group.discover(query.clone()).count().await, 0);
    }
}

async fn berts_cellar(bert: &Peer, berts: &PeerGroup) -> PeerGroup {
    let cellar = bert.create_group("cellar", GroupPolicy::Passphrase("lusab-babad")).await.unwrap();
    berts.advertise_group(cellar.genesis(), MINUTE).await.unwrap();
    cellar
}

#[tokio::test]
async fn a_stranger_learns_nothing_by_any_question_and_publishes_nothing() {
    let town = Town::new().await;
    let (anne, annes) = town.founder().await;
    annes.publish(door(&anne), MINUTE).await.unwrap();
    let stranger = town.edge().await;
    // By every way of asking that the library has.
    let view = stranger.join(annes.genesis());
    assert_eq!(doors(&view).await.len() + doors(&stranger.net_group()).await.len(), 0);
    assert_eq!(view.publish(door(&stranger), MINUTE).await.map(drop), Err(PublishError::NotMember));
    let wildcard = DiscoveryQuery::new().threshold(100);
    let everything = overlay::protocol::discovery::DiscoveryRequest::Find { query: wildcard.clone() };
    let named = overlay::protocol::discovery::DiscoveryRequest::Find { query: wildcard.group(annes.id()) };
    let net = overlay::GroupId::net();
    for request in [everything, named] {
        let body = request.encode().unwrap();
        let handler = overlay::protocol::discovery::HANDLER;
        let answer = stranger.query(town.host.id(), &net, handler, body, PATIENCE).await.unwrap();
        let found = overlay::protocol::discovery::FindAnswer::decode(&answer).unwrap();
        for envelope in found.advertisements {
            assert_eq!(SignedAdvertisement::verify(envelope).unwrap().advertisement().group, net);
        }
    }
    assert_eq!(doors(&annes).await.len(), 1);
    let unknown = overlay::protocol::closed::ClosedRequest::Leave { group: annes.id() }.encode().unwrap();
    let handler = overlay::protocol::closed::HANDLER;
    stranger.query(town.host.id(), &net, handler, unknown, PATIENCE).await.unwrap();
    assert_eq!(doors(&annes).await.len(), 1, "a stranger's farewell is a member's");
    let in_group = stranger.query(town.host.id(), &annes.id(), handler, "", PATIENCE).await;
    assert_eq!(in_group, Err(QueryError::Refused(RefuseReason::NotMember)));
}

#[tokio::test]
async fn what_is_withdrawn_in_a_closed_group_is_gone_and_its_publisher_stays_a_member() {
    let town = Town::new().await;
    let (anne, annes) = town.founder().await;
    let (_bert, berts) = town.member(&annes).await;
    let published = annes.publish(door(&anne), MINUTE).await.unwrap();
    assert_eq!(doors(&berts).await.len(), 1);
    assert_eq!(annes.withdraw(published.id).await, Ok(1));
    assert_eq!((doors(&berts).await.len(), doors(&annes).await.len()), (0, 0));
    annes.publish(door(&anne), MINUTE).await.unwrap();
    assert_eq!(doors(&berts).await.len(), 1);
    // Who leaves takes along what it published, at once.
    annes.clone().resign();
    soon("who has left is found", async || doors(&berts).await.is_empty()).await;
}

#[tokio::test]
async fn a_rendezvous_that_returns_empty_serves_the_group_again_without_a_word_from_the_application() {
    let key = Keypair::generate_ed25519();
    let first = Town::at(key.clone(), place_of_its_own()).await;
    let (anne, annes) = first.founder().await;
    let (bert, berts) = first.member(&annes).await;
    annes.publish(door(&anne), MINUTE).await.unwrap();
    assert_eq!(doors(&berts).await.len(), 1);
    let (mut listen, mut news) = (first.address.clone(), anne.events());
    listen.pop();
    drop(first);
    let lost = async { while !matches!(news.recv().await.unwrap(), PeerEvent::LeaseLost { .. }) {} };
    tokio::time::timeout(PATIENCE, lost).await.expect("the loss is not noticed");
    let again = Town::at(key, listen).await;
    anne.wait_leased(PATIENCE).await.unwrap();
    bert.wait_leased(PATIENCE).await.unwrap();
    let found = async {
        while doors(&berts).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("what was published is not found again");
    assert_eq!(again.count("places"), 2);
}

#[tokio::test]
async fn an_issuer_that_has_moved_since_it_wrote_the_ticket_is_found_by_its_id() {
    let town = Town::new().await;
    let key = Keypair::generate_ed25519();
    let anne = town.edge_as(key.clone()).await;
    let annes = anne.create_group("friends", GroupPolicy::Invite).await.unwrap();
    let (ticket, saved) = (annes.invite(Role::Member, DAY).unwrap().to_string(), annes.save().unwrap());
    let before = anne.addresses();
    anne.shutdown().await;
    // The place that the ticket names is somebody else's now, or nobody's.
    let anne = town.edge_as(key).await;
    assert_ne!(anne.addresses(), before);
    let annes = anne.restore_group(&saved).unwrap();
    let bert = town.edge().await;
    let berts = bert.join_ticket(&ticket).await.unwrap();
    annes.publish(door(&anne), MINUTE).await.unwrap();
    assert_eq!(doors(&berts).await[0].publisher(), anne.id());
}

#[tokio::test]
async fn a_rendezvous_that_is_a_member_itself_finds_and_is_found_in_the_group_alone() {
    let town = Town::new().await;
    let (anne, annes) = town.founder().await;
    let ticket = annes.invite(Role::Member, DAY).unwrap().to_string();
    town.host.dial(anne.id(), anne.addresses(), PATIENCE).await.unwrap();
    let hosts = town.host.join_ticket(&ticket).await.unwrap();
    hosts.publish(door(&town.host), MINUTE).await.unwrap();
    annes.publish(door(&anne), MINUTE).await.unwrap();
    let mut publishers: Vec<_> = doors(&annes).await.iter().map(SignedAdvertisement::publisher).collect();
    publishers.sort_unstable();
    let mut both = vec![anne.id(), town.host.id()];
    both.sort_unstable();
    assert_eq!(publishers, both);
    assert_eq!(doors(&hosts).await.len(), 2);
    let stranger = town.edge().await;
    let open = overlay::protocol::discovery::DiscoveryRequest::Find {
        query: DiscoveryQuery::new().kind(AdvertisementKind::Pipe),
    };
    let (handler, net) = (overlay::protocol::discovery::HANDLER, overlay::GroupId::net());
    let answer = stranger.query(town.host.id(), &net, handler, open.encode().unwrap(), PATIENCE).await;
    let found = overlay::protocol::discovery::FindAnswer::decode(&answer.unwrap()).unwrap();
    assert!(found.advertisements.is_empty(), "the group's advertisements are told to strangers");
    // It hears of a revocation by serving, too.
    annes.revoke(town.host.id()).unwrap();
    soon("a revoked rendezvous believes to be in", async || !hosts.is_member()).await;
    assert!(doors(&annes).await.iter().all(|signed| signed.publisher() == anne.id()));
}

#[tokio::test]
async fn connected_members_find_each_other_without_a_rendezvous_and_strangers_find_nothing() {
    let (anne, annes) = crate::groups::founder().await;
    let (bert, berts) = crate::groups::member(&annes, Role::Member).await;
    for (peer, group) in [(&anne, &annes), (&bert, &berts)] {
        assert_eq!(group.publish(door(peer), MINUTE).await.unwrap().acknowledged_by, 0);
    }
    crate::groups::connect((&bert, &berts), (&anne, &annes), "hall").await;
    // A member that does not answer in time is left out, and asked again.
    for group in [&annes, &berts] {
        let finding = async { while doors(group).await.len() != 2 {} };
        tokio::time::timeout(PATIENCE, finding).await.expect("not both are found");
    }
    let stranger = crate::world::peer().await;
    stranger.dial(anne.id(), anne.addresses(), PATIENCE).await.unwrap();
    assert!(doors(&stranger.join(annes.genesis())).await.is_empty());
    let find = overlay::protocol::discovery::DiscoveryRequest::Find { query: DiscoveryQuery::new() };
    for group in [annes.id(), overlay::GroupId::net()] {
        let asked = find.encode().unwrap();
        let asked = stranger.query(anne.id(), &group, "juxta.closed.own", asked, PATIENCE).await;
        assert_eq!(asked, Err(QueryError::Refused(RefuseReason::NotMember)));
    }
    // Revoked, it is found no more.
    annes.revoke(bert.id()).unwrap();
    assert_eq!(doors(&annes).await.len(), 1);
}
