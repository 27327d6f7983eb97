//! The whole report, for people and for scripts.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Write};

use overlay::PeerId;
use serde_json::{Value, json};

use super::accounting;
use super::distant::{Distant, Subject, distant};
use super::group_accounts::GroupAccounts;
use super::levels::{Account, ServiceLevel, accounts, by_link, by_peer, whole_group};
use crate::arm::{ArmRecord, rfc3339_ms};
use crate::limits::REPORT_LINES_MAX;
use crate::objectives::Standing;
use crate::peaks::{Cause, Child, Outage, Peak, explain, outages};
use crate::store::{Level, Losses, StoredPeer, Used};
use crate::summary::milliseconds;

/// Everything that a span of the store says.
#[derive(Debug)]
pub struct Report {
    names: HashMap<PeerId, String>,
    group: ServiceLevel,
    peers: Vec<(PeerId, ServiceLevel, Account)>,
    links: Vec<((PeerId, PeerId), ServiceLevel)>,
    distant: Vec<Distant>,
    peaks: Vec<Peak>,
    outages: Vec<Outage>,
    objectives: Vec<Standing>,
    used: BTreeMap<PeerId, Used>,
    used_in_groups: GroupAccounts,
    losses: Losses,
}

impl Report {
    /// The report of sums, and of the single records that are still there.
    #[must_use]
    pub fn new(
        levels: &[Level],
        records: &[ArmRecord],
        peers: &HashMap<PeerId, StoredPeer>,
        objectives: Vec<Standing>,
        losses: Losses,
    ) -> Self {
        let (mut given, accounts) = (by_peer(levels), accounts(levels));
        let peer = |(peer, account)| (peer, given.remove(&peer).unwrap_or_default(), account);
        Self {
            names: peers
                .iter()
                .filter(|(_, known)| !known.name.is_empty())
                .map(|(peer, known)| (*peer, known.name.clone()))
                .collect(),
            group: whole_group(levels),
            peers: accounts.into_iter().map(peer).collect(),
            links: by_link(levels).into_iter().collect(),
            distant: distant(records),
            peaks: explain(records),
            outages: outages(records),
            objectives,
            used: BTreeMap::new(),
            used_in_groups: GroupAccounts::default(),
            losses,
        }
    }

    /// With what peers used, and in which groups.
    #[must_use]
    pub fn with_usage(mut self, used: BTreeMap<PeerId, Used>, in_groups: GroupAccounts) -> Self {
        (self.used, self.used_in_groups) = (used, in_groups);
        self
    }

