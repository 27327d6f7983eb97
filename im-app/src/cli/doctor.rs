//! `im doctor`: looks whether everything is in order, and says what to do about what is not.
//!
//! In: the data directory, the rendezvous. Out: a line for each thing looked at; an error when something is wrong.

use std::path::Path;
use std::time::Duration;

use mgmt_service::cli_common::CliError;
use overlay::{Peer, identity};
use serde_json::Value;

use super::node::Plan;
use crate::store::Database;

/// Looks; `ready` is what the running messenger says of itself, if one runs.
pub(super) async fn examine(plan: &Plan, ready: Option<&Value>) -> Result<Vec<String>, CliError> {
    let path = &plan.settings.data_dir;
    let mut lines = vec![format!("data directory: {}", path.display())];
    let key = identity::load_or_create(&path.join("identity")).map_err(CliError::failed)?;
    lines.push(format!("identity: {}", key.public().to_peer_id()));
    lines.push(match ready {
        Some(ready) => format!("messenger: runs as {}", ready["name"].as_str().unwrap_or_default()),
        None => "messenger: does not run".to_owned(),
    });
    lines.push(look_at_database(&plan.database())?);
    if plan.settings.rendezvous.is_empty() {
        lines.push(
            "rendezvous: none named; friends reach you only at the addresses of your invite".to_owned(),
        );
    } else {
        let mut builder = Peer::builder();
        for address in &plan.settings.rendezvous {
            builder = builder.rendezvous(address.clone());
        }
        let peer = builder.spawn().await.map_err(CliError::usage)?;
        let leased = peer.wait_leased(LEASE_PATIENCE).await;
        peer.shutdown().await;
        let rendezvous = leased.map_err(|error| {
            CliError::unreachable(format_args!("{error}; see that it runs and that the address is right"))
        })?;
        lines.push(format!("rendezvous: {rendezvous} grants leases"));
    }
    Ok(lines)
}

fn look_at_database(path: &Path) -> Result<String, CliError> {
    let database = Database::open(path).map_err(CliError::failed)?;
    let wrong = database.check().map_err(CliError::failed)?;
    if let Some(first) = wrong.first() {
        return Err(CliError::failed(format_args!(
            "{} is damaged ({first}); keep a copy of it, then try `sqlite3 im.db .recover`",
            path.display()
        )));
    }
    Ok(format!("database: {} is sound", path.display()))
}

const LEASE_PATIENCE: Duration = Duration::from_secs(5);
