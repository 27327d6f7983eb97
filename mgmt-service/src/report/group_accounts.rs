//! Accounting by group, and by peer in each group (paper §1.2, §2.3).
//!
//! In: what the store has of each peer's groups. Out: a table for people, objects for scripts.

use std::collections::BTreeMap;
use std::fmt;

use overlay::{GroupId, PeerId};
use serde_json::{Map, Value, json};

use crate::limits::REPORT_LINES_MAX;
use crate::store::{GroupUsage, GroupUsed};

/// What peers used in each of their groups.
#[derive(Debug, Clone, Default)]
pub struct GroupAccounts {
    /// By group and peer.
    pub used: BTreeMap<GroupId, BTreeMap<PeerId, GroupUsed>>,
    /// Samples that were not kept because their peer is in too many groups.
    pub left_out: u64,
}

impl GroupAccounts {
    /// `[{group, messages_out, …, peers: [{peer, messages_out, …}]}]`.
    pub(super) fn to_json(&self) -> Value {
        let of_group = |(group, peers): (&GroupId, &BTreeMap<PeerId, GroupUsed>)| {
            let peers_json: Vec<Value> = peers
                .iter()
                .map(|(peer, used)| object(("peer", peer.to_string().into()), used).into())
                .collect();
            let mut object = object(("group", group.to_string().into()), &total(peers));
            object.insert("peers".to_owned(), peers_json.into());
            Value::Object(object)
        };
        json!(self.used.iter().map(of_group).collect::<Vec<_>>())
    }

    /// The tables; `name` says how a peer is called.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, name: impl Fn(&PeerId) -> String) -> fmt::Result {
        writeln!(f, "{:28} {HEADER}", "accounting by group")?;
        for (group, peers) in self.used.iter().take(REPORT_LINES_MAX) {
            writeln!(f, "{:28} {}", called(group), line(&total(peers)))?;
            for (peer, used) in peers.iter().take(REPORT_LINES_MAX) {
                writeln!(f, "  {:26} {}", name(peer), line(used))?;
            }
            more(f, peers.len())?;
        }
        more(f, self.used.len())?;
        match self.left_out {
            0 => Ok(()),
            left_out => writeln!(f, "  {left_out} samples of groups not kept: their peers are in too many"),
        }
    }
}

/// The end of a group's id; the whole of it is in the JSON.
fn called(group: &GroupId) -> String {
    if *group == GroupId::net() {
        return "group net".to_owned();
    }
    let id = group.to_string();
    format!("group …{}", id.get(id.len().saturating_sub(8)..).unwrap_or(&id))
}

fn total(peers: &BTreeMap<PeerId, GroupUsed>) -> GroupUsed {
    let mut total = GroupUsed::default();
    peers.values().for_each(|used| total.add(used));
    total
}

fn object((key, of): (&str, Value), used: &GroupUsed) -> Map<String, Value> {
    let counts = NAMES.into_iter().zip(used.usage.0).map(|(name, count)| (name.to_owned(), count.into()));
    let online = ("online_s".to_owned(), (used.online_ms / 1000).into());
    [(key.to_owned(), of)].into_iter().chain(counts).chain([online]).collect()
}

/// The counters in the order of [`GroupUsage::NAMES`], as the report calls them.
const NAMES: [&str; GroupUsage::NAMES.len()] = [
    "messages_out",
    "messages_in",
    "bytes_in",
    "bytes_out",
    "queries_out",
    "queries_in",
    "query_bytes_in",
    "query_bytes_out",
    "relayed_bytes_in",
    "relayed_bytes_out",
    "forwarded",
    "forwarded_bytes",
];

fn line(used: &GroupUsed) -> String {
    let columns = used.usage.0.iter().zip(WIDTHS).map(|(count, width)| format!("{count:>width$}"));
    let online = humantime::format_duration(std::time::Duration::from_secs(used.online_ms / 1000));
    format!("{}  {online}", columns.collect::<Vec<_>>().join(" "))
}

fn more(f: &mut fmt::Formatter<'_>, count: usize) -> fmt::Result {
    match count.saturating_sub(REPORT_LINES_MAX) {
        0 => Ok(()),
        more => writeln!(f, "… and {more} more; --json has all"),
    }
}

const WIDTHS: [usize; NAMES.len()] = [8, 8, 12, 12, 8, 8, 12, 12, 12, 12, 9, 12];
const HEADER: &str = "msgs out  msgs in     bytes in    bytes out asks out  asks in    ask b. in   ask b. out   relayed in  relayed out forwarded  forw. bytes  online";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_stands_over_its_columns() {
        let mut used = GroupUsed::default();
        used.usage.0 = [1; NAMES.len()];
        let (line, mut end) = (line(&used), 0);
        for width in WIDTHS {
            end += width;
            assert_eq!(line.get(end - 1..end), Some("1"), "{line}");
            let last: Vec<char> = HEADER.chars().skip(end - 1).take(2).collect();
            assert!(last[0] != ' ' && last[1] == ' ', "{HEADER} at {end}");
            end += 1;
        }
    }
}
