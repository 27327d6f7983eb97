//! What a served manager looks at besides records: its store.
//!
//! In: a store's file. Out: an outlook, again and again. It ends when it is dropped.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mgmt_service::arm::ArmRecord;
use mgmt_service::limits::{OUTLOOK_PAUSE_FACTOR, OUTLOOK_PEAKS_SPAN, OUTLOOK_PERIOD, OUTLOOK_RECORDS_MAX};
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
