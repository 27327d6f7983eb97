//! Hostile peers at a rendezvous that serves a closed group: whatever they show or ask, they learn that nothing is there.

use std::time::Duration;

use ::rendezvous::limits::{Limits, Quota};
use bytes::Bytes;
use futures::AsyncWriteExt;
use libp2p::swarm::Stream;
use overlay::credential::{Claim, Credential, RevocationList, Role};
use overlay::protocol::closed::{self, ClosedRequest};
use overlay::protocol::discovery::{DiscoveryRequest, FindAnswer, PublishAnswer};
use overlay::protocol::rendezvous::{self, RendezvousRequest};
use overlay::{
    DiscoveryQuery, Genesis, GroupId, GroupPolicy, Keypair, Peer, PeerGroup, PeerId, PipeId, QueryError,
    RefuseReason, SignedAdvertisement,
};
use tests::{Bare, scaled};

use crate::closed_groups::{MINUTE, Town, door, doors, soon};
use crate::groups::{DAY, now, says};
use crate::hostile::{enemy_of, frame};
use crate::hostile_members::read_frame;
use crate::world::{PATIENCE, meter};

/// A town with a group, whose key is known, and an enemy that holds a lease there.
struct RedTeam {
    town: Town,
    group: PeerGroup,
    authority: Keypair,
    /// What the enemy has overheard of a member.
    overheard: Bytes,
    enemy: Bare,
    session: Stream,
    _anne: Peer,
}

impl RedTeam {
    async fn new() -> Self {
        let town = Town::new().await;
        let authority = Keypair::generate_ed25519();
        let anne = town.edge_as(authority.clone()).await;
        let group = anne.create_group("target", GroupPolicy::Invite).await.unwrap();
        group.publish(door(&anne), MINUTE).await.unwrap();
        let enemy = enemy_of(&town.host).await;
        let mut session = enemy.open(town.host.id(), "/juxta/session/1").await;
        session.write_all(&frame(&[1, 1, 0, 0])).await.unwrap();
        session.flush().await.unwrap();
        assert_eq!(read_frame(&mut session).await, [1, 1, 0, 0]);
        let claim = claim(group.id(), anne.id());
        let overheard = signed(Claim { role: Role::Issuer, ..claim }, &authority);
        let mut red = Self { town, group, authority, overheard, enemy, session, _anne: anne };
        let lease = RendezvousRequest::Lease { wanted: Duration::from_secs(120), since: 0 }.encode().unwrap();
        assert_eq!(red.ask(rendezvous::HANDLER, &lease).await[..6], [1, 3, 0, 7, 0, 0], "a lease");
        red
    }

    /// Asks this in the net group as question 7; the whole frame that comes back.
    async fn ask(&mut self, handler: &str, body: &[u8]) -> Vec<u8> {
        let mut question = [&[1, 2, 0, 7], &GroupId::net().as_bytes()[..]].concat();
        question.extend(overlay::wire::encode(&(handler, Bytes::copy_from_slice(body)), 60_000).unwrap());
        question.push(0);
        self.session.write_all(&frame(&question)).await.unwrap();
        self.session.flush().await.unwrap();
        loop {
            let answer = read_frame(&mut self.session).await;
            // The victim's own pings come in between.
            if !answer.starts_with(&[1, 4, 0]) {
                return answer;
            }
        }
    }

    async fn closed(&mut self, request: ClosedRequest) -> Vec<u8> {
        self.ask(closed::HANDLER, &request.encode().unwrap()).await
    }

    async fn enter(&mut self, chain: Vec<Bytes>, revocations: Bytes) -> Vec<u8> {
        let genesis = self.group.genesis().clone();
        self.closed(ClosedRequest::Enter { genesis, chain, revocations }).await
    }

    async fn find_in(&mut self, group: GroupId) -> Vec<u8> {
        let request = DiscoveryRequest::Find { query: DiscoveryQuery::new() }.encode().unwrap().into();
        self.closed(ClosedRequest::Ask { group, request }).await
    }

    async fn subscribe_in(&mut self, group: GroupId) -> Vec<u8> {
        let request = DiscoveryRequest::Subscribe { number: 1, query: DiscoveryQuery::new() };
        let request = request.encode().unwrap().into();
        self.closed(ClosedRequest::Ask { group, request }).await
    }

    async fn publish_in(&mut self, group: GroupId) -> Vec<u8> {
        let request = DiscoveryRequest::Publish { advertisements: Vec::new() }.encode().unwrap().into();
        self.closed(ClosedRequest::Ask { group, request }).await
    }
}

