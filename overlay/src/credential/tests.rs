//! Every way in which a chain, a list or a credential can be wrong is refused, and told apart from the others.

use bytes::Bytes;
use libp2p::PeerId;
use libp2p::identity::Keypair;
use proptest::prelude::*;

use super::*;
use crate::error::CredentialError;
use crate::id::{Genesis, GroupId, Policy};
use crate::limits::{CLOCK_SKEW_MAX, CREDENTIAL_BYTES_MAX, CREDENTIAL_LIFE_MAX, REVOKED_MAX};

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 24 * 3600;
const SKEW: u64 = CLOCK_SKEW_MAX.as_secs();

/// An authority, its group, and keys of an issuer and a member.
struct World {
    authority: Keypair,
    issuer: Keypair,
    member: Keypair,
    genesis: Genesis,
}

fn world() -> World {
    let [authority, issuer, member] = [(); 3].map(|()| Keypair::generate_ed25519());
    let genesis = genesis_of(&authority, 7);
    World { authority, issuer, member, genesis }
}

fn genesis_of(authority: &Keypair, salt: u8) -> Genesis {
    let key = authority.public().try_into_ed25519().unwrap().to_bytes();
    Genesis::closed(Policy::Invite, key, [salt; 16], "tests")
}

fn id(keypair: &Keypair) -> PeerId {
    keypair.public().to_peer_id()
}

impl World {
    fn claim(&self, subject: &Keypair, role: Role) -> Claim {
        let group = self.genesis.id();
        Claim { group, subject: id(subject), role, serial: 1, not_before: NOW, not_after: NOW + DAY }
    }

    fn direct(&self) -> Vec<Bytes> {
        vec![signed(self.claim(&self.member, Role::Member), &self.authority)]
    }

    fn delegated(&self) -> Vec<Bytes> {
        vec![
            signed(self.claim(&self.issuer, Role::Issuer), &self.authority),
            signed(self.claim(&self.member, Role::Member), &self.issuer),
        ]
    }

    fn verdict(&self, chain: &[Bytes]) -> Result<VerifiedChain, CredentialError> {
        verify_chain(chain, &self.genesis, &id(&self.member), NOW, &RevocationList::default())
    }
}

fn signed(claim: Claim, keypair: &Keypair) -> Bytes {
    Credential::issue(claim, keypair).unwrap().to_bytes()
}

#[test]
fn the_authority_or_an_issuer_of_its_makes_a_member() {
    let world = world();
    let direct = world.verdict(&world.direct()).unwrap();
    assert_eq!((direct.role, direct.until), (Role::Member, NOW + DAY + SKEW));
    assert_eq!(direct.peers, [id(&world.member)]);
    let delegated = world.verdict(&world.delegated()).unwrap();
    assert_eq!(delegated.peers, [id(&world.member), id(&world.issuer)]);
}

#[test]
fn a_duty_is_given_by_issuers_and_gives_no_right_to_let_anybody_in() {
    let world = world();
    let duty = Role::Duty(7.try_into().unwrap());
    let chain = [world.delegated().remove(0), signed(world.claim(&world.member, duty), &world.issuer)];
    assert_eq!(world.verdict(&chain).unwrap().role, duty);
    let behind = [
        signed(world.claim(&world.issuer, duty), &world.authority),
        signed(world.claim(&world.member, Role::Member), &world.issuer),
    ];
    assert_eq!(world.verdict(&behind), Err(CredentialError::NotAnIssuer));
}

#[test]
fn a_chain_ends_with_its_first_credential_that_does() {
    let world = world();
    let brief = Claim { not_after: NOW + 60, ..world.claim(&world.issuer, Role::Issuer) };
    let chain = [signed(brief, &world.authority), world.delegated().remove(1)];
    assert_eq!(world.verdict(&chain).unwrap().until, NOW + 60 + SKEW);
}

#[test]
fn none_and_one_too_many_are_refused_by_their_number() {
    let world = world();
    assert_eq!(world.verdict(&[]), Err(CredentialError::ChainLength { len: 0 }));
    let third = signed(world.claim(&world.member, Role::Member), &world.member);
    let long = [world.delegated(), vec![third]].concat();
    assert_eq!(world.verdict(&long), Err(CredentialError::ChainLength { len: 3 }));
}

