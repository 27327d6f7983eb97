//! What was done at an agent, as lines of which each holds the hash of the one before.
//!
//! In: entries. Out: lines `<hash> <json>`, where the hash is BLAKE3 over the hash before and the JSON. A line that was
//! changed, left out or put in breaks the chain at its place. Whoever may write the file can make a whole new chain, and can
//! cut off its end: against that, somebody else keeps the last hash (attribute `audit_head` of `juxta:type=agent`).

use std::io::BufRead;

use serde::{Deserialize, Serialize};

use crate::error::AuditVerifyError;
use crate::jmx::AttributeValue;
use crate::limits::AUDIT_LINE_BYTES_MAX;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditEvent {
    /// The log begins, or goes on in a new file.
    Start,
    /// An attribute was set, or was not.
    Set,
    /// An operation was invoked.
    Invoke,
    /// Somebody subscribed to records.
    Subscribe,
    /// Somebody asked for what they may not have.
    Deny,
    /// What an aggregator counted is not what its children say that they have reported.
    Contradict,
    /// So many denials of the last period have no line of their own.
    Denied,
}

/// One line's worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditEntry {
    /// RFC 3339.
    pub at: String,
    /// What happened.
    pub event: AuditEvent,
    /// Who did it: an id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// As what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// To which object, or what records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Which attribute or operation of it; what was denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The attribute's value before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<AttributeValue>,
    /// The attribute's value after; the arguments of an operation as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<AttributeValue>,
    /// `done`, `dry-run`, or why not.
    pub result: String,
    /// Of how many things this is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl AuditEntry {
    /// An entry that says no more than this.
    #[must_use]
    pub fn new(at: String, event: AuditEvent, result: impl Into<String>) -> Self {
        let (subject, role, object, target) = (None, None, None, None);
        let (before, after, count) = (None, None, None);
        Self { at, event, subject, role, object, target, before, after, result: result.into(), count }
    }
}

/// Makes lines of entries.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    pub(super) head: blake3::Hash,
    pub(super) next: u64,
}

impl Chain {
    /// A chain that goes on after line `next - 1` with the hash `head`.
    pub(super) fn after(head: blake3::Hash, next: u64) -> Self {
        Self { head, next }
    }

    /// The line of an entry and the hash that it ends with; the chain goes on after it once it is [written](Self::wrote).
    pub(super) fn line(&self, entry: &AuditEntry) -> (String, blake3::Hash) {
        let previous = (entry.event == AuditEvent::Start).then(|| self.head.to_hex().to_string());
        let line = Line { seq: self.next, previous, entry };
        // Strings and numbers always serialize.
        let json = serde_json::to_string(&line).unwrap_or_default();
        let hash = link(&self.head, json.as_bytes());
        (format!("{} {json}\n", hash.to_hex()), hash)
    }

    pub(super) fn wrote(&mut self, head: blake3::Hash) {
        (self.head, self.next) = (head, self.next.saturating_add(1));
    }
}

#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
    #[serde(flatten)]
    entry: &'a AuditEntry,
}

/// What a verifier looks at in a line.
#[derive(Deserialize)]
struct Seen {
    seq: u64,
    previous: Option<String>,
}

/// Lines of one file that are as they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedAudit {
    /// How many.
    pub lines: u64,
    /// The number of the first line; 1 where the log begins. Those before stand in the file before.
    pub first: u64,
    /// The hash that the line before the first has.
    pub before: blake3::Hash,
    /// The number of the next line.
    pub next: u64,
    /// The last hash.
    pub last: blake3::Hash,
}

/// Reads a file of a log to its end and checks every link. With `head`, a hash that is known from elsewhere, a line must have
/// it. Reads line by line, each at most `AUDIT_LINE_BYTES_MAX`. Whether lines before the first are missing, the file before
/// says: [`verify_audit_files`](super::verify_audit_files).
///
/// # Errors
/// [`AuditVerifyError`], with the first line that is not as it was written.
pub fn verify_audit(log: impl BufRead, head: Option<&str>) -> Result<VerifiedAudit, AuditVerifyError> {
    let (verified, seen_head) = check(log, head)?;
    if seen_head || head.is_none() { Ok(verified) } else { Err(AuditVerifyError::NoHead) }
}

