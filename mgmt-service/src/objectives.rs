//! Service-level objectives: what was promised, and how fast the budget of failures is being spent.
//!
//! In: a TOML file, records. Out: for each objective and window the share that kept it and the burn rate: 1 spends exactly
//! the budget, 0 nothing. An objective is broken when it burns faster than `burn_max` in *all* of its windows, so that
//! neither an old failure nor a single new one cries wolf.
//!
//! ```toml
//! [[objective]]
//! name = "answers come"
//! availability = 0.999          # answered, of all that ended
//!
//! [[objective]]
//! name = "answers are quick"
//! latency_ms = 50               # within so long …
//! share = 0.99                  # … are so many of all that ended
//! transaction = "presence.ping" # these alone; all when absent
//! dest = "bob"                  # name or id; all when absent; `peer` likewise
//! windows = ["5m", "1h"]
//! burn_max = 1.0
//! ```

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use crate::arm::{ArmRecord, Status};

/// What was promised.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// How it is called.
    pub name: String,
    /// The share that must be answered (above 0, below 1).
    availability: Option<f64>,
    /// How long an answer may take.
    latency_ms: Option<f64>,
    /// The share that must be answered within that time.
    share: Option<f64>,
    transaction: Option<String>,
    peer: Option<String>,
    dest: Option<String>,
    #[serde(default = "default_windows")]
    windows: Vec<String>,
    #[serde(default = "default_burn_max")]
    burn_max: f64,
    #[serde(skip)]
    spans: Vec<Duration>,
}

/// Why objectives can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ObjectivesError {
    /// It is not TOML, or has a field that does not exist.
    #[error("read the objectives, line {line}: {reason}")]
    Syntax {
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A value can't be meant.
    #[error("read the objectives: {objective:?}: {reason}")]
    Value {
        /// Of which.
        objective: String,
        /// What is wrong.
        reason: &'static str,
    },
}

/// How an objective stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Which.
    pub name: String,
    /// The share that must be good.
    pub target: f64,
    /// For each window.
    pub windows: Vec<WindowStanding>,
    /// Whether it burns too fast in all windows.
    pub broken: bool,
}

/// How an objective stands within one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowStanding {
    /// The window, up to now.
    pub window: Duration,
    /// Exchanges that ended in it.
    pub count: u64,
    /// Those that kept the objective.
    pub good: u64,
    /// The share of those that did not, by the share that may; 0 without any exchange.
    pub burn: f64,
}

/// The objectives in a TOML text.
///
/// # Errors
/// [`ObjectivesError`], with the line.
pub fn read(text: &str) -> Result<Vec<Objective>, ObjectivesError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        objective: Vec<Objective>,
    }
    let file: File = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let reason = error.message().lines().collect::<Vec<_>>().join(", ");
        ObjectivesError::Syntax { line: before.matches('\n').count() + 1, reason }
    })?;
    file.objective.into_iter().map(Objective::checked).collect()
}

impl Objective {
    fn checked(mut self) -> Result<Self, ObjectivesError> {
        let wrong = |reason| Err(ObjectivesError::Value { objective: self.name.clone(), reason });
        match (self.availability, self.latency_ms, self.share) {
            (Some(_), None, None) | (None, Some(_), Some(_)) => {}
            _ => return wrong("give either availability, or latency_ms and share"),
        }
        if !(self.target() > 0.0 && self.target() < 1.0) {
            return wrong("a share must be above 0 and below 1");
        }
        let is_positive = |number: f64| number > 0.0;
        if self.latency_ms.is_some_and(|ms| !is_positive(ms)) || !is_positive(self.burn_max) {
            return wrong("latency_ms and burn_max must be above 0");
        }
        for window in &self.windows {
            match humantime::parse_duration(window) {
                Ok(span) if span > Duration::ZERO => self.spans.push(span),
                _ => return wrong("windows are durations such as 5m or 1h"),
            }
        }
        if self.spans.is_empty() {
            return wrong("at least one window is needed");
        }
        Ok(self)
    }

    fn target(&self) -> f64 {
        self.availability.or(self.share).unwrap_or(0.0)
    }

    /// The longest window.
    #[must_use]
    pub fn reaches_back(&self) -> Duration {
        self.spans.iter().copied().max().unwrap_or_default()
    }

    /// How it stands at `now_ms`; `name_of` says how a peer is called.
    #[must_use]
    pub fn standing(
        &self,
        records: &[ArmRecord],
        now_ms: u64,
        name_of: impl Fn(&ArmRecord) -> [String; 2],
    ) -> Standing {
        let mut windows: Vec<WindowStanding> = self
            .spans
            .iter()
            .map(|window| WindowStanding { window: *window, count: 0, good: 0, burn: 0.0 })
            .collect();
        for record in records.iter().filter(|record| self.is_about(record, &name_of)) {
            let age_ms = u128::from(now_ms.saturating_sub(record.at_ms));
            for window in windows.iter_mut().filter(|window| age_ms <= window.window.as_millis()) {
                window.count += record.weight();
                window.good += if self.is_kept(record) { record.weight() } else { 0 };
            }
        }
        for window in windows.iter_mut().filter(|window| window.count > 0) {
            let bad = (window.count - window.good) as f64 / window.count as f64;
            window.burn = bad / (1.0 - self.target());
        }
        let broken = windows.iter().all(|window| window.count > 0 && window.burn > self.burn_max);
        Standing { name: self.name.clone(), target: self.target(), windows, broken }
    }

