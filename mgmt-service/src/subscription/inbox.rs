//! The manager's end of a subscription: which batches are new, what is committed, what was lost.
//!
//! In: numbers of batches as they come and as they are committed. Out: whether to commit one, and where a new pipe
//! resumes. One number a peer, no list: an agent sends in order.

/// What one agent has delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inbox {
    boot: u64,
    seq: u64,
    /// Lost within the present boot, as the agent says.
    dropped: u64,
    /// Lost within earlier boots.
    dropped_before: u64,
}

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Commit it, then acknowledge.
    New,
    /// It is committed already; acknowledge again.
    Duplicate,
    /// Batches before it are missing, which an honest agent never does: end the pipe.
    Gap,
}

impl Inbox {
    /// An inbox as it was kept: its present boot and number, what was lost within that boot and before it.
    #[must_use]
    pub fn kept(boot: u64, seq: u64, dropped: u64, dropped_before: u64) -> Self {
        Self { boot, seq, dropped, dropped_before }
    }

    /// What was lost within the present boot, and before it.
    #[must_use]
    pub fn losses(&self) -> (u64, u64) {
        (self.dropped, self.dropped_before)
    }

    /// What the batch `seq` of `boot` is.
    #[must_use]
    pub fn judge(&self, boot: u64, seq: u64) -> Verdict {
        if boot != self.boot {
            return Verdict::New;
        }
        match seq {
            seq if seq <= self.seq => Verdict::Duplicate,
            seq if seq == self.seq.saturating_add(1) => Verdict::New,
            _ => Verdict::Gap,
        }
    }

    /// As [`Self::judge`], for a batch that says that `dropped` records were lost: an agent that had no room for older
    /// batches goes on behind them, and says how many records that cost.
    #[must_use]
    pub fn judge_lossy(&self, boot: u64, seq: u64, dropped: u64) -> Verdict {
        match self.judge(boot, seq) {
            Verdict::Gap if dropped > self.dropped => Verdict::New,
            verdict => verdict,
        }
    }

    /// The batch `seq` of `boot`, which [`Self::judge`] called new, is committed.
    pub fn committed(&mut self, boot: u64, seq: u64, dropped: u64) {
        if boot != self.boot {
            self.dropped_before = self.dropped();
        }
        (self.boot, self.seq, self.dropped) = (boot, seq, dropped);
    }

    /// Where a new pipe resumes: boot and number of the last committed batch.
    #[must_use]
    pub fn resume_from(&self) -> (u64, u64) {
        (self.boot, self.seq)
    }

    /// Records that the agent lost because nobody took them in time.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped_before.saturating_add(self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_counts_once_however_often_it_comes() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.judge(7, 1), Verdict::New);
        inbox.committed(7, 1, 0);
        assert_eq!(inbox.judge(7, 1), Verdict::Duplicate);
        assert_eq!(inbox.judge(7, 2), Verdict::New);
        assert_eq!(inbox.judge(7, 3), Verdict::Gap);
        assert_eq!(inbox.resume_from(), (7, 1));
        assert_eq!(inbox.judge_lossy(7, 3, 0), Verdict::Gap);
        assert_eq!(inbox.judge_lossy(7, 3, 1), Verdict::New, "who lost something says so");
    }

    #[test]
    fn a_restarted_agent_starts_again_and_its_losses_add_up() {
        let mut inbox = Inbox::default();
        inbox.committed(7, 1, 2);
        inbox.committed(7, 2, 5);
        assert_eq!(inbox.judge(8, 1), Verdict::New);
        inbox.committed(8, 1, 1);
        assert_eq!((inbox.resume_from(), inbox.dropped()), ((8, 1), 6));
    }
}
