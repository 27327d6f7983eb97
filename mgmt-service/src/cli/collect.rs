//! `mgmt collect`: the records of every agent in the store (and a CSV file), committed before they are acknowledged.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mgmt_service::cli_common::{CliError, ExitCode, Signals};
use mgmt_service::csv::CsvFile;
use mgmt_service::jmx::ObjectNamePattern;
use mgmt_service::latency::LatencyMatrix;
use mgmt_service::net::{Collection, CollectionEnd};
use mgmt_service::store::{Retention, Store, StoreSink};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::names::as_seen;
use super::output::Output;
use super::session::Session;
use super::usage::Sampling;

/// Collects until the time is over or a signal comes, then says what came. A standing one is left standing, whatever ends
/// it: agents keep what they measure until it comes back.
pub(super) async fn collect(
    session: &Session,
    (duration, standing): (Option<Duration>, bool),
    (csv, retention): (Option<PathBuf>, Retention),
    signals: &mut Signals,
    mut output: Output,
) -> Result<ExitCode, CliError> {
    let path = store_file(session.data_dir.path());
    let store = open_store(&path, retention)?;
    let (names, usage) = (store.names(), Sampling::new(store.usage(), &session.manager));
    let file = csv.as_deref().map(create_csv).transpose()?;
    let matrix = Arc::new(Mutex::new(LatencyMatrix::new()));
    let started = Instant::now();
    let sink = (store, (file, matrix.clone()));
    let everything = ObjectNamePattern::everything();
    let mut collection = if standing {
        session.manager.collect_standing(everything, sink)
    } else {
        session.manager.collect(everything, sink)
    };
    let lasting = outlast(&mut collection, duration, signals, |collection| {
        usage.look_at(collection);
        names.learn(&as_seen(&session.manager, collection.agents()));
        Ok(())
    });
    let lasted = usage.beside(lasting).await?;
    let end = if standing { collection.leave().await } else { collection.stop().await };
    let (CollectionEnd { summary, failure }, code) = lasted.end(end);
    let places: Vec<String> = csv.iter().chain([&path]).map(|path| path.display().to_string()).collect();
    let places = places.join(" and ");
    if let Some(error) = failure {
        return Err(CliError::failed(format_args!(
            "failed to keep records in {places}: {error}; make room and collect again: what agents still hold comes then"
        )));
    }
    let overall = matrix.lock().unwrap_or_else(PoisonError::into_inner).overall();
    let mut line = format!(
        "{} records of {} agents in {} s: {}, {} failed; {} lost by agents; {places}",
        summary.records,
        summary.agents,
        started.elapsed().as_secs(),
        overall.response,
        overall.failed,
        summary.dropped,
    );
    if summary.folded > 0 {
        line.push_str(&format!(" (a sample: the records stand for {} more)", summary.folded));
    }
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
    each_second: impl FnMut(&Collection) -> Result<(), CliError>,
) -> Result<(CollectionEnd, ExitCode), CliError> {
    let lasted = outlast(&mut collection, duration, signals, each_second).await?;
    Ok(lasted.end(collection.stop().await))
}

/// Why a collection shall end.
enum Lasted {
    /// The time is over, or a signal came.
    Wanted(ExitCode),
    /// Its sink has failed.
    Failed(std::io::Error),
}

impl Lasted {
    fn end(self, end: CollectionEnd) -> (CollectionEnd, ExitCode) {
        match self {
            Self::Wanted(code) => (end, code),
            Self::Failed(error) => (CollectionEnd { failure: Some(error), ..end }, ExitCode::Failed),
        }
    }
}

/// Lets a collection go on for `duration` or until a signal, calling `each_second` meanwhile.
async fn outlast(
    collection: &mut Collection,
    duration: Option<Duration>,
    signals: &mut Signals,
    mut each_second: impl FnMut(&Collection) -> Result<(), CliError>,
) -> Result<Lasted, CliError> {
    let over = async {
        match duration {
            Some(duration) => sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut over => return each_second(collection).map(|()| Lasted::Wanted(ExitCode::Done)),
            signal = signals.recv() => {
                return each_second(collection).map(|()| Lasted::Wanted(signal.exit_code()));
            }
            error = collection.failed() => return Ok(Lasted::Failed(error)),
            _ = ticks.tick() => each_second(collection)?,
        }
    }
}

/// Where the store of a data directory is.
pub(super) fn store_file(data_dir: &Path) -> PathBuf {
    data_dir.join(STORE_FILE)
}

/// The store, ready to be filled; it goes on where the last run was.
pub(super) fn open_store(path: &Path, retention: Retention) -> Result<StoreSink<fn() -> u64>, CliError> {
    let random = getrandom::u64()
        .map_err(|error| CliError::failed(format_args!("failed to get a random number: {error}")))?;
    let clock: fn() -> u64 = now_ms;
    let sink = Store::open(path).and_then(|store| StoreSink::new(store, retention, random, clock));
    sink.map_err(|error| {
        CliError::failed(format_args!("failed to {error}; name another directory with --data-dir"))
    })
}

fn create_csv(path: &Path) -> Result<CsvFile, CliError> {
    CsvFile::create(path).map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        CliError::failed(format_args!("failed to {error}: {source}; name a file you may write with --csv"))
    })
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The store's file in the data directory.
const STORE_FILE: &str = "records.db";
