//! Changing managed objects: set, invoke, and what there is to set and invoke.
//!
//! In: a request, or what came of it. Out: bytes and back. Every message has at most `MANAGE_BYTES_MAX` bytes. Who may is not
//! asked here: a request that its asker's role forbids is refused by the resolver (`RefuseReason::Policy`).

use overlay::Value;
use overlay::wire::{Ext, WireError, decode, encode_kind, split_kind};
use serde::{Deserialize, Serialize};

use super::service::{VERSION, check_len};
use super::value::{from_wire, to_wire};
use crate::error::{FailureCode, InvokeError, SetError};
use crate::jmx::{AttributeValue, Change, DynamicBean, ObjectName, SetOptions};
use crate::limits::{ARGUMENTS_MAX, MANAGE_BYTES_MAX};

/// What is asked of one object.
#[derive(Debug, Clone, PartialEq)]
pub enum ManageRequest {
    /// Set an attribute.
    Set {
        /// The object.
        object: ObjectName,
        /// The attribute.
        attribute: String,
        /// The value, in the attribute's type or as text.
        value: AttributeValue,
        /// How.
        options: SetOptions,
    },
    /// Do something.
    Invoke {
        /// The object.
        object: ObjectName,
        /// The operation.
        operation: String,
        /// What it takes, in its parameters' types or as text. At most `ARGUMENTS_MAX`.
        arguments: Vec<AttributeValue>,
    },
    /// Say what there is to see, to set and to invoke.
    Describe {
        /// The object.
        object: ObjectName,
    },
}

impl ManageRequest {
    /// The request as bytes.
    ///
    /// # Errors
    /// [`WireError::TooLarge`].
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        match self {
            Self::Set { object, attribute, value, options } => {
                let SetOptions { expected, dry_run } = *options;
                let body = (object.to_string(), attribute, to_wire(value), expected, dry_run, Ext::new());
                encode_kind(VERSION, SET, &body, MANAGE_BYTES_MAX)
            }
            Self::Invoke { object, operation, arguments } => {
                check_arguments(arguments.len())?;
                let arguments: Vec<Value> = arguments.iter().map(to_wire).collect();
                let body = (object.to_string(), operation, arguments, Ext::new());
                encode_kind(VERSION, INVOKE, &body, MANAGE_BYTES_MAX)
            }
            Self::Describe { object } => {
                encode_kind(VERSION, DESCRIBE, &(object.to_string(), Ext::new()), MANAGE_BYTES_MAX)
            }
        }
    }

    /// The request in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says; a name that can't be read is malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        check_len(bytes, MANAGE_BYTES_MAX)?;
        let (kind, body) = split_kind(VERSION, bytes)?;
        let named = |name: String| name.parse::<ObjectName>().map_err(|_| WireError::Malformed);
        match kind {
            SET => {
                type Body = (String, String, Value, Option<u64>, bool, Ext);
                let (object, attribute, value, expected, dry_run, _ext): Body = decode(body, DECODE_MAX)?;
                let options = SetOptions { expected, dry_run };
                Ok(Self::Set { object: named(object)?, attribute, value: from_wire(value), options })
            }
            INVOKE => {
                let (object, operation, arguments, _ext): (String, String, Vec<Value>, Ext) =
                    decode(body, DECODE_MAX)?;
                check_arguments(arguments.len())?;
                let arguments = arguments.into_iter().map(from_wire).collect();
                Ok(Self::Invoke { object: named(object)?, operation, arguments })
            }
            DESCRIBE => {
                let (object, _ext): (String, Ext) = decode(body, DECODE_MAX)?;
                Ok(Self::Describe { object: named(object)? })
            }
            got => Err(WireError::UnknownKind { got }),
        }
    }
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum ManageAnswer {
    /// An attribute was set, or would have been.
    Changed(Change),
    /// An operation is done, and gave this.
    Done(AttributeValue),
    /// What there is.
    Described(Described),
    /// Nothing has changed.
    Failed {
        /// Which kind of reason.
        code: FailureCode,
        /// The reason in words.
        reason: String,
    },
}

/// What an object is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Described {
    /// In one line.
    pub description: String,
    /// Its attributes.
    pub attributes: Vec<DescribedAttribute>,
    /// Its operations.
    pub operations: Vec<DescribedOperation>,
}

/// What an attribute is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescribedAttribute {
    /// Its name.
    pub name: String,
    /// What it means, with its unit.
    pub description: String,
    /// If it can be set: which values it takes, in words, and its version.
    pub set: Option<(String, u64)>,
}

/// What an operation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescribedOperation {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Each parameter's name and which values it takes, in words.
    pub parameters: Vec<(String, String)>,
}

