//! Keeps the links of one propagate pipe: looks for binders, links with those it should, forgets who is gone.
//!
//! Binders are known by what sessions' peers answer to an open, by links that they open, by what other members tell, and
//! by advertisements. All of it is driven by events; only the advertisements are looked for again now and then.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use super::super::handle::Handle;
use super::super::substream::Substream;
use super::hub::{Hub, Joined, Standing};
use super::link::{ReadEnd, read, write};
use super::open::open;
use crate::core::near;
use crate::error::{BindError, ConnectError};
use crate::limits::{
    PROPAGATE_BAN, PROPAGATE_LINKS_MAX, PROPAGATE_OFFER_PERIOD, PROPAGATE_REFRESH, PROPAGATE_RETRY_MAX,
    PROPAGATE_RETRY_MIN, PROPAGATE_SETTLE,
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
    /// The members at the last review, and who is near among them.
    members: BTreeSet<PeerId>,
    neighbours: BTreeSet<PeerId>,
}

enum Out {
    Opening {
        tries: u32,
    },
    Open {
        since: Instant,
    },
    /// Not a binder when it was asked; it says so itself when it becomes one.
    NoBinder,
    Waiting {
        tries: u32,
        until: Instant,
    },
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
        if let Some(reply) = politely {
            self.farewell().await;
            // Who asked may have gone away.
            let _ = reply.send(());
        }
        self.hub.unbind();
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

    fn open(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, tries: u32) {
        if peer == self.hub.shared.id || self.banned.contains_key(&peer) {
            return;
        }
        self.outs.insert(peer, Out::Opening { tries });
        let (handle, hub, closed_group) = (self.handle.clone(), self.hub.clone(), self.closed_group);
        self.tasks.spawn(async move {
            let opened = open(handle, hub, closed_group, peer, addresses).await;
            let result = opened.map(|(stream, positions)| (Box::new(stream), positions));
            Done::Opened { peer, result }
        });
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
                    if !self.outs.contains_key(&peer) {
                        self.open(peer, Vec::new(), 0);
                    }
                }
            }
        }
    }

    fn on_opened(&mut self, peer: PeerId, stream: Substream, positions: &[Position]) {
        let mut state = self.hub.state();
        state.link_up(Instant::now(), peer, positions);
        self.hub.done(state);
        self.hub.shared.meters.propagate_links.add(1);
        self.outs.insert(peer, Out::Open { since: Instant::now() });
        let writing = write(self.hub.clone(), peer, stream);
        self.tasks.spawn(async move {
            writing.await;
            Done::Written { peer }
        });
    }

    fn on_failed(&mut self, peer: PeerId, error: &ConnectError) {
        let tries = match self.outs.remove(&peer) {
            Some(Out::Opening { tries }) => tries + 1,
            _ => 1,
        };
        tracing::debug!(%peer, reason = %error, tries, "no link of a propagate pipe");
        let bound = self.ins.contains_key(&peer);
        if matches!(error, ConnectError::NoSuchPipe | ConnectError::Refused) && !bound {
            self.hub.state().forget_member(&peer);
            self.outs.insert(peer, Out::NoBinder);
        } else if tries < TRIES_MAX || bound {
            let pause = PROPAGATE_RETRY_MIN * 2u32.saturating_pow(tries);
            let until = Instant::now() + pause.min(PROPAGATE_RETRY_MAX);
            self.outs.insert(peer, Out::Waiting { tries, until });
        } else {
            self.hub.state().forget_member(&peer);
        }
    }

    fn on_read(&mut self, peer: PeerId, end: ReadEnd) {
        let meters = &self.hub.shared.meters;
        self.ins.remove(&peer);
        self.hub.state().unheard(Instant::now(), &peer);
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

    /// Links with whom it should, and no longer with others.
    fn review(&mut self) {
        let now = Instant::now();
        self.banned.retain(|_, until| *until > now);
        let members = self.hub.state().roster.peers();
        if members != self.members {
            self.neighbours = near(self.hub.shared.id, &members);
            self.members.clone_from(&members);
        }
        let neighbours = self.neighbours.clone();
        let direct = members.len() <= self.hub.shared.propagate_direct;
        let wanted = if direct { &members } else { &neighbours };
        let mut complete = true;
        for peer in wanted {
            let tries = match self.outs.get(peer) {
                Some(Out::Open { .. }) => continue,
                Some(Out::Waiting { tries, until }) if *until <= now => Some(*tries),
                // One that did not bind the pipe is known again: somebody told of it since.
                None | Some(Out::NoBinder) => Some(0),
                Some(_) => None,
            };
            complete = false;
            if let Some(tries) = tries {
                let known = self.hub.state().roster.of(peer).map(|member| member.addresses.clone());
                self.open(*peer, known.unwrap_or_default(), tries);
            }
        }
        self.outs.retain(|peer, out| match out {
            Out::Waiting { .. } => wanted.contains(peer),
            _ => true,
        });
        self.hub.signs.store(!direct || !complete, Ordering::Relaxed);
        let mut state = self.hub.state();
        if !direct {
            for (peer, out) in &self.outs {
                let lingered =
                    matches!(out, Out::Open { since } if now.duration_since(*since) > PROPAGATE_SETTLE);
                if lingered && !wanted.contains(peer) {
                    state.close_link(peer);
                }
            }
        }
        let known = members.len();
        state.relay_to(neighbours);
        self.hub.done(state);
        self.hub.standing.send_replace(Standing { known, complete });
    }

    fn next_retry(&self) -> Instant {
        let waits = self.outs.values().filter_map(|out| match out {
            Out::Waiting { until, .. } => Some(*until),
            _ => None,
        });
        waits.min().unwrap_or_else(|| Instant::now() + LONG)
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

impl Out {
    fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

/// Tries to link with a member before it is forgotten.
const TRIES_MAX: u32 = 5;
/// With nothing to try again, any time does.
const LONG: Duration = Duration::from_secs(3600);
