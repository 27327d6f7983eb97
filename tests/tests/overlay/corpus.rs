//! Every decoder of bytes that somebody else wrote: what a fuzzer found once, and seeded mutations of it, are read
//! without a panic, and in memory that grows with the bytes alone.

mod mutation;

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use tests::decoders::{Decoder, all, corpus};
use tests::{Random, scaled};

use self::mutation::mutated;
use crate::counting::peak_of;

/// Mutations fed to each decoder at full size.
const MUTATIONS: u32 = 20_000;

/// Bytes that a decode may hold beside a multiple of what it reads: room for lists whose length is announced and whose
/// elements then do not come, and for the service or the key that a decoder needs.
const PEAK_BYTES: usize = 3 * 1024 * 1024;
/// Bytes that a decode may hold for each byte that it reads: what one byte says can be a whole element of a list.
const PEAK_BYTES_A_BYTE: usize = 256;

/// The files in the corpus of a decoder, in the order of their names.
fn files(decoder: &Decoder) -> Vec<Vec<u8>> {
    let folder = corpus(decoder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("no corpus at {folder:?}: {error}"));
    let paths: BTreeSet<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Feeds the bytes; a failure says which, so that they can become a file of the corpus.
fn feed(decoder: &Decoder, bytes: &[u8]) {
    let (outcome, peak) = peak_of(|| catch_unwind(|| (decoder.read)(bytes)));
    let hex = || bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(outcome.is_ok(), "{} failed at {}", decoder.name, hex());
    let allowed = PEAK_BYTES + PEAK_BYTES_A_BYTE * bytes.len();
    assert!(peak <= allowed, "{} held {peak} bytes, allowed {allowed}, at {}", decoder.name, hex());
}

/// With `JUXTA_WRITE_CORPUS` they also become files, which is how a new decoder gets its corpus.
#[test]
fn real_encodings_are_understood() {
    let write = std::env::var_os("JUXTA_WRITE_CORPUS").is_some();
    for decoder in all() {
        for (number, sample) in (decoder.samples)().iter().enumerate() {
            assert!((decoder.read)(sample), "{} does not understand {sample:?}", decoder.name);
            if write {
                fs::create_dir_all(corpus(decoder)).unwrap();
                fs::write(corpus(decoder).join(format!("sample-{number}")), sample).unwrap();
            }
        }
    }
}

#[test]
fn every_decoder_has_a_corpus_and_every_corpus_a_decoder() {
    let names: BTreeSet<_> = all().map(|decoder| decoder.name.to_owned()).collect();
    assert_eq!(names.len(), all().count(), "each decoder has a name of its own");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let folders: BTreeSet<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(
        names, folders,
        "for a new one: JUXTA_WRITE_CORPUS=1 cargo test -p tests --test overlay real_encodings"
    );
}

#[test]
fn whatever_is_in_a_corpus_is_read_without_a_panic_and_in_bounded_memory() {
    for decoder in all() {
        files(decoder).iter().for_each(|bytes| feed(decoder, bytes));
    }
}

#[test]
fn mutations_are_read_without_a_panic_and_in_bounded_memory() {
    for (seed, decoder) in (0..).zip(all()) {
        let (known, mut random) = (files(decoder), Random::seeded(seed));
        for _ in 0..scaled(MUTATIONS) {
            feed(decoder, &mutated(&known, &mut random));
        }
    }
}
