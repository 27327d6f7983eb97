//! The process that holds a data directory: it runs the commands of others in that directory, with its own peer, role and
//! audit log.
//!
//! In: connections of the same user to the control socket, each with one command. Out: what the command prints, line by
//! line, and how it ended. A command ends as by Ctrl-C when its asker says so or closes.

use std::path::Path;
use std::sync::Arc;

use clap::Parser;
use mgmt_service::cli_common::{CliError, CommonArgs, ControlSocket, ExitCode, Signal, Signals};
use mgmt_service::limits::{CONTROL_ASK_MAX, CONTROL_COMMANDS_MAX, CONTROL_SUBSCRIBING_MAX};
use mgmt_service::store::Retention;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::args::{Command, Line};
use super::lines::{Ask, Said, Told, next};
use super::output::{Asker, Output};
use super::run::perform_in;
use super::session::Session;

/// The socket's name in the data directory.
pub(super) const SOCKET_FILE: &str = "mgmt.sock";

/// Where the commands of others come in.
pub(super) struct Inside {
    socket: ControlSocket,
    places: Arc<Semaphore>,
    subscribing: Arc<Semaphore>,
    aggregates: bool,
    running: JoinSet<()>,
    ending: watch::Sender<()>,
}

/// Whether a command goes on for long enough that others in its data directory come to it.
pub(super) fn listens(command: &Command, terminal: bool) -> bool {
    match command {
        Command::Serve { .. }
        | Command::Collect { .. }
        | Command::Aggregate { .. }
        | Command::Invite { .. }
        | Command::Watch { .. } => true,
        Command::View { .. } => subscribes(command, terminal),
        _ => false,
    }
}

/// Whether a command can be run by the process that holds its data directory. What keeps a store or a role there is alone.
pub(super) fn is_for_others(command: &Command) -> bool {
    matches!(
        command,
        Command::Agents { .. }
            | Command::Get { .. }
            | Command::Set { .. }
            | Command::Invoke { .. }
            | Command::Describe { .. }
            | Command::Invite { .. }
            | Command::Revoke { .. }
            | Command::Totals { .. }
            | Command::View { .. }
            | Command::Watch { .. }
    )
}

fn subscribes(command: &Command, terminal: bool) -> bool {
    match command {
        Command::Watch { .. } => true,
        Command::View { json, duration } => duration.is_some() || (terminal && !json),
        _ => false,
    }
}

impl Inside {
    /// Listens in a data directory that this process holds, when its own `command` goes on for long enough; without a
    /// socket it does that alone.
    pub(super) fn listen(data_dir: &Path, command: &Command, terminal: bool) -> Option<Self> {
        if !listens(command, terminal) {
            return None;
        }
        let path = data_dir.join(SOCKET_FILE);
        match ControlSocket::bind(&path) {
            Ok(socket) => Some(Self {
                socket,
                places: Arc::new(Semaphore::new(CONTROL_COMMANDS_MAX)),
                subscribing: Arc::new(Semaphore::new(CONTROL_SUBSCRIBING_MAX)),
                aggregates: matches!(command, Command::Aggregate { .. }),
                running: JoinSet::new(),
                ending: watch::Sender::new(()),
            }),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "other commands can't come in: no control socket");
                None
            }
        }
    }

    /// Runs what comes, for ever.
    pub(super) async fn run(&mut self, session: &Arc<Session>) {
        loop {
            let stream = self.socket.accept().await;
            while self.running.try_join_next().is_some() {}
            let place = self.places.clone().try_acquire_owned().ok();
            if place.is_none() && self.running.len() >= 2 * CONTROL_COMMANDS_MAX {
                // Who has not even said its command, or does not read that there is no place.
                continue;
            }
            let (session, subscribing) = (session.clone(), self.subscribing.clone());
            let ending = self.ending.subscribe();
            let limits = (self.aggregates, subscribing);
            self.running.spawn(serve(session, stream, (place, limits), ending));
        }
    }

    /// Ends the commands that run here, and nobody comes in any more.
    pub(super) async fn end(mut self) {
        self.socket.remove();
        drop(self.ending);
        self.running.shutdown().await;
    }
}

async fn serve(
    session: Arc<Session>,
    stream: UnixStream,
    (place, limits): (Option<OwnedSemaphorePermit>, (bool, Arc<Semaphore>)),
    ending: watch::Receiver<()>,
) {
    let (reader, writer) = stream.into_split();
    let mut lines = BufReader::new(reader);
    let ask = timeout(CONTROL_ASK_MAX, next::<Ask>(&mut lines)).await;
    let terminal = matches!(&ask, Ok(Some(ask)) if ask.terminal);
    let asker = Asker::new(writer, terminal, ending);
    let (told, signals) = mpsc::channel(1);
    let done = match (ask, place) {
        (Ok(Some(ask)), Some(_place)) => tokio::select! {
            done = work(&session, ask, limits, (Signals::relayed(signals), asker.clone())) => done,
            () = relay(&mut lines, &told) => return,
        },
        (Ok(Some(_)), None) => Err(CliError::failed(format_args!(
            "the process that holds this data directory runs {CONTROL_COMMANDS_MAX} commands already; end one first"
        ))),
        _ => Err(CliError::usage(
            "failed to read the command; is this `mgmt` of another version than the running one?",
        )),
    };
    if let Err(error) = asker.say(&Said::end(&done)).await {
        tracing::debug!(%error, "who asked for a command does not hear how it ended");
    }
}

/// Runs a command.
async fn work(
    session: &Session,
    ask: Ask,
    (aggregates, subscribing): (bool, Arc<Semaphore>),
    (mut signals, asker): (Signals, Asker),
) -> Result<ExitCode, CliError> {
    let words = std::iter::once("mgmt".to_owned()).chain(ask.args);
    let line = Line::try_parse_from(words).map_err(|error| {
        let usage = CommonArgs::usage_error("mgmt", &error);
        usage.unwrap_or_else(|| CliError::usage("there is nothing to do for another process"))
    })?;
    if !is_for_others(&line.command) {
        return Err(CliError::usage("this command is not for another process"));
    }
    // No peer asks itself, and the figures of the others are not all.
    if aggregates && matches!(line.command, Command::Totals { .. }) {
        return Err(CliError::failed(
            "the aggregator that runs in this data directory can't ask itself; name another directory with --data-dir",
        ));
    }
    let _subscribing = match subscribes(&line.command, ask.terminal) {
        false => None,
        true => Some(subscribing.try_acquire().map_err(|_| {
            CliError::failed(
                "another command watches in this data directory, which is what agents grant one manager; end it first \
or name another directory with --data-dir",
            )
        })?),
    };
    session.may(&line.command)?;
    perform_in(session, line.command, Retention::default(), &mut signals, Output::Asker(asker)).await
}

/// Hands on what the asker says, for ever; one that closes wants its command to end.
async fn relay(lines: &mut BufReader<OwnedReadHalf>, signals: &mpsc::Sender<Signal>) {
    loop {
        let told = next::<Told>(lines).await;
        // One that waits already is enough.
        let _ = signals.try_send(told.unwrap_or(Told::Interrupt).into());
        if told.is_none() {
            std::future::pending().await
        }
    }
}
