//! The board: what the dashboard shows, as it is now (paper, figures 3 and 8).
//!
//! In: agents, records, the passing of time. Out: the state as JSON, the points of one chart. Bounded: the matrix by its
//! own limits, charts by `BOARD_CHARTS_MAX`, records by `BOARD_RECORDS_MAX`, agents by `AGENTS_MAX`; those that the
//! collection forgets make room.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use overlay::PeerId;
use serde_json::{Value, json};

use super::hearing::Hearing;
use super::trace::Trace;
use crate::arm::{ArmRecord, Status, time_of};
use crate::latency::{Latency, LatencyMatrix};
use crate::limits::{
    AGENTS_MAX, BOARD_ALL_POINTS_MAX, BOARD_CHARTS_MAX, BOARD_PAIR_POINTS_MAX, BOARD_PAIRS_SHOWN_MAX,
    BOARD_PEERS_SHOWN_MAX, BOARD_RECORDS_MAX, REPORTING_WINDOW,
};

/// What is known now. Times are milliseconds since 1970.
#[derive(Debug)]
pub struct Board {
    group: String,
    matrix: LatencyMatrix,
    agents: BTreeMap<PeerId, AgentRow>,
    all: Trace,
    pairs: BTreeMap<(PeerId, PeerId), Trace>,
    latest: VecDeque<ArmRecord>,
    records: u64,
    charts_beyond: u64,
    hearing: Hearing,
}

/// What did not arrive, as the collection counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss {
    /// Records that agents lost because they were not taken in time.
    pub dropped: u64,
    /// Agents that are there and not followed, since there are too many.
    pub agents_beyond: u64,
}

/// One agent.
#[derive(Debug, Default)]
struct AgentRow {
    name: String,
    application: String,
    records: u64,
    failed: u64,
    /// When its last record arrived, by the manager's clock.
    heard_at_ms: Option<u64>,
    /// By which id it is asked, where it is seen under a pseudonym.
    asked_as: Option<PeerId>,
    /// Whether there is a pipe to it.
    is_reached: bool,
}

impl Board {
    /// An empty board of a manager in the group whose id is `group`.
    #[must_use]
    pub fn new(group: String) -> Self {
        Self {
            group,
            matrix: LatencyMatrix::new(),
            agents: BTreeMap::new(),
            all: Trace::new(BOARD_ALL_POINTS_MAX),
            pairs: BTreeMap::new(),
            latest: VecDeque::new(),
            records: 0,
            charts_beyond: 0,
            hearing: Hearing::always(REPORTING_WINDOW),
        }
    }

    /// Notes what an agent says of itself. Names are kept as they are: whoever shows them has to escape them.
    pub fn learn(&mut self, peer: PeerId, name: &str, application: &str) {
        if self.agents.len() >= AGENTS_MAX && !self.agents.contains_key(&peer) {
            return;
        }
        let row = self.agents.entry(peer).or_default();
        if row.name != name {
            self.matrix.name_peer(peer, name);
            name.clone_into(&mut row.name);
        }
        if row.application != application {
            application.clone_into(&mut row.application);
        }
    }

    /// Makes room for all of the agents that are `known`, at most `AGENTS_MAX`: when there is none, the others go.
    pub fn make_room(&mut self, known: &BTreeSet<PeerId>) {
        let new = known.iter().filter(|peer| !self.agents.contains_key(peer)).count();
        if self.agents.len() + new > AGENTS_MAX {
            self.agents.retain(|peer, _| known.contains(peer));
        }
    }

    /// Names a peer without counting it as an agent: one that the store knows.
    pub fn name(&mut self, peer: PeerId, name: &str, application: &str) {
        if self.agents.contains_key(&peer) {
            self.learn(peer, name, application);
        } else if !name.is_empty() {
            self.matrix.name_peer(peer, name);
        }
    }

    /// Agents count as silent when their last record is older than `window`, instead of `REPORTING_WINDOW`: longer for
    /// those that measure seldom. To be said before [`Self::listens`].
    pub fn silent_after(&mut self, window: Duration) {
        self.hearing = Hearing::always(window);
    }

