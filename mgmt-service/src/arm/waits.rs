//! How long a process waited for a processor: what the operating system says of its machine, as records carry it.
//!
//! In: slots of some 250 ms, each with the wait within it. Out: the worst of them as a typed metric of the next record,
//! and back. At most `WAITS_TOLD_MAX` wait to be told; then the least is forgotten. A process whose machine has time for
//! it tells nothing.

use std::fmt::Write;
use std::sync::Arc;

use super::record::ArmRecord;
use super::values::{MetricValue, ValueDefinition, ValueKind};
use crate::limits::{VALUE_TEXT_BYTES_MAX, WAIT_TOLD_MIN, WAITS_TOLD_MAX};

/// A slot of time in which a process wanted to run and was not let.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// Start of the slot, in ms since 1970 by the clock of the process.
    pub from_ms: u64,
    /// Its end.
    pub until_ms: u64,
    /// For how long of it, in ms: all threads together, at most the whole slot.
    pub waited_ms: u64,
}

/// Waits that no record has told yet.
#[derive(Debug, Default)]
pub struct Waits(Vec<Wait>);

impl Waits {
    /// What it is in the definition of a transaction whose records tell waits.
    #[must_use]
    pub fn definition() -> ValueDefinition {
        ValueDefinition::new(NAME, "ms", ValueKind::Text)
    }

    /// Adds a slot; one with hardly a wait is left out.
    pub fn add(&mut self, wait: Wait) {
        if u128::from(wait.waited_ms) < WAIT_TOLD_MIN.as_millis() {
            return;
        }
        self.0.push(wait);
        if self.0.len() > WAITS_TOLD_MAX {
            let least = (0..self.0.len()).min_by_key(|at| self.0.get(*at).map(|wait| wait.waited_ms));
            least.map(|least| self.0.remove(least));
        }
    }

    /// The value for the record of a transaction that started at `at_ms`: `FROM+LENGTH:WAITED` of each slot, in ms, its
    /// start relative to `at_ms`; and the slots that it tells, which wait no longer. What it has no room for waits for the
    /// next record. None when there is nothing to tell.
    pub fn tell(&mut self, at_ms: u64) -> Option<(MetricValue, Vec<Wait>)> {
        let (mut text, mut told) = (String::new(), 0);
        for Wait { from_ms, until_ms, waited_ms } in &self.0 {
            let from = i128::from(*from_ms) - i128::from(at_ms);
            let space = if text.is_empty() { "" } else { " " };
            let before = text.len();
            // Writing to a string can't fail.
            let _ = write!(text, "{space}{from}+{}:{waited_ms}", until_ms.saturating_sub(*from_ms));
            if text.len() > VALUE_TEXT_BYTES_MAX {
                text.truncate(before);
                break;
            }
            told += 1;
        }
        (told > 0).then(|| (MetricValue::Text(text.into()), self.0.drain(..told).collect()))
    }
}

impl ArmRecord {
    /// The waits of its peer that it tells; none of a text that is no such thing.
    pub fn waits(&self) -> impl Iterator<Item = Wait> {
        let values = self.details.values.iter().flat_map(|values| values.iter());
        let texts = values.filter_map(|typed| match &typed.value {
            MetricValue::Text(text) if typed.definition.name == NAME => Some(Arc::clone(text)),
            _ => None,
        });
        let at_ms = self.at_ms;
        texts.flat_map(move |text| {
            text.split(' ').filter_map(|wait| read(wait, at_ms)).take(WAITS_TOLD_MAX).collect::<Vec<_>>()
        })
    }
}

fn read(text: &str, at_ms: u64) -> Option<Wait> {
    let (from, rest) = text.split_once('+')?;
    let (length, waited) = rest.split_once(':')?;
    let (from, length, waited): (i64, u64, u64) =
        (from.parse().ok()?, length.parse().ok()?, waited.parse().ok()?);
    let from_ms = at_ms.checked_add_signed(from)?;
    Some(Wait { from_ms, until_ms: from_ms.checked_add(length)?, waited_ms: waited.min(length) })
}

/// The metric's name; it never changes.
const NAME: &str = "waits";

#[cfg(test)]
mod tests {
    use overlay::PeerId;

    use super::*;
    use crate::arm::{Details, TypedValue};

    fn told(value: MetricValue) -> Vec<Wait> {
        let values = [TypedValue { definition: Arc::new(Waits::definition()), value }];
        let details = Details { values: Some(Arc::new(values)), ..Details::default() };
        let record = ArmRecord { at_ms: 1_000_000, details, ..ArmRecord::empty(PeerId::random()) };
        record.waits().collect()
    }

    fn wait(from_ms: u64, waited_ms: u64) -> Wait {
        Wait { from_ms, until_ms: from_ms + 250, waited_ms }
    }

    #[test]
    fn what_is_told_is_read_back_once_and_the_least_makes_room() {
        let mut waits = Waits::default();
        waits.add(wait(999_000, 2));
        assert_eq!(waits.tell(1_000_000), None, "a machine that has time is no news");
        waits.add(wait(1_000_100, 250));
        waits.add(wait(999_000, 30));
        let (value, slots) = waits.tell(1_000_000).unwrap();
        assert_eq!(value, MetricValue::Text("100+250:250 -1000+250:30".into()));
        assert_eq!(told(value), slots);
        assert_eq!(slots, [wait(1_000_100, 250), wait(999_000, 30)]);
        assert_eq!(waits.tell(1_000_000), None);
        for at in 0..WAITS_TOLD_MAX as u64 + 1 {
            waits.add(wait(at * 250, 100 + at % 7));
        }
        let (MetricValue::Text(text), _) = waits.tell(10_000_000).unwrap() else { panic!() };
        assert_eq!(text.split(' ').count(), WAITS_TOLD_MAX);
        assert!(text.len() <= VALUE_TEXT_BYTES_MAX && !text.starts_with("-10000000+"), "{text}");
    }

    #[test]
    fn what_one_record_has_no_room_for_the_next_one_tells() {
        let mut waits = Waits::default();
        let all: Vec<Wait> = (0..WAITS_TOLD_MAX as u64).map(|at| wait(at * 250, 100)).collect();
        all.iter().for_each(|wait| waits.add(*wait));
        // A clock that was set meanwhile makes each of them long.
        let mut slots = Vec::new();
        while let Some((MetricValue::Text(text), told)) = waits.tell(u64::MAX) {
            assert!(text.len() <= VALUE_TEXT_BYTES_MAX && told.len() < all.len(), "{text}");
            slots.extend(told);
        }
        assert_eq!(slots, all);
    }

    #[test]
    fn no_text_of_a_hostile_agent_is_read_as_more_than_it_may_be() {
        for text in ["", " ", "+:", "1+2", "x+1:1", "-9223372036854775808+1:1", "1+18446744073709551615:1"] {
            assert_eq!(told(MetricValue::Text(text.into())), [], "{text}");
        }
        let many = "0+1:18446744073709551615 ".repeat(100);
        assert_eq!(told(MetricValue::Text(many.as_str().into())).len(), WAITS_TOLD_MAX);
        let wait = Wait { from_ms: 1_000_000, until_ms: 1_000_001, waited_ms: 1 };
        assert!(told(MetricValue::Text(many.into())).iter().all(|told| *told == wait));
        assert_eq!(told(MetricValue::Counter(7)), []);
    }
}
