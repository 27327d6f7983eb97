//! The text form of a query, whose rules are told at [`DiscoveryQuery`].
//!
//! In: text, or a query. Out: the query or where the text is wrong; or text that parses back to the same query.

mod read;
mod write;

use crate::advertisement::AdvertisementKind;

/// Words that mean something of their own and so are no attribute's name without quotes.
const RESERVED: [&str; 10] =
    ["and", "or", "not", "always", "never", "kind", "group", "publisher", "threshold", "deadline"];

/// What the known kinds are called.
const KINDS: [(&str, AdvertisementKind); 5] = [
    ("peer", AdvertisementKind::Peer),
    ("peer-group", AdvertisementKind::PeerGroup),
    ("pipe", AdvertisementKind::Pipe),
    ("service", AdvertisementKind::Service),
    ("resource", AdvertisementKind::Resource),
];

/// Units of a deadline in nanoseconds, the longest first.
const UNITS: [(&str, u128); 4] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

/// Whether `character` may be in a word without quotes.
fn in_word(character: char) -> bool {
    character.is_alphanumeric() || "_-+./:@*?".contains(character)
}

#[cfg(test)]
mod tests;
