//! A file fits one reading, a function one screen.

use crate::rust_text::functions;
use crate::workspace::{SourceFile, assert_none, source_files};

/// Lines of a file, its tests included.
const FILE_LINES_MAX: usize = 400;
/// Lines of a function, from `fn` to the closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Every file and function that is too long.
fn too_long(files: &[SourceFile]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            violations.push(format!("{}: {lines} lines, at most {FILE_LINES_MAX}", file.path));
        }
        for function in functions(&file.code).iter().filter(|function| function.lines > FUNCTION_LINES_MAX) {
            violations.push(format!(
                "{}:{}: fn {} has {} lines, at most {FUNCTION_LINES_MAX}",
                file.path, function.first_line, function.name, function.lines
            ));
        }
    }
    violations
}

#[test]
fn no_file_and_no_function_is_too_long() {
    assert_none(&too_long(&source_files()));
}

#[test]
fn a_long_file_and_a_long_function_are_caught() {
    let long_file = SourceFile::new("overlay/src/a.rs", &"// x\n".repeat(FILE_LINES_MAX + 1));
    let full_file = SourceFile::new("overlay/src/b.rs", &"// x\n".repeat(FILE_LINES_MAX));
    let long_function = SourceFile::new(
        "overlay/src/c.rs",
        &format!("fn long() {{\n{}}}\n", "a();\n".repeat(FUNCTION_LINES_MAX - 1)),
    );
    let full_function = SourceFile::new(
        "overlay/src/d.rs",
        &format!("fn full() {{\n{}}}\n", "a();\n".repeat(FUNCTION_LINES_MAX - 2)),
    );
    let found = too_long(&[long_file, full_file, long_function, full_function]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("overlay/src/a.rs") && found[1].contains("fn long"));
}
