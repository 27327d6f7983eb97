//! The tasks of the messenger: one for each pipe, one for each dial.

use std::sync::Arc;
use std::time::{Duration, Instant};

use overlay::{BidiPipe, ConnectError, Multiaddr, PeerGroup, PeerId, PipeId, Reached};
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError};
use tokio::time::timeout;

use super::{Actor, Ending};
use crate::limits::LINK_ORDERS_MAX;
use crate::messenger::{Counter, Input, LinkId, Order};
use crate::net::link::Link;
use crate::net::pinger::Pinger;
use crate::presence::Path;

impl Actor {
    pub(super) fn order(&mut self, link: LinkId, order: Order) {
        let Some(orders) = self.links.get(&link) else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = orders.try_send(order) {
            // Its task sees that nobody orders any more, and ends.
            self.counters.count(Counter::LinksStuck);
            self.links.remove(&link);
        }
    }

    /// A pipe is there; `opened`: what it took this side to open it.
    pub(super) fn link_up(&mut self, pipe: BidiPipe, opened: Option<Reached>) {
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
                self.transaction.clone(),
                self.counters.clone(),
                opened,
            )),
        };
        let task = self.tasks.spawn(async move {
            link.run(pipe).await;
            Ending::Link
        });
        self.links.insert(id, orders);
        self.links_by_task.insert(task.id(), id);
        self.handle(Input::LinkUp { link: id, peer, opened_here: opened.is_some(), path });
    }

    pub(super) fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, deadline: Duration) {
        let (own, group) = (self.peer.clone(), self.group.clone());
        self.tasks.spawn(async move {
            let dial = async {
                for address in addresses {
                    own.add_address(peer, address).await;
                }
                let mut reached = own.reach(peer, deadline).await?;
                let opening = Instant::now();
                let pipe = group.connect(peer, buddy_pipe(&group, &peer)).await?;
                reached.dial += opening.elapsed();
                Ok::<_, ConnectError>((pipe, reached))
            };
            let pipe = match timeout(deadline, dial).await {
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

    pub(super) fn ended(&mut self, ended: Result<(Id, Ending), JoinError>) {
        match ended {
            Ok((id, Ending::Link)) => drop(self.links_by_task.remove(&id)),
            Ok((_, Ending::Dialed { peer, pipe })) => {
                let reached = pipe.is_some();
                if let Some((pipe, opened)) = pipe {
                    self.link_up(pipe, Some(opened));
                }
                self.handle(Input::DialEnded { peer, reached });
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
