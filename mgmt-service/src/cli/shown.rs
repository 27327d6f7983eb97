//! What a served manager holds: the board, the metrics, the alarms, and what the viewers are told each second.
//!
//! In: records, agents, how the store and the monitors look. Out: the state as JSON.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use mgmt_service::access::{ManagementRole, Verb, unknown_peer};
use mgmt_service::arm::ArmRecord;
use mgmt_service::limits::{BOARD_ALL_POINTS_MAX, BOARD_HISTORY};
use mgmt_service::net::{Collection, Heard, ManagementGroup, Manager, OtlpPush};
use mgmt_service::store::{Store, StoreError, StoreNames};
use mgmt_service::web::{Alarm, AlarmKind, Alarms, Board, Loss, ManagerGauges, Metrics, Outlook};
use serde_json::json;
use tokio::sync::watch;

use super::collect::now_ms;
use super::report::span_of;
use super::session::Session;
use super::usage::Sampling;

/// What is shown; clones share it.
#[derive(Clone)]
pub(super) struct Shown {
    pub(super) board: Arc<Mutex<Board>>,
    pub(super) metrics: Arc<Mutex<Metrics>>,
    /// Counters of the collection, as they were a moment ago.
    pub(super) counted: Arc<Mutex<Vec<(&'static str, u64)>>>,
    pub(super) states: watch::Sender<Arc<str>>,
    pub(super) alarms: Arc<Mutex<Alarms>>,
    /// The last look at the store, or why there was none.
    pub(super) outlook: Arc<Mutex<Result<Outlook, String>>>,
    pub(super) manager: Manager,
    group: Option<ManagementGroup>,
}

impl Shown {
    /// Nothing yet; an agent whose last record is older than `silent_after` is silent.
    pub(super) fn new(session: &Session, silent_after: Duration) -> Self {
        let group =
            session.group.as_ref().map_or_else(|| session.peer.net_group(), |own| own.group().clone());
        let mut board = Board::new(group.id().to_string());
        board.silent_after(silent_after);
        Self {
            board: Arc::new(Mutex::new(board)),
            metrics: Arc::new(Mutex::new(Metrics::new())),
            counted: Arc::default(),
            states: watch::Sender::new(Arc::from("{}")),
            alarms: Arc::default(),
            outlook: Arc::new(Mutex::new(Ok(Outlook::default()))),
            manager: session.manager.clone(),
            group: session.group.clone(),
        }
    }

    /// Shows again what the store holds of the last while. The metrics begin anew: who scrapes them keeps their past.
    pub(super) fn recall(&self, store: &Store) -> Result<(), StoreError> {
        let (records, _cut) = store.newest(span_of(BOARD_HISTORY, now_ms()), BOARD_ALL_POINTS_MAX)?;
        let peers = store.peers()?;
        let mut board = lock(&self.board);
        for record in &records {
            board.record(record.at_ms, record);
        }
        for (peer, known) in &peers {
            board.name(*peer, &known.name, &known.application);
        }
        Ok(())
    }

    /// Takes in what the monitors of an agent said.
    pub(super) fn hear(&self, heard: &Heard) {
        let (mut alarms, now_ms) = (lock(&self.alarms), now_ms());
        if heard.anew {
            alarms.began_anew(heard.peer);
        }
        let said: Vec<_> = heard.said.iter().map(|said| (said.serial, said.to_string())).collect();
        let monitors: Vec<_> = heard.monitors.iter().map(u64::to_string).collect();
        alarms.notified(now_ms, heard.peer, &said, &monitors);
    }

