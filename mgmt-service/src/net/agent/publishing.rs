//! The advertisement by which managers find an agent.
//!
//! In: a group, a name, the key of pseudonyms as soon as it is there. Out: a service advertisement that lives as long as the
//! peer; one try each `AGENT_PUBLISH_RETRY`.

use std::sync::Arc;

use overlay::{Advertisement, AdvertisementKind, Lifetime, PeerGroup};

use super::SERVICE;
use super::guard::Guard;
use crate::limits::{AGENT_ADVERTISEMENT_LIFETIME, AGENT_PUBLISH_RETRY};
use crate::net::counters::AgentCounters;
use crate::protocol::HANDLER;

/// Publishes until a rendezvous has it, and again when the pseudonym is known at last; the overlay renews it from then on,
/// and pushes it with each new lease.
pub(super) async fn publish(group: PeerGroup, name: String, guard: Arc<Guard>, counters: Arc<AgentCounters>) {
    let lifetime = Lifetime::while_alive(AGENT_ADVERTISEMENT_LIFETIME);
    loop {
        let is_whole = !guard.awaits_pseudonym();
        match group.publish(advertisement(&name, &guard), lifetime).await {
            Ok(_) if is_whole => return,
            Ok(_) => {
                while guard.awaits_pseudonym() {
                    tokio::time::sleep(AGENT_PUBLISH_RETRY).await;
                }
                continue;
            }
            Err(overlay::PublishError::Closed) => return,
            Err(error) => {
                counters.publications_failed.add(1);
                tracing::debug!(reason = %error, "agent advertisement not published yet");
            }
        }
        tokio::time::sleep(AGENT_PUBLISH_RETRY).await;
    }
}

fn advertisement(name: &str, guard: &Guard) -> Advertisement {
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(|path| path.file_stem()).map(|stem| stem.to_string_lossy());
    let advertisement = Advertisement::new(AdvertisementKind::Service)
        .key(HANDLER)
        .attribute("service", SERVICE)
        .attribute("name", name)
        .attribute("application", program.unwrap_or_default().into_owned());
    match guard.pseudonym() {
        Some(pseudonym) => advertisement.attribute("pseudonym", pseudonym.to_string()),
        None => advertisement,
    }
}