    /// Notes that the manager listens at `now_ms`, and whether agents send at once (`live`) or gather a minute; without
    /// that they send at once.
    pub fn listens(&mut self, now_ms: u64, live: bool) {
        self.hearing.listens(now_ms, live);
    }

    /// Agents that have reported and do not any more.
    #[must_use]
    pub fn silent(&self, now_ms: u64) -> Vec<PeerId> {
        let silent =
            |row: &AgentRow| row.heard_at_ms.is_some_and(|at_ms| self.hearing.is_silent(now_ms, at_ms));
        self.agents.iter().filter(|(_, row)| silent(row)).map(|(peer, _)| *peer).collect()
    }

    /// Notes that the agent seen as `seen_as` has to be asked as `peer`; only after [`Self::learn`].
    pub fn seen_as(&mut self, seen_as: PeerId, peer: PeerId) {
        if let Some(row) = self.agents.get_mut(&seen_as).filter(|_| seen_as != peer) {
            row.asked_as = Some(peer);
        }
    }

    /// Notes whether there is a pipe to an agent; only after [`Self::learn`]. Who has not measured anything yet reports by
    /// that.
    pub fn reaches(&mut self, peer: PeerId, is_reached: bool) {
        if let Some(row) = self.agents.get_mut(&peer) {
            row.is_reached = is_reached;
        }
    }

    /// By which id an agent is asked that is seen as `peer`.
    #[must_use]
    pub fn asked_as(&self, peer: PeerId) -> PeerId {
        self.agents.get(&peer).and_then(|row| row.asked_as).unwrap_or(peer)
    }

    /// Counts a record that arrived at `now_ms`.
    pub fn record(&mut self, now_ms: u64, record: &ArmRecord) {
        self.records += 1;
        self.matrix.record(record);
        if self.agents.len() < AGENTS_MAX || self.agents.contains_key(&record.peer) {
            let row = self.agents.entry(record.peer).or_default();
            row.records += 1;
            row.failed += u64::from(record.status == Status::Failed);
            row.heard_at_ms = Some(now_ms);
        }
        let at_ms = time_of(record.at_ms, now_ms);
        self.all.record(at_ms, record);
        let pair = (record.peer, record.dest);
        if self.pairs.len() < BOARD_CHARTS_MAX || self.pairs.contains_key(&pair) {
            self.pairs.entry(pair).or_insert_with(|| Trace::new(BOARD_PAIR_POINTS_MAX)).record(at_ms, record);
        } else {
            self.charts_beyond += 1;
        }
        if self.latest.len() >= BOARD_RECORDS_MAX {
            self.latest.pop_front();
        }
        self.latest.push_back(record.clone());
    }

    /// Agents that are known, and those that report: their last record is not too old, `REPORTING_WINDOW`, unless
    /// [`Self::silent_after`] says otherwise, and while they gather a minute and a margin more; or there is none yet, and a
    /// pipe to them.
    #[must_use]
    pub fn completeness(&self, now_ms: u64) -> (usize, usize) {
        let window_ms = self.hearing.window_ms(now_ms);
        let reporting = self.agents.values().filter(|row| row.is_reporting(now_ms, window_ms)).count();
        (self.agents.len(), reporting)
    }

    /// By which id the one agent of this name is asked; none when there is none or more than one.
    #[must_use]
    pub fn called(&self, name: &str) -> Option<PeerId> {
        let called = self.agents.iter().filter(|(_, row)| row.name == name);
        let mut called = called.map(|(peer, row)| row.asked_as.unwrap_or(*peer));
        called.next().filter(|_| called.next().is_none())
    }

