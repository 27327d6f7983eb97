//! The overlay's rules about time and tables, without clock, socket or task: the caller passes `now`.

mod address_book;
mod cache;
pub(crate) mod cache_records;
mod conduct;
mod deadlines;
mod event;
mod lease_keeper;
mod membership;
mod path;
mod publications;
mod rate;
mod resumable;
mod round_trip;
mod token_bucket;
mod view;

pub use cache::{AdvertisementCache, CacheLimits, CacheRefused, Inserted};
pub use deadlines::Deadlines;
pub use event::PeerEvent;
pub use lease_keeper::{LeaseEffect, LeaseKeeper};
pub use path::{Path, Transport};
pub use publications::{Due, Publications};
pub use rate::{RateLimiter, TooMany};
pub use view::Change;

pub(crate) use address_book::AddressBook;
pub(crate) use conduct::{Conduct, Offence};
pub(crate) use membership::Membership;
pub(crate) use resumable::{FAREWELL, Resumable};
pub(crate) use round_trip::RoundTrip;
pub(crate) use token_bucket::TokenBucket;
pub(crate) use view::View;
