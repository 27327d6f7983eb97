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
use crate::jmx::AttributeValue;
use crate::limits::{AUDIT_FILE_BYTES_MAX, AUDIT_FILES_KEPT, AUDIT_TEXT_BYTES_MAX};

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
        if !path.try_exists().map_err(failed)? {
            // It may have been killed before the next file got its name; mostly there is none.
            let _ = fs::rename(next_to(&path), &path);
        }
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
        if self.bytes >= AUDIT_FILE_BYTES_MAX {
            self.go_on(entry.at.clone())?;
        }
        self.write(entry)
    }

    /// The hash of the last line, for somebody else to keep.
    #[must_use]
    pub fn head(&self) -> String {
        self.chain.head.to_hex().to_string()
    }

    /// Begins the next file, which gets its place once it is there: on failure the one that is full keeps it, and no older
    /// one is given up.
    fn go_on(&mut self, at: String) -> Result<(), AuditError> {
        let failed = |source| AuditError::Io { path: self.path.clone(), source };
        let place = next_to(&self.path);
        match fs::remove_file(&place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let (file, bytes) = append_to(&place).map_err(failed)?;
        let mut next = Self { path: self.path.clone(), file, bytes, chain: self.chain.clone() };
        next.write(&AuditEntry::new(at, AuditEvent::Start, "goes on after the file before"))?;
        rotate(&self.path).and_then(|()| fs::rename(&place, &self.path)).map_err(failed)?;
        *self = next;
        Ok(())
    }

    fn write(&mut self, entry: &AuditEntry) -> Result<(), AuditError> {
        let failed = |source| AuditError::Io { path: self.path.clone(), source };
        let (line, head) = self.chain.line(&shortened(entry));
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

/// The entry with each long text told by its beginning, its length and its hash: nobody fills the log with long ones, and who
/// has the text can show that it was this one.
fn shortened(entry: &AuditEntry) -> AuditEntry {
    let value = |value: &AttributeValue| match value {
        AttributeValue::Str(text) => AttributeValue::Str(cut(text)),
        other => other.clone(),
    };
    let cut = |text: &String| cut(text);
    AuditEntry {
        object: entry.object.as_ref().map(cut),
        target: entry.target.as_ref().map(cut),
        before: entry.before.as_ref().map(value),
        after: entry.after.as_ref().map(value),
        result: cut(&entry.result),
        ..entry.clone()
    }
}

fn cut(text: &str) -> String {
    if text.len() <= AUDIT_TEXT_BYTES_MAX {
        return text.to_owned();
    }
    let shown = text.get(..text.floor_char_boundary(AUDIT_TEXT_BYTES_MAX)).unwrap_or_default();
    let hash = blake3::hash(text.as_bytes()).to_hex();
    format!("{shown}\u{2026} ({} bytes, BLAKE3 {})", text.len(), hash.get(..HASH_CHARS).unwrap_or_default())
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

/// Where a next file is made ready.
fn next_to(path: &Path) -> PathBuf {
    path.with_extension("log.next")
}

/// Moves each file one number on; the last is given up. When there is none to move they keep their places.
fn rotate(path: &Path) -> io::Result<()> {
    if !path.try_exists()? {
        return Ok(());
    }
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

/// Hexadecimal digits that are shown of the hash of a long text: 128 bits.
const HASH_CHARS: usize = 32;

#[cfg(test)]
mod tests;
