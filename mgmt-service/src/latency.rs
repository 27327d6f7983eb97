//! The latency matrix: which pair of peers is how far apart (paper §2.3, figure 3).
//!
//! In: records of any peers. Out: for each pair (peer, dest) count, mean, deviation and quantiles of its
//! response times and how many of its transactions failed; the same over all; as a table and as JSON.
//! Bounded: `MATRIX_PAIRS_MAX` pairs, `MATRIX_PAIR_SAMPLES_MAX` response times each, `MATRIX_NAMES_MAX` names.

use std::collections::{BTreeMap, HashMap};

use overlay::PeerId;
use serde_json::{Value, json};

use crate::arm::{ArmRecord, Status};
use crate::limits::{
    MATRIX_NAMES_MAX, MATRIX_OVERALL_SAMPLES_MAX, MATRIX_PAIR_SAMPLES_MAX, MATRIX_PAIRS_MAX,
};
use crate::summary::{Series, Summary};

mod table;

/// Response times by pair of peers. Its `Display` is a table for a terminal.
#[derive(Debug)]
pub struct LatencyMatrix {
    pairs: BTreeMap<(PeerId, PeerId), Tally>,
    overall: Tally,
    names: HashMap<PeerId, String>,
    pairs_beyond: u64,
    names_beyond: u64,
}

/// What is known of one pair, or of all.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency {
    /// Response times of the answered transactions.
    pub response: Summary,
    /// Transactions that failed: unanswered in time, or not sent.
    pub failed: u64,
    /// Transactions that ended otherwise: aborted, or not known how.
    pub unfinished: u64,
    /// The latest record's response time in microseconds; none when it was not answered.
    pub last_us: Option<u64>,
    /// When the latest record's transaction started, in milliseconds since 1970.
    pub last_at_ms: u64,
}

impl Default for LatencyMatrix {
    fn default() -> Self {
        Self::new()
    }
}

impl LatencyMatrix {
    /// An empty matrix.
    #[must_use]
    pub fn new() -> Self {
        Self {
            pairs: BTreeMap::new(),
            overall: Tally::new(MATRIX_OVERALL_SAMPLES_MAX),
            names: HashMap::new(),
            pairs_beyond: 0,
            names_beyond: 0,
        }
    }

    /// Counts a record, as often as its weight says. One of a pair for which there is no room counts in [`Self::overall`] alone and in
    /// [`Self::pairs_beyond`].
    pub fn record(&mut self, record: &ArmRecord) {
        self.overall.record(record);
        let pair = (record.peer, record.dest);
        if self.pairs.len() >= MATRIX_PAIRS_MAX && !self.pairs.contains_key(&pair) {
            self.pairs_beyond += 1;
            return;
        }
        self.pairs.entry(pair).or_insert_with(|| Tally::new(MATRIX_PAIR_SAMPLES_MAX)).record(record);
    }

    /// Shows `peer` as `name` from now on; one for which there is no room counts in `names_beyond`.
    pub fn name_peer(&mut self, peer: PeerId, name: &str) {
        if self.names.len() >= MATRIX_NAMES_MAX && !self.names.contains_key(&peer) {
            self.names_beyond += 1;
            return;
        }
        self.names.insert(peer, name.to_owned());
    }

    /// What is known of `peer` asking `dest`. Costs a sort of its latest response times.
    #[must_use]
    pub fn pair(&self, peer: &PeerId, dest: &PeerId) -> Option<Latency> {
        self.pairs.get(&(*peer, *dest)).map(Tally::latency)
    }

    /// All pairs, by peer and dest.
    pub fn pairs(&self) -> impl Iterator<Item = (PeerId, PeerId, Latency)> + '_ {
        self.pairs.iter().map(|((peer, dest), tally)| (*peer, *dest, tally.latency()))
    }

    /// How many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is no pair yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// What is known over all pairs, those without room included.
    #[must_use]
    pub fn overall(&self) -> Latency {
        self.overall.latency()
    }

    /// Records that no pair had room for.
    #[must_use]
    pub fn pairs_beyond(&self) -> u64 {
        self.pairs_beyond
    }

    /// `{"pairs":[{peer, peer_name, dest, dest_name, count, mean_us, sigma_us, p50_us, p95_us, p99_us, failed,
    /// unfinished, last_us, last_at_ms}], "overall":{…}, "pairs_beyond", "names_beyond"}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let pairs: Vec<Value> = self
            .pairs()
            .map(|(peer, dest, latency)| {
                let mut pair = latency.to_json();
                if let Value::Object(fields) = &mut pair {
                    fields.insert("peer".to_owned(), json!(peer.to_string()));
                    fields.insert("peer_name".to_owned(), json!(self.names.get(&peer)));
                    fields.insert("dest".to_owned(), json!(dest.to_string()));
                    fields.insert("dest_name".to_owned(), json!(self.names.get(&dest)));
                }
                pair
            })
            .collect();
        json!({
            "pairs": pairs,
            "overall": self.overall().to_json(),
            "pairs_beyond": self.pairs_beyond,
            "names_beyond": self.names_beyond,
        })
    }
}

impl Latency {
    /// The summary's JSON object with `failed`, `unfinished`, `last_us` and `last_at_ms`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = self.response.to_json();
        if let Value::Object(fields) = &mut json {
            fields.insert("failed".to_owned(), json!(self.failed));
            fields.insert("unfinished".to_owned(), json!(self.unfinished));
            fields.insert("last_us".to_owned(), json!(self.last_us));
            fields.insert("last_at_ms".to_owned(), json!(self.last_at_ms));
        }
        json
    }
}

/// A latency in the making.
#[derive(Debug)]
struct Tally {
    series: Series,
    failed: u64,
    unfinished: u64,
    last_us: Option<u64>,
    last_at_ms: u64,
}

impl Tally {
    fn new(samples_max: usize) -> Self {
        Self { series: Series::new(samples_max), failed: 0, unfinished: 0, last_us: None, last_at_ms: 0 }
    }

    fn record(&mut self, record: &ArmRecord) {
        match (record.status, record.response_us) {
            (Status::Good, Some(response_us)) => {
                self.series.add_weighted(response_us, record.weight());
            }
            (Status::Failed, _) => self.failed += record.weight(),
            _ => self.unfinished += record.weight(),
        }
        // Batches of several peers, and timeouts, come out of order.
        if record.at_ms >= self.last_at_ms {
            self.last_at_ms = record.at_ms;
            self.last_us = record.response_us.filter(|_| record.status == Status::Good);
        }
    }

    fn latency(&self) -> Latency {
        Latency {
            response: self.series.summary(),
            failed: self.failed,
            unfinished: self.unfinished,
            last_us: self.last_us,
            last_at_ms: self.last_at_ms,
        }
    }
}

#[cfg(test)]
mod tests;
