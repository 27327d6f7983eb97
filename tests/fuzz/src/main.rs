//! Feeds the decoder that `DECODER` names with what LLVM's fuzzer thinks of; its arguments are libFuzzer's. Built and
//! run by `tests/fuzz/run`.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use tests::decoders::{Decoder, named};

static DECODER: OnceLock<&'static Decoder> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let decoder = DECODER.get_or_init(|| {
        let name = std::env::var("DECODER").expect("DECODER names a decoder");
        named(&name).unwrap_or_else(|| panic!("there is no decoder {name:?}"))
    });
    (decoder.read)(bytes);
});
