//! What this peer itself keeps published, and when each is pushed again or ends.
//!
//! In: publications and the passing of time. Out: which are due for renewal at the rendezvous.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Deadlines;
use crate::advertisement::{Advertisement, Lifetime};
use crate::id::{AdvertisementId, GroupId};
use crate::limits::{LIFETIME_REMOTE_MAX, PUBLICATIONS_MAX};

/// The advertisements that this peer publishes, and those that it has withdrawn while others may still keep them.
#[derive(Debug, Default)]
pub struct Publications {
    kept: BTreeMap<AdvertisementId, Publication>,
    due: Deadlines<AdvertisementId>,
}

#[derive(Debug)]
struct Publication {
    advertisement: Advertisement,
    lifetime: Lifetime,
    withdrawn: bool,
    ends_at: Option<Instant>,
    /// The longest time for which others may keep one of its editions: one who missed the newest still has an older.
    remote_max: Duration,
}

/// A publication that is due.
#[derive(Debug, PartialEq, Eq)]
pub struct Due {
    /// What is published, without attributes and body when it is withdrawn.
    pub advertisement: Advertisement,
    /// For how long.
    pub lifetime: Lifetime,
    /// It is the withdrawal that is due.
    pub withdrawn: bool,
}

impl Publications {
    /// Keeps `advertisement` published as `id` from `now` on; false when there is no room for another one. Among
    /// withdrawals, the one that ends first makes room.
    pub fn keep(
        &mut self,
        now: Instant,
        id: AdvertisementId,
        advertisement: Advertisement,
        lifetime: Lifetime,
    ) -> bool {
        if self.kept.len() >= PUBLICATIONS_MAX && !self.kept.contains_key(&id) {
            let withdrawn = self.kept.iter().filter(|(_, publication)| publication.withdrawn);
            let Some(oldest) =
                withdrawn.min_by_key(|(_, publication)| publication.ends_at).map(|(id, _)| *id)
            else {
                return false;
            };
            self.kept.remove(&oldest);
            self.due.remove(&oldest);
        }
        let lifetime = Lifetime { remote: lifetime.remote.min(LIFETIME_REMOTE_MAX), ..lifetime };
        self.due.set(id, now + renewal(lifetime));
        let ends_at = now.checked_add(lifetime.local);
        let remote_max =
            self.kept.get(&id).map_or(lifetime.remote, |old| old.remote_max.max(lifetime.remote));
        self.kept.insert(id, Publication { advertisement, lifetime, withdrawn: false, ends_at, remote_max });
        true
    }

    /// Ends the publication `id` in `group`. Its withdrawal is due now, and then like a publication until others have
    /// forgotten what was published. Nothing if it isn't published there.
    pub fn withdraw(&mut self, now: Instant, group: GroupId, id: AdvertisementId) -> Option<Due> {
        let publication = self.kept.get_mut(&id)?;
        let published = !publication.withdrawn && publication.is_live(now);
        if !published || publication.advertisement.group != group {
            return None;
        }
        publication.withdraw(now);
        self.due.set(id, now + renewal(publication.lifetime));
        Some(publication.due())
    }

    /// What must be pushed again at `now`, because others would soon forget it. Ended ones are dropped, or withdrawn
    /// where others may have an older edition for longer than the newest was meant to be kept.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        while let Some(key) = self.due.pop_due(now) {
            let Some(publication) = self.kept.get_mut(&key) else {
                continue;
            };
            if !publication.is_live(now) && publication.may_outlast() {
                publication.withdraw(now);
            }
            if !publication.is_live(now) {
                self.kept.remove(&key);
                continue;
            }
            due.push(publication.due());
            self.due.set(key, now + renewal(publication.lifetime));
        }
        due
    }

    /// All that is published now, for a rendezvous that has just granted a lease.
    pub fn all(&self, now: Instant) -> Vec<Due> {
        self.kept.values().filter(|publication| publication.is_live(now)).map(Publication::due).collect()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.next()
    }
}

impl Publication {
    fn is_live(&self, now: Instant) -> bool {
        self.ends_at.is_none_or(|at| at > now)
    }

    /// Whether others may keep an older edition for longer than the newest.
    fn may_outlast(&self) -> bool {
        !self.withdrawn && self.remote_max > self.lifetime.remote
    }

    fn withdraw(&mut self, now: Instant) {
        self.withdrawn = true;
        self.advertisement.attributes.clear();
        self.advertisement.body.clear();
        self.lifetime.remote = self.remote_max;
        self.ends_at = now.checked_add(self.remote_max);
    }

