//! `mgmt report`: what the store says in short.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use mgmt_service::arm::ArmRecord;
use mgmt_service::cli_common::{CliError, ExitCode};
use mgmt_service::limits::{OBJECTIVES_BYTES_MAX, REPORT_RECORDS_MAX};
use mgmt_service::objectives::{self, Objective, Standing};
use mgmt_service::report::{GroupAccounts, Report};
use mgmt_service::store::{Selection, Store, StoreError, StoredPeer};
use overlay::PeerId;

use super::collect::now_ms;
use super::output::Output;

/// Reports on the last `since`; an objective that is broken is a failure.
pub(super) fn report(
    file: &Path,
    slo: Option<&Path>,
    since: Duration,
    json: bool,
    mut output: Output,
) -> Result<ExitCode, CliError> {
    let objectives = slo.map(read_objectives).transpose()?.unwrap_or_default();
    let store = Store::read(file).map_err(unreadable)?;
    let now_ms = now_ms();
    let report = build(&store, &objectives, since, now_ms).map_err(unreadable)?;
    if json {
        output.line(&report.to_json().to_string())?;
    } else {
        output.text(&report.to_string())?;
    }
    Ok(if report.is_broken() { ExitCode::Failed } else { ExitCode::Done })
}

fn build(
    store: &Store,
    objectives: &[Objective],
    since: Duration,
    now_ms: u64,
) -> Result<Report, StoreError> {
    let span = span_of(since, now_ms);
    let peers = store.peers()?;
    // Objectives may look farther back than the report.
    let longest = objectives.iter().map(Objective::reaches_back).fold(since, Duration::max);
    let mut records = newest(store, span_of(longest, now_ms))?;
    let name =
        |peer: &PeerId| peers.get(peer).map(|known: &StoredPeer| known.name.clone()).unwrap_or_default();
    let names = |record: &ArmRecord| [name(&record.peer), name(&record.dest)];
    let standings: Vec<Standing> =
        objectives.iter().map(|objective| objective.standing(&records, now_ms, names)).collect();
    records.retain(|record| record.at_ms >= span.since_ms);
    let report = Report::new(&store.levels(span)?, &records, &peers, standings, store.losses()?);
    let groups = GroupAccounts { used: store.group_usage(span)?, left_out: store.groups_left_out()? };
    Ok(report.with_usage(store.usage(span)?, groups))
}

/// The newest records of a span, as many as one report looks at.
pub(super) fn newest(store: &Store, span: Selection) -> Result<Vec<ArmRecord>, StoreError> {
    let mut records = std::collections::VecDeque::new();
    store.for_each_record(span, |record| {
        if records.len() >= REPORT_RECORDS_MAX {
            records.pop_front();
        }
        records.push_back(record);
    })?;
    if records.len() >= REPORT_RECORDS_MAX {
        tracing::warn!(records = REPORT_RECORDS_MAX, "only the newest records are looked at one by one");
    }
    Ok(records.into())
}

/// The last `since`, and what clocks that are ahead call later.
pub(super) fn span_of(since: Duration, now_ms: u64) -> Selection {
    let since_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    Selection { since_ms: now_ms.saturating_sub(since_ms), until_ms: u64::MAX }
}

pub(super) fn unreadable(error: StoreError) -> CliError {
    CliError::failed(format_args!("failed to {error}"))
}

pub(super) fn read_objectives(path: &Path) -> Result<Vec<Objective>, CliError> {
    let shown = path.display();
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(OBJECTIVES_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|error| {
            CliError::usage(format_args!(
                "failed to read {shown}: {error}; name a TOML file of objectives with --slo, see docs/manage.md"
            ))
        })?;
    if text.len() as u64 > OBJECTIVES_BYTES_MAX {
        return Err(CliError::usage(format_args!("{shown} is longer than {OBJECTIVES_BYTES_MAX} bytes")));
    }
    objectives::read(&text).map_err(|error| CliError::usage(format_args!("{shown}: failed to {error}")))
}