    /// Whether an objective is broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.objectives.iter().any(|standing| standing.broken)
    }

    /// The report as one object; ids are PeerIds, `names` says how they are called.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let names: serde_json::Map<String, Value> =
            self.names.iter().map(|(peer, name)| (peer.to_string(), json!(name))).collect();
        let peers = self.peers.iter().map(|(peer, level, account)| {
            json!({
                "peer": peer.to_string(), "service": level.to_json(), "messages_asked": account.asked,
                "messages_answered": account.answered, "online_minutes": account.online_minutes,
            })
        });
        let links = self.links.iter().map(|((peer, dest), level)| {
            json!({ "peer": peer.to_string(), "dest": dest.to_string(), "service": level.to_json() })
        });
        let peaks = self.peaks.iter().map(|peak| {
            json!({
                "peer": peak.peer.to_string(), "dest": peak.dest.to_string(), "transaction": peak.transaction,
                "since_at": rfc3339_ms(peak.since_ms), "until_at": rfc3339_ms(peak.until_ms), "count": peak.count,
                "slowest_us": peak.slowest_us, "usual_us": peak.usual_us, "cause": peak.cause.as_str(),
                "share": peak.share, "longer": peak.parts.to_json(), "slowest_corr": peak.slowest.to_string(),
                "blocked_us": peak.blocked_us, "child": peak.child.as_ref().map(Child::to_json),
            })
        });
        json!({
            "group": self.group.to_json(),
            "peers": peers.collect::<Vec<_>>(),
            "links": links.collect::<Vec<_>>(),
            "distant": self.distant.iter().map(Distant::to_json).collect::<Vec<_>>(),
            "peaks": peaks.collect::<Vec<_>>(),
            "outages": self.outages.iter().map(Outage::to_json).collect::<Vec<_>>(),
            "objectives": self.objectives.iter().map(Standing::to_json).collect::<Vec<_>>(),
            "names": names,
            "lost_by_agents": self.losses.by_agents,
            "discarded": self.losses.discarded,
            "retimed": self.losses.retimed,
            "names_left_out": self.losses.names_left_out,
            "rounds_unkept": self.losses.rounds_unkept,
            "accounting": accounting::to_json(&self.used, &self.used_in_groups),
            "groups_left_out": self.used_in_groups.left_out,
            "not_measured": NOT_MEASURED,
        })
    }

    /// The peer's name, or else the end of its id. Names come from other peers: nothing in one can move a cursor.
    fn name(&self, peer: &PeerId) -> String {
        if let Some(name) = self.names.get(peer) {
            return name.chars().map(|c| if c.is_control() { '?' } else { c }).take(NAME_CHARS).collect();
        }
        let id = peer.to_string();
        format!("…{}", id.get(id.len().saturating_sub(6)..).unwrap_or(&id))
    }

    fn write_peaks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.peaks.is_empty() {
            return writeln!(f, "peaks: none");
        }
        writeln!(f, "peaks and their causes")?;
        // The worst first.
        let mut peaks: Vec<&Peak> = self.peaks.iter().collect();
        peaks.sort_by_key(|peak| std::cmp::Reverse(peak.slowest_us));
        for peak in peaks.iter().take(REPORT_LINES_MAX) {
            let (peer, dest) = (self.name(&peak.peer), self.name(&peak.dest));
            let (slowest, usual) = (milliseconds(peak.slowest_us as f64), milliseconds(peak.usual_us as f64));
            writeln!(
                f,
                "  {} {peer} → {dest}: {} slow, up to {slowest} ms (usual {usual}): {} ({:.0} %), {}",
                rfc3339_ms(peak.since_ms),
                peak.count,
                peak.cause,
                peak.share * 100.0,
                peak.cause.sentence(),
            )?;
            let parts: Vec<String> = Cause::ALL
                .into_iter()
                .filter(|cause| peak.parts.of(*cause) > 0)
                .map(|cause| {
                    format!("{cause} {}", milliseconds(peak.parts.of(cause) as f64 / peak.count as f64))
                })
                .collect();
            writeln!(f, "      longer by, in ms each: {}", parts.join(", "))?;
            self.write_slowest(f, peak)?;
        }
        more(f, self.peaks.len())
    }

    /// What the slowest exchange of a peak did meanwhile, if it says so.
    fn write_slowest(&self, f: &mut fmt::Formatter<'_>, peak: &Peak) -> fmt::Result {
        if let Some(child) = &peak.child {
            let (took, who) = (milliseconds(child.response_us as f64), self.name(&child.peer));
            // As peers name it.
            let name: String =
                child.transaction.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
            let corr = child.correlator;
            writeln!(f, "      of {}: {took} ms in {name} {corr} at {who}", peak.slowest)?;
        }
        if peak.blocked_us > 0 {
            let blocked = milliseconds(peak.blocked_us as f64);
            writeln!(f, "      of {}: blocked for {blocked} ms", peak.slowest)?;
        }
        Ok(())
    }

    fn write_outages(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.outages.is_empty() {
            return Ok(());
        }
        writeln!(f, "outages and their causes")?;
        // The longest first.
        let mut outages: Vec<&Outage> = self.outages.iter().collect();
        outages.sort_by_key(|outage| std::cmp::Reverse(outage.until_ms.saturating_sub(outage.since_ms)));
        for outage in outages.iter().take(REPORT_LINES_MAX) {
            let until = if outage.is_over { "until" } else { "not over at" };
            writeln!(
                f,
                "  {} {until} {} {} → {}: {} failed: {}, {}",
                rfc3339_ms(outage.since_ms),
                rfc3339_ms(outage.until_ms),
                self.name(&outage.peer),
                self.name(&outage.dest),
                outage.count,
                outage.cause,
                outage.sentence(),
            )?;
        }
        more(f, self.outages.len())
    }

    fn write_distant(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for distant in self.distant.iter().take(REPORT_LINES_MAX) {
            let who = match distant.subject {
                Subject::Peer(peer) => self.name(&peer),
                Subject::Link(peer, dest) => format!("the link {} → {}", self.name(&peer), self.name(&dest)),
            };
            let how = if distant.slow { "slow to answer" } else { "distant" };
            let (usual, group) =
                (milliseconds(distant.usual_us as f64), milliseconds(distant.group_us as f64));
            let start = if distant.from_the_start { "from its first record, " } else { "" };
            writeln!(
                f,
                "{who} is {how}: {usual} ms, the group's usual is {group} ms; {start}since {}",
                rfc3339_ms(distant.since_ms)
            )?;
        }
        more(f, self.distant.len())
    }

    fn write_objectives(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for standing in &self.objectives {
            let verdict = match standing.broken {
                true => "BROKEN",
                false if standing.is_without_data() => "no data",
                false => "kept",
            };
            write!(f, "objective {:?} ({} %): {verdict};", standing.name, standing.target * 100.0)?;
            for window in &standing.windows {
                let span = humantime::format_duration(window.window);
                write!(f, " {span}: {} of {}, burn {:.2};", window.good, window.count, window.burn)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:28} {}", "", HEADER)?;
        writeln!(f, "{:28} {}", "all", line(&self.group))?;
        for (peer, level, _) in self.peers.iter().take(REPORT_LINES_MAX) {
            writeln!(f, "{:28} {}", format!("asked {}", self.name(peer)), line(level))?;
        }
        more(f, self.peers.len())?;
        for ((peer, dest), level) in self.links.iter().take(REPORT_LINES_MAX) {
            writeln!(f, "{:28} {}", format!("{} → {}", self.name(peer), self.name(dest)), line(level))?;
        }
        more(f, self.links.len())?;
        self.write_objectives(f)?;
        self.write_distant(f)?;
        self.write_peaks(f)?;
        self.write_outages(f)?;
        accounting::write(f, &self.used, |peer| self.name(peer))?;
        for (peer, _, account) in self.peers.iter().take(REPORT_LINES_MAX) {
            let Account { asked, answered, online_minutes } = account;
            writeln!(
                f,
                "  {:26} asked {asked}, answered {answered}, online at least {online_minutes} min",
                self.name(peer)
            )?;
        }
        self.used_in_groups.write(f, |peer| self.name(peer))?;
        writeln!(f, "  not included: {NOT_MEASURED}")?;
        let Losses { by_agents, discarded, retimed, names_left_out, rounds_unkept } = self.losses;
        if (by_agents, discarded) != (0, 0) {
            writeln!(
                f,
                "{by_agents} records lost by agents, {discarded} rows gone because the store was full"
            )?;
        }
        if retimed > 0 {
            writeln!(
                f,
                "{retimed} records told of a time that can't be, and stand under the one at which they came"
            )?;
        }
        if names_left_out > 0 {
            writeln!(
                f,
                "{names_left_out} times a peer or kind stands as one of the others: its agent brought too many"
            )?;
        }
        if rounds_unkept > 0 {
            writeln!(f, "{rounds_unkept} times names of agents or what they use could not be written")?;
        }
        Ok(())
    }
}

