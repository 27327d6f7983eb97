//! What whoever reports says of its own reports, to managers that check whether they were counted as they are.
//!
//! In: questions. Out: answers, or a refusal for who is not in the group or may not read.

use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use overlay::{Peer, Query, RefuseReason};
use tokio::time::sleep;

use crate::access::{Access, Verb};
use crate::aggregate::{TOLD_HANDLER, Told, TreeAnswer, TreeQuestion};
use crate::limits::AGENT_PUBLISH_RETRY;
use crate::net::ManagementGroup;
use crate::net::counters::ChildCounters;

/// What a peer remembers of its own reports, for who sends them and who is asked.
#[derive(Debug, Clone)]
pub(super) struct Remembered(Arc<Mutex<Told>>);

impl Remembered {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Told::new(Instant::now()))))
    }

    /// Looks at it or changes it, at this moment.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Told, Instant) -> T) -> T {
        // Nothing in there panics while it is locked; if it did, it would still be a whole one.
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), Instant::now())
    }
}

/// Who answers for one peer.
pub(super) struct Teller {
    peer: Peer,
    place: ManagementGroup,
    remembered: Remembered,
    counters: Arc<ChildCounters>,
}

impl Teller {
    /// For `peer`.
    pub(super) fn new(
        peer: &Peer,
        place: &ManagementGroup,
        remembered: &Remembered,
        counters: &Arc<ChildCounters>,
    ) -> Self {
        let (peer, place) = (peer.clone(), place.clone());
        Self { peer, place, remembered: remembered.clone(), counters: counters.clone() }
    }

    /// Answers until it is dropped. While another one answers at the same peer these reports can't be checked.
    pub(super) async fn run(self) {
        let mut queries = loop {
            match self.peer.register_handler(TOLD_HANDLER) {
                Ok(queries) => break queries,
                // An earlier run may be about to end.
                Err(error) => tracing::debug!(reason = %error, "what this peer reports can't be checked yet"),
            }
            sleep(AGENT_PUBLISH_RETRY).await;
        };
        while let Some(query) = queries.recv().await {
            match self.answer_to(&query) {
                Ok(answer) => {
                    self.counters.checks_answered.add(1);
                    query.reply(answer);
                }
                Err(reason) => {
                    self.counters.checks_refused.add(1);
                    query.refuse(reason);
                }
            }
        }
        pending().await
    }

    fn answer_to(&self, query: &Query) -> Result<Vec<u8>, RefuseReason> {
        let ours = query.group == self.place.group().id();
        let access = if ours { self.place.access_of(&query.from) } else { Access::Nobody };
        if access == Access::Nobody {
            return Err(RefuseReason::NotMember);
        }
        if !access.may(Verb::Get) {
            return Err(RefuseReason::Policy);
        }
        let Ok(TreeQuestion::Told(which)) = TreeQuestion::decode(&query.body) else {
            return Err(RefuseReason::Malformed);
        };
        let answer = self.remembered.with(|told, now| told.answer(now, which));
        TreeAnswer::Told(answer).encode().map_err(|_| RefuseReason::Full)
    }
}
