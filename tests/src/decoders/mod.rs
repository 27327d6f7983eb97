//! Every decoder of bytes or text that somebody else wrote, over all crates: what fuzzers and the replay of their
//! corpora (`tests/fuzz/corpus/NAME`) feed. A new decoder is one line in its crate's list.

mod im;
mod list;
mod management;
mod rendezvous;
mod tree;

pub use list::{all, corpus, named};
pub use overlay::fuzzing::Decoder;