fn line(level: &ServiceLevel) -> String {
    let ms = |us: Option<u64>| us.map_or_else(|| "–".to_owned(), |us| milliseconds(us as f64));
    let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|q| ms(level.times.quantile_us(q)));
    let availability =
        level.availability().map_or_else(|| "–".to_owned(), |share| format!("{:.3} %", share * 100.0));
    let (mean, sigma) = (milliseconds(level.times.mean_us()), milliseconds(level.times.sigma_us()));
    let mut line =
        format!("{:>8} {availability:>10} {mean:>8} {sigma:>8} {p50:>8} {p90:>8} {p99:>8}", level.count);
    for (reason, count) in &level.failed {
        // Writing to a string can't fail.
        let _ = write!(line, "  {count} {reason}");
    }
    line
}

fn more(f: &mut fmt::Formatter<'_>, count: usize) -> fmt::Result {
    match count.saturating_sub(REPORT_LINES_MAX) {
        0 => Ok(()),
        more => writeln!(f, "… and {more} more; --json has all"),
    }
}

const HEADER: &str = "   count  available  mean ms       σ      p50      p90      p99  failed";

/// What the accounting leaves out.
const NOT_MEASURED: &str = "what peers used while nobody collected and they were restarted; by group: framing, \
    multiplexing, encryption and what keeps links up, and the last minute in a group that was left; who used a relay, \
    at the relay: its peers' own figures say it";

/// Characters of a name that are shown.
const NAME_CHARS: usize = 12;