fn claim(group: GroupId, subject: PeerId) -> Claim {
    Claim { group, subject, role: Role::Member, serial: 1, not_before: now(), not_after: now() + 3600 }
}

fn signed(claim: Claim, keypair: &Keypair) -> Bytes {
    Credential::issue(claim, keypair).unwrap().to_bytes()
}

#[tokio::test]
async fn whatever_a_stranger_shows_or_asks_in_a_closed_group_reads_as_if_there_were_none() {
    let mut red = RedTeam::new().await;
    let (group, unknown, me) = (red.group.id(), Genesis::open("nowhere").id(), red.enemy.id);
    let refused = red.find_in(unknown).await;
    assert_eq!(refused, [1, 3, 0, 7, 4, 7, 0, 0], "not a member");
    let (other, thief) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
    let good = claim(group, me);
    let issuer = Claim { role: Role::Issuer, ..claim(group, other.public().to_peer_id()) };
    let link = signed(issuer, &red.authority);
    let list = RevocationList::default();
    let list = list.with(me, red.group.genesis(), &red.authority, now()).unwrap().to_bytes();
    let chain = vec![signed(good, &red.authority)];
    let forged = Bytes::from_static(&[9; 120]);
    let bad: Vec<(&str, Vec<Bytes>, Bytes)> = vec![
        ("no credential", vec![], Bytes::new()),
        ("noise", vec![Bytes::from_static(&[7; 200])], Bytes::new()),
        ("another's proof, replayed", vec![red.overheard.clone()], Bytes::new()),
        ("one signed by nobody", vec![signed(good, &thief)], Bytes::new()),
        (
            "one that is over",
            vec![signed(Claim { not_before: 0, not_after: 3600, ..good }, &red.authority)],
            Bytes::new(),
        ),
        ("one for ever", vec![signed(Claim { not_after: u64::MAX, ..good }, &red.authority)], Bytes::new()),
        ("another group's", vec![signed(Claim { group: unknown, ..good }, &red.authority)], Bytes::new()),
        ("a chain of three", vec![link.clone(), link.clone(), signed(good, &other)], Bytes::new()),
        ("a chain of a thousand", vec![Bytes::from_static(&[1; 20]); 1000], Bytes::new()),
        ("a good one with a forged list", chain.clone(), forged),
    ];
    for (what, chain, list) in bad {
        assert_eq!(red.enter(chain, list).await, refused, "{what}");
        assert_eq!(red.find_in(group).await, refused, "{what}");
        assert_eq!(red.publish_in(group).await, refused, "{what}");
        assert_eq!(red.subscribe_in(group).await, refused, "{what}");
    }
    assert_eq!(red.town.count("subscriptions"), 0);
    let open = Genesis::open("nowhere");
    let enter = ClosedRequest::Enter { genesis: open, chain: chain.clone(), revocations: Bytes::new() };
    assert_eq!(red.closed(enter).await, refused, "an open group is not closed");
    assert_eq!(red.town.count("places"), 1);
    // A good one is taken: it was the credentials that were refused.
    assert_eq!(red.enter(vec![link, signed(good, &other)], Bytes::new()).await[..6], [1, 3, 0, 7, 0, 0]);
    assert_ne!(red.find_in(group).await, refused);
    assert_ne!(red.subscribe_in(group).await, refused);
    assert_eq!(red.town.count("subscriptions"), 1);
    // Revoked, it is a stranger like before, whatever it shows.
    red.group.revoke(me).unwrap();
    soon("the revoked has its place", async || red.town.count("places") == 1).await;
    assert_eq!(red.find_in(group).await, refused);
    assert_eq!(red.publish_in(group).await, refused);
    assert_eq!(red.subscribe_in(group).await, refused);
    assert_eq!(red.town.count("subscriptions"), 0);
    assert_eq!(red.enter(chain, list).await, refused);
    assert_eq!(meter(&red.town.host, "task_panics"), 0);
}

