//! Logs of a program: on stderr only, so that stdout stays for answers.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::error::LoggingError;

/// Makes log events that pass `filter` (as in `info,overlay=debug`) appear on stderr.
///
/// # Errors
/// [`LoggingError::Filter`] for a filter that cannot be read, [`LoggingError::Already`] when logging runs already.
pub fn init_logging(filter: &str) -> Result<(), LoggingError> {
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|error| LoggingError::Filter { filter: filter.to_owned(), reason: error.to_string() })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init()
        .map_err(|_| LoggingError::Already)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_filter_is_named_and_starts_nothing() {
        let error = init_logging("overlay=loud").expect_err("no such level");
        assert!(matches!(&error, LoggingError::Filter { filter, .. } if filter == "overlay=loud"));
    }
}
