//! `mgmt plot`: the paper's figure 8 from the store, over all records and for each link.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use mgmt_service::arm::{ArmRecord, Status};
use mgmt_service::cli_common::CliError;
use mgmt_service::limits::PLOT_LINKS_MAX;
use mgmt_service::plot::{distribution_svg, series_svg};
use mgmt_service::store::{Store, StoredPeer};
use overlay::PeerId;

use super::collect::now_ms;
use super::output::Output;
use super::report::{newest, span_of, unreadable};

/// Writes `series.svg` and `distribution.svg` of all, and `series-N.svg` and `distribution-N.svg` of each link.
pub(super) fn plot(file: &Path, out: &Path, since: Duration, mut output: Output) -> Result<(), CliError> {
    let store = Store::read(file).map_err(unreadable)?;
    let records = newest(&store, span_of(since, now_ms())).map_err(unreadable)?;
    let peers = store.peers().map_err(unreadable)?;
    if records.is_empty() {
        return Err(CliError::failed("no record in that time; name a longer one with --since"));
    }
    let unwritable = |error: io::Error| {
        CliError::failed(format_args!(
            "failed to write {}: {error}; name another directory with --out",
            out.display()
        ))
    };
    fs::create_dir_all(out).map_err(unwritable)?;
    let all: Vec<&ArmRecord> = records.iter().collect();
    draw(out, "", "Response times of all links", &all).map_err(unwritable)?;
    output.line(&format!("all links: {} records: series.svg, distribution.svg", all.len()))?;

    let mut links: BTreeMap<(PeerId, PeerId), Vec<&ArmRecord>> = BTreeMap::new();
    records.iter().for_each(|record| links.entry((record.peer, record.dest)).or_default().push(record));
    let name = |peer: &PeerId| match peers.get(peer) {
        Some(StoredPeer { name, .. }) if !name.is_empty() => super::output::printable(name),
        _ => peer.to_string(),
    };
    let beyond = links.len().saturating_sub(PLOT_LINKS_MAX);
    for (number, ((peer, dest), records)) in links.iter().take(PLOT_LINKS_MAX).enumerate() {
        let (title, mark) = (format!("{} → {}", name(peer), name(dest)), format!("-{}", number + 1));
        draw(out, &mark, &title, records).map_err(unwritable)?;
        output
            .line(&format!("{title}: {} records: series{mark}.svg, distribution{mark}.svg", records.len()))?;
    }
    if beyond > 0 {
        output.line(&format!("… and {beyond} more links without a figure of their own"))?;
    }
    Ok(())
}

/// A figure of records: what was answered, and what failed.
fn draw(out: &Path, mark: &str, title: &str, records: &[&ArmRecord]) -> io::Result<()> {
    let time = |record: &ArmRecord| record.response_us.filter(|_| record.status == Status::Good);
    let ended = records.iter().filter(|record| matches!(record.status, Status::Good | Status::Failed));
    let points: Vec<(u64, Option<u64>)> = ended.map(|record| (record.at_ms, time(record))).collect();
    let times: Vec<u64> = points.iter().filter_map(|(_, time)| *time).collect();
    fs::write(out.join(format!("series{mark}.svg")), series_svg(title, &points))?;
    fs::write(out.join(format!("distribution{mark}.svg")), distribution_svg(title, &times))
}
