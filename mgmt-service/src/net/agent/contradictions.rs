//! What a manager writes down of aggregators that are contradicted.
//!
//! In: checks. Out: a line of the audit log for each contradiction, in the agent's own or, when the agent is off, in the
//! one of its directory.

use std::path::Path;

use overlay::PeerId;

use super::ManagementAgent;
use super::guard::at;
use crate::access::{AuditEntry, AuditEvent, AuditFile};
use crate::aggregate::{Check, Checks, Contradiction};
use crate::error::AuditError;

impl ManagementAgent {
    /// Writes the contradictions among `checks` to the audit log, which is in `dir`. Blocks for the time of some short
    /// appends; an agent without a log writes nothing.
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
        let mut file = AuditFile::open(dir, at())?;
        entries.try_for_each(|entry| file.append(&entry))
    }
}

/// Whom, by whom, in what, and who says what.
fn entry((check, found): (&Check, &Contradiction)) -> AuditEntry {
    AuditEntry {
        subject: Some(found.aggregator.to_string()),
        object: found.child.as_ref().map(PeerId::to_string),
        target: Some(format!("interval {}: {}", check.interval, found.lie.as_str())),
        ..AuditEntry::new(at(), AuditEvent::Contradict, found.sentence())
    }
}
