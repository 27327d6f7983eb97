//! The management service over the overlay: the agent at each peer, the manager that collects.
//!
//! In: a peer, its measurements and objects. Out: answers, batches, commits. The only place of this crate where clocks are
//! read and tasks are started; the rules are in `subscription` and `protocol`.
#![expect(clippy::disallowed_methods, reason = "this is the shell: it reads clocks and starts tasks")]

mod agent;
mod aggregation;
mod collection;
mod contested;
mod counters;
mod http;
mod manager;
mod membership;
mod otlp;
mod pages;
mod waits;

pub use agent::ManagementAgent;
pub use aggregation::AggregatorNode;
pub use collection::{
    Collection, CollectionEnd, CollectionSummary, Heard, RecordSink, Resume, Watching, Wish,
};
pub use http::{HttpError, HttpServer, Looks, ServeError, Site, WebServer};
pub use manager::{AgentInfo, Manager};
pub use membership::ManagementGroup;
pub use otlp::{OtlpPush, OtlpUrl, OtlpUrlError};
pub use waits::ProcessorWaits;

#[cfg(test)]
mod tests;
