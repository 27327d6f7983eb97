//! Text of other people, made fit for a screen.
//!
//! In: any text. Out: text without control characters and without characters that reorder what stands around them.

/// `text` without control and reordering characters; line breaks and tabs become spaces.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter_map(|character| match character {
            '\n' | '\t' => Some(' '),
            character if character.is_control() || reorders(character) => None,
            character => Some(character),
        })
        .collect()
}

/// `text` cut to at most `max` bytes, between two characters.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Marks of the Unicode bidirectional algorithm, and line and paragraph separators.
fn reorders(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_sequence_loses_what_makes_it_one() {
        assert_eq!(printable("a\u{1b}[2Jb\r\nc\u{202e}d\u{9b}e"), "a[2Jb cde");
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(cut("häuser", 2), "h");
        assert_eq!(cut("hä", 3), "hä");
        assert_eq!(cut("", 3), "");
    }
}