    fn is_about(&self, record: &ArmRecord, name_of: impl Fn(&ArmRecord) -> [String; 2]) -> bool {
        // What the application itself gave up says nothing about the service.
        if !matches!(record.status, Status::Good | Status::Failed) {
            return false;
        }
        if self.transaction.as_deref().is_some_and(|name| name != &*record.transaction) {
            return false;
        }
        if self.peer.is_none() && self.dest.is_none() {
            return true;
        }
        let [peer, dest] = name_of(record);
        let means = |wanted: &Option<String>, id: String, name: String| {
            wanted.as_ref().is_none_or(|wanted| *wanted == id || *wanted == name)
        };
        means(&self.peer, record.peer.to_string(), peer) && means(&self.dest, record.dest.to_string(), dest)
    }

    fn is_kept(&self, record: &ArmRecord) -> bool {
        let in_time = |ms: f64| record.response_us.is_some_and(|us| us as f64 <= ms * 1000.0);
        record.status == Status::Good && self.latency_ms.is_none_or(in_time)
    }
}

impl Standing {
    /// Whether nothing ended that it is about, in any window: nothing says whether it is kept.
    #[must_use]
    pub fn is_without_data(&self) -> bool {
        self.windows.iter().all(|window| window.count == 0)
    }

    /// `{name, target, broken, no_data, windows: [{window_s, count, good, burn}]}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let windows: Vec<Value> = self
            .windows
            .iter()
            .map(|window| {
                json!({ "window_s": window.window.as_secs_f64(), "count": window.count, "good": window.good, "burn": window.burn })
            })
            .collect();
        json!({
            "name": self.name, "target": self.target, "broken": self.broken, "no_data": self.is_without_data(),
            "windows": windows,
        })
    }
}

fn default_windows() -> Vec<String> {
    vec!["5m".to_owned(), "1h".to_owned()]
}

fn default_burn_max() -> f64 {
    1.0
}

#[cfg(test)]
mod tests {
    use overlay::PeerId;

    use super::*;

    const NOW_MS: u64 = 10_000_000;

    /// A record a second, back from now; one in `bad_every` is unanswered.
    fn records(count: u64, bad_every: u64) -> Vec<ArmRecord> {
        let peer = PeerId::random();
        (0..count)
            .map(|second| ArmRecord {
                at_ms: NOW_MS - second * 1000,
                status: if second % bad_every == 0 { Status::Failed } else { Status::Good },
                response_us: Some(second % 100 * 1000),
                ..ArmRecord::empty(peer)
            })
            .collect()
    }

    fn standing(text: &str, records: &[ArmRecord]) -> Standing {
        read(text).unwrap()[0].standing(records, NOW_MS, |_| ["alice".into(), "bob".into()])
    }

    #[test]
    fn burn_is_the_share_of_failures_by_the_share_that_may_fail() {
        let text = "[[objective]]\nname = 'a'\navailability = 0.9\nwindows = ['100s', '1000s']";
        let kept = standing(text, &records(5000, 20));
        assert_eq!(kept.windows[1].count, 1001);
        assert!((kept.windows[1].burn - 0.5).abs() < 0.02 && !kept.broken, "{kept:?}");
        let lost = standing(text, &records(5000, 4));
        assert!((lost.windows[1].burn - 2.5).abs() < 0.02 && lost.broken, "{lost:?}");
        // Failing only now, or only then, breaks nothing.
        let mut now_only = records(5000, 10_000);
        now_only.iter_mut().take(80).for_each(|record| record.status = Status::Failed);
        let standing = standing(text, &now_only);
        assert!(standing.windows[0].burn > 1.0 && !standing.broken, "{standing:?}");
    }

    #[test]
    fn latency_counts_what_was_late_or_lost_and_only_whom_it_is_about() {
        let text =
            "[[objective]]\nname = 'quick'\nlatency_ms = 49.5\nshare = 0.4\ndest = 'bob'\nwindows = ['1h']";
        let quick = standing(text, &records(1000, 10_000));
        assert_eq!((quick.windows[0].count, quick.windows[0].good, quick.broken), (1000, 499, false));
        assert_eq!(quick.to_json()["no_data"], false);
        let other = standing(&text.replace("bob", "carol"), &records(1000, 10_000));
        assert_eq!((other.windows[0].count, other.broken), (0, false));
        assert_eq!(other.to_json()["no_data"], true);
    }

    #[test]
    fn what_cannot_be_meant_is_told_with_its_line() {
        let error = read("[[objective]]\nname = 'a'\navailability = 0.9\nlatency = 5").unwrap_err();
        assert!(
            matches!(&error, ObjectivesError::Syntax { line: 4, reason } if reason.contains("latency")),
            "{error}"
        );
        for (rest, said) in [
            ("", "either availability"),
            ("availability = 1.0", "below 1"),
            ("latency_ms = 5", "latency_ms and share"),
            ("latency_ms = 0\nshare = 0.9", "above 0"),
            ("availability = 0.9\nwindows = ['soon']", "durations"),
            ("availability = 0.9\nwindows = []", "at least one"),
        ] {
            let error = read(&format!("[[objective]]\nname = 'a'\n{rest}")).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert_eq!(read(""), Ok(vec![]));
    }
}
