//! The file of the audit log over restarts, rotation and what somebody did to it.

use super::*;

fn set(n: usize) -> AuditEntry {
    AuditEntry::new(format!("t{n}"), AuditEvent::Set, "done")
}

fn lines(path: &Path) -> u64 {
    verify_audit(BufReader::new(File::open(path).unwrap()), None).unwrap().lines
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
fn a_beginning_that_was_removed_is_found_and_older_files_are_read_back_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    for n in 0..3 {
        AuditFile::open(dir.path(), "t".into()).unwrap().append(&set(n)).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    assert_eq!(verify_audit_files(&path, None).unwrap().lines, 6);
    // Lines 3 and 5 name the hash before them, since the process began anew.
    fs::write(&path, lines[2..].concat()).unwrap();
    let error = verify_audit_files(&path, None).unwrap_err();
    assert!(matches!(error, AuditVerifyError::NoBeginning { first: 3, last: 6, .. }), "{error}");
    let before = dir.path().join("audit.log.1");
    fs::write(&before, lines[..1].concat()).unwrap();
    let error = verify_audit_files(&path, None).unwrap_err();
    assert!(matches!(error, AuditVerifyError::Gap { first: 3, .. }), "{error}");
    fs::write(&before, lines[..2].concat()).unwrap();
    let head = &lines[0][..64];
    let verified = verify_audit_files(&path, Some(head)).unwrap();
    assert_eq!((verified.lines, verified.first, verified.next), (6, 1, 7));
    assert!(matches!(verify_audit_files(&path, Some("0123")), Err(AuditVerifyError::NoHead)));
    fs::write(&before, lines[..2].concat().replace("done", "nope")).unwrap();
    let error = verify_audit_files(&path, None).unwrap_err().to_string();
    assert!(error.contains("audit.log.1: line 2"), "{error}");
    fs::write(&path, "").unwrap();
    assert!(matches!(verify_audit_files(&path, None), Err(AuditVerifyError::Empty)));
}

#[test]
fn what_stood_before_the_oldest_file_that_is_kept_is_not_missed() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = AuditFile::open(dir.path(), "t".into()).unwrap();
    for n in 0..AUDIT_FILES_KEPT + 2 {
        log.append(&set(n)).unwrap();
        log.bytes = AUDIT_FILE_BYTES_MAX;
    }
    let verified = verify_audit_files(&dir.path().join(FILE), None).unwrap();
    assert!(verified.first > 1 && verified.lines == verified.next - verified.first, "{verified:?}");
    fs::remove_file(dir.path().join("audit.log.2")).unwrap();
    let error = verify_audit_files(&dir.path().join(FILE), None).unwrap_err().to_string();
    assert!(error.contains("audit.log.2, which is not there"), "{error}");
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
