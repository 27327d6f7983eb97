//! Why a demo ends early.

use thiserror::Error;

/// Why the demo ended early.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A file, a folder or a process can't be had.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The rendezvous or the manager could not start.
    #[error("start the {who}: {reason}")]
    Start {
        /// Which of them.
        who: &'static str,
        /// Why.
        reason: String,
    },
    /// One of the people did not get ready.
    #[error("start {name}: {reason}")]
    Person {
        /// Who.
        name: String,
        /// Why.
        reason: String,
    },
}
