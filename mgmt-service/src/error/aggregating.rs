//! What can go wrong with aggregators.

use thiserror::Error;

/// An aggregator that can't start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AggregateError {
    /// It has no place in the group that lets it take the reports of others.
    #[error("aggregate: this peer is not an aggregator of the management group")]
    Role,
    /// There is no such level.
    #[error("aggregate at level {level}: it is from 1 to {max}")]
    Level {
        /// What was asked for.
        level: u8,
        /// The highest.
        max: u8,
    },
    /// Intervals can't be so long or short.
    #[error("aggregate: an interval has a whole number of milliseconds, from 100 ms to one hour")]
    Interval,
    /// The system has no randomness.
    #[error("draw a random number: {0}")]
    Random(String),
    /// The peer is an aggregator already.
    #[error(transparent)]
    Handler(#[from] overlay::AlreadyRegistered),
    /// The peer takes children already.
    #[error(transparent)]
    Bind(#[from] overlay::BindError),
}
