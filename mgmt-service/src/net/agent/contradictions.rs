//! What a manager writes down of aggregators that are contradicted.
//!
//! In: checks. Out: a line of the audit log for each contradiction, in the agent's own or, when the agent is off, in the
//! one of its directory. That one is opened for one look at a time, since what two write at once would break its chain.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use overlay::PeerId;

use super::ManagementAgent;
use super::guard::at;
use crate::access::{AuditEntry, AuditEvent, AuditFile};
use crate::aggregate::{Check, Checks, Contradiction};
use crate::error::AuditError;

impl ManagementAgent {
    /// Writes the contradictions among `checks` to the audit log, which is in `dir`. Blocks for the time of some short
    /// appends; with an agent that is off also for reading what `audit.log` has, at most about `AUDIT_FILE_BYTES_MAX`, and
    /// for others who do the same in this process. An agent without a log writes nothing.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn note_contradictions(&self, checks: &Checks, dir: &Path) -> Result<(), AuditError> {
        let mut entries = checks.contradictions().map(entry).peekable();
        if entries.peek().is_none() {
            return Ok(());
        }
        if let Some(running) = &self.running {
            return entries.try_for_each(|entry| running.guard.note(&entry));
        }
        let _alone = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = AuditFile::open(dir, at())?;
        entries.try_for_each(|entry| file.append(&entry))
    }
}

/// Held while a log is open that no agent keeps.
static OPENING: Mutex<()> = Mutex::new(());

/// Whom, by whom, in what, and who says what.
fn entry((check, found): (&Check, &Contradiction)) -> AuditEntry {
    AuditEntry {
        subject: Some(found.aggregator.to_string()),
        object: found.child.as_ref().map(PeerId::to_string),
        target: Some(format!("interval {}: {}", check.interval, found.lie.as_str())),
        ..AuditEntry::new(at(), AuditEvent::Contradict, found.sentence())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::access::verify_audit_files;
    use crate::aggregate::{Finding, Lie};

    #[test]
    fn looks_that_find_contradictions_at_the_same_time_leave_a_whole_log() {
        let dir = tempfile::tempdir().unwrap();
        let (agent, aggregator) = (ManagementAgent { running: None }, PeerId::random());
        let found = Contradiction { aggregator, child: None, lie: Lie::Sum, counted: None, told: None };
        let finding = Finding::Contradicts(Box::new(found));
        let check = Check { interval: 7, down: true, path: vec![aggregator], finding };
        let checks = Checks { checks: vec![check], ..Checks::default() };
        thread::scope(|scope| {
            let noting = || (0..10).for_each(|_| agent.note_contradictions(&checks, dir.path()).unwrap());
            (0..8).for_each(|_| drop(scope.spawn(noting)));
        });
        let log = verify_audit_files(&dir.path().join("audit.log"), None).unwrap();
        // Each opens it, and has one thing to say.
        assert_eq!((log.first, log.lines), (1, 8 * 10 * 2));
    }
}
