//! Whom a member links with: tries, what becomes of them, and which links it should have.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use libp2p::{Multiaddr, PeerId};

use super::super::super::substream::Substream;
use super::super::hub::Standing;
use super::super::link::write;
use super::super::open::open;
use super::{Done, Keeper};
use crate::core::near;
use crate::error::ConnectError;
use crate::limits::{PROPAGATE_RETRY_MAX, PROPAGATE_RETRY_MIN, PROPAGATE_SETTLE};
use crate::protocol::propagate::Position;

/// How it stands with a link that this member sends on.
pub(super) enum Out {
    Opening {
        tries: u32,
    },
    Open {
        since: Instant,
    },
    /// It ends once all was sent; if the member is back, another is opened then.
    Closing,
    /// Not a binder when it was asked; it says so itself when it becomes one.
    NoBinder,
    Waiting {
        tries: u32,
        until: Instant,
    },
}

impl Out {
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. } | Self::Closing)
    }
}

impl Keeper {
    /// Whether a link to `peer` may be tried now. Who is connected costs no dial; all others are but told of, and whoever
    /// tells of thousands must not make this peer dial them all.
    pub(super) fn may_open(&mut self, now: Instant, peer: &PeerId) -> bool {
        self.ins.contains_key(peer) || self.hub.shared.sessions.of(peer).is_some() || self.dials.spend(now, 1)
    }

    pub(super) fn open(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, tries: u32) {
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

    pub(super) fn on_opened(&mut self, peer: PeerId, stream: Substream, positions: &[Position]) {
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

    pub(super) fn on_failed(&mut self, peer: PeerId, error: &ConnectError) {
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

    /// Links with whom it should, and no longer with others.
    pub(super) fn review(&mut self) {
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
            let Some(tries) = tries else { continue };
            if self.may_open(now, peer) {
                let known = self.hub.state().roster.of(peer).map(|member| member.addresses.clone());
                self.open(*peer, known.unwrap_or_default(), tries);
            } else {
                self.outs.insert(*peer, Out::Waiting { tries, until: now + PROPAGATE_RETRY_MIN });
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

    pub(super) fn next_retry(&self) -> Instant {
        let waits = self.outs.values().filter_map(|out| match out {
            Out::Waiting { until, .. } => Some(*until),
            _ => None,
        });
        waits.min().unwrap_or_else(|| Instant::now() + LONG)
    }
}

/// Tries to link with a member before it is forgotten.
const TRIES_MAX: u32 = 5;
/// With nothing to try again, any time does.
const LONG: Duration = Duration::from_secs(3600);
