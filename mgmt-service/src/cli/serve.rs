//! `mgmt serve`: the dashboard and its open ends, until a signal comes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use mgmt_service::arm::ArmRecord;
use mgmt_service::cli_common::{CliError, ExitCode, Signals, within_polite_end};
use mgmt_service::jmx::{BeanServer, CounterBean, ObjectName, ObjectNamePattern, Registration};
use mgmt_service::limits::BOARD_PERIOD;
use mgmt_service::net::{Collection, HttpError, OtlpPush, OtlpUrl, ServeError, Site, WebServer};
use mgmt_service::web::{Board, Entry, Loss, ManagerGauges, Metrics, Otlp, Pseudonyms};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::output::{Output, unwritable};
use super::session::Session;
use super::token::{new_token, pseudonym_key};

/// What a served manager holds.
struct Shown {
    board: Arc<Mutex<Board>>,
    metrics: Arc<Mutex<Metrics>>,
    /// Counters of the collection, as they were a moment ago.
    counted: Arc<Mutex<Vec<(&'static str, u64)>>>,
    states: watch::Sender<Arc<str>>,
}

/// Serves until a signal comes; prints the link, then where programs find their token.
pub(super) async fn serve(
    session: &Session,
    address: SocketAddr,
    otlp: Option<OtlpUrl>,
    signals: &mut Signals,
    mut output: Output,
) -> Result<ExitCode, CliError> {
    let shown = Shown {
        board: Arc::new(Mutex::new(Board::new(session.peer.net_group().id().to_string()))),
        metrics: Arc::new(Mutex::new(Metrics::new())),
        counted: Arc::default(),
        states: watch::Sender::new(Arc::from("{}")),
    };
    let (beans, program) = (BeanServer::new(), program_token(session)?);
    let _registrations = register_own(session, &beans, &shown)?;
    let server = WebServer::bind(address, site(session, &shown, beans, &program.0)).await;
    let server = server.map_err(|error| match error {
        error @ ServeError::Http(HttpError::NotLoopback { .. }) => {
            CliError::usage(format_args!("failed to {error}"))
        }
        error => CliError::failed(format_args!("failed to {error}")),
    })?;
    output.line(&format!("dashboard  {}", server.link()))?;
    output.line(&format!("metrics    http://{}/metrics", server.address()))?;
    output.line(&format!(
        "jolokia    http://{}/jolokia with the token in {}",
        server.address(),
        program.1
    ))?;
    let push = otlp.map(|url| push(session, url)).transpose()?;
    let collection = session.manager.collect(ObjectNamePattern::everything(), sink(&shown, push.as_ref()));
    let pushed = push.as_ref().map(OtlpPush::counters);
    let code = attend(collection, &shown, pushed, signals).await;
    // Whoever still reads is cut off when the process ends.
    let _ = within_polite_end(async {
        if let Some(push) = push {
            push.shutdown().await;
        }
        server.shutdown().await;
    })
    .await;
    code
}

/// Tells the viewers what is new until a signal comes, then ends the collection without waiting for agents: what they
/// hold they keep for the next manager.
async fn attend(
    mut collection: Collection,
    shown: &Shown,
    pushed: Option<impl Fn() -> Vec<(&'static str, u64)>>,
    signals: &mut Signals,
) -> Result<ExitCode, CliError> {
    let mut ticks = interval(BOARD_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            signal = signals.recv() => return Ok(signal.exit_code()),
            error = collection.failed() => return Err(unwritable(&error)),
            _ = ticks.tick() => shown.tell(&collection, pushed.as_ref().map(|pushed| pushed())),
        }
    }
}

impl Shown {
    fn tell(&self, collection: &Collection, pushed: Option<Vec<(&'static str, u64)>>) {
        let (counted, now_ms) = (collection.counters(), now_ms());
        let agents_beyond =
            counted.iter().find(|(name, _)| *name == "agents_beyond").map_or(0, |(_, count)| *count);
        let loss = Loss { dropped: collection.summary().dropped, agents_beyond };
        let mut board = lock(&self.board);
        for agent in collection.agents() {
            board.learn(agent.peer, &agent.name, &agent.application);
        }
        let state = board.to_json(now_ms, loss);
        drop(board);
        let mut counters = lock(&self.counted);
        *counters = counted;
        counters.push(("records_lost", loss.dropped));
        counters.extend(pushed.into_iter().flatten());
        drop(counters);
        self.states.send_replace(Arc::from(state.to_string()));
    }
}

/// Fills board and metrics; what is shown counts as committed.
fn sink(
    shown: &Shown,
    push: Option<&OtlpPush>,
) -> impl FnMut(&[ArmRecord]) -> std::io::Result<()> + Send + use<> {
    let (board, metrics) = (shown.board.clone(), shown.metrics.clone());
    let feed = push.map(OtlpPush::feeder);
    move |records| {
        let now_ms = now_ms();
        let mut board = lock(&board);
        records.iter().for_each(|record| board.record(now_ms, record));
        drop(board);
        let mut metrics = lock(&metrics);
        records.iter().for_each(|record| metrics.record(record));
        if let Some(feed) = &feed {
            records.iter().for_each(feed);
        }
        Ok(())
    }
}

fn site(session: &Session, shown: &Shown, beans: BeanServer, program: &Entry) -> Site {
    let (board, counted, meters) = (shown.board.clone(), shown.counted.clone(), session.peer.meters());
    let started_s = now_ms() as f64 / 1000.0;
    let gauges = move || {
        let board = lock(&board);
        let (expected, reporting) = board.completeness(now_ms());
        let pairs = board.pairs() as u64;
        drop(board);
        // Those that go up and down are told by name elsewhere.
        let grows = |(name, _): &(&'static str, u64)| *name != "agents";
        let counted = lock(&counted).iter().copied().filter(grows).collect();
        ManagerGauges {
            agents_expected: expected as u64,
            agents_reporting: reporting as u64,
            pairs,
            counted,
            meters: meters.snapshot(),
            started_s,
        }
    };
    let board = (shown.board.clone(), shown.states.subscribe());
    Site::new(board, shown.metrics.clone(), gauges, (session.manager.clone(), beans), program)
}

/// The manager's own objects.
fn register_own(session: &Session, beans: &BeanServer, shown: &Shown) -> Result<[Registration; 2], CliError> {
    let register = |kind: &str, bean: CounterBean| {
        let name = ObjectName::new("juxta", [("type", kind)]).map_err(CliError::failed)?;
        beans.register(name, Arc::new(bean)).map_err(CliError::failed)
    };
    let (meters, counted) = (session.peer.meters(), shown.counted.clone());
    Ok([
        register("overlay", CounterBean::new("the manager's overlay", move || meters.snapshot()))?,
        register(
            "collection",
            CounterBean::new("what this manager collects", move || lock(&counted).clone()),
        )?,
    ])
}

/// A new token for programs, in a file that the user alone may read.
fn program_token(session: &Session) -> Result<(Entry, String), CliError> {
    let path = session.data_dir.path().join(TOKEN_FILE);
    let entry = new_token(&path).map_err(|error| {
        let path = path.display();
        CliError::failed(format_args!(
            "failed to write {path}: {error}; make room or name another --data-dir"
        ))
    })?;
    Ok((entry, path.display().to_string()))
}

/// Starts to push, peers under the pseudonyms of this manager.
fn push(session: &Session, url: OtlpUrl) -> Result<OtlpPush, CliError> {
    let path = session.data_dir.path().join(PSEUDONYM_FILE);
    let key = pseudonym_key(&path).map_err(|error| {
        CliError::failed(format_args!(
            "failed to use {}: {error}; remove it to start with new pseudonyms",
            path.display()
        ))
    })?;
    let pseudonyms = Pseudonyms::new(key);
    let instance = pseudonyms.of(&session.peer.id());
    Ok(OtlpPush::start(url, Otlp::new(instance, pseudonyms, now_ms())))
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The file in the data directory that holds the token of programs.
const TOKEN_FILE: &str = "serve-token";

/// The file in the data directory that holds the key of pseudonyms.
const PSEUDONYM_FILE: &str = "pseudonym-key";
