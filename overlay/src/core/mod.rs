//! The overlay's rules about time and tables, without clock, socket or task: the caller passes `now`.

mod address_book;
mod cache;
mod conduct;
mod deadlines;
mod event;
mod lease_keeper;
mod membership;
mod path;
mod publications;
mod rate;
mod round_trip;

pub use cache::{AdvertisementCache, CacheLimits, CacheRefused, Inserted};
pub use deadlines::Deadlines;
pub use event::PeerEvent;
pub use path::{Path, Transport};
pub use rate::{RateLimiter, TooMany};

pub(crate) use address_book::AddressBook;
pub(crate) use conduct::{Conduct, Offence};
pub(crate) use lease_keeper::{LeaseEffect, LeaseKeeper};
pub(crate) use membership::Membership;
pub(crate) use publications::{Due, Publications};
pub(crate) use round_trip::RoundTrip;
