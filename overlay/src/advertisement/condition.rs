//! Conditions of a query: on one attribute, or on other conditions.
//!
//! In: names, values, other conditions, or what came from a peer. Out: whether they hold for attributes. A tree of at
//! most [`CONDITIONS_MAX`] conditions, at most [`CONDITION_DEPTH_MAX`] deep, before it travels or is answered.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::order::{compare, equal};
use super::{Pattern, Value};
use crate::limits::{
    ATTRIBUTE_BYTES_MAX, CONDITION_DEPTH_MAX, CONDITIONS_MAX, PATTERN_BYTES_MAX, SESSION_FRAME_BYTES_MAX,
};
use crate::wire::{WireError, decode, encode};

/// What must hold for an advertisement's attributes. One on an attribute that isn't there does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// The attribute has this value. Whole and other numbers are equal when they are the same number.
    #[non_exhaustive]
    Equals {
        /// Name of the attribute.
        attribute: String,
        /// The value it must have.
        value: Value,
    },
    /// The attribute is a text that fits this pattern.
    #[non_exhaustive]
    Glob {
        /// Name of the attribute.
        attribute: String,
        /// The pattern.
        pattern: Pattern,
    },
    /// The attribute lies on this side of the value: numbers compare as numbers, text as text, nothing else does.
    #[non_exhaustive]
    Compares {
        /// Name of the attribute.
        attribute: String,
        /// The side.
        comparison: Comparison,
        /// The value it is compared with.
        value: Value,
    },
    /// The attribute is there, whatever its value.
    #[non_exhaustive]
    Exists {
        /// Name of the attribute.
        attribute: String,
    },
    /// All of these hold; none of them: always.
    #[non_exhaustive]
    All(Vec<Self>),
    /// At least one of these holds; none of them: never.
    #[non_exhaustive]
    Any(Vec<Self>),
    /// This one does not hold.
    #[non_exhaustive]
    Not(Box<Self>),
}

/// The side of a value on which an attribute lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

impl Condition {
    /// `attribute` is `value`.
    pub fn equals(attribute: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Equals { attribute: attribute.into(), value: value.into() }
    }

    /// `attribute` is a text that fits `pattern`: `*` stands for any characters, `?` for one, `\` takes the next one
    /// literally. Without any of them it is [`equals`](Self::equals).
    pub fn glob(attribute: impl Into<String>, pattern: &str) -> Self {
        match Pattern::parse(pattern) {
            Ok(pattern) => Self::Glob { attribute: attribute.into(), pattern },
            Err(plain) => Self::equals(attribute, plain),
        }
    }

    /// `attribute` is less than `value`.
    pub fn below(attribute: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::compares(attribute, Comparison::Below, value)
    }

    /// `attribute` is `value` or less.
    pub fn at_most(attribute: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::compares(attribute, Comparison::AtMost, value)
    }

    /// `attribute` is more than `value`.
    pub fn above(attribute: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::compares(attribute, Comparison::Above, value)
    }

    /// `attribute` is `value` or more.
    pub fn at_least(attribute: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::compares(attribute, Comparison::AtLeast, value)
    }

    /// `attribute` is on this side of `value`.
    pub fn compares(attribute: impl Into<String>, comparison: Comparison, value: impl Into<Value>) -> Self {
        Self::Compares { attribute: attribute.into(), comparison, value: value.into() }
    }

    /// `attribute` is there.
    pub fn exists(attribute: impl Into<String>) -> Self {
        Self::Exists { attribute: attribute.into() }
    }

    /// All of `conditions`; a single one is itself.
    pub fn all(conditions: impl IntoIterator<Item = Self>) -> Self {
        single(conditions).unwrap_or_else(Self::All)
    }

    /// At least one of `conditions`; a single one is itself.
    pub fn any(conditions: impl IntoIterator<Item = Self>) -> Self {
        single(conditions).unwrap_or_else(Self::Any)
    }

