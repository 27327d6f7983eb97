//! Management after ARM and JMX (paper §4, §5): measurements, managed objects, and a service that carries both over the
//! overlay.

pub mod aggregate;
pub mod arm;
pub mod csv;
pub mod error;
pub mod latency;
pub mod limits;
pub mod objectives;
pub mod peaks;
pub mod plot;
pub mod summary;

// ---- managed objects, service, command line -----------------------------------------------------------------------
pub mod access;
pub mod cli_common;
pub mod jmx;
pub mod net;
pub mod protocol;
pub mod report;
pub mod spool;
pub mod sqlite;
pub mod store;
pub mod subscription;
pub mod web;

pub use cli_common::ManagePolicy;
