//! A hostile peer at the border of a closed group: whatever it shows, it is refused like in an unknown one.

use bytes::Bytes;
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::swarm::Stream;
use overlay::credential::{Claim, Credential, RevocationList, Role};
use overlay::limits::{PROOF_REFUSED_COST, PROOFS, PROOFS_EXCESS_MAX};
use overlay::{Genesis, GroupId, GroupPolicy, Keypair, Peer, PeerGroup, PeerId};
use tests::Bare;

use crate::groups::{connect, is_cut, member, now, pipe, says};
use crate::hostile::{enemy_of, frame};
use crate::world::{PATIENCE, meter};

/// A victim with its group and its key, a pipe bound in it, and an enemy with a session of its own making.
struct RedTeam {
    victim: Peer,
    group: PeerGroup,
    authority: Keypair,
    enemy: Bare,
    session: Stream,
}

impl RedTeam {
    async fn new() -> Self {
        let (authority, listen) = (Keypair::generate_ed25519(), "/ip4/127.0.0.1/tcp/0".parse().unwrap());
        let victim = Peer::builder().keypair(authority.clone()).listen(listen).spawn().await.unwrap();
        let group = victim.create_group("target", GroupPolicy::Invite).await.unwrap();
        let enemy = enemy_of(&victim).await;
        let mut session = enemy.open(victim.id(), "/juxta/session/1").await;
        session.write_all(&frame(&[1, 1, 0, 0])).await.unwrap();
        session.flush().await.unwrap();
        assert_eq!(read_frame(&mut session).await, [1, 1, 0, 0]);
        Self { victim, group, authority, enemy, session }
    }

    fn claim(&self, subject: PeerId) -> Claim {
        let group = self.group.id();
        Claim { group, subject, role: Role::Member, serial: 1, not_before: now(), not_after: now() + 3600 }
    }

    /// Shows this as question 7; what is answered.
    async fn show(&mut self, group: GroupId, chain: &[Bytes]) -> Vec<u8> {
        self.show_with(group, chain, Bytes::new()).await
    }

    async fn show_with(&mut self, group: GroupId, chain: &[Bytes], revocations: Bytes) -> Vec<u8> {
        let mut proof = [&[1, 6, 0, 7], &group.as_bytes()[..]].concat();
        proof.extend(overlay::wire::encode(&(chain, revocations), 60_000).unwrap());
        proof.push(0);
        self.session.write_all(&frame(&proof)).await.unwrap();
        self.session.flush().await.unwrap();
        // The victim's own pings come in between.
        loop {
            let answer = read_frame(&mut self.session).await;
            if !answer.starts_with(&[1, 4, 0]) {
                return answer;
            }
        }
    }

    /// Opens the bound pipe of this group; what is answered, and the pipe.
    async fn open(&self, group: GroupId) -> (Vec<u8>, Stream) {
        let mut stream = self.enemy.open(self.victim.id(), "/juxta/pipe/1").await;
        let id = pipe("vault");
        let header = [&[1], &group.as_bytes()[..], &id.as_bytes()[..], &[2, 0]].concat();
        stream.write_all(&frame(&header)).await.unwrap();
        stream.flush().await.unwrap();
        (read_frame(&mut stream).await, stream)
    }
}

