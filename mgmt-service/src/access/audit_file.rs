//! The file of the audit log: appended to, verified when it is opened, rotated when it is full.
//!
//! In: entries. Out: lines in `audit.log`, older ones in `audit.log.1` and so on; at most `AUDIT_FILES_KEPT` files of about
//! `AUDIT_FILE_BYTES_MAX`. Lines survive the end of the process; they are not forced to the disk one by one. Blocks for the
//! time of a short append.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use super::audit::{AuditEntry, AuditEvent, Chain, empty, verify_audit};
use crate::error::AuditError;
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
            Ok(file) => verify_audit(BufReader::new(file), None).map_err(|error| error.to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((0, 0, empty())),
            Err(error) => return Err(failed(error)),
        };
        let (chain, result) = match verified {
            Ok((0, ..)) => (Chain::after(empty(), 1), "begins".to_owned()),
            Ok((_, next, head)) => (Chain::after(head, next), "goes on".to_owned()),
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
mod tests {
    use super::*;

    fn set(n: usize) -> AuditEntry {
        AuditEntry::new(format!("t{n}"), AuditEvent::Set, "done")
    }

    fn lines(path: &Path) -> u64 {
        verify_audit(BufReader::new(File::open(path).unwrap()), None).unwrap().0
    }

    #[test]
    fn a_log_goes_on_over_restarts_and_a_kill_in_the_middle_of_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let mut log = AuditFile::open(dir.path(), "t".into()).unwrap();
        log.append(&set(1)).unwrap();
        drop(log);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"0123 {half").unwrap();
        let mut log = AuditFile::open(dir.path(), "t".into()).unwrap();
        log.append(&set(2)).unwrap();
        assert_eq!(lines(&path), 4);
        let head = log.head();
        assert!(verify_audit(BufReader::new(File::open(&path).unwrap()), Some(&head)).is_ok());
    }

    #[test]
    fn a_log_that_was_changed_is_kept_aside_and_the_new_one_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        AuditFile::open(dir.path(), "t".into()).unwrap().append(&set(1)).unwrap();
        let changed = fs::read_to_string(&path).unwrap().replace("done", "nope");
        fs::write(&path, &changed).unwrap();
        AuditFile::open(dir.path(), "t".into()).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("audit.log.1")).unwrap(), changed);
        assert!(fs::read_to_string(&path).unwrap().contains("the log before was broken: line 2"));
        assert_eq!(lines(&path), 1);
    }

    #[test]
    fn a_full_log_goes_on_in_the_next_file_and_few_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = AuditFile::open(dir.path(), "t".into()).unwrap();
        for _ in 0..AUDIT_FILES_KEPT + 2 {
            let head = log.head();
            log.append(&set(1)).unwrap();
            log.bytes = AUDIT_FILE_BYTES_MAX;
            assert_ne!(log.head(), head);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), AUDIT_FILES_KEPT);
        for file in fs::read_dir(dir.path()).unwrap() {
            assert!(lines(&file.unwrap().path()) >= 2);
        }
    }

    #[test]
    fn a_long_value_makes_no_long_line() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = AuditFile::open(dir.path(), "t".into()).unwrap();
        let long = AuditEntry { after: Some("\u{1}".repeat(60_000).into()), ..set(1) };
        log.append(&long).unwrap();
        assert_eq!(lines(&dir.path().join(FILE)), 2);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_reads_the_log() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        AuditFile::open(dir.path(), "t".into()).unwrap();
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
