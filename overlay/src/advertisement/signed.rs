//! Advertisements with proof of origin: libp2p signed envelopes in the domain `juxta/adv/1`.
//!
//! In: an advertisement and a key, or bytes from anybody. Out: a verified [`SignedAdvertisement`] that keeps the
//! exact bytes it came in, so that it can be passed on unchanged. Size and attribute count are bounded.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use libp2p::PeerId;
use libp2p::core::SignedEnvelope;
use libp2p::identity::Keypair;
use serde::{Deserialize, Serialize};

use super::{Advertisement, AdvertisementKind, Lifetime, Value};
use crate::error::AdvertisementError;
use crate::id::{AdvertisementId, GroupId};
use crate::limits::{ADVERTISEMENT_BYTES_MAX, ATTRIBUTE_BYTES_MAX, ATTRIBUTES_MAX, LIFETIME_REMOTE_MAX};
use crate::wire::{Ext, WireError, decode_message, encode_message};

/// An advertisement whose signature was verified and belongs to its publisher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedAdvertisement {
    advertisement: Advertisement,
    id: AdvertisementId,
    publisher: PeerId,
    sequence: u64,
    lifetime: Lifetime,
    withdrawn: bool,
    envelope: Bytes,
}

impl SignedAdvertisement {
    /// Signs `advertisement`; a greater `sequence` of the same publisher and key replaces a smaller.
    ///
    /// # Errors
    /// [`AdvertisementError::TooLarge`] when it breaks a bound.
    pub fn sign(
        advertisement: Advertisement,
        lifetime: Lifetime,
        sequence: u64,
        keypair: &Keypair,
    ) -> Result<Self, AdvertisementError> {
        check_attributes(&advertisement.attributes)?;
        Self::sign_content(advertisement, lifetime, sequence, false, keypair)
    }

    /// Signs the withdrawal of `advertisement`: a tombstone without attributes and body, which replaces smaller
    /// sequences for as long as they could still be kept by others.
    ///
    /// # Errors
    /// [`AdvertisementError::TooLarge`] when its key breaks a bound.
    pub fn sign_withdrawal(
        advertisement: Advertisement,
        lifetime: Lifetime,
        sequence: u64,
        keypair: &Keypair,
    ) -> Result<Self, AdvertisementError> {
        let tombstone = Advertisement { attributes: BTreeMap::new(), body: Bytes::new(), ..advertisement };
        Self::sign_content(tombstone, lifetime, sequence, true, keypair)
    }

    fn sign_content(
        advertisement: Advertisement,
        lifetime: Lifetime,
        sequence: u64,
        withdrawn: bool,
        keypair: &Keypair,
    ) -> Result<Self, AdvertisementError> {
        let publisher = keypair.public().to_peer_id();
        let content = Content {
            kind: advertisement.kind.code(),
            group: advertisement.group,
            key: advertisement.key,
            publisher: publisher.to_bytes().into(),
            sequence,
            withdrawn,
            local_s: whole_seconds(lifetime.local),
            remote_s: whole_seconds(lifetime.remote.min(LIFETIME_REMOTE_MAX)),
            attributes: advertisement.attributes.into_iter().collect(),
            body: advertisement.body,
            ext: Ext::new(),
        };
        let payload = encode_message(VERSION, &content, ADVERTISEMENT_BYTES_MAX).map_err(too_large)?;
        let envelope = SignedEnvelope::new(keypair, DOMAIN.to_owned(), PAYLOAD_TYPE.to_vec(), payload)
            .map_err(|_| AdvertisementError::BadSignature)?;
        let envelope = Bytes::from(envelope.into_protobuf_encoding());
        check_envelope(&envelope)?;
        content.into_signed(publisher, envelope)
    }

