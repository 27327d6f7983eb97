//! What users of the crate `overlay`, and its enemies, see: real sockets on loopback, one file a promise.

mod answers;
mod binders;
mod byte_streams;
mod closed_groups;
mod closed_pipes;
mod corpus;
mod floods;
mod groups;
mod hostile;
mod hostile_closed_groups;
mod hostile_members;
mod hostile_probe;
mod hostile_relay;
mod hostile_resumes;
mod hostile_services;
mod meeting;
mod pipes;
mod priorities;
mod reach;
mod reach_limits;
mod resolver;
mod resumable_pipes;
mod simulation;
mod transports;
mod world;
