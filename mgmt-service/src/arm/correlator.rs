//! Correlators: what ties a PONG to the PING that it answers (paper §4.4).
//!
//! In: the number of a transaction, the peer asked, the key of this boot. Out: 64 bits that travel in both messages.
//! The low half can't be guessed, so no peer can end a transaction that it has not been asked about.

use std::fmt;
use std::str::FromStr;

use super::peer_words::PeerWords;
use crate::error::CorrelatorParseError;

/// Identifies one transaction of one application since it was started; 8 bytes on the wire.
///
/// The high 32 bits are the sequence number. The low 32 bits are a token: SipHash-1-3, under a key that is new at each
/// boot, of the transaction's number (64 bits, never used twice) and the peer asked. A peer that was not given the
/// correlator hits it with one try in 2³², each miss is counted as `forged`, and a hit would still be refused, since
/// the peer that was asked is compared as a whole. Its text is 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Correlator(pub u64);

impl Correlator {
    /// Stands for a transaction that is not measured, since its definition is switched off.
    pub const NONE: Self = Self(0);

    /// The correlator with sequence number `seq` of the transaction with this `number`. Allocates nothing.
    pub(super) fn derive(key: &BootKey, number: u64, seq: u32, dest: &PeerWords) -> Self {
        Self((u64::from(seq) << 32) | (key.hash(dest.fingerprint(), number) & 0xffff_ffff))
    }

    /// The sequence number: grows by at least 1 from one transaction of a definition to its next, and starts again
    /// after 2²⁸.
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
pub struct BootKey {
    /// The key of SipHash: 128 bits of a hash of the random bytes.
    sip: [u64; 2],
}

impl BootKey {
    /// A key from 32 random bytes.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        let derived = blake3::derive_key("juxta arm correlators 1", &random);
        let (halves, _) = derived.as_chunks::<8>();
        let half = |at: usize| halves.get(at).map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Self { sip: [half(0), half(1)] }
    }

    /// 64 bits that tell this boot from others, and nothing of the key.
    pub(super) fn instance(&self) -> u64 {
        self.hash(u64::MAX, 0)
    }

    /// SipHash-1-3 of two words: a keyed function made for short inputs, a tenth of the cost of a keyed BLAKE3.
    fn hash(&self, first: u64, second: u64) -> u64 {
        let [k0, k1] = self.sip;
        let mut state = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        for word in [first, second, INPUT_BYTES << 56] {
            state[3] ^= word;
            sip_round(&mut state);
            state[0] ^= word;
        }
        state[2] ^= 0xff;
        for _ in 0..3 {
            sip_round(&mut state);
        }
        state.into_iter().fold(0, |hash, word| hash ^ word)
    }
}

impl fmt::Debug for BootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BootKey(..)")
    }
}

fn sip_round([a, b, c, d]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *c = c.wrapping_add(*d);
    *b = b.rotate_left(13) ^ *a;
    *d = d.rotate_left(16) ^ *c;
    *a = a.rotate_left(32).wrapping_add(*d);
    *c = c.wrapping_add(*b);
    *b = b.rotate_left(17) ^ *c;
    *d = d.rotate_left(21) ^ *a;
    *c = c.rotate_left(32);
}

/// Bytes of the two words that are hashed; SipHash ends its input with them.
const INPUT_BYTES: u64 = 16;

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hasher};

    use overlay::PeerId;

    use super::*;

    #[test]
    fn hash_is_the_siphash_1_3_of_the_standard_library() {
        let key = BootKey { sip: [0, 0] };
        for (first, second) in [(0, 0), (1, 2), (u64::MAX, 1), (0x0123_4567_89ab_cdef, u64::MAX)] {
            let mut reference = DefaultHasher::new();
            reference.write(&u64::to_le_bytes(first));
            reference.write(&u64::to_le_bytes(second));
            assert_eq!(key.hash(first, second), reference.finish());
        }
    }

    #[test]
    fn another_boot_another_peer_or_another_number_gives_another_token() {
        let [dest, other] = [(); 2].map(|()| PeerWords::of(&PeerId::random()));
        let key = BootKey::new([1; 32]);
        let of = Correlator::derive(&key, 1, 7, &dest);
        assert_eq!(of.seq(), 7);
        assert_ne!(of, Correlator::derive(&BootKey::new([2; 32]), 1, 7, &dest));
        assert_ne!(of, Correlator::derive(&key, 2, 7, &dest));
        assert_ne!(of, Correlator::derive(&key, 1, 7, &other));
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
