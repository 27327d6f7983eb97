//! `mgmt agents`: who can be managed here.

use mgmt_service::cli_common::CliError;
use serde_json::json;

use super::output::{Output, printable};
use super::session::Session;

/// Shows the agents, by name.
pub(super) async fn agents(session: &Session, json: bool, mut output: Output) -> Result<(), CliError> {
    let mut agents = session.agents().await;
    agents.sort_by(|left, right| (&left.name, left.peer).cmp(&(&right.name, right.peer)));
    if json {
        let list: Vec<_> = agents
            .iter()
            .map(|agent| {
                json!({ "peer": agent.peer.to_string(), "name": &*agent.name, "application": &*agent.application })
            })
            .collect();
        return output.line(&serde_json::Value::from(list).to_string());
    }
    if agents.is_empty() {
        return output.line("no agents; start peers with --manage open");
    }
    for agent in agents {
        let (name, application) = (printable(&agent.name), printable(&agent.application));
        output.line(&format!("{name:<20} {} {application}", agent.peer))?;
    }
    Ok(())
}
