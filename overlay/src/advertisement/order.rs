//! How values compare: numbers with numbers, whole or not, text with text, anything else only with its equal.
//!
//! In: values. Out: their order, or a key that sorts in it. A comparison allocates nothing.

use std::cmp::Ordering;

use super::{Value, WireValue};

/// What a value is indexed by: equal keys for values that count as equal, ordered as [`compare`] says within a class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ValueKey {
    /// An `Int`, or a `Float` that is a number.
    Number(Number),
    /// A `Str`.
    Text(Box<str>),
    /// Any other value.
    Other(WireValue),
    /// Behind every value.
    End,
}

/// A number, exactly: the nearest float, and what is left to the whole number that it stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number {
    nearest: f64,
    rest: i16,
}

impl ValueKey {
    /// Before every number.
    pub(crate) const FIRST_NUMBER: Self = Self::Number(Number { nearest: f64::NEG_INFINITY, rest: 0 });
    /// Not before any number.
    pub(crate) const LAST_NUMBER: Self = Self::Number(Number { nearest: f64::INFINITY, rest: 0 });

    /// The key of `value`.
    pub(crate) fn of(value: &Value) -> Self {
        match (Number::of(value), value) {
            (Some(number), _) => Self::Number(number),
            (None, Value::Str(text)) => Self::Text(text.as_str().into()),
            (None, other) => Self::Other(other.wire()),
        }
    }

    /// Not after any text.
    pub(crate) fn first_text() -> Self {
        Self::Text("".into())
    }

    /// Behind every text.
    pub(crate) fn behind_text() -> Self {
        Self::Other(WireValue(0, bytes::Bytes::new()))
    }
}

impl Number {
    /// The number that `value` is, if it is one.
    fn of(value: &Value) -> Option<Self> {
        match value {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "floats are at most 1,024 apart in this range"
            )]
            Value::Int(whole) => {
                let nearest = *whole as f64;
                Some(Self { nearest, rest: (i128::from(*whole) - nearest as i128) as i16 })
            }
            // Adding zero makes the negative zero a plain one.
            Value::Float(float) if !float.is_nan() => Some(Self { nearest: float + 0.0, rest: 0 }),
            _ => None,
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nearest.total_cmp(&other.nearest).then(self.rest.cmp(&other.rest))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

/// How two values compare; `None` for values of different classes, and for those that have no order.
pub(crate) fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Str(one), Value::Str(other)) => Some(one.cmp(other)),
        _ => Some(Number::of(one)?.cmp(&Number::of(other)?)),
    }
}

/// Whether two values count as equal: the same number, or the same value.
pub(crate) fn equal(one: &Value, other: &Value) -> bool {
    compare(one, other).map_or_else(|| one == other, Ordering::is_eq)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whole_and_broken_numbers_compare_as_numbers_to_the_last_digit() {
        let large = 1_i64 << 53;
        assert!(equal(&Value::Int(1), &Value::Float(1.0)));
        assert!(equal(&Value::Float(0.0), &Value::Float(-0.0)));
        assert_eq!(compare(&Value::Int(large + 1), &Value::Float(large as f64)), Some(Ordering::Greater));
        assert_eq!(compare(&Value::Int(i64::MAX), &Value::Float(i64::MAX as f64)), Some(Ordering::Less));
        assert_eq!(compare(&Value::Int(3), &Value::Float(f64::INFINITY)), Some(Ordering::Less));
    }

    #[test]
    fn different_classes_have_no_order_and_only_the_same_nan_is_equal() {
        assert_eq!(compare(&Value::from("1"), &Value::Int(1)), None);
        assert_eq!(compare(&Value::from(true), &Value::from(false)), None);
        assert!(equal(&Value::Float(f64::NAN), &Value::Float(f64::NAN)));
        assert_eq!(compare(&Value::Float(f64::NAN), &Value::Int(1)), None);
    }

    proptest! {
        #[test]
        fn keys_are_ordered_as_values_are(a in any::<i64>(), b in any::<i64>(), near in -600i64..600) {
            let close = a.saturating_add(near);
            prop_assert_eq!(compare(&Value::Int(a), &Value::Int(close)), Some(a.cmp(&close)));
            prop_assert_eq!(ValueKey::of(&Value::Int(a)).cmp(&ValueKey::of(&Value::Int(b))), a.cmp(&b));
        }
    }
}
