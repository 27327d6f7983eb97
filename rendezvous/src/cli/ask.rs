//! The commands that look at a rendezvous: `id`, `check-config`, `status`, `peers`, `groups`, `ban`.

use mgmt_service::cli_common::{CliError, DataDir, ExitCode, ManagePolicy, Settings};
use overlay::identity::load_or_create;
use overlay::{Keypair, Multiaddr, PeerId};
use rendezvous::bans::BanList;
use rendezvous::config::Config;
use rendezvous::net::control::{self, ControlError, ControlRequest};
use serde_json::Value;

use super::args::Command;
use super::run::{failed_to, print};
use super::serve::listen;

/// Answers one of them.
pub(super) async fn ask(
    settings: &Settings,
    config: &Config,
    command: Command,
) -> Result<ExitCode, CliError> {
    match command {
        Command::Id => {
            let id = identity(settings)?.public().to_peer_id();
            print(format!("{id}\n").as_bytes())
        }
        Command::CheckConfig => {
            let effect = toml::to_string_pretty(&in_effect(settings, config)?).map_err(CliError::failed)?;
            print(effect.as_bytes())
        }
        Command::Status(args) => {
            let status = of_running(settings, &ControlRequest::Status).await?;
            if args.json {
                print(format!("{status}\n").as_bytes())
            } else {
                print(status_text(&status).as_bytes())
            }
        }
        Command::Peers(args) => {
            let peers = of_running(settings, &ControlRequest::Peers).await?;
            list(&peers, args.json, &["peer_id", "name", "expires_in_s", "suspect", "advertisements"])
        }
        Command::Groups(args) => {
            let groups = of_running(settings, &ControlRequest::Groups).await?;
            list(&groups, args.json, &["group", "publishers", "advertisements"])
        }
        Command::Ban { peer } => ban(settings, peer).await,
        // Answered before.
        Command::Run(_) | Command::Completions { .. } | Command::Man => Ok(ExitCode::Done),
    }
}

/// What `run` would start with, under the names of the configuration file.
fn in_effect(settings: &Settings, config: &Config) -> Result<toml::Table, CliError> {
    let texts = |addresses: &[Multiaddr]| {
        toml::Value::Array(addresses.iter().map(|address| address.to_string().into()).collect())
    };
    let manage = match settings.manage.clone().unwrap_or_default() {
        ManagePolicy::Off => "off",
        ManagePolicy::Open => "open",
        ManagePolicy::Ticket(_) => "a ticket",
    };
    let mut table = toml::Table::try_from(config).map_err(CliError::failed)?;
    table.insert("data-dir".to_owned(), settings.data_dir.display().to_string().into());
    table.insert("listen".to_owned(), texts(&listen(settings)));
    table.insert("rendezvous".to_owned(), texts(&settings.rendezvous));
    table.insert("manage".to_owned(), manage.into());
    table.insert("log".to_owned(), settings.log.clone().into());
    Ok(table)
}

/// The kept identity, also while a rendezvous runs with it; a new one is made under the directory's lock.
fn identity(settings: &Settings) -> Result<Keypair, CliError> {
    let file = settings.data_dir.join("identity");
    if file.exists() {
        return load_or_create(&file).map_err(failed_to);
    }
    let data_dir = DataDir::open(&settings.data_dir).map_err(CliError::failed)?;
    load_or_create(&data_dir.identity_file()).map_err(failed_to)
}

async fn of_running(settings: &Settings, request: &ControlRequest) -> Result<Value, CliError> {
    control::ask(&settings.data_dir, request).await.map_err(|error| match error {
        ControlError::NotRunning { .. } => CliError::unreachable(format_args!(
            "failed to {error}; start one with `rendezvous run`, or name its --data-dir"
        )),
        ControlError::TimedOut { .. } => CliError::unreachable(format_args!("failed to {error}")),
        other => failed_to(other),
    })
}

/// Bans through the running rendezvous, or in its list while none runs.
async fn ban(settings: &Settings, peer: PeerId) -> Result<ExitCode, CliError> {
    match control::ask(&settings.data_dir, &ControlRequest::Ban { peer }).await {
        Ok(_) => {}
        Err(ControlError::NotRunning { .. }) => {
            let data_dir = DataDir::open(&settings.data_dir).map_err(CliError::failed)?;
            let mut bans = BanList::load(data_dir.path()).map_err(failed_to)?;
            bans.add(peer).map_err(failed_to)?;
        }
        Err(error) => return Err(failed_to(error)),
    }
    print(format!("{peer} is banned\n").as_bytes())
}

fn status_text(status: &Value) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<28} {value}\n"));
    line("peer id", status.get("peer_id").and_then(Value::as_str).unwrap_or_default());
    for address in status.get("addresses").and_then(Value::as_array).into_iter().flatten() {
        line("address", address.as_str().unwrap_or_default());
    }
    line("uptime (s)", &status.get("uptime_s").map(ToString::to_string).unwrap_or_default());
    for (name, value) in status.get("counters").and_then(Value::as_object).into_iter().flatten() {
        line(&name.replace('_', " "), &value.to_string());
    }
    text
}

/// Rows as JSON lines, or as columns under their names.
fn list(rows: &Value, as_json: bool, columns: &[&str]) -> Result<ExitCode, CliError> {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut text = String::new();
    if !as_json {
        text.push_str(&columns.join("\t"));
        text.push('\n');
    }
    for row in rows {
        if as_json {
            text.push_str(&format!("{row}\n"));
            continue;
        }
        let cell = |column: &&str| match row.get(*column) {
            Some(Value::String(text)) => text.chars().filter(|c| !c.is_control()).collect(),
            Some(Value::Null) | None => "-".to_owned(),
            Some(other) => other.to_string(),
        };
        text.push_str(&columns.iter().map(cell).collect::<Vec<_>>().join("\t"));
        text.push('\n');
    }
    print(text.as_bytes())
}
