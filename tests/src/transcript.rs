//! What a process has said so far, line by line, with waiting for a line that is still to come.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The lines of one output stream, filled by a thread of its own until the stream ends.
#[derive(Debug)]
pub struct Transcript {
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    /// Each line with whether a wait has taken it.
    all: Vec<(String, bool)>,
    ended: bool,
}

impl Transcript {
    /// Reads `stream` to its end in the background. A stream is as long as a test makes it; nothing is dropped.
    pub fn of(stream: impl Read + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let filled = Arc::clone(&shared);
        let reader = std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
                line.clear();
                filled.lock().all.push((text, false));
                filled.changed.notify_all();
            }
            filled.lock().ended = true;
            filled.changed.notify_all();
        });
        Self { shared, reader: Some(reader) }
    }

    /// Takes the first line that satisfies `wanted` and that no earlier call has taken; the others stay.
    ///
    /// None when `deadline` passes or the stream ends without one.
    pub fn take(&self, deadline: Duration, wanted: impl FnMut(&str) -> bool) -> Option<String> {
        self.take_newest(deadline, wanted, |_| false)
    }

    /// As [`Transcript::take`]; the earlier lines that the taken one makes `stale` count as taken too.
    pub fn take_newest(
        &self,
        deadline: Duration,
        mut wanted: impl FnMut(&str) -> bool,
        mut stale: impl FnMut(&str) -> bool,
    ) -> Option<String> {
        let give_up = Instant::now() + deadline;
        let mut lines = self.shared.lock();
        let mut looked_at = 0;
        loop {
            let fresh = lines.all.iter().enumerate().skip(looked_at);
            let found = fresh.filter(|(_, (_, taken))| !taken).find(|(_, (line, _))| wanted(line));
            if let Some(at) = found.map(|(at, _)| at) {
                lines.all[..at].iter_mut().for_each(|(line, taken)| *taken |= stale(line));
                lines.all[at].1 = true;
                return Some(lines.all[at].0.clone());
            }
            looked_at = lines.all.len();
            let left = give_up.saturating_duration_since(Instant::now());
            if lines.ended || left.is_zero() {
                return None;
            }
            lines = self.shared.changed.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes the last of the lines that are `about` something, as soon as it satisfies `wanted` and is not taken yet; all of
    /// them count as taken.
    ///
    /// None when `deadline` passes or the stream ends without that.
    pub fn take_last(
        &self,
        deadline: Duration,
        mut about: impl FnMut(&str) -> bool,
        mut wanted: impl FnMut(&str) -> bool,
    ) -> Option<String> {
        let give_up = Instant::now() + deadline;
        let mut lines = self.shared.lock();
        let (mut looked_at, mut these) = (0, Vec::new());
        loop {
            these.extend((looked_at..lines.all.len()).filter(|at| about(&lines.all[*at].0)));
            looked_at = lines.all.len();
            if let Some(last) = these.last().copied().filter(|last| !lines.all[*last].1)
                && wanted(&lines.all[last].0)
            {
                these.iter().for_each(|at| lines.all[*at].1 = true);
                return Some(lines.all[last].0.clone());
            }
            let left = give_up.saturating_duration_since(Instant::now());
            if lines.ended || left.is_zero() {
                return None;
            }
            lines = self.shared.changed.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Every line so far, taken or not.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.shared.lock().all.iter().map(|(line, _)| line.clone()).collect()
    }

    /// Waits until the stream has ended and every line is there.
    pub fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[test]
fn a_line_is_taken_once_and_the_others_are_kept() {
    let transcript = Transcript::of("a\nb\na\n".as_bytes());
    let soon = crate::PATIENCE;
    assert_eq!(transcript.take(soon, |line| line == "b").as_deref(), Some("b"));
    assert_eq!(transcript.take(soon, |line| line == "a").as_deref(), Some("a"));
    assert_eq!(transcript.take(soon, |line| line == "b"), None);
    assert_eq!(transcript.take(soon, |line| line == "a").as_deref(), Some("a"));
    assert_eq!(transcript.lines(), ["a", "b", "a"]);
}

#[test]
fn a_line_that_a_newer_one_makes_stale_is_not_taken_any_more() {
    let transcript = Transcript::of("off\nnote\non\noff again\n".as_bytes());
    let soon = crate::PATIENCE;
    let take = |start: &str| {
        transcript.take_newest(soon, |line| line.starts_with(start), |line| line.starts_with('o'))
    };
    assert_eq!(take("on").as_deref(), Some("on"));
    assert_eq!(take("off").as_deref(), Some("off again"));
    assert_eq!(transcript.take(soon, |line| line == "note").as_deref(), Some("note"));
}

#[test]
fn what_was_true_for_a_while_is_not_the_last_word() {
    let mut transcript = Transcript::of("off\non\nnote\n".as_bytes());
    transcript.finish();
    let soon = crate::PATIENCE;
    let last = |wanted: &str| transcript.take_last(soon, |line| line.starts_with('o'), |line| line == wanted);
    assert_eq!(last("off"), None, "it is on by now");
    assert_eq!(last("on").as_deref(), Some("on"));
    assert_eq!(last("on"), None, "a word counts once");
    assert_eq!(transcript.take(soon, |line| line == "note").as_deref(), Some("note"));
}
