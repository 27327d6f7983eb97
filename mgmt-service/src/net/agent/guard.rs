//! Who may what at one agent, and what is written down of it.
//!
//! In: who asks, in which group, for what. Out: yes or no; lines of the audit log. Denials, subscriptions and what changed
//! nothing are written one by one up to a bound for each peer and summed up beyond, so that nobody can fill the disk or push other
//! lines out by asking.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use overlay::{GroupId, Peer, PeerGroup, PeerId, RefuseReason};

use super::super::counters::AgentCounters;
use super::super::membership::ManagementGroup;
use crate::access::{Access, Attempts, AuditEntry, AuditEvent, AuditFile, Noted, Veil, Verb};
use crate::error::AuditError;

/// What one agent's tasks share to decide.
#[derive(Debug)]
pub(super) struct Guard {
    group: PeerGroup,
    /// None at an agent that is open.
    place: Option<ManagementGroup>,
    audit: Mutex<Audit>,
    counters: Arc<AgentCounters>,
}

#[derive(Debug)]
struct Audit {
    /// None where there is no place for it; then nobody may set or invoke either, since the agent is open.
    file: Option<AuditFile>,
    denials: Attempts,
    subscriptions: Attempts,
    /// What changed nothing: dry runs, and what was asked for and was not possible.
    vain: Attempts,
}

/// Who asks, as the guard sees them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    pub(super) peer: PeerId,
    pub(super) access: Access,
}

impl Guard {
    pub(super) fn new(
        peer: &Peer,
        place: Option<ManagementGroup>,
        file: Option<AuditFile>,
        counters: Arc<AgentCounters>,
    ) -> Self {
        let group = place.as_ref().map_or_else(|| peer.net_group(), |place| place.group().clone());
        let (denials, subscriptions, vain) = (Attempts::default(), Attempts::default(), Attempts::default());
        let audit = Mutex::new(Audit { file, denials, subscriptions, vain });
        Self { group, place, audit, counters }
    }

    /// The group that the agent serves.
    pub(super) fn group(&self) -> &PeerGroup {
        &self.group
    }

    /// As whom `peer` asks in `group`.
    pub(super) fn asker(&self, peer: PeerId, group: &GroupId) -> Asker {
        let access = match &self.place {
            _ if *group != self.group.id() => Access::Nobody,
            None => Access::Anybody,
            Some(place) => place.access_of(&peer),
        };
        Asker { peer, access }
    }

    /// Whether they may; a no is counted and written down.
    ///
    /// # Errors
    /// What to tell them.
    pub(super) fn check(&self, asker: Asker, verb: Verb, object: &str) -> Result<(), RefuseReason> {
        if asker.access.may(verb) {
            return Ok(());
        }
        self.counters.denied.add(1);
        let outside = asker.access == Access::Nobody;
        let reason = if outside { "not in the group" } else { "the role may not" };
        let mut entry = entry(AuditEvent::Deny, asker, object, verb.as_str());
        entry.result = reason.to_owned();
        self.note_some(asker, entry, DENIALS, |audit| &mut audit.denials);
        Err(if outside { RefuseReason::NotMember } else { RefuseReason::Policy })
    }

    /// Under which names they see peers: none is the true ones.
    ///
    /// # Errors
    /// What to tell who may not see them while the pseudonyms' key is missing.
    pub(super) fn veil(&self, asker: Asker) -> Result<Option<Veil>, RefuseReason> {
        if asker.access.may(Verb::SeeIds) {
            return Ok(None);
        }
        let veil = self.place.as_ref().and_then(ManagementGroup::veil);
        veil.map(Some).ok_or(RefuseReason::Policy)
    }

    /// Whether the pseudonyms' key is still being asked for.
    pub(super) fn awaits_pseudonym(&self) -> bool {
        self.place.as_ref().is_some_and(ManagementGroup::wants_key)
    }