    /// Pairs of peers in the matrix.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.matrix.len()
    }

    /// The points of the pair, or of all pairs: the series and distribution of [`Trace::to_json`] with the pair's
    /// `summary`. None for a pair of which nothing is known.
    #[must_use]
    pub fn chart(&self, pair: Option<(PeerId, PeerId)>) -> Option<Value> {
        let (trace, latency) = match pair {
            None => (&self.all, self.matrix.overall()),
            Some((peer, dest)) => (self.pairs.get(&(peer, dest))?, self.matrix.pair(&peer, &dest)?),
        };
        let mut chart = trace.to_json();
        if let Value::Object(fields) = &mut chart {
            fields.insert("summary".to_owned(), latency.to_json());
        }
        Some(chart)
    }

    /// Everything but the charts: `{at_ms, agents:{expected, reporting}, records, lost, overall, groups:[…], peers:[…],
    /// pairs:[…], pairs_in_all, peers_in_all, latest:[…]}`; the slowest pairs first, the latest record first.
    #[must_use]
    pub fn to_json(&self, now_ms: u64, loss: Loss) -> Value {
        let (expected, reporting) = self.completeness(now_ms);
        let mut pairs: Vec<(PeerId, PeerId, Latency)> = self.matrix.pairs().collect();
        // A pair without any answer stands before all others.
        let slowness = |latency: &Latency| match latency.response.count {
            0 => f64::MAX,
            _ => latency.response.mean_us,
        };
        pairs.sort_by(|(.., left), (.., right)| slowness(right).total_cmp(&slowness(left)));
        let shown = pairs.iter().take(BOARD_PAIRS_SHOWN_MAX).map(|(peer, dest, latency)| {
            let mut pair = latency.to_json();
            if let Value::Object(fields) = &mut pair {
                fields.insert("peer".to_owned(), json!(peer.to_string()));
                fields.insert("dest".to_owned(), json!(dest.to_string()));
            }
            pair
        });
        let (agents, window_ms) = (self.agents.iter(), self.hearing.window_ms(now_ms));
        let peers =
            agents.take(BOARD_PEERS_SHOWN_MAX).map(|(peer, row)| row.to_json(peer, now_ms, window_ms));
        json!({
            "at_ms": now_ms,
            "agents": { "expected": expected, "reporting": reporting, "beyond": loss.agents_beyond },
            "records": self.records,
            "lost": loss.dropped,
            "charts_beyond": self.charts_beyond,
            "overall": self.matrix.overall().to_json(),
            "groups": [{ "group": self.group, "agents": expected, "reporting": reporting, "records": self.records }],
            "peers": peers.collect::<Vec<_>>(),
            "peers_in_all": self.agents.len(),
            "pairs": shown.collect::<Vec<_>>(),
            "pairs_in_all": pairs.len(),
            "pairs_beyond": self.matrix.pairs_beyond(),
            "latest": self.latest.iter().rev().map(ArmRecord::to_json).collect::<Vec<_>>(),
        })
    }
}

impl AgentRow {
    fn is_reporting(&self, now_ms: u64, window_ms: u64) -> bool {
        self.heard_at_ms.map_or(self.is_reached, |at_ms| now_ms.saturating_sub(at_ms) <= window_ms)
    }