#[tokio::test]
async fn what_is_for_one_closed_group_is_not_taken_in_another_and_not_believed_from_outside() {
    let town = Town::new().await;
    let (anne, annes) = town.founder().await;
    let second = anne.create_group("friends", GroupPolicy::Invite).await.unwrap();
    let key = Keypair::generate_ed25519();
    let mallory = town.edge_as(key.clone()).await;
    let mallorys = mallory.join_ticket(&annes.invite(Role::Member, DAY).unwrap().to_string()).await.unwrap();
    assert!(doors(&mallorys).await.is_empty());
    // A member of one group offers there what it says is for the other, and for all to see what is for the other.
    let envelope = {
        let mut advertisement = door(&mallory);
        advertisement.group = second.id();
        let signed = SignedAdvertisement::sign(advertisement, MINUTE, 1, &key).unwrap();
        vec![signed.to_bytes()]
    };
    let publish = DiscoveryRequest::Publish { advertisements: envelope }.encode().unwrap();
    let (host, net) = (town.host.id(), GroupId::net());
    let inside = ClosedRequest::Ask { group: mallorys.id(), request: publish.clone().into() };
    let answer = mallory.query(host, &net, closed::HANDLER, inside.encode().unwrap(), PATIENCE).await;
    let answer = PublishAnswer::decode(&answer.unwrap()).unwrap();
    assert_eq!((answer.accepted, answer.refused), (0, 1));
    let inside = ClosedRequest::Ask { group: second.id(), request: publish.clone().into() };
    let answer = mallory.query(host, &net, closed::HANDLER, inside.encode().unwrap(), PATIENCE).await;
    assert_eq!(answer, Err(QueryError::Refused(RefuseReason::NotMember)));
    let open = overlay::protocol::discovery::HANDLER;
    let answer = mallory.query(host, &net, open, publish, PATIENCE).await.unwrap();
    assert_eq!(PublishAnswer::decode(&answer).unwrap().accepted, 1, "in the open it is anybody's word");
    assert!(doors(&second).await.is_empty() && doors(&annes).await.is_empty());
    // A question inside that names another group is answered inside.
    annes.publish(door(&anne), MINUTE).await.unwrap();
    second.publish(door(&anne), MINUTE).await.unwrap();
    let across = DiscoveryRequest::Find { query: DiscoveryQuery::new().group(second.id()) }.encode().unwrap();
    let inside = ClosedRequest::Ask { group: mallorys.id(), request: across.into() };
    let answer = mallory.query(host, &net, closed::HANDLER, inside.encode().unwrap(), PATIENCE).await;
    let found = FindAnswer::decode(&answer.unwrap()).unwrap().advertisements;
    let groups: Vec<_> = found
        .into_iter()
        .map(|one| SignedAdvertisement::verify(one).unwrap().advertisement().group)
        .collect();
    assert_eq!(groups, [annes.id()]);
}

#[tokio::test]
async fn the_same_pipe_in_two_closed_groups_is_found_and_opened_in_each_over_one_connection() {
    let town = Town::new().await;
    let (anne, first) = town.founder().await;
    let second = anne.create_group("friends", GroupPolicy::Invite).await.unwrap();
    let bert = town.edge().await;
    let pipe = PipeId::derive(&GroupId::net(), "door");
    for (group, text) in [(&first, "first"), (&second, "second")] {
        let ticket = group.invite(Role::Member, DAY).unwrap().to_string();
        let berts = bert.join_ticket(&ticket).await.unwrap();
        group.publish(door(&anne), MINUTE).await.unwrap();
        let mut listener = group.bind(pipe).unwrap();
        let mut near = berts.connect(doors(&berts).await[0].publisher(), pipe).await.unwrap();
        says(&mut near, &mut listener.accept().await.unwrap(), text).await;
    }
    // One connection with the rendezvous, one with each other.
    assert_eq!((meter(&bert, "connections"), meter(&town.host, "connections")), (2, 2));
    first.revoke(bert.id()).unwrap();
    soon("the revoked has its place", async || town.count("places") == 3).await;
    assert_eq!(doors(&second).await.len(), 1);
}

#[tokio::test]
async fn entering_and_leaving_again_and_again_leaves_nothing_behind_at_the_rendezvous() {
    let mut limits = Limits::default();
    let free = Quota { per_second: 10_000, burst: 10_000 };
    (limits.rate.entry, limits.rate.publication) = (free, free);
    let town = Town::with(&limits).await;
    let (anne, annes) = town.founder().await;
    annes.publish(door(&anne), MINUTE).await.unwrap();
    let bert = town.edge().await;
    let ticket = annes.invite(Role::Member, DAY).unwrap().to_string();
    for _ in 0..scaled(1000) {
        let berts = bert.join_ticket(&ticket).await.unwrap();
        berts.publish(door(&bert), MINUTE).await.unwrap();
        berts.resign();
        soon("a place outlives its member", async || town.count("places") == 1).await;
    }
    assert_eq!(town.count("closed_groups"), 1);
    // Three peers and the founder's door.
    assert_eq!(town.count("advertisements"), 4, "what was published outlives the membership");
    assert_eq!((meter(&town.host, "connections"), meter(&town.host, "sessions")), (2, 2));
}
