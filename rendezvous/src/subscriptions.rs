//! Subscriptions: who is told of which advertisements, and what each has still to be told.
//!
//! In: subscriptions of lease holders, publications, publishers that have gone, what came of notifications. Out:
//! notifications, one at a time for each holder. What waits is remembered as ids and looked up when it is sent, so a slow
//! holder misses editions in between and never the last. Bounds: [`SUBSCRIPTIONS_MAX`] in all,
//! [`SUBSCRIPTIONS_PER_PEER_MAX`] a peer, [`SUBSCRIPTION_NEWS_MAX`] news a subscription; beyond those, all that answers is told anew.
//! A publication is compared with the subscriptions to its group that name its kind and publisher or none. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use overlay::limits::{
    DISCOVERY_BYTES_MAX, NOTIFICATION_GONE_MAX, SUBSCRIPTION_KNOWN_MAX, SUBSCRIPTIONS_PER_PEER_MAX,
};
use overlay::protocol::notification::Notification;
use overlay::{AdvertisementId, DiscoveryQuery, GroupId, PeerId, RefuseReason, SignedAdvertisement};

use crate::index::{Audience, Index};
use crate::limits::{SUBSCRIPTION_NEWS_MAX, SUBSCRIPTIONS_MAX};

/// What came of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notified {
    /// The subscriber has taken it in.
    Heard,
    /// The subscriber knows no such subscription, or not any more; it ends.
    Refused,
    /// It may not have arrived; the subscriber is told everything anew when it is next heard of.
    Lost,
}

/// All subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    holders: HashMap<PeerId, Holder>,
    by_topic: HashMap<Topic, BTreeSet<(PeerId, u64)>>,
    /// Holders for whom something may wait and nothing is under way.
    ready: VecDeque<PeerId>,
    len: usize,
    restarted: usize,
}

/// What a query names; a publication belongs to four of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Topic {
    audience: Audience,
    group: Option<GroupId>,
    kind: Option<u16>,
    publisher: Option<PeerId>,
}

#[derive(Debug, Default)]
struct Holder {
    subscriptions: BTreeMap<u64, Subscription>,
    state: State,
    /// The subscription that was served last.
    last: u64,
}

/// Whether a holder can be told something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Quiet,
    Ready,
    UnderWay,
    /// It did not answer, or has no session.
    Stalled,
}

#[derive(Debug)]
struct Subscription {
    /// As one of which it is told.
    audience: Audience,
    query: DiscoveryQuery,
    progress: Progress,
    /// What has changed since it was last told, the oldest first, each once.
    news: VecDeque<AdvertisementId>,
    waiting: HashSet<AdvertisementId>,
}

/// How far a subscription is in telling all that answers.
#[derive(Debug)]
enum Progress {
    /// It is to begin.
    Begin,
    /// These are still to be told.
    Telling(Vec<AdvertisementId>),
    /// All is told, but what is news.
    Done,
}

impl Subscriptions {
    /// Begins the subscription `number` of `holder`; one of the same number ends.
    ///
    /// # Errors
    /// [`RefuseReason::Full`] when the holder or all together have as many as they may.
    pub(crate) fn begin(
        &mut self,
        holder: PeerId,
        number: u64,
        audience: Audience,
        query: DiscoveryQuery,
    ) -> Result<(), RefuseReason> {
        self.end(&holder, number);
        let held = self.holders.get(&holder).map_or(0, |holder| holder.subscriptions.len());
        if held >= SUBSCRIPTIONS_PER_PEER_MAX || self.len >= SUBSCRIPTIONS_MAX {
            return Err(RefuseReason::Full);
        }
        self.by_topic.entry(Topic::of(audience, &query)).or_default().insert((holder, number));
        let (news, waiting) = (VecDeque::new(), HashSet::new());
        let subscription = Subscription { audience, query, progress: Progress::Begin, news, waiting };
        self.holders.entry(holder).or_default().subscriptions.insert(number, subscription);
        self.len += 1;
        self.make_ready(&holder);
        Ok(())
    }

    /// Ends one subscription.
    pub(crate) fn end(&mut self, holder: &PeerId, number: u64) {
        let Some(known) = self.holders.get_mut(holder) else { return };
        let Some(ended) = known.subscriptions.remove(&number) else { return };
        // What is under way is still answered, and who waits for its turn is still in line; then the holder goes.
        if known.subscriptions.is_empty() && matches!(known.state, State::Quiet | State::Stalled) {
            self.holders.remove(holder);
        }
        self.leave_topic(&Topic::of(ended.audience, &ended.query), (*holder, number));
        self.len -= 1;
    }

