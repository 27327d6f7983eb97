//! One ordered set of deadlines for all things of a table; no timer per thing.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// For each key at most one deadline, the next one in O(1), changes in O(log n).
#[derive(Debug, Clone)]
pub struct Deadlines<K> {
    by_time: BTreeSet<(Instant, K)>,
    by_key: HashMap<K, Instant>,
}

impl<K: Ord + Hash + Clone> Deadlines<K> {
    /// No deadlines.
    pub fn new() -> Self {
        Self { by_time: BTreeSet::new(), by_key: HashMap::new() }
    }

    /// Gives `key` the deadline `at`; an earlier one of the same key no longer counts.
    pub fn set(&mut self, key: K, at: Instant) {
        if let Some(old) = self.by_key.insert(key.clone(), at) {
            self.by_time.remove(&(old, key.clone()));
        }
        self.by_time.insert((at, key));
    }

    /// Takes the deadline of `key` away and returns it.
    pub fn remove(&mut self, key: &K) -> Option<Instant> {
        let at = self.by_key.remove(key)?;
        self.by_time.remove(&(at, key.clone()));
        Some(at)
    }

    /// When the next deadline is.
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// The key of the next deadline.
    pub fn first(&self) -> Option<&K> {
        self.by_time.first().map(|(_, key)| key)
    }

    /// The deadline of `key`.
    pub fn get(&self, key: &K) -> Option<Instant> {
        self.by_key.get(key).copied()
    }

    /// Takes out one key whose deadline is not after `now`, the earliest first.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    /// How many keys have a deadline.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no key has a deadline.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

impl<K: Ord + Hash + Clone> Default for Deadlines<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_moved_deadline_does_not_fire_at_its_old_time() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut deadlines = Deadlines::new();
        deadlines.set("lease", start + second);
        deadlines.set("lease", start + 3 * second);
        assert_eq!(deadlines.pop_due(start + 2 * second), None);
        assert_eq!(deadlines.pop_due(start + 3 * second), Some("lease"));
        assert!(deadlines.is_empty());
    }

    #[test]
    fn due_keys_come_earliest_first() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut deadlines = Deadlines::new();
        deadlines.set('b', start + 2 * second);
        deadlines.set('a', start + second);
        deadlines.set('c', start + 3 * second);
        deadlines.remove(&'c');
        let due: Vec<_> = std::iter::from_fn(|| deadlines.pop_due(start + 9 * second)).collect();
        assert_eq!(due, ['a', 'b']);
    }
}