/// Checks every link of a file, and whether a line has the hash `head`.
pub(super) fn check(
    mut log: impl BufRead,
    head: Option<&str>,
) -> Result<(VerifiedAudit, bool), AuditVerifyError> {
    let nothing = VerifiedAudit { lines: 0, first: 1, before: empty(), next: 1, last: empty() };
    let (mut lines, mut verified, mut seen_head): (u64, Option<VerifiedAudit>, bool) = (0, None, false);
    let mut line = Vec::new();
    loop {
        line.clear();
        let bytes_max = AUDIT_LINE_BYTES_MAX as u64;
        let bytes = std::io::Read::take(&mut log, bytes_max).read_until(b'\n', &mut line)?;
        if bytes == 0 {
            break;
        }
        lines += 1;
        let broken = |reason| AuditVerifyError::Broken { line: lines, reason };
        let text = line.strip_suffix(b"\n").ok_or_else(|| broken("it is cut or too long"))?;
        let (hash, json) = text.split_at_checked(HASH_CHARS).ok_or_else(|| broken("it is too short"))?;
        let hash = blake3::Hash::from_hex(hash).map_err(|_| broken("it begins with no hash"))?;
        let json = json.strip_prefix(b" ").ok_or_else(|| broken("no space follows the hash"))?;
        let seen: Seen = serde_json::from_slice(json).map_err(|_| broken("it can't be read"))?;
        let before = match (verified, &seen.previous) {
            (Some(verified), _) => verified.last,
            (None, Some(previous)) => {
                blake3::Hash::from_hex(previous).map_err(|_| broken("it names no hash before it"))?
            }
            (None, None) => return Err(broken("the beginning is missing")),
        };
        if link(&before, json) != hash {
            return Err(broken("it was changed, or the line before it was"));
        }
        // What stands before the first line of all is nothing.
        let begins = verified.is_none() && (seen.seq == 1) == (before == empty());
        if !begins && verified.is_none_or(|verified| verified.next != seen.seq) {
            return Err(broken("its number is wrong"));
        }
        seen_head |= head.is_some_and(|head| hash.to_hex().as_str() == head);
        let (first, before) =
            verified.map_or((seen.seq, before), |verified| (verified.first, verified.before));
        verified = Some(VerifiedAudit { lines, first, before, next: seen.seq.saturating_add(1), last: hash });
    }
    Ok((verified.unwrap_or(nothing), seen_head))
}

/// What stands before the first line of the first file.
pub(super) fn empty() -> blake3::Hash {
    blake3::hash(b"")
}

fn link(before: &blake3::Hash, json: &[u8]) -> blake3::Hash {
    blake3::Hasher::new_derive_key("juxta management audit 1")
        .update(before.as_bytes())
        .update(json)
        .finalize()
}

const HASH_CHARS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn log(count: usize) -> (Vec<String>, blake3::Hash) {
        let mut chain = Chain::after(empty(), 1);
        let lines = (0..count).map(|n| {
            let event = if n == 0 { AuditEvent::Start } else { AuditEvent::Set };
            let entry = AuditEntry::new(format!("t{n}"), event, "done");
            let (line, head) = chain.line(&entry);
            chain.wrote(head);
            line
        });
        (lines.collect(), chain.head)
    }

    fn broken_at(lines: &[String]) -> u64 {
        match verify_audit(lines.concat().as_bytes(), None) {
            Err(AuditVerifyError::Broken { line, .. }) => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_whole_log_is_verified_and_every_change_is_found_at_its_line() {
        let (lines, head) = log(5);
        let verified = VerifiedAudit { lines: 5, first: 1, before: empty(), next: 6, last: head };
        assert_eq!(verify_audit(lines.concat().as_bytes(), None).unwrap(), verified);
        for at in 0..5 {
            let mut changed = lines.clone();
            changed[at] = changed[at].replace("done", "nope");
            assert_eq!(broken_at(&changed), at as u64 + 1);
        }
        let without = [&lines[..2], &lines[3..]].concat();
        assert_eq!(broken_at(&without), 3);
        let mut swapped = lines.clone();
        swapped.swap(2, 3);
        assert_eq!(broken_at(&swapped), 3);
        assert_eq!(broken_at(&lines[1..]), 1);
        let mut torn = lines.clone();
        torn[4].pop();
        assert_eq!(broken_at(&torn), 5);
    }

    #[test]
    fn a_cut_end_is_found_by_who_knows_the_last_hash() {
        let (lines, head) = log(5);
        let head = head.to_hex().to_string();
        assert!(verify_audit(lines.concat().as_bytes(), Some(&head)).is_ok());
        let cut = lines[..4].concat();
        assert!(verify_audit(cut.as_bytes(), None).is_ok());
        assert!(matches!(verify_audit(cut.as_bytes(), Some(&head)), Err(AuditVerifyError::NoHead)));
    }

    #[test]
    fn any_bytes_are_a_log_or_an_error() {
        for bytes in [&b""[..], b"\n", b"x", &[0xff; 200], "ü".repeat(70).as_bytes()] {
            let _ = verify_audit(bytes, None);
        }
        let long = vec![b'a'; AUDIT_LINE_BYTES_MAX * 3];
        assert!(matches!(verify_audit(long.as_slice(), None), Err(AuditVerifyError::Broken { line: 1, .. })));
    }
}
