//! Who is let in, by which ticket, until when, and by whom no more.

use std::sync::Arc;
use std::time::Duration;

use libp2p::PeerId;
use libp2p::identity::Keypair;

use super::Membership;
use crate::credential::{Role, Ticket};
use crate::error::CredentialError;
use crate::id::{Genesis, Policy};
use crate::limits::{CREDENTIAL_LIFE, CREDENTIAL_LIFE_MAX};

const NOW: u64 = 1_800_000_000;
const HOUR: Duration = Duration::from_secs(3600);

fn founder() -> Membership {
    let key = Keypair::generate_ed25519();
    let authority = key.public().try_into_ed25519().unwrap().to_bytes();
    let genesis = Arc::new(Genesis::closed(Policy::Invite, authority, [1; 16], "tests"));
    Membership::with_key(genesis, key.clone(), key, NOW).unwrap()
}

fn id(key: &Keypair) -> PeerId {
    key.public().to_peer_id()
}

/// A new peer that `issuer` lets in.
fn let_in(issuer: &mut Membership, role: Role) -> (PeerId, Membership) {
    let key = Keypair::generate_ed25519();
    let ticket = issuer.invite(role, HOUR, NOW, Vec::new()).unwrap();
    let papers = issuer.redeem(&ticket.proof, id(&key), NOW).unwrap();
    let peer = id(&key);
    (peer, Membership::invited(issuer.genesis().clone(), papers, Vec::new(), key, NOW).unwrap())
}

fn admits(judge: &Membership, shown: &Membership, peer: &PeerId) -> Result<(), CredentialError> {
    judge.admit(&shown.papers().chain, peer, NOW).map(drop)
}

#[test]
fn a_ticket_lets_in_one_peer_and_survives_its_text() {
    let mut founder = founder();
    let ticket = founder.invite(Role::Member, HOUR, NOW, vec![(PeerId::random(), Vec::new())]).unwrap();
    assert_eq!(ticket.to_string().parse::<Ticket>().unwrap(), ticket);
    let (anne, bert) = (PeerId::random(), PeerId::random());
    founder.redeem(&ticket.proof, anne, NOW).unwrap();
    founder.redeem(&ticket.proof, anne, NOW).expect("an answer that was lost is given again");
    assert!(founder.redeem(&ticket.proof, bert, NOW).is_err());
}

#[test]
fn a_ticket_that_is_over_too_long_or_cut_is_refused() {
    let mut founder = founder();
    let ticket = founder.invite(Role::Member, HOUR, NOW, Vec::new()).unwrap();
    let late = founder.redeem(&ticket.proof, PeerId::random(), NOW + 2 * 3600);
    assert!(matches!(late, Err(CredentialError::Expired { .. })));
    let long = founder.invite(Role::Member, CREDENTIAL_LIFE_MAX + HOUR, NOW, Vec::new());
    assert!(matches!(long, Err(CredentialError::TooLongLived { .. })));
    let text = ticket.to_string();
    for len in 0..text.len() {
        assert!(text[..len].parse::<Ticket>().is_err());
    }
}

#[test]
fn an_issuer_lets_members_in_and_no_issuers() {
    let mut founder = founder();
    let (issuer_id, mut issuer) = let_in(&mut founder, Role::Issuer);
    let (member_id, member) = let_in(&mut issuer, Role::Member);
    assert_eq!(admits(&founder, &member, &member_id), Ok(()));
    assert_eq!(admits(&member, &issuer, &issuer_id), Ok(()));
    assert!(issuer.invite(Role::Issuer, HOUR, NOW, Vec::new()).is_err());
    assert!(member.invite(Role::Member, HOUR, NOW, Vec::new()).is_err());
    // A ticket of the founder for an issuer is beyond an issuer.
    let ticket = founder.invite(Role::Issuer, HOUR, NOW, Vec::new()).unwrap();
    assert_eq!(issuer.redeem(&ticket.proof, PeerId::random(), NOW), Err(CredentialError::NotAnIssuer));
    // One for a member is not: any issuer answers it.
    let ticket = founder.invite(Role::Member, HOUR, NOW, Vec::new()).unwrap();
    issuer.redeem(&ticket.proof, PeerId::random(), NOW).unwrap();
}

#[test]
fn a_ticket_gives_the_duty_it_was_made_for_and_no_right_to_let_anybody_in() {
    let mut founder = founder();
    let duty = Role::Duty(2.try_into().unwrap());
    let (peer, operator) = let_in(&mut founder, duty);
    assert_eq!(operator.role(), duty);
    assert_eq!(founder.admit(&operator.papers().chain, &peer, NOW).unwrap().role, duty);
    assert!(operator.invite(Role::Member, HOUR, NOW, Vec::new()).is_err());
    let (_, mut issuer) = let_in(&mut founder, Role::Issuer);
    assert_eq!(let_in(&mut issuer, duty).1.role(), duty);
}

