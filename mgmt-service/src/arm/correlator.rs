//! Correlators: what ties a PONG to the PING that it answers (paper §4.4).
//!
//! In: a sequence number, the peer asked, the key of this boot. Out: 64 bits that travel in both messages.
//! The low half can't be guessed, so no peer can end a transaction that it has not been asked about.

use std::fmt;
use std::io::Write as _;
use std::str::FromStr;

use overlay::PeerId;

use crate::error::CorrelatorParseError;

/// Identifies one transaction of one application since it was started; 8 bytes on the wire.
///
/// The high 32 bits are the sequence number; the low 32 bits are the first 4 bytes of the keyed BLAKE3 hash of
/// sequence number ‖ peer asked. Its text is 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Correlator(pub u64);

impl Correlator {
    /// The correlator of transaction `seq` with `dest`. Allocates nothing.
    #[must_use]
    pub fn derive(key: &BootKey, seq: u32, dest: &PeerId) -> Self {
        let mut input = [0_u8; INPUT_BYTES_MAX];
        let mut rest = input.as_mut_slice();
        // A PeerId is at most 42 bytes, so that both always fit.
        let written = rest.write_all(&seq.to_be_bytes()).is_ok() && dest.as_ref().write(&mut rest).is_ok();
        debug_assert!(written, "a PeerId is longer than the longest that exists");
        let unused = rest.len();
        let used = input.get(..INPUT_BYTES_MAX.saturating_sub(unused)).unwrap_or(&input);
        let hash = blake3::keyed_hash(&key.0, used);
        let [a, b, c, d, ..] = *hash.as_bytes();
        Self((u64::from(seq) << 32) | u64::from(u32::from_be_bytes([a, b, c, d])))
    }

    /// The sequence number: grows by at least 1 from one transaction of a definition to its next.
    #[must_use]
    pub fn seq(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

impl fmt::Display for Correlator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Correlator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Correlator({self})")
    }
}

impl FromStr for Correlator {
    type Err = CorrelatorParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `from_str_radix` alone would take a sign and fewer digits.
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(CorrelatorParseError);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| CorrelatorParseError)
    }
}

/// The secret of one run of an application, from which it derives its correlators. Never logged, never sent.
#[derive(Clone)]
pub struct BootKey([u8; 32]);

impl BootKey {
    /// A key from 32 random bytes.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }
}

impl fmt::Debug for BootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BootKey(..)")
    }
}

/// Room for a sequence number and a PeerId, within one block of BLAKE3.
const INPUT_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlator_is_the_sequence_number_and_a_keyed_hash_over_it_and_the_peer() {
        let dest = PeerId::random();
        let mut input = 7_u32.to_be_bytes().to_vec();
        input.extend(dest.to_bytes());
        let hash = blake3::keyed_hash(&[9; 32], &input);

        let correlator = Correlator::derive(&BootKey::new([9; 32]), 7, &dest);

        assert_eq!(correlator.seq(), 7);
        assert_eq!((correlator.0 as u32).to_be_bytes(), hash.as_bytes()[..4]);
    }

    #[test]
    fn another_boot_another_peer_or_another_number_gives_another_token() {
        let (dest, other) = (PeerId::random(), PeerId::random());
        let key = BootKey::new([1; 32]);
        let token = |key: &BootKey, seq, dest: &PeerId| Correlator::derive(key, seq, dest).0 as u32;
        let of = token(&key, 1, &dest);
        assert_ne!(of, token(&BootKey::new([2; 32]), 1, &dest));
        assert_ne!(of, token(&key, 2, &dest));
        assert_ne!(of, token(&key, 1, &other));
    }

    #[test]
    fn text_is_sixteen_digits_and_reads_back() {
        let correlator = Correlator(0x0000_0001_00ab_cdef);
        assert_eq!(correlator.to_string(), "0000000100abcdef");
        assert_eq!("0000000100abcdef".parse(), Ok(correlator));
        for bad in ["", "1", "+000000100abcdef", "0000000100abcdeg", "0000000100abcdef0", "0000000100abcdeé"]
        {
            assert_eq!(bad.parse::<Correlator>(), Err(CorrelatorParseError), "{bad}");
        }
    }

    #[test]
    fn key_does_not_show_itself() {
        assert_eq!(format!("{:?}", BootKey::new([7; 32])), "BootKey(..)");
    }
}
