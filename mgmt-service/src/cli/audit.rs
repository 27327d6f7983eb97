//! `mgmt audit verify`: whether a log is as it was written.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use mgmt_service::access::verify_audit;
use mgmt_service::cli_common::CliError;

use super::output::Output;

/// Reads the whole file; says how many lines it has and the last hash, or the first line that is broken.
pub(super) fn verify(path: &Path, head: Option<&str>, mut output: Output) -> Result<(), CliError> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| {
        CliError::failed(format_args!("failed to read {shown}: {error}; name the agent's audit.log"))
    })?;
    match verify_audit(BufReader::new(file), head) {
        Ok((lines, _, last)) => {
            output.line(&format!("{lines} lines, each as it was written; the last hash is {}", last.to_hex()))
        }
        Err(error) => Err(CliError::failed(format_args!(
            "{shown}: {error}; what stands from there on proves nothing, compare a copy"
        ))),
    }
}
