//! The face for people without a screen to control, and for screen readers: lines in, lines out, nothing is redrawn.
//!
//! In: `NAME: text`, or `/command …`. Out: `NAME: text` for what buddies say, `! …` for what happens.

use std::io;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter};

use super::lines::{Line, Lines};
use crate::buddy::Alias;
use crate::error::CommandError;
use crate::jsonl::rfc3339;
use crate::limits::{HISTORY_DEFAULT, SEARCH_WORDS_MAX};
use crate::message::{Direction, MessageState};
use crate::messenger::{Answer, BuddyPresence, Command, Event};
use crate::net::{Face, FaceCommands, FaceOutputs, Output};
use crate::status::{Note, Presence};
use crate::text::printable;

/// What a line of the user means.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    /// A command, and what to say when it is done.
    Command(Box<Command>, String),
    /// A question that this face answers itself.
    Help,
    /// Show the own invite.
    Invite,
    /// Nothing.
    Empty,
    /// Something that can't be understood.
    Wrong(String),
}

/// Runs the face until the messenger ends; the end of the input ends it.
///
/// # Errors
/// What reading or writing answers.
pub async fn run_plain<R, W>(face: Face, input: R, output: W) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (commands, mut outputs) = face.split();
    let mut lines = Lines::new(input);
    let mut screen = Screen { output: BufWriter::new(output), invite: String::new() };
    loop {
        tokio::select! {
            shown = outputs.recv() => match shown {
                Some(shown) => screen.show_all(shown, &mut outputs).await?,
                None => return screen.output.flush().await,
            },
            line = lines.next() => match line? {
                Some(line) => screen.hear(line, &commands).await?,
                None => break,
            },
        }
    }
    // It may have ended by itself meanwhile.
    let _ = commands.quit().await;
    drop(commands);
    while let Some(shown) = outputs.recv().await {
        screen.show_all(shown, &mut outputs).await?;
    }
    Ok(())
}

struct Screen<W> {
    output: BufWriter<W>,
    invite: String,
}

impl<W: AsyncWrite + Unpin> Screen<W> {
    async fn hear(&mut self, line: Line, commands: &FaceCommands) -> io::Result<()> {
        let said = match line {
            Line::Oversize => Said::Wrong("the line is too long".to_owned()),
            Line::Bytes(bytes) => understand(&String::from_utf8_lossy(&bytes)),
        };
        match said {
            Said::Empty => return Ok(()),
            Said::Help => self.put(HELP).await?,
            Said::Invite => {
                let invite = self.invite.clone();
                self.put(&invite).await?;
            }
            Said::Wrong(why) => self.put(&format!("! {why}; /help lists what can be said")).await?,
            Said::Command(command, done) => {
                // When the messenger has ended, the outputs end too and the face with them.
                let _ = commands.command(Value::String(done), Ok(*command)).await;
            }
        }
        self.output.flush().await
    }

    async fn show_all(&mut self, first: Output, outputs: &mut FaceOutputs) -> io::Result<()> {
        let mut next = Some(first);
        while let Some(shown) = next {
            self.show(shown).await?;
            next = outputs.try_recv();
        }
        self.output.flush().await
    }

    async fn show(&mut self, shown: Output) -> io::Result<()> {
        match shown {
            Output::Reply { id, answer, .. } => {
                for line in reply_lines(id.as_str().unwrap_or_default(), &answer) {
                    self.put(&line).await?;
                }
            }
            Output::Event { event, .. } => {
                if let Event::Ready { invite, .. } = event.as_ref() {
                    self.invite.clone_from(invite);
                }
                if let Some(line) = event_text(&event) {
                    self.put(&line).await?;
                }
            }
            Output::Replayed { .. } => {}
        }
        Ok(())
    }

    async fn put(&mut self, line: &str) -> io::Result<()> {
        self.output.write_all(line.as_bytes()).await?;
        self.output.write_all(b"\n").await
    }
}

/// Reads what the user said.
fn understand(line: &str) -> Said {
    let line = line.trim();
    if line.is_empty() {
        return Said::Empty;
    }
    if let Some(command) = line.strip_prefix('/') {
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        return slash(name, rest.trim()).unwrap_or_else(Said::Wrong);
    }
    match line.split_once(':') {
        Some((to, text)) if !to.trim().is_empty() && !text.trim().is_empty() => {
            let (to, text) = (to.trim().to_owned(), text.trim().to_owned());
            Said::Command(Box::new(Command::Send { to, text }), String::new())
        }
        _ => Said::Wrong("say NAME: text to send a message".to_owned()),
    }
}

