//! What is counted of each group. In: a group. Out: where to count. At most [`GROUPS_MAX`] groups.
//!
//! A group that was left keeps what it counted, so that who comes back counts on, until a group that is joined needs
//! the place.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::frame::FrameStream;
use super::shared::Table;
use super::substream::Substream;
use crate::id::GroupId;
use crate::limits::GROUPS_MAX;
use crate::meters::{Frames, GroupMeters, GroupTraffic, Tally, Traffic};

/// The groups in which something was carried; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct GroupTraffics(Arc<Table<HashMap<GroupId, Arc<GroupTraffic>>>>);

impl GroupTraffics {
    /// Where to count what is carried in `group`. Beyond the bound nothing is kept of a group.
    pub(crate) fn of(&self, group: &GroupId) -> Arc<Traffic> {
        // Bound to a name, so that the lock is let go.
        let known = self.0.read().get(group).cloned();
        known.unwrap_or_else(|| self.add(group)).place()
    }

    /// What was carried in `group`.
    pub(crate) fn meters(&self, group: &GroupId) -> GroupMeters {
        self.0.read().get(group).map(|traffic| traffic.sum()).unwrap_or_default()
    }

    /// Makes room for one more, if there is none, by forgetting those that are `left`.
    pub(crate) fn make_room(&self, left: impl Fn(&GroupId) -> bool) {
        let mut table = self.0.write();
        if table.len() >= GROUPS_MAX {
            table.retain(|group, _| !left(group));
        }
    }

    fn add(&self, group: &GroupId) -> Arc<GroupTraffic> {
        let mut table = self.0.write();
        if table.len() >= GROUPS_MAX && !table.contains_key(group) {
            return Arc::default();
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        table.entry(*group).or_insert_with(|| Arc::new(GroupTraffic::since(since_ms))).clone()
    }
}

/// From now on counts the frames of a substream in `traffic`.
pub(crate) fn count(frames: &mut FrameStream<Substream>, traffic: Arc<Traffic>, as_what: Frames) {
    let relayed = frames.io.link().is_relayed();
    frames.count(Tally { traffic, frames: as_what, relayed });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_forgets_the_groups_that_were_left_and_no_other() {
        let groups: Vec<GroupId> = (0..=GROUPS_MAX)
            .map(|n| GroupId::from_bytes(*blake3::hash(&n.to_le_bytes()).as_bytes()))
            .collect();
        let traffics = GroupTraffics::default();
        groups.iter().for_each(|group| traffics.of(group).sent(7));
        let (first, last) = (&groups[0], &groups[GROUPS_MAX]);
        assert_eq!((traffics.meters(first).bytes_out, traffics.meters(last).bytes_out), (7, 0));
        traffics.make_room(|group| group != first);
        traffics.of(last).sent(9);
        assert_eq!((traffics.meters(first).bytes_out, traffics.meters(last).bytes_out), (7, 9));
        traffics.of(first).sent(1);
        assert_eq!(traffics.meters(first).bytes_out, 8);
    }
}
