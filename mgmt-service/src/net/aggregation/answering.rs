//! What an aggregator answers: to an orphan, what came with its aggregator; to a manager, the sums of a root.
//!
//! In: questions. Out: answers, or a refusal for who is not in the group or may not read.

use std::time::Instant;

use overlay::wire::WireError;
use overlay::{Query, RefuseReason};

use super::climbing::Above;
use super::station::Station;
use crate::access::{Access, Verb};
use crate::aggregate::{PartsAnswer, Report, TotalsAnswer, TreeAnswer, TreeQuestion};

impl Station {
    pub(super) fn answer(&mut self, query: Query) {
        match self.answer_to(&query) {
            Ok(answer) => query.reply(answer),
            Err(reason) => {
                self.counters.questions_refused.add(1);
                query.refuse(reason);
            }
        }
    }

    fn answer_to(&mut self, query: &Query) -> Result<Vec<u8>, RefuseReason> {
        let ours = query.group == self.place.group().id();
        let access = if ours { self.place.access_of(&query.from) } else { Access::Nobody };
        if access == Access::Nobody {
            return Err(RefuseReason::NotMember);
        }
        let malformed = |error: WireError| {
            tracing::debug!(peer = %query.from, reason = %error, "question to an aggregator refused");
            RefuseReason::Malformed
        };
        let answer = match TreeQuestion::decode(&query.body).map_err(malformed)? {
            TreeQuestion::Settle { aggregator, boot, stamps } => {
                self.counters.settled.add(1);
                if self.node.is_attached((&aggregator, boot)) {
                    self.doubt(&aggregator);
                }
                TreeAnswer::Settled(self.node.settle((&aggregator, boot), &query.from, &stamps))
            }
            TreeQuestion::Told(_) => return Err(RefuseReason::Malformed),
            TreeQuestion::Totals { .. } | TreeQuestion::Parts { .. } if !access.may(Verb::Get) => {
                return Err(RefuseReason::Policy);
            }
            TreeQuestion::Totals { after } => {
                let above = match *self.above.borrow() {
                    Above::Parent(peer, _) => Some(peer),
                    Above::Unknown | Above::Nobody => None,
                };
                let reports = self.kept.iter().filter(|report| report.stamp.interval > after).cloned();
                let (reports, length) = (reports.collect(), self.beat.length());
                TreeAnswer::Totals(TotalsAnswer { length, above, reports, more: false })
            }
            TreeQuestion::Parts { stamp, from } => {
                self.counters.parts_shown.add(1);
                let marks = |report: &Report| report.marks.clone();
                let marks = self.remembered.with(|told, _| told.report(stamp).map(marks)).unwrap_or_default();
                let page = self.ledger.page(&marks, usize::try_from(from).unwrap_or(usize::MAX));
                TreeAnswer::Parts(PartsAnswer { at: self.beat.at(Instant::now()).0, page })
            }
        };
        answer.encode().map_err(|_| RefuseReason::Full)
    }
}
