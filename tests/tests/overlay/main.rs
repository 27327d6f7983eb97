//! What users of the crate `overlay`, and its enemies, see: real sockets on loopback, one file a promise.

mod groups;
mod hostile;
mod hostile_members;
mod hostile_propagate;
mod hostile_services;
mod meeting;
mod pipes;
mod propagate;
mod resolver;
mod transports;
mod world;
