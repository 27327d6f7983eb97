//! From the command line to the exit code.

use std::future::Future;
use std::sync::Arc;

use clap::{CommandFactory, Parser};
use mgmt_service::cli_common::{
    CliError, CommonArgs, ExitCode, Settings, Signals, init_logging, write_completions, write_man,
};
use mgmt_service::jmx::{ObjectNamePattern, SetOptions};
use mgmt_service::net::ManagementGroup;
use mgmt_service::store::Retention;

use super::args::{AuditCommand, Command, Line};
use super::inside::{self, Inside};
use super::output::Output;
use super::outside::{self, Doer};
use super::retention::{OwnConfig, RetentionArgs};
use super::session::Session;
use super::{agents, aggregate, audit, collect, get, group, manage, plot, report, serve, view, watch};

/// Runs the program; an error is one sentence on stderr.
pub(crate) fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            if error.code != ExitCode::Done {
                eprintln!("mgmt: {error}");
            }
            error.code
        }
    }
}

fn run() -> Result<ExitCode, CliError> {
    let line = match Line::try_parse() {
        Ok(line) => line,
        Err(error) => {
            return match CommonArgs::usage_error("mgmt", &error) {
                Some(usage) => Err(usage),
                None => Output::Own.text(&error.to_string()).map(|()| ExitCode::Done),
            };
        }
    };
    let (mut output, mut text) = (Output::Own, Vec::new());
    match line.command {
        Command::Completions { shell } => {
            write_completions(Line::command(), shell, &mut text).map_err(CliError::failed)?;
            output.bytes(&text).map(|()| ExitCode::Done)
        }
        Command::Man => {
            write_man(Line::command(), &mut text).map_err(CliError::failed)?;
            output.bytes(&text).map(|()| ExitCode::Done)
        }
        Command::Audit { command: AuditCommand::Verify { file, head } } => {
            audit::verify(&file, head.as_deref(), output).map(|()| ExitCode::Done)
        }
        command => {
            let (settings, own) = Settings::layer::<OwnConfig>(line.common, "mgmt", "warn")?;
            init_logging(&settings.log).map_err(CliError::usage)?;
            // What asks the store alone needs no network, and does not mind who fills it meanwhile.
            let store = collect::store_file(&settings.data_dir);
            match command {
                Command::Report { slo, since, json } => {
                    return report::report(&store, slo.as_deref(), since, json, output);
                }
                Command::Plot { out, since } => {
                    return plot::plot(&store, &out, since, output).map(|()| ExitCode::Done);
                }
                _ => {}
            }
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .map_err(|error| CliError::failed(format_args!("failed to start: {error}")))?;
            let code = runtime.block_on(perform(settings, own, command, output));
            // Everything has ended politely or was cut off; a blocked disk keeps nobody waiting.
            runtime.shutdown_background();
            code
        }
    }
}

async fn perform(
    mut settings: Settings,
    own: OwnConfig,
    command: Command,
    output: Output,
) -> Result<ExitCode, CliError> {
    let mut signals = Signals::install().map_err(CliError::failed)?;
    // Before anything is started: it may be wrong usage.
    let retention = match &command {
        Command::Collect { retention, .. } | Command::Serve { retention, .. } => {
            retention.over(own.retention)
        }
        _ => RetentionArgs::default().over(own.retention),
    }?;
    let doer = tokio::select! {
        doer = outside::find(&settings, &command) => doer?,
        signal = signals.recv() => return Ok(signal.exit_code()),
    };
    let data_dir = match doer {
        Doer::This(data_dir) => data_dir,
        Doer::Other(stream) => return outside::ask(stream, &mut signals, output).await,
    };
    let listens = inside::listens(&command, output.is_terminal());
    let entering = group::entering(&command, settings.manage.as_ref());
    if group::is_visited(&command) || (listens && ManagementGroup::is_created_in(data_dir.path())) {
        group::listen_somewhere(&mut settings);
    }
    let session = tokio::select! {
        session = Session::start(settings, data_dir, entering) => Arc::new(session?),
        signal = signals.recv() => return Ok(signal.exit_code()),
    };
    let mut inside = Inside::listen(session.data_dir.path(), &command, output.is_terminal());
    let others = async {
        match &mut inside {
            Some(inside) => inside.run(&session).await,
            None => std::future::pending().await,
        }
    };
    let done = tokio::select! {
        done = perform_in(&session, command, retention, &mut signals, output) => done,
        () = others => Ok(ExitCode::Failed),
    };
    if let Some(inside) = inside {
        inside.end().await;
    }
    if let Some(session) = Arc::into_inner(session) {
        session.end().await;
    }
    done
}

/// Does a command with the peer of a session, which may be there for others too; `retention` for what keeps a store.
pub(super) async fn perform_in(
    session: &Session,
    command: Command,
    retention: Retention,
    signals: &mut Signals,
    output: Output,
) -> Result<ExitCode, CliError> {
    match command {
        Command::Agents { json } => or_signal(agents::agents(session, json, output), signals).await,
        Command::Get { peer, pattern, attributes, json } => {
            or_signal(get::get(session, &peer, &pattern, &attributes, json, output), signals).await
        }
        Command::Watch { pattern, jsonl, notifications, duration } => {
            let pattern = pattern.unwrap_or_else(ObjectNamePattern::everything);
            watch::watch(session, pattern, (jsonl, notifications), duration, signals, output).await
        }
        Command::Collect { duration, csv, standing, .. } => {
            collect::collect(session, (duration, standing), (csv, retention), signals, output).await
        }
        Command::View { json, duration } => view::view(session, json, duration, signals, output).await,
        Command::Aggregate { level, interval, duration } => {
            aggregate::aggregate(session, (level, interval), duration, signals, output).await
        }
        Command::Totals { json, check } => aggregate::totals(session, json, check, signals, output).await,
        Command::Serve { http, otlp, slo, silent_after, .. } => {
            let keeping = (retention, silent_after);
            serve::serve(session, http, (otlp, slo.as_deref()), keeping, signals, output).await
        }
        Command::Init | Command::Join { .. } => group::entered(session, output).map(|()| ExitCode::Done),
        Command::Invite { role, duration } => group::invite(session, role, duration, signals, output).await,
        Command::Revoke { peer } => or_signal(group::revoke(session, &peer, output), signals).await,
        Command::Set { peer, object, assignment, dry_run, version } => {
            let options = SetOptions { expected: version, dry_run };
            or_signal(manage::set(session, &peer, &object, assignment, options, output), signals).await
        }
        Command::Invoke { peer, object, operation, arguments } => {
            or_signal(manage::invoke(session, &peer, &object, &operation, arguments, output), signals).await
        }
        Command::Describe { peer, object } => {
            or_signal(manage::describe(session, &peer, &object, output), signals).await
        }
        Command::Audit { .. }
        | Command::Report { .. }
        | Command::Plot { .. }
        | Command::Completions { .. }
        | Command::Man => Ok(ExitCode::Done),
    }
}

/// A command that needs no polite end of its own: a signal drops it.
async fn or_signal(
    doing: impl Future<Output = Result<(), CliError>>,
    signals: &mut Signals,
) -> Result<ExitCode, CliError> {
    tokio::select! {
        done = doing => done.map(|()| ExitCode::Done),
        signal = signals.recv() => Ok(signal.exit_code()),
    }
}
