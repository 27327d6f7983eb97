//! Patterns of text: `*` stands for any characters, `?` for one, `\` takes the next one literally.
//!
//! In: a pattern as text, a text. Out: whether the text fits, in at most length × length steps, both bounded.

use std::fmt;

/// A pattern with at least one `*` or `?`; made by [`Condition::glob`](crate::Condition::glob).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// In its shortest form: nothing escaped that need not be, no `*` beside another.
    text: String,
    parts: Vec<Part>,
}

/// What one step of a pattern stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Any characters, also none.
    Any,
    /// One character, whichever.
    One,
    /// This character.
    Literal(char),
}

impl Pattern {
    /// The pattern that `text` writes, or the plain text that it is without any `*` and `?`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            parts.push(match character {
                '*' => Part::Any,
                '?' => Part::One,
                '\\' => Part::Literal(characters.next().unwrap_or('\\')),
                literal => Part::Literal(literal),
            });
        }
        Self::from_parts(parts)
    }

    /// As [`parse`](Self::parse), of what was read already.
    pub(crate) fn from_parts(mut parts: Vec<Part>) -> Result<Self, String> {
        parts.dedup_by(|part, before| *part == Part::Any && *before == Part::Any);
        let plain: Option<String> = parts.iter().map(|part| part.literal()).collect();
        match plain {
            Some(plain) => Err(plain),
            None => Ok(Self { text: parts.iter().map(ToString::to_string).collect(), parts }),
        }
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What every text that fits begins with.
    pub(crate) fn prefix(&self) -> String {
        self.parts.iter().map_while(|part| part.literal()).collect()
    }

    /// Whether `text` fits: after a mismatch, the last `*` takes one character more.
    pub fn fits(&self, text: &str) -> bool {
        let (mut parts, mut rest) = (self.parts.as_slice(), text.chars());
        let mut retry = None;
        loop {
            match (parts.split_first(), rest.clone().next()) {
                (None, None) => return true,
                (Some((Part::Any, behind)), _) => {
                    parts = behind;
                    retry = Some((behind, rest.clone()));
                    continue;
                }
                (Some((Part::One, behind)), Some(_)) => parts = behind,
                (Some((Part::Literal(wanted), behind)), Some(is)) if *wanted == is => parts = behind,
                _ => {
                    let Some((behind, from)) = retry.as_mut() else { return false };
                    if from.next().is_none() {
                        return false;
                    }
                    (parts, rest) = (*behind, from.clone());
                    continue;
                }
            }
            rest.next();
        }
    }
}

impl Part {
    fn literal(self) -> Option<char> {
        match self {
            Self::Literal(character) => Some(character),
            Self::Any | Self::One => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::One => f.write_str("?"),
            Self::Literal(special @ ('*' | '?' | '\\')) => write!(f, "\\{special}"),
            Self::Literal(plain) => write!(f, "{plain}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fits(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern).unwrap().fits(text)
    }

    #[test]
    fn wildcards_stand_for_any_characters_and_for_one() {
        for (pattern, text) in
            [("*", ""), ("chat-*", "chat-"), ("a*b*c", "axbxbxc"), ("?*", "ä"), ("*\\*?", "a*b")]
        {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("?", ""), ("chat-*", "chat"), ("a*b", "abc"), ("?", "ab"), ("\\*?", "ab")] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_without_wildcards_is_a_text() {
        assert_eq!(Pattern::parse("a\\*b"), Err("a*b".to_owned()));
        assert_eq!(Pattern::parse("end\\"), Err("end\\".to_owned()));
        assert_eq!(Pattern::parse("ab**c?").unwrap().prefix(), "ab");
    }

    proptest! {
        #[test]
        fn fitting_is_what_its_definition_says(pattern in "[ab*?]{0,8}[*?]", text in "[ab]{0,8}") {
            fn defined(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern, text) {
                    ([], rest) => rest.is_empty(),
                    ([b'*', behind @ ..], _) => (0..=text.len()).any(|skip| defined(behind, &text[skip..])),
                    ([b'?', behind @ ..], [_, rest @ ..]) => defined(behind, rest),
                    ([wanted, behind @ ..], [is, rest @ ..]) => wanted == is && defined(behind, rest),
                    _ => false,
                }
            }
            prop_assert_eq!(fits(&pattern, &text), defined(pattern.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn its_text_parses_back(pattern in "[ab*?\\\\]{0,9}[*?]") {
            if let Ok(parsed) = Pattern::parse(&pattern) {
                prop_assert_eq!(Pattern::parse(parsed.as_str()), Ok(parsed));
            }
        }
    }
}
