//! The face for programs: JSON Lines on any pair of streams.
//!
//! In: one command a line. Out: one reply or event a line. A reader that is slow makes commands wait and may miss events,
//! see [`FaceCommands`](crate::net::FaceCommands); it never holds up the messenger.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter};
use tokio::sync::Notify;

use super::lines::{Line, Lines};
use crate::jsonl::{event_line, oversize, parse_line, reply_line};
use crate::net::{Face, FaceCommands, FaceOutputs, Output};

/// What the end of the input means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtEnd {
    /// The messenger ends, as if `quit` had been said.
    Quit,
    /// This face leaves when all it asked for is answered; the messenger goes on.
    Leave,
}

/// Runs the face until the messenger ends or, with [`AtEnd::Leave`], the input does.
///
/// # Errors
/// What reading or writing answers.
pub async fn run_jsonl<R, W>(face: Face, input: R, output: W, at_end: AtEnd) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (commands, outputs) = face.split();
    let progress = Progress::default();
    let writing = write(outputs, output, &progress);
    tokio::pin!(writing);
    let read = tokio::select! {
        written = &mut writing => return written.map(drop),
        read = read(&commands, input, &progress) => read,
    };
    if at_end == AtEnd::Quit {
        // It may have ended by itself meanwhile.
        let _ = commands.quit().await;
    } else {
        progress.leaving.notify_one();
    }
    drop(commands);
    writing.await?;
    read
}

/// What the half that writes has to know of the half that reads.
#[derive(Debug, Default)]
struct Progress {
    /// How many replies are due in all.
    asked: AtomicU64,
    /// Nothing more will be asked.
    leaving: Notify,
}

/// Hands each line in; counts those that will be answered.
async fn read<R: AsyncRead + Unpin>(
    commands: &FaceCommands,
    input: R,
    progress: &Progress,
) -> io::Result<()> {
    let mut lines = Lines::new(input);
    while let Some(line) = lines.next().await? {
        let parsed = match &line {
            Line::Oversize => Err(oversize()),
            Line::Bytes(line) => parse_line(line),
        };
        let (id, command) = match parsed {
            Ok(request) => (request.id, Ok(request.command)),
            Err(bad) => (bad.id, Err(bad.error)),
        };
        progress.asked.fetch_add(1, Ordering::Relaxed);
        if commands.command(id, command).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Writes each output, and lets them go whenever none waits.
async fn write<W: AsyncWrite + Unpin>(
    mut outputs: FaceOutputs,
    output: W,
    progress: &Progress,
) -> io::Result<()> {
    let mut output = BufWriter::new(output);
    let (mut answered, mut leaving) = (0, false);
    loop {
        let next = match outputs.try_recv() {
            Some(next) => next,
            None => {
                output.flush().await?;
                if leaving && progress.asked.load(Ordering::Relaxed) == answered {
                    return Ok(());
                }
                tokio::select! {
                    next = outputs.recv() => match next {
                        Some(next) => next,
                        None => return Ok(()),
                    },
                    () = progress.leaving.notified(), if !leaving => {
                        leaving = true;
                        continue;
                    }
                }
            }
        };
        let mut line = match next {
            Output::Reply { cursor, id, answer } => {
                answered += 1;
                reply_line(cursor, &id, &answer)
            }
            Output::Event { cursor, event } => event_line(cursor, &event),
            Output::Replayed { line } => line,
        };
        line.push('\n');
        output.write_all(line.as_bytes()).await?;
    }
}
