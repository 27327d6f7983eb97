//! A decoder as tests see it.
//!
//! In: bytes. Out: whether they were understood; a panic where what was understood breaks a promise.

use std::fmt::Debug;

/// Something that reads bytes of anybody.
#[derive(Debug, Clone, Copy)]
pub struct Decoder {
    /// Its name, which is that of its folder of samples too.
    pub name: &'static str,
    /// Reads the bytes, checks what has to hold of what they say, and tells whether they say something.
    ///
    /// # Panics
    /// Where something does not hold.
    pub read: fn(&[u8]) -> bool,
    /// Real encodings, the same in each run.
    pub samples: fn() -> Vec<Vec<u8>>,
}

impl Decoder {
    /// A decoder of this name.
    #[must_use]
    pub const fn new(name: &'static str, read: fn(&[u8]) -> bool, samples: fn() -> Vec<Vec<u8>>) -> Self {
        Self { name, read, samples }
    }
}

/// Checks that `value`, which was decoded, can be encoded, and decodes to itself then; always true.
///
/// # Panics
/// When it does not.
pub fn survives<T: PartialEq + Debug, B: AsRef<[u8]>, E: Debug>(
    value: &T,
    encoded: Result<B, E>,
    decode: impl Fn(&[u8]) -> Option<T>,
) -> bool {
    assert!(encoded.is_ok(), "{value:?} was decoded and can't be encoded: {:?}", encoded.as_ref().err());
    if let Ok(bytes) = encoded {
        assert_eq!(decode(bytes.as_ref()).as_ref(), Some(value), "it changed on its way");
    }
    true
}
