//! What peers that can't be dialed are served: a relay with limits, and dials back.

mod dial_back;
mod refusal;
mod relay;

pub(crate) use dial_back::DialBack;
pub(crate) use refusal::{circuit_refusal, reservation_refusal};
pub(crate) use relay::{Holders, relay_server};
