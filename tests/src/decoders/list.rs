//! The lists of all crates as one, and where their corpora are.

use std::path::{Path, PathBuf};

use overlay::fuzzing::Decoder;

use super::{im, management, rendezvous};

/// Every decoder, each name once.
pub fn all() -> impl Iterator<Item = &'static Decoder> {
    let lists = [overlay::fuzzing::DECODERS, management::DECODERS, rendezvous::DECODERS, im::DECODERS];
    lists.into_iter().flatten()
}

/// The decoder of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Decoder> {
    all().find(|decoder| decoder.name == name)
}

/// The folder of what is fed to it in each replay.
#[must_use]
pub fn corpus(decoder: &Decoder) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(decoder.name)
}
