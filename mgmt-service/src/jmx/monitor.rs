//! Monitors of one attribute of one object, evaluated where the object is (JMX gauge, counter and string monitors).
//!
//! In: the attribute's value, time after time. Out: a crossing, once each time a threshold is crossed: a gauge that stays
//! high or trembles between its thresholds says nothing more.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::bean::{AttributeInfo, AttributeValue, BeanInfo, DynamicBean};
use super::object_name::ObjectName;
use super::operation::{Change, SetOptions, Writable};
use super::value_type::ValueType;
use crate::error::SetError;
use crate::limits::MONITOR_TEXT_BYTES_MAX;

/// What is watched for.
#[derive(Debug, Clone, PartialEq)]
pub enum MonitorKind {
    /// A number that may not rise to `high`; it is well again once it has fallen to `low`.
    Gauge {
        /// Below `high`.
        low: f64,
        /// The threshold.
        high: f64,
    },
    /// A count that says so each time it has grown by `every` since the monitor began, or since it said so last. A count
    /// that falls has begun anew.
    Counter {
        /// At least 1.
        every: u64,
    },
    /// A text that should be `wanted`.
    Text {
        /// What it should be.
        wanted: String,
    },
}

/// What a monitor has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Crossing {
    /// A gauge has reached its high threshold.
    High,
    /// It has come back to its low one.
    Low,
    /// A counter has grown by as much as it may.
    Count,
    /// A text is another than wanted.
    Differs,
    /// It is the wanted one again.
    Matches,
}

impl Crossing {
    /// The crossing as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Low => "low",
            Self::Count => "count",
            Self::Differs => "differs",
            Self::Matches => "matches",
        }
    }
}

/// A monitor; itself a managed object, the thresholds of which can be set.
#[derive(Debug)]
pub struct Monitor {
    object: ObjectName,
    attribute: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    kind: MonitorKind,
    /// The gauge is high, the text differs.
    alarmed: bool,
    /// What the counter was when it said something last.
    counted: Option<u64>,
    crossings: u64,
    last: Option<(Crossing, String)>,
    version: u64,
}

impl Monitor {
    /// A monitor that has seen nothing yet; a gauge whose `low` is not below `high`, or a counter of every 0, never says
    /// anything of itself.
    #[must_use]
    pub fn new(object: ObjectName, attribute: String, kind: MonitorKind) -> Self {
        let (alarmed, counted, crossings, last, version) = (false, None, 0, None, 0);
        let state = Mutex::new(State { kind, alarmed, counted, crossings, last, version });
        Self { object, attribute, state }
    }

    /// The object that is watched.
    #[must_use]
    pub fn object(&self) -> &ObjectName {
        &self.object
    }

    /// The attribute that is watched.
    #[must_use]
    pub fn watched(&self) -> &str {
        &self.attribute
    }

    /// Takes in the value at the time `at` (RFC 3339); what it has crossed. A value of another type says nothing.
    pub fn observe(&self, value: &AttributeValue, at: &str) -> Option<Crossing> {
        let mut state = self.state();
        let crossing = state.judge(value)?;
        state.crossings += 1;
        state.last = Some((crossing, at.to_owned()));
        Some(crossing)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn judge(&mut self, value: &AttributeValue) -> Option<Crossing> {
        match (&self.kind, value) {
            (MonitorKind::Gauge { low, high }, value) => {
                let number = number(value)?;
                let crossing = match self.alarmed {
                    false if number >= *high => Crossing::High,
                    true if number <= *low => Crossing::Low,
                    _ => return None,
                };
                self.alarmed = crossing == Crossing::High;
                Some(crossing)
            }
            (MonitorKind::Counter { every }, AttributeValue::Int(count)) => {
                let count = u64::try_from(*count).ok()?;
                let since = *self.counted.get_or_insert(count);
                if count < since {
                    self.counted = Some(count);
                    return None;
                }
                let steps = (count - since).checked_div(*every)?;
                self.counted = Some(since + steps * every);
                (steps > 0).then_some(Crossing::Count)
            }
            (MonitorKind::Text { wanted }, AttributeValue::Str(text)) => {
                let differs = text != wanted;
                let changed = differs != self.alarmed;
                self.alarmed = differs;
                changed.then_some(if differs { Crossing::Differs } else { Crossing::Matches })
            }
            _ => None,
        }
    }
}

fn number(value: &AttributeValue) -> Option<f64> {
    match value {
        AttributeValue::Int(number) => Some(*number as f64),
        AttributeValue::Float(number) => Some(*number),
        _ => None,
    }
}

impl DynamicBean for Monitor {
    fn info(&self) -> BeanInfo {
        let shown = ATTRIBUTES.into_iter().filter(|(name, _)| self.attribute(name).is_some());
        let info = |(name, description): (&'static str, &'static str)| AttributeInfo {
            name: name.into(),
            description: description.into(),
        };
        BeanInfo { description: "watches one attribute".into(), attributes: shown.map(info).collect() }
    }

    fn attribute(&self, name: &str) -> Option<AttributeValue> {
        let state = self.state();
        match (name, &state.kind) {
            ("object", _) => Some(self.object.to_string().into()),
            ("attribute", _) => Some(self.attribute.as_str().into()),
            ("low", MonitorKind::Gauge { low, .. }) => Some((*low).into()),
            ("high", MonitorKind::Gauge { high, .. }) => Some((*high).into()),
            ("every", MonitorKind::Counter { every }) => Some((*every).into()),
            ("wanted", MonitorKind::Text { wanted }) => Some(wanted.as_str().into()),
            ("alarmed", MonitorKind::Gauge { .. } | MonitorKind::Text { .. }) => Some(state.alarmed.into()),
            ("crossings", _) => Some(state.crossings.into()),
            ("last", _) => state.last.as_ref().map(|(crossing, _)| crossing.as_str().into()),
            ("last_at", _) => state.last.as_ref().map(|(_, at)| at.as_str().into()),
            _ => None,
        }
    }

