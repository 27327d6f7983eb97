//! Managed objects whose interface is found out at run time (paper §5.1, JMX dynamic MBeans).
//!
//! In: the name of an attribute. Out: its value at this moment, and a description of all there are.

use std::borrow::Cow;
use std::fmt;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;

use super::operation::{Change, OperationInfo, SetOptions, Writable};
use crate::arm::ArmRecord;
use crate::error::{InvokeError, SetError};

/// An object that can be asked about itself.
pub trait DynamicBean: Send + Sync {
    /// What the object is and which attributes it has.
    fn info(&self) -> BeanInfo;

    /// The value of an attribute now; `None` when there is no such attribute or it has no value (an unanswered PING
    /// has no response time).
    fn attribute(&self, name: &str) -> Option<AttributeValue>;

    /// The measured transaction that the object shows, if it is one.
    fn record(&self) -> Option<&ArmRecord> {
        None
    }

    /// The attributes that can be set.
    fn writable(&self) -> Vec<Writable> {
        Vec::new()
    }

    /// Sets an attribute, or says what it would change.
    ///
    /// # Errors
    /// [`SetError`]; then nothing has changed.
    fn set(&self, name: &str, value: AttributeValue, options: SetOptions) -> Result<Change, SetError> {
        let _ = (value, options);
        let known = self.info().attributes.iter().any(|attribute| attribute.name == name);
        Err(if known { SetError::ReadOnly } else { SetError::NoAttribute })
    }

    /// What can be done with the object: all that managers may [invoke](Self::invoke).
    fn operations(&self) -> Vec<OperationInfo> {
        Vec::new()
    }

    /// Does something with the object. Dropping the future gives it up where it waits.
    fn invoke(
        &self,
        operation: &str,
        arguments: Vec<AttributeValue>,
    ) -> BoxFuture<'static, Result<AttributeValue, InvokeError>> {
        let _ = (operation, arguments);
        std::future::ready(Err(InvokeError::NoOperation)).boxed()
    }
}

impl fmt::Debug for dyn DynamicBean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.info().fmt(f)
    }
}

/// The interface of a managed object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeanInfo {
    /// What the object is, in one line.
    pub description: Cow<'static, str>,
    /// Its attributes in the order in which people want to read them.
    pub attributes: Vec<AttributeInfo>,
}

/// One attribute of a managed object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeInfo {
    /// By which name it is asked for.
    pub name: Cow<'static, str>,
    /// What it means, with its unit.
    pub description: Cow<'static, str>,
}

/// The value of an attribute; serialized as the plain value.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AttributeValue {
    /// Text.
    Str(String),
    /// A count, a size, a time in the unit of the attribute's name.
    Int(i64),
    /// A measure.
    Float(f64),
    /// Yes or no.
    Bool(bool),
}

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Str(text) => f.write_str(text),
            Self::Int(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Bool(truth) => truth.fmt(f),
        }
    }
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<u64> for AttributeValue {
    /// Numbers above `i64::MAX` stay there: no counter of ours gets so far.
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<i64> for AttributeValue {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<f64> for AttributeValue {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<bool> for AttributeValue {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}
