//! What the store says about the last hours: how objectives stand, the slowest peaks with their causes.
//!
//! In: records, objectives, names. Out: JSON for the page. Pure; costs a sort of the records.

use serde_json::{Value, json};

use crate::arm::ArmRecord;
use crate::limits::OUTLOOK_PEAKS_SHOWN_MAX;
use crate::objectives::{Objective, Standing};
use crate::peaks::{Peak, explain};

/// What was seen at the last look.
#[derive(Debug, Clone, Default)]
pub struct Outlook {
    standings: Vec<Standing>,
    peaks: Vec<Peak>,
    peaks_in_all: usize,
    records: usize,
    cut: bool,
}

impl Outlook {
    /// The outlook at `now_ms` on `records`, the newest of them all when they were `cut`; peaks since `peaks_since_ms`.
    #[must_use]
    pub fn of(
        objectives: &[Objective],
        (records, cut): (&[ArmRecord], bool),
        (now_ms, peaks_since_ms): (u64, u64),
        names_of: impl Fn(&ArmRecord) -> [String; 2],
    ) -> Self {
        let standings =
            objectives.iter().map(|objective| objective.standing(records, now_ms, &names_of)).collect();
        let recent = records.partition_point(|record| record.at_ms < peaks_since_ms);
        let mut peaks = explain(records.get(recent..).unwrap_or_default());
        let peaks_in_all = peaks.len();
        peaks.sort_by_key(|peak| std::cmp::Reverse(peak.slowest_us));
        peaks.truncate(OUTLOOK_PEAKS_SHOWN_MAX);
        Self { standings, peaks, peaks_in_all, records: records.len(), cut }
    }

    /// The objectives that burn too fast in all of their windows.
    pub fn broken(&self) -> impl Iterator<Item = &Standing> {
        self.standings.iter().filter(|standing| standing.broken)
    }

    /// `{objectives: [{name, target, broken, windows}], peaks: […], peaks_in_all, records, cut}`, the slowest peak first.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let peaks = self.peaks.iter().map(|peak| {
            json!({
                "peer": peak.peer.to_string(), "dest": peak.dest.to_string(), "transaction": peak.transaction,
                "since_ms": peak.since_ms, "until_ms": peak.until_ms, "count": peak.count,
                "slowest_us": peak.slowest_us, "usual_us": peak.usual_us, "cause": peak.cause.as_str(),
                "sentence": peak.cause.sentence(), "share": peak.share,
            })
        });
        json!({
            "objectives": self.standings.iter().map(Standing::to_json).collect::<Vec<_>>(),
            "peaks": peaks.collect::<Vec<_>>(), "peaks_in_all": self.peaks_in_all, "records": self.records,
            "cut": self.cut,
        })
    }
}

#[cfg(test)]
mod tests {
    use overlay::PeerId;

    use super::*;
    use crate::arm::Status;
    use crate::objectives;

    #[test]
    fn a_slow_receiver_is_the_first_peak_and_breaks_the_objective_that_it_is_about() {
        let (alice, bob) = (PeerId::random(), PeerId::random());
        let record = |second: u64| {
            let slow = (200..230).contains(&second);
            let response_us = Some(if slow { 300_000 } else { 800 });
            let hold_us = Some(if slow { 299_000 } else { 100 });
            ArmRecord {
                at_ms: second * 1000,
                dest: bob,
                status: Status::Good,
                response_us,
                hold_us,
                ..ArmRecord::empty(alice)
            }
        };
        let records: Vec<ArmRecord> = (0..240).map(record).collect();
        let text = "[[objective]]\nname='quick'\nlatency_ms=50\nshare=0.99\nwindows=['1m','4m']\n\
                    [[objective]]\nname='there'\navailability=0.9";
        let objectives = objectives::read(text).unwrap();
        let names = |_: &ArmRecord| ["alice".to_owned(), "bob".to_owned()];
        let outlook = Outlook::of(&objectives, (&records, false), (240_000, 0), names);
        assert_eq!(outlook.broken().map(|standing| standing.name.as_str()).collect::<Vec<_>>(), ["quick"]);
        let json = outlook.to_json();
        assert_eq!((&json["peaks"][0]["cause"], &json["peaks_in_all"]), (&json!("remote-hold"), &json!(1)));
        // What lies before the span is no peak of it.
        let later = Outlook::of(&objectives, (&records, true), (240_000, 235_000), names).to_json();
        assert_eq!((&later["peaks_in_all"], &later["cut"]), (&json!(0), &json!(true)));
    }
}
