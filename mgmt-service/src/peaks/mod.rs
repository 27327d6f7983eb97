//! Why it was slow: peaks among the response times of a pair, and the part of each that was longer than usual;
//! why it failed: outages (paper §4.5, where the cause of the peaks is left open).

mod cause;
mod child;
mod outage;
mod peak;
mod robust;
mod run;
mod stalls;
mod waits;

pub use cause::{Cause, Parts};
pub use child::Child;
pub use outage::{Outage, outages};
pub use peak::{Peak, explain};
pub(crate) use robust::{change_at, median, spread};

#[cfg(test)]
mod tests;
