//! Habits of every file: it says first what it is, tests are never switched off, one module names the codec.

use crate::rust_text::{line_of, word_positions};
use crate::workspace::{SourceFile, assert_none, source_files};

/// What no file may hold, and why.
const BANNED: [(&str, &str); 3] = [
    ("#[ignore", "a test that does not run proves nothing"),
    ("#[should_panic", "it can't tell the right panic from another"),
    ("start_paused", "libp2p's timers do not pause with tokio's, so a time-out fires at once"),
];

/// The only file that names the codec, so that another can replace it.
const CODEC_HOME: &str = "overlay/src/wire";

/// Every breach of a habit.
fn breaches(files: &[SourceFile]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files {
        if !file.text.starts_with("//!") {
            violations.push(format!("{}: does not open with a `//!` line that says what it is", file.path));
        }
        for (banned, reason) in BANNED {
            for (at, _) in file.code.match_indices(banned) {
                violations.push(format!("{}:{}: {banned}: {reason}", file.path, line_of(&file.code, at)));
            }
        }
        if !file.path.starts_with(CODEC_HOME) {
            for at in word_positions(&file.code, "bincode") {
                violations.push(format!(
                    "{}:{}: only {CODEC_HOME} names bincode",
                    file.path,
                    line_of(&file.code, at)
                ));
            }
        }
        violations.extend(logic_in_facade(file));
    }
    violations
}

/// `mod.rs` and `lib.rs` declare and re-export; logic has a file that carries its name.
fn logic_in_facade(file: &SourceFile) -> Option<String> {
    if !(file.path.ends_with("/mod.rs") || file.path.ends_with("src/lib.rs")) {
        return None;
    }
    let code = file.shipped_code();
    let at = ["fn", "impl", "struct", "enum", "trait"].into_iter().find_map(|word| {
        word_positions(&code, word).into_iter().find(|at| code[at + word.len()..].starts_with([' ', '<']))
    })?;
    Some(format!(
        "{}:{}: declares and re-exports only; this belongs in a file of its own",
        file.path,
        line_of(&code, at)
    ))
}

#[test]
fn every_file_keeps_the_habits() {
    assert_none(&breaches(&source_files()));
}

#[test]
fn each_breach_is_caught() {
    for (path, text) in [
        ("overlay/src/id.rs", "use std::fmt;\n"),
        ("overlay/src/id.rs", "//! .\n#[test]\n#[ignore = \"slow\"]\nfn t() {}\n"),
        ("overlay/src/id.rs", "//! .\n#[should_panic]\nfn t() {}\n"),
        ("overlay/src/id.rs", "//! .\n#[tokio::test(start_paused = true)]\nfn t() {}\n"),
        ("im-app/src/store.rs", "//! .\nuse bincode::config;\n"),
        ("overlay/src/net/mod.rs", "//! .\nmod dial;\npub(crate) fn dial() {}\n"),
        ("overlay/src/lib.rs", "//! .\nimpl Peer {}\n"),
    ] {
        let found = breaches(&[SourceFile::new(path, text)]);
        assert_eq!(found.len(), 1, "{text:?}: {found:?}");
    }
}

#[test]
fn words_in_comments_and_strings_are_no_breach() {
    let text = "//! Instead of bincode.\nconst WORDS: &str = \"#[ignore] start_paused bincode\";\n";
    assert_none(&breaches(&[SourceFile::new("overlay/src/id.rs", text)]));
}