    /// Whether it holds for these attributes.
    pub fn holds(&self, attributes: &BTreeMap<String, Value>) -> bool {
        let is =
            |attribute: &String, holds: &dyn Fn(&Value) -> bool| attributes.get(attribute).is_some_and(holds);
        match self {
            Self::Equals { attribute, value } => is(attribute, &|is| equal(is, value)),
            Self::Glob { attribute, pattern } => {
                is(attribute, &|is| is.as_str().is_some_and(|text| pattern.fits(text)))
            }
            Self::Compares { attribute, comparison, value } => {
                is(attribute, &|is| compare(is, value).is_some_and(|order| comparison.admits(order)))
            }
            Self::Exists { attribute } => is(attribute, &|_| true),
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(attributes)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(attributes)),
            Self::Not(condition) => !condition.holds(attributes),
        }
    }

    fn inner(&self) -> &[Self] {
        match self {
            Self::All(inner) | Self::Any(inner) => inner,
            Self::Not(inner) => std::slice::from_ref(inner),
            _ => &[],
        }
    }

    /// How many conditions it is, with those in it.
    fn count(&self) -> usize {
        1 + self.inner().iter().map(Self::count).sum::<usize>()
    }

    fn depth(&self) -> usize {
        self.inner().iter().map(|inner| inner.depth() + 1).max().unwrap_or(0)
    }

    fn check_sizes(&self) -> Result<(), WireError> {
        match self {
            Self::Equals { attribute, value } | Self::Compares { attribute, value, .. } => {
                at_most(attribute.len(), ATTRIBUTE_BYTES_MAX)?;
                at_most(value.wire().1.len(), ATTRIBUTE_BYTES_MAX)
            }
            Self::Glob { attribute, pattern } => {
                at_most(attribute.len(), ATTRIBUTE_BYTES_MAX)?;
                at_most(pattern.as_str().len(), PATTERN_BYTES_MAX)
            }
            Self::Exists { attribute } => at_most(attribute.len(), ATTRIBUTE_BYTES_MAX),
            Self::All(_) | Self::Any(_) | Self::Not(_) => self.inner().iter().try_for_each(Self::check_sizes),
        }
    }

    fn to_wire(&self) -> Result<WireCondition, WireError> {
        let many = |inner: &[Self]| body(&inner.iter().map(Self::to_wire).collect::<Result<Vec<_>, _>>()?);
        let (kind, body) = match self {
            Self::Equals { attribute, value } => (EQUALS, body(&(attribute, value))?),
            Self::Glob { attribute, pattern } => (GLOB, body(&(attribute, pattern.as_str()))?),
            Self::Compares { attribute, comparison, value } => {
                (comparison.code(), body(&(attribute, value))?)
            }
            Self::Exists { attribute } => (EXISTS, body(attribute)?),
            Self::All(inner) => (ALL, many(inner)?),
            Self::Any(inner) => (ANY, many(inner)?),
            Self::Not(inner) => (NOT, body(&inner.to_wire()?)?),
        };
        Ok(WireCondition(kind, body))
    }

    /// `levels` more may be in it.
    fn from_wire(WireCondition(kind, body): &WireCondition, levels: usize) -> Result<Self, WireError> {
        let deeper = || {
            let len = CONDITION_DEPTH_MAX + 1;
            levels.checked_sub(1).ok_or(WireError::TooLarge { len, max: CONDITION_DEPTH_MAX })
        };
        let many = |levels: usize| -> Result<Vec<Self>, WireError> {
            let inner: Vec<WireCondition> = read(body)?;
            inner.iter().map(|inner| Self::from_wire(inner, levels)).collect()
        };
        Ok(match *kind {
            EQUALS => {
                read::<(String, Value)>(body).map(|(attribute, value)| Self::equals(attribute, value))?
            }
            GLOB => read::<(String, String)>(body).map(|(attribute, text)| Self::glob(attribute, &text))?,
            EXISTS => read::<String>(body).map(Self::exists)?,
            ALL => Self::all(many(deeper()?)?),
            ANY => Self::any(many(deeper()?)?),
            NOT => !Self::from_wire(&read(body)?, deeper()?)?,
            kind => {
                let comparison = Comparison::from_code(kind).ok_or(WireError::UnknownKind { got: kind })?;
                let (attribute, value): (String, Value) = read(body)?;
                Self::compares(attribute, comparison, value)
            }
        })
    }
}

/// `!condition` holds where `condition` does not.
impl std::ops::Not for Condition {
    type Output = Self;

    fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}

impl Comparison {
    fn admits(self, order: Ordering) -> bool {
        match self {
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }

    fn code(self) -> u16 {
        match self {
            Self::Below => 3,
            Self::AtMost => 4,
            Self::Above => 5,
            Self::AtLeast => 6,
        }
    }

    fn from_code(code: u16) -> Option<Self> {
        [Self::Below, Self::AtMost, Self::Above, Self::AtLeast].into_iter().find(|one| one.code() == code)
    }
}

/// A condition as it travels: kind and body, so that kinds can be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireCondition(u16, Bytes);

/// The form in which `conditions` travel.
///
/// # Errors
/// [`WireError::TooLarge`] when they break a bound.
pub(crate) fn to_wire(conditions: &[Condition]) -> Result<Vec<WireCondition>, WireError> {
    check(conditions)?;
    conditions.iter().map(Condition::to_wire).collect()
}

/// The conditions that travelled as `wire`.
///
/// # Errors
/// [`WireError::UnknownKind`] for a kind of a later version; else as [`WireError`] says.
pub(crate) fn from_wire(wire: &[WireCondition]) -> Result<Vec<Condition>, WireError> {
    at_most(wire.len(), CONDITIONS_MAX)?;
    let conditions: Vec<_> =
        wire.iter().map(|one| Condition::from_wire(one, CONDITION_DEPTH_MAX)).collect::<Result<_, _>>()?;
    check(&conditions)?;
    Ok(conditions)
}

/// Whether `conditions` are few, shallow and short enough.
pub(crate) fn check(conditions: &[Condition]) -> Result<(), WireError> {
    at_most(conditions.iter().map(Condition::count).sum(), CONDITIONS_MAX)?;
    at_most(conditions.iter().map(Condition::depth).max().unwrap_or(0), CONDITION_DEPTH_MAX)?;
    conditions.iter().try_for_each(Condition::check_sizes)
}

fn single(conditions: impl IntoIterator<Item = Condition>) -> Result<Condition, Vec<Condition>> {
    let conditions: Vec<_> = conditions.into_iter().collect();
    <[Condition; 1]>::try_from(conditions).map(|[only]| only)
}

fn at_most(len: usize, max: usize) -> Result<(), WireError> {
    if len > max { Err(WireError::TooLarge { len, max }) } else { Ok(()) }
}

fn body<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, WireError> {
    encode(value, SESSION_FRAME_BYTES_MAX).map(Bytes::from)
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, WireError> {
    decode(body, SESSION_FRAME_BYTES_MAX)
}

const EQUALS: u16 = 1;
const GLOB: u16 = 2;
// 3 to 6 are the comparisons.
const EXISTS: u16 = 7;
const ALL: u16 = 8;
const ANY: u16 = 9;
const NOT: u16 = 10;

#[cfg(test)]
mod tests;
