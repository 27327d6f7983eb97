//! A passphrase as the authority of a group: whoever knows it derives the key and issues its own credential, so nobody
//! else need be online. The group's id lets anybody try passphrases offline, at the cost of one Argon2id each.

use argon2::{Algorithm, Argon2, Params, Version};
use libp2p::identity::Keypair;
use zeroize::Zeroizing;

use crate::error::CredentialError;

/// The key of the authority. Takes 64 MiB and a good part of a second.
///
/// # Errors
/// [`CredentialError::System`] when there is no memory for it.
pub(crate) fn authority_of(passphrase: &str, salt: &[u8; 16]) -> Result<Keypair, CredentialError> {
    let system = |error: &dyn std::fmt::Display| CredentialError::System(error.to_string());
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(KEY_BYTES)).map_err(|error| system(&error))?;
    let mut secret = Zeroizing::new([0; KEY_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut *secret)
        .map_err(|error| system(&error))?;
    Keypair::ed25519_from_bytes(&mut *secret).map_err(|error| system(&error))
}

/// Six words that can be pronounced (proquints), of 16 random bits each: 96 bits, out of reach of guessing.
///
/// # Errors
/// [`CredentialError::System`] when the operating system has no random bytes to give.
pub fn generate_passphrase() -> Result<Zeroizing<String>, CredentialError> {
    let mut random = Zeroizing::new([0; 2 * WORDS]);
    getrandom::fill(&mut *random).map_err(|error| CredentialError::System(error.to_string()))?;
    let mut text = Zeroizing::new(String::with_capacity(WORDS * 6));
    for pair in random.chunks_exact(2) {
        if !text.is_empty() {
            text.push('-');
        }
        let bits = pair.iter().fold(0, |bits: u16, byte| (bits << 8) | u16::from(*byte));
        let consonant = |shift: u16| CONSONANTS.get(usize::from((bits >> shift) & 15));
        let vowel = |shift: u16| VOWELS.get(usize::from((bits >> shift) & 3));
        let letters = [consonant(12), vowel(10), consonant(6), vowel(4), consonant(0)];
        text.extend(letters.into_iter().flatten().map(|letter| char::from(*letter)));
    }
    Ok(text)
}

/// The second choice of RFC 9106 §4, for memory that is scarce, in one lane.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;
const KEY_BYTES: usize = 32;
const WORDS: usize = 6;
const CONSONANTS: [u8; 16] = *b"bdfghjklmnprstvz";
const VOWELS: [u8; 4] = *b"aiou";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_and_salt_give_the_same_key_and_no_others_do() {
        let key = |words, salt| authority_of(words, &[salt; 16]).unwrap().public();
        assert_eq!(key("lusab-babad", 1), key("lusab-babad", 1));
        assert_ne!(key("lusab-babad", 1), key("lusab-babad", 2));
        assert_ne!(key("lusab-babad", 1), key("lusab-babac", 1));
    }

    #[test]
    fn a_generated_passphrase_has_six_words_and_is_new_each_time() {
        let (one, two) = (generate_passphrase().unwrap(), generate_passphrase().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [5; 6]);
    }
}