    fn due(&self) -> Due {
        let Self { advertisement, lifetime, withdrawn, .. } = self;
        Due { advertisement: advertisement.clone(), lifetime: *lifetime, withdrawn: *withdrawn }
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
    use crate::advertisement::AdvertisementKind;

    const SECOND: Duration = Duration::from_secs(1);

    fn id(key: usize) -> AdvertisementId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&key.to_le_bytes());
        AdvertisementId::from_bytes(bytes)
    }

    fn service(key: usize) -> Advertisement {
        Advertisement::new(AdvertisementKind::Service).key(key.to_string()).attribute("name", "x")
    }

    #[test]
    fn it_is_renewed_before_others_forget_it_until_its_own_lifetime_ends() {
        let now = Instant::now();
        let mut publications = Publications::default();
        let lifetime = Lifetime { local: 25 * SECOND, remote: 20 * SECOND };
        publications.keep(now, id(0), service(0), lifetime);
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
        for key in 0..PUBLICATIONS_MAX {
            assert!(publications.keep(now, id(key), service(key), lifetime));
        }
        let one_more = (id(PUBLICATIONS_MAX), service(PUBLICATIONS_MAX));
        assert!(!publications.keep(now, one_more.0, one_more.1.clone(), lifetime));
        assert!(publications.keep(now, id(0), service(0), lifetime));
        assert_eq!(publications.all(now).len(), PUBLICATIONS_MAX);
        publications.withdraw(now, GroupId::net(), id(7)).unwrap();
        assert!(publications.keep(now, one_more.0, one_more.1, lifetime), "a withdrawal makes room");
        assert_eq!(publications.all(now).len(), PUBLICATIONS_MAX);
    }

    #[test]
    fn a_withdrawal_is_told_until_others_have_forgotten_what_was_published() {
        let now = Instant::now();
        let mut publications = Publications::default();
        publications.keep(now, id(0), service(0), Lifetime::while_alive(20 * SECOND));
        assert_eq!(publications.withdraw(now, GroupId::from_bytes([1; 32]), id(0)), None, "another group's");
        let tombstone = publications.withdraw(now + SECOND, GroupId::net(), id(0)).unwrap();
        assert!(tombstone.withdrawn && tombstone.advertisement.attributes.is_empty());
        assert_eq!(publications.withdraw(now + SECOND, GroupId::net(), id(0)), None, "withdrawn already");
        assert_eq!(publications.all(now + 20 * SECOND), [tombstone]);
        assert_eq!(publications.handle_timeout(now + 11 * SECOND).len(), 1);
        assert!(publications.handle_timeout(now + 21 * SECOND).is_empty());
        assert_eq!((publications.all(now + 21 * SECOND).len(), publications.poll_timeout()), (0, None));
    }

    #[test]
    fn a_withdrawal_is_told_for_as_long_as_others_may_have_any_edition() {
        let now = Instant::now();
        let mut publications = Publications::default();
        publications.keep(now, id(0), service(0), Lifetime::while_alive(100 * SECOND));
        publications.keep(now, id(0), service(0), Lifetime::while_alive(20 * SECOND));
        let tombstone = publications.withdraw(now + SECOND, GroupId::net(), id(0)).unwrap();
        assert_eq!(tombstone.lifetime.remote, 100 * SECOND);
        assert_eq!(publications.all(now + 100 * SECOND), [tombstone]);
        assert!(publications.all(now + 101 * SECOND).is_empty());
    }

    #[test]
    fn what_ends_sooner_than_its_older_edition_would_is_withdrawn() {
        let now = Instant::now();
        let mut publications = Publications::default();
        publications.keep(now, id(0), service(0), Lifetime::while_alive(100 * SECOND));
        publications.keep(now, id(0), service(0), Lifetime { local: 5 * SECOND, remote: 20 * SECOND });
        let due = publications.handle_timeout(now + 5 * SECOND);
        assert!(due.len() == 1 && due[0].withdrawn && due[0].lifetime.remote == 100 * SECOND);
    }

    #[test]
    fn a_lifetime_beyond_all_bounds_is_cut() {
        let now = Instant::now();
        let mut publications = Publications::default();
        let forever = Lifetime { local: Duration::MAX, remote: Duration::MAX };
        assert!(publications.keep(now, id(0), service(0), forever));
        assert_eq!(publications.poll_timeout(), Some(now + LIFETIME_REMOTE_MAX / 2));
    }
}
