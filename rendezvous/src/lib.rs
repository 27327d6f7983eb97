//! The meeting peer: leases, an index of advertisements, bounds on everything.
//!
//! A rendezvous lets peers find each other: they lease from it, publish what they offer and look up what others do.

pub mod bans;
mod closed_groups;
pub mod config;
pub mod counters;
mod index;
mod lease_table;
pub mod limits;
pub mod net;
mod service;
mod subscriptions;

pub use closed_groups::{ClosedGroups, News, Papers};
pub use index::{Index, IndexRefused};
pub use lease_table::{Grant, Lease, LeaseRefused, LeaseTable};
pub use service::{Answer, BansFull, GroupRow, Notified, PeerRow, Service};
