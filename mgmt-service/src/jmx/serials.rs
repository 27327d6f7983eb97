//! The numbers of the objects that have something in common, such as the value of a key.
//!
//! In: numbers that come and go. Out: those above one, ascending. Most values are one object's alone, and cost no node of
//! a tree.

use std::collections::BTreeSet;
use std::ops::Bound;

/// A set of serials, ascending.
#[derive(Debug)]
pub(super) enum Serials {
    One(u64),
    Many(BTreeSet<u64>),
}

impl Serials {
    /// Adds a serial.
    pub(super) fn insert(&mut self, serial: u64) {
        match self {
            Self::One(known) => *self = Self::Many([*known, serial].into()),
            Self::Many(serials) => {
                serials.insert(serial);
            }
        }
    }

    /// Removes a serial; true when none is left.
    pub(super) fn remove(&mut self, serial: u64) -> bool {
        match self {
            Self::One(known) => *known == serial,
            Self::Many(serials) => {
                serials.remove(&serial);
                serials.is_empty()
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(serials) => serials.len(),
        }
    }

    /// Those above `after`.
    pub(super) fn later(&self, after: u64) -> impl Iterator<Item = u64> {
        let (one, many) = match self {
            Self::One(serial) => (Some(*serial).filter(|serial| *serial > after), None),
            Self::Many(serials) => (None, Some(serials.range((Bound::Excluded(after), Bound::Unbounded)))),
        };
        one.into_iter().chain(many.into_iter().flatten().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_becomes_many_and_none() {
        let mut serials = Serials::One(3);
        assert!(!serials.remove(4) && serials.later(2).eq([3]) && serials.later(3).next().is_none());
        serials.insert(7);
        assert!(serials.later(0).eq([3, 7]) && serials.later(3).eq([7]) && serials.len() == 2);
        assert!(!serials.remove(3) && serials.remove(7));
        assert!(Serials::One(3).remove(3));
    }
}
