//! mgmt-service.
fn main() {}
