//! What a served manager looks at besides records: its store, and what monitors say at their agents.
//!
//! In: a store's file, agents. Out: an outlook, notifications. Both end when they are dropped.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::StreamExt;
use mgmt_service::arm::ArmRecord;
use mgmt_service::jmx::ObjectNamePattern;
use mgmt_service::limits::{
    NOTIFICATIONS_ASKED_MAX, NOTIFICATIONS_AT_ONCE, NOTIFICATIONS_PERIOD, OUTLOOK_PAUSE_FACTOR,
    OUTLOOK_PEAKS_SPAN, OUTLOOK_PERIOD, OUTLOOK_RECORDS_MAX,
};
use mgmt_service::net::Manager;
use mgmt_service::objectives::Objective;
use mgmt_service::store::{Store, StoreError};
use mgmt_service::web::Outlook;
use overlay::PeerId;
use tokio::time::sleep;

use super::collect::now_ms;
use super::report::span_of;
use super::shown::{Shown, lock};

/// Looks at the store again and again. A look costs time in proportion to its records, and the pause after it grows with
/// that.
pub(super) async fn watch_store(shown: &Shown, file: PathBuf, objectives: Vec<Objective>) {
    let mut objectives = objectives;
    loop {
        let (started, path) = (Instant::now(), file.clone());
        let looked = tokio::task::spawn_blocking(move || (look(&path, &objectives), objectives)).await;
        let Ok((outlook, back)) = looked else { return };
        objectives = back;
        *lock(&shown.outlook) = outlook.map_err(|error| format!("failed to {error}"));
        sleep((started.elapsed() * OUTLOOK_PAUSE_FACTOR).max(OUTLOOK_PERIOD)).await;
    }
}

fn look(file: &Path, objectives: &[Objective]) -> Result<Outlook, StoreError> {
    let (store, now_ms) = (Store::read(file)?, now_ms());
    let peaks_since_ms = span_of(OUTLOOK_PEAKS_SPAN, now_ms).since_ms;
    let longest = objectives.iter().map(Objective::reaches_back).fold(OUTLOOK_PEAKS_SPAN, Duration::max);
    let (records, cut) = store.newest(span_of(longest, now_ms), OUTLOOK_RECORDS_MAX)?;
    let peers = store.peers()?;
    let name = |peer: &PeerId| peers.get(peer).map(|known| known.name.clone()).unwrap_or_default();
    let names = |record: &ArmRecord| [name(&record.peer), name(&record.dest)];
    Ok(Outlook::of(objectives, (&records, cut), (now_ms, peaks_since_ms), names))
}

/// Asks agents in turn what their monitors said. Outside of a management group nobody can add a monitor.
pub(super) async fn watch_monitors(shown: &Shown) {
    if shown.manager.role().is_none() {
        return std::future::pending().await;
    }
    let (Ok(said), Ok(monitors)) = (SAID.parse(), MONITORS.parse()) else { return };
    let mut after = 0;
    loop {
        let agents = lock(&shown.board).agents_asked();
        let turn = agents.iter().cycle().skip(after).take(agents.len().min(NOTIFICATIONS_ASKED_MAX)).copied();
        let turn: Vec<_> = turn.collect();
        after = (after + turn.len()).checked_rem(agents.len()).unwrap_or(0);
        let manager = &shown.manager;
        let asked = turn.into_iter().map(|(seen_as, peer)| ask(manager, seen_as, peer, &said, &monitors));
        let mut answers = futures::stream::iter(asked).buffer_unordered(NOTIFICATIONS_AT_ONCE);
        while let Some(answer) = answers.next().await {
            // Who does not answer reports no records either, which is an alarm of its own.
            let Some((peer, said, monitors)) = answer else { continue };
            lock(&shown.alarms).notified(now_ms(), peer, &said, &monitors);
        }
        sleep(NOTIFICATIONS_PERIOD).await;
    }
}

/// Who, what its monitors said with their numbers, and which monitors it has.
type Answer = (PeerId, Vec<(u64, String)>, Vec<String>);

async fn ask(
    manager: &Manager,
    seen_as: PeerId,
    peer: PeerId,
    said: &ObjectNamePattern,
    monitors: &ObjectNamePattern,
) -> Option<Answer> {
    let bean = manager.get(peer, said, &[]).await.ok()?.into_iter().next()?;
    let said: Vec<(u64, String)> = bean
        .attributes
        .into_iter()
        .filter_map(|(serial, text)| Some((serial.parse().ok()?, text.to_string())))
        .collect();
    if said.is_empty() {
        return Some((seen_as, said, Vec::new()));
    }
    let beans = manager.get(peer, monitors, &["crossings".to_owned()]).await.ok()?;
    let number = |(key, value): (&str, &str)| (key == "number").then(|| value.to_owned());
    let monitors = beans.iter().filter_map(|bean| bean.name.keys().find_map(number)).collect();
    Some((seen_as, said, monitors))
}

const SAID: &str = "juxta:type=notifications";
const MONITORS: &str = "juxta:type=monitor,*";
