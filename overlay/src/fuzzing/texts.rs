//! What people type or paste: ids, genesis and tickets, queries.

use std::fmt::Display;
use std::str::FromStr;

use super::signed::{group, keypair, ticket as proof};
use super::survives;
use crate::advertisement::DiscoveryQuery;
use crate::credential::Ticket;
use crate::id::{AdvertisementId, Genesis, GroupId, PipeId};
use crate::wire::{base32, from_base32};

/// As bytes, and as text.
pub(super) fn genesis(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| Genesis::from_bytes(bytes).ok();
    let read = decode(bytes).is_some_and(|genesis| survives(&genesis, genesis.to_bytes(), decode));
    text::<Genesis>(bytes) || read
}

pub(super) fn genesis_samples() -> Vec<Vec<u8>> {
    vec![group().to_bytes().unwrap(), Genesis::net().to_bytes().unwrap(), group().to_string().into_bytes()]
}

pub(super) fn ticket(bytes: &[u8]) -> bool {
    text::<Ticket>(bytes)
}

pub(super) fn ticket_samples() -> Vec<Vec<u8>> {
    let issuer = keypair(3).public().to_peer_id();
    let issuers = vec![(issuer, vec!["/ip4/127.0.0.1/tcp/4001".parse().unwrap()])];
    vec![Ticket { genesis: group(), proof: proof(), issuers }.to_string().into_bytes()]
}

/// The ticket of these bytes, as if they had the right check sum, which a fuzzer hardly finds.
pub(super) fn ticket_checked(bytes: &[u8]) -> bool {
    let check = blake3::hash(bytes);
    let checked = [bytes, check.as_bytes().get(..CHECKSUM).unwrap_or_default()].concat();
    text::<Ticket>(format!("juxta-group:{}", base32(&checked)).as_bytes())
}

pub(super) fn ticket_checked_samples() -> Vec<Vec<u8>> {
    let bytes = |text: Vec<u8>| {
        let text = String::from_utf8(text).unwrap();
        let mut bytes = from_base32(text.strip_prefix("juxta-group:").unwrap()).unwrap();
        bytes.truncate(bytes.len() - CHECKSUM);
        bytes
    };
    ticket_samples().into_iter().map(bytes).collect()
}

pub(super) fn query(bytes: &[u8]) -> bool {
    text::<DiscoveryQuery>(bytes)
}

pub(super) fn query_samples() -> Vec<Vec<u8>> {
    let texts = [
        r#"kind=pipe name="chat-*" load<0.5 or not busy"#,
        "threshold=3 deadline=250ms group=urn:jxta:group-0000000000000000000000000000000000000000000000000000000000000000",
        r#"(a=1 and b!=2) or (c>=-5 and not (d=0.2..0.5)) "kind"="x\*" e=#5:00ff"#,
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

pub(super) fn ids(bytes: &[u8]) -> bool {
    text::<GroupId>(bytes) | text::<PipeId>(bytes) | text::<AdvertisementId>(bytes)
}

pub(super) fn ids_samples() -> Vec<Vec<u8>> {
    let pipe = PipeId::derive(&GroupId::net(), "echo");
    vec![GroupId::net().to_string().into(), pipe.to_string().into()]
}

/// What was read is written so that it reads as the same.
fn text<T: FromStr + Display + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<T>().ok();
    decode(bytes).is_some_and(|value| survives(&value, Ok::<_, ()>(value.to_string()), decode))
}

/// Bytes of a ticket's check sum.
const CHECKSUM: usize = 4;
