//! mgmt-service.
