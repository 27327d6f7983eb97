//! The registry of managed objects (JMX `MBeanServer`).
//!
//! In: names with their objects, patterns. Out: the objects whose names match, in the order of registration. Indexed
//! by domain, key and key with value: a query looks only at the smallest set that its pattern allows. At most
//! `BEANS_MAX` objects; a further one is refused and counted.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::bean::DynamicBean;
use super::object_name::ObjectName;
use super::pattern::ObjectNamePattern;
use crate::error::RegisterError;
use crate::limits::BEANS_MAX;

/// A handle on a registry; clones share it.
#[derive(Clone)]
pub struct BeanServer {
    registry: Arc<RwLock<Registry>>,
}

/// An object that is registered as long as this value lives.
#[derive(Debug)]
#[must_use = "dropping it unregisters the object"]
pub struct Registration {
    server: BeanServer,
    serial: u64,
}

/// A registered object that a question found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Grows with each registration; where the next page begins.
    pub serial: u64,
    /// The object's name.
    pub name: ObjectName,
    /// The object; it may be unregistered by now.
    pub bean: Arc<dyn DynamicBean>,
}

impl BeanServer {
    /// An empty registry for at most `BEANS_MAX` objects.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity_max(BEANS_MAX)
    }

    /// An empty registry for at most `beans_max` objects.
    #[must_use]
    pub fn with_capacity_max(beans_max: usize) -> Self {
        Self { registry: Arc::new(RwLock::new(Registry { beans_max, ..Registry::default() })) }
    }

    /// Registers an object under a name that no other has.
    ///
    /// # Errors
    /// [`RegisterError::NameTaken`], [`RegisterError::Full`].
    pub fn register(
        &self,
        name: ObjectName,
        bean: Arc<dyn DynamicBean>,
    ) -> Result<Registration, RegisterError> {
        let serial = self.write().insert(name, bean)?;
        Ok(Registration { server: self.clone(), serial })
    }

    /// The object of this name.
    #[must_use]
    pub fn get(&self, name: &ObjectName) -> Option<Arc<dyn DynamicBean>> {
        let registry = self.read();
        let serial = registry.serials.get(name)?;
        registry.beans.get(serial).map(|(_, bean)| bean.clone())
    }

    /// Every object whose name matches, in the order of registration.
    #[must_use]
    pub fn query(&self, pattern: &ObjectNamePattern) -> Vec<(ObjectName, Arc<dyn DynamicBean>)> {
        let found = self.query_page(pattern, 0, usize::MAX);
        found.into_iter().map(|found| (found.name, found.bean)).collect()
    }

    /// The first `limit` objects whose names match and whose serials are above `after` (0: from the beginning).
    ///
    /// Pages that go on after the last serial they saw skip nothing and repeat nothing, whatever is registered or
    /// unregistered meanwhile.
    #[must_use]
    pub fn query_page(&self, pattern: &ObjectNamePattern, after: u64, limit: usize) -> Vec<Found> {
        self.read().page(pattern, after, limit)
    }

    /// How many objects are registered now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().beans.len()
    }

    /// Whether nothing is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `beans` registered now, `beans_registered` and `beans_refused` (full, or a name taken) since the start.
    #[must_use]
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let registry = self.read();
        vec![
            ("beans", registry.beans.len() as u64),
            ("beans_registered", registry.last_serial),
            ("beans_refused", registry.refused),
        ]
    }

    // No user code runs under the lock, so a poisoned one still holds a whole registry.
    fn read(&self) -> RwLockReadGuard<'_, Registry> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Registry> {
        self.registry.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for BeanServer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for BeanServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BeanServer").field("beans", &self.len()).finish_non_exhaustive()
    }
}

impl Registration {
    /// Unregisters the object now.
    pub fn unregister(self) {
        drop(self);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // The object itself is dropped after the lock is free again: its destructor may be anybody's.
        let removed = self.server.write().remove(self.serial);
        drop(removed);
    }
}

