//! What a user is told when a peer can't be managed as asked.

use overlay::JoinError;

use super::exit::CliError;
use crate::error::{AgentError, MembershipError};

/// What a user is told when the management group can't be entered or the agent can't start.
#[must_use]
pub fn unmanageable(error: &AgentError) -> CliError {
    let sentence = format!("failed to {error}");
    match error {
        AgentError::Membership(MembershipError::Join(JoinError::Ticket(_))) => {
            CliError::usage(format_args!("{sentence}; give the ticket as `mgmt invite` printed it"))
        }
        AgentError::Membership(MembershipError::Join(JoinError::Refused | JoinError::Credential(_))) => {
            CliError::refused(format_args!("{sentence}; ask for a new ticket, see `mgmt invite`"))
        }
        AgentError::Membership(MembershipError::Join(JoinError::Unanswered(_) | JoinError::NoIssuer)) => {
            CliError::unreachable(format_args!("{sentence}; see that `mgmt invite` still runs there"))
        }
        AgentError::Membership(MembershipError::Exists { .. }) => {
            CliError::failed(format_args!("{sentence}; name another directory with --data-dir"))
        }
        _ => CliError::failed(sentence),
    }
}
