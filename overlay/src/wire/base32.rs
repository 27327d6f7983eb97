//! Bytes as one word of text that can be read aloud, typed and put into a QR code: RFC 4648 base32 in small letters,
//! without padding.

use data_encoding::BASE32_NOPAD;

/// `bytes` as text.
pub fn base32(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

/// The bytes in `text`, capital letters as well; `None` for another character or a text that was cut.
pub fn from_base32(text: &str) -> Option<Vec<u8>> {
    BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()
}

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
