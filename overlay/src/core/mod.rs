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
mod propagate;
mod publications;
mod rate;
#[cfg(feature = "reach")]
mod reach;
#[cfg(feature = "reach")]
mod reservations;
mod resumable;
mod round_trip;
mod token_bucket;
mod view;

pub use cache::{AdvertisementCache, CacheLimits, CacheRefused, Inserted};
pub use deadlines::Deadlines;
pub use event::PeerEvent;
pub use lease_keeper::{LeaseEffect, LeaseKeeper};
pub use path::{NotDirect, Path, Reached, Transport};
pub use publications::{Due, Publications};
pub use rate::{RateLimiter, TooMany};
#[cfg(feature = "reach")]
pub use reach::{Reach, RelayUse};
pub use view::Change;

pub(crate) use address_book::AddressBook;
pub(crate) use conduct::{Conduct, Offence};
pub(crate) use membership::Membership;
pub(crate) use path::is_circuit;
pub(crate) use propagate::{Breach, Delivery, Propagation, near};
#[cfg(feature = "reach")]
pub(crate) use reservations::{ReservationEffect, Reservations};
pub(crate) use resumable::{FAREWELL, Resumable};
pub(crate) use round_trip::RoundTrip;
pub(crate) use token_bucket::TokenBucket;
pub(crate) use view::View;
