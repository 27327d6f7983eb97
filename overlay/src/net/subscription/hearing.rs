//! Takes in what rendezvous tell their subscriber.
//!
//! In: notifications. Out: editions for the views of the subscriptions, and for the cache.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::advertisement::SignedAdvertisement;
use crate::error::RefuseReason;
use crate::net::command::Command;
use crate::net::lease::Way;
use crate::net::resolver::{Queries, Query};
use crate::net::shared::Shared;
use crate::protocol::notification::{self, Notification};

/// Takes in what rendezvous tell, until the peer ends.
pub(in crate::net) async fn serve(shared: Arc<Shared>, commands: mpsc::WeakSender<Command>) {
    let Ok(mut queries) = Queries::register(shared.clone(), None, notification::HANDLER) else { return };
    while let Some(query) = queries.recv().await {
        match take_in(&shared, &query) {
            Ok(editions) => {
                shared.subscriptions.changed.notify_one();
                query.reply(Bytes::new());
                if let Some(commands) = commands.upgrade().filter(|_| !editions.is_empty()) {
                    // A peer that has ended needs no memory.
                    let _ = commands.send(Command::Learn { found: editions }).await;
                }
            }
            Err(reason) => {
                shared.meters.notifications_rejected.add(1);
                query.refuse(reason);
            }
        }
    }
}

/// The verified editions of a notification, when its sender may tell them, for the cache, which holds nothing of closed
/// groups.
fn take_in(shared: &Shared, query: &Query) -> Result<Vec<SignedAdvertisement>, RefuseReason> {
    let notification = Notification::decode(&query.body).map_err(|_| RefuseReason::Malformed)?;
    let from = query.from;
    let leased = from == shared.id || shared.leases.borrow().held.contains(&from);
    let watched = shared.subscriptions.table.read().get(&notification.number).cloned();
    let watched = watched.filter(|watched| leased && watched.places().contains_key(&from));
    let watched = watched.ok_or(RefuseReason::Policy)?;
    let closed = match watched.way {
        Way::Open => None,
        Way::Closed(group) if shared.is_member(&group) => Some(group),
        Way::Closed(_) => return Err(RefuseReason::Policy),
    };
    // A rendezvous may know less of who was revoked than this peer, or pretend to.
    let is_heard = |signed: &SignedAdvertisement| {
        let heard = closed.is_none_or(|group| shared.groups.hears(&group, &signed.publisher()));
        heard && Some(signed.advertisement().group) == watched.query.group
    };
    let mut editions = Vec::with_capacity(notification.editions.len());
    for envelope in notification.editions {
        match SignedAdvertisement::verify(envelope) {
            Ok(signed) if is_heard(&signed) => editions.push(signed),
            _ => shared.meters.advertisements_rejected.add(1),
        }
    }
    let now = Instant::now();
    watched.look(|view| {
        if notification.restart {
            view.restart(from);
        }
        for signed in &editions {
            view.offer(now, Arc::new(signed.clone()), Some(from), signed.lifetime().remote);
        }
        notification.gone.into_iter().for_each(|id| view.gone(id, from));
        if notification.complete {
            view.complete(now, from);
        }
        if notification.cut {
            view.cut();
        }
    });
    Ok(if closed.is_none() { editions } else { Vec::new() })
}
