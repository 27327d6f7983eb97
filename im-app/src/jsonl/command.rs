//! Lines of programs, read into commands. A line that can't be read is an error that names the field at fault.
//!
//! In: one line of at most `LINE_BYTES_MAX`. Out: a [`Request`], or a [`BadLine`] with the id if it could be read.

use serde_json::{Map, Value};

use crate::buddy::Alias;
use crate::error::{CommandError, ErrorCode};
use crate::invite::Invite;
use crate::jsonl::parse_time;
use crate::limits::{
    COMMAND_ID_BYTES_MAX, HISTORY_DEFAULT, HISTORY_MAX, LINE_BYTES_MAX, SEARCH_BYTES_MAX, SEARCH_WORDS_MAX,
    TEXT_BYTES_MAX,
};
use crate::messenger::Command;
use crate::status::{Note, Presence, Status};
use crate::store::Before;

/// A command and the id of its reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Repeated in the reply.
    pub id: Value,
    /// What is wanted.
    pub command: Command,
}

/// A line that is no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its id; null when it has no readable one.
    pub id: Value,
    /// What is wrong.
    pub error: CommandError,
}

/// What is wrong with a line above `LINE_BYTES_MAX`.
pub fn oversize() -> BadLine {
    let message = format!("a line has at most {LINE_BYTES_MAX} bytes; this one was skipped");
    BadLine { id: Value::Null, error: CommandError::new(ErrorCode::BadCommand, message) }
}

/// Reads a line.
///
/// # Errors
/// [`BadLine`].
pub fn parse_line(line: &[u8]) -> Result<Request, BadLine> {
    let null = |message: String| BadLine {
        id: Value::Null,
        error: CommandError::new(ErrorCode::BadCommand, message),
    };
    let value: Value =
        serde_json::from_slice(line).map_err(|error| null(format!("the line is no JSON object: {error}")))?;
    let Value::Object(fields) = value else {
        return Err(null("the line is no JSON object".to_owned()));
    };
    let mut fields = Fields { fields };
    let id = fields.id().map_err(|error| BadLine { id: Value::Null, error })?;
    match fields.command() {
        Ok(command) => Ok(Request { id, command }),
        Err(error) => Err(BadLine { id, error }),
    }
}

/// The fields of a line that were not read yet.
struct Fields {
    fields: Map<String, Value>,
}

impl Fields {
    fn id(&mut self) -> Result<Value, CommandError> {
        match self.fields.remove("id") {
            Some(Value::String(id)) if id.len() <= COMMAND_ID_BYTES_MAX => Ok(Value::String(id)),
            Some(Value::String(_)) => {
                Err(CommandError::bad("id", format!("an id has at most {COMMAND_ID_BYTES_MAX} bytes")))
            }
            Some(Value::Number(id)) => Ok(Value::Number(id)),
            Some(_) => Err(CommandError::bad("id", "an id is a string")),
            None => Err(CommandError::bad("id", "a command needs an id, which its reply repeats")),
        }
    }

    fn command(&mut self) -> Result<Command, CommandError> {
        let name = self.text("command")?;
        let command = match name.as_str() {
            "add" => self.add()?,
            "accept" => Command::Accept { buddy: self.text("buddy")? },
            "reject" => Command::Reject { buddy: self.text("buddy")? },
            "block" => Command::Block { buddy: self.text("buddy")? },
            "remove" => Command::Remove { buddy: self.text("buddy")? },
            "send" => self.send()?,
            "set-status" => self.set_status()?,
            "fetch" => Command::Fetch { buddy: self.text("buddy")? },
            "roster" => Command::Roster,
            "history" => self.history()?,
            "replay" => Command::Replay { since: self.number("since")? },
            "quit" => Command::Quit,
            _ => return Err(CommandError::bad("command", format!("there is no command {name:?}"))),
        };
        match self.fields.keys().next() {
            // The name of the field stands in the message; `field` names only fields that exist.
            Some(unknown) => {
                let message = format!("{name} has no field {unknown:?}");
                Err(CommandError::new(ErrorCode::BadCommand, message))
            }
            None => Ok(command),
        }
    }

    fn add(&mut self) -> Result<Command, CommandError> {
        let invite: Invite = self
            .text("invite")?
            .parse()
            .map_err(|error| CommandError::of_field(ErrorCode::BadInvite, "invite", error))?;
        let alias = match self.optional_text("alias")? {
            Some(alias) => Some(Alias::parse(&alias).map_err(|error| CommandError::bad("alias", error))?),
            None => None,
        };
        let invite = Box::new(invite);
        Ok(Command::Add { invite, alias })
    }

