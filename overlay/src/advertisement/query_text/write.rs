//! A query as text: each combination in parentheses, each text in quotes.

use std::fmt;

use super::{KINDS, RESERVED, UNITS, in_word};
use crate::advertisement::{AdvertisementKind, Comparison, Condition, DiscoveryQuery, Value};

impl fmt::Display for DiscoveryQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fresh = Self::new();
        let fields = [
            self.kind.map(|kind| format!("kind={}", kind_name(kind))),
            self.group.map(|group| format!("group={group}")),
            self.publisher.map(|publisher| format!("publisher={publisher}")),
            (self.threshold != fresh.threshold).then(|| format!("threshold={}", self.threshold)),
            (self.deadline != fresh.deadline).then(|| format!("deadline={}", duration(self.deadline))),
        ];
        let terms = fields.into_iter().flatten().chain(self.conditions.iter().map(ToString::to_string));
        join(f, terms, " ")
    }
}

/// Each combination stands in parentheses, so that it can stand anywhere.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals { attribute, value } => {
                name(f, attribute)?;
                f.write_str("=")?;
                write_value(f, value)
            }
            Self::Glob { attribute, pattern } => {
                name(f, attribute)?;
                write!(f, "=\"{}\"", pattern.as_str().replace('"', "\\\""))
            }
            Self::Compares { attribute, comparison, value } => {
                name(f, attribute)?;
                write!(f, "{comparison}")?;
                write_value(f, value)
            }
            Self::Exists { attribute } => name(f, attribute),
            Self::All(conditions) if conditions.is_empty() => f.write_str("always"),
            Self::Any(conditions) if conditions.is_empty() => f.write_str("never"),
            Self::All(conditions) => group(f, conditions, " and "),
            Self::Any(conditions) => group(f, conditions, " or "),
            Self::Not(condition) => write!(f, "not {condition}"),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
        })
    }
}

fn group(f: &mut fmt::Formatter<'_>, conditions: &[Condition], between: &str) -> fmt::Result {
    f.write_str("(")?;
    join(f, conditions, between)?;
    f.write_str(")")
}

fn join<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    terms: impl IntoIterator<Item = T>,
    between: &str,
) -> fmt::Result {
    terms.into_iter().enumerate().try_for_each(|(index, term)| match index {
        0 => write!(f, "{term}"),
        _ => write!(f, "{between}{term}"),
    })
}

fn name(f: &mut fmt::Formatter<'_>, attribute: &str) -> fmt::Result {
    let plain = |character: char| in_word(character) && !matches!(character, '*' | '?' | '.');
    let bare = !attribute.is_empty() && attribute.chars().all(plain) && !RESERVED.contains(&attribute);
    if bare { f.write_str(attribute) } else { quoted(f, attribute, &['"', '\\']) }
}

fn write_value(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Str(text) => quoted(f, text, &['"', '\\', '*', '?']),
        Value::Int(number) => write!(f, "{number}"),
        Value::Float(number) if number.is_finite() => write!(f, "{number:?}"),
        Value::Bool(truth) => write!(f, "{truth}"),
        Value::Float(_) | Value::Bytes(_) | Value::Other(..) => {
            let wire = value.wire();
            write!(f, "#{}:", wire.0)?;
            wire.1.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str, special: &[char]) -> fmt::Result {
    f.write_str("\"")?;
    for character in text.chars() {
        if special.contains(&character) {
            f.write_str("\\")?;
        }
        write!(f, "{character}")?;
    }
    f.write_str("\"")
}

fn kind_name(kind: AdvertisementKind) -> String {
    let known = KINDS.iter().find(|(_, known)| *known == kind);
    known.map_or_else(|| kind.code().to_string(), |(name, _)| (*name).to_owned())
}

/// In the longest unit of which it is a multiple.
fn duration(duration: std::time::Duration) -> String {
    let nanos = duration.as_nanos();
    let unit = UNITS.iter().find(|(_, unit)| nanos.is_multiple_of(*unit));
    unit.map_or_else(String::new, |(name, unit)| format!("{}{name}", nanos / unit))
}
