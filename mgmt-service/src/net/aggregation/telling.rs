//! What whoever reports says of its own reports, to managers that check whether they were counted as they are.
//!
//! In: questions. Out: answers, or a refusal for who is not in the group or may not read.

use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use overlay::{Peer, Queries, Query, RefuseReason};

use crate::access::{Access, Verb};
use crate::aggregate::{TOLD_HANDLER, Told, TreeAnswer, TreeQuestion};
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
    queries: Option<Queries>,
    place: ManagementGroup,
    remembered: Remembered,
    counters: Arc<ChildCounters>,
}

impl Teller {
    /// For `peer`, unless somebody answers there already: then that one does, and these reports can't be checked.
    pub(super) fn new(
        peer: &Peer,
        place: &ManagementGroup,
        remembered: &Remembered,
        counters: &Arc<ChildCounters>,
    ) -> Self {
        let queries = peer.register_handler(TOLD_HANDLER);
        if let Err(error) = &queries {
            tracing::warn!(reason = %error, "what this peer reports can't be checked");
        }
        let (remembered, counters) = (remembered.clone(), counters.clone());
        Self { queries: queries.ok(), place: place.clone(), remembered, counters }
    }

    /// Answers until it is dropped.
    pub(super) async fn run(mut self) {
        while let Some(queries) = &mut self.queries
            && let Some(query) = queries.recv().await
        {
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
