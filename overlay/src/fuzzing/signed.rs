//! What is signed: advertisements, credentials, revocation lists, and the papers that carry them. A fuzzer can't sign,
//! so that the content of each is read once more as if somebody with a key had signed whatever it is (`…-signed`).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p::core::SignedEnvelope;
use libp2p::identity::Keypair;

use super::survives;
use crate::advertisement::{
    Advertisement, AdvertisementKind, Lifetime, SignedAdvertisement, addresses_of, encode_addresses,
};
use crate::core::Membership;
use crate::credential::{Claim, Credential, RevocationList, Role, TicketClaim, TicketProof, verify_chain};
use crate::id::{Genesis, Policy};
use crate::protocol::membership::{MembershipRequest, Papers};

/// A ticket is shown, or a credential renewed.
pub(super) fn membership(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| MembershipRequest::decode(bytes).ok();
    let Some(request) = decode(bytes) else { return false };
    if let MembershipRequest::Redeem { ticket, .. } = &request {
        let _ = ticket.verify(&group(), NOW, &RevocationList::default());
    }
    survives(&request, request.encode(), decode)
}

pub(super) fn membership_samples() -> Vec<Vec<u8>> {
    let request = MembershipRequest::Redeem { group: group().id(), ticket: ticket() };
    [request, MembershipRequest::Renew].map(|request| request.encode().unwrap().to_vec()).to_vec()
}

/// What is shown in the handshake of a closed group, read as far as a stranger's goes.
pub(super) fn papers(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| Papers::decode(bytes).ok();
    let Some(papers) = decode(bytes) else { return false };
    let revoked = RevocationList::from_bytes(papers.revocations.clone(), &group()).unwrap_or_default();
    let subject = keypair(2).public().to_peer_id();
    let _ = verify_chain(&papers.chain, &group(), &subject, NOW, &revoked);
    survives(&papers, papers.encode(), decode)
}

pub(super) fn papers_samples() -> Vec<Vec<u8>> {
    let papers = |chain, revocations| Papers { chain, revocations }.encode().unwrap().to_vec();
    let list = revoked();
    vec![papers(chain(), list.to_bytes()), papers(chain(), Bytes::new())]
}

pub(super) fn credential(bytes: &[u8]) -> bool {
    let Ok(credential) = Credential::from_bytes(Bytes::copy_from_slice(bytes)) else { return false };
    let _ = credential.check_time(NOW);
    assert_eq!(credential.to_bytes(), bytes, "a credential is passed on as it came");
    true
}

pub(super) fn credential_samples() -> Vec<Vec<u8>> {
    chain().iter().map(|sealed| sealed.to_vec()).collect()
}

pub(super) fn credential_signed(bytes: &[u8]) -> bool {
    credential(&seal("juxta/cred/1", b"juxta/cred/1", bytes))
}

pub(super) fn credential_signed_samples() -> Vec<Vec<u8>> {
    chain().iter().map(|sealed| content_of(sealed, "juxta/cred/1", b"juxta/cred/1")).collect()
}

pub(super) fn revocations(bytes: &[u8]) -> bool {
    let Ok(list) = RevocationList::from_bytes(Bytes::copy_from_slice(bytes), &group()) else { return false };
    assert_eq!(list.to_bytes(), bytes, "a list is passed on as it came");
    let next = list.with(keypair(4).public().to_peer_id(), &group(), &keypair(1), NOW);
    assert!(next.is_err() || next.is_ok_and(|next| next.number() >= list.number()), "numbers only grow");
    true
}

pub(super) fn revocations_samples() -> Vec<Vec<u8>> {
    vec![revoked().to_bytes().to_vec(), Vec::new()]
}

pub(super) fn revocations_signed(bytes: &[u8]) -> bool {
    revocations(&seal("juxta/revoked/1", b"juxta/revoked/1", bytes))
}

pub(super) fn revocations_signed_samples() -> Vec<Vec<u8>> {
    vec![content_of(&revoked().to_bytes(), "juxta/revoked/1", b"juxta/revoked/1")]
}

/// The user's own file, which may be damaged.
pub(super) fn saved(bytes: &[u8]) -> bool {
    let Ok(membership) = Membership::restore(bytes, keypair(1), NOW) else { return false };
    membership.save().is_ok()
}

pub(super) fn saved_samples() -> Vec<Vec<u8>> {
    let founder = Membership::with_key(Arc::new(group()), keypair(1), keypair(1), NOW).unwrap();
    vec![founder.save().unwrap()]
}

