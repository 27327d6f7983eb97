//! What tests and fuzzers feed with bytes of anybody: every decoder of this crate by name, also those that are not
//! public, each with what has to hold of whatever it takes. Not part of the interface; behind the feature `fuzzing`.
#![expect(clippy::unwrap_used, reason = "test code: real encodings are made from values that can be encoded")]

mod decoder;
mod list;
mod messages;
mod pipes;
mod signed;
mod texts;

pub use decoder::{Decoder, survives};
pub use list::DECODERS;
