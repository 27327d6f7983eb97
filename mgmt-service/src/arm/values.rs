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

/// Those of `values` that fit their definitions, and how many were refused: of another type than defined, too long, or
/// beyond the definition.
pub(super) fn fitting(
    definitions: &[Arc<ValueDefinition>],
    values: &[Option<MetricValue>],
) -> (Vec<Option<MetricValue>>, u64) {
    let given = values.iter().flatten().count() as u64;
    let fits = |(definition, value): (&Arc<ValueDefinition>, &Option<MetricValue>)| {
        value.clone().filter(|value| value.fits(definition))
    };
    let kept: Vec<_> = definitions.iter().zip(values).map(fits).collect();
    let refused = given - kept.iter().flatten().count() as u64;
    (kept, refused)
}

/// The values that a record carries: the last ones, or those told before, both as [`fitting`] let them. Allocates once if
/// there are any, and not at all otherwise.
pub(super) fn typed(
    definitions: &[Arc<ValueDefinition>],
    last: &[Option<MetricValue>],
    told: &[Option<MetricValue>],
) -> Option<Arc<[TypedValue]>> {
    // Even an empty list would take memory.
    last.iter().chain(told).flatten().next()?;
    let value = |(at, definition): (usize, &Arc<ValueDefinition>)| {
        let value = [last, told].into_iter().find_map(|values| values.get(at)?.clone())?;
        Some(TypedValue { definition: Arc::clone(definition), value })
    };
    Some(definitions.iter().enumerate().filter_map(value).collect())
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
        assert_eq!(fitting(&definitions, &good), (good.to_vec(), 0));
        let told = [Some(MetricValue::Counter(1)), Some(MetricValue::Gauge(2))];
        let kept: Vec<_> = typed(&definitions, &good, &told).unwrap().to_vec();
        let at = |place: usize, value: &Option<MetricValue>| TypedValue {
            definition: Arc::clone(&definitions[place]),
            value: value.clone().unwrap(),
        };
        assert_eq!(kept, [at(0, &good[0]), at(1, &told[1]), at(2, &good[2])]);
        let bad = [
            Some(MetricValue::Gauge(7)),
            Some(MetricValue::NumericId(1)),
            text(VALUE_TEXT_BYTES_MAX + 1),
            Some(MetricValue::Counter(1)),
        ];
        assert_eq!(fitting(&definitions, &bad), (vec![None; 3], 4));
        assert_eq!((fitting(&definitions, &[]), typed(&definitions, &[], &[])), ((vec![], 0), None));
    }
}
