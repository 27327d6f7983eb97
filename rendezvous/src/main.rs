//! `rendezvous`: the meeting peer's command line.

mod cli;

use std::process::ExitCode;

use mgmt_service::cli_common::CliError;
use rendezvous::config::Config;

fn main() -> ExitCode {
    cli::main().into()
}

/// The configuration of the file under the environment.
fn config_of_program(file: Config) -> Result<Config, CliError> {
    file.under(|name| std::env::var(name).ok())
        .map_err(|error| CliError::usage(format_args!("failed to {error}")))
}
