//! Resumable pipes over their links: what the application holds, what drives a link, and both ways to begin one.

mod accept;
mod driver;
mod end;
mod link;
mod open;
mod table;

pub(crate) use accept::accept;
pub(crate) use end::ResumableEnd;
pub(crate) use open::open;
pub(crate) use table::Resumables;
