//! A peer: the rules that ship, and the little that its event loop does between them and the network. What it should
//! have published is kept apart from the rules, to hold them to.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use overlay::limits::FOUND_KEPT_MAX;
use overlay::{
    Advertisement, AdvertisementCache, AdvertisementKind, CacheLimits, Due, GroupId, Keypair, LeaseKeeper,
    Lifetime, PeerId, Publications, SignedAdvertisement,
};

use super::network::{Place, SessionId};

/// What is asked and not answered yet.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) place: Place,
    /// Through which session; a lease request waits for one first.
    pub(super) session: Option<SessionId>,
    /// For a push: the requests that follow; for a lease: none.
    pub(super) push: Option<VecDeque<Vec<u8>>>,
}

/// A peer that may be on or off.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) keypair: Keypair,
    pub(super) is_on: bool,
    /// How often it was started.
    pub(super) life: u32,
    pub(super) leases: LeaseKeeper,
    pub(super) sessions: Vec<Option<SessionId>>,
    pub(super) asked: BTreeMap<u64, Asked>,
    pub(super) timer: Option<Instant>,
    publications: Publications,
    cache: AdvertisementCache,
    sequence: u64,
    /// The sequence with which this life began.
    pub(super) born: u64,
    /// What it publishes by key, with its edition and its end: the truth.
    published: BTreeMap<String, (Advertisement, Instant)>,
}

impl Edge {
    /// A peer that is off.
    pub(super) fn new(now: Instant, keypair: Keypair, places: usize) -> Self {
        Self {
            keypair,
            is_on: false,
            life: 0,
            leases: LeaseKeeper::new(now, []),
            sessions: vec![None; places],
            asked: BTreeMap::new(),
            timer: None,
            publications: Publications::default(),
            cache: AdvertisementCache::new(CacheLimits { total: 500, per_publisher: 126, bytes: 1 << 20 }),
            sequence: 0,
            born: 0,
            published: BTreeMap::new(),
        }
    }

    pub(super) fn id(&self) -> PeerId {
        self.keypair.public().to_peer_id()
    }

    /// Starts at wall time `wall_ms`, with nothing remembered but its key.
    pub(super) fn start(&mut self, now: Instant, wall_ms: u64, meetings: &[PeerId]) {
        let (keypair, life) = (self.keypair.clone(), self.life + 1);
        *self = Self {
            is_on: true,
            life,
            leases: LeaseKeeper::new(now, meetings.iter().copied()),
            born: wall_ms,
            ..Self::new(now, keypair, meetings.len())
        };
    }

    /// Ends: nothing of it is remembered here.
    pub(super) fn end(&mut self) {
        self.is_on = false;
        self.published.clear();
        self.asked.clear();
        self.sessions.fill(None);
    }

    /// Publishes, or publishes anew, and returns what is to be pushed.
    pub(super) fn publish(
        &mut self,
        now: Instant,
        wall_ms: u64,
        key: &str,
        lifetime: Lifetime,
    ) -> Vec<Bytes> {
        let advertisement = Advertisement::new(AdvertisementKind::Service)
            .key(key)
            .attribute("name", self.name(key))
            .body(format!("edition {wall_ms}"));
        let id = advertisement.id(&self.id());
        let end = now + lifetime.local.min(Duration::from_secs(1 << 20));
        assert!(self.publications.keep(now, id, advertisement.clone(), lifetime));
        self.published.insert(key.to_owned(), (advertisement.clone(), end));
        self.sign(now, wall_ms, vec![Due { advertisement, lifetime, withdrawn: false }])
    }

    /// Withdraws, and returns what is to be pushed.
    pub(super) fn withdraw(&mut self, now: Instant, wall_ms: u64, key: &str) -> Vec<Bytes> {
        let Some((advertisement, _)) = self.published.remove(key) else { return Vec::new() };
        let due = self.publications.withdraw(now, GroupId::net(), advertisement.id(&self.id()));
        self.sign(now, wall_ms, due.into_iter().collect())
    }

    /// Lets time pass, and returns what is to be pushed to all.
    pub(super) fn let_time_pass(&mut self, now: Instant, wall_ms: u64) -> Vec<Bytes> {
        self.cache.expire(now);
        let due = self.publications.handle_timeout(now);
        let signed = self.sign(now, wall_ms, due);
        self.leases.handle_timeout(now);
        signed
    }

    /// When it wants to be called again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let times = [self.cache.poll_timeout(), self.publications.poll_timeout(), self.leases.poll_timeout()];
        times.into_iter().flatten().min()
    }

    /// All that is published, signed for one push.
    pub(super) fn everything(&mut self, now: Instant, wall_ms: u64) -> Vec<Bytes> {
        let all = self.publications.all(now);
        self.sign(now, wall_ms, all)
    }

    /// Keeps what was found elsewhere.
    pub(super) fn learn(&mut self, now: Instant, found: SignedAdvertisement) {
        let keep_for = found.lifetime().remote.min(FOUND_KEPT_MAX);
        // A newer edition that is known, or no room, is no fault.
        let _ = self.cache.insert(now, found, keep_for);
    }

    /// The keys of what is published now.
    pub(super) fn keys(&self, now: Instant) -> Vec<String> {
        self.live(now).map(|advertisement| advertisement.key.clone()).collect()
    }

    /// What is published now, in its newest edition.
    pub(super) fn live(&self, now: Instant) -> impl Iterator<Item = &Advertisement> {
        self.published.values().filter(move |(_, end)| *end > now).map(|(advertisement, _)| advertisement)
    }

    /// What no other advertisement in the world is called.
    pub(super) fn name(&self, key: &str) -> String {
        format!("{}/{key}", self.id())
    }

    /// What it believes in without asking anybody.
    pub(super) fn known(&self, now: Instant) -> Vec<Advertisement> {
        let all = overlay::DiscoveryQuery::new().threshold(usize::MAX);
        self.cache.find(now, &all).iter().map(|signed| signed.advertisement().clone()).collect()
    }

    fn sign(&mut self, now: Instant, wall_ms: u64, due: Vec<Due>) -> Vec<Bytes> {
        let mut envelopes = Vec::new();
        for Due { advertisement, lifetime, withdrawn } in due {
            self.sequence = wall_ms.max(self.sequence + 1);
            let sign =
                if withdrawn { SignedAdvertisement::sign_withdrawal } else { SignedAdvertisement::sign };
            let signed = sign(advertisement, lifetime, self.sequence, &self.keypair).unwrap();
            envelopes.push(signed.to_bytes());
            let keep_for = if withdrawn { lifetime.remote } else { lifetime.local.min(lifetime.remote) };
            // The cache may be full of others' advertisements.
            let _ = self.cache.insert(now, signed, keep_for);
        }
        envelopes
    }
}
