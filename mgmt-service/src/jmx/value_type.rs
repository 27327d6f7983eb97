//! Which values an attribute or an argument takes, checked before anything changes.
//!
//! In: a value, or its text. Out: the value in its type, or why it is none. Bounds: text has at most the bytes its type says.

use std::borrow::Cow;
use std::fmt;

use super::bean::AttributeValue;
use crate::error::ValueError;

/// The type of a value, with its range.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ValueType {
    /// Text of at most so many bytes.
    Text {
        /// The bound in bytes.
        bytes_max: usize,
    },
    /// One of these words.
    OneOf(Vec<Cow<'static, str>>),
    /// A whole number from `min` to `max`, both included.
    Int {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A finite number from `min` to `max`, both included.
    Float {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
    /// `true` or `false`.
    Bool,
}

impl ValueType {
    /// The value in this type: one of the type itself, or text that reads as such.
    ///
    /// # Errors
    /// [`ValueError`], which says what is expected.
    pub fn accept(&self, value: AttributeValue) -> Result<AttributeValue, ValueError> {
        let wrong = || ValueError { expected: self.to_string() };
        let value = match (self, value) {
            (Self::Int { .. }, AttributeValue::Str(text)) => {
                AttributeValue::Int(text.parse().map_err(|_| wrong())?)
            }
            (Self::Float { .. }, AttributeValue::Str(text)) => {
                AttributeValue::Float(text.parse().map_err(|_| wrong())?)
            }
            (Self::Bool, AttributeValue::Str(text)) => {
                AttributeValue::Bool(text.parse().map_err(|_| wrong())?)
            }
            (_, value) => value,
        };
        let fits = match (self, &value) {
            (Self::Text { bytes_max }, AttributeValue::Str(text)) => text.len() <= *bytes_max,
            (Self::OneOf(words), AttributeValue::Str(text)) => words.iter().any(|word| word == text),
            (Self::Int { min, max }, AttributeValue::Int(number)) => (min..=max).contains(&number),
            (Self::Float { min, max }, AttributeValue::Float(number)) => (min..=max).contains(&number),
            (Self::Bool, AttributeValue::Bool(_)) => true,
            _ => false,
        };
        if fits { Ok(value) } else { Err(wrong()) }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { bytes_max } => write!(f, "text of at most {bytes_max} bytes"),
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
            Self::Int { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Float { min, max } => write!(f, "a number from {min} to {max}"),
            Self::Bool => f.write_str("true or false"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_in_its_type_or_as_text_and_only_within_its_range() {
        let int = ValueType::Int { min: 1, max: 9 };
        assert_eq!(int.accept("9".into()), Ok(AttributeValue::Int(9)));
        assert_eq!(int.accept(1_i64.into()), Ok(AttributeValue::Int(1)));
        for wrong in ["0", "10", "x", "", "1.0", "99999999999999999999"] {
            let error = int.accept(wrong.into()).unwrap_err();
            assert_eq!(error.to_string(), "a whole number from 1 to 9 is expected");
        }
        let float = ValueType::Float { min: 0.0, max: 1.0 };
        assert_eq!(float.accept("0.5".into()), Ok(AttributeValue::Float(0.5)));
        assert!(float.accept("NaN".into()).is_err() && float.accept("inf".into()).is_err());
        assert_eq!(ValueType::Bool.accept("true".into()), Ok(true.into()));
        assert!(ValueType::Bool.accept(1_i64.into()).is_err());
        assert!(ValueType::Text { bytes_max: 2 }.accept("abc".into()).is_err());
        let words = ValueType::OneOf(vec!["on".into(), "off".into()]);
        assert!(words.accept("on".into()).is_ok() && words.accept("ON".into()).is_err());
    }
}
