//! The files of the workspace: found on disk, or made of samples.

use std::fs;
use std::path::{Path, PathBuf};

use crate::rust_text;

/// The crates in the direction in which imports run: each may use those before it.
pub(crate) const CRATES: [&str; 5] = ["overlay", "mgmt-service", "rendezvous", "im-app", "tests"];

/// One Rust file.
pub(crate) struct SourceFile {
    /// Path from the root of the workspace, with `/`.
    pub(crate) path: String,
    /// The file as it is.
    pub(crate) text: String,
    /// The same lines with comments, strings and characters blanked.
    pub(crate) code: String,
}

impl SourceFile {
    /// A file of this path and text.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), code: rust_text::blank_literals(text) }
    }

    /// The code that ships: without `#[cfg(test)]` modules, empty for a file of tests.
    pub(crate) fn shipped_code(&self) -> String {
        if self.is_test() { String::new() } else { rust_text::blank_test_modules(&self.code) }
    }

    /// Whether the whole file is test code.
    fn is_test(&self) -> bool {
        let path = &self.path;
        path.starts_with("tests/") || path.ends_with("/tests.rs") || path.contains("/tests/")
    }
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The text of a file of the workspace.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
}

/// Every Rust file of the five crates.
pub(crate) fn source_files() -> Vec<SourceFile> {
    let root = root();
    let mut paths = Vec::new();
    for name in CRATES {
        collect(&root.join(name), &mut paths);
    }
    paths.sort();
    let files: Vec<SourceFile> = paths
        .iter()
        .map(|path| {
            let relative = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            SourceFile::new(&relative, &fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(files.len() >= CRATES.len(), "the source of {} crates was not found", CRATES.len());
    files
}

/// Fails with every violation, one a line.
pub(crate) fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

/// Adds the Rust files below `folder`, build output aside.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, paths);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}
