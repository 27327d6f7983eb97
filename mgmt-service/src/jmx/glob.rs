//! Wildcards as JMX has them: `*` stands for any characters, also none, `?` for exactly one.
//!
//! In: tokens and text. Out: whether they match. Cost: at most tokens × characters, without recursion.

/// One place of a glob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Token {
    /// This very character.
    Literal(char),
    /// `?`
    One,
    /// `*`
    Any,
}

impl Token {
    /// How it is written where no quote is needed.
    pub(super) fn as_char(self) -> char {
        match self {
            Self::Literal(literal) => literal,
            Self::One => '?',
            Self::Any => '*',
        }
    }
}

/// Text with wildcards.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Glob(Vec<Token>);

impl Glob {
    pub(super) fn new(tokens: Vec<Token>) -> Self {
        Self(tokens)
    }

    /// Text that matches itself alone.
    pub(super) fn literal(text: &str) -> Self {
        Self(text.chars().map(Token::Literal).collect())
    }

    pub(super) fn tokens(&self) -> &[Token] {
        &self.0
    }

    /// The one text that matches, if there is only one.
    pub(super) fn as_literal(&self) -> Option<String> {
        let literal = |token: &Token| match token {
            Token::Literal(literal) => Some(*literal),
            Token::One | Token::Any => None,
        };
        self.0.iter().map(literal).collect()
    }

    /// Whether any text matches.
    pub(super) fn is_everything(&self) -> bool {
        self.0 == [Token::Any]
    }

    /// Whether the whole of `text` matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut tokens = self.0.as_slice();
        let mut rest = text.chars();
        // Where to go on when the characters after the last `*` turn out not to fit: it takes one character more.
        let mut retry: Option<(&[Token], std::str::Chars<'_>)> = None;
        loop {
            let mut after = rest.clone();
            match (tokens.split_first(), after.next()) {
                (Some((Token::Any, later)), _) => {
                    tokens = later;
                    retry = Some((later, rest.clone()));
                    continue;
                }
                (Some((Token::One, later)), Some(_)) => {
                    (tokens, rest) = (later, after);
                    continue;
                }
                (Some((Token::Literal(wanted), later)), Some(found)) if *wanted == found => {
                    (tokens, rest) = (later, after);
                    continue;
                }
                (None, None) => return true,
                _ => {}
            }
            let Some((later, mut longer)) = retry.take() else {
                return false;
            };
            if longer.next().is_none() {
                return false;
            }
            (tokens, rest) = (later, longer.clone());
            retry = Some((later, longer));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn glob(text: &str) -> Glob {
        let token = |c| match c {
            '*' => Token::Any,
            '?' => Token::One,
            literal => Token::Literal(literal),
        };
        Glob::new(text.chars().map(token).collect())
    }

    /// The definition, slow and plain.
    fn defined(tokens: &[Token], text: &[char]) -> bool {
        match (tokens.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((Token::Any, later)), _) => (0..=text.len()).any(|skip| defined(later, &text[skip..])),
            (Some((Token::One, later)), Some((_, rest))) => defined(later, rest),
            (Some((Token::Literal(wanted), later)), Some((found, rest))) => {
                wanted == found && defined(later, rest)
            }
            _ => false,
        }
    }

    #[test]
    fn a_hostile_glob_ends_quickly() {
        let text = "a".repeat(1_000);
        assert!(!glob(&format!("{}b", "a*".repeat(400))).matches(&text));
        assert!(glob("*").is_everything() && glob("*").matches(""));
        assert!(glob("?é*").matches("aéz") && !glob("?").matches(""));
    }

    proptest! {
        #[test]
        fn matching_is_as_defined(pattern in "[ab?*]{0,8}", text in "[abc]{0,8}") {
            let glob = glob(&pattern);
            let characters: Vec<char> = text.chars().collect();
            prop_assert_eq!(glob.matches(&text), defined(glob.tokens(), &characters));
        }
    }
}