/// What objects have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Trait {
    Domain(Arc<str>),
    Key(Arc<str>),
    Pair(Arc<str>, Arc<str>),
}

#[derive(Default)]
struct Registry {
    beans_max: usize,
    last_serial: u64,
    refused: u64,
    serials: HashMap<ObjectName, u64>,
    beans: std::collections::BTreeMap<u64, (ObjectName, Arc<dyn DynamicBean>)>,
    index: HashMap<Trait, BTreeSet<u64>>,
}

impl Registry {
    fn insert(&mut self, name: ObjectName, bean: Arc<dyn DynamicBean>) -> Result<u64, RegisterError> {
        if self.serials.contains_key(&name) {
            self.refused += 1;
            return Err(RegisterError::NameTaken { name: name.to_string() });
        }
        if self.beans.len() >= self.beans_max {
            self.refused += 1;
            return Err(RegisterError::Full { max: self.beans_max });
        }
        self.last_serial += 1;
        for shared in traits(&name) {
            self.index.entry(shared).or_default().insert(self.last_serial);
        }
        self.serials.insert(name.clone(), self.last_serial);
        self.beans.insert(self.last_serial, (name, bean));
        Ok(self.last_serial)
    }

    fn remove(&mut self, serial: u64) -> Option<(ObjectName, Arc<dyn DynamicBean>)> {
        let removed = self.beans.remove(&serial)?;
        self.serials.remove(&removed.0);
        for shared in traits(&removed.0) {
            if let Some(serials) = self.index.get_mut(&shared) {
                serials.remove(&serial);
                if serials.is_empty() {
                    self.index.remove(&shared);
                }
            }
        }
        Some(removed)
    }

    fn page(&self, pattern: &ObjectNamePattern, after: u64, limit: usize) -> Vec<Found> {
        let later = (Bound::Excluded(after), Bound::Unbounded);
        let matching = |(serial, (name, bean)): (&u64, &(ObjectName, Arc<dyn DynamicBean>))| {
            let found = || Found { serial: *serial, name: name.clone(), bean: bean.clone() };
            pattern.matches(name).then(found)
        };
        if pattern.is_everything() {
            return self.beans.range(later).filter_map(matching).take(limit).collect();
        }
        match self.smallest_set(pattern) {
            Candidates::All => self.beans.range(later).filter_map(matching).take(limit).collect(),
            Candidates::Nobody => Vec::new(),
            Candidates::These(serials) => serials
                .range(later)
                .filter_map(|serial| self.beans.get_key_value(serial))
                .filter_map(matching)
                .take(limit)
                .collect(),
        }
    }

    /// The smallest indexed set that holds every match.
    fn smallest_set(&self, pattern: &ObjectNamePattern) -> Candidates<'_> {
        let domain = pattern.literal_domain().map(|domain| Trait::Domain(domain.into()));
        let keys = pattern.keys().map(|(key, value)| match value {
            Some(value) => Trait::Pair(key.into(), value.into()),
            None => Trait::Key(key.into()),
        });
        let mut smallest = Candidates::All;
        for shared in domain.into_iter().chain(keys) {
            let Some(serials) = self.index.get(&shared) else {
                return Candidates::Nobody;
            };
            match smallest {
                Candidates::These(known) if known.len() <= serials.len() => {}
                _ => smallest = Candidates::These(serials),
            }
        }
        smallest
    }
}

enum Candidates<'a> {
    /// The pattern allows no index.
    All,
    /// The pattern asks for something that no object has.
    Nobody,
    These(&'a BTreeSet<u64>),
}

fn traits(name: &ObjectName) -> impl Iterator<Item = Trait> {
    let domain = std::iter::once(Trait::Domain(name.shared_domain().clone()));
    let keys = name
        .shared_keys()
        .iter()
        .flat_map(|(key, value)| [Trait::Key(key.clone()), Trait::Pair(key.clone(), value.clone())]);
    domain.chain(keys)
}

#[cfg(test)]
mod tests;
