//! `mgmt collect`: the records of every agent in a CSV file, committed before they are acknowledged.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use mgmt_service::cli_common::{CliError, ExitCode, Signals};
use mgmt_service::csv::CsvFile;
use mgmt_service::jmx::ObjectNamePattern;
use mgmt_service::latency::LatencyMatrix;
use mgmt_service::net::{Collection, CollectionEnd};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::output::Output;
use super::session::Session;

/// Collects until the time is over or a signal comes, then says what came.
pub(super) async fn collect(
    session: &Session,
    duration: Option<Duration>,
    csv: Option<PathBuf>,
    signals: &mut Signals,
    mut output: Output,
) -> Result<ExitCode, CliError> {
    let path = csv.unwrap_or_else(|| session.data_dir.path().join(file_name(SystemTime::now())));
    let file = CsvFile::create(&path).map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        CliError::failed(format_args!("failed to {error}: {source}; name a file you may write with --csv"))
    })?;
    let matrix = Arc::new(Mutex::new(LatencyMatrix::new()));
    let started = Instant::now();
    let collection = session.manager.collect(ObjectNamePattern::everything(), (file, matrix.clone()));
    let (end, code) = attend(collection, duration, signals, |_| Ok(())).await?;
    let CollectionEnd { summary, failure } = end;
    if let Some(error) = failure {
        return Err(CliError::failed(format_args!(
            "failed to keep records in {}: {error}; make room and collect into another file",
            path.display()
        )));
    }
    let overall = matrix.lock().unwrap_or_else(PoisonError::into_inner).overall();
    let mut line = format!(
        "{} records of {} agents in {} s: {}, {} failed; {} lost by agents; {}",
        summary.records,
        summary.agents,
        started.elapsed().as_secs(),
        overall.response,
        overall.failed,
        summary.dropped,
        path.display()
    );
    if summary.unflushed > 0 {
        line.push_str(&format!(" ({} agents did not flush in time)", summary.unflushed));
    }
    output.line(&line)?;
    Ok(code)
}

/// Lets a collection go on for `duration` or until a signal, calling `each_second` meanwhile, then stops it.
pub(super) async fn attend(
    mut collection: Collection,
    duration: Option<Duration>,
    signals: &mut Signals,
    mut each_second: impl FnMut(&Collection) -> Result<(), CliError>,
) -> Result<(CollectionEnd, ExitCode), CliError> {
    let over = async {
        match duration {
            Some(duration) => sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let code = loop {
        tokio::select! {
            () = &mut over => break ExitCode::Done,
            signal = signals.recv() => break signal.exit_code(),
            error = collection.failed() => {
                let end = CollectionEnd { failure: Some(error), ..collection.stop().await };
                return Ok((end, ExitCode::Failed));
            }
            _ = ticks.tick() => each_second(&collection)?,
        }
    };
    Ok((collection.stop().await, code))
}

/// A name that no other run takes: `records-20260131T120000Z.csv`.
fn file_name(now: SystemTime) -> String {
    let at = humantime::format_rfc3339_seconds(now).to_string();
    format!("records-{}.csv", at.replace(['-', ':'], ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_time() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_860_800);
        assert_eq!(file_name(at), "records-20260131T120000Z.csv");
    }
}
