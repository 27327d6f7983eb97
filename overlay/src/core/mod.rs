//! The overlay's rules about time and tables, without clock, socket or task: the caller passes `now`.

mod address_book;
mod cache;
mod deadlines;
mod event;
mod lease_keeper;
mod membership;
mod path;
mod publications;
mod resumable;
mod round_trip;
mod token_bucket;

pub use cache::{AdvertisementCache, CacheLimits, CacheRefused, Inserted};
pub use deadlines::Deadlines;
pub use event::PeerEvent;
pub use lease_keeper::{LeaseEffect, LeaseKeeper};
pub use path::{Path, Reached, Transport};
pub use publications::{Due, Publications};

pub(crate) use address_book::AddressBook;
pub(crate) use membership::Membership;
pub(crate) use resumable::{FAREWELL, Resumable};
pub(crate) use round_trip::RoundTrip;
pub(crate) use token_bucket::TokenBucket;
