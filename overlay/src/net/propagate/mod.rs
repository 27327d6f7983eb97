//! Propagate pipes over substreams: a hub for each pipe that is bound here, a task that keeps its links, and one task
//! for each link and direction. Messages pass the hub's lock, which no other pipe shares, and never the event loop.

mod feeder;
mod hub;
mod keeper;
mod link;
mod open;

pub(crate) use feeder::Feeder;
pub(crate) use hub::{Hub, Propagations};
pub(crate) use keeper::keep;
pub(crate) use open::{negotiate, refuse_busy};
