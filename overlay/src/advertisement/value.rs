//! Values of attributes: typed, comparable, and able to carry types of later versions unread.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The value of an attribute.
///
/// Travels as `{kind: u16, bytes}`; a kind of a later version survives as [`Value::Other`].
#[derive(Debug, Clone)]
pub enum Value {
    /// A text.
    Str(String),
    /// A whole number.
    Int(i64),
    /// A number; equal when its bits are.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// Bytes.
    Bytes(Bytes),
    /// A value of a kind that this version doesn't know.
    Other(u16, Bytes),
}

impl Value {
    /// The text, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The form in which values travel, compare and are indexed.
    pub(crate) fn wire(&self) -> WireValue {
        match self {
            Self::Str(text) => WireValue(STR, Bytes::copy_from_slice(text.as_bytes())),
            Self::Int(number) => WireValue(INT, Bytes::copy_from_slice(&number.to_le_bytes())),
            Self::Float(number) => WireValue(FLOAT, Bytes::copy_from_slice(&number.to_bits().to_le_bytes())),
            Self::Bool(truth) => WireValue(BOOL, Bytes::copy_from_slice(&[u8::from(*truth)])),
            Self::Bytes(bytes) => WireValue(BYTES, bytes.clone()),
            Self::Other(kind, bytes) => WireValue(*kind, bytes.clone()),
        }
    }

    pub(super) fn from_wire(WireValue(kind, bytes): WireValue) -> Option<Self> {
        let eight = || <[u8; 8]>::try_from(bytes.as_ref()).ok();
        Some(match kind {
            STR => Self::Str(std::str::from_utf8(&bytes).ok()?.to_owned()),
            INT => Self::Int(i64::from_le_bytes(eight()?)),
            FLOAT => Self::Float(f64::from_bits(u64::from_le_bytes(eight()?))),
            BOOL => match bytes.as_ref() {
                [0] => Self::Bool(false),
                [1] => Self::Bool(true),
                _ => return None,
            },
            BYTES => Self::Bytes(bytes),
            kind => Self::Other(kind, bytes),
        })
    }
}

/// A value as it travels: kind and bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct WireValue(pub(crate) u16, pub(crate) Bytes);

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.wire() == other.wire()
    }
}

impl Eq for Value {}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.wire().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = WireValue::deserialize(deserializer)?;
        Self::from_wire(wire).ok_or_else(|| serde::de::Error::custom("malformed value"))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Str(text) => f.write_str(text),
            Self::Int(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Bytes(bytes) | Self::Other(_, bytes) => {
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

const STR: u16 = 1;
const INT: u16 = 2;
const FLOAT: u16 = 3;
const BOOL: u16 = 4;
const BYTES: u16 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{decode, encode};

    #[test]
    fn every_kind_survives_the_wire_and_an_unknown_one_too() {
        let values = [
            Value::from("chat"),
            Value::from(-7),
            Value::from(0.5),
            Value::from(true),
            Value::from(Bytes::from_static(b"\x00\xff")),
            Value::Other(900, Bytes::from_static(b"later")),
        ];
        for value in values {
            let bytes = encode(&value, 64).unwrap();
            assert_eq!(decode::<Value>(&bytes, 64).unwrap(), value);
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_refused() {
        let bytes = encode(&WireValue(STR, Bytes::from_static(&[0xff])), 64).unwrap();
        assert!(decode::<Value>(&bytes, 64).is_err());
    }
}
