//! The rules of propagate pipes (JXTA): what each member keeps, passes on, asks for again and hands to its application.

mod inbox;
mod links;
mod log;
mod near;
mod relay;
mod roster;
mod state;

pub(crate) use inbox::Delivery;
pub(crate) use near::near;
pub(crate) use state::{Breach, Propagation};

#[cfg(test)]
mod tests;
