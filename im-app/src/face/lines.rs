//! Lines of somebody who may write anything.
//!
//! In: bytes. Out: lines without their end, at most `LINE_BYTES_MAX` each; a longer one is skipped to its end and said
//! to have been oversize.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::limits::LINE_BYTES_MAX;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Its bytes.
    Bytes(Vec<u8>),
    /// It was too long and is skipped.
    Oversize,
}

/// Reads lines.
#[derive(Debug)]
pub struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    oversize: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines of `reader`.
    pub fn new(reader: R) -> Self {
        Self { reader: BufReader::new(reader), line: Vec::new(), oversize: false }
    }

    /// The next line; `None` at the end. Cancel-safe.
    ///
    /// # Errors
    /// What reading answers.
    pub async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let bytes = self.reader.fill_buf().await?;
            if bytes.is_empty() {
                let something = self.oversize || !self.line.is_empty();
                return Ok(something.then(|| self.take()));
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
            if self.line.len() + part.len() > LINE_BYTES_MAX {
                self.oversize = true;
                self.line.clear();
            }
            if !self.oversize {
                self.line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(self.take()));
            }
        }
    }

    fn take(&mut self) -> Line {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.oversize) { Line::Oversize } else { Line::Bytes(line) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &[u8]) -> Vec<Line> {
        let mut lines = Lines::new(text);
        let mut read = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            read.push(line);
        }
        read
    }

    #[tokio::test]
    async fn an_oversize_line_is_skipped_and_the_next_one_is_read() {
        let long = "x".repeat(LINE_BYTES_MAX + 1);
        let full = "y".repeat(LINE_BYTES_MAX);
        let text = format!("a\n{long}\n{full}\n\nb");
        let bytes = |text: &str| Line::Bytes(text.as_bytes().to_vec());
        assert_eq!(
            lines(text.as_bytes()).await,
            [bytes("a"), Line::Oversize, bytes(&full), bytes(""), bytes("b")]
        );
        assert_eq!(lines(long.as_bytes()).await, [Line::Oversize]);
        assert_eq!(lines(b"").await, []);
    }
}
