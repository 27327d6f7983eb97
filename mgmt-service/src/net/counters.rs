//! What an agent and a collection count: relaxed atomics, read by name.

use std::sync::atomic::{AtomicU64, Ordering};

/// Declares counters once: field, and what it counts.
macro_rules! counters {
    ($(#[$type_doc:meta])* $type:ident { $($(#[$doc:meta])* $name:ident),+ $(,)? }) => {
        $(#[$type_doc])*
        #[derive(Debug, Default)]
        pub(super) struct $type {
            $($(#[$doc])* pub(super) $name: Count,)+
        }

        impl $type {
            /// All of them with their names, in a fixed order.
            pub(super) fn snapshot(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get()),)+]
            }
        }
    };
}

counters! {
    /// What an agent counts; the attributes of `juxta:type=agent`.
    AgentCounters {
        /// Questions answered.
        gets,
        /// Questions that could not be read, or came from another group.
        gets_refused,
        /// Attributes set.
        sets,
        /// Operations done.
        invokes,
        /// Questions and subscriptions denied to who may not have them.
        denied,
        /// Lines of the audit log that could not be written.
        audit_failed,
        /// Subscriptions served now, those whose manager is away included.
        subscriptions,
        /// Subscriptions refused because there were too many.
        subscriptions_refused,
        /// Pipes whose first message did not come or was no subscription.
        subscribing_failed,
        /// Pipes that broke, or were ended because a manager broke the protocol.
        pipes_broken,
        /// Messages handed to managers: batches, those sent again included, and answers to a flush.
        messages_sent,
        /// Times that a batch waited because the manager had granted no more bytes.
        waits_for_credit,
        /// Times that a batch waited so that the application's traffic comes first.
        waits_for_pace,
        /// Records put into batches.
        records_batched,
        /// Records that do not travel because another of a sample stands for them; figures count them.
        records_folded,
        /// Records lost because a manager stayed away too long.
        records_unclaimed,
        /// Writes to and reads from a spool that failed; what that lost is in the batches' `dropped`.
        spool_failed,
        /// Standing subscriptions served from memory because there were too many spools.
        spools_refused,
        /// Batches that came back from a spool.
        batches_replayed,
        /// Messages with crossings of monitors handed to managers.
        notices_sent,
        /// Records that could not become objects.
        record_beans_refused,
        /// Tries to publish the advertisement that failed.
        publications_failed,
    }
}

counters! {
    /// What a collection counts.
    CollectionCounters {
        /// Agents subscribed to now.
        agents,
        /// Agents that the last look found beyond the bound.
        agents_beyond,
        /// Agents that claim the pseudonym of another one, those that are gone included; readers see them as unknown.
        pseudonyms_contested,
        /// Agents that answered that they have no room.
        agents_full,
        /// Pipes that broke, or were ended because an agent broke the protocol.
        pipes_broken,
        /// Records committed.
        records,
        /// Transactions for which those stand besides themselves, where agents send a sample.
        records_folded,
        /// Batches committed.
        batches,
        /// Batches that came again.
        batches_again,
        /// Crossings of monitors that agents told of.
        notifications,
        /// Crossings of monitors that agents forgot before they could tell.
        notifications_lost,
        /// Agents that did not flush in time at the end.
        unflushed,
    }
}

counters! {
    /// What a peer counts as a child in a tree of aggregators; the attributes of `juxta:type=aggregation`.
    ChildCounters {
        /// Times it attached to a parent, again or for the first time.
        attached,
        /// Aggregators that did not let it in: full, unreachable, or without the role.
        attach_failed,
        /// Reports that it made.
        reports,
        /// Reports sent, those sent again included.
        reports_sent,
        /// Reports that came too late or were refused; they count in the next interval.
        reports_late,
        /// Reports given up because nobody could tell whether they count.
        reports_in_doubt,
        /// The last interval that is handed on.
        handed_on,
        /// Questions of managers that check what it has reported.
        checks_answered,
        /// Such questions of who may not ask, or that could not be read.
        checks_refused,
    }
}

counters! {
    /// What an aggregator counts; the attributes of `juxta:type=aggregator`.
    AggregatorCounters {
        /// Children attached now.
        children,
        /// Peers below it that should report.
        expected,
        /// Peers that did so in the last interval.
        reporting,
        /// The last interval that was closed.
        closed,
        /// Reports taken.
        reports_taken,
        /// Reports that came again and replaced the one before, or counted already.
        reports_again,
        /// Reports that came after their interval.
        reports_late,
        /// Reports refused: too many, of another run, of the future.
        reports_refused,
        /// Questions of managers that check what it has counted.
        parts_shown,
        /// Who wanted to attach and was not let in: no room, no lower level, or without the role.
        children_refused,
        /// Children whose pipe was ended because they said too much or what can't be read.
        children_flooding,
        /// Orphans that were told what counts already.
        settled,
        /// Questions refused.
        questions_refused,
        /// How often a root was behind its wall clock, and followed it.
        clock_followed,
        /// Intervals of a root that ended more than one ahead of its wall clock, which was set back.
        clock_behind,
        /// Intervals that were forgotten at the root to make room.
        totals_forgotten,
        /// Tries to publish the advertisement that failed.
        publications_failed,
    }
}

/// One counter or gauge.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
