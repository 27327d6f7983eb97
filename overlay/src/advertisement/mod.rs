//! Advertisements (JXTA): descriptions of peers, groups, pipes, services and resources, signed by who publishes
//! them, and the queries that find them, as types and as text.

mod condition;
mod content;
mod order;
mod pattern;
mod peer_addresses;
mod query;
mod query_text;
mod signed;
mod value;

pub use condition::{Comparison, Condition};
pub use content::{Advertisement, AdvertisementKind, Lifetime};
pub use pattern::Pattern;
pub use query::DiscoveryQuery;
pub use signed::SignedAdvertisement;
pub use value::Value;

pub(crate) use order::ValueKey;
pub(crate) use peer_addresses::{addresses_of, encode_addresses};
pub(crate) use query::WireQuery;
pub(crate) use value::WireValue;
