//! One-shot commands: through the socket of the running messenger, else with a messenger of their own that ends with
//! the command. Both ways speak the same JSON Lines.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use mgmt_service::cli_common::{self, CliError, DataDir, ExitCode, within_polite_end};
use mgmt_service::error::DataDirError;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use super::args::OneShot;
use super::client::{Client, Fault, field, put};
use super::doctor;
use super::node::{Node, Plan};
use crate::face::{AtEnd, SOCKET_FILE, run_jsonl};
use crate::text::printable;

/// Does one thing.
///
/// # Errors
/// One sentence, with the exit code for it.
pub(super) async fn run(mut plan: Plan, command: OneShot) -> Result<ExitCode, CliError> {
    let lines = match DataDir::open(&plan.settings.data_dir) {
        Ok(_) if command == OneShot::Doctor => doctor::examine(&plan, None).await?,
        Ok(data_dir) => {
            plan.listen_by_default = command == OneShot::Invite;
            alone(&plan, data_dir, &command).await?
        }
        Err(DataDirError::InUse { path }) => {
            let (reader, writer) = connect(&path.join(SOCKET_FILE)).await?.into_split();
            let mut client = Client::connect(reader, writer).await.map_err(failed)?;
            match command {
                OneShot::Doctor => doctor::examine(&plan, Some(client.ready())).await?,
                command => work(&mut client, &command, false).await?,
            }
        }
        Err(error) => return Err(CliError::failed(error)),
    };
    let mut out = std::io::stdout().lock();
    for line in lines {
        // Who reads may have had enough.
        let _ = writeln!(out, "{line}");
    }
    Ok(ExitCode::Done)
}

/// Runs a messenger for as long as the command takes.
async fn alone(plan: &Plan, data_dir: DataDir, command: &OneShot) -> Result<Vec<String>, CliError> {
    let node = Node::start(plan, data_dir).await?;
    let face = node.messenger.attach().await.map_err(CliError::failed)?;
    let (near, far) = tokio::io::duplex(DUPLEX_BYTES);
    let (far_in, far_out) = tokio::io::split(far);
    let (near_in, near_out) = tokio::io::split(near);
    let done = async {
        let mut client = Client::connect(near_in, near_out).await.map_err(failed)?;
        work(&mut client, command, true).await
    };
    let lines = tokio::select! {
        lines = done => lines,
        _ = run_jsonl(face, far_in, far_out, AtEnd::Leave) => Err(CliError::failed("the messenger ended early")),
    };
    match within_polite_end(node.end()).await {
        Some(Err(error)) => Err(error),
        _ => lines,
    }
}

async fn connect(socket: &Path) -> Result<UnixStream, CliError> {
    // A messenger that starts holds the lock a moment before its socket is there.
    for _ in 0..CONNECT_TRIES {
        if let Ok(stream) = cli_common::connect(socket).await {
            return Ok(stream);
        }
        tokio::time::sleep(CONNECT_PAUSE).await;
    }
    Err(CliError::failed(format_args!(
        "the data directory is in use, and no messenger answers at {}; end the other command first",
        socket.display()
    )))
}

/// Does the command through a client; the lines to print. `alone`: nothing is known about buddies yet.
async fn work<R, W>(
    client: &mut Client<R, W>,
    command: &OneShot,
    alone: bool,
) -> Result<Vec<String>, CliError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let text = |value: &Value| printable(value.as_str().unwrap_or_default());
    Ok(match command {
        OneShot::Id => vec![text(field(client.ready(), "peer_id"))],
        OneShot::Invite => vec![text(field(client.ready(), "invite"))],
        OneShot::Add { invite, alias } => {
            let mut add = json!({"command": "add", "invite": invite});
            if let Some(alias) = alias {
                put(&mut add, "alias", json!(alias));
            }
            let added = client.call(add).await.map_err(failed)?;
            if alone {
                settle(client, PATIENCE).await?;
            }
            vec![format!("{} was asked", text(field(&added, "alias")))]
        }
        OneShot::Send { buddy, text } => send(client, buddy, &text.join(" "), alone).await?,
        OneShot::Status { state, note } => {
            let note = note.clone().unwrap_or_default();
            let set = json!({"command": "set-status", "status": state.as_str(), "note": note});
            client.call(set).await.map_err(failed)?;
            vec![format!("you are {state}")]
        }
        OneShot::Roster => {
            if alone {
                settle(client, PATIENCE).await?;
            }
            let roster = client.call(json!({"command": "roster"})).await.map_err(failed)?;
            many(field(&roster, "buddies"), |buddy| {
                let note = text(field(buddy, "note"));
                let contact = text(field(buddy, "contact"));
                let more = if contact == "accepted" { note } else { contact };
                format!("{}\t{}\t{more}", text(field(buddy, "buddy")), text(field(buddy, "status")))
                    .trim_end()
                    .to_owned()
            })
        }
        OneShot::History { buddy, search } => {
            let search = search.clone().unwrap_or_default();
            let history = json!({"command": "history", "buddy": buddy, "search": search});
            let history = client.call(history).await.map_err(failed)?;
            many(field(&history, "messages"), |message| {
                let who = if field(message, "direction") == "out" {
                    "you".to_owned()
                } else {
                    text(field(message, "from"))
                };
                format!("{} {who}: {}", text(field(message, "sent_at")), text(field(message, "text")))
            })
        }
        // Done without a client.
        OneShot::Doctor => Vec::new(),
    })
}