    /// Ends all of a holder's subscriptions.
    pub(crate) fn end_all(&mut self, holder: &PeerId) {
        let numbers: Vec<_> = self
            .holders
            .get(holder)
            .into_iter()
            .flat_map(|known| known.subscriptions.keys().copied())
            .collect();
        numbers.into_iter().for_each(|number| self.end(holder, number));
    }

    /// Ends those of a holder among the members of a closed group.
    pub(crate) fn end_in(&mut self, holder: &PeerId, group: &GroupId) {
        let held = self.holders.get(holder).into_iter().flat_map(|known| &known.subscriptions);
        let there = held
            .filter(|(_, one)| one.audience == Audience::Members && one.query.group.as_ref() == Some(group));
        let numbers: Vec<_> = there.map(|(number, _)| *number).collect();
        numbers.into_iter().for_each(|number| self.end(holder, number));
    }

    /// `new` has taken the place of `old`. Who was told of that hears of it even if `new` doesn't answer any more.
    pub(crate) fn published(
        &mut self,
        audience: Audience,
        old: Option<&SignedAdvertisement>,
        new: &SignedAdvertisement,
    ) {
        self.note(audience, new, |query| query.matches(new) || old.is_some_and(|old| query.matches(old)));
    }

    /// The publisher of `old` has gone, and `old` with it.
    pub(crate) fn gone(&mut self, audience: Audience, old: &SignedAdvertisement) {
        self.note(audience, old, |query| query.matches(old));
    }

    /// Something came from `holder`: it may be told again.
    pub(crate) fn heard_of(&mut self, holder: &PeerId) {
        if let Some(known) = self.holders.get_mut(holder).filter(|known| known.state == State::Stalled) {
            known.state = State::Quiet;
            self.make_ready(holder);
        }
    }

    /// `holder` has no session; it is told nothing until it is heard of.
    pub(crate) fn stall(&mut self, holder: &PeerId) {
        let idle = |known: &&mut Holder| matches!(known.state, State::Quiet | State::Stalled);
        if let Some(known) = self.holders.get_mut(holder).filter(idle) {
            known.state = State::Stalled;
            known.subscriptions.values_mut().for_each(Subscription::restart);
        }
    }

    /// What came of the notification that was under way for `holder`.
    pub(crate) fn notified(&mut self, holder: &PeerId, number: u64, notified: Notified) {
        let Some(known) = self.holders.get_mut(holder) else { return };
        known.state = State::Quiet;
        match notified {
            Notified::Heard => self.make_ready(holder),
            Notified::Refused => {
                self.end(holder, number);
                self.make_ready(holder);
            }
            Notified::Lost => self.stall(holder),
        }
        if self.holders.get(holder).is_some_and(|known| known.subscriptions.is_empty()) {
            self.holders.remove(holder);
        }
    }

    /// The next notification, and for whom; the holder is told nothing more until [`Self::notified`].
    pub(crate) fn poll(&mut self, now: Instant, index: &Index) -> Option<(PeerId, Notification)> {
        while let Some(peer) = self.ready.pop_front() {
            let Some(holder) = self.holders.get_mut(&peer).filter(|holder| holder.state == State::Ready)
            else {
                continue;
            };
            match holder.next(now, index) {
                Some(notification) => {
                    holder.state = State::UnderWay;
                    return Some((peer, notification));
                }
                None if holder.subscriptions.is_empty() => drop(self.holders.remove(&peer)),
                None => holder.state = State::Quiet,
            }
        }
        None
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many had more news than may wait, since the last call.
    pub(crate) fn take_restarted(&mut self) -> usize {
        std::mem::take(&mut self.restarted)
    }

    fn note(
        &mut self,
        audience: Audience,
        signed: &SignedAdvertisement,
        concerns: impl Fn(&DiscoveryQuery) -> bool,
    ) {
        let mut concerned = Vec::new();
        for topic in Topic::all_of(audience, signed) {
            for (peer, number) in self.by_topic.get(&topic).into_iter().flatten() {
                let Some(holder) = self.holders.get_mut(peer) else { continue };
                let Some(subscription) = holder.subscriptions.get_mut(number) else { continue };
                if concerns(&subscription.query) {
                    self.restarted += usize::from(subscription.note(signed.id()));
                    concerned.push(*peer);
                }
            }
        }
        concerned.iter().for_each(|peer| self.make_ready(peer));
    }

    fn make_ready(&mut self, holder: &PeerId) {
        if let Some(known) = self.holders.get_mut(holder).filter(|known| known.state == State::Quiet) {
            known.state = State::Ready;
            // Who is in the midst of it goes on, so that few lists of answers are held at a time.
            if known.is_being_told() {
                self.ready.push_front(*holder);
            } else {
                self.ready.push_back(*holder);
            }
        }
    }

    fn leave_topic(&mut self, topic: &Topic, subscription: (PeerId, u64)) {
        let Some(subscriptions) = self.by_topic.get_mut(topic) else { return };
        subscriptions.remove(&subscription);
        if subscriptions.is_empty() {
            self.by_topic.remove(topic);
        }
    }
}

impl Holder {
    /// Whether the subscription that was served last is in the midst of telling all that answers.
    fn is_being_told(&self) -> bool {
        let last = self.subscriptions.get(&self.last);
        last.is_some_and(|last| matches!(last.progress, Progress::Telling(_)))
    }

