//! What a face holds: a way for commands in, and one ordered queue of replies and events out.
//!
//! Bounds: a command waits for room for its reply and for the messenger (`COMMANDS_MAX`). An event that finds the queue
//! full is left out, and the face is told by a `warning` with the code `lagged` as soon as there is room.

use std::sync::Arc;

use serde_json::Value;
use thiserror::Error;
use tokio::sync::mpsc;

use super::actor::Inbound;
use crate::error::CommandError;
use crate::messenger::{Answer, Command, Event};

/// The messenger has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the messenger has ended")]
pub struct Ended;

/// What a face is told.
#[derive(Debug, Clone)]
pub enum Output {
    /// The answer to a command.
    Reply {
        /// Grows from output to output.
        cursor: u64,
        /// The command's id.
        id: Value,
        /// What came of it.
        answer: Result<Answer, CommandError>,
    },
    /// Something happened.
    Event {
        /// Grows from output to output.
        cursor: u64,
        /// What.
        event: Arc<Event>,
    },
    /// An earlier event, as its line of JSON with the cursor it had.
    Replayed {
        /// The line.
        line: String,
    },
}

/// One face of the messenger.
#[derive(Debug)]
pub struct Face {
    commands: FaceCommands,
    outputs: FaceOutputs,
}

/// The way in; clones are the same face.
#[derive(Debug, Clone)]
pub struct FaceCommands {
    inputs: mpsc::Sender<Inbound>,
    /// Weak, so that the outputs end when the messenger does.
    replies: mpsc::WeakSender<Output>,
}

/// The way out.
#[derive(Debug)]
pub struct FaceOutputs {
    outputs: mpsc::Receiver<Output>,
}

impl Face {
    pub(super) fn new(
        inputs: mpsc::Sender<Inbound>,
        replies: mpsc::WeakSender<Output>,
        outputs: mpsc::Receiver<Output>,
    ) -> Self {
        Self { commands: FaceCommands { inputs, replies }, outputs: FaceOutputs { outputs } }
    }

    /// Both ways, for two tasks.
    pub fn split(self) -> (FaceCommands, FaceOutputs) {
        (self.commands, self.outputs)
    }
}

impl FaceCommands {
    /// Hands a command in, or what was wrong with one; its reply, with the same `id`, comes among the outputs. Waits
    /// while the face has not taken its outputs or the messenger is busy. Cancel-safe: dropped, nothing was done.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn command(&self, id: Value, command: Result<Command, CommandError>) -> Result<(), Ended> {
        let replies = self.replies.upgrade().ok_or(Ended)?;
        let room = replies.reserve_owned().await.map_err(|_| Ended)?;
        let outputs = self.replies.clone();
        let inbound = Inbound::Command { id, command, room, outputs };
        self.inputs.send(inbound).await.map_err(|_| Ended)
    }

    /// Ends the messenger politely, after the commands before it.
    ///
    /// # Errors
    /// [`Ended`] when it has ended already.
    pub async fn quit(&self) -> Result<(), Ended> {
        self.inputs.send(Inbound::Quit).await.map_err(|_| Ended)
    }
}

impl FaceOutputs {
    /// The next output; `None` when the messenger has ended and all was taken. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Output> {
        self.outputs.recv().await
    }

    /// The next output if one waits.
    pub fn try_recv(&mut self) -> Option<Output> {
        self.outputs.try_recv().ok()
    }
}
