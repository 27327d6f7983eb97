//! The README says what is so: its commands are the ones that the checks run, its Rust is a tested example.

use crate::workspace::read;

/// The first block of code in `text` between `open` and its closing fence.
fn block<'a>(text: &'a str, open: &str) -> &'a str {
    let (_, rest) = text.split_once(open).unwrap_or_else(|| panic!("no block {open:?}"));
    rest.split_once("```").expect("the block ends").0
}

/// The code of a doc comment as its reader sees it, with the lines that rustdoc hides, without indentation.
///
/// `main` wraps the README's code but is hidden in the doc comment, so indentation says nothing.
fn lines(code: &str) -> Vec<&str> {
    code.lines()
        .map(|line| line.trim().trim_start_matches("//!").trim())
        .map(|line| line.strip_prefix("# ").unwrap_or(line))
        .filter(|line| !line.is_empty())
        .collect()
}

#[test]
fn the_test_command_of_the_readme_is_the_one_that_the_checks_run() {
    for file in ["README.md", ".ci/run"] {
        assert!(read(file).contains("cargo test --workspace"), "{file}");
    }
}

#[test]
fn the_rust_of_the_readme_is_the_tested_example_of_the_overlay() {
    let (readme, overlay) = (read("README.md"), read("overlay/src/lib.rs"));
    assert_eq!(lines(block(&readme, "```rust\n")), lines(block(&overlay, "//! ```\n")));
}
