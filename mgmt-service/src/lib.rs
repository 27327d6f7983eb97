//! mgmt-service.

pub mod arm;
pub mod csv;
pub mod error;
pub mod latency;
pub mod limits;
pub mod plot;
pub mod summary;
