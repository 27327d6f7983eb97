//! `mgmt`: the manager's command line.
#![expect(clippy::disallowed_methods, reason = "a program reads the clock")]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main().into()
}