#[test]
fn another_subject_group_or_signer_is_refused() {
    let world = world();
    let stolen = [signed(world.claim(&world.issuer, Role::Member), &world.authority)];
    assert_eq!(world.verdict(&stolen), Err(CredentialError::WrongSubject));
    let other = genesis_of(&world.authority, 8).id();
    let crossed = Claim { group: other, ..world.claim(&world.member, Role::Member) };
    assert_eq!(world.verdict(&[signed(crossed, &world.authority)]), Err(CredentialError::WrongGroup));
    let own = [signed(world.claim(&world.member, Role::Issuer), &world.member)];
    assert_eq!(world.verdict(&own), Err(CredentialError::WrongIssuer));
    let mut swapped = world.delegated();
    swapped.reverse();
    assert_eq!(world.verdict(&swapped), Err(CredentialError::WrongIssuer));
    let mut foreign = world.delegated();
    foreign[1] = world.direct().remove(0);
    assert_eq!(world.verdict(&foreign), Err(CredentialError::WrongIssuer));
}

#[test]
fn a_member_issues_nothing_and_an_issuer_makes_no_issuer() {
    let world = world();
    let mut by_member = world.delegated();
    by_member[0] = signed(world.claim(&world.issuer, Role::Member), &world.authority);
    assert_eq!(world.verdict(&by_member), Err(CredentialError::NotAnIssuer));
    let mut promoted = world.delegated();
    promoted[1] = signed(world.claim(&world.member, Role::Issuer), &world.issuer);
    assert_eq!(world.verdict(&promoted), Err(CredentialError::NotAnIssuer));
}

#[test]
fn an_open_group_takes_no_credential() {
    let world = world();
    let revoked = RevocationList::default();
    let verdict = verify_chain(&world.direct(), &Genesis::open("tests"), &id(&world.member), NOW, &revoked);
    assert_eq!(verdict, Err(CredentialError::NotClosed));
}

#[test]
fn time_counts_within_the_forgiven_difference_of_clocks() {
    let world = world();
    let verdict = |not_before, not_after| {
        let claim = Claim { not_before, not_after, ..world.claim(&world.member, Role::Member) };
        world.verdict(&[signed(claim, &world.authority)]).map(drop)
    };
    assert_eq!(verdict(NOW + SKEW, NOW + DAY), Ok(()));
    assert_eq!(verdict(NOW + SKEW + 1, NOW + DAY), Err(CredentialError::NotYetValid { seconds: SKEW + 1 }));
    assert_eq!(verdict(NOW - DAY, NOW - SKEW + 1), Ok(()));
    assert_eq!(verdict(NOW - DAY, NOW - SKEW), Err(CredentialError::Expired { seconds: SKEW }));
    let max = CREDENTIAL_LIFE_MAX.as_secs();
    assert_eq!(verdict(NOW, NOW + max), Ok(()));
    let over = CredentialError::TooLongLived { seconds: max + 1, max };
    assert_eq!(verdict(NOW, NOW + max + 1), Err(over));
    assert!(matches!(verdict(0, u64::MAX), Err(CredentialError::TooLongLived { .. })));
    assert!(matches!(verdict(u64::MAX, 0), Err(CredentialError::NotYetValid { .. })));
}

#[test]
fn no_flipped_bit_of_a_chain_is_accepted() {
    let world = world();
    let chain = world.delegated();
    for credential in 0..chain.len() {
        for bit in (0..chain[credential].len() * 8).step_by(3) {
            let mut bytes = chain[credential].to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut forged = chain.clone();
            forged[credential] = bytes.into();
            assert!(
                world.verdict(&forged).is_err(),
                "bit {bit} of credential {credential} was flipped unseen"
            );
        }
    }
}

#[test]
fn a_signature_of_another_domain_is_none() {
    let world = world();
    let list = RevocationList::default().with(id(&world.issuer), &world.genesis, &world.authority, NOW);
    assert_eq!(world.verdict(&[list.unwrap().to_bytes()]), Err(CredentialError::BadSignature));
    let listed = RevocationList::from_bytes(world.direct().remove(0), &world.genesis);
    assert_eq!(listed, Err(CredentialError::BadSignature));
}

