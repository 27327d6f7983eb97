//! Closed groups over real sockets: members talk, others don't, and whoever is revoked is out at once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use overlay::credential::{RevocationList, Role};
use overlay::{
    BidiPipe, ConnectError, CredentialError, Genesis, GroupId, GroupPolicy, JoinError, Keypair, Lifetime,
    Peer, PeerEvent, PeerGroup, PipeId, Protocol, PublishError, QueryError, RefuseReason,
};
use tests::{FaultyLink, scaled};

use crate::world::{PATIENCE, awake, becomes, meter, meter_reaches, peer};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) async fn founder() -> (Peer, PeerGroup) {
    let peer = peer().await;
    let group = peer.create_group("friends", GroupPolicy::Invite).await.unwrap();
    (peer, group)
}

/// A peer that the issuer let in by a ticket.
pub(crate) async fn member(issuer: &PeerGroup, role: Role) -> (Peer, PeerGroup) {
    let peer = peer().await;
    let ticket = issuer.invite(role, DAY).unwrap().to_string();
    let group = peer.join_ticket(&ticket).await.unwrap();
    (peer, group)
}

pub(crate) fn pipe(name: &str) -> PipeId {
    PipeId::derive(&GroupId::net(), name)
}

/// Both ends of a new pipe in a group that both are in.
pub(crate) async fn connect(
    from: (&Peer, &PeerGroup),
    to: (&Peer, &PeerGroup),
    name: &str,
) -> (BidiPipe, BidiPipe) {
    let mut listener = to.1.bind(pipe(name)).unwrap();
    from.0.dial(to.0.id(), to.0.addresses(), PATIENCE).await.unwrap();
    let near = from.1.connect(to.0.id(), pipe(name)).await.unwrap();
    (near, listener.accept().await.unwrap())
}

pub(crate) async fn says(near: &mut BidiPipe, far: &mut BidiPipe, text: &'static str) {
    near.send(text).await.unwrap();
    assert_eq!(far.recv().await.unwrap(), Some(Bytes::from_static(text.as_bytes())));
}