#[test]
fn revocation_spreads_by_the_signed_list_and_ends_everybody_behind_an_issuer() {
    let mut founder = founder();
    let (issuer_id, mut issuer) = let_in(&mut founder, Role::Issuer);
    let (behind_id, mut behind) = let_in(&mut issuer, Role::Member);
    let (other_id, mut other) = let_in(&mut founder, Role::Member);
    assert_eq!(other.revoke(issuer_id, NOW), Err(CredentialError::NotAnIssuer));
    founder.revoke(issuer_id, NOW).unwrap();
    let list = founder.papers().revocations;
    assert_eq!(other.learn(list.clone()), Ok(true));
    assert_eq!(other.learn(list.clone()), Ok(false));
    assert_eq!(admits(&other, &issuer, &issuer_id), Err(CredentialError::Revoked));
    assert_eq!(admits(&other, &behind, &behind_id), Err(CredentialError::Revoked));
    assert_eq!(admits(&founder, &other, &other_id), Ok(()));
    // Those who were revoked learn it from the same list.
    assert!(issuer.learn(list.clone()).unwrap() && !issuer.holds(NOW));
    assert!(behind.learn(list).unwrap() && !behind.holds(NOW));
    let ticket = founder.invite(Role::Member, HOUR, NOW, Vec::new()).unwrap();
    assert_eq!(founder.redeem(&ticket.proof, issuer_id, NOW), Err(CredentialError::Revoked));
}

#[test]
fn an_older_list_changes_nothing() {
    let mut founder = founder();
    let (_, mut member) = let_in(&mut founder, Role::Member);
    founder.revoke(PeerId::random(), NOW).unwrap();
    let old = founder.papers().revocations;
    let victim = PeerId::random();
    founder.revoke(victim, NOW).unwrap();
    assert_eq!(member.learn(founder.papers().revocations), Ok(true));
    assert_eq!(member.learn(old), Ok(false));
    assert_eq!(member.list_number(), 2);
}

#[test]
fn a_credential_is_renewed_at_half_of_its_life_and_not_asked_for_at_every_look() {
    let mut founder = founder();
    let (peer, mut member) = let_in(&mut founder, Role::Member);
    assert!(!member.takes_renewal(NOW + 3600));
    let half = NOW + CREDENTIAL_LIFE.as_secs() / 2 + 300;
    assert!(member.takes_renewal(half) && !member.takes_renewal(half + 1));
    let before = member.until();
    let papers = founder.issue(peer, Role::Member, half).unwrap();
    member.renewed(papers, half).unwrap();
    assert!(member.until() > before && !member.takes_renewal(half + 3600));
    assert_eq!(founder.renew_own(half), Ok(true));
    assert_eq!(member.renew_own(half), Ok(false));
}

#[test]
fn a_founder_and_a_member_come_back_with_what_they_knew() {
    let key = Keypair::generate_ed25519();
    let authority = key.public().try_into_ed25519().unwrap().to_bytes();
    let genesis = Arc::new(Genesis::closed(Policy::Invite, authority, [1; 16], "tests"));
    let mut founder = Membership::with_key(genesis.clone(), key.clone(), key.clone(), NOW).unwrap();
    let ticket = founder.invite(Role::Member, HOUR, NOW, Vec::new()).unwrap();
    let (member_key, victim) = (Keypair::generate_ed25519(), PeerId::random());
    let papers = founder.redeem(&ticket.proof, id(&member_key), NOW).unwrap();
    let member = Membership::invited(genesis, papers, Vec::new(), member_key.clone(), NOW).unwrap();
    founder.revoke(victim, NOW).unwrap();
    let later = NOW + 600;
    let mut back = Membership::restore(&founder.save().unwrap(), key, later).unwrap();
    assert_eq!(back.papers().revocations, founder.papers().revocations);
    assert!(back.redeem(&ticket.proof, PeerId::random(), later).is_err(), "a spent ticket is good again");
    back.revoke(PeerId::random(), later).unwrap();
    assert_eq!(back.list_number(), 2);
    let saved = member.save().unwrap();
    let again = Membership::restore(&saved, member_key.clone(), later).unwrap();
    assert_eq!(admits(&back, &again, &id(&member_key)), Ok(()));
    // Not for another key, and not when its credential is over.
    assert!(Membership::restore(&saved, Keypair::generate_ed25519(), later).is_err());
    assert!(Membership::restore(&saved, member_key, later + 2 * CREDENTIAL_LIFE.as_secs()).is_err());
}

#[test]
fn the_key_of_another_group_opens_nothing() {
    let founder = founder();
    let other = Keypair::generate_ed25519();
    let stranger = Membership::with_key(founder.genesis().clone(), other.clone(), other, NOW);
    assert_eq!(stranger.map(drop), Err(CredentialError::WrongPassphrase));
}
