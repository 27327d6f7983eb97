//! `mgmt audit verify`: whether a log is as it was written.

use std::path::Path;

use mgmt_service::access::{VerifiedAudit, verify_audit_files};
use mgmt_service::cli_common::CliError;
use mgmt_service::error::AuditVerifyError;

use super::output::Output;

/// Reads the whole file and the older ones that it goes on from; says how many lines they have and the last hash, or the first
/// line that is broken.
pub(super) fn verify(path: &Path, head: Option<&str>, mut output: Output) -> Result<(), CliError> {
    let shown = path.display();
    match verify_audit_files(path, head) {
        Ok(VerifiedAudit { lines, first, next, last, .. }) => {
            let older = match first {
                1 => String::new(),
                first => format!(" ({first} to {}; older ones are not kept)", next.saturating_sub(1)),
            };
            let last = last.to_hex();
            output.line(&format!("{lines} lines{older}, each as it was written; the last hash is {last}"))
        }
        Err(AuditVerifyError::Io(error)) => {
            Err(CliError::failed(format_args!("failed to read {shown}: {error}; name the agent's audit.log")))
        }
        Err(error @ AuditVerifyError::NoBeginning { .. }) => {
            Err(CliError::failed(format_args!("{shown}: {error}; put it there, or compare a copy")))
        }
        Err(error) => Err(CliError::failed(format_args!(
            "{shown}: {error}; what stands from there on proves nothing, compare a copy"
        ))),
    }
}
