//! What can be changed at a managed object: attributes that are set, operations that are invoked (JMX).

use std::borrow::Cow;

use super::bean::AttributeValue;
use super::value_type::ValueType;
use crate::error::InvokeError;

/// An attribute that can be set.
#[derive(Debug, Clone, PartialEq)]
pub struct Writable {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Which values it takes.
    pub value_type: ValueType,
    /// How often it was set since the start; a set that names another one fails.
    pub version: u64,
}

/// How an attribute is to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetOptions {
    /// Only if the attribute has this version.
    pub expected: Option<u64>,
    /// Judge everything, change nothing.
    pub dry_run: bool,
}

/// What a set has changed, or would have in a dry run.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The value before; none where there was none.
    pub before: Option<AttributeValue>,
    /// The value that was set, in the attribute's type.
    pub after: AttributeValue,
    /// The attribute's version now.
    pub version: u64,
}

/// An operation of a managed object.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationInfo {
    /// By which name it is invoked.
    pub name: Cow<'static, str>,
    /// What it does, in one line.
    pub description: Cow<'static, str>,
    /// What it takes, in order.
    pub parameters: Vec<Parameter>,
}

/// One argument of an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// For people.
    pub name: Cow<'static, str>,
    /// Which values it takes.
    pub value_type: ValueType,
}

impl OperationInfo {
    /// The arguments in the types of their parameters.
    ///
    /// # Errors
    /// [`InvokeError`]; then the operation must not run.
    pub fn accept(&self, arguments: Vec<AttributeValue>) -> Result<Vec<AttributeValue>, InvokeError> {
        if arguments.len() != self.parameters.len() {
            return Err(InvokeError::Arguments { expected: self.parameters.len() });
        }
        let accept = |(parameter, argument): (&Parameter, AttributeValue)| {
            let name = || parameter.name.to_string();
            parameter
                .value_type
                .accept(argument)
                .map_err(|error| InvokeError::Argument { name: name(), error })
        };
        self.parameters.iter().zip(arguments).map(accept).collect()
    }
}
