//! What would change a peer from here: setting an attribute, invoking an operation.
//!
//! The one place where such a wish ends up, whoever utters it. Managers have no role that allows it, so every wish is
//! refused.

use overlay::PeerId;
use serde_json::Value;

use crate::jmx::ObjectName;
use crate::net::Manager;

/// A wish to change something.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// An attribute gets a value.
    Set {
        /// The attribute.
        attribute: String,
        /// Its new value.
        value: Value,
    },
    /// An operation is carried out.
    Invoke {
        /// The operation.
        operation: String,
        /// What it is given.
        arguments: Vec<Value>,
    },
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The manager has no role that allows it.
    #[error("change {name}: this manager may read, not set or invoke")]
    Refused {
        /// The object.
        name: String,
    },
}

/// Carries out `change` on the object `name` at `peer`, or at the manager itself; answers with the value before, or the
/// operation's result.
///
/// # Errors
/// [`ChangeError`].
pub(super) async fn carry_out(
    _manager: &Manager,
    _peer: Option<PeerId>,
    name: &ObjectName,
    _change: Change,
) -> Result<Value, ChangeError> {
    Err(ChangeError::Refused { name: name.to_string() })
}
