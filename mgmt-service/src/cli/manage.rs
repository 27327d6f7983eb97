//! `mgmt set`, `invoke`, `describe`: changing what a peer is and does.

use std::fmt::Write;

use mgmt_service::cli_common::CliError;
use mgmt_service::error::{FailureCode, ManageError};
use mgmt_service::jmx::{AttributeValue, ObjectName, SetOptions};
use mgmt_service::net::AgentInfo;
use overlay::QueryError;

use super::output::{Output, printable};
use super::session::Session;

/// Sets an attribute; shows what has changed.
pub(super) async fn set(
    session: &Session,
    peer: &str,
    name: &ObjectName,
    (attribute, value): (String, String),
    options: SetOptions,
    mut output: Output,
) -> Result<(), CliError> {
    let agent = one(session, peer).await?;
    let set = session.manager.set(agent.peer, name, &attribute, value.into(), options).await;
    let change = set.map_err(|error| unchanged(&agent, &error))?;
    let before = change.before.map_or_else(|| "nothing".to_owned(), |before| before.to_string());
    let how = if options.dry_run { " (dry run: nothing was changed)" } else { "" };
    let (attribute, before) = (printable(&attribute), printable(&before));
    let (after, version) = (printable(&change.after.to_string()), change.version);
    output.line(&format!("{attribute}: {before} -> {after}, version {version}{how}"))
}

/// Has something done; shows what it gave.
pub(super) async fn invoke(
    session: &Session,
    peer: &str,
    name: &ObjectName,
    operation: &str,
    arguments: Vec<String>,
    mut output: Output,
) -> Result<(), CliError> {
    let agent = one(session, peer).await?;
    let arguments = arguments.into_iter().map(AttributeValue::from).collect();
    let done = session.manager.invoke(agent.peer, name, operation, arguments).await;
    let done = done.map_err(|error| unchanged(&agent, &error))?;
    output.line(&printable(&done.to_string()))
}

/// Shows what an object is.
pub(super) async fn describe(
    session: &Session,
    peer: &str,
    name: &ObjectName,
    mut output: Output,
) -> Result<(), CliError> {
    let agent = one(session, peer).await?;
    let described = session.manager.describe(agent.peer, name).await;
    let described = described.map_err(|error| unchanged(&agent, &error))?;
    let mut text = format!("{}\n", printable(&described.description));
    // Writing to a string can't fail.
    for attribute in described.attributes {
        let (name, meaning) = (printable(&attribute.name), printable(&attribute.description));
        let _ = match attribute.set {
            Some((values, version)) => {
                writeln!(text, "  {name}: {meaning} (set to {}; version {version})", printable(&values))
            }
            None => writeln!(text, "  {name}: {meaning}"),
        };
    }
    for operation in described.operations {
        let (name, meaning) = (printable(&operation.name), printable(&operation.description));
        let _ = writeln!(text, "  {name}(): {meaning}");
        for (parameter, values) in operation.parameters {
            let _ = writeln!(text, "    {}: {}", printable(&parameter), printable(&values));
        }
    }
    output.text(&text)
}

/// The one peer that is meant: nothing is changed at all of them at once.
async fn one(session: &Session, peer: &str) -> Result<AgentInfo, CliError> {
    if peer == "*" {
        return Err(CliError::usage("name one peer, by its id or name; see `mgmt agents`"));
    }
    let agents = session.whom(peer).await?;
    agents.into_iter().next().ok_or_else(|| CliError::unreachable("no such agent; see `mgmt agents`"))
}

fn unchanged(agent: &AgentInfo, error: &ManageError) -> CliError {
    let sentence = format!("failed to {error} ({})", agent.peer);
    match error {
        ManageError::Query(QueryError::Refused(_) | QueryError::NoHandler) => {
            CliError::refused(format_args!("{sentence}; it takes the role operator, see `mgmt invite`"))
        }
        ManageError::Query(QueryError::Unreachable(_) | QueryError::TimedOut { .. } | QueryError::Closed) => {
            CliError::unreachable(format_args!("{sentence}; see `mgmt agents` for who is there"))
        }
        ManageError::Failed { code: FailureCode::NoObject, .. } => {
            CliError::failed(format_args!("{sentence}; see `mgmt get` for what there is"))
        }
        ManageError::Failed { code: FailureCode::Stale, .. } => {
            CliError::failed(format_args!("{sentence}; look again and repeat it"))
        }
        ManageError::Failed { .. } => {
            CliError::failed(format_args!("{sentence}; see `mgmt describe` for what it takes"))
        }
        _ => CliError::failed(sentence),
    }
}
