//! What agents use, read beside a collection: often at first, then once a minute.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use mgmt_service::access::unknown_peer;
use mgmt_service::jmx::{AttributeValue, ObjectNamePattern};
use mgmt_service::limits::{COUNT_MAX, MEMBERSHIP_BEANS_MAX, USAGE_INTERVAL, USAGE_LAST_MAX, USAGE_READ_MAX};
use mgmt_service::net::{Collection, Manager};
use mgmt_service::protocol::BeanSnapshot;
use mgmt_service::store::{GroupSample, GroupUsage, StoreUsage, Usage, UsageSample};
use overlay::{GroupId, PeerId};
use tokio::sync::watch;

use super::collect::now_ms;

/// Reads the counters of agents into a store.
pub(super) struct Sampling {
    usage: StoreUsage,
    manager: Manager,
    /// By which id each is asked, and under which it is seen.
    agents: watch::Sender<Vec<(PeerId, PeerId)>>,
}

impl Sampling {
    pub(super) fn new(usage: StoreUsage, manager: &Manager) -> Self {
        Self { usage, manager: manager.clone(), agents: watch::Sender::default() }
    }

    /// Reads those of the agents that a collection reaches now: others would hold up the round by their time-outs, until
    /// nobody counts as online.
    pub(super) fn look_at(&self, collection: &Collection) {
        let agents = collection.agents_reached();
        let peers = agents.iter().map(|agent| (agent.peer, self.manager.sees(agent)));
        // What several use under one id is no sum of anything.
        let peers: Vec<_> = peers.filter(|(_, seen_as)| *seen_as != unknown_peer()).collect();
        self.agents.send_if_modified(|known| {
            let is_new = *known != peers;
            *known = peers;
            is_new
        });
    }

    /// Reads as long as `collecting` lasts, and a last time when it is over.
    pub(super) async fn beside<T>(&self, collecting: impl Future<Output = T>) -> T {
        let reading = async {
            let mut wait = Duration::from_secs(1);
            loop {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(USAGE_INTERVAL);
                self.read_all(AT_ONCE).await;
            }
        };
        let end = tokio::select! {
            end = collecting => end,
            never = reading => never,
        };
        // Who does not answer by then, or is gone already, was read within the last minute.
        let _ = tokio::time::timeout(USAGE_LAST_MAX, self.read_all(AT_ONCE_AT_LAST)).await;
        end
    }

    async fn read_all(&self, at_once: usize) {
        let (peers, manager) = (self.agents.borrow().clone(), &self.manager);
        let reading = futures::stream::iter(peers).map(|(peer, seen_as)| async move {
            let sample = tokio::time::timeout(USAGE_READ_MAX, read(manager, peer)).await;
            (seen_as, sample.ok().flatten())
        });
        let mut read = reading.buffer_unordered(at_once);
        while let Some((seen_as, sample)) = read.next().await {
            if let Some(sample) = sample {
                self.usage.note(seen_as, sample);
            }
        }
    }
}

/// What a peer's counters say; none when it does not answer.
async fn read(manager: &Manager, peer: PeerId) -> Option<UsageSample> {
    let patterns = [OVERLAY, MESSENGER, MEMBERSHIPS].map(str::parse::<ObjectNamePattern>);
    let [Ok(overlay), Ok(messenger), Ok(memberships)] = patterns else { return None };
    let overlay = manager.get_first(peer, &overlay, &names(&OVERLAY_COUNTERS), 1).await.ok()?;
    let messenger = manager.get_first(peer, &messenger, &names(&MESSENGER_COUNTERS), 1).await.ok()?;
    let counted = [&[SINCE], GroupUsage::NAMES.as_slice()].concat();
    // By one more than an honest agent shows, the store sees that groups are left out.
    let groups_max = MEMBERSHIP_BEANS_MAX + 1;
    let memberships = manager.get_first(peer, &memberships, &names(&counted), groups_max).await.ok()?;
    let groups: BTreeMap<GroupId, GroupSample> = memberships.iter().filter_map(in_group).collect();
    let [bytes_in, bytes_out, relayed_in, relayed_out] = OVERLAY_COUNTERS.map(|name| of(&overlay, name));
    let [messages_out, messages_in] = MESSENGER_COUNTERS.map(|name| of(&messenger, name));
    let counters = Usage { messages_out, messages_in, bytes_in, bytes_out, relayed_in, relayed_out };
    // Every peer is in the net group from its start.
    let since_ms = groups.get(&GroupId::net()).map_or(0, |net| net.since_ms);
    Some(UsageSample { at_ms: now_ms(), since_ms, counters, groups })
}

/// What a membership's object says.
fn in_group(bean: &BeanSnapshot) -> Option<(GroupId, GroupSample)> {
    let bean_alone = std::slice::from_ref(bean);
    let counters = GroupUsage(GroupUsage::NAMES.map(|name| of(bean_alone, name)));
    let group = bean.name.key("group")?.parse().ok()?;
    Some((group, GroupSample { since_ms: of(bean_alone, SINCE), counters }))
}

/// The counter of that name; 0 at a peer without a messenger, or of another version.
fn of(beans: &[BeanSnapshot], name: &str) -> u64 {
    let mut values = beans.iter().flat_map(|bean| &bean.attributes);
    match values.find(|(known, _)| known == name) {
        Some((_, AttributeValue::Int(value))) => value.unsigned_abs().min(COUNT_MAX),
        _ => 0,
    }
}

fn names(counters: &[&str]) -> Vec<String> {
    counters.iter().map(|name| (*name).to_owned()).collect()
}

const OVERLAY: &str = "juxta:type=overlay";
const OVERLAY_COUNTERS: [&str; 4] = ["bytes_in", "bytes_out", "bytes_relayed_in", "bytes_relayed_out"];
const MEMBERSHIPS: &str = "juxta:type=membership,*";
const SINCE: &str = "since_ms";
const MESSENGER: &str = "juxta:type=messenger";
const MESSENGER_COUNTERS: [&str; 2] = ["messages_delivered", "messages_received"];

/// Agents that are asked at the same time.
const AT_ONCE: usize = 16;

/// The same at the end, when somebody waits.
const AT_ONCE_AT_LAST: usize = 128;
