//! The overlay's rules about time and tables, without clock, socket or task: the caller passes `now`.

mod address_book;
mod cache;
mod deadlines;
mod event;
mod lease_keeper;
mod membership;
mod path;
mod propagate;
mod publications;
mod round_trip;

pub use cache::{AdvertisementCache, CacheLimits, CacheRefused, Inserted};
pub use deadlines::Deadlines;
pub use event::PeerEvent;
pub use path::{Path, Transport};

pub(crate) use address_book::AddressBook;
pub(crate) use lease_keeper::{LeaseEffect, LeaseKeeper};
pub(crate) use membership::Membership;
pub(crate) use propagate::{Breach, Delivery, Propagation, near};
pub(crate) use publications::{Due, Publications};
pub(crate) use round_trip::RoundTrip;
