//! The paths that a file names: `use` trees spread out, and `crate::…` or `super::…` inside expressions.

/// Every path that the code names from its crate's root, as segments after `crate`.
///
/// `module` is where the code lives, e.g. `["net", "event_loop"]`; `super` is resolved against it.
pub(crate) fn crate_paths(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].trim_end();
            // `super::super::x` is read from its first `super`; `$crate::` is a macro's.
            if before.ends_with("::")
                || before.ends_with(|c: char| c.is_alphanumeric() || "_$".contains(c))
                    && !ends_with_keyword(before)
            {
                continue;
            }
            for path in spread(&code[at..]) {
                paths.extend(resolve(&path, module));
            }
        }
    }
    paths
}

/// What `pub use a::b::{X, Y as Z}` re-exports in this code: `(name, path)`.
pub(crate) fn re_exports(code: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for (at, mark) in code.match_indices("pub use ") {
        for path in spread(&code[at + mark.len()..]) {
            let from =
                if path.first().is_some_and(|first| first == "crate" || first == "self") { 1 } else { 0 };
            if let Some(name) = path.last() {
                found.push((name.clone(), path[from..].to_vec()));
            }
        }
    }
    found
}

/// The module of a file: `overlay/src/net/event_loop.rs` is `["net", "event_loop"]`.
pub(crate) fn module_of(path: &str) -> Vec<String> {
    let inside = path.split_once("/src/").map_or(path, |(_, inside)| inside);
    let mut segments: Vec<String> = inside.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if segments.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        segments.pop();
    }
    segments
}

/// Spreads the path or `use` tree at the start of `text`: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn spread(text: &str) -> Vec<Vec<String>> {
    let mut prefix = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if let Some(group) = rest.strip_prefix('{') {
            return members(group)
                .iter()
                .flat_map(|member| spread(member))
                .map(|path| prefix.iter().cloned().chain(path).collect())
                .collect();
        }
        let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if word.is_empty() {
            return vec![prefix];
        }
        rest = &rest[word.len()..];
        prefix.push(word);
        match rest.trim_start().strip_prefix("::") {
            Some(next) => rest = next,
            None => return vec![prefix],
        }
    }
}

/// The members of a group whose opening brace has just been read.
fn members(group: &str) -> Vec<String> {
    let mut members = vec![String::new()];
    let mut depth = 0;
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => {
                members.push(String::new());
                continue;
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if let Some(last) = members.last_mut() {
            last.push(c);
        }
    }
    members.retain(|member| !member.trim().is_empty());
    members
}

/// The path from the crate's root, without `crate` and `super`.
fn resolve(path: &[String], module: &[String]) -> Option<Vec<String>> {
    let ups = path.iter().take_while(|segment| *segment == "super").count();
    if ups == 0 {
        return Some(path[1..].to_vec());
    }
    // Inside an inline module one `super` stays in the file; reading it as one up can only say "the same module".
    let base = module.get(..module.len().checked_sub(ups)?)?;
    Some(base.iter().chain(&path[ups..]).cloned().collect())
}

/// Whether the text ends in a keyword after which a path may begin.
fn ends_with_keyword(text: &str) -> bool {
    let word: String = text.chars().rev().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let word: String = word.chars().rev().collect();
    [
        "use", "in", "return", "as", "dyn", "impl", "mut", "match", "if", "for", "else", "where", "ref",
        "while", "await",
    ]
    .contains(&word.as_str())
}

#[test]
fn use_trees_are_spread_out() {
    let module = ["net".to_owned(), "dial".to_owned()];
    let code = "use crate::{id::GroupId, core::{cache, lease::LeaseKeeper as Keeper}};\nfn f() -> super::pending::Ticket { crate::wire::decode() }";
    let mut paths: Vec<String> = crate_paths(code, &module).iter().map(|path| path.join("::")).collect();
    paths.sort();
    assert_eq!(
        paths,
        ["core::cache", "core::lease::LeaseKeeper", "id::GroupId", "net::pending::Ticket", "wire::decode"]
    );
}

#[test]
fn re_exports_are_read() {
    let code = "pub use id::{GroupId, PipeId};\npub use crate::peer::Peer;";
    let names: Vec<String> =
        re_exports(code).iter().map(|(name, path)| format!("{name}={}", path.join("::"))).collect();
    assert_eq!(names, ["GroupId=id::GroupId", "PipeId=id::PipeId", "Peer=peer::Peer"]);
}
