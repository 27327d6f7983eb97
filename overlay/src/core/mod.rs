//! The overlay's rules about time and tables, without clock, socket or task: the caller passes `now`.

mod address_book;
mod cache;
mod deadlines;
mod event;
mod lease_keeper;
mod membership;
mod path;
mod publications;
#[cfg(feature = "reach")]
mod reach;
#[cfg(feature = "reach")]
mod reservations;
mod round_trip;

pub use cache::{AdvertisementCache, CacheLimits, CacheRefused, Inserted};
pub use deadlines::Deadlines;
pub use event::PeerEvent;
pub use path::{NotDirect, Path, Transport};
#[cfg(feature = "reach")]
pub use reach::{Reach, RelayUse};

pub(crate) use address_book::AddressBook;
pub(crate) use lease_keeper::{LeaseEffect, LeaseKeeper};
pub(crate) use membership::Membership;
pub(crate) use path::is_circuit;
pub(crate) use publications::{Due, Publications};
#[cfg(feature = "reach")]
pub(crate) use reservations::{ReservationEffect, Reservations};
pub(crate) use round_trip::RoundTrip;
