//! What an agent looks at by itself: monitored attributes, links, groups, the audit log.
//!
//! In: news of the peer, ticks. Out: crossings, objects, lines of the audit log.

use std::sync::Arc;

use overlay::Events;
use tokio::time::{MissedTickBehavior, interval};

use super::guard::Guard;
use super::links::Links;
use super::memberships::Memberships;
use super::monitors::Monitors;
use crate::limits::MONITOR_PERIOD;

/// Looks at monitored attributes, follows links and groups, sums up the audit log, until it is aborted.
pub(super) async fn look(
    monitors: Arc<Monitors>,
    (mut links, mut memberships): (Links, Memberships),
    mut events: Events,
    guard: Arc<Guard>,
) {
    let mut missed = 0;
    let mut ticks = interval(MONITOR_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => {
                    links.hear(&event);
                    if events.missed() > missed {
                        missed = events.missed();
                        links.look();
                    }
                }
                None => return,
            },
            _ = ticks.tick() => {
                memberships.look();
                monitors.look();
                guard.sum_up(false);
            }
        }
    }
}