impl Described {
    /// What an object says of itself.
    #[must_use]
    pub fn of(bean: &dyn DynamicBean) -> Self {
        let (info, writable) = (bean.info(), bean.writable());
        let attribute = |attribute: crate::jmx::AttributeInfo| {
            let set = writable.iter().find(|set| set.name == attribute.name);
            let set = set.map(|set| (set.value_type.to_string(), set.version));
            let (name, description) = (attribute.name.into_owned(), attribute.description.into_owned());
            DescribedAttribute { name, description, set }
        };
        let operation = |operation: crate::jmx::OperationInfo| {
            let parameters = operation.parameters.into_iter();
            let parameters =
                parameters.map(|parameter| (parameter.name.into_owned(), parameter.value_type.to_string()));
            let (name, description) = (operation.name.into_owned(), operation.description.into_owned());
            DescribedOperation { name, description, parameters: parameters.collect() }
        };
        Self {
            description: info.description.into_owned(),
            attributes: info.attributes.into_iter().map(attribute).collect(),
            operations: bean.operations().into_iter().map(operation).collect(),
        }
    }
}

impl From<SetError> for ManageAnswer {
    fn from(error: SetError) -> Self {
        let code = match &error {
            SetError::NoAttribute => FailureCode::NoMember,
            SetError::ReadOnly => FailureCode::ReadOnly,
            SetError::Value(_) => FailureCode::BadValue,
            SetError::Stale { .. } => FailureCode::Stale,
            SetError::Refused(_) => FailureCode::Failed,
        };
        Self::Failed { code, reason: error.to_string() }
    }
}

impl From<InvokeError> for ManageAnswer {
    fn from(error: InvokeError) -> Self {
        let code = match &error {
            InvokeError::NoOperation => FailureCode::NoMember,
            InvokeError::Arguments { .. } | InvokeError::Argument { .. } => FailureCode::BadValue,
            InvokeError::Failed(_) => FailureCode::Failed,
        };
        Self::Failed { code, reason: error.to_string() }
    }
}

impl ManageAnswer {
    /// The answer as bytes; what is too long is told as a failure.
    ///
    /// # Errors
    /// None that a bean can cause.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let encoded = match self {
            Self::Changed(Change { before, after, version }) => {
                let body = (before.as_ref().map(to_wire), to_wire(after), *version, Ext::new());
                encode_kind(VERSION, CHANGED, &body, MANAGE_BYTES_MAX)
            }
            Self::Done(value) => encode_kind(VERSION, DONE, &(to_wire(value), Ext::new()), MANAGE_BYTES_MAX),
            Self::Described(Described { description, attributes, operations }) => {
                let body = (description, attributes, operations, Ext::new());
                encode_kind(VERSION, DESCRIBED, &body, MANAGE_BYTES_MAX)
            }
            Self::Failed { code, reason } => {
                let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
                encode_kind(VERSION, FAILED, &(code.number(), reason, Ext::new()), MANAGE_BYTES_MAX)
            }
        };
        match encoded {
            Err(WireError::TooLarge { .. }) => {
                let body =
                    (FailureCode::Failed.number(), "it is done, but its answer is too long", Ext::new());
                encode_kind(VERSION, FAILED, &body, MANAGE_BYTES_MAX)
            }
            encoded => encoded,
        }
    }

    /// The answer in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        check_len(bytes, MANAGE_BYTES_MAX)?;
        let (kind, body) = split_kind(VERSION, bytes)?;
        match kind {
            CHANGED => {
                let (before, after, version, _ext): (Option<Value>, Value, u64, Ext) =
                    decode(body, DECODE_MAX)?;
                Ok(Self::Changed(Change { before: before.map(from_wire), after: from_wire(after), version }))
            }
            DONE => {
                let (value, _ext): (Value, Ext) = decode(body, DECODE_MAX)?;
                Ok(Self::Done(from_wire(value)))
            }
            DESCRIBED => {
                type Body = (String, Vec<DescribedAttribute>, Vec<DescribedOperation>, Ext);
                let (description, attributes, operations, _ext): Body = decode(body, DECODE_MAX)?;
                Ok(Self::Described(Described { description, attributes, operations }))
            }
            FAILED => {
                let (code, reason, _ext): (u16, String, Ext) = decode(body, DECODE_MAX)?;
                Ok(Self::Failed { code: FailureCode::of_number(code), reason })
            }
            got => Err(WireError::UnknownKind { got }),
        }
    }
}

fn check_arguments(len: usize) -> Result<(), WireError> {
    if len > ARGUMENTS_MAX { Err(WireError::TooLarge { len, max: ARGUMENTS_MAX }) } else { Ok(()) }
}

/// Kinds of requests to the handler; 1 asks for objects.
const SET: u16 = 2;
const INVOKE: u16 = 3;
const DESCRIBE: u16 = 4;

/// Kinds of answers to them.
const CHANGED: u16 = 1;
const DONE: u16 = 2;
const DESCRIBED: u16 = 3;
const FAILED: u16 = 4;

/// What bounds the memory of a decode: many small texts take several times their bytes.
const DECODE_MAX: usize = 16 * MANAGE_BYTES_MAX;

/// Characters of a reason that travel.
const REASON_CHARS_MAX: usize = 1024;

#[cfg(test)]
mod tests;
