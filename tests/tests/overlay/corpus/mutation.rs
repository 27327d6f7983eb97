//! Bytes that are nearly right: known ones with bits turned, cut, put together, numbers made large.

use tests::Random;

/// One of `known` after a few changes; nothing much when nothing is known.
pub(super) fn mutated(known: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = if known.is_empty() { Vec::new() } else { random.one_of(known).clone() };
    for _ in 0..random.within(1..5) {
        change(&mut bytes, known, random);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn change(bytes: &mut Vec<u8>, known: &[Vec<u8>], random: &mut Random) {
    let at = random.within(0..bytes.len() + 1);
    match random.within(0..7) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.within(0..8),
        1 if at < bytes.len() => bytes[at] = *random.one_of(&TELLING),
        2 => bytes.truncate(at),
        3 => bytes.insert(at, random.draw() as u8),
        // The codec's longest numbers: announced lengths.
        4 => drop(bytes.splice(at..at, [*random.one_of(&[251, 252, 253]), 0xff, 0xff, 0xff, 0xff, 0xff])),
        5 if !known.is_empty() => {
            let other = random.one_of(known);
            let from = random.within(0..other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        _ => {
            let to = (at + random.within(0..16)).min(bytes.len());
            let part = bytes[at..to].to_vec();
            for _ in 0..random.within(0..64) {
                bytes.extend_from_slice(&part);
            }
        }
    }
}

/// Bytes that mean something to the codec, to texts, or at the edge of a number.
const TELLING: [u8; 16] =
    [0, 1, 0x7f, 0x80, 0xff, 250, 251, 252, 253, 254, b'"', b'\\', b'*', b'(', b'{', b'\n'];
/// Beyond the bound of every message but a pipe's.
const BYTES_MAX: usize = 128 * 1024;