#[test]
fn an_oversize_credential_is_refused_before_it_is_read() {
    let world = world();
    let verdict = world.verdict(&[vec![0; CREDENTIAL_BYTES_MAX + 1].into()]);
    assert!(matches!(verdict, Err(CredentialError::Malformed(_))));
}

#[test]
fn a_revoked_member_or_issuer_breaks_the_chain() {
    let world = world();
    for revoked in [&world.member, &world.issuer] {
        let list = RevocationList::default();
        let list = list.with(id(revoked), &world.genesis, &world.authority, NOW).unwrap();
        let read = RevocationList::from_bytes(list.to_bytes(), &world.genesis).unwrap();
        assert_eq!(read, list);
        let verdict = verify_chain(&world.delegated(), &world.genesis, &id(&world.member), NOW, &read);
        assert_eq!(verdict, Err(CredentialError::Revoked));
    }
}

#[test]
fn only_the_authority_revokes_and_only_in_its_group() {
    let world = world();
    let empty = RevocationList::default();
    let by_issuer = empty.with(id(&world.member), &world.genesis, &world.issuer, NOW);
    assert_eq!(by_issuer, Err(CredentialError::WrongIssuer));
    let list = empty.with(id(&world.member), &world.genesis, &world.authority, NOW).unwrap();
    let elsewhere = genesis_of(&world.authority, 8);
    let verdict = RevocationList::from_bytes(list.to_bytes(), &elsewhere);
    assert_eq!(verdict, Err(CredentialError::WrongGroup));
    let verdict = RevocationList::from_bytes(list.to_bytes(), &genesis_of(&world.issuer, 7));
    assert_eq!(verdict, Err(CredentialError::WrongIssuer));
    for bit in (0..list.to_bytes().len() * 8).step_by(3) {
        let mut forged = list.to_bytes().to_vec();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert!(RevocationList::from_bytes(forged.into(), &world.genesis).is_err(), "bit {bit}");
    }
}

#[test]
fn a_list_counts_up_forgets_who_can_have_no_credential_and_is_bounded() {
    let world = world();
    let mut list = RevocationList::default();
    let first = PeerId::random();
    list = list.with(first, &world.genesis, &world.authority, NOW).unwrap();
    for _ in 1..REVOKED_MAX {
        list = list.with(PeerId::random(), &world.genesis, &world.authority, NOW).unwrap();
    }
    assert_eq!(list.number(), REVOKED_MAX as u64);
    assert!(RevocationList::from_bytes(list.to_bytes(), &world.genesis).unwrap().contains(&first));
    let full = list.with(PeerId::random(), &world.genesis, &world.authority, NOW);
    assert_eq!(full, Err(CredentialError::ListFull { max: REVOKED_MAX }));
    let later = NOW + CREDENTIAL_LIFE_MAX.as_secs() + 2 * SKEW;
    let list = list.with(PeerId::random(), &world.genesis, &world.authority, later).unwrap();
    assert!(!list.contains(&first));
}

proptest! {
    #[test]
    fn a_claim_survives_its_signature(serial: u64, not_before: u64, not_after: u64, group: [u8; 32], issuer: bool, duty: u8) {
        let keypair = Keypair::generate_ed25519();
        let duty = duty.try_into().map_or(Role::Member, Role::Duty);
        let role = if issuer { Role::Issuer } else { duty };
        let group = GroupId::from_bytes(group);
        let claim = Claim { group, subject: PeerId::random(), role, serial, not_before, not_after };
        let credential = Credential::from_bytes(signed(claim, &keypair)).unwrap();
        prop_assert_eq!(credential.claim(), &claim);
        prop_assert_eq!(credential.signer(), &keypair.public());
        // Whatever the times are, they are judged and do not overflow.
        let _ = credential.check_time(NOW);
    }

    #[test]
    fn any_bytes_are_a_credential_a_list_or_an_error(bytes: Vec<u8>) {
        let bytes = Bytes::from(bytes);
        prop_assert!(Credential::from_bytes(bytes.clone()).is_err());
        let genesis = genesis_of(&Keypair::generate_ed25519(), 1);
        prop_assert!(bytes.is_empty() || RevocationList::from_bytes(bytes, &genesis).is_err());
    }
}
