//! Accounting: what peers used, and all of their group together (paper §1.2, §2.3).
//!
//! In: what the store has of each peer's counters. Out: a table for people, objects for scripts.

use std::collections::BTreeMap;
use std::fmt;

use overlay::PeerId;
use serde_json::{Value, json};

use super::group_accounts::GroupAccounts;
use crate::limits::REPORT_LINES_MAX;
use crate::store::Used;

/// `{group: {messages_out, …}, peers: [{peer, messages_out, …}], groups: […]}`.
pub(super) fn to_json(used: &BTreeMap<PeerId, Used>, groups: &GroupAccounts) -> Value {
    let of_peer = |(peer, used): (&PeerId, &Used)| {
        let mut object = one_to_json(used);
        if let Some(object) = object.as_object_mut() {
            object.insert("peer".to_owned(), peer.to_string().into());
        }
        object
    };
    let peers: Vec<Value> = used.iter().map(of_peer).collect();
    json!({ "group": one_to_json(&total(used)), "peers": peers, "groups": groups.to_json() })
}

/// The table; `name` says how a peer is called.
pub(super) fn write(
    f: &mut fmt::Formatter<'_>,
    used: &BTreeMap<PeerId, Used>,
    name: impl Fn(&PeerId) -> String,
) -> fmt::Result {
    writeln!(f, "{:28} {HEADER}", "accounting")?;
    writeln!(f, "{:28} {}", "all", line(&total(used)))?;
    for (peer, used) in used.iter().take(REPORT_LINES_MAX) {
        writeln!(f, "  {:26} {}", name(peer), line(used))?;
    }
    match used.len().saturating_sub(REPORT_LINES_MAX) {
        0 => Ok(()),
        more => writeln!(f, "… and {more} more; --json has all"),
    }
}

fn total(used: &BTreeMap<PeerId, Used>) -> Used {
    let mut total = Used::default();
    used.values().for_each(|used| total.add(used));
    total
}

fn one_to_json(used: &Used) -> Value {
    let usage = &used.usage;
    json!({
        "messages_out": usage.messages_out, "messages_in": usage.messages_in,
        "bytes_in": usage.bytes_in, "bytes_out": usage.bytes_out,
        "relayed_bytes_in": usage.relayed_in, "relayed_bytes_out": usage.relayed_out,
        "online_s": used.online_ms / 1000,
    })
}

fn line(used: &Used) -> String {
    let [messages_out, messages_in, bytes_in, bytes_out, relayed_in, relayed_out] =
        used.usage.values().map(|count| count.to_string());
    let online = humantime::format_duration(std::time::Duration::from_secs(used.online_ms / 1000));
    format!(
        "{messages_out:>8} {messages_in:>8} {bytes_in:>12} {bytes_out:>12} {relayed_in:>12} {relayed_out:>12}  {online}"
    )
}

const HEADER: &str = "msgs out  msgs in     bytes in    bytes out   relayed in  relayed out  online";
