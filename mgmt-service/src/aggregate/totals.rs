//! The figures of a whole group: what the roots of its trees have kept, added up by interval.
//!
//! In: reports of roots. Out: for each interval and over all, how many peers are in, and the figures of each definition.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::figures::{Figure, Figures};
use super::report::Report;

/// One interval over all roots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Total {
    /// Peers that should be in.
    pub expected: u64,
    /// Peers that are in.
    pub reporting: u64,
    /// What they measured.
    pub figures: Figures,
}

/// The figures of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    length: Duration,
    intervals: BTreeMap<u64, Total>,
    /// Aggregators found.
    pub aggregators: usize,
    /// Those of them that report to nobody.
    pub roots: usize,
    /// Those that did not answer: a root among them is missing in the figures.
    pub unanswered: usize,
    /// Those whose figures are not in, since their intervals are not as long as those of most.
    pub left_out: usize,
}

impl Totals {
    /// Adds a report of a root whose intervals have this length; after the first one, figures of another length are not added.
    pub fn add(&mut self, length: Duration, report: &Report) {
        if self.intervals.is_empty() {
            self.length = length;
        }
        if self.length != length {
            return;
        }
        let total = self.intervals.entry(report.stamp.interval).or_default();
        total.expected = total.expected.saturating_add(report.expected);
        total.reporting = total.reporting.saturating_add(report.reporting);
        total.figures.merge(&report.figures);
    }

    /// How long an interval is.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.length
    }

    /// The last interval with its number.
    #[must_use]
    pub fn last(&self) -> Option<(u64, &Total)> {
        self.intervals.last_key_value().map(|(number, total)| (*number, total))
    }

    /// Each interval with its number, the oldest first.
    pub fn intervals(&self) -> impl Iterator<Item = (u64, &Total)> {
        self.intervals.iter().map(|(number, total)| (*number, total))
    }

    /// The figures of all intervals together.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let mut sum = Figures::default();
        self.intervals.values().for_each(|total| sum.merge(&total.figures));
        sum
    }

    /// When an interval began, in milliseconds since 1970.
    #[must_use]
    pub fn began_ms(&self, interval: u64) -> u64 {
        interval.saturating_mul(u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX))
    }

    /// Everything as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let interval = |(number, total): (u64, &Total)| {
            json!({
                "at": crate::arm::rfc3339_ms(self.began_ms(number)),
                "interval": number,
                "expected": total.expected,
                "reporting": total.reporting,
                "transactions": figures_json(&total.figures),
            })
        };
        json!({
            "interval_ms": u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX),
            "aggregators": self.aggregators,
            "roots": self.roots,
            "unanswered": self.unanswered,
            "left_out": self.left_out,
            "intervals": self.intervals().map(interval).collect::<Vec<_>>(),
            "total": figures_json(&self.figures()),
        })
    }
}

fn figures_json(figures: &Figures) -> Value {
    let transaction = |(name, figure): (&str, &Figure)| {
        let micros =
            |q| figure.response.quantile(q).map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        json!({
            "transaction": name,
            "count": figure.count(),
            "failed": figure.failed,
            "unanswered": figure.unanswered,
            "p50_us": micros(0.5),
            "p95_us": micros(0.95),
            "p99_us": micros(0.99),
        })
    };
    figures.iter().map(transaction).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Stamp;
    use super::*;

    #[test]
    fn roots_add_up_by_interval() {
        let mut totals = Totals::default();
        for (interval, failed) in [(5, 1), (5, 2), (6, 4)] {
            let mut report = Report::of_one(Stamp { interval, boot: failed });
            report.expected = 2;
            report.figures.add("ping", &Figure { failed, unanswered: failed, ..Figure::default() });
            totals.add(Duration::from_secs(60), &report);
        }
        totals.add(Duration::from_secs(1), &Report::of_one(Stamp { interval: 7, boot: 1 }));
        let json = totals.to_json();
        assert_eq!(json["intervals"][0]["expected"], 4);
        assert_eq!(json["intervals"][0]["reporting"], 2);
        assert_eq!(json["intervals"][0]["at"], "1970-01-01T00:05:00.000Z");
        assert_eq!(json["intervals"][0]["transactions"][0]["failed"], 3);
        assert_eq!(json["total"][0]["count"], 7);
        assert_eq!(json["total"][0]["p99_us"], Value::Null);
        assert_eq!(totals.last().map(|(interval, _)| interval), Some(6));
    }
}