    /// Verifies the bytes of a signed advertisement. Costs one Ed25519 verification, about 50 µs.
    ///
    /// # Errors
    /// As [`AdvertisementError`] says.
    pub fn verify(envelope: Bytes) -> Result<Self, AdvertisementError> {
        check_envelope(&envelope)?;
        let opened = SignedEnvelope::from_protobuf_encoding(&envelope)
            .map_err(|_| AdvertisementError::BadSignature)?;
        let (payload, signer) = opened
            .payload_and_signing_key(DOMAIN.to_owned(), PAYLOAD_TYPE)
            .map_err(|_| AdvertisementError::BadSignature)?;
        let content: Content = decode_message(VERSION, payload, ADVERTISEMENT_BYTES_MAX)?;
        let signer = signer.to_peer_id();
        if content.publisher != signer.to_bytes() {
            return Err(AdvertisementError::WrongPublisher);
        }
        let ascending = content.attributes.windows(2).all(|pair| match pair {
            [(first, _), (second, _)] => first < second,
            _ => true,
        });
        if !ascending {
            return Err(WireError::Malformed.into());
        }
        let signed = content.into_signed(signer, envelope)?;
        check_attributes(&signed.advertisement.attributes)?;
        Ok(signed)
    }

    /// What it says.
    pub fn advertisement(&self) -> &Advertisement {
        &self.advertisement
    }

    /// What names it, through all its sequences.
    pub fn id(&self) -> AdvertisementId {
        self.id
    }

    /// Who published it.
    pub fn publisher(&self) -> PeerId {
        self.publisher
    }

    /// Which edition it is; greater replaces smaller.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How long it counts.
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// Whether it says that its publisher has withdrawn what earlier editions said. Answers no query.
    pub fn is_withdrawn(&self) -> bool {
        self.withdrawn
    }

    /// The signed bytes, as they came.
    pub fn to_bytes(&self) -> Bytes {
        self.envelope.clone()
    }
}

/// What is signed, behind a version byte.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    kind: u16,
    group: GroupId,
    key: String,
    publisher: Bytes,
    sequence: u64,
    withdrawn: bool,
    local_s: u32,
    remote_s: u32,
    attributes: Vec<(String, Value)>,
    body: Bytes,
    ext: Ext,
}

impl Content {
    fn into_signed(
        self,
        publisher: PeerId,
        envelope: Bytes,
    ) -> Result<SignedAdvertisement, AdvertisementError> {
        let advertisement = Advertisement {
            kind: AdvertisementKind::from_code(self.kind),
            group: self.group,
            key: self.key,
            attributes: self.attributes.into_iter().collect(),
            body: self.body,
        };
        let remote = Duration::from_secs(u64::from(self.remote_s)).min(LIFETIME_REMOTE_MAX);
        Ok(SignedAdvertisement {
            id: advertisement.id(&publisher),
            publisher,
            sequence: self.sequence,
            lifetime: Lifetime { local: Duration::from_secs(u64::from(self.local_s)), remote },
            withdrawn: self.withdrawn,
            advertisement,
            envelope,
        })
    }
}

fn check_envelope(envelope: &Bytes) -> Result<(), AdvertisementError> {
    check("the signed advertisement", envelope.len(), ADVERTISEMENT_BYTES_MAX)
}

fn check_attributes(attributes: &BTreeMap<String, Value>) -> Result<(), AdvertisementError> {
    check("the number of attributes", attributes.len(), ATTRIBUTES_MAX)?;
    attributes.iter().try_for_each(|(name, value)| {
        check("an attribute's name", name.len(), ATTRIBUTE_BYTES_MAX)?;
        check("an attribute's value", value.wire().1.len(), ATTRIBUTE_BYTES_MAX)
    })
}

fn check(what: &'static str, len: usize, max: usize) -> Result<(), AdvertisementError> {
    if len > max { Err(AdvertisementError::TooLarge { what, len, max }) } else { Ok(()) }
}

fn too_large(error: WireError) -> AdvertisementError {
    match error {
        WireError::TooLarge { len, max } => {
            AdvertisementError::TooLarge { what: "the signed advertisement", len, max }
        }
        other => other.into(),
    }
}

fn whole_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