    fn send(&mut self) -> Result<Command, CommandError> {
        let to = self.text("to")?;
        let text = self.text("text")?;
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("the text has {} bytes, at most {TEXT_BYTES_MAX} allowed", text.len());
            return Err(CommandError::of_field(ErrorCode::TooLarge, "text", message));
        }
        match self.optional_text("policy")?.as_deref() {
            None | Some("refuse") => Ok(Command::Send { to, text }),
            Some(policy @ ("hold" | "mailbox")) => {
                let message = format!("the policy {policy} is not offered yet; only refuse is");
                Err(CommandError::bad("policy", message))
            }
            Some(policy) => Err(CommandError::bad("policy", format!("there is no policy {policy:?}"))),
        }
    }

    fn set_status(&mut self) -> Result<Command, CommandError> {
        let status: Status =
            self.text("status")?.parse().map_err(|error| CommandError::bad("status", error))?;
        let note = self.optional_text("note")?.unwrap_or_default();
        let note =
            Note::new(&note).map_err(|error| CommandError::of_field(ErrorCode::TooLarge, "note", error))?;
        Ok(Command::SetStatus(Presence { status, note }))
    }

    fn history(&mut self) -> Result<Command, CommandError> {
        let buddy = self.text("buddy")?;
        let limit = match self.fields.contains_key("limit") {
            true => self.number("limit")?,
            false => HISTORY_DEFAULT,
        };
        if limit > HISTORY_MAX {
            return Err(CommandError::bad("limit", format!("at most {HISTORY_MAX} at a time")));
        }
        let before = self.optional_text("before")?.map(|text| read_before(&text)).transpose()?;
        let search = self.optional_text("search")?.unwrap_or_default();
        let words: Vec<String> = search.split_whitespace().map(str::to_owned).collect();
        if search.len() > SEARCH_BYTES_MAX || words.len() > SEARCH_WORDS_MAX {
            let message = format!("at most {SEARCH_WORDS_MAX} words of {SEARCH_BYTES_MAX} bytes together");
            return Err(CommandError::bad("search", message));
        }
        Ok(Command::History { buddy, limit, before, words })
    }

    fn text(&mut self, field: &'static str) -> Result<String, CommandError> {
        self.optional_text(field)?
            .ok_or_else(|| CommandError::bad(field, format!("the field {field} is missing")))
    }

    fn optional_text(&mut self, field: &'static str) -> Result<Option<String>, CommandError> {
        match self.fields.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(CommandError::bad(field, format!("the field {field} is no string"))),
        }
    }

    fn number(&mut self, field: &'static str) -> Result<u64, CommandError> {
        match self.fields.remove(field) {
            None => Err(CommandError::bad(field, format!("the field {field} is missing"))),
            Some(value) => value
                .as_u64()
                .ok_or_else(|| CommandError::bad(field, format!("the field {field} is no whole number"))),
        }
    }
}

fn read_before(text: &str) -> Result<Before, CommandError> {
    if let Ok(id) = uuid::Uuid::parse_str(text) {
        return Ok(Before::Message(id.into_bytes()));
    }
    parse_time(text).map(Before::At).ok_or_else(|| {
        let message = "neither a message id nor a time such as 2026-01-31T12:00:00Z";
        CommandError::bad("before", message)
    })
}

#[cfg(test)]
mod tests {
    use overlay::PeerId;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(value: Value) -> Result<Request, BadLine> {
        parse_line(value.to_string().as_bytes())
    }

    #[test]
    fn every_command_is_read() {
        let invite =
            Invite { peer: PeerId::random(), name: "bob".into(), addresses: vec![], rendezvous: vec![] };
        for fields in [
            json!({"command": "add", "invite": invite.to_string(), "alias": "b"}),
            json!({"command": "accept", "buddy": "b"}),
            json!({"command": "reject", "buddy": "b"}),
            json!({"command": "block", "buddy": "b"}),
            json!({"command": "remove", "buddy": "b"}),
            json!({"command": "send", "to": "b", "text": "hi", "policy": "refuse"}),
            json!({"command": "set-status", "status": "away", "note": "tea"}),
            json!({"command": "fetch", "buddy": "b"}),
            json!({"command": "roster"}),
            json!({"command": "history", "buddy": "b", "limit": 5, "before": "2026-01-31T12:00:00Z", "search": "a b"}),
            json!({"command": "replay", "since": 0}),
            json!({"command": "quit"}),
        ] {
            let mut line = fields.clone();
            line["id"] = json!("7");
            assert_eq!(parse(line).map(|request| request.id), Ok(json!("7")), "{fields}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, id, field) in [
            (json!([]), Value::Null, None),
            (json!({"command": "roster"}), Value::Null, Some("id")),
            (json!({"id": [], "command": "roster"}), Value::Null, Some("id")),
            (json!({"id": "1"}), json!("1"), Some("command")),
            (json!({"id": "1", "command": "fly"}), json!("1"), Some("command")),
            (json!({"id": "1", "command": "send", "to": 5, "text": ""}), json!("1"), Some("to")),
            (json!({"id": "1", "command": "send", "to": "b"}), json!("1"), Some("text")),
            (
                json!({"id": "1", "command": "send", "to": "b", "text": "", "policy": "hold"}),
                json!("1"),
                Some("policy"),
            ),
            (json!({"id": "1", "command": "replay", "since": -1}), json!("1"), Some("since")),
            (
                json!({"id": "1", "command": "history", "buddy": "b", "limit": 10_001}),
                json!("1"),
                Some("limit"),
            ),
            (
                json!({"id": "1", "command": "history", "buddy": "b", "before": "x"}),
                json!("1"),
                Some("before"),
            ),
            (json!({"id": "1", "command": "roster", "extra": 1}), json!("1"), None),
        ] {
            let bad = parse(line.clone()).unwrap_err();
            assert_eq!(
                (bad.id, bad.error.code, bad.error.field),
                (id, ErrorCode::BadCommand, field),
                "{line}"
            );
        }
    }

    #[test]
    fn invites_and_long_texts_have_codes_of_their_own() {
        let bad = parse(json!({"id": "1", "command": "add", "invite": "juxta:x"})).unwrap_err();
        assert_eq!((bad.error.code, bad.error.field), (ErrorCode::BadInvite, Some("invite")));
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        let bad = parse(json!({"id": "1", "command": "send", "to": "b", "text": long})).unwrap_err();
        assert_eq!((bad.error.code, bad.error.field), (ErrorCode::TooLarge, Some("text")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_command_or_an_error(bytes: Vec<u8>) {
            let _ = parse_line(&bytes);
        }
    }
}
