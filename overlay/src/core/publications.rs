//! What this peer itself keeps published, and when each is pushed again or ends.
//!
//! In: publications and the passing of time. Out: which are due for renewal at the rendezvous.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Deadlines;
use crate::advertisement::{Advertisement, AdvertisementKind, Lifetime};
use crate::id::GroupId;
use crate::limits::PUBLICATIONS_MAX;

/// The advertisements that this peer publishes, by what makes one replace another.
#[derive(Debug, Default)]
pub(crate) struct Publications {
    kept: HashMap<Key, Publication>,
    due: Deadlines<Key>,
}

type Key = (GroupId, AdvertisementKind, String);

#[derive(Debug)]
struct Publication {
    advertisement: Advertisement,
    lifetime: Lifetime,
    ends_at: Option<Instant>,
}

/// A publication that is due.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) advertisement: Advertisement,
    pub(crate) lifetime: Lifetime,
}

impl Publications {
    /// Keeps `advertisement` published from `now` on; false when there is no room for another one.
    pub(crate) fn keep(&mut self, now: Instant, advertisement: Advertisement, lifetime: Lifetime) -> bool {
        let key = (advertisement.group, advertisement.kind, advertisement.key.clone());
        if self.kept.len() >= PUBLICATIONS_MAX && !self.kept.contains_key(&key) {
            return false;
        }
        self.due.set(key.clone(), now + renewal(lifetime));
        let ends_at = now.checked_add(lifetime.local);
        self.kept.insert(key, Publication { advertisement, lifetime, ends_at });
        true
    }

    /// What must be pushed again at `now`, because others would soon forget it. Ended ones are dropped.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        while let Some(key) = self.due.pop_due(now) {
            let Some(publication) = self.kept.get(&key) else {
                continue;
            };
            if publication.ends_at.is_some_and(|at| at <= now) {
                self.kept.remove(&key);
                continue;
            }
            due.push(publication.due());
            self.due.set(key, now + renewal(publication.lifetime));
        }
        due
    }

    /// All that is published now, for a rendezvous that has just granted a lease.
    pub(crate) fn all(&self, now: Instant) -> Vec<Due> {
        let live = |publication: &&Publication| publication.ends_at.is_none_or(|at| at > now);
        self.kept.values().filter(live).map(Publication::due).collect()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due.next()
    }
}

impl Publication {
    fn due(&self) -> Due {
        Due { advertisement: self.advertisement.clone(), lifetime: self.lifetime }
    }
}

/// Half of what others keep it for, at least a second, or its own end if that is sooner.
fn renewal(lifetime: Lifetime) -> Duration {
    (lifetime.remote / 2).min(lifetime.local).max(Duration::from_secs(1))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_is_renewed_before_others_forget_it_until_its_own_lifetime_ends() {
        let now = Instant::now();
        let mut publications = Publications::default();
        let lifetime = Lifetime { local: 25 * SECOND, remote: 20 * SECOND };
        publications.keep(now, Advertisement::new(AdvertisementKind::Service), lifetime);
        assert!(publications.handle_timeout(now + 9 * SECOND).is_empty());
        assert_eq!(publications.handle_timeout(now + 10 * SECOND).len(), 1);
        assert_eq!(publications.handle_timeout(now + 20 * SECOND).len(), 1);
        assert!(publications.handle_timeout(now + 30 * SECOND).is_empty());
        assert!(publications.all(now + 30 * SECOND).is_empty());
    }

    #[test]
    fn the_same_key_replaces_and_the_bound_holds() {
        let now = Instant::now();
        let mut publications = Publications::default();
        let lifetime = Lifetime::while_alive(60 * SECOND);
        let service = |key: usize| Advertisement::new(AdvertisementKind::Service).key(key.to_string());
        for key in 0..PUBLICATIONS_MAX {
            assert!(publications.keep(now, service(key), lifetime));
        }
        assert!(!publications.keep(now, service(PUBLICATIONS_MAX), lifetime));
        assert!(publications.keep(now, service(0), lifetime));
        assert_eq!(publications.all(now).len(), PUBLICATIONS_MAX);
    }
}