const VERSION: u8 = 1;
const DOMAIN: &str = "juxta/adv/1";
const PAYLOAD_TYPE: &[u8] = b"/juxta/adv";

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(keypair: &Keypair) -> SignedAdvertisement {
        let advertisement = Advertisement::new(AdvertisementKind::Service)
            .key("echo")
            .attribute("name", "echo")
            .attribute("load", 0.25)
            .body(&b"hello"[..]);
        SignedAdvertisement::sign(advertisement, Lifetime::while_alive(Duration::from_secs(60)), 7, keypair)
            .unwrap()
    }

    #[test]
    fn what_is_signed_verifies_to_itself() {
        let keypair = Keypair::generate_ed25519();
        let signed = signed(&keypair);
        assert_eq!(SignedAdvertisement::verify(signed.to_bytes()).unwrap(), signed);
        assert_eq!(signed.publisher(), keypair.public().to_peer_id());
    }

    #[test]
    fn a_withdrawal_names_the_same_thing_and_says_nothing_of_it() {
        let keypair = Keypair::generate_ed25519();
        let signed = signed(&keypair);
        let (advertisement, lifetime) = (signed.advertisement().clone(), signed.lifetime());
        let tombstone = SignedAdvertisement::sign_withdrawal(advertisement, lifetime, 8, &keypair).unwrap();
        assert_eq!(SignedAdvertisement::verify(tombstone.to_bytes()).unwrap(), tombstone);
        assert_eq!((tombstone.id(), tombstone.is_withdrawn()), (signed.id(), true));
        let said = tombstone.advertisement();
        assert!(said.attributes.is_empty() && said.body.is_empty());
        assert!(tombstone.to_bytes().len() < signed.to_bytes().len(), "it always finds room");
    }

    #[test]
    fn no_flipped_bit_is_accepted() {
        let original = signed(&Keypair::generate_ed25519());
        let bytes = original.to_bytes();
        for position in 0..bytes.len() {
            let mut forged = bytes.to_vec();
            forged[position] ^= 1 << (position % 8);
            if let Ok(accepted) = SignedAdvertisement::verify(forged.into()) {
                panic!("bit at byte {position} was flipped unseen: {accepted:?}");
            }
        }
    }

    #[test]
    fn one_cannot_sign_for_another() {
        let (mine, other) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
        let victim = signed(&other);
        let opened = SignedEnvelope::from_protobuf_encoding(&victim.to_bytes()).unwrap();
        let (payload, _) = opened.payload_and_signing_key(DOMAIN.to_owned(), PAYLOAD_TYPE).unwrap();
        let forged =
            SignedEnvelope::new(&mine, DOMAIN.to_owned(), PAYLOAD_TYPE.to_vec(), payload.to_vec()).unwrap();
        let verdict = SignedAdvertisement::verify(forged.into_protobuf_encoding().into());
        assert_eq!(verdict, Err(AdvertisementError::WrongPublisher));
    }

    #[test]
    fn an_oversize_one_is_refused_both_ways() {
        let keypair = Keypair::generate_ed25519();
        let large = Advertisement::new(AdvertisementKind::Resource).body(vec![0; ADVERTISEMENT_BYTES_MAX]);
        let lifetime = Lifetime::while_alive(Duration::from_secs(60));
        let refused = SignedAdvertisement::sign(large, lifetime, 1, &keypair);
        assert!(matches!(refused, Err(AdvertisementError::TooLarge { .. })));
        let refused = SignedAdvertisement::verify(vec![0; ADVERTISEMENT_BYTES_MAX + 1].into());
        assert!(matches!(refused, Err(AdvertisementError::TooLarge { .. })));
    }

    #[test]
    fn a_lifetime_beyond_the_bound_is_cut() {
        let keypair = Keypair::generate_ed25519();
        let forever = Lifetime { local: Duration::MAX, remote: Duration::MAX };
        let signed =
            SignedAdvertisement::sign(Advertisement::new(AdvertisementKind::Peer), forever, 1, &keypair)
                .unwrap();
        assert_eq!(signed.lifetime().remote, LIFETIME_REMOTE_MAX);
    }
}
