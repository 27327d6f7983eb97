//! What an agent keeps on its disk for a manager that is away: a log of batches for each standing subscription.

mod entry;
mod log;
mod numbers;
mod segment;
mod subscription;

pub use log::Spool;
pub use subscription::Standing;