    /// The next notification of the next subscription that has something to tell, one after the other.
    fn next(&mut self, now: Instant, index: &Index) -> Option<Notification> {
        let first = if self.is_being_told() { self.last } else { self.last.saturating_add(1) };
        let numbers = self.subscriptions.range(first..).chain(self.subscriptions.range(..first));
        let numbers: Vec<u64> = numbers.map(|(number, _)| *number).collect();
        for number in numbers {
            let next = self.subscriptions.get_mut(&number).and_then(|one| one.next(now, number, index));
            if next.is_some() {
                self.last = number;
                return next;
            }
        }
        None
    }
}

impl Subscription {
    /// Remembers to tell of `id`; whether that was too much, and all is told anew.
    fn note(&mut self, id: AdvertisementId) -> bool {
        if matches!(self.progress, Progress::Begin) || !self.waiting.insert(id) {
            return false;
        }
        self.news.push_back(id);
        let too_many = self.news.len() > SUBSCRIPTION_NEWS_MAX;
        if too_many {
            self.restart();
        }
        too_many
    }

    fn restart(&mut self) {
        self.progress = Progress::Begin;
        self.news.clear();
        self.waiting.clear();
    }

    fn next(&mut self, now: Instant, number: u64, index: &Index) -> Option<Notification> {
        let mut notification = Notification { number, ..Notification::default() };
        if matches!(self.progress, Progress::Begin) {
            let query = self.query.clone().threshold(SUBSCRIPTION_KNOWN_MAX + 1);
            let mut answers: Vec<_> =
                index.find(now, self.audience, &query).iter().map(|signed| signed.id()).collect();
            notification.restart = true;
            notification.cut = answers.len() > SUBSCRIPTION_KNOWN_MAX;
            answers.truncate(SUBSCRIPTION_KNOWN_MAX);
            self.progress = Progress::Telling(answers);
        }
        let mut room = DISCOVERY_BYTES_MAX;
        if let Progress::Telling(answers) = &mut self.progress {
            while let Some(id) = answers.pop() {
                if !fill(&mut notification, &mut room, index.get(self.audience, &id), id) {
                    answers.push(id);
                    return Some(notification);
                }
            }
            self.progress = Progress::Done;
            notification.complete = true;
        }
        while let Some(id) = self.news.pop_front() {
            if !fill(&mut notification, &mut room, index.get(self.audience, &id), id) {
                self.news.push_front(id);
                break;
            }
            self.waiting.remove(&id);
        }
        let says =
            notification.complete || !notification.editions.is_empty() || !notification.gone.is_empty();
        says.then_some(notification)
    }
}

impl Topic {
    fn of(audience: Audience, query: &DiscoveryQuery) -> Self {
        let kind = query.kind.map(|kind| kind.code());
        Self { audience, group: query.group, kind, publisher: query.publisher }
    }

    /// Those of the queries that may ask for `signed`; each names a group.
    fn all_of(audience: Audience, signed: &SignedAdvertisement) -> [Self; 4] {
        let advertisement = signed.advertisement();
        let (group, kind) = (Some(advertisement.group), Some(advertisement.kind.code()));
        let publisher = Some(signed.publisher());
        [(kind, publisher), (kind, None), (None, publisher), (None, None)].map(|(kind, publisher)| Self {
            audience,
            group,
            kind,
            publisher,
        })
    }
}

/// Puts what is `known` of `id` now into the notification; false when there is no room.
fn fill(
    notification: &mut Notification,
    room: &mut usize,
    known: Option<&Arc<SignedAdvertisement>>,
    id: AdvertisementId,
) -> bool {
    let bytes = known.map(|signed| signed.to_bytes());
    let needed = bytes.as_ref().map_or(32, |bytes| bytes.len() + 4);
    if needed > *room || bytes.is_none() && notification.gone.len() >= NOTIFICATION_GONE_MAX {
        return false;
    }
    *room -= needed;
    match bytes {
        Some(bytes) => notification.editions.push(bytes),
        None => notification.gone.push(id),
    }
    true
}

#[cfg(test)]
mod tests;
