//! What `im` does with its command line.

use std::io::Write as _;
use std::time::Duration;

use clap::CommandFactory;
use mgmt_service::cli_common::{
    CliError, ControlSocket, DataDir, ExitCode, Signals, init_logging, within_polite_end, write_completions,
    write_man,
};
use overlay::LeaseError;

use super::args::{DemoArgs, ImArgs, Subcommand};
use super::node::{Node, Plan};
use super::one_shot;
use crate::demo::{self, DemoOptions};
use crate::face::{AtEnd, SOCKET_FILE, run_jsonl, run_plain, serve_socket};

/// Does what the command line says, until it is done or a signal ends it.
///
/// # Errors
/// One sentence, with the exit code for it.
pub async fn run(args: ImArgs) -> Result<ExitCode, CliError> {
    match &args.command {
        Some(Subcommand::Completions { shell }) => {
            return print(|out| write_completions(ImArgs::command(), *shell, out));
        }
        Some(Subcommand::Demo(demo)) => return Box::pin(show_demo(&args, demo)).await,
        Some(Subcommand::Man) => return print(|out| write_man(ImArgs::command(), out)),
        _ => {}
    }
    let plan = Plan::layer(&args)?;
    init_logging(&plan.settings.log).map_err(CliError::usage)?;
    match args.command {
        Some(Subcommand::OneShot(command)) => one_shot::run(plan, command).await,
        _ => Box::pin(chat(&plan, &args)).await,
    }
}

/// Runs the demo; Ctrl-C is its ordinary end.
async fn show_demo(args: &ImArgs, demo: &DemoArgs) -> Result<ExitCode, CliError> {
    init_logging(args.common.log.as_deref().unwrap_or("error")).map_err(CliError::usage)?;
    let options = DemoOptions {
        peers: usize::from(demo.peers),
        lasts: demo.lasts,
        out: demo.out.clone(),
        ping_period: args.own.ping_period.unwrap_or(DEMO_PING_PERIOD),
    };
    demo::net::run(options).await.map(|()| ExitCode::Done).map_err(CliError::failed)
}

/// Runs the messenger with the face that was chosen.
async fn chat(plan: &Plan, args: &ImArgs) -> Result<ExitCode, CliError> {
    let mut signals = Signals::install().map_err(CliError::failed)?;
    let data_dir = DataDir::open(&plan.settings.data_dir).map_err(CliError::failed)?;
    let node = Node::start(plan, data_dir).await?;
    // Before anybody hears that it is ready.
    let socket = ControlSocket::bind(&node.data_dir.path().join(SOCKET_FILE));
    if plan.host {
        say_where(&node, args.own.jsonl);
    }
    let face = node.messenger.attach().await.map_err(CliError::failed)?;
    let shown = async {
        let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
        if args.own.jsonl {
            run_jsonl(face, input, output, AtEnd::Quit).await
        } else {
            run_plain(face, input, output).await
        }
    };
    let code = tokio::select! {
        shown = shown => shown.map(|()| ExitCode::Done).or_else(|error| match error.kind() {
            // Who read the output is gone; that is no fault of this program.
            std::io::ErrorKind::BrokenPipe => Ok(ExitCode::Done),
            _ => Err(CliError::failed(format_args!("standard input or output: {error}"))),
        }),
        signal = signals.recv() => Ok(signal.exit_code()),
        () = beside(&node, socket) => Ok(ExitCode::Done),
    };
    match within_polite_end(node.end()).await {
        Some(Ok(())) | None => code,
        Some(Err(error)) => Err(error),
    }
}

/// What goes on beside the face: the socket for one-shot commands, and a word when no rendezvous is reached.
async fn beside(node: &Node, socket: std::io::Result<ControlSocket>) {
    let socket = async {
        match socket {
            Ok(socket) => serve_socket(socket, node.messenger.clone()).await,
            Err(error) => {
                let message =
                    format!("one-shot commands can't reach this messenger: its socket failed: {error}");
                node.messenger.warn("no-socket", message).await;
            }
        }
    };
    tokio::join!(socket, look_for_rendezvous(node));
    std::future::pending().await
}

async fn look_for_rendezvous(node: &Node) {
    if !node.has_rendezvous {
        return;
    }
    match node.peer.wait_leased(LEASE_PATIENCE).await {
        Ok(_) | Err(LeaseError::Closed) => {}
        Err(error) => {
            let message = format!("no rendezvous is reached yet, it is tried on: {error}");
            node.messenger.warn("unreachable", message).await;
        }
    }
}

/// Tells where others find the rendezvous. With JSON Lines stdout belongs to the events, the first of which has the
/// addresses too.
fn say_where(node: &Node, jsonl: bool) {
    for address in node.peer.addresses() {
        let line = format!("! rendezvous for others: --rendezvous {address}");
        // Nobody may be there to read it.
        let _ =
            if jsonl { writeln!(std::io::stderr(), "{line}") } else { writeln!(std::io::stdout(), "{line}") };
    }
}

fn print(write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> Result<ExitCode, CliError> {
    match write(&mut std::io::stdout().lock()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(CliError::failed(error)),
        _ => Ok(ExitCode::Done),
    }
}

/// The demo's PING period: ten times the pace of the paper, so that there is something to see soon.
const DEMO_PING_PERIOD: Duration = Duration::from_secs(1);
/// After how long without lease the user is told.
const LEASE_PATIENCE: Duration = Duration::from_secs(5);
