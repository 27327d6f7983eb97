//! The messenger's core: every rule of presence, contacts and messages, without sockets, tasks or clocks.
//!
//! In: [`Input`]s with the [`Moment`] they come at. Out: [`Effect`]s. `net` moves both.

mod command;
mod commands;
mod contacts;
mod conversation;
mod core;
mod counters;
mod dials;
mod event;
mod input;
mod links;
mod outbox;
mod watching;

pub use self::core::{Core, Own, RENDEZVOUS_KEY};
pub use command::{Answer, Command};
pub use counters::{Counter, Counters};
pub use event::{BuddyPresence, Event};
pub use input::{Effect, Input, LinkId, Moment, Order, Question, Ticket};

#[cfg(test)]
mod tests;
