//! `mgmt init`, `invite`, `join`, `revoke`: the management group.

use std::time::{Duration, Instant};

use mgmt_service::access::ManagementRole;
use mgmt_service::cli_common::{CliError, ExitCode, ManagePolicy, Settings, Signal, Signals};
use mgmt_service::error::MembershipError;
use mgmt_service::net::{AgentInfo, ManagementGroup};

use super::args::Command;
use super::output::Output;
use super::session::{Entering, Session};

/// How a command comes into the group; none for those that may do without, or whose `policy` leads them in.
pub(super) fn entering(command: &Command, policy: Option<&ManagePolicy>) -> Option<Entering> {
    match command {
        Command::Init => Some(Entering::Create),
        Command::Join { ticket } => Some(Entering::Ticket(ticket.clone())),
        Command::Totals { .. } if matches!(policy, Some(ManagePolicy::Ticket(_))) => None,
        Command::Aggregate { .. } | Command::Totals { .. } => Some(Entering::Kept(JOIN)),
        Command::Invite { .. } | Command::Revoke { .. } => Some(Entering::Kept(BE_ISSUER)),
        _ => None,
    }
}

/// Whether others come to who performs the command: to use a ticket, to be told, to be gathered.
pub(super) fn is_visited(command: &Command) -> bool {
    matches!(
        command,
        Command::Init
            | Command::Join { .. }
            | Command::Invite { .. }
            | Command::Revoke { .. }
            | Command::Aggregate { .. }
    )
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
            signal = signals.recv() => return match signal {
                Signal::Terminate if used_at.is_none() => Err(unused("nobody has used the ticket")),
                signal => Ok(signal.exit_code()),
            },
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
            return Err(unused("nobody has used the ticket in time"));
        }
    }
}

fn unused(sentence: &str) -> CliError {
    CliError::unreachable(format_args!("{sentence}; invite again"))
}

/// Ends the membership of a peer, by id or name, and stays until those that are connected have heard of it. An id that this
/// issuer never let in and that is no agent is revoked too, since another issuer may have let it in, and is an error: an id has
/// no checksum.
pub(super) async fn revoke(session: &Session, peer: &str, mut output: Output) -> Result<(), CliError> {
    let group = of(session)?;
    let one = if peer == "*" { Vec::new() } else { session.whom(peer).await? };
    let [AgentInfo { peer, .. }] = *one else {
        return Err(CliError::usage("one peer is revoked at a time; name it by its id or name"));
    };
    let agents = session.agents().await;
    let known = group.has_let_in(&peer) || agents.iter().any(|agent| agent.peer == peer);
    group.revoke(peer).map_err(|error| refused(&error))?;
    // Whom a session reaches is told so on it; the others learn it from those.
    for agent in agents {
        let _ = session.peer.reach(agent.peer, TELL_TIMEOUT).await;
        let _ = session.manager.get(agent.peer, &AGENT.parse().map_err(CliError::failed)?, &[]).await;
    }
    if !known {
        return Err(CliError::failed(format_args!(
            "{peer} was not known as a member here; it is revoked all the same, but check the id"
        )));
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

const JOIN: &str = "enter one with `mgmt join TICKET`";
const BE_ISSUER: &str = "name the directory of `mgmt init` with --data-dir";
const LISTEN: &str = "/ip4/0.0.0.0/tcp/0";
const AGENT: &str = "juxta:type=agent";
/// Time between two looks whether a ticket was used.
const LOOK_PERIOD: Duration = Duration::from_millis(100);
/// How long who has used a ticket may take to ask for the key.
const KEY_WAIT: Duration = Duration::from_secs(10);
/// How long an agent may take to be reached, to be told of a revocation.
const TELL_TIMEOUT: Duration = Duration::from_secs(2);
