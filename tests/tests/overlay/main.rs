//! What users of the crate `overlay`, and its enemies, see: real sockets on loopback, one file a promise.

mod groups;
mod hostile;
mod hostile_members;
mod hostile_probe;
mod hostile_relay;
mod hostile_services;
mod meeting;
mod pipes;
mod reach;
mod reach_limits;
mod resolver;
mod transports;
mod world;
