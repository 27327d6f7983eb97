//! Figures of transactions by definition, which add up over any number of peers without loss.
//!
//! In: what peers have measured, figures of others. Out: their sum. At most `AGGREGATE_DEFINITIONS_MAX` names; whatever
//! else is named counts under `other`, so that nobody can make figures without end.

use std::collections::BTreeMap;

use crate::arm::{Application, Sketch};
use crate::limits::{AGGREGATE_DEFINITIONS_MAX, TRANSACTION_NAME_BYTES_MAX};

/// Transactions of one definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figure {
    /// Those that ended otherwise than well, answered or not.
    pub failed: u64,
    /// Those that no answer ended.
    pub unanswered: u64,
    /// Response times of those that an answer ended.
    pub response: Sketch,
}

impl Figure {
    /// All transactions.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.response.count().saturating_add(self.unanswered)
    }

    /// Adds `other`.
    pub fn merge(&mut self, other: &Self) {
        self.failed = self.failed.saturating_add(other.failed);
        self.unanswered = self.unanswered.saturating_add(other.unanswered);
        self.response.merge(&other.response);
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            failed: self.failed.saturating_sub(before.failed),
            unanswered: self.unanswered.saturating_sub(before.unanswered),
            response: self.response.since(&before.response),
        }
    }
}

/// Figures by the name of their definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    by_name: BTreeMap<String, Figure>,
}

impl Figures {
    /// All that `application` has measured since it was made.
    #[must_use]
    pub fn of(application: &Application) -> Self {
        let mut figures = Self::default();
        for sketch in application.sketches() {
            let (failed, unanswered) = (sketch.failed, sketch.unanswered);
            figures.add(&sketch.name, &Figure { failed, unanswered, response: sketch.answers });
        }
        figures
    }

    /// What came since they were `before`, an earlier state of them.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let nothing = Figure::default();
        let more = |(name, figure): (&String, &Figure)| {
            let more = figure.since(before.by_name.get(name).unwrap_or(&nothing));
            (more != nothing).then(|| (name.clone(), more))
        };
        Self { by_name: self.by_name.iter().filter_map(more).collect() }
    }

    /// Adds figures of one definition.
    pub fn add(&mut self, name: &str, figure: &Figure) {
        let known = self.by_name.contains_key(name);
        let room = self.by_name.len() < AGGREGATE_DEFINITIONS_MAX && name.len() <= TRANSACTION_NAME_BYTES_MAX;
        let name = if known || room { name } else { OTHER };
        self.by_name.entry(name.to_owned()).or_default().merge(figure);
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        other.by_name.iter().for_each(|(name, figure)| self.add(name, figure));
    }

    /// Counts the smallest two definitions as `other`; false when there is nothing to put together.
    pub(super) fn coarsen(&mut self) -> bool {
        let smallest = |figures: &Self| {
            let named = figures.by_name.iter().filter(|(name, _)| *name != OTHER);
            named.min_by_key(|(_, figure)| figure.count()).map(|(name, _)| name.clone())
        };
        let before = self.by_name.len();
        for _ in 0..2 {
            let Some(figure) = smallest(self).and_then(|name| self.by_name.remove(&name)) else { break };
            self.by_name.entry(OTHER.to_owned()).or_default().merge(&figure);
        }
        self.by_name.len() < before
    }

    /// Each definition with its figures, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Figure)> {
        self.by_name.iter().map(|(name, figure)| (name.as_str(), figure))
    }

    /// The figures of one definition.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Figure> {
        self.by_name.get(name)
    }

    /// Whether some count as others.
    pub(super) fn has_others(&self) -> bool {
        self.by_name.contains_key(OTHER)
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

/// Where definitions beyond the bound count.
const OTHER: &str = "other";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn figure(micros: u64) -> Figure {
        let mut response = Sketch::default();
        response.record(Duration::from_micros(micros));
        Figure { failed: 1, unanswered: 2, response }
    }

    #[test]
    fn names_beyond_the_bound_and_names_too_long_count_as_other() {
        let mut figures = Figures::default();
        for number in 0..AGGREGATE_DEFINITIONS_MAX + 5 {
            figures.add(&format!("name{number}"), &figure(5));
        }
        figures.add(&"x".repeat(TRANSACTION_NAME_BYTES_MAX + 1), &figure(5));
        assert_eq!(figures.iter().count(), AGGREGATE_DEFINITIONS_MAX + 1);
        assert_eq!(figures.get(OTHER).unwrap().count(), 6 * 3);
        while figures.coarsen() {}
        assert_eq!(figures.iter().map(|(name, _)| name).collect::<Vec<_>>(), [OTHER]);
        assert_eq!(figures.get(OTHER).unwrap().count(), (AGGREGATE_DEFINITIONS_MAX as u64 + 6) * 3);
    }

    #[test]
    fn what_came_since_is_what_was_added() {
        let mut figures = Figures::default();
        figures.add("ping", &figure(5));
        figures.add("quiet", &figure(5));
        let before = figures.clone();
        figures.add("ping", &figure(700));
        let since = figures.since(&before);
        assert_eq!(since.iter().count(), 1);
        assert_eq!((since.get("ping").unwrap().count(), since.get("ping").unwrap().failed), (3, 1));
        let mut sum = before;
        sum.merge(&since);
        assert_eq!(sum, figures);
    }
}