    /// This agent's own pseudonym, for its advertisement.
    pub(super) fn pseudonym(&self) -> Option<PeerId> {
        let veil = self.place.as_ref().and_then(ManagementGroup::veil)?;
        Some(veil.peer(&self.group.peer_id()))
    }

    /// Writes a line.
    ///
    /// # Errors
    /// [`AuditError`]; then what it is about must not be done.
    pub(super) fn note(&self, entry: &AuditEntry) -> Result<(), AuditError> {
        let written = self.audit().file.as_mut().map_or(Ok(()), |file| file.append(entry));
        if let Err(error) = &written {
            self.counters.audit_failed.add(1);
            tracing::error!(reason = %error, "audit log not written");
        }
        written
    }

    /// Writes down that somebody subscribed.
    pub(super) fn note_subscription(&self, asker: Asker, pattern: &str) {
        let entry = entry(AuditEvent::Subscribe, asker, pattern, "records");
        self.note_some(asker, entry, SUBSCRIPTIONS, |audit| &mut audit.subscriptions);
    }

    /// Writes down what changed nothing.
    pub(super) fn note_vain(&self, asker: Asker, entry: AuditEntry) {
        self.note_some(asker, entry, VAIN, |audit| &mut audit.vain);
    }

    /// Writes the sums of what had no line of its own in a period that is over; `last` does so whatever the time.
    pub(super) fn sum_up(&self, last: bool) {
        let now = Instant::now();
        let mut audit = self.audit();
        let Audit { denials, subscriptions, vain, .. } = &mut *audit;
        let kinds = [(denials, DENIALS), (subscriptions, SUBSCRIPTIONS), (vain, VAIN)];
        let sums = kinds.map(|(some, kind)| (some.take(now, last), kind));
        drop(audit);
        for (left_out, kind) in sums {
            for (peer, count) in left_out {
                let _ = self.note(&summed(peer, count, kind));
            }
        }
    }

    /// The last hash of the log.
    pub(super) fn audit_head(&self) -> String {
        self.audit().file.as_ref().map(AuditFile::head).unwrap_or_default()
    }

    fn note_some(
        &self,
        asker: Asker,
        entry: AuditEntry,
        kind: &str,
        which: impl Fn(&mut Audit) -> &mut Attempts,
    ) {
        let known = (asker.access != Access::Nobody).then_some(asker.peer);
        let (peer, noted) = which(&mut self.audit()).note(Instant::now(), known);
        let Noted::Line { left_out } = noted else { return };
        if left_out > 0 {
            let _ = self.note(&summed(peer, left_out, kind));
        }
        // What is only said, and changes nothing, is said even if it can't be written down; that is counted.
        let _ = self.note(&entry);
    }

    // Nothing in here panics while it is locked; if it did, the file would still be a whole one.
    fn audit(&self) -> MutexGuard<'_, Audit> {
        self.audit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line about what somebody did to something; done, unless its result is set.
pub(super) fn entry(event: AuditEvent, asker: Asker, object: &str, target: &str) -> AuditEntry {
    AuditEntry {
        subject: Some(asker.peer.to_string()),
        role: Some(asker.access.as_str()),
        object: Some(object.to_owned()),
        target: Some(target.to_owned()),
        ..AuditEntry::new(at(), event, "done")
    }
}

/// Now, as RFC 3339.
pub(super) fn at() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

/// A line about so many things of one kind, of one peer or of those who are not told apart.
fn summed(peer: Option<PeerId>, left_out: u64, kind: &str) -> AuditEntry {
    let entry = AuditEntry::new(at(), AuditEvent::Denied, "as the lines before");
    let subject = peer.map(|peer| peer.to_string());
    AuditEntry { subject, target: Some(kind.to_owned()), count: Some(left_out), ..entry }
}

/// What is summed up, as a line of the log says it.
const DENIALS: &str = "denials";
const SUBSCRIPTIONS: &str = "subscriptions";
const VAIN: &str = "sets and invocations that changed nothing";
