//! Where the values that a condition admits lie among all values of an attribute.
//!
//! In: a condition on one attribute. Out: one span of keys, never smaller than what the condition admits.

use std::ops::Bound;

use crate::advertisement::{Comparison, Condition, Pattern, Value, ValueKey};

/// From one cut between keys to another; empty unless the first comes before the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    from: Cut,
    to: Cut,
}

/// The place before a key, or the one after it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cut {
    key: ValueKey,
    after: bool,
}

impl Span {
    /// The attribute and the span of its values in which all that `condition` admits are; nothing for a combination.
    pub(super) fn of(condition: &Condition) -> Option<(&str, Self)> {
        Some(match condition {
            Condition::Equals { attribute, value } => {
                let key = ValueKey::of(value);
                (attribute, Self { from: before(key.clone()), to: after(key) })
            }
            Condition::Glob { attribute, pattern } => (attribute, Self::of_pattern(pattern)),
            Condition::Compares { attribute, comparison, value } => {
                (attribute, Self::of_comparison(*comparison, value))
            }
            Condition::Exists { attribute } => {
                (attribute, Self { from: before(ValueKey::FIRST_NUMBER), to: before(ValueKey::End) })
            }
            _ => return None,
        })
    }

    fn of_pattern(pattern: &Pattern) -> Self {
        let prefix = pattern.prefix();
        let to = behind_prefix(&prefix).unwrap_or_else(ValueKey::behind_text);
        Self { from: before(ValueKey::Text(prefix.into())), to: before(to) }
    }

    fn of_comparison(comparison: Comparison, value: &Value) -> Self {
        let key = ValueKey::of(value);
        let (from, to) = match &key {
            ValueKey::Number(_) => (before(ValueKey::FIRST_NUMBER), after(ValueKey::LAST_NUMBER)),
            ValueKey::Text(_) => (before(ValueKey::first_text()), before(ValueKey::behind_text())),
            // Nothing is above or below what has no order.
            ValueKey::Other(_) | ValueKey::End => {
                return Self { from: before(key.clone()), to: before(key) };
            }
        };
        match comparison {
            Comparison::Below => Self { from, to: before(key) },
            Comparison::AtMost => Self { from, to: after(key) },
            Comparison::Above => Self { from: after(key), to },
            Comparison::AtLeast => Self { from: before(key), to },
        }
    }

    /// What lies in both.
    pub(super) fn and(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), to: self.to.min(other.to) }
    }

    /// The span as an ordered map wants it; nothing when it is empty.
    pub(super) fn bounds(&self) -> Option<(Bound<&ValueKey>, Bound<&ValueKey>)> {
        let from =
            if self.from.after { Bound::Excluded(&self.from.key) } else { Bound::Included(&self.from.key) };
        let to = if self.to.after { Bound::Included(&self.to.key) } else { Bound::Excluded(&self.to.key) };
        (self.from < self.to).then_some((from, to))
    }
}

fn before(key: ValueKey) -> Cut {
    Cut { key, after: false }
}

fn after(key: ValueKey) -> Cut {
    Cut { key, after: true }
}

/// The first text behind all that begin with `prefix`; nothing when all that follow do.
fn behind_prefix(prefix: &str) -> Option<ValueKey> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(ValueKey::Text(text.into()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_with_a_prefix_lies_before_the_text_behind_it() {
        for (prefix, behind) in [
            ("ab", Some("ac")),
            ("a\u{d7ff}", Some("a\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
            ("", None),
        ] {
            assert_eq!(behind_prefix(prefix), behind.map(|text| ValueKey::Text(text.into())), "{prefix:?}");
        }
    }

    #[test]
    fn spans_that_do_not_meet_have_no_bounds() {
        let span = |condition: &Condition| Span::of(condition).unwrap().1;
        let (low, high) = (span(&Condition::below("x", 1)), span(&Condition::at_least("x", 1.0)));
        assert_eq!(low.clone().and(high.clone()).bounds(), None);
        assert!(span(&Condition::at_most("x", 1)).and(high).bounds().is_some());
        assert_eq!(low.and(span(&Condition::glob("x", "*"))).bounds(), None);
        assert_eq!(span(&Condition::above("x", true)).bounds(), None);
    }
}
