//! The text form of object names and their patterns: `domain:key=value,key="quoted, value",*` (JMX `ObjectName`).
//!
//! In: text of at most `OBJECT_NAME_BYTES_MAX`. Out: domain and keys as globs, or an error that names the character.
//! Names and patterns share the grammar; a name is a pattern without a wildcard.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

use super::glob::{Glob, Token};
use crate::error::ObjectNameError;
use crate::limits::{OBJECT_NAME_BYTES_MAX, OBJECT_NAME_KEYS_MAX};

/// A name or pattern as it was written, keys in the order of the alphabet.
#[derive(Debug)]
pub(super) struct Parsed {
    /// What stands before the colon.
    pub(super) domain: Glob,
    /// Every `key=value`, sorted by key, each key once.
    pub(super) keys: Vec<(String, Glob)>,
    /// Whether `*` stood in the list: further keys may follow.
    pub(super) open: bool,
    /// The character, from 1, of the first wildcard, if there is one.
    pub(super) wildcard_at: Option<usize>,
}

/// Reads a name or a pattern.
pub(super) fn parse(text: &str) -> Result<Parsed, ObjectNameError> {
    if text.len() > OBJECT_NAME_BYTES_MAX {
        return Err(ObjectNameError::TooLong { max: OBJECT_NAME_BYTES_MAX });
    }
    let mut reader = Reader { chars: text.chars().peekable(), at: 1, wildcard_at: None };
    let domain = reader.domain()?;
    let mut keys: Vec<(String, Glob)> = Vec::new();
    let mut open = false;
    loop {
        let start = reader.at;
        if reader.chars.peek() == Some(&'*') {
            reader.wildcard();
            if open {
                return Err(malformed(start, "the list of keys has a second *"));
            }
            open = true;
        } else {
            let key = reader.key()?;
            if keys.iter().any(|(known, _)| *known == key) {
                return Err(malformed(start, "the key stands twice"));
            }
            if keys.len() == OBJECT_NAME_KEYS_MAX {
                return Err(ObjectNameError::TooManyKeys { max: OBJECT_NAME_KEYS_MAX });
            }
            keys.push((key, reader.value()?));
        }
        match reader.next() {
            None => break,
            Some(',') => {}
            Some(_) => return Err(malformed(reader.at - 1, "a comma or the end is expected")),
        }
    }
    keys.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(Parsed { domain, keys, open, wildcard_at: reader.wildcard_at })
}

/// Whether text may be a domain: not empty, no colon, wildcard or line break.
pub(super) fn is_domain(text: &str) -> bool {
    !text.is_empty() && !text.contains([':', '*', '?', '\n'])
}

/// Whether text may be a key: not empty and without a character that means something in a list.
pub(super) fn is_key(text: &str) -> bool {
    !text.is_empty() && !text.contains(KEY_FORBIDS)
}

/// Writes a value, quoted where a literal character of it would mean something else.
pub(super) fn write_value(value: &[Token], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use fmt::Write;
    let special = |token: &Token| matches!(token, Token::Literal(literal) if VALUE_QUOTES.contains(literal));
    if !value.iter().any(special) {
        return value.iter().try_for_each(|token| f.write_char(token.as_char()));
    }
    f.write_char('"')?;
    for token in value {
        match token {
            Token::Literal('\n') => f.write_str("\\n")?,
            Token::Literal(literal @ ('"' | '\\' | '*' | '?')) => write!(f, "\\{literal}")?,
            token => f.write_char(token.as_char())?,
        }
    }
    f.write_char('"')
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    /// The place, from 1, of the next character.
    at: usize,
    wildcard_at: Option<usize>,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.chars.next();
        self.at += usize::from(next.is_some());
        next
    }

    /// Takes `*` or `?` and remembers where the first one stood.
    fn wildcard(&mut self) -> Option<Token> {
        let token = match self.chars.peek() {
            Some('*') => Token::Any,
            Some('?') => Token::One,
            _ => return None,
        };
        self.wildcard_at.get_or_insert(self.at);
        self.next();
        Some(token)
    }

    fn domain(&mut self) -> Result<Glob, ObjectNameError> {
        let mut domain = Vec::new();
        loop {
            if let Some(wildcard) = self.wildcard() {
                domain.push(wildcard);
                continue;
            }
            match self.next() {
                Some(':') if domain.is_empty() => return Err(malformed(1, "the domain is empty")),
                Some(':') => return Ok(Glob::new(domain)),
                Some('\n') => return Err(malformed(self.at - 1, "a domain has no line break")),
                Some(literal) => domain.push(Token::Literal(literal)),
                None => return Err(malformed(self.at, "the colon after the domain is missing")),
            }
        }
    }

    fn key(&mut self) -> Result<String, ObjectNameError> {
        let mut key = String::new();
        loop {
            match self.next() {
                Some('=') if key.is_empty() => return Err(malformed(self.at - 1, "the key is empty")),
                Some('=') => return Ok(key),
                None if key.is_empty() => return Err(malformed(self.at, "a key is expected")),
                None => return Err(malformed(self.at, "the = after the key is missing")),
                Some(literal) if KEY_FORBIDS.contains(&literal) => {
                    return Err(malformed(self.at - 1, "this character can't stand in a key"));
                }
                Some(literal) => key.push(literal),
            }
        }
    }

    fn value(&mut self) -> Result<Glob, ObjectNameError> {
        if self.chars.peek() == Some(&'"') {
            return self.quoted();
        }
        let start = self.at;
        let mut value = Vec::new();
        while let Some(&peeked) = self.chars.peek() {
            if let Some(wildcard) = self.wildcard() {
                value.push(wildcard);
            } else if peeked == ',' {
                break;
            } else if VALUE_QUOTES.contains(&peeked) {
                return Err(malformed(self.at, "a value with this character must be quoted"));
            } else {
                value.extend(self.next().map(Token::Literal));
            }
        }
        if value.is_empty() {
            return Err(malformed(start, "the value is empty (an empty value is written \"\")"));
        }
        Ok(Glob::new(value))
    }

    fn quoted(&mut self) -> Result<Glob, ObjectNameError> {
        let start = self.at;
        self.next();
        let mut value = Vec::new();
        loop {
            if let Some(wildcard) = self.wildcard() {
                value.push(wildcard);
                continue;
            }
            match self.next() {
                Some('"') => return Ok(Glob::new(value)),
                Some('\\') => match self.next() {
                    Some('n') => value.push(Token::Literal('\n')),
                    Some(escaped @ ('"' | '\\' | '*' | '?')) => value.push(Token::Literal(escaped)),
                    _ => return Err(malformed(self.at - 1, "after \\ only \" \\ * ? and n can stand")),
                },
                Some('\n') => return Err(malformed(self.at - 1, "a line break is written \\n")),
                Some(literal) => value.push(Token::Literal(literal)),
                None => return Err(malformed(start, "the quote is never closed")),
            }
        }
    }
}

fn malformed(at: usize, reason: &'static str) -> ObjectNameError {
    ObjectNameError::Malformed { at, reason }
}

/// Characters that mean something in a list of keys.
const KEY_FORBIDS: [char; 7] = [':', '=', ',', '*', '?', '"', '\n'];

/// Characters that a value holds only between quotes; an empty value is quoted too.
const VALUE_QUOTES: [char; 7] = [':', '=', ',', '*', '?', '"', '\n'];