    /// Tells the viewers how it is now.
    pub(super) fn tell(
        &self,
        collection: &Collection,
        (names, usage): (&StoreNames, &Sampling),
        pushed: Option<Vec<(&'static str, u64)>>,
        live: bool,
    ) {
        let (counted, now_ms) = (collection.counters(), now_ms());
        let agents_beyond =
            counted.iter().find(|(name, _)| *name == "agents_beyond").map_or(0, |(_, count)| *count);
        let loss = Loss { dropped: collection.summary().dropped, agents_beyond };
        let (mut agents, reached) = (collection.agents(), collection.reached());
        let known = agents.iter().map(|agent| self.manager.shown(agent).peer).collect();
        usage.look_at(collection);
        let mut board = lock(&self.board);
        board.listens(now_ms, live);
        board.make_room(&known);
        for agent in &mut agents {
            let shown = self.manager.shown(agent);
            board.learn(shown.peer, &shown.name, &shown.application);
            // Nobody can tell which of those is asked that are unknown.
            if shown.peer != unknown_peer() {
                board.seen_as(shown.peer, agent.peer);
            }
            board.reaches(shown.peer, reached.contains(&agent.peer));
            // The store knows agents by the ids in their records.
            *agent = shown;
        }
        let mut state = board.to_json(now_ms, loss);
        let silent = board.silent(now_ms);
        drop(board);
        names.learn(&agents);
        let alarms = self.alarms(now_ms, silent, loss.dropped);
        if let Some(fields) = state.as_object_mut() {
            fields.insert("manager".to_owned(), self.manager_json());
            fields.extend(alarms);
        }
        let mut counters = lock(&self.counted);
        *counters = counted;
        counters.push(("records_lost", loss.dropped));
        counters.extend(pushed.into_iter().flatten());
        drop(counters);
        self.states.send_replace(Arc::from(state.to_string()));
    }

    /// Alarms, notifications and outlook, as fields of the state.
    fn alarms(
        &self,
        now_ms: u64,
        silent: Vec<overlay::PeerId>,
        lost: u64,
    ) -> serde_json::Map<String, serde_json::Value> {
        let alarm = |kind, peer, which: &str, text: &str| Alarm {
            kind,
            peer,
            which: which.into(),
            text: text.into(),
        };
        let mut on: Vec<Alarm> = silent
            .into_iter()
            .map(|peer| alarm(AlarmKind::Silent, Some(peer), "", "reports no more"))
            .collect();
        let outlook = lock(&self.outlook).clone();
        match &outlook {
            Ok(outlook) => on.extend(outlook.broken().map(|standing| {
                alarm(
                    AlarmKind::Objective,
                    None,
                    &standing.name,
                    "burns its budget too fast in all of its windows",
                )
            })),
            Err(why) => on.push(alarm(AlarmKind::Store, None, "", why)),
        }
        on.extend(self.credential());
        let mut alarms = lock(&self.alarms);
        alarms.update(now_ms, on, lost);
        let fields = json!({
            "alarms": alarms.to_json(), "alarms_in_all": alarms.len(),
            "notifications": alarms.notifications_to_json(), "outlook": outlook.unwrap_or_default().to_json(),
        });
        match fields {
            serde_json::Value::Object(fields) => fields,
            _ => serde_json::Map::new(),
        }
    }

    /// What is wrong with the manager's own place in its group, if it is in one.
    fn credential(&self) -> Option<Alarm> {
        Alarm::of_credential(self.group.as_ref()?.group().member_until(), SystemTime::now())
    }

    fn manager_json(&self) -> serde_json::Value {
        let role = self.manager.role();
        let may = role.is_some_and(|role| role.may(Verb::Set) && role.may(Verb::Invoke));
        let outside = if self.group.is_some() { "none" } else { "open" };
        json!({ "role": role.map_or(outside, ManagementRole::as_str), "may_change": may })
    }

    /// Fills board and metrics; what is shown counts as committed.
    pub(super) fn sink(
        &self,
        push: Option<&OtlpPush>,
    ) -> impl FnMut(&[ArmRecord]) -> std::io::Result<()> + Send + use<> {
        let (board, metrics) = (self.board.clone(), self.metrics.clone());
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

    /// What a scrape is told besides.
    pub(super) fn gauges(&self, session: &Session) -> impl Fn() -> ManagerGauges + Send + Sync + 'static {
        let (board, counted, meters) = (self.board.clone(), self.counted.clone(), session.peer.meters());
        let started_s = now_ms() as f64 / 1000.0;
        move || {
            let board = lock(&board);
            let (expected, reporting) = board.completeness(now_ms());
            let pairs = board.pairs() as u64;
            drop(board);
            // Those that are followed are told as expected and reporting.
            let counted = lock(&counted).clone().into_iter().filter(|(name, _)| *name != "agents");
            let (levels, counted) = counted.partition(|(name, _)| LEVELS.contains(name));
            ManagerGauges {
                agents_expected: expected as u64,
                agents_reporting: reporting as u64,
                pairs,
                levels,
                counted,
                meters: meters.snapshot(),
                started_s,
            }
        }
    }
}

/// What the collection counts that goes up and down.
const LEVELS: [&str; 2] = ["agents_beyond", "pseudonyms_contested"];

pub(super) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
