//! Management after ARM and JMX (paper §4, §5): measurements, managed objects, and a service that carries both over the
//! overlay.

pub mod error;
pub mod limits;

// ---- managed objects, service, command line -----------------------------------------------------------------------
pub mod cli_common;
pub mod jmx;

pub use cli_common::ManagePolicy;
