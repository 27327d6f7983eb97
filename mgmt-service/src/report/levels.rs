//! Service levels and accounting: sums of the store added up by link, by peer, and over all.
//!
//! In: the store's sums. Out: count, failures by reason, times, availability; for each peer what it used.

use std::collections::BTreeMap;

use overlay::PeerId;
use serde_json::{Value, json};

use crate::arm::{Reason, Status};
use crate::store::{Level, Times};

/// How well a service was given.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServiceLevel {
    /// Exchanges that ended.
    pub count: u64,
    /// Those that were answered.
    pub good: u64,
    /// Those that were not, by reason.
    pub failed: BTreeMap<&'static str, u64>,
    /// Those that the application gave up, or of which nothing is known.
    pub unfinished: u64,
    /// The times of those that were answered.
    pub times: Times,
}

impl ServiceLevel {
    fn add(&mut self, level: &Level) {
        self.count += level.count;
        match level.status {
            Status::Good => {
                self.good += level.count;
                self.times.merge(&level.times);
            }
            Status::Failed => {
                let reason = if level.reason == Reason::None { "other" } else { level.reason.as_str() };
                *self.failed.entry(reason).or_default() += level.count;
            }
            Status::Aborted | Status::Unknown => self.unfinished += level.count,
        }
    }

    /// Exchanges that were not answered.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// The share that was answered, of those that were or should have been; none without any.
    #[must_use]
    pub fn availability(&self) -> Option<f64> {
        let all = self.good + self.failures();
        (all > 0).then(|| self.good as f64 / all as f64)
    }

    /// `{count, good, failed: {reason: count}, unfinished, availability, response: {…}}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "count": self.count, "good": self.good, "failed": self.failed, "unfinished": self.unfinished,
            "availability": self.availability(), "response": self.times.to_json(),
        })
    }
}

/// By link: who asked whom.
#[must_use]
pub fn by_link(levels: &[Level]) -> BTreeMap<(PeerId, PeerId), ServiceLevel> {
    let mut links = BTreeMap::<_, ServiceLevel>::new();
    levels.iter().for_each(|level| links.entry((level.peer, level.dest)).or_default().add(level));
    links
}

/// By the peer that was asked: the service that it gave.
#[must_use]
pub fn by_peer(levels: &[Level]) -> BTreeMap<PeerId, ServiceLevel> {
    let mut peers = BTreeMap::<_, ServiceLevel>::new();
    levels.iter().for_each(|level| peers.entry(level.dest).or_default().add(level));
    peers
}

/// Over all.
#[must_use]
pub fn whole_group(levels: &[Level]) -> ServiceLevel {
    let mut group = ServiceLevel::default();
    levels.iter().for_each(|level| group.add(level));
    group
}

/// What a peer used and gave, as far as records tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// Questions that it asked.
    pub asked: u64,
    /// Questions of others that it answered.
    pub answered: u64,
    /// Minutes in which it measured or answered something: a lower bound of the time that it was online.
    pub online_minutes: u64,
}

/// By peer.
#[must_use]
pub fn accounts(levels: &[Level]) -> BTreeMap<PeerId, Account> {
    let mut accounts = BTreeMap::<PeerId, Account>::new();
    for level in levels {
        let asker = accounts.entry(level.peer).or_default();
        // Unreachable means that nothing was sent.
        if level.reason != Reason::Unreachable {
            asker.asked += level.count;
        }
        asker.online_minutes = asker.online_minutes.max(level.minutes);
        if level.status == Status::Good {
            let answerer = accounts.entry(level.dest).or_default();
            answerer.answered += level.count;
            answerer.online_minutes = answerer.online_minutes.max(level.minutes);
        }
    }
    accounts
}
