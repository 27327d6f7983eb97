//! The tasks of the messenger: one for each pipe, one for each dial.

use std::sync::Arc;
use std::time::{Duration, Instant};

use overlay::{BidiPipe, Multiaddr, PeerGroup, PeerId, PipeId, ReachSteps, Reached};
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError};
use tokio::time::timeout;

use super::{Actor, Ending, wall_ms};
use crate::limits::LINK_ORDERS_MAX;
use crate::messenger::{Counter, Input, LinkId, Order};
use crate::net::link::Link;
use crate::net::pinger::{Pinger, waited};
use crate::presence::Path;

/// A dial that runs.
#[derive(Debug)]
pub(super) struct Dialing {
    since: Instant,
    steps: ReachSteps,
}

impl Dialing {
    /// How long it took until now; opening the pipe is the last part of connecting.
    fn so_far(&self) -> Reached {
        let lookup = self.steps.so_far().lookup;
        Reached { lookup, dial: self.since.elapsed().saturating_sub(lookup) }
    }
}

impl Actor {
    pub(super) fn order(&mut self, link: LinkId, order: Order) {
        let Some(orders) = self.links.get(&link) else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = orders.try_send(order) {
            // Its task sees that nobody orders any more, and ends.
            self.counters.count(Counter::LinksStuck);
            self.links.remove(&link);
        }
    }

    /// A pipe is there.
    pub(super) fn link_up(&mut self, pipe: BidiPipe, opened_here: bool) {
        let Some(inputs) = self.sender.upgrade() else { return };
        let peer = pipe.remote();
        // A new pipe takes a direct connection as soon as there is one.
        let paths = self.peer.paths(peer);
        let relayed = !paths.is_empty() && paths.iter().all(|path| path.relayed);
        let path = if relayed { Path::Relayed } else { Path::Direct };
        let id = LinkId(self.fresh());
        let (orders, queue) = mpsc::channel(LINK_ORDERS_MAX);
        let link = Link {
            id,
            orders: queue,
            inputs,
            own: self.own.subscribe(),
            pinger: Arc::new(Pinger::new(
                self.peer.clone(),
                peer,
                (self.transaction.clone(), Arc::clone(&self.waits)),
                self.counters.clone(),
                Instant::now(),
                // Also when the other side was faster: this is what was waited for here.
                self.dialing.get(&peer).map(|dialing| dialing.so_far()),
            )),
        };
        let task = self.tasks.spawn(async move {
            link.run(pipe).await;
            Ending::Link
        });
        self.links.insert(id, orders);
        self.links_by_task.insert(task.id(), id);
        self.handle(Input::LinkUp { link: id, peer, opened_here, path });
    }

    pub(super) fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, deadline: Duration) {
        let (own, group) = (self.peer.clone(), self.group.clone());
        let running = Arc::new(Dialing { since: Instant::now(), steps: ReachSteps::default() });
        self.dialing.insert(peer, Arc::clone(&running));
        self.tasks.spawn(async move {
            for address in addresses {
                own.add_address(peer, address).await;
            }
            let opening = async {
                own.reach_by(peer, deadline, &running.steps).await?;
                group.connect(peer, buddy_pipe(&group, &peer)).await
            };
            let opened = timeout(deadline, opening).await;
            let pipe = match opened {
                Ok(Ok(pipe)) => Some(pipe),
                Ok(Err(error)) => {
                    tracing::debug!(%peer, %error, "buddy not reached");
                    None
                }
                Err(_) => None,
            };
            Ending::Dialed { peer, pipe }
        });
    }

    /// A PING that was `due` is given up, if after a dial, after one that `took` so long.
    pub(super) fn unreachable(&self, peer: PeerId, due: Instant, took: Option<Reached>) {
        let now = Instant::now();
        let split = took.map(|took| waited(now, due, now, Some(took))).unwrap_or_default();
        self.transaction.unreachable_after(wall_ms(), peer, split);
    }

    pub(super) fn ended(&mut self, ended: Result<(Id, Ending), JoinError>) {
        match ended {
            Ok((id, Ending::Link)) => drop(self.links_by_task.remove(&id)),
            Ok((_, Ending::Dialed { peer, pipe })) => {
                let reached = pipe.is_some();
                if let Some(pipe) = pipe {
                    self.link_up(pipe, true);
                }
                let took = self.dialing.remove(&peer).map(|dialing| dialing.so_far()).unwrap_or_default();
                self.handle(Input::DialEnded { peer, reached, took });
            }
            Ok((_, Ending::Asked { ticket, answer })) => self.handle(Input::Answered { ticket, answer }),
            Err(error) => {
                tracing::error!(%error, "a task of the messenger failed");
                if let Some(link) = self.links_by_task.remove(&error.id()) {
                    self.links.remove(&link);
                    self.handle(Input::LinkDown { link });
                }
            }
        }
    }
}

/// The pipe that a peer binds for its buddies.
pub(in crate::net) fn buddy_pipe(group: &PeerGroup, peer: &PeerId) -> PipeId {
    PipeId::derive(&group.id(), &format!("buddy/{peer}"))
}
