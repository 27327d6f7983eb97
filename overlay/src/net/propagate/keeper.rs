//! Keeps the links of one propagate pipe: looks for binders, links with those it should, forgets who is gone.
//!
//! Binders are known by what sessions' peers answer to an open, by links that they open, by what other members tell, and
//! by advertisements. All of it is driven by events; only the advertisements are looked for again now and then.

mod links;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use self::links::Out;
use super::super::handle::Handle;
use super::super::substream::Substream;
use super::hub::{Hub, Joined};
use super::link::{ReadEnd, read};
use crate::core::TokenBucket;
use crate::error::{BindError, ConnectError};
use crate::limits::{
    PROPAGATE_BAN, PROPAGATE_DIALS, PROPAGATE_LINKS_MAX, PROPAGATE_OFFER_PERIOD, PROPAGATE_REFRESH,
};
use crate::protocol::propagate::{Member, Position, Scope};

/// Looks for binders once, and says that this peer is one; `false` takes that back.
pub(crate) type Look = Box<dyn Fn(bool) -> BoxFuture<'static, Vec<PeerId>> + Send + Sync>;

/// The tasks of one bound pipe.
struct Keeper {
    hub: Arc<Hub>,
    handle: Handle,
    closed_group: bool,
    tasks: JoinSet<Done>,
    /// Links that this member sends on, and the tries to have them.
    outs: HashMap<PeerId, Out>,
    /// Links that others send on.
    ins: HashMap<PeerId, AbortHandle>,
    banned: HashMap<PeerId, Instant>,
    /// What may be spent on links to those that others told of.
    dials: TokenBucket,
    /// The members at the last review, and who is near among them.
    members: BTreeSet<PeerId>,
    neighbours: BTreeSet<PeerId>,
}

enum Done {
    Opened { peer: PeerId, result: Result<(Box<Substream>, Vec<Position>), ConnectError> },
    Written { peer: PeerId },
    Read { peer: PeerId, end: ReadEnd },
    Looked { binders: Vec<PeerId> },
}

/// Binds a pipe and keeps its links until the returned end is dropped.
///
/// # Errors
/// [`BindError`].
pub(crate) fn keep(
    handle: Handle,
    scope: Scope,
    closed_group: bool,
    look: Look,
) -> Result<(Arc<Hub>, mpsc::Sender<oneshot::Sender<()>>), BindError> {
    let (hub, joined) = Hub::bind(handle.shared.clone(), scope)?;
    let (stop, stopped) = mpsc::channel(1);
    let keeper = Keeper {
        hub: hub.clone(),
        handle,
        closed_group,
        tasks: JoinSet::new(),
        outs: HashMap::new(),
        ins: HashMap::new(),
        banned: HashMap::new(),
        dials: TokenBucket::new(PROPAGATE_DIALS),
        members: BTreeSet::new(),
        neighbours: BTreeSet::new(),
    };
    tokio::spawn(keeper.run(joined, stopped, look));
    Ok((hub, stop))
}

