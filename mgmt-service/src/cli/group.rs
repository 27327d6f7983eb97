//! `mgmt init`, `invite`, `join`, `revoke`: the management group.

use std::time::{Duration, Instant};

use mgmt_service::access::ManagementRole;
use mgmt_service::cli_common::{CliError, ExitCode, Settings, Signals};
use mgmt_service::error::MembershipError;
use mgmt_service::net::ManagementGroup;
use overlay::PeerId;

use super::args::Command;
use super::output::Output;
use super::session::{Entering, Session};

/// How a command comes into the group; none for those that may do without.
pub(super) fn entering(command: &Command) -> Option<Entering> {
    match command {
        Command::Init => Some(Entering::Create),
        Command::Join { ticket } => Some(Entering::Ticket(ticket.clone())),
        Command::Invite { .. } | Command::Revoke { .. } | Command::Aggregate { .. } => Some(Entering::Kept),
        _ => None,
    }
}

/// Who lets others in is reached where its ticket says: at every interface, when nobody says otherwise.
pub(super) fn listen_somewhere(settings: &mut Settings) {
    if settings.listen.is_empty() {
        settings.listen.extend(LISTEN.parse());
    }
}

/// Says where this peer is now.
pub(super) fn entered(session: &Session, mut output: Output) -> Result<(), CliError> {
    let group = of(session)?;
    let role = group.role().map_or("none", ManagementRole::as_str);
    output.line(&format!("management group {}, as {role}", group.group().id()))
}

/// Prints a ticket; waits until a peer has used it, and, if it may have it, was given the key of the pseudonyms.
pub(super) async fn invite(
    session: &Session,
    role: ManagementRole,
    duration: Option<Duration>,
    signals: &mut Signals,
    mut output: Output,
) -> Result<ExitCode, CliError> {
    let group = of(session)?;
    if session.peer.addresses().is_empty() {
        return Err(CliError::failed(
            "the running process listens nowhere, so that nobody could use a ticket; start it with --listen /ip4/0.0.0.0/tcp/0",
        ));
    }
    let ticket = group.invite(role).map_err(|error| refused(&error))?;
    output.line(&ticket)?;
    let keys_before = group.keys_given();
    let until = duration.and_then(|duration| Instant::now().checked_add(duration));
    let mut used_at: Option<Instant> = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_PERIOD) => {}
            signal = signals.recv() => return Ok(signal.exit_code()),
        }
        if used_at.is_none() && group.used_by(&ticket).is_some() {
            used_at = Some(Instant::now());
        }
        let given = role == ManagementRole::Reader || group.keys_given() > keys_before;
        if used_at.is_some_and(|at| given || at.elapsed() >= KEY_WAIT) {
            group.save().map_err(CliError::failed)?;
            output.note("the ticket was used");
            return Ok(ExitCode::Done);
        }
        if until.is_some_and(|until| used_at.is_none() && Instant::now() >= until) {
            return Err(CliError::unreachable("nobody has used the ticket in time; invite again"));
        }
    }
}

/// Ends the membership of a peer, and stays until those that are connected have heard of it.
pub(super) async fn revoke(session: &Session, peer: PeerId, mut output: Output) -> Result<(), CliError> {
    let group = of(session)?;
    group.revoke(peer).map_err(|error| refused(&error))?;
    // Whom a session reaches is told so on it; the others learn it from those.
    for agent in session.agents().await {
        let _ = session.peer.reach(agent.peer, TELL_TIMEOUT).await;
        let _ = session.manager.get(agent.peer, &AGENT.parse().map_err(CliError::failed)?, &[]).await;
    }
    output.line(&format!("{peer} is no member any more"))
}

fn of(session: &Session) -> Result<&ManagementGroup, CliError> {
    session.group.as_ref().ok_or_else(|| CliError::refused("no management group here; run `mgmt init`"))
}

fn refused(error: &MembershipError) -> CliError {
    match error {
        MembershipError::Credential(_) => CliError::refused(format_args!(
            "failed to {error}; use the data directory of `mgmt init`, or ask for a ticket as issuer"
        )),
        _ => CliError::failed(format_args!("failed to {error}")),
    }
}

const LISTEN: &str = "/ip4/0.0.0.0/tcp/0";
const AGENT: &str = "juxta:type=agent";
/// Time between two looks whether a ticket was used.
const LOOK_PERIOD: Duration = Duration::from_millis(100);
/// How long who has used a ticket may take to ask for the key.
const KEY_WAIT: Duration = Duration::from_secs(10);
/// How long an agent may take to be reached, to be told of a revocation.
const TELL_TIMEOUT: Duration = Duration::from_secs(2);
