//! A value with its signature in one domain, which makes it useless in any other: libp2p's signed envelope.

use bytes::Bytes;
use libp2p::core::SignedEnvelope;
use libp2p::identity::{Keypair, PublicKey};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::CredentialError;
use crate::wire::{WireError, decode_message, encode_message};

/// What is signed for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Domain {
    pub(super) name: &'static str,
    pub(super) bytes_max: usize,
}

/// `value`, signed.
pub(super) fn seal<T: Serialize>(
    domain: Domain,
    keypair: &Keypair,
    value: &T,
) -> Result<Bytes, CredentialError> {
    let payload = encode_message(VERSION, value, domain.bytes_max)?;
    let name = domain.name;
    let sealed = SignedEnvelope::new(keypair, name.to_owned(), name.as_bytes().to_vec(), payload)
        .map_err(|_| CredentialError::BadSignature)?;
    let bytes = Bytes::from(sealed.into_protobuf_encoding());
    check_len(domain, &bytes)?;
    Ok(bytes)
}

/// The value in `bytes` and who signed it. Costs one Ed25519 verification, about 50 µs. Bytes have one form: what
/// would encode otherwise is refused.
pub(super) fn unseal<T: DeserializeOwned>(
    domain: Domain,
    bytes: &Bytes,
) -> Result<(T, PublicKey), CredentialError> {
    check_len(domain, bytes)?;
    let bad = |_| CredentialError::BadSignature;
    let opened = SignedEnvelope::from_protobuf_encoding(bytes).map_err(bad)?;
    if opened.clone().into_protobuf_encoding() != bytes[..] {
        return Err(CredentialError::BadSignature);
    }
    let (payload, signer) = opened
        .payload_and_signing_key(domain.name.to_owned(), domain.name.as_bytes())
        .map_err(|_| CredentialError::BadSignature)?;
    Ok((decode_message(VERSION, payload, domain.bytes_max)?, signer.clone()))
}

fn check_len(domain: Domain, bytes: &Bytes) -> Result<(), CredentialError> {
    match bytes.len() {
        len if len > domain.bytes_max => Err(WireError::TooLarge { len, max: domain.bytes_max }.into()),
        _ => Ok(()),
    }
}

const VERSION: u8 = 1;