impl Keeper {
    async fn run(
        mut self,
        mut joined: mpsc::Receiver<Joined>,
        mut stopped: mpsc::Receiver<oneshot::Sender<()>>,
        look: Look,
    ) {
        let mut met = self.hub.shared.met.subscribe();
        let mut refresh = tokio::time::interval(PROPAGATE_REFRESH);
        let mut ticks = tokio::time::interval(PROPAGATE_OFFER_PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let commands = self.handle.commands.clone();
        self.greet_the_met();
        let politely = loop {
            let retry = self.next_retry();
            let ticking = self.hub.state().needs_tick();
            tokio::select! {
                stop = stopped.recv() => break stop,
                () = commands.closed() => break None,
                Some(joined) = joined.recv() => self.on_joined(joined),
                Some(done) = self.tasks.join_next() => match done {
                    Ok(done) => self.on_done(done),
                    Err(error) if error.is_panic() => self.hub.shared.meters.task_panics.add(1),
                    Err(_) => {}
                },
                _ = met.changed() => self.greet_the_met(),
                () = self.hub.review.notified() => {}
                _ = refresh.tick() => {
                    self.hub.state().tell_again();
                    let looking = look(true);
                    self.tasks.spawn(async move { Done::Looked { binders: looking.await } });
                }
                _ = ticks.tick(), if ticking => {
                    let mut state = self.hub.state();
                    state.tick(Instant::now());
                    self.hub.done(state);
                    continue;
                }
                () = tokio::time::sleep_until(retry.into()) => {}
            }
            self.review();
        };
        if politely.is_some() {
            self.farewell().await;
        }
        self.hub.unbind();
        if let Some(reply) = politely {
            // From now on it may be bound again. Who asked may have gone away.
            let _ = reply.send(());
        }
        let mut tasks = self.tasks;
        tasks.shutdown().await;
        self.hub
            .shared
            .meters
            .propagate_links
            .sub(self.outs.values().filter(|out| out.is_open()).count() as u64);
        if !self.hub.is_bound_again() && !commands.is_closed() {
            look(false).await;
        }
    }

    /// Lets each link end with all that was sent, and says that this member leaves.
    async fn farewell(&mut self) {
        self.hub.state().leave();
        self.hub.news.send_replace(());
        let mut open = self.outs.values().filter(|out| out.is_open()).count();
        let ending = async {
            while open > 0 {
                match self.tasks.join_next().await {
                    Some(Ok(Done::Written { .. })) => open -= 1,
                    Some(_) => {}
                    None => return,
                }
            }
        };
        // Who has not taken everything by then is left behind.
        let _ = tokio::time::timeout(2 * crate::limits::FAREWELL_TIMEOUT, ending).await;
    }

    /// Asks those that this peer has a session with whether they bind the pipe too. In a closed group only those that
    /// have proven to be in it, and its issuers: to others nothing is said of it.
    fn greet_the_met(&mut self) {
        let (shared, group) = (self.hub.shared.clone(), self.hub.scope.group);
        let mut met: BTreeSet<PeerId> = shared.sessions.all().into_iter().map(|(peer, _)| peer).collect();
        self.outs.retain(|peer, out| met.contains(peer) || !matches!(out, Out::NoBinder));
        let mut candidates = HashMap::new();
        if self.closed_group {
            met.retain(|peer| shared.lets_in(peer, &group));
            let issuers = shared.groups.look(&group, |membership| membership.issuers().to_vec());
            candidates.extend(issuers.unwrap_or_default());
        }
        for peer in met {
            candidates.entry(peer).or_default();
        }
        for (peer, addresses) in candidates {
            if self.outs.len() < PROPAGATE_LINKS_MAX
                && !self.outs.contains_key(&peer)
                && !self.is_known(&peer)
            {
                self.open(peer, addresses, 0);
            }
        }
    }

    fn on_joined(&mut self, joined: Joined) {
        let Joined { peer, addresses, frames } = joined;
        if self.banned.contains_key(&peer)
            || (self.ins.len() >= PROPAGATE_LINKS_MAX && !self.ins.contains_key(&peer))
        {
            return self.hub.shared.meters.propagate_refused.add(1);
        }
        self.learn(peer, addresses);
        // It binds the pipe now, whatever it said before.
        if matches!(self.outs.get(&peer), Some(Out::NoBinder | Out::Waiting { .. })) {
            self.outs.remove(&peer);
        }
        let reading = read(self.hub.clone(), peer, frames);
        let task = self.tasks.spawn(async move { Done::Read { peer, end: reading.await } });
        // A new link of the same member takes the place of the old one.
        if let Some(old) = self.ins.insert(peer, task) {
            old.abort();
        }
        if !self.outs.contains_key(&peer) {
            self.open(peer, Vec::new(), 0);
        }
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Opened { peer, result: Ok((stream, positions)) } => {
                self.on_opened(peer, *stream, &positions)
            }
            Done::Opened { peer, result: Err(error) } => self.on_failed(peer, &error),
            Done::Written { peer } => {
                self.hub.state().link_down(Instant::now(), &peer);
                self.hub.shared.meters.propagate_links.sub(1);
                self.hub.moves();
                self.outs.remove(&peer);
                // Else the review links with it again at once.
                if !self.is_known(&peer) {
                    self.hub.state().forget_member(&peer);
                }
            }
            Done::Read { peer, end } => self.on_read(peer, end),
            Done::Looked { binders } => {
                for peer in binders {
                    if !self.outs.contains_key(&peer) && self.may_open(Instant::now(), &peer) {
                        self.open(peer, Vec::new(), 0);
                    }
                }
            }
        }
    }

    fn on_read(&mut self, peer: PeerId, end: ReadEnd) {
        let meters = &self.hub.shared.meters;
        self.ins.remove(&peer);
        self.hub.state().unheard(Instant::now(), &peer);
        if matches!(end, ReadEnd::Left | ReadEnd::Forged) && self.outs.get(&peer).is_some_and(Out::is_open) {
            self.outs.insert(peer, Out::Closing);
        }
        match end {
            ReadEnd::Closed => {}
            ReadEnd::Left => {
                let mut state = self.hub.state();
                state.forget_member(&peer);
                state.close_link(&peer);
                self.hub.done(state);
            }
            ReadEnd::Garbage => meters.propagate_garbage.add(1),
            ReadEnd::Forged => {
                meters.propagate_forgeries.add(1);
                tracing::warn!(%peer, "a member of a propagate pipe passed on a forgery");
                self.banned.insert(peer, Instant::now() + PROPAGATE_BAN);
                let mut state = self.hub.state();
                state.forget_member(&peer);
                state.close_link(&peer);
                self.hub.done(state);
            }
        }
    }

    fn learn(&self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let mut state = self.hub.state();
        state.learn(vec![Member { peer, addresses }]);
        self.hub.done(state);
    }

    fn is_known(&self, peer: &PeerId) -> bool {
        self.hub.state().roster.of(peer).is_some()
    }
}
