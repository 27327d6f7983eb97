//! Sets of places in the cache; most hold one, so that one costs no allocation.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// The place of an advertisement in the cache; free again once it is gone.
pub(super) type Slot = u32;

/// At least one slot, in order.
#[derive(Debug)]
pub(super) enum Slots {
    One(Slot),
    Many(BTreeSet<Slot>),
}

impl Slots {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(slots) => slots.len(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        let (one, many) = match self {
            Self::One(slot) => (Some(*slot), None),
            Self::Many(slots) => (None, Some(slots)),
        };
        one.into_iter().chain(many.into_iter().flatten().copied())
    }

    pub(super) fn insert(&mut self, slot: Slot) {
        match self {
            Self::One(known) => *self = Self::Many(BTreeSet::from([*known, slot])),
            Self::Many(slots) => drop(slots.insert(slot)),
        }
    }

    /// Takes `slot` out and says whether the set is empty now.
    pub(super) fn remove(&mut self, slot: Slot) -> bool {
        match self {
            Self::One(known) => *known == slot,
            Self::Many(slots) => {
                slots.remove(&slot);
                slots.is_empty()
            }
        }
    }
}

/// Slots by one property that each advertisement has once.
#[derive(Debug)]
pub(super) struct SlotsBy<K>(HashMap<K, Slots>);

impl<K: Hash + Eq> SlotsBy<K> {
    pub(super) fn get(&self, key: &K) -> Option<&Slots> {
        self.0.get(key)
    }

    pub(super) fn insert(&mut self, key: K, slot: Slot) {
        self.0.entry(key).and_modify(|slots| slots.insert(slot)).or_insert(Slots::One(slot));
    }

    pub(super) fn remove(&mut self, key: &K, slot: Slot) {
        if self.0.get_mut(key).is_some_and(|slots| slots.remove(slot)) {
            self.0.remove(key);
        }
    }
}

impl<K> Default for SlotsBy<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}