pub(super) fn advertisement(bytes: &[u8]) -> bool {
    let Ok(signed) = SignedAdvertisement::verify(Bytes::copy_from_slice(bytes)) else { return false };
    assert_eq!(signed.to_bytes(), bytes, "an advertisement is passed on as it came");
    let said = signed.advertisement().clone();
    let sign =
        if signed.is_withdrawn() { SignedAdvertisement::sign_withdrawal } else { SignedAdvertisement::sign };
    let again = sign(said, signed.lifetime(), signed.sequence(), &keypair(1));
    assert!(again.is_ok_and(|again| again.lifetime() == signed.lifetime()), "what was read can be signed");
    true
}

pub(super) fn advertisement_samples() -> Vec<Vec<u8>> {
    vec![signed(b"body").to_bytes().to_vec()]
}

pub(super) fn content(bytes: &[u8]) -> bool {
    advertisement(&seal("juxta/adv/1", b"/juxta/adv", bytes))
}

pub(super) fn content_samples() -> Vec<Vec<u8>> {
    let said = signed(b"body");
    let gone =
        SignedAdvertisement::sign_withdrawal(said.advertisement().clone(), said.lifetime(), 8, &keypair(1));
    [said, gone.unwrap()].map(|signed| content_of(&signed.to_bytes(), "juxta/adv/1", b"/juxta/adv")).to_vec()
}

pub(super) fn addresses(bytes: &[u8]) -> bool {
    let advertisement = Advertisement::new(AdvertisementKind::Peer).body(bytes.to_vec());
    let signed = SignedAdvertisement::sign(advertisement, lifetime(), 1, &keypair(1));
    let addresses = signed.map(|signed| addresses_of(&signed)).unwrap_or_default();
    assert!(encode_addresses(&addresses).is_ok(), "addresses that were read can be told");
    !addresses.is_empty()
}

pub(super) fn addresses_samples() -> Vec<Vec<u8>> {
    let addresses =
        ["/ip4/127.0.0.1/tcp/4001", "/ip6/::1/udp/4001/quic-v1", "/dns4/meet.example/tcp/4001/ws"];
    vec![encode_addresses(&addresses.map(|address| address.parse().unwrap())).unwrap()]
}

/// The key of this number.
pub(super) fn keypair(number: u8) -> Keypair {
    Keypair::ed25519_from_bytes([number; 32]).unwrap()
}

/// A group by invitation whose authority is the first key.
pub(super) fn group() -> Genesis {
    let authority = keypair(1).public().try_into_ed25519().unwrap().to_bytes();
    Genesis::closed(Policy::Invite, authority, [9; 16], "fuzzed")
}

/// A ticket that the authority signed.
pub(super) fn ticket() -> TicketProof {
    let (not_before, not_after) = (NOW - 60, NOW + 3600);
    let claim = TicketClaim { group: group().id(), id: [5; 16], role: Role::Member, not_before, not_after };
    TicketProof::issue(claim, &keypair(1), Vec::new()).unwrap()
}

/// The second key is a member by the third, an issuer.
fn chain() -> Vec<Bytes> {
    let (group, not_before, not_after) = (group().id(), NOW - 60, NOW + 3600);
    let claim = |number, role| {
        let subject = keypair(number).public().to_peer_id();
        Claim { group, subject, role, serial: 1, not_before, not_after }
    };
    let issuer = Credential::issue(claim(3, Role::Issuer), &keypair(1)).unwrap();
    let member = Credential::issue(claim(2, Role::Member), &keypair(3)).unwrap();
    vec![issuer.to_bytes(), member.to_bytes()]
}

fn revoked() -> RevocationList {
    let peer = keypair(4).public().to_peer_id();
    RevocationList::default().with(peer, &group(), &keypair(1), NOW).unwrap()
}

fn signed(body: &'static [u8]) -> SignedAdvertisement {
    let advertisement = Advertisement::new(AdvertisementKind::Service)
        .key("echo")
        .attribute("busy", true)
        .attribute("load", 0.25)
        .attribute("name", "echo")
        .attribute("port", 7)
        .body(body);
    SignedAdvertisement::sign(advertisement, lifetime(), 7, &keypair(1)).unwrap()
}

fn lifetime() -> Lifetime {
    Lifetime { local: Duration::from_secs(3600), remote: Duration::from_secs(60) }
}

fn seal(domain: &str, kind: &[u8], payload: &[u8]) -> Vec<u8> {
    let sealed = SignedEnvelope::new(&keypair(1), domain.to_owned(), kind.to_vec(), payload.to_vec());
    sealed.unwrap().into_protobuf_encoding()
}

fn content_of(sealed: &[u8], domain: &str, kind: &[u8]) -> Vec<u8> {
    let opened = SignedEnvelope::from_protobuf_encoding(sealed).unwrap();
    opened.payload_and_signing_key(domain.to_owned(), kind).unwrap().0.to_vec()
}

/// The time at which all of this is read, in seconds since 1970.
const NOW: u64 = 1_800_000_000;
