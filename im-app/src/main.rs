//! `im`: instant messages and presence, from peer to peer.

use std::process::ExitCode;

use clap::Parser;
use im_app::cli::{ImArgs, run};
use mgmt_service::cli_common::{CliError, CommonArgs};

fn main() -> ExitCode {
    let args = match ImArgs::try_parse() {
        Ok(args) => args,
        Err(error) => {
            return match CommonArgs::usage_error("im", &error) {
                Some(wrong) => complain(&wrong),
                None => {
                    // Nobody may be there to read it.
                    let _ = error.print();
                    ExitCode::SUCCESS
                }
            };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&CliError::failed(format_args!("no threads to work with: {error}"))),
    };
    let ended = runtime.block_on(run(args));
    // A thread may still wait for standard input; it is not waited for.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code.into(),
        Err(error) => complain(&error),
    }
}

fn complain(error: &CliError) -> ExitCode {
    use std::io::Write;
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stderr(), "im: {error}");
    error.code.into()
}