pub(crate) async fn read_frame(stream: &mut Stream) -> Vec<u8> {
    let reading = async {
        let len = unsigned_varint::aio::read_usize(&mut *stream).await.unwrap();
        let mut bytes = vec![0; len];
        stream.read_exact(&mut bytes).await.unwrap();
        bytes
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("the victim does not answer")
}

fn signed(claim: Claim, keypair: &Keypair) -> Bytes {
    Credential::issue(claim, keypair).unwrap().to_bytes()
}

#[tokio::test]
async fn whatever_is_wrong_with_a_credential_reads_like_an_unknown_group_and_opens_nothing() {
    let mut red = RedTeam::new().await;
    let mut listener = red.group.bind(pipe("vault")).unwrap();
    let (group, unknown, me) = (red.group.id(), Genesis::open("nowhere").id(), red.enemy.id);
    let (other, thief) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
    let good = red.claim(me);
    let issuer = Claim { role: Role::Issuer, ..red.claim(other.public().to_peer_id()) };
    let link = signed(issuer, &red.authority);
    let refused_open = red.open(unknown).await.0;
    let refused = red.show(unknown, &[signed(good, &red.authority)]).await;
    let victims = red.claim(red.victim.id());
    let bad: Vec<(&str, Vec<Bytes>)> = vec![
        ("no credential", vec![]),
        ("noise", vec![Bytes::from_static(&[7; 200])]),
        ("another's credential", vec![signed(victims, &red.authority)]),
        ("one signed by nobody", vec![signed(good, &thief)]),
        ("one that is over", vec![signed(Claim { not_before: 0, not_after: 3600, ..good }, &red.authority)]),
        ("one for ever", vec![signed(Claim { not_after: u64::MAX, ..good }, &red.authority)]),
        ("another group's", vec![signed(Claim { group: unknown, ..good }, &red.authority)]),
        (
            "a member's making",
            vec![signed(red.claim(thief.public().to_peer_id()), &red.authority), signed(good, &thief)],
        ),
        ("a chain of three", vec![link.clone(), link.clone(), signed(good, &other)]),
        ("a chain of a thousand", vec![Bytes::from_static(&[1; 20]); 1000]),
    ];
    for (count, (what, chain)) in bad.into_iter().enumerate() {
        assert_eq!(red.show(group, &chain).await, refused, "{what}");
        assert_eq!(red.open(group).await.0, refused_open, "{what}");
        assert_eq!(meter(&red.victim, "proofs_refused"), count as u64 + 2, "{what}");
    }
    // A good one, over an issuer, is taken: it was the credentials that were refused.
    assert_ne!(red.show(group, &[link, signed(good, &other)]).await, refused);
    let (accepted, mut near) = red.open(group).await;
    assert_ne!(accepted, refused_open);
    let mut far = listener.accept().await.unwrap();
    near.write_all(&frame(b"inside")).await.unwrap();
    near.flush().await.unwrap();
    assert_eq!(far.recv().await.unwrap().as_deref(), Some(&b"inside"[..]));
    // Once it is revoked, what it says is not heard, and it is a stranger like all others.
    red.group.revoke(me).unwrap();
    near.write_all(&frame(b"and now?")).await.unwrap();
    near.flush().await.unwrap();
    is_cut(&mut far).await;
    assert_eq!(meter(&red.victim, "pipes_cut"), 1);
    assert_eq!(red.open(group).await.0, refused_open);
}

#[tokio::test]
async fn a_forged_revocation_list_revokes_nobody_and_spoils_the_proof_that_brings_it() {
    let mut red = RedTeam::new().await;
    let _bound = red.group.bind(pipe("vault")).unwrap();
    let (bert, berts) = member(&red.group, Role::Member).await;
    // Signed by the authority of a group of the enemy's own.
    let (key, listen) = (Keypair::generate_ed25519(), "/ip4/127.0.0.1/tcp/0".parse().unwrap());
    let mallory = Peer::builder().keypair(key.clone()).listen(listen).spawn().await.unwrap();
    let own = mallory.create_group("target", GroupPolicy::Invite).await.unwrap();
    let forged = RevocationList::default().with(bert.id(), own.genesis(), &key, now()).unwrap();
    let (group, chain) = (red.group.id(), [signed(red.claim(red.enemy.id), &red.authority)]);
    let refused = red.show(Genesis::open("nowhere").id(), &chain).await;
    assert_eq!(red.show_with(group, &chain, forged.to_bytes()).await, refused);
    assert_ne!(red.show(group, &chain).await, refused);
    let (mut near, mut far) = connect((&bert, &berts), (&red.victim, &red.group), "hall").await;
    says(&mut near, &mut far, "all is well").await;
    assert_eq!(meter(&red.victim, "revocations_learned"), 0);
}

#[tokio::test]
async fn a_flood_of_proofs_is_refused_unread_like_a_bad_one_and_ends_the_session() {
    let mut red = RedTeam::new().await;
    let (_bound, group) = (red.group.bind(pipe("vault")).unwrap(), red.group.id());
    let (bert, berts) = member(&red.group, Role::Member).await;
    let (mut near, mut far) = connect((&bert, &berts), (&red.victim, &red.group), "hall").await;
    let other = Keypair::generate_ed25519();
    let forged = [signed(red.claim(red.enemy.id), &other)];
    let start = std::time::Instant::now();
    let refused = red.show(group, &forged).await;
    // Whether read or not, the answer is the same.
    while meter(&red.victim, "proofs_limited") == 0 {
        assert_eq!(red.show(group, &forged).await, refused);
    }
    let read = meter(&red.victim, "proofs_refused");
    let most = u64::from(
        (PROOFS.burst + PROOFS.per_second * (1 + start.elapsed().as_secs() as u32)) / PROOF_REFUSED_COST,
    );
    assert!((8..=most + 1).contains(&read), "{read} proofs are read, {most} allowed");
    // A good one is not read either, until the bucket fills; going on ends the session.
    let mut proof = [&[1, 6, 0, 7], &group.as_bytes()[..]].concat();
    proof.extend(overlay::wire::encode(&(&forged[..], Bytes::new()), 60_000).unwrap());
    proof.push(0);
    let flood = frame(&proof).repeat(4 * PROOFS_EXCESS_MAX as usize);
    let mut session = red.session;
    let flooding = tokio::spawn(async move {
        // The victim ends the session in the middle of it.
        let _ = session.write_all(&flood).await;
        let mut rest = Vec::new();
        let _ = session.read_to_end(&mut rest).await;
    });
    tokio::time::timeout(PATIENCE, flooding).await.expect("the session of a flood goes on").unwrap();
    assert!(meter(&red.victim, "proofs_limited") >= u64::from(PROOFS_EXCESS_MAX));
    says(&mut near, &mut far, "beside a flood").await;
    assert_eq!(meter(&red.victim, "task_panics"), 0);
}
