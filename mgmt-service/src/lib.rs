//! mgmt-service.

pub mod arm;
pub mod error;
pub mod limits;
