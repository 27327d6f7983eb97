//! From the command line to the exit code.

use std::io::Write;

use clap::{CommandFactory, Parser};
use mgmt_service::cli_common::{
    CliError, CommonArgs, ExitCode, Settings, init_logging, write_completions, write_man,
};

use super::args::{Command, Line};
use super::{ask, serve};
use crate::config_of_program;

/// Runs the program; an error is one sentence on stderr.
pub(crate) fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("rendezvous: {error}");
            error.code
        }
    }
}

fn run() -> Result<ExitCode, CliError> {
    let line = match Line::try_parse() {
        Ok(line) => line,
        Err(error) => {
            return match CommonArgs::usage_error("rendezvous", &error) {
                Some(usage) => Err(usage),
                None => print(error.to_string().as_bytes()),
            };
        }
    };
    let mut text = Vec::new();
    match line.command {
        Command::Completions { shell } => {
            write_completions(Line::command(), shell, &mut text).map_err(CliError::failed)?;
            print(&text)
        }
        Command::Man => {
            write_man(Line::command(), &mut text).map_err(CliError::failed)?;
            print(&text)
        }
        command => {
            let (settings, config) = Settings::layer(line.common, "rendezvous", "warn")?;
            let config = config_of_program(config)?;
            init_logging(&settings.log).map_err(CliError::usage)?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .map_err(|error| CliError::failed(format_args!("failed to start: {error}")))?;
            let code = runtime.block_on(async {
                match command {
                    Command::Run(args) => serve::serve(settings, config, args).await,
                    other => ask::ask(&settings, &config, other).await,
                }
            });
            runtime.shutdown_background();
            code
        }
    }
}

/// A failure in the words of an error that follows "failed to".
pub(super) fn failed_to(error: impl std::fmt::Display) -> CliError {
    CliError::failed(format_args!("failed to {error}"))
}

/// Puts an answer on stdout. A reader that has gone, as `head` does, is no failure.
pub(super) fn print(text: &[u8]) -> Result<ExitCode, CliError> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::failed(format_args!("failed to print: {error}")))
        }
        _ => Ok(ExitCode::Done),
    }
}
