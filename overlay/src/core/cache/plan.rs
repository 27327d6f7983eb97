//! The index by attribute, and where in it the answers to a query are.
//!
//! In: attributes that come and go, conditions. Out: the smallest sets of slots that hold all answers. Finding them
//! costs a few times the size of the smallest, whatever the size of the others, and never more than 0.2 ms a condition.

use std::collections::btree_map::Range;
use std::collections::{BTreeMap, HashMap};

use super::slots::{Slot, Slots};
use super::span::Span;
use crate::advertisement::{Condition, Value, ValueKey};

/// The slots of each attribute's values, in the order of the values.
#[derive(Debug, Default)]
pub(super) struct AttributeIndex(HashMap<String, BTreeMap<ValueKey, Slots>>);

/// Slots among which all answers are.
#[derive(Debug)]
pub(super) enum Plan<'a> {
    /// These.
    Slots(&'a Slots),
    /// Those of these values.
    Values(Range<'a, ValueKey, Slots>),
    /// Those of each of these, some perhaps more than once.
    Union(Vec<Self>),
}

impl AttributeIndex {
    pub(super) fn insert(&mut self, attributes: &BTreeMap<String, Value>, slot: Slot) {
        for (name, value) in attributes {
            if !self.0.contains_key(name) {
                self.0.insert(name.clone(), BTreeMap::new());
            }
            let Some(values) = self.0.get_mut(name) else { continue };
            let of_value = values.entry(ValueKey::of(value));
            of_value.and_modify(|slots| slots.insert(slot)).or_insert(Slots::One(slot));
        }
    }

    pub(super) fn remove(&mut self, attributes: &BTreeMap<String, Value>, slot: Slot) {
        for (name, value) in attributes {
            let Some(values) = self.0.get_mut(name) else { continue };
            let key = ValueKey::of(value);
            if values.get_mut(&key).is_some_and(|slots| slots.remove(slot)) {
                values.remove(&key);
            }
            if values.is_empty() {
                self.0.remove(name);
            }
        }
    }

    /// A plan for each condition that the index helps with; all must hold. Conditions on one attribute become one.
    pub(super) fn plans(&self, conditions: &[Condition]) -> Vec<Plan<'_>> {
        let (mut spans, mut plans) = (BTreeMap::new(), Vec::new());
        self.gather(conditions, &mut spans, &mut plans);
        plans.extend(spans.into_iter().map(|(attribute, span)| self.values(attribute, &span)));
        plans
    }

    fn gather<'a, 'q>(
        &'a self,
        conditions: &'q [Condition],
        spans: &mut BTreeMap<&'q str, Span>,
        plans: &mut Vec<Plan<'a>>,
    ) {
        for condition in conditions {
            match condition {
                Condition::All(inner) => self.gather(inner, spans, plans),
                Condition::Any(inner) => {
                    let each = inner.iter().map(|one| Plan::rarest(self.plans(std::slice::from_ref(one))));
                    plans.extend(each.collect::<Option<_>>().map(Plan::Union));
                }
                // What has not a value can be anywhere.
                Condition::Not(_) => {}
                one => {
                    let Some((attribute, span)) = Span::of(one) else { continue };
                    let both = match spans.remove(attribute) {
                        Some(known) => known.and(span),
                        None => span,
                    };
                    spans.insert(attribute, both);
                }
            }
        }
    }

    fn values(&self, attribute: &str, span: &Span) -> Plan<'_> {
        let found = self.0.get(attribute).zip(span.bounds());
        found.map_or_else(Plan::nothing, |(values, bounds)| Plan::Values(values.range::<ValueKey, _>(bounds)))
    }
}

impl<'a> Plan<'a> {
    /// No answers.
    pub(super) fn nothing() -> Self {
        Self::Union(Vec::new())
    }

    /// The one with the fewest slots; nothing if there is none. Counts all a little further until one is at its end. When
    /// all have more than [`COUNT_MAX`], a threshold is soon reached in any, and values are taken before larger sets.
    pub(super) fn rarest(mut plans: Vec<Self>) -> Option<Self> {
        let mut max = COUNT_MIN;
        while plans.len() > 1 {
            let counts = plans.iter().map(|plan| plan.count(max)).enumerate();
            match counts.min_by_key(|(_, count)| *count) {
                Some((rarest, count)) if count < max || max >= COUNT_MAX => {
                    return Some(plans.swap_remove(rarest));
                }
                _ => max *= 4,
            }
        }
        plans.pop()
    }

    /// Each slot, some perhaps more than once.
    pub(super) fn slots(self) -> Box<dyn Iterator<Item = Slot> + 'a> {
        match self {
            Self::Slots(slots) => Box::new(slots.iter()),
            Self::Values(values) => Box::new(values.flat_map(|(_, slots)| slots.iter())),
            Self::Union(plans) => Box::new(plans.into_iter().flat_map(Self::slots)),
        }
    }

    /// How many slots there are, counted until there are `max`.
    fn count(&self, max: usize) -> usize {
        let add = |sum: usize, more: usize| Some(sum + more).filter(|sum| *sum < max).ok_or(());
        match self {
            Self::Slots(slots) => slots.len(),
            Self::Values(values) => {
                values.clone().try_fold(0, |sum, (_, slots)| add(sum, slots.len())).unwrap_or(max)
            }
            Self::Union(plans) => {
                plans.iter().try_fold(0, |sum, plan| add(sum, plan.count(max))).unwrap_or(max)
            }
        }
    }
}

/// Slots that are counted at first.
const COUNT_MIN: usize = 64;
/// Slots that are counted at most: 0.1 ms.
const COUNT_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Each number once, and the last digit of each.
    fn numbers(count: Slot) -> AttributeIndex {
        let mut index = AttributeIndex::default();
        for slot in 0..count {
            let (number, digit) = (i64::from(slot), i64::from(slot % 10));
            let attributes = [("number", number.into()), ("digit", digit.into())];
            index.insert(&attributes.map(|(name, value)| (name.to_owned(), value)).into(), slot);
        }
        index
    }

    fn chosen(index: &AttributeIndex, conditions: &[Condition]) -> Option<usize> {
        Plan::rarest(index.plans(conditions)).map(|plan| plan.slots().count())
    }

    #[test]
    fn the_rarest_condition_is_looked_through_and_those_on_one_attribute_are_one() {
        let index = numbers(10_000);
        let digit = Condition::equals("digit", 3);
        assert_eq!(chosen(&index, &[digit.clone(), Condition::below("number", 5_000)]), Some(1_000));
        let few = [Condition::at_least("number", 5_000), Condition::below("number", 5_100)];
        assert_eq!(chosen(&index, &[digit.clone(), Condition::all(few)]), Some(100));
        let either = Condition::any([Condition::equals("number", 7), Condition::below("number", 0)]);
        assert_eq!(chosen(&index, &[digit.clone(), either]), Some(1));
        assert_eq!(chosen(&index, &[digit, Condition::exists("missing")]), Some(0));
        assert_eq!(chosen(&index, &[!Condition::equals("number", 7)]), None);
    }

    #[test]
    fn counting_ends_even_where_everything_is_frequent() {
        let index = numbers(20_000);
        let frequent = [Condition::exists("number"), Condition::exists("digit")];
        assert_eq!(chosen(&index, &frequent), Some(20_000));
    }
}
