//! Checks as people, scripts and audit logs read them.
//!
//! In: checks. Out: lines of text, JSON.

use overlay::PeerId;
use serde_json::{Value, json};

use super::{Brief, Check, Checks, Contradiction, Finding, Lie, NotCheckable};

impl Lie {
    /// As a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Changed => "changed",
            Self::NeverSent => "never-sent",
            Self::Dropped => "dropped",
        }
    }
}

impl NotCheckable {
    /// As a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::NoMember => "no-member",
            Self::Refuses => "refuses",
            Self::Forgotten => "forgotten",
            Self::TooOld => "too-old",
            Self::TooEarly => "too-early",
            Self::TooMuch => "too-much",
        }
    }
}

impl Contradiction {
    /// Who says what, as a sentence without its period.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { aggregator, counted, told, .. } = self;
        let child = self.child.map_or_else(String::new, |child| child.to_string());
        let brief =
            |brief: &Option<Brief>| brief.map_or_else(|| "nothing".to_owned(), |brief| brief.to_string());
        let (counted, told) = (brief(counted), brief(told));
        match self.lie {
            Lie::Sum => format!("{aggregator} reported {counted}; its parts are {told}"),
            Lie::Changed => format!("{aggregator} counted {counted} for {child}; that one says {told}"),
            Lie::NeverSent => {
                format!("{aggregator} counted {counted} for {child}; that one sent it nothing so")
            }
            Lie::Dropped => {
                format!("{aggregator} lacks what {child} says that it took and handed on: {told}")
            }
        }
    }
}

impl Checks {
    /// Everything as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (by_aggregator, unverified) = (self.contradicted(), self.unverified());
        let times = |(aggregator, times): (&PeerId, &usize)| json!({"aggregator": aggregator.to_string(), "checks": times});
        json!({
            "checks": self.checks.len(),
            "agree": self.agreeing(),
            "contradict": self.contradictions().count(),
            "not_checkable": self.not_checkable().count(),
            "questions": self.questions,
            "bytes": self.bytes,
            "contradicted": by_aggregator.iter().map(times).collect::<Vec<_>>(),
            "unverified": unverified.iter().map(times).collect::<Vec<_>>(),
            "results": self.checks.iter().map(Check::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Check {
    fn to_json(&self) -> Value {
        let path: Vec<String> = self.path.iter().map(PeerId::to_string).collect();
        let direction = if self.down { "down" } else { "up" };
        let mut json = json!({"interval": self.interval, "direction": direction, "path": path});
        let more = match &self.finding {
            Finding::Agrees => json!({"result": "agrees"}),
            Finding::NotCheckable(peer, why) => {
                json!({"result": "not-checkable", "peer": peer.to_string(), "reason": why.as_str()})
            }
            Finding::Contradicts(found) => json!({
                "result": "contradicts",
                "aggregator": found.aggregator.to_string(),
                "child": found.child.map(|child| child.to_string()),
                "reason": found.lie.as_str(),
                "counted": found.counted.map(brief_json),
                "told": found.told.map(brief_json),
            }),
        };
        if let (Some(all), Value::Object(more)) = (json.as_object_mut(), more) {
            all.extend(more);
        }
        json
    }
}

fn brief_json(Brief { reporting, count, failed }: Brief) -> Value {
    json!({"reporting": reporting, "count": count, "failed": failed})
}
