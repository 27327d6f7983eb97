//! Who is distant or slow, and since when: figure 3 read by the machine.
//!
//! In: records. Out: peers whose *best* link is far slower than the group's usual one (so neither is a peer blamed for the
//! other end of one bad link, nor a group for its one far member), then single links that are, between peers that are not.
//! Costs a sort.

use std::collections::BTreeMap;

use overlay::PeerId;
use serde_json::{Value, json};

use crate::arm::{ArmRecord, Status};
use crate::limits::{DISTANT_EXCESS_MIN, DISTANT_SIGMAS, PEAK_RECORDS_MIN};
use crate::peaks::{change_at, median, spread};

/// A peer or a link that stands out.
#[derive(Debug, Clone, PartialEq)]
pub struct Distant {
    /// Who.
    pub subject: Subject,
    /// The median of its best link, or of the link.
    pub usual_us: u64,
    /// The median of the group's peers, or links.
    pub group_us: u64,
    /// Whether most of that time it holds the question itself: slow, not far.
    pub slow: bool,
    /// Since when, in ms since 1970: the first record of the new level.
    pub since_ms: u64,
    /// Whether it was so from its first record on.
    pub from_the_start: bool,
}

/// What stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// All links of a peer.
    Peer(PeerId),
    /// One link: who asks, who is asked.
    Link(PeerId, PeerId),
}

/// One answered exchange: start, response time, hold.
type Sample = (u64, u64, u64);

/// Peers and links that stand out, peers first.
#[must_use]
pub fn distant(records: &[ArmRecord]) -> Vec<Distant> {
    let mut links: BTreeMap<(PeerId, PeerId), Vec<Sample>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.status == Status::Good) {
        let Some(response_us) = record.response_us else { continue };
        let sample = (record.at_ms, response_us, record.hold_us.unwrap_or(0));
        links.entry((record.peer, record.dest)).or_default().push(sample);
    }
    links.retain(|_, samples| samples.len() >= PEAK_RECORDS_MIN);
    // The level that a link has now: of one that changed, the later part.
    let now: BTreeMap<(PeerId, PeerId), u64> =
        links.iter_mut().map(|(link, samples)| (*link, level_now(samples))).collect();
    let mut best: BTreeMap<PeerId, u64> = BTreeMap::new();
    for ((peer, dest), level) in &now {
        for end in [peer, dest] {
            best.entry(*end).and_modify(|best| *best = (*best).min(*level)).or_insert(*level);
        }
    }
    let mut found = Vec::new();
    if best.len() >= GROUP_MIN {
        let (group_us, beyond_us) = usual(best.values().copied().collect());
        for (peer, level) in best.iter().filter(|(_, level)| **level > beyond_us) {
            let of_peer = links.iter().filter(|((asker, asked), _)| asker == peer || asked == peer);
            let samples: Vec<Sample> = of_peer.flat_map(|(_, samples)| samples.iter().copied()).collect();
            found.push(told(Subject::Peer(*peer), samples, *level, group_us, beyond_us));
        }
    }
    if now.len() >= GROUP_MIN {
        let (group_us, beyond_us) = usual(now.values().copied().collect());
        let blamed = |peer: &PeerId| found.iter().any(|distant| distant.subject == Subject::Peer(*peer));
        let single: Vec<_> = now
            .iter()
            .filter(|((peer, dest), level)| **level > beyond_us && !blamed(peer) && !blamed(dest))
            .filter_map(|(link, level)| Some((*link, *level, links.get(link)?.clone())))
            .collect();
        for ((peer, dest), level, samples) in single {
            found.push(told(Subject::Link(peer, dest), samples, level, group_us, beyond_us));
        }
    }
    found
}

/// The median of the newer part, when the link changed its level, else of all. Sorts by time.
fn level_now(samples: &mut [Sample]) -> u64 {
    samples.sort_unstable_by_key(|(at_ms, ..)| *at_ms);
    let times: Vec<u64> = samples.iter().map(|(_, us, _)| *us).collect();
    let change = change_at(&times);
    let mut newer =
        times.get(change..).filter(|newer| newer.len() >= PEAK_RECORDS_MIN).unwrap_or(&times).to_vec();
    median(&mut newer).unwrap_or(0)
}

/// The median of a group, and beyond what one stands out.
fn usual(mut levels: Vec<u64>) -> (u64, u64) {
    let group_us = median(&mut levels).unwrap_or(0);
    let beyond = (spread(&levels, group_us) * DISTANT_SIGMAS) as u64;
    let least = u64::try_from(DISTANT_EXCESS_MIN.as_micros()).unwrap_or(u64::MAX);
    (group_us, group_us.saturating_add(beyond.max(least).max(group_us)))
}

fn told(subject: Subject, mut samples: Vec<Sample>, usual_us: u64, group_us: u64, beyond_us: u64) -> Distant {
    samples.sort_unstable_by_key(|(at_ms, ..)| *at_ms);
    let times: Vec<u64> = samples.iter().map(|(_, us, _)| *us).collect();
    let change = change_at(&times);
    let mut before = times.get(..change).unwrap_or_default().to_vec();
    // Slow before the largest change, too: then it always was.
    let from_the_start = median(&mut before).is_none_or(|before| before > beyond_us);
    let since = samples.get(if from_the_start { 0 } else { change });
    let mut holds: Vec<u64> = samples.iter().skip(change).map(|(.., hold)| *hold).collect();
    Distant {
        subject,
        usual_us,
        group_us,
        slow: median(&mut holds).is_some_and(|hold| hold > usual_us / 2),
        since_ms: since.map_or(0, |(at_ms, ..)| *at_ms),
        from_the_start,
    }
}

impl Distant {
    /// `{peer | link: [peer, dest], usual_us, group_us, slow, since, from_the_start}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = json!({
            "usual_us": self.usual_us, "group_us": self.group_us, "slow": self.slow,
            "since_at": crate::arm::rfc3339_ms(self.since_ms), "from_the_start": self.from_the_start,
        });
        if let Value::Object(fields) = &mut json {
            match self.subject {
                Subject::Peer(peer) => fields.insert("peer".to_owned(), json!(peer.to_string())),
                Subject::Link(peer, dest) => {
                    fields.insert("link".to_owned(), json!([peer.to_string(), dest.to_string()]))
                }
            };
        }
        json
    }
}

/// Peers or links below which nothing is usual.
const GROUP_MIN: usize = 3;
