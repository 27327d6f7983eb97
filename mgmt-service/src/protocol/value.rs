//! Values of attributes and arguments on the wire.

use overlay::Value;

use crate::jmx::AttributeValue;

pub(super) fn to_wire(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Str(text) => Value::Str(text.clone()),
        AttributeValue::Int(number) => Value::Int(*number),
        AttributeValue::Float(number) => Value::Float(*number),
        AttributeValue::Bool(truth) => Value::Bool(*truth),
    }
}

pub(super) fn from_wire(value: Value) -> AttributeValue {
    match value {
        Value::Str(text) => AttributeValue::Str(text),
        Value::Int(number) => AttributeValue::Int(number),
        Value::Float(number) => AttributeValue::Float(number),
        Value::Bool(truth) => AttributeValue::Bool(truth),
        // A type of a later version is shown as its bytes in hexadecimal.
        other => AttributeValue::Str(other.to_string()),
    }
}
