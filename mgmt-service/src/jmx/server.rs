//! The registry of managed objects (JMX `MBeanServer`).
//!
//! In: names with their objects, patterns. Out: the objects whose names match, in the order of registration. Indexed
//! by domain, key and key with value: a query looks only at the smallest set that its pattern allows, and a bounded one at
//! no more of it than its asker grants. At most `BEANS_MAX` objects; a further one is refused and counted.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::bean::DynamicBean;
use super::object_name::ObjectName;
use super::pattern::ObjectNamePattern;
use super::serials::Serials;
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

/// What a bounded question found.
#[derive(Debug, Clone)]
pub struct FoundPage {
    /// The objects, in the order of registration.
    pub found: Vec<Found>,
    /// After which serial to go on; none when every object was looked at.
    pub next: Option<u64>,
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
        self.read().page(pattern, after, limit, usize::MAX).found
    }

    /// As [`Self::query_page`], but looks at no more than `looks` objects: what a question costs is bounded, whatever it
    /// asks for. A page may have found nothing and yet have a next one.
    #[must_use]
    pub fn query_bounded(
        &self,
        pattern: &ObjectNamePattern,
        after: u64,
        limit: usize,
        looks: usize,
    ) -> FoundPage {
        self.read().page(pattern, after, limit, looks)
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
    beans: BTreeMap<u64, (ObjectName, Arc<dyn DynamicBean>)>,
    index: HashMap<Trait, Serials>,
}

impl Registry {
    fn insert(&mut self, mut name: ObjectName, bean: Arc<dyn DynamicBean>) -> Result<u64, RegisterError> {
        if self.serials.contains_key(&name) {
            self.refused += 1;
            return Err(RegisterError::NameTaken { name: name.to_string() });
        }
        if self.beans.len() >= self.beans_max {
            self.refused += 1;
            return Err(RegisterError::Full { max: self.beans_max });
        }
        self.last_serial += 1;
        self.share_texts(&mut name);
        for shared in traits(&name) {
            let serials = self.index.entry(shared);
            serials
                .and_modify(|serials| serials.insert(self.last_serial))
                .or_insert(Serials::One(self.last_serial));
        }
        self.serials.insert(name.clone(), self.last_serial);
        self.beans.insert(self.last_serial, (name, bean));
        Ok(self.last_serial)
    }

    fn remove(&mut self, serial: u64) -> Option<(ObjectName, Arc<dyn DynamicBean>)> {
        let removed = self.beans.remove(&serial)?;
        self.serials.remove(&removed.0);
        for shared in traits(&removed.0) {
            if self.index.get_mut(&shared).is_some_and(|serials| serials.remove(serial)) {
                self.index.remove(&shared);
            }
        }
        Some(removed)
    }

    /// Puts the texts that other names have too in the place of the name's own: hundreds of names have the same domain,
    /// keys and peers.
    fn share_texts(&self, name: &mut ObjectName) {
        let known = |shared| self.index.get_key_value(&shared).map(|(known, _)| known.clone());
        let Some((domain, keys)) = name.texts_mut() else { return };
        if let Some(Trait::Domain(text)) = known(Trait::Domain(domain.clone())) {
            *domain = text;
        }
        for (key, value) in keys {
            if let Some(Trait::Pair(same_key, same_value)) = known(Trait::Pair(key.clone(), value.clone())) {
                (*key, *value) = (same_key, same_value);
            } else if let Some(Trait::Key(same_key)) = known(Trait::Key(key.clone())) {
                *key = same_key;
            }
        }
    }

    fn page(&self, pattern: &ObjectNamePattern, after: u64, limit: usize, looks: usize) -> FoundPage {
        match self.smallest_set(pattern) {
            Candidates::Nobody => FoundPage { found: Vec::new(), next: None },
            Candidates::All => {
                let later = self.beans.range((Bound::Excluded(after), Bound::Unbounded));
                matching(pattern, later, limit, looks)
            }
            Candidates::These(serials) => {
                let later = serials.later(after).filter_map(|serial| self.beans.get_key_value(&serial));
                matching(pattern, later, limit, looks)
            }
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
    These(&'a Serials),
}

/// Those of the first `looks` objects that match, until there are `limit`.
fn matching<'a>(
    pattern: &ObjectNamePattern,
    later: impl Iterator<Item = (&'a u64, &'a (ObjectName, Arc<dyn DynamicBean>))>,
    limit: usize,
    looks: usize,
) -> FoundPage {
    let (mut found, mut last) = (Vec::new(), None);
    for (look, (serial, (name, bean))) in later.enumerate() {
        if look >= looks || found.len() >= limit {
            return FoundPage { found, next: last };
        }
        last = Some(*serial);
        if pattern.matches(name) {
            found.push(Found { serial: *serial, name: name.clone(), bean: bean.clone() });
        }
    }
    FoundPage { found, next: None }
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
