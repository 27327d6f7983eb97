//! The file of the audit log: appended to, verified when it is opened, rotated when it is full.
//!
//! In: entries. Out: lines in `audit.log`, older ones in `audit.log.1` and so on; at most `AUDIT_FILES_KEPT` files of about
//! `AUDIT_FILE_BYTES_MAX`. Lines survive the end of the process; they are not forced to the disk one by one. Blocks for the
//! time of a short append.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use super::audit::{AuditEntry, AuditEvent, Chain, VerifiedAudit, check, empty, verify_audit};
use crate::error::{AuditError, AuditVerifyError};
use crate::limits::{AUDIT_FILE_BYTES_MAX, AUDIT_FILES_KEPT, AUDIT_LINE_BYTES_MAX, AUDIT_TEXT_BYTES_MAX};

/// An audit log open for appending.
#[derive(Debug)]
pub struct AuditFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    chain: Chain,
}

impl AuditFile {
    /// Opens the log in `dir` and goes on where it ends. A log that is not as it was written is put aside as it is, and a new
    /// one begins with a line that says so; half a line at the end, of a process that was killed, is cut off.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn open(dir: &Path, at: String) -> Result<Self, AuditError> {
        let path = dir.join(FILE);
        let failed = |source| AuditError::Io { path: path.clone(), source };
        cut_half_line(&path).map_err(failed)?;
        let verified = match File::open(&path) {
            Ok(file) => verify_audit(BufReader::new(file), None).map_err(|error| error.to_string()).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let (chain, result) = match verified {
            Ok(Some(before)) if before.lines > 0 => {
                (Chain::after(before.last, before.next), "goes on".to_owned())
            }
            Ok(_) => (Chain::after(empty(), 1), "begins".to_owned()),
            Err(broken) => {
                rotate(&path).map_err(failed)?;
                tracing::error!(path = %path.display(), reason = %broken, "audit log was not as written; put aside");
                (Chain::after(empty(), 1), format!("the log before was broken: {broken}"))
            }
        };
        let (file, bytes) = append_to(&path).map_err(failed)?;
        let mut log = Self { path, file, bytes, chain };
        log.append(&AuditEntry::new(at, AuditEvent::Start, result))?;
        Ok(log)
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// [`AuditError`]; what it was about must then not be done.
    pub fn append(&mut self, entry: &AuditEntry) -> Result<(), AuditError> {
        let failed = |source| AuditError::Io { path: self.path.clone(), source };
        if self.bytes >= AUDIT_FILE_BYTES_MAX {
            rotate(&self.path).map_err(failed)?;
            (self.file, self.bytes) = append_to(&self.path).map_err(failed)?;
            self.write(&AuditEntry::new(
                entry.at.clone(),
                AuditEvent::Start,
                "goes on after the file before",
            ))?;
        }
        self.write(entry)
    }

    /// The hash of the last line, for somebody else to keep.
    #[must_use]
    pub fn head(&self) -> String {
        self.chain.head.to_hex().to_string()
    }

    fn write(&mut self, entry: &AuditEntry) -> Result<(), AuditError> {
        let failed = |source| AuditError::Io { path: self.path.clone(), source };
        let (mut line, mut head) = self.chain.line(entry);
        if line.len() > AUDIT_LINE_BYTES_MAX {
            (line, head) = self.chain.line(&shortened(entry));
        }
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // A disk that is full may have taken half of it.
            let _ = self.file.set_len(self.bytes);
            return Err(failed(error));
        }
        self.bytes += line.len() as u64;
        self.chain.wrote(head);
        Ok(())
    }
}

/// Checks the file at `path`, and the older ones beside it back to the line with which the log begins, or to the oldest that is
/// kept. With `head`, a line of one of them must have that hash. What is checked, as one.
///
/// # Errors
/// [`AuditVerifyError`].
pub fn verify_audit_files(path: &Path, head: Option<&str>) -> Result<VerifiedAudit, AuditVerifyError> {
    let look = |path: &Path| File::open(path).map_err(AuditVerifyError::from);
    let (mut whole, mut seen_head) = check(BufReader::new(look(path)?), head)?;
    if whole.lines == 0 {
        return Err(AuditVerifyError::Empty);
    }
    let mut file = path.to_owned();
    while whole.first > 1 && number_of(&file).saturating_add(1) < AUDIT_FILES_KEPT {
        let (first, last) = (whole.first, whole.next.saturating_sub(1));
        file = older(&file);
        let older = |error| AuditVerifyError::Older { file: file.clone(), error: Box::new(error) };
        let (before, had_head) = match look(&file) {
            Err(AuditVerifyError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Err(AuditVerifyError::NoBeginning { first, last, file });
            }
            opened => opened.and_then(|opened| check(BufReader::new(opened), head)).map_err(older)?,
        };
        if (before.next, before.last) != (whole.first, whole.before) {
            return Err(AuditVerifyError::Gap { file, first });
        }
        whole =
            VerifiedAudit { next: whole.next, last: whole.last, lines: before.lines + whole.lines, ..before };
        seen_head |= had_head;
    }
    if seen_head || head.is_none() { Ok(whole) } else { Err(AuditVerifyError::NoHead) }
}

/// The number at the end of an older file's name; 0 for the one that is written.
fn number_of(path: &Path) -> usize {
    path.extension().and_then(|extension| extension.to_str()?.parse().ok()).unwrap_or(0)
}

/// Where the lines before those of `path` stand.
fn older(path: &Path) -> PathBuf {
    match number_of(path) {
        0 => {
            let mut name = path.as_os_str().to_owned();
            name.push(".1");
            name.into()
        }
        number => path.with_extension(number.saturating_add(1).to_string()),
    }
}

/// The entry with its long texts cut.
fn shortened(entry: &AuditEntry) -> AuditEntry {
    use crate::jmx::AttributeValue;
    let cut = |text: &str| text.chars().take(AUDIT_TEXT_BYTES_MAX / 8).collect::<String>();
    let value = |value: &AttributeValue| match value {
        AttributeValue::Str(text) => AttributeValue::Str(cut(text)),
        other => other.clone(),
    };
    AuditEntry {
        object: entry.object.as_deref().map(cut),
        target: entry.target.as_deref().map(cut),
        before: entry.before.as_ref().map(value),
        after: entry.after.as_ref().map(value),
        result: cut(&entry.result),
        ..entry.clone()
    }
}

fn append_to(path: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

/// Moves each file one number on; the last is given up.
fn rotate(path: &Path) -> io::Result<()> {
    let numbered = |number: usize| path.with_extension(format!("log.{number}"));
    for number in (1..AUDIT_FILES_KEPT.saturating_sub(1)).rev() {
        match fs::rename(numbered(number), numbered(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(path, numbered(1))
}

/// Cuts what a process that was killed while it wrote has left behind the last whole line.
fn cut_half_line(path: &Path) -> io::Result<()> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    if whole < bytes.len() {
        tracing::warn!(path = %path.display(), "half a line of the audit log was cut off");
        OpenOptions::new().write(true).open(path)?.set_len(whole as u64)?;
    }
    Ok(())
}

const FILE: &str = "audit.log";

#[cfg(test)]
mod tests;
