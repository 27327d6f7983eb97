//! Whether a child lives whose orphans say that it is lost: one that stands still keeps its pipe for minutes.
//!
//! In: a child whose pipe is whole. Out: nothing when it answers; else its pipe is over, as if it had died. Orphans ask again
//! and are told then. At most one question at a time to each child, so who asks without need makes little of it.

use overlay::{PeerId, QueryError};

use super::link::{Heard, Said};
use super::station::Station;
use crate::aggregate::{TREE_HANDLER, TreeQuestion};
use crate::limits::CHILD_ANSWER_MAX;

impl Station {
    /// Asks `child`, an aggregator, whether it lives; ends its pipe when it does not answer within `CHILD_ANSWER_MAX`.
    pub(super) fn doubt(&mut self, child: &PeerId) {
        while self.doubting.try_join_next().is_some() {}
        let Some(link) = self.links.get_mut(child) else { return };
        let asked = link.doubt.as_ref().is_some_and(|doubt| !doubt.is_finished());
        // Any answer will do, a refusal as well.
        let question = TreeQuestion::Totals { after: u64::MAX }.encode();
        let (false, Ok(question)) = (asked, question) else { return };
        let (peer, group, heard) = (self.peer.clone(), self.place.group().id(), self.heard.clone());
        let (child, serial) = (*child, link.serial);
        link.doubt = Some(self.doubting.spawn(async move {
            let answer = peer.query(child, &group, TREE_HANDLER, question, CHILD_ANSWER_MAX).await;
            use QueryError::{Failed, TimedOut, Unreachable};
            // Its peer may say first that nobody there has answered in time.
            if matches!(answer, Err(TimedOut { .. } | Unreachable(_) | Failed)) {
                tracing::debug!(peer = %child, "aggregator silent");
                // Who does not listen any more has ended.
                let _ = heard.send(Heard { child, serial, what: Said::Ended }).await;
            }
        }));
    }
}
