//! Bytes as one word of text that can be read aloud, typed and put into a QR code: RFC 4648 base32 in small letters,
//! without padding.

/// `bytes` as text.
pub(crate) fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut held, mut bits) = (0u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(digit(held >> bits));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(digit(held << (5 - bits)));
    }
    text
}

/// The bytes in `text`, capital letters as well; `None` for another character or a text that was cut.
pub(crate) fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut held, mut bits) = (0u32, 0);
    for character in text.bytes() {
        let value = match character.to_ascii_lowercase() {
            letter @ b'a'..=b'z' => letter - b'a',
            digit @ b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        held = (held << 5) | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits).ok()?);
            held &= (1 << bits) - 1;
        }
    }
    // What is left is padding: less than a digit, and zero.
    (bits < 5 && held == 0).then_some(bytes)
}

fn digit(value: u32) -> char {
    char::from(DIGITS.get((value & 31) as usize).copied().unwrap_or(b'a'))
}

const DIGITS: [u8; 32] = *b"abcdefghijklmnopqrstuvwxyz234567";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_reads_back_to_the_same_bytes_in_either_case(bytes: Vec<u8>) {
            prop_assert_eq!(from_base32(&base32(&bytes)), Some(bytes.clone()));
            prop_assert_eq!(from_base32(&base32(&bytes).to_uppercase()), Some(bytes));
        }

        #[test]
        fn any_text_is_bytes_or_nothing(text: String) {
            let _ = from_base32(&text);
        }
    }
}
