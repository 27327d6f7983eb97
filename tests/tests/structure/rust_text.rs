//! Just enough reading of Rust text: blanking what is not code, matching braces, finding functions.
//!
//! Every blanking keeps the length and the line breaks, so positions and line numbers stay true.

/// A function with a body: its name and its lines from `fn` to the closing brace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) first_line: usize,
    pub(crate) lines: usize,
}

/// The text with comments, strings and character literals replaced by spaces.
pub(crate) fn blank_literals(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        match literal_length(bytes, at) {
            Some(length) => {
                let end = (at + length).min(bytes.len());
                blank(&mut out[at..end]);
                at = end;
            }
            None => at += 1,
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The code with the body of each `#[cfg(test)] mod … { … }` replaced by spaces.
pub(crate) fn blank_test_modules(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = code.as_bytes().to_vec();
    let mut from = 0;
    while let Some(found) = code[from..].find(MARK) {
        let mark = from + found;
        let rest = &code[mark..];
        let open = rest.find('{');
        let item_ends = rest.find(';').unwrap_or(rest.len());
        let end = match open {
            Some(open) if open < item_ends => closing_brace(code, mark + open),
            _ => mark + MARK.len(),
        };
        blank(&mut out[mark..end]);
        from = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Every function of the code that has a body, nested ones too.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if at > 0 && is_word(code.as_bytes()[at - 1]) {
            continue;
        }
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let Some(open) = body_start(code, at) else {
            continue;
        };
        if name.is_empty() {
            continue;
        }
        let first_line = line_of(code, at);
        let lines = line_of(code, closing_brace(code, open)) - first_line + 1;
        found.push(Function { name, first_line, lines });
    }
    found
}

/// The positions at which `word` stands as a whole identifier.
pub(crate) fn word_positions(code: &str, word: &str) -> Vec<usize> {
    let bytes = code.as_bytes();
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(|at| *at == 0 || !is_word(bytes[at - 1]))
        .filter(|at| bytes.get(at + word.len()).is_none_or(|next| !is_word(*next)))
        .collect()
}

/// The line number, from 1, of a position.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Where the body of the function at `at` opens; none for a declaration or a function type.
fn body_start(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (offset, byte) in code.as_bytes()[at..].iter().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at + offset),
            b';' if depth == 0 => return None,
            _ if depth < 0 => return None,
            _ => {}
        }
    }
    None
}

/// The position of the brace that closes the one at `open`, or the end of the code.
fn closing_brace(code: &str, open: usize) -> usize {
    let mut depth = 0_i32;
    for (offset, byte) in code.as_bytes()[open..].iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + offset;
        }
    }
    code.len()
}

/// The length of the comment, string or character literal that begins at `at`.
fn literal_length(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return Some(rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()));
    }
    if rest.starts_with(b"/*") {
        return Some(block_comment_length(rest));
    }
    let starts_word = at == 0 || !is_word(bytes[at - 1]);
    match rest[0] {
        b'"' => Some(quoted_length(rest)),
        b'r' | b'b' | b'c' if starts_word => raw_string_length(rest),
        b'\'' => character_length(rest),
        _ => None,
    }
}

/// `/* … */`, nested.
fn block_comment_length(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// `"…"` with escapes.
fn quoted_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`, `br"…"` and the like; plain `b"…"` is found at its quote.
fn raw_string_length(rest: &[u8]) -> Option<usize> {
    let prefix = rest.iter().take_while(|byte| matches!(byte, b'r' | b'b' | b'c')).count();
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    if rest[prefix - 1] != b'r' || rest.get(prefix + hashes) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.extend(std::iter::repeat_n(b'#', hashes));
    let body = prefix + hashes + 1;
    let end = rest[body..].windows(close.len()).position(|window| window == close);
    Some(end.map_or(rest.len(), |end| body + end + close.len()))
}

/// `'x'`, `'\n'`, `'é'`; none for a lifetime.
fn character_length(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        let close = rest.iter().skip(3).position(|byte| *byte == b'\'')?;
        return Some(close + 4);
    }
    let close = rest.iter().take(6).skip(2).position(|byte| *byte == b'\'')? + 2;
    let one_character = std::str::from_utf8(&rest[1..close]).is_ok_and(|text| text.chars().count() == 1);
    one_character.then_some(close + 1)
}

/// Spaces for everything but line breaks.
fn blank(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

/// Whether the byte may stand in an identifier.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[test]
fn literals_and_comments_are_no_code() {
    let text = concat!(
        "let a = \"fn x() {\"; // fn y() {\n",
        "let b = r#\"fn \"z\" {\"#; /* { /* { */ fn */\n",
        "let c = ['{', '\\'', '\\u{7b}', 'é']; fn real<'a>(x: &'a str) {}\n",
    );
    let code = blank_literals(text);
    assert_eq!(code.len(), text.len());
    assert_eq!(functions(&code), [Function { name: "real".to_owned(), first_line: 3, lines: 1 }]);
}

#[test]
fn a_function_counts_from_its_name_to_its_closing_brace() {
    let code = "trait T {\n fn declared(&self);\n}\nfn f(\n  call: fn(u8) -> u8,\n) {\n  if x {\n  }\n}\n";
    assert_eq!(functions(code), [Function { name: "f".to_owned(), first_line: 4, lines: 6 }]);
}

#[test]
fn test_modules_do_not_ship() {
    let code = "use a;\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\n#[expect(x)]\nmod more { use b; }\nuse c;";
    let shipped = blank_test_modules(code);
    assert!(shipped.contains("use a") && shipped.contains("use c"));
    assert!(!shipped.contains("use b"));
}
