//! Questions to the database: asked by tasks of their own, answered in the order of all replies.

use tokio::sync::mpsc;

use super::{Actor, Ending};
use crate::error::{CommandError, ErrorCode};
use crate::limits::REPLAY_PAGE;
use crate::messenger::{Answer, Question, Ticket};
use crate::net::disk::DiskReader;
use crate::net::face::Output;

impl Actor {
    pub(super) fn ask(&mut self, ticket: Ticket, question: Question, until: u64) {
        let disk = self.disk.reader();
        match question {
            Question::History(query) => {
                let (peer, alias) = (query.peer, self.core.alias(&query.peer));
                self.tasks.spawn(async move {
                    let answer = match (disk.history(query).await, alias) {
                        (Ok(Some(history)), Some(buddy)) => Ok(Answer::History { buddy, peer, history }),
                        (Ok(None), _) => Err(CommandError::bad("before", "there is no such message")),
                        (Ok(_), None) => Err(CommandError::of_field(
                            ErrorCode::UnknownBuddy,
                            "buddy",
                            "the buddy was removed",
                        )),
                        (Err(error), _) => Err(CommandError::new(ErrorCode::Internal, error)),
                    };
                    Ending::Asked { ticket, answer }
                });
            }
            Question::Replay { since } => {
                let Some(outputs) = self.waiting.get(&ticket).map(|waiting| waiting.outputs.clone()) else {
                    return;
                };
                self.tasks.spawn(async move {
                    let answer = replay(disk, outputs, since, until).await;
                    Ending::Asked { ticket, answer }
                });
            }
        }
    }
}

/// Hands earlier events to a face, as fast as it takes them.
async fn replay(
    disk: DiskReader,
    outputs: mpsc::WeakSender<Output>,
    mut since: u64,
    until: u64,
) -> Result<Answer, CommandError> {
    loop {
        let page = disk.events(since, until, REPLAY_PAGE).await;
        let page = page.map_err(|error| CommandError::new(ErrorCode::Internal, error))?;
        let Some((last, _)) = page.last() else { return Ok(Answer::Done) };
        since = *last;
        for (_, line) in page {
            let Some(outputs) = outputs.upgrade() else { return Ok(Answer::Done) };
            if outputs.send(Output::Replayed { line }).await.is_err() {
                return Ok(Answer::Done);
            }
        }
    }
}
