//! The tree of aggregators at work: peers that report to a parent, aggregators that take reports, managers that ask roots.
//!
//! In: a place in a closed management group; who manages openly takes no part. Out: figures of all peers at the roots of the
//! tree. The rules are in `crate::aggregate`; here are pipes, clocks and tasks.

mod answering;
mod asking;
mod checking;
mod climbing;
mod clock;
mod doubting;
mod link;
mod publishing;
mod reporting;
mod seeking;
mod shown;
mod station;
mod telling;

pub(super) use reporting::Reporting;
pub use station::AggregatorNode;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::access::{Access, ManagementRole};

/// Whether who was proven to be that may take the reports of others.
fn aggregates(access: Access) -> bool {
    let roles = [ManagementRole::Aggregator, ManagementRole::Operator, ManagementRole::Issuer];
    matches!(access, Access::Member(role) if roles.contains(&role))
}

/// What the wall clock shows.
fn unix() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A number that nobody guesses. Without randomness nothing could be told apart, so it is a failure then.
fn random() -> Result<u64, getrandom::Error> {
    getrandom::u64()
}

/// The value of the attribute `service` of every aggregator's advertisement.
const SERVICE: &str = "mgmt-aggregator";