/// The pipe ends by an error, soon: what else its other end says is not heard.
pub(crate) async fn is_cut(pipe: &mut BidiPipe) {
    let heard = awake(Duration::from_secs(2), pipe.recv()).await;
    assert!(heard.expect("the pipe goes on").is_err(), "the pipe is still heard");
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn who_has_a_ticket_becomes_a_member_and_members_talk_to_each_other() {
    let (anne, annes) = founder().await;
    let (bert, berts) = member(&annes, Role::Issuer).await;
    // An issuer that is not the founder lets somebody in, who then talks to everybody.
    let (carl, carls) = member(&berts, Role::Member).await;
    let (mut near, mut far) = connect((&carl, &carls), (&anne, &annes), "hall").await;
    says(&mut near, &mut far, "hello anne").await;
    says(&mut far, &mut near, "hello carl").await;
    let (mut near, mut far) = connect((&bert, &berts), (&carl, &carls), "kitchen").await;
    says(&mut near, &mut far, "hello carl").await;
    let mut questions = carl.register_handler("oracle").unwrap();
    let id = annes.id();
    let asking = anne.query(carl.id(), &id, "oracle", "?", PATIENCE);
    let (answer, ()) = tokio::join!(asking, async { questions.recv().await.unwrap().reply("42") });
    assert_eq!(answer.as_deref(), Ok(&b"42"[..]));
    assert_eq!(carls.invite(Role::Member, DAY), Err(CredentialError::NotAnIssuer));
    assert_eq!(berts.invite(Role::Issuer, DAY), Err(CredentialError::NotAnIssuer));
    assert_eq!(berts.revoke(carl.id()), Err(CredentialError::NotAnIssuer));
}

#[tokio::test]
async fn a_ticket_is_good_for_one_peer_and_a_bad_one_for_nobody() {
    let (_anne, annes) = founder().await;
    let ticket = annes.invite(Role::Member, DAY).unwrap().to_string();
    let (bert, mallory) = (peer().await, peer().await);
    bert.join_ticket(&ticket).await.unwrap();
    bert.join_ticket(&ticket).await.expect("the same peer may ask again");
    assert_eq!(mallory.join_ticket(&ticket).await.map(drop), Err(JoinError::Refused));
    assert!(matches!(mallory.join_ticket(&ticket[..ticket.len() - 3]).await, Err(JoinError::Ticket(_))));
    let long = annes.invite(Role::Member, 8 * DAY);
    assert!(matches!(long, Err(CredentialError::TooLongLived { .. })));
}

#[tokio::test]
async fn a_passphrase_makes_members_without_anybody_else_and_a_wrong_one_makes_none() {
    let (anne, bert) = (peer().await, peer().await);
    let created = anne.create_group("cellar", GroupPolicy::Passphrase("lusab-babad")).await.unwrap();
    let text = created.genesis().to_string();
    let genesis: Genesis = text.parse().unwrap();
    let wrong = bert.join_passphrase(&genesis, "lusab-babab").await;
    assert_eq!(wrong.map(drop), Err(JoinError::Credential(CredentialError::WrongPassphrase)));
    let joined = bert.join_passphrase(&genesis, "lusab-babad").await.unwrap();
    let (mut near, mut far) = connect((&bert, &joined), (&anne, &created), "door").await;
    says(&mut near, &mut far, "open").await;
    assert_eq!(created.revoke(bert.id()), Err(CredentialError::NotAnIssuer));
    assert_eq!(created.invite(Role::Member, DAY), Err(CredentialError::NotAnIssuer));
}

#[tokio::test]
async fn members_and_nobody_else_get_new_credentials_and_keep_their_roles() {
    let (anne, annes) = founder().await;
    let (bert, _) = member(&annes, Role::Issuer).await;
    let (carl, _) = member(&annes, Role::Member).await;
    let renew = Bytes::from_static(&[1, 2, 0, 0]);
    for (asker, role) in [(&bert, Role::Issuer), (&carl, Role::Member)] {
        let answer = asker.query(anne.id(), &annes.id(), "juxta.membership", renew.clone(), PATIENCE).await;
        let (chain, revoked, _): (Vec<Bytes>, Bytes, overlay::wire::Ext) =
            overlay::wire::decode_message(1, &answer.unwrap(), 60_000).unwrap();
        assert!(revoked.is_empty());
        let empty = RevocationList::default();
        let place = overlay::credential::verify_chain(&chain, annes.genesis(), &asker.id(), now(), &empty);
        assert_eq!(place.unwrap().role, role);
    }
    let stranger = peer().await;
    stranger.dial(anne.id(), anne.addresses(), PATIENCE).await.unwrap();
    for group in [annes.id(), GroupId::net()] {
        let answer = stranger.query(anne.id(), &group, "juxta.membership", renew.clone(), PATIENCE).await;
        assert_eq!(answer, Err(QueryError::Refused(RefuseReason::NotMember)));
    }
}

#[tokio::test]
async fn a_group_outlives_its_members_processes() {
    let (key, berts_key) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
    let spawn = |key: &Keypair| {
        Peer::builder().keypair(key.clone()).listen("/ip4/127.0.0.1/tcp/0".parse().unwrap()).spawn()
    };
    let (anne, bert, carl) = (spawn(&key).await.unwrap(), spawn(&berts_key).await.unwrap(), peer().await);
    let annes = anne.create_group("lasting", GroupPolicy::Invite).await.unwrap();
    let invite = || annes.invite(Role::Member, DAY).unwrap().to_string();
    let berts = bert.join_ticket(&invite()).await.unwrap();
    carl.join_ticket(&invite()).await.unwrap();
    annes.revoke(carl.id()).unwrap();
    let saved = (annes.save().unwrap(), berts.save().unwrap());
    anne.shutdown().await;
    bert.shutdown().await;
    let (anne, bert) = (spawn(&key).await.unwrap(), spawn(&berts_key).await.unwrap());
    let (annes, berts) = (anne.restore_group(&saved.0).unwrap(), bert.restore_group(&saved.1).unwrap());
    let (mut near, mut far) = connect((&bert, &berts), (&anne, &annes), "hall").await;
    says(&mut near, &mut far, "here again").await;
    let ticket = annes.invite(Role::Member, DAY).unwrap().to_string();
    assert_eq!(carl.join_ticket(&ticket).await.map(drop), Err(JoinError::Refused), "revocation is forgotten");
    assert!(peer().await.restore_group(&saved.1).is_err(), "a saved membership is good for another key");
}

#[tokio::test]
async fn a_view_of_a_closed_group_without_membership_refuses_everything() {
    let (anne, annes) = founder().await;
    let _bound = annes.bind(pipe("hall")).unwrap();
    let mallory = peer().await;
    mallory.dial(anne.id(), anne.addresses(), PATIENCE).await.unwrap();
    let view = mallory.join(annes.genesis());
    assert!(!view.is_member() && annes.is_member());
    assert_eq!(view.connect(anne.id(), pipe("hall")).await.map(drop), Err(ConnectError::Refused));
    let asked = mallory.query(anne.id(), &view.id(), "oracle", "?", PATIENCE).await;
    assert_eq!(asked, Err(QueryError::Refused(RefuseReason::NotMember)));
    let advertisement = overlay::Advertisement::new(overlay::AdvertisementKind::Service);
    let published = view.publish(advertisement, Lifetime::while_alive(DAY)).await;
    assert_eq!(published.map(drop), Err(PublishError::NotMember));
    assert!(view.invite(Role::Member, DAY).is_err() && view.revoke(anne.id()).is_err());
}

#[tokio::test]
async fn a_revoked_member_loses_its_pipes_with_everybody_and_gets_no_new_ones() {
    let (anne, annes) = founder().await;
    let (bert, berts) = member(&annes, Role::Member).await;
    let (carl, carls) = member(&annes, Role::Member).await;
    let (mut with_anne, mut at_anne) = connect((&bert, &berts), (&anne, &annes), "hall").await;
    let (mut with_carl, mut at_carl) = connect((&bert, &berts), (&carl, &carls), "kitchen").await;
    let (mut honest, mut far) = connect((&carl, &carls), (&anne, &annes), "garden").await;
    says(&mut with_anne, &mut at_anne, "still in").await;
    let mut news = bert.events();
    annes.revoke(bert.id()).unwrap();
    let ending = async {
        // All wait in `recv` or come to it later; each is woken or told.
        let (at_anne, at_carl) = tokio::join!(at_anne.recv(), at_carl.recv());
        assert!(at_anne.is_err() && at_carl.is_err());
        assert!(with_anne.recv().await.is_err() && with_carl.recv().await.is_err());
        assert!(with_carl.send("one more").await.is_err());
    };
    awake(Duration::from_secs(2), ending).await.expect("a revoked member is still heard");
    let lost = PeerEvent::MembershipLost { group: annes.id() };
    tokio::time::timeout(PATIENCE, async { while news.recv().await.unwrap() != lost {} }).await.unwrap();
    assert!(!berts.is_member());
    says(&mut honest, &mut far, "we go on").await;
    for member in [&anne, &carl] {
        assert_eq!(berts.connect(member.id(), pipe("again")).await.map(drop), Err(ConnectError::Refused));
    }
    // The members don't open to the revoked either, and no ticket brings it back.
    assert!(carls.connect(bert.id(), pipe("again")).await.is_err());
    let ticket = annes.invite(Role::Member, DAY).unwrap().to_string();
    assert_eq!(bert.join_ticket(&ticket).await.map(drop), Err(JoinError::Refused));
}

#[tokio::test]
async fn who_was_away_at_a_revocation_learns_of_it_before_it_lets_the_revoked_in() {
    let (anne, annes) = founder().await;
    let (bert, _berts) = member(&annes, Role::Member).await;
    let (carl, carls) = member(&annes, Role::Member).await;
    anne.close(carl.id()).await;
    becomes("the connection stays", || {
        [(&anne, &carl), (&carl, &anne)]
            .iter()
            .all(|(near, far)| near.paths(far.id()).is_empty() && near.round_trip(far.id()).is_none())
    })
    .await;
    annes.revoke(bert.id()).unwrap();
    // Its first handshake brings the list.
    let (mut near, mut far) = connect((&anne, &annes), (&carl, &carls), "hall").await;
    says(&mut near, &mut far, "hello").await;
    assert_eq!(meter(&carl, "revocations_learned"), 1);
}

#[tokio::test]
async fn who_is_revoked_while_another_revocation_is_on_its_way_is_revoked_for_all_too() {
    let (anne, annes) = founder().await;
    let carl = peer().await;
    let port = anne.addresses().iter().flatten().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    let link = FaultyLink::spawn(([127, 0, 0, 1], port.unwrap()).into()).await;
    let near = format!("/ip4/127.0.0.1/tcp/{}", link.near.port()).parse().unwrap();
    carl.dial(anne.id(), vec![near], PATIENCE).await.unwrap();
    let ticket = annes.invite(Role::Member, DAY).unwrap().to_string();
    let carls = carl.join_ticket(&ticket).await.unwrap();
    let (mut near, mut far) = connect((&carl, &carls), (&anne, &annes), "hall").await;
    says(&mut near, &mut far, "here").await;
    // What is shown takes its time to be answered.
    link.delay(Duration::from_millis(300));
    let before = anne.link_meters(carl.id()).bytes_out;
    annes.revoke(Keypair::generate_ed25519().public().to_peer_id()).unwrap();
    becomes("nobody is told", || anne.link_meters(carl.id()).bytes_out > before).await;
    annes.revoke(Keypair::generate_ed25519().public().to_peer_id()).unwrap();
    let told = meter_reaches(&carl, "revocations_learned", 2);
    awake(Duration::from_secs(3), told).await.expect("the second is told late or never");
}

#[tokio::test]
async fn the_same_pipe_in_two_groups_is_two_pipes_and_both_share_a_connection() {
    let (anne, ours) = founder().await;
    let theirs = anne.create_group("friends", GroupPolicy::Invite).await.unwrap();
    assert_ne!(ours.id(), theirs.id(), "the same label twice is two groups");
    let (bert, berts) = member(&ours, Role::Member).await;
    let mut in_theirs = theirs.bind(pipe("hall")).unwrap();
    // A member of one group is a stranger in the other, on the connection that has proven the first.
    let (mut near, mut far) = connect((&bert, &berts), (&anne, &ours), "hall").await;
    says(&mut near, &mut far, "ours").await;
    let view = bert.join(theirs.genesis());
    assert_eq!(view.connect(anne.id(), pipe("hall")).await.map(drop), Err(ConnectError::Refused));
    let ticket = theirs.invite(Role::Member, DAY).unwrap().to_string();
    let second = bert.join_ticket(&ticket).await.unwrap();
    let mut other_near = second.connect(anne.id(), pipe("hall")).await.unwrap();
    let mut other_far = in_theirs.accept().await.unwrap();
    says(&mut other_near, &mut other_far, "theirs").await;
    says(&mut near, &mut far, "ours again").await;
    assert_eq!((meter(&anne, "connections"), meter(&anne, "sessions")), (1, 1));
    // Out of one group, still in the other.
    ours.revoke(bert.id()).unwrap();
    is_cut(&mut far).await;
    says(&mut other_near, &mut other_far, "theirs again").await;
}

#[tokio::test]
async fn joining_and_resigning_again_and_again_leaves_nothing_behind() {
    let (anne, annes) = founder().await;
    let bert = peer().await;
    let ticket = annes.invite(Role::Member, DAY).unwrap().to_string();
    let mut listener = annes.bind(pipe("hall")).unwrap();
    for _ in 0..scaled(1000) {
        let group = bert.join_ticket(&ticket).await.unwrap();
        let mut near = group.connect(anne.id(), pipe("hall")).await.unwrap();
        let mut far = listener.accept().await.unwrap();
        group.clone().resign();
        is_cut(&mut near).await;
        drop(near);
        assert!(!matches!(far.recv().await, Ok(Some(_))));
        assert!(!group.is_member());
        assert_eq!(group.connect(anne.id(), pipe("hall")).await.map(drop), Err(ConnectError::Refused));
    }
    assert_eq!((meter(&anne, "connections"), meter(&anne, "sessions")), (1, 1));
    assert_eq!(meter(&bert, "pipes_cut"), u64::from(scaled(1000)));
    assert_eq!(meter(&anne, "task_panics") + meter(&bert, "task_panics"), 0);
    // The founder, which believes the proof of long ago, reaches the member that has come back.
    let group = bert.join_ticket(&ticket).await.unwrap();
    let mut at_bert = group.bind(pipe("back")).unwrap();
    let mut near = annes.connect(bert.id(), pipe("back")).await.unwrap();
    says(&mut near, &mut at_bert.accept().await.unwrap(), "welcome back").await;
}