/// Sends, and waits until the receiver has it.
async fn send<R, W>(
    client: &mut Client<R, W>,
    name: &str,
    text: &str,
    alone: bool,
) -> Result<Vec<String>, CliError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let send = json!({"command": "send", "to": name, "text": text});
    let fetch = json!({"command": "fetch", "buddy": name});
    if alone {
        hear(client, fetch).await;
    }
    let sent = client.call(send).await.map_err(failed)?;
    let id = field(&sent, "message_id").clone();
    let settled = |event: &Value| {
        field(event, "event") == "message-state"
            && *field(event, "message_id") == id
            && (field(event, "state") == "delivered" || field(event, "state") == "failed")
    };
    let state = client.event(PATIENCE, settled).await.map_err(|_| {
        CliError::unreachable(format_args!(
            "{} has not confirmed the message yet; it is kept and sent again when the messenger runs",
            printable(name)
        ))
    })?;
    match field(&state, "state").as_str() {
        Some("delivered") => Ok(Vec::new()),
        _ => {
            let reason = printable(field(&state, "reason").as_str().unwrap_or_default());
            Err(CliError::refused(format_args!("the message was refused: {reason}")))
        }
    }
}

/// Asks how a buddy is until it says so itself, a few times: who has only just started has it all before, from the rendezvous
/// to the pipe.
async fn hear<R, W>(client: &mut Client<R, W>, fetch: Value)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    for _ in 0..FETCH_TRIES {
        // Errors of the name show at what is done with it.
        match client.call(fetch.clone()).await {
            Ok(seen) if field(&seen, "source") == "cache" => {}
            _ => return,
        }
    }
}

/// Waits until each accepted buddy was asked how it is, or time is up; for pending ones, until they could be told.
async fn settle<R, W>(client: &mut Client<R, W>, patience: Duration) -> Result<(), CliError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let roster = client.call(json!({"command": "roster"})).await.map_err(failed)?;
    let mut pending = false;
    for buddy in field(&roster, "buddies").as_array().into_iter().flatten() {
        pending |= field(buddy, "contact") == "pending-out";
        if field(buddy, "contact") == "accepted" {
            let fetch = json!({"command": "fetch", "buddy": field(buddy, "peer_id")});
            client.call(fetch).await.map_err(failed)?;
        }
    }
    if pending {
        // The answer may come at once; who is asked need not be there.
        let _ = client.event(patience.min(ASK_PATIENCE), |event| field(event, "event") == "presence").await;
    }
    Ok(())
}

fn many(list: &Value, line: impl Fn(&Value) -> String) -> Vec<String> {
    list.as_array().into_iter().flatten().map(line).collect()
}

/// The sentence and exit code of a command's error.
fn failed(fault: Fault) -> CliError {
    match &fault {
        Fault::Refused { code, .. } => match code.as_str() {
            "offline" | "unreachable" | "timeout" => CliError::unreachable(&fault),
            "not-accepted" | "blocked" | "refused" => CliError::refused(&fault),
            "bad-invite" | "bad-command" | "too-large" | "expired" => CliError::usage(&fault),
            _ => CliError::failed(&fault),
        },
        _ => CliError::failed(&fault),
    }
}

/// How long a buddy is waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often a buddy is asked how it is; each time takes `FETCH_DEADLINE` at most, and none if it can't be dialed.
const FETCH_TRIES: u32 = 6;
/// How long the answer to a contact request is waited for.
const ASK_PATIENCE: Duration = Duration::from_secs(3);
const CONNECT_TRIES: u32 = 100;
const CONNECT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes under way between the two ends within this process.
const DUPLEX_BYTES: usize = 64 * 1024;
