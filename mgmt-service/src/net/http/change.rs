//! What would change a peer from here: setting an attribute, invoking an operation.
//!
//! In: a wish, whoever utters it. Out: what came of it, or why nothing did. The one place where such a wish ends up. The
//! manager's role decides here, so that nothing is asked in vain; the agent asks for the proof of it again.

use overlay::{PeerId, QueryError};
use serde_json::Value;

use crate::access::{ManagementRole, Verb};
use crate::error::{FailureCode, ManageError};
use crate::jmx::{AttributeValue, Change, ObjectName, SetOptions};
use crate::net::Manager;
use crate::protocol::Described;

/// Who would change something: the manager's voice, the peer that is meant (none: the manager's own objects), the object.
pub(super) struct Changing<'a> {
    pub(super) manager: &'a Manager,
    pub(super) peer: Option<PeerId>,
    pub(super) object: &'a ObjectName,
}

/// Why nothing was changed, unless no answer came.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChangeError {
    /// Nobody changes the manager's own objects.
    #[error("change {object}: this manager's own objects can only be read")]
    Own { object: String },
    /// The manager has no role that allows it.
    #[error(
        "{verb} {object}: this manager is no member of a management group, so it may only read; see `mgmt join`"
    )]
    Outside { verb: &'static str, object: String },
    /// The manager's role does not allow it.
    #[error("{verb} {object}: the role {role} may not; it takes the role operator")]
    Role { verb: &'static str, object: String, role: ManagementRole },
    /// A value that no attribute and no argument takes.
    #[error("understand the value {value}: a text, a number, true or false is expected")]
    Value { value: String },
    /// The agent says why not, or did not answer.
    #[error(transparent)]
    Asked(#[from] ManageError),
}

impl Changing<'_> {
    /// Sets an attribute, or says what it would change.
    pub(super) async fn set(
        &self,
        attribute: &str,
        value: &Value,
        options: SetOptions,
    ) -> Result<Change, ChangeError> {
        let peer = self.allowed(Verb::Set)?;
        Ok(self.manager.set(peer, self.object, attribute, plain(value)?, options).await?)
    }

    /// Has something done; what it gave.
    pub(super) async fn invoke(
        &self,
        operation: &str,
        arguments: &[Value],
    ) -> Result<AttributeValue, ChangeError> {
        let peer = self.allowed(Verb::Invoke)?;
        let arguments = arguments.iter().map(plain).collect::<Result<_, _>>()?;
        Ok(self.manager.invoke(peer, self.object, operation, arguments).await?)
    }

    /// What can be set and invoked there.
    pub(super) async fn describe(&self, peer: PeerId) -> Result<Described, ChangeError> {
        Ok(self.manager.describe(peer, self.object).await?)
    }

    fn allowed(&self, verb: Verb) -> Result<PeerId, ChangeError> {
        let (object, word) = (self.object.to_string(), verb.as_str());
        let Some(peer) = self.peer else { return Err(ChangeError::Own { object }) };
        match self.manager.role() {
            Some(role) if role.may(verb) => Ok(peer),
            Some(role) => Err(ChangeError::Role { verb: word, object, role }),
            None => Err(ChangeError::Outside { verb: word, object }),
        }
    }
}

impl ChangeError {
    /// The status as HTTP has it, and Java's exception for clients of Jolokia.
    pub(super) fn status(&self) -> (u16, &'static str) {
        match self {
            Self::Own { .. } | Self::Outside { .. } | Self::Role { .. } => FORBIDDEN,
            Self::Value { .. } => BAD_VALUE,
            Self::Asked(ManageError::Query(QueryError::Refused(_) | QueryError::NoHandler)) => FORBIDDEN,
            Self::Asked(ManageError::Failed { code, .. }) => match code {
                FailureCode::NoObject => (404, "javax.management.InstanceNotFoundException"),
                FailureCode::NoMember => (404, "javax.management.AttributeNotFoundException"),
                FailureCode::ReadOnly | FailureCode::BadValue => BAD_VALUE,
                FailureCode::Stale => (409, "java.util.ConcurrentModificationException"),
                FailureCode::Failed | FailureCode::NotAudited => (500, "javax.management.MBeanException"),
            },
            Self::Asked(_) => (504, "java.io.IOException"),
        }
    }
}

/// A value as text, which agents read in the type that they want: JSON knows no difference between 5 and 5.0.
fn plain(value: &Value) -> Result<AttributeValue, ChangeError> {
    match value {
        Value::String(text) => Ok(text.as_str().into()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(ChangeError::Value { value: value.to_string() })
        }
    }
}

const FORBIDDEN: (u16, &str) = (403, "java.lang.SecurityException");
const BAD_VALUE: (u16, &str) = (400, "javax.management.InvalidAttributeValueException");
