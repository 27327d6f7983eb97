//! `mgmt serve`: the dashboard and its open ends, until a signal comes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mgmt_service::access::ManagementRole;
use mgmt_service::cli_common::{CliError, ExitCode, Signals, within_polite_end};
use mgmt_service::jmx::{BeanServer, CounterBean, ObjectName, ObjectNamePattern, Registration};
use mgmt_service::limits::{BOARD_PERIOD, NOTICE_TOLD_AFTER, NOTICES_WAITING_MAX};
use mgmt_service::net::{
    Collection, Heard, HttpError, Looks, OtlpPush, OtlpUrl, ServeError, Site, WebServer, Wish,
};
use mgmt_service::store::{Retention, Store, StoreNames};
use mgmt_service::web::{Entry, Otlp, Pseudonyms};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::collect::{now_ms, open_store, store_file};
use super::history;
use super::outlook::watch_store;
use super::output::{Output, unwritable};
use super::report::{read_objectives, unreadable};
use super::session::Session;
use super::shown::{Shown, lock};
use super::token::{new_token, pseudonym_key};
use super::usage::Sampling;

/// Serves until a signal comes; prints the link, then where programs find their token. Its subscription is left standing.
pub(super) async fn serve(
    session: &Session,
    address: SocketAddr,
    (otlp, slo): (Option<OtlpUrl>, Option<&Path>),
    (retention, silent_after): (Retention, Duration),
    signals: &mut Signals,
    mut output: Output,
) -> Result<ExitCode, CliError> {
    let objectives = slo.map(read_objectives).transpose()?;
    let (shown, file) = (Shown::new(session, silent_after), store_file(session.data_dir.path()));
    let store = open_store(&file, retention)?;
    Store::read(&file).and_then(|kept| shown.recall(&kept)).map_err(unreadable)?;
    let (beans, program) = (BeanServer::new(), program_token(session)?);
    let _registrations = register_own(session, &beans, &shown)?;
    let site = site(session, &shown, (beans, file.clone()), &program.0);
    let looks = site.looks().clone();
    let server = WebServer::bind(address, site).await.map_err(unserved)?;
    output.line(&format!("dashboard  {}", server.link()))?;
    output.line(&format!("metrics    http://{}/metrics", server.address()))?;
    output.line(&format!(
        "jolokia    http://{}/jolokia with the token in {}",
        server.address(),
        program.1
    ))?;
    let push = otlp.map(|url| push(session, url)).transpose()?;
    let attention = Attention { always: push.is_some() || slo.is_some(), looks };
    let (names, usage) = (store.names(), Sampling::new(store.usage(), &session.manager));
    let sink = (store, shown.sink(push.as_ref()));
    let (notices, heard) = mpsc::channel(NOTICES_WAITING_MAX);
    let wish = Wish { standing: true, notices: Some(notices) };
    let mut collection = session.manager.collect_as(ObjectNamePattern::everything(), sink, wish);
    let pushed = push.as_ref().map(OtlpPush::counters);
    let attending = attend((&mut collection, heard), &shown, (&names, &usage), (attention, pushed), signals);
    let code = tokio::select! {
        code = usage.beside(attending) => code,
        // It does not end before the signal.
        () = watch_store(&shown, file, objectives.unwrap_or_default()) => Ok(ExitCode::Failed),
    };
    // Whoever still reads is cut off when the process ends.
    let leaving = async {
        let end = collection.leave().await;
        if let Some(push) = push {
            push.shutdown().await;
        }
        end
    };
    let ending = async { tokio::join!(leaving, server.shutdown()).0 };
    match within_polite_end(ending).await.and_then(|end| end.failure) {
        Some(error) if code.is_ok() => Err(unwritable(&error)),
        _ => code,
    }
}

/// When agents shall send at once, instead of gathering a minute.
struct Attention {
    /// What judges or hands on what comes wants it now, whether somebody looks or not.
    always: bool,
    looks: Looks,
}

impl Attention {
    fn is_on(&self) -> bool {
        self.always || self.looks.are_on()
    }
}

/// Tells the viewers what is new until a signal comes, and agents whether somebody watches.
async fn attend(
    (collection, mut heard): (&mut Collection, mpsc::Receiver<Heard>),
    shown: &Shown,
    learning: (&StoreNames, &Sampling),
    (attention, pushed): (Attention, Option<impl Fn() -> Vec<(&'static str, u64)>>),
    signals: &mut Signals,
) -> Result<ExitCode, CliError> {
    let mut ticks = interval(BOARD_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut watching, mut tells_soon) = (None, false);
    let tell = |collection: &Collection, is_on| {
        shown.tell(collection, learning, pushed.as_ref().map(|pushed| pushed()), is_on);
    };
    loop {
        tokio::select! {
            signal = signals.recv() => {
                // Who appeared a moment ago is kept with a name.
                tell(collection, watching.is_some());
                return Ok(signal.exit_code());
            }
            error = collection.failed() => return Err(unwritable(&error)),
            () = attention.looks.begun(), if watching.is_none() => watching = Some(collection.watching()),
            Some(heard) = heard.recv() => {
                shown.hear(&heard);
                // Soon, but however many agents have something to say, not for each of them.
                if !std::mem::replace(&mut tells_soon, true) {
                    ticks.reset_after(NOTICE_TOLD_AFTER);
                }
            }
            _ = ticks.tick() => {
                tells_soon = false;
                let is_on = attention.is_on();
                watching = is_on.then(|| watching.take().unwrap_or_else(|| collection.watching()));
                tell(collection, is_on);
            }
        }
    }
}

fn unserved(error: ServeError) -> CliError {
    match error {
        error @ ServeError::Http(HttpError::NotLoopback { .. }) => {
            CliError::usage(format_args!("failed to {error}"))
        }
        error @ ServeError::Http(HttpError::Bind { .. }) => CliError::failed(format_args!(
            "failed to {error}; name a free address, such as --http 127.0.0.1:0 for any port"
        )),
        error => CliError::failed(format_args!("failed to {error}")),
    }
}

fn site(session: &Session, shown: &Shown, (beans, file): (BeanServer, PathBuf), program: &Entry) -> Site {
    let board = (shown.board.clone(), shown.states.subscribe());
    let manager = (session.manager.clone(), beans);
    Site::new(board, shown.metrics.clone(), shown.gauges(session), manager, program)
        .with_history(move |span, pair| history::tell(&file, span, pair))
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

/// Starts to push, peers under the pseudonyms of the management group, or of this manager where there is none.
fn push(session: &Session, url: OtlpUrl) -> Result<OtlpPush, CliError> {
    let path = session.data_dir.path().join(PSEUDONYM_FILE);
    let key = pseudonym_key(&path).map_err(|error| {
        CliError::failed(format_args!(
            "failed to use {}: {error}; remove it to start with new pseudonyms",
            path.display()
        ))
    })?;
    let own = Pseudonyms::new(key);
    let instance = own.of(&session.peer.id());
    let pseudonyms = match &session.group {
        None => own,
        Some(group) if group.role() == Some(ManagementRole::Reader) => Pseudonyms::given(),
        Some(group) => Pseudonyms::of_group(group.veil().ok_or_else(|| {
            CliError::unreachable("no issuer has given this manager the key of the group's pseudonyms yet; run `mgmt serve` again while one is there")
        })?),
    };
    Ok(OtlpPush::start(url, Otlp::new(instance, pseudonyms, now_ms())))
}

/// The file in the data directory that holds the token of programs.
const TOKEN_FILE: &str = "serve-token";

/// The file in the data directory that holds the key of pseudonyms.
const PSEUDONYM_FILE: &str = "pseudonym-key";
