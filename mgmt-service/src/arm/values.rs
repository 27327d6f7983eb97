//! Typed metrics of a transaction (ARM 4): counters, gauges, numeric ids and texts that the application adds to what is
//! measured anyway.
//!
//! In: a definition's list, and the values of one transaction. Out: the values in the list's order, or none for those
//! of a wrong type. At most `VALUES_MAX` for a definition.

use std::sync::Arc;

use crate::error::DefineError;
use crate::limits::{VALUE_TEXT_BYTES_MAX, VALUES_MAX};

/// What kind of value it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// Only grows, such as bytes sent.
    Counter,
    /// Goes up and down, such as the length of a queue.
    Gauge,
    /// Names something by a number, such as an error code; sums of it mean nothing.
    NumericId,
    /// A short text.
    Text,
}

impl ValueKind {
    /// Its name; it never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::NumericId => "numeric_id",
            Self::Text => "text",
        }
    }
}

/// A typed metric of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ValueDefinition {
    /// Its name, by the rules of a definition's name.
    pub name: String,
    /// Its unit as UCUM writes it (`By`, `ms`, `1`); by the rules of a name, or empty.
    pub unit: String,
    /// Its type.
    pub kind: ValueKind,
}

impl ValueDefinition {
    /// A metric.
    #[must_use]
    pub fn new(name: &str, unit: &str, kind: ValueKind) -> Self {
        Self { name: name.to_owned(), unit: unit.to_owned(), kind }
    }
}

/// The value of a typed metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricValue {
    /// Of a [`ValueKind::Counter`].
    Counter(u64),
    /// Of a [`ValueKind::Gauge`]; a fraction takes a smaller unit.
    Gauge(i64),
    /// Of a [`ValueKind::NumericId`].
    NumericId(u64),
    /// Of a [`ValueKind::Text`]; longer than `VALUE_TEXT_BYTES_MAX` bytes is not kept.
    Text(Arc<str>),
}

impl MetricValue {
    /// Its type.
    #[must_use]
    pub fn kind(&self) -> ValueKind {
        match self {
            Self::Counter(_) => ValueKind::Counter,
            Self::Gauge(_) => ValueKind::Gauge,
            Self::NumericId(_) => ValueKind::NumericId,
            Self::Text(_) => ValueKind::Text,
        }
    }

    fn fits(&self, definition: &ValueDefinition) -> bool {
        let short = !matches!(self, Self::Text(text) if text.len() > VALUE_TEXT_BYTES_MAX);
        short && self.kind() == definition.kind
    }
}

/// A value and what it is a value of, as a record carries them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedValue {
    /// Name, unit and type, shared by all records of the definition.
    pub definition: Arc<ValueDefinition>,
    /// The value, of that type.
    pub value: MetricValue,
}

/// The values that a record carries, and how many were refused: of another type than defined, too long, or
/// beyond the definition. Allocates once if there are any.
pub(super) fn checked(
    definitions: &[Arc<ValueDefinition>],
    values: &[Option<MetricValue>],
) -> (Option<Arc<[TypedValue]>>, u64) {
    if values.is_empty() {
        return (None, 0);
    }
    let given = values.iter().flatten().count() as u64;
    let fitting = definitions.iter().zip(values).filter_map(|(definition, value)| {
        let value = value.clone().filter(|value| value.fits(definition))?;
        Some(TypedValue { definition: Arc::clone(definition), value })
    });
    let kept: Arc<[_]> = fitting.collect();
    let refused = given - kept.len() as u64;
    ((!kept.is_empty()).then_some(kept), refused)
}

/// # Errors
/// [`DefineError::TooManyValues`] or [`DefineError::BadName`].
pub(super) fn check(
    definitions: &[ValueDefinition],
    check_name: impl Fn(&str) -> Result<(), DefineError>,
) -> Result<(), DefineError> {
    if definitions.len() > VALUES_MAX {
        return Err(DefineError::TooManyValues { max: VALUES_MAX });
    }
    for definition in definitions {
        check_name(&definition.name)?;
        if !definition.unit.is_empty() {
            check_name(&definition.unit)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_another_type_or_beyond_the_definition_are_refused_and_counted() {
        let definitions = [
            ValueDefinition::new("sent", "By", ValueKind::Counter),
            ValueDefinition::new("load", "1", ValueKind::Gauge),
            ValueDefinition::new("why", "", ValueKind::Text),
        ]
        .map(Arc::new);
        let text = |bytes| Some(MetricValue::Text("x".repeat(bytes).into()));
        let good = [Some(MetricValue::Counter(7)), None, text(VALUE_TEXT_BYTES_MAX)];
        let (kept, refused) = checked(&definitions, &good);
        let kept: Vec<_> = kept.iter().flat_map(|kept| kept.iter()).cloned().collect();
        let at = |place: usize| {
            let value = good[place].clone().unwrap();
            TypedValue { definition: Arc::clone(&definitions[place]), value }
        };
        assert_eq!((kept, refused), (vec![at(0), at(2)], 0));
        let bad = [
            Some(MetricValue::Gauge(7)),
            Some(MetricValue::NumericId(1)),
            text(VALUE_TEXT_BYTES_MAX + 1),
            Some(MetricValue::Counter(1)),
        ];
        assert_eq!(checked(&definitions, &bad), (None, 4));
        assert_eq!(checked(&definitions, &[]), (None, 0));
    }
}
