//! Advertisements (JXTA): descriptions of peers, groups, pipes, services and resources, signed by who publishes
//! them, and the queries that find them.

mod content;
mod peer_addresses;
mod query;
mod signed;
mod value;

pub use content::{Advertisement, AdvertisementKind, Lifetime};
pub use query::{Condition, DiscoveryQuery};
pub use signed::SignedAdvertisement;
pub use value::Value;

pub(crate) use peer_addresses::{addresses_of, encode_addresses};
pub(crate) use query::WireQuery;
pub(crate) use value::WireValue;
