//! How an aggregator is found: its advertisement, until a rendezvous has it.
//!
//! In: a group, a level. Out: a service advertisement that lives as long as the peer; one try each `AGENT_PUBLISH_RETRY`.

use std::sync::Arc;

use overlay::{Advertisement, AdvertisementKind, Lifetime, PeerGroup};

use super::SERVICE;
use crate::aggregate::TREE_HANDLER;
use crate::limits::{AGENT_ADVERTISEMENT_LIFETIME, AGENT_PUBLISH_RETRY};
use crate::net::counters::AggregatorCounters;

/// Publishes what children find the aggregator by; whether the rendezvous have it.
pub(super) async fn publish(group: &PeerGroup, level: u8, counters: &AggregatorCounters) -> bool {
    let advertisement = Advertisement::new(AdvertisementKind::Service)
        .key(TREE_HANDLER)
        .attribute("service", SERVICE)
        .attribute("level", level.to_string());
    match group.publish(advertisement, Lifetime::while_alive(AGENT_ADVERTISEMENT_LIFETIME)).await {
        Ok(_) | Err(overlay::PublishError::Closed) => true,
        Err(error) => {
            counters.publications_failed.add(1);
            tracing::debug!(reason = %error, "aggregator advertisement not published yet");
            false
        }
    }
}

/// Publishes until a rendezvous has it; the overlay renews it from then on.
pub(super) async fn publish_until_taken(group: PeerGroup, level: u8, counters: Arc<AggregatorCounters>) {
    while !publish(&group, level, &counters).await {
        tokio::time::sleep(AGENT_PUBLISH_RETRY).await;
    }
}