fn slash(name: &str, rest: &str) -> Result<Said, String> {
    let done = |command: Command, done: String| Ok(Said::Command(Box::new(command), done));
    let buddy = || match rest {
        "" => Err(format!("/{name} needs a name")),
        rest => Ok(rest.to_owned()),
    };
    match name {
        "help" => Ok(Said::Help),
        "invite" => Ok(Said::Invite),
        "add" => {
            let (invite, alias) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let invite = invite.parse().map_err(|error: crate::error::InviteError| error.to_string())?;
            let alias = match alias.trim() {
                "" => None,
                alias => Some(Alias::parse(alias).map_err(|error| error.to_string())?),
            };
            let invite = Box::new(invite);
            done(Command::Add { invite, alias }, String::new())
        }
        "accept" => done(Command::Accept { buddy: buddy()? }, format!("! {rest} is your buddy now")),
        "reject" => done(Command::Reject { buddy: buddy()? }, format!("! {rest} was told no")),
        "block" => done(Command::Block { buddy: buddy()? }, format!("! {rest} is blocked")),
        "remove" => done(Command::Remove { buddy: buddy()? }, format!("! {rest} is out of your list")),
        "fetch" => done(Command::Fetch { buddy: buddy()? }, String::new()),
        "status" => {
            let (status, note) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let status =
                status.parse().map_err(|error: crate::error::StatusError| format!("a status {error}"))?;
            let note = Note::new(note.trim()).map_err(|error| error.to_string())?;
            done(Command::SetStatus(Presence { status, note }), format!("! you are {status} now"))
        }
        "roster" => done(Command::Roster, String::new()),
        "history" => {
            let (buddy, words) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            if buddy.is_empty() {
                return Err("/history needs a name".to_owned());
            }
            let words = words.split_whitespace().take(SEARCH_WORDS_MAX).map(str::to_owned).collect();
            let command =
                Command::History { buddy: buddy.to_owned(), limit: HISTORY_DEFAULT, before: None, words };
            done(command, String::new())
        }
        "quit" => done(Command::Quit, String::new()),
        name => Err(format!("there is no /{}", printable(name))),
    }
}

/// What is shown of a reply; `done` when its command had no other result.
fn reply_lines(done: &str, answer: &Result<Answer, CommandError>) -> Vec<String> {
    match answer {
        Err(error) => vec![format!("! not done: {}", printable(&error.message))],
        Ok(Answer::Done) if done.is_empty() => vec![],
        Ok(Answer::Done) => vec![printable(done)],
        Ok(Answer::Added { alias, .. }) => {
            vec![format!("! {alias} was asked; you will see when they accept")]
        }
        Ok(Answer::Queued { .. }) => vec![],
        Ok(Answer::Presence(presence)) => vec![presence_text(presence)],
        Ok(Answer::Roster(all)) if all.is_empty() => {
            vec!["! nobody is in your list; hand your /invite to somebody, or /add theirs".to_owned()]
        }
        Ok(Answer::Roster(all)) => all.iter().map(presence_text).collect(),
        Ok(Answer::History { buddy, history, .. }) => history
            .messages
            .iter()
            .map(|message| {
                let who = match message.direction {
                    Direction::In => buddy.as_str(),
                    Direction::Out => "you",
                };
                format!("{} {who}: {}", rfc3339(message.sent_at_ms), printable(&message.text))
            })
            .collect(),
    }
}

/// What is shown of an event.
fn event_text(event: &Event) -> Option<String> {
    Some(match event {
        Event::Ready { name, invite, .. } => {
            format!("! you are {}; your invite, to be handed to a friend:\n{invite}", printable(name))
        }
        Event::ContactRequest { alias, name, .. } => {
            format!("! {} wants to be your buddy; /accept {alias} or /reject {alias}", printable(name))
        }
        Event::Presence(presence) => presence_text(presence),
        Event::Message { from, message, .. } => {
            let late = if message.late { " (late)" } else { "" };
            format!("{from}{late}: {}", printable(&message.text))
        }
        Event::MessageState { to, state: MessageState::Failed, reason, .. } => {
            format!("! a message to {to} failed: {}", reason.unwrap_or("for no known reason"))
        }
        Event::MessageState { .. } => return None,
        Event::Warning { message, .. } => format!("! {}", printable(message)),
    })
}

fn presence_text(presence: &BuddyPresence) -> String {
    let sight = &presence.sight;
    let note = match sight.presence.note.as_str() {
        "" => String::new(),
        note => format!(" ({note})"),
    };
    let rtt = sight.rtt.map_or(String::new(), |rtt| format!(", {:.1} ms away", rtt.as_secs_f64() * 1e3));
    let contact = match presence.contact {
        crate::buddy::Contact::Accepted => String::new(),
        contact => format!(", {}", contact.as_str()),
    };
    format!("! {} is {}{note}{rtt}{contact}", presence.buddy, sight.presence.status)
}

const HELP: &str = "! NAME: text               send a message
! /add INVITE [NAME]       ask somebody to be your buddy
! /accept NAME, /reject NAME, /block NAME, /remove NAME
! /status STATE [NOTE]     online, busy, away or offline
! /roster, /fetch NAME     how your buddies are
! /history NAME [WORDS]    what was said
! /invite, /help, /quit";

#[cfg(test)]
mod tests;