    fn writable(&self) -> Vec<Writable> {
        let state = self.state();
        let version = state.version;
        let writable = |name: &'static str, value_type| Writable { name: name.into(), value_type, version };
        match &state.kind {
            MonitorKind::Gauge { low, high } => vec![
                writable("low", ValueType::Float { min: f64::MIN, max: *high }),
                writable("high", ValueType::Float { min: *low, max: f64::MAX }),
            ],
            MonitorKind::Counter { .. } => {
                vec![writable("every", ValueType::Int { min: 1, max: i64::MAX })]
            }
            MonitorKind::Text { .. } => {
                vec![writable("wanted", ValueType::Text { bytes_max: MONITOR_TEXT_BYTES_MAX })]
            }
        }
    }

    fn set(&self, name: &str, value: AttributeValue, options: SetOptions) -> Result<Change, SetError> {
        let before = self.attribute(name).ok_or(SetError::NoAttribute)?;
        let writable = self.writable().into_iter().find(|writable| writable.name == name);
        let Writable { value_type, version, .. } = writable.ok_or(SetError::ReadOnly)?;
        let after = value_type.accept(value)?;
        let mut state = self.state();
        if state.version != version || options.expected.is_some_and(|expected| expected != version) {
            return Err(SetError::Stale { version: state.version });
        }
        if !options.dry_run {
            match (&mut state.kind, name, &after) {
                (MonitorKind::Gauge { low, .. }, "low", AttributeValue::Float(set)) => *low = *set,
                (MonitorKind::Gauge { high, .. }, "high", AttributeValue::Float(set)) => *high = *set,
                (MonitorKind::Counter { every }, _, AttributeValue::Int(set)) => *every = set.unsigned_abs(),
                (MonitorKind::Text { wanted }, _, AttributeValue::Str(set)) => wanted.clone_from(set),
                _ => return Err(SetError::ReadOnly),
            }
            state.version += 1;
        }
        Ok(Change { before: Some(before), after, version: state.version })
    }
}

const ATTRIBUTES: [(&str, &str); 10] = [
    ("object", "the object that is watched"),
    ("attribute", "its attribute"),
    ("low", "at or below it a high gauge is well again"),
    ("high", "at or above it the gauge is high"),
    ("every", "how much the counter may grow before it says so"),
    ("wanted", "what the text should be"),
    ("alarmed", "whether the gauge is high or the text differs now"),
    ("crossings", "how often it has said something"),
    ("last", "what it said last: high, low, count, differs or matches"),
    ("last_at", "when, RFC 3339"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor(kind: MonitorKind) -> Monitor {
        Monitor::new("a:b=c".parse().unwrap(), "x".to_owned(), kind)
    }

    fn say<V: Into<AttributeValue>>(monitor: &Monitor, values: Vec<V>) -> Vec<Option<Crossing>> {
        values.into_iter().map(|value| monitor.observe(&value.into(), "now")).collect()
    }

    #[test]
    fn a_gauge_that_trembles_around_its_threshold_says_so_once() {
        let gauge = monitor(MonitorKind::Gauge { low: 5.0, high: 10.0 });
        let said = say(&gauge, vec![9.0, 10.0, 9.0, 11.0, 6.0, 5.0, 4.0, 9.9, 10.0]);
        let (high, low) = (Some(Crossing::High), Some(Crossing::Low));
        assert_eq!(said, [None, high, None, None, None, low, None, None, high]);
        assert_eq!(gauge.attribute("crossings"), Some(AttributeValue::Int(3)));
        assert_eq!((gauge.attribute("alarmed"), gauge.attribute("wanted")), (Some(true.into()), None));
        assert_eq!(say(&gauge, vec![f64::NAN]), [None]);
    }

    #[test]
    fn a_counter_says_so_each_time_it_has_grown_enough_and_bears_a_restart() {
        let counter = monitor(MonitorKind::Counter { every: 10 });
        let count = Some(Crossing::Count);
        let said = say(&counter, vec![100_i64, 109, 110, 111, 145, 149, 150, 3, 12, 13]);
        assert_eq!(said, [None, None, count, None, count, None, count, None, None, count]);
        assert_eq!(say(&monitor(MonitorKind::Counter { every: 0 }), vec![1_i64, 9]), [None, None]);
    }

    #[test]
    fn a_text_says_when_it_differs_and_when_it_is_well_again() {
        let text = monitor(MonitorKind::Text { wanted: "ok".into() });
        let said = say(&text, vec!["ok", "bad", "worse", "ok"]);
        assert_eq!(said, [None, Some(Crossing::Differs), None, Some(Crossing::Matches)]);
    }

    #[test]
    fn thresholds_can_be_set_but_not_past_each_other() {
        let gauge = monitor(MonitorKind::Gauge { low: 5.0, high: 10.0 });
        let set = |name, value: &str| gauge.set(name, value.into(), SetOptions::default());
        assert_eq!(set("high", "20").unwrap().version, 1);
        assert!(set("low", "21").is_err() && set("crossings", "0").is_err() && set("every", "1").is_err());
        assert_eq!(say(&gauge, vec![19.0, 20.0]), [None, Some(Crossing::High)]);
    }
}
