//! The messages of the JXTA protocols as they travel, and nothing else.

pub mod closed;
pub mod discovery;
pub(crate) mod membership;
pub mod notification;
pub(crate) mod pipe;
pub(crate) mod propagate;
pub mod rendezvous;
pub(crate) mod resumable;
pub(crate) mod session;