    fn to_json(&self, peer: &PeerId, now_ms: u64, window_ms: u64) -> Value {
        json!({
            "peer": peer.to_string(),
            "name": self.name,
            "application": self.application,
            "records": self.records,
            "failed": self.failed,
            "heard_ms_ago": self.heard_at_ms.map(|at_ms| now_ms.saturating_sub(at_ms)),
            "reporting": self.is_reporting(now_ms, window_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn record(peer: PeerId, dest: PeerId, response_us: u64) -> ArmRecord {
        let response_us = Some(response_us);
        ArmRecord { at_ms: NOW, peer, dest, status: Status::Good, response_us, ..ArmRecord::empty(peer) }
    }

    #[test]
    fn an_agent_that_fell_silent_is_expected_but_not_reporting() {
        let (mut board, alice, bob) = (Board::new("g".into()), PeerId::random(), PeerId::random());
        board.learn(alice, "alice", "im");
        board.learn(bob, "bob", "im");
        board.record(NOW, &record(alice, bob, 10));
        assert_eq!(board.completeness(NOW), (2, 1));
        let later = NOW + 60_001;
        assert_eq!(board.completeness(later), (2, 0));
        assert_eq!((board.silent(NOW), board.silent(later)), (vec![], vec![alice]), "Bob never reported");
        assert_eq!(
            board.to_json(later, Loss::default())["agents"],
            json!({"expected": 2, "reporting": 0, "beyond": 0})
        );
    }

    #[test]
    fn who_has_measured_nothing_reports_as_long_as_it_is_reached_and_who_has_by_its_records() {
        let (mut board, carol) = (Board::new("g".into()), PeerId::random());
        board.learn(carol, "carol", "rendezvous");
        assert_eq!(board.completeness(NOW), (1, 0));
        board.reaches(carol, true);
        assert_eq!(board.completeness(NOW + 3_600_000), (1, 1));
        let shown = board.to_json(NOW, Loss::default())["peers"][0].clone();
        assert_eq!((&shown["reporting"], &shown["heard_ms_ago"]), (&json!(true), &Value::Null));
        board.reaches(carol, false);
        assert_eq!(board.completeness(NOW), (1, 0));
        board.reaches(carol, true);
        board.record(NOW, &record(carol, carol, 10));
        assert_eq!((board.completeness(NOW), board.completeness(NOW + 3_600_000)), ((1, 1), (1, 0)));
    }

    #[test]
    fn the_slowest_pair_and_the_latest_record_come_first() {
        let (mut board, alice, bob) = (Board::new("g".into()), PeerId::random(), PeerId::random());
        board.record(NOW, &record(alice, bob, 10));
        board.record(NOW, &record(bob, alice, 900));
        let state = board.to_json(NOW, Loss { dropped: 3, agents_beyond: 0 });
        assert_eq!(state["pairs"][0]["peer"], json!(bob.to_string()));
        assert_eq!(state["latest"][0]["peer"], json!(bob.to_string()));
        assert_eq!((&state["records"], &state["lost"]), (&json!(2), &json!(3)));
        assert_eq!(board.chart(Some((alice, bob))).unwrap()["response_us"], json!([10]));
        assert_eq!(board.chart(None).unwrap()["summary"]["count"], json!(2));
        assert_eq!(board.chart(Some((alice, alice))), None);
    }

    #[test]
    fn an_agent_under_a_pseudonym_is_asked_by_its_id() {
        let (mut board, peer, pseudonym) = (Board::new("g".into()), PeerId::random(), PeerId::random());
        board.learn(pseudonym, "alice", "im");
        board.seen_as(pseudonym, peer);
        assert_eq!((board.asked_as(pseudonym), board.called("alice")), (peer, Some(peer)));
        assert!(!board.to_json(NOW, Loss::default()).to_string().contains(&peer.to_string()));
        let stranger = PeerId::random();
        assert_eq!(board.asked_as(stranger), stranger);
    }

    #[test]
    fn agents_that_are_forgotten_make_room_for_those_that_come() {
        let mut board = Board::new("g".into());
        for _ in 0..3 {
            let known: BTreeSet<PeerId> = (0..AGENTS_MAX).map(|_| PeerId::random()).collect();
            board.make_room(&known);
            known.iter().for_each(|peer| board.learn(*peer, "new", "im"));
            assert!(known.iter().all(|peer| board.agents.contains_key(peer)));
            assert_eq!(board.completeness(NOW).0, AGENTS_MAX);
        }
    }

    #[test]
    fn a_clock_that_is_far_off_is_not_believed_as_in_the_store() {
        let (mut board, alice, hour) = (Board::new("g".into()), PeerId::random(), 3_600_000);
        let told = [NOW - 25 * hour, NOW + hour, NOW - 25 * hour - 1, NOW + hour + 1, u64::MAX];
        for at_ms in told {
            board.record(NOW, &ArmRecord { at_ms, ..record(alice, alice, 1) });
        }
        let believed = [told[0], NOW, NOW, NOW, told[1]];
        assert_eq!(board.chart(None).unwrap()["at_ms"], json!(believed));
    }

    #[test]
    fn however_many_pairs_report_the_state_stays_bounded() {
        let mut board = Board::new("g".into());
        let peers: Vec<PeerId> = (0..70).map(|_| PeerId::random()).collect();
        for peer in &peers {
            peers.iter().for_each(|dest| board.record(NOW, &record(*peer, *dest, 5)));
        }
        let state = board.to_json(NOW, Loss::default());
        assert_eq!(state["pairs"].as_array().unwrap().len(), BOARD_PAIRS_SHOWN_MAX);
        assert_eq!(state["latest"].as_array().unwrap().len(), BOARD_RECORDS_MAX);
        assert_eq!(board.pairs.len(), BOARD_CHARTS_MAX);
        assert_eq!(state["charts_beyond"], json!(70 * 70 - BOARD_CHARTS_MAX));
    }
}
