//! A query from text: one character of look-ahead, one function for each rule, as deep as conditions may be.

use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;

use super::{KINDS, RESERVED, UNITS, in_word};
use crate::advertisement::condition::check;
use crate::advertisement::pattern::Part;
use crate::advertisement::{
    AdvertisementKind, Comparison, Condition, DiscoveryQuery, Pattern, Value, WireValue,
};
use crate::error::ParseQueryError;
use crate::limits::CONDITION_DEPTH_MAX;

impl FromStr for DiscoveryQuery {
    type Err = ParseQueryError;

    fn from_str(text: &str) -> Result<Self, ParseQueryError> {
        let mut reader = Reader { text, rest: text, levels: CONDITION_DEPTH_MAX };
        let mut query = Self::new();
        let mut seen = Vec::new();
        while !reader.space().is_empty() {
            let at = reader.at();
            match reader.field() {
                Some(field) if seen.contains(&field) => return Err(ParseQueryError::Twice { at, field }),
                Some(field) => {
                    seen.push(field);
                    reader.set(&mut query, field)?;
                }
                None => query.conditions.push(reader.either()?),
            }
            check(&query.conditions).map_err(|bound| ParseQueryError::TooLarge { at: reader.at(), bound })?;
        }
        Ok(query)
    }
}

/// What is left to read.
struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    /// How many more levels of parentheses and negations may open.
    levels: usize,
}

/// What may stand for a value.
enum Operand {
    Value(Value),
    Pattern(Pattern),
}

impl<'a> Reader<'a> {
    /// Which character comes next, from 1.
    fn at(&self) -> usize {
        self.text.chars().count() - self.rest.chars().count() + 1
    }

    fn expected<T>(&self, expected: &'static str) -> Result<T, ParseQueryError> {
        Err(ParseQueryError::Expected { at: self.at(), expected })
    }

    /// What is left behind white space.
    fn space(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        self.rest
    }

    fn take(&mut self, token: &str) -> bool {
        let taken = self.space().strip_prefix(token);
        self.rest = taken.unwrap_or(self.rest);
        taken.is_some()
    }

    /// The word that comes next, without quotes; empty if none does.
    fn peek_word(&mut self) -> &'a str {
        let rest = self.space();
        let end = rest.find(|character| !in_word(character)).unwrap_or(rest.len());
        let word = rest.split_at_checked(end).map_or(rest, |(word, _)| word);
        word.split_once("..").map_or(word, |(word, _)| word)
    }

    fn take_word(&mut self, word: &str) -> bool {
        self.peek_word() == word && self.take(word)
    }

    /// The query's own field that comes next, with its `=`.
    fn field(&mut self) -> Option<&'static str> {
        let before = self.rest;
        let field = RESERVED.into_iter().skip(5).find(|field| self.take_word(field))?;
        if self.take("=") {
            return Some(field);
        }
        self.rest = before;
        None
    }

    fn set(&mut self, query: &mut DiscoveryQuery, field: &'static str) -> Result<(), ParseQueryError> {
        self.space();
        let at = self.at();
        let word = self.peek_word();
        let wrong = |what| ParseQueryError::Value { at, what };
        match field {
            "kind" => query.kind = Some(kind(word).ok_or_else(|| wrong("kind of advertisement"))?),
            "group" => query.group = Some(word.parse().map_err(|_| wrong("group id"))?),
            "publisher" => query.publisher = Some(word.parse().map_err(|_| wrong("peer id"))?),
            "threshold" => query.threshold = word.parse().map_err(|_| wrong("whole number"))?,
            _ => query.deadline = duration(word).ok_or_else(|| wrong("duration such as 5s or 250ms"))?,
        }
        self.take(word);
        Ok(())
    }

    /// `both or both or …`
    fn either(&mut self) -> Result<Condition, ParseQueryError> {
        let mut conditions = vec![self.both()?];
        while self.take_word("or") {
            conditions.push(self.both()?);
        }
        Ok(Condition::any(conditions))
    }

    /// `one and one and …`
    fn both(&mut self) -> Result<Condition, ParseQueryError> {
        let mut conditions = vec![self.one()?];
        while self.take_word("and") {
            conditions.push(self.one()?);
        }
        Ok(Condition::all(conditions))
    }

    /// `not one`, `(either)` or a condition on an attribute.
    fn one(&mut self) -> Result<Condition, ParseQueryError> {
        self.space();
        let at = self.at();
        let (not, open) = (self.take_word("not"), self.take("("));
        if !not && !open {
            return self.on_attribute();
        }
        let deeper = usize::from(not) + usize::from(open);
        let levels = self.levels;
        let too_deep = ParseQueryError::TooDeep { at, max: CONDITION_DEPTH_MAX };
        self.levels = levels.checked_sub(deeper).ok_or(too_deep)?;
        let inner = if open { self.either()? } else { self.one()? };
        if open && !self.take(")") {
            return self.expected("a closing parenthesis");
        }
        self.levels = levels;
        Ok(if not { !inner } else { inner })
    }

    /// `name`, or a name, how it compares, and a value.
    fn on_attribute(&mut self) -> Result<Condition, ParseQueryError> {
        if self.take_word("always") {
            return Ok(Condition::all([]));
        }
        if self.take_word("never") {
            return Ok(Condition::any([]));
        }
        let attribute = self.attribute()?;
        let comparisons = [
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("<", Comparison::Below),
            (">", Comparison::Above),
        ];
        if let Some((_, comparison)) = comparisons.into_iter().find(|(token, _)| self.take(token)) {
            return Ok(Condition::compares(attribute, comparison, self.plain_value()?));
        }
        if self.take("!=") {
            return Ok(!self.equal_or_like(attribute)?);
        }
        if self.take("=") {
            return self.equal_or_like(attribute);
        }
        Ok(Condition::exists(attribute))
    }

    fn attribute(&mut self) -> Result<String, ParseQueryError> {
        let word = self.peek_word();
        if self.space().starts_with('"') {
            return Ok(self.quoted()?.into_iter().map(|(character, _)| character).collect());
        }
        if word.is_empty() || word.contains(['*', '?']) || RESERVED.contains(&word) {
            return self.expected("a condition");
        }
        self.take(word);
        Ok(word.to_owned())
    }

    /// What follows `name=`: a value, a pattern, or `from..to`.
    fn equal_or_like(&mut self, attribute: String) -> Result<Condition, ParseQueryError> {
        let from = match self.operand()? {
            Operand::Pattern(pattern) => return Ok(Condition::Glob { attribute, pattern }),
            Operand::Value(value) => value,
        };
        let to = if self.take("..=") {
            Condition::at_most(attribute.clone(), self.plain_value()?)
        } else if self.take("..") {
            Condition::below(attribute.clone(), self.plain_value()?)
        } else {
            return Ok(Condition::equals(attribute, from));
        };
        Ok(Condition::all([Condition::at_least(attribute, from), to]))
    }

    fn plain_value(&mut self) -> Result<Value, ParseQueryError> {
        self.space();
        let at = self.at();
        match self.operand()? {
            Operand::Value(value) => Ok(value),
            Operand::Pattern(_) => {
                Err(ParseQueryError::Expected { at, expected: "a value without wildcards" })
            }
        }
    }

    fn operand(&mut self) -> Result<Operand, ParseQueryError> {
        if self.take("#") {
            return self.raw_value().map(Operand::Value);
        }
        let characters = if self.space().starts_with('"') {
            self.quoted()?
        } else {
            let word = self.peek_word();
            if word.is_empty() {
                return self.expected("a value");
            }
            self.take(word);
            if let Some(value) = bare_value(word) {
                return Ok(Operand::Value(value));
            }
            word.chars().map(|character| (character, false)).collect()
        };
        let parts = characters.into_iter().map(|part| match part {
            ('*', false) => Part::Any,
            ('?', false) => Part::One,
            (literal, _) => Part::Literal(literal),
        });
        Ok(match Pattern::from_parts(parts.collect()) {
            Ok(pattern) => Operand::Pattern(pattern),
            Err(plain) => Operand::Value(Value::Str(plain)),
        })
    }

    /// The characters between quotes, and which of them were escaped.
    fn quoted(&mut self) -> Result<Vec<(char, bool)>, ParseQueryError> {
        let mut characters = self.rest.chars();
        characters.next();
        let mut read = Vec::new();
        loop {
            match characters.next() {
                Some('"') => break,
                Some('\\') => read.extend(characters.next().map(|character| (character, true))),
                Some(character) => read.push((character, false)),
                None => {
                    self.rest = "";
                    return self.expected("a closing quote");
                }
            }
        }
        self.rest = characters.as_str();
        Ok(read)
    }

    /// `kind:hex`, as values travel.
    fn raw_value(&mut self) -> Result<Value, ParseQueryError> {
        let at = self.at();
        let word = self.peek_word();
        self.take(word);
        let value = word.split_once(':').and_then(|(kind, digits)| {
            Value::from_wire(WireValue(kind.parse().ok()?, Bytes::from(hex(digits)?)))
        });
        value.ok_or(ParseQueryError::Value { at, what: "value of the form kind:hex" })
    }
}

/// A number or a truth value; anything else is text.
fn bare_value(word: &str) -> Option<Value> {
    if let Ok(truth) = word.parse() {
        return Some(Value::Bool(truth));
    }
    if !word.trim_start_matches(['-', '+']).starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    word.parse().map(Value::Int).or_else(|_| word.parse().map(Value::Float)).ok()
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some((nibble(*high)? << 4) | nibble(*low)?),
            _ => None,
        })
        .collect()
}

fn kind(word: &str) -> Option<AdvertisementKind> {
    let known = KINDS.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind);
    known.or_else(|| word.parse().ok().map(AdvertisementKind::from_code))
}

fn duration(word: &str) -> Option<Duration> {
    let digits = word.trim_end_matches(|character: char| !character.is_ascii_digit());
    let (_, unit) = UNITS.iter().find(|(name, _)| word.strip_prefix(digits) == Some(*name))?;
    let nanos = digits.parse::<u128>().ok()?.checked_mul(*unit)?;
    let second = 1_000_000_000;
    Some(Duration::new(u64::try_from(nanos / second).ok()?, u32::try_from(nanos % second).ok()?))
}
