//! Replies and events as lines.

use serde_json::{Value, json};

use crate::error::CommandError;
use crate::jsonl::rfc3339;
use crate::message::{Direction, HistoryMessage, id_text};
use crate::messenger::{Answer, BuddyPresence, Event};

/// The line of an event.
pub fn event_line(cursor: u64, event: &Event) -> String {
    let mut value = match event {
        Event::Ready { peer, name, invite, addresses } => json!({
            "event": "ready",
            "peer_id": peer.to_string(),
            "name": name,
            "invite": invite,
            "addresses": addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
        Event::ContactRequest { peer, alias, name } => json!({
            "event": "contact-request",
            "peer_id": peer.to_string(),
            "buddy": alias.as_str(),
            "name": name,
        }),
        Event::Presence(presence) => {
            let mut value = presence_value(presence);
            put(&mut value, "event", json!("presence"));
            value
        }
        Event::Message { from, peer, message } => json!({
            "event": "message",
            "from": from.as_str(),
            "peer_id": peer.to_string(),
            "message_id": id_text(&message.message_id),
            "seq": message.seq,
            "text": message.text,
            "sent_at": rfc3339(message.sent_at_ms),
            "late": message.late,
        }),
        Event::MessageState { message_id, to, state, reason } => {
            let mut value = json!({
                "event": "message-state",
                "message_id": id_text(message_id),
                "to": to.as_str(),
                "state": state.as_str(),
            });
            if let Some(reason) = reason {
                put(&mut value, "reason", json!(reason));
            }
            value
        }
        Event::Warning { code, message } => json!({"event": "warning", "code": code, "message": message}),
    };
    put(&mut value, "cursor", json!(cursor));
    value.to_string()
}

/// The line of a reply.
pub fn reply_line(cursor: u64, id: &Value, answer: &Result<Answer, CommandError>) -> String {
    let mut value = json!({"event": "reply", "cursor": cursor, "id": id, "ok": answer.is_ok()});
    match answer {
        Ok(answer) => put(&mut value, "result", answer_value(answer)),
        Err(error) => {
            let mut fault = json!({"code": error.code.as_str(), "message": error.message});
            if let Some(field) = error.field {
                put(&mut fault, "field", json!(field));
            }
            put(&mut value, "error", fault);
        }
    }
    value.to_string()
}

fn answer_value(answer: &Answer) -> Value {
    match answer {
        Answer::Done => json!({}),
        Answer::Added { peer, alias } => json!({"peer_id": peer.to_string(), "alias": alias.as_str()}),
        Answer::Queued { message_id, state } => {
            json!({"message_id": id_text(message_id), "state": state.as_str()})
        }
        Answer::Presence(presence) => presence_value(presence),
        Answer::Roster(all) => json!({"buddies": all.iter().map(presence_value).collect::<Vec<_>>()}),
        Answer::History { buddy, peer, history } => {
            let peer = peer.to_string();
            let message = |message: &HistoryMessage| message_value(buddy.as_str(), &peer, message);
            let mut value = json!({"messages": history.messages.iter().map(message).collect::<Vec<_>>()});
            if history.truncated {
                put(&mut value, "truncated", json!(true));
            }
            value
        }
    }
}

fn presence_value(presence: &BuddyPresence) -> Value {
    let sight = &presence.sight;
    json!({
        "buddy": presence.buddy.as_str(),
        "peer_id": presence.peer.to_string(),
        "contact": presence.contact.as_str(),
        "status": sight.presence.status.as_str(),
        "note": sight.presence.note.as_str(),
        "age_ms": sight.age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        "rtt_ms": sight.rtt.map(|rtt| rtt.as_micros() as f64 / 1e3),
        "mode": "poll",
        "path": sight.path.map(crate::presence::Path::as_str),
        "source": sight.source.as_str(),
    })
}

/// A message of the history: `from` is the buddy's alias for what came, and `to` for what was sent.
fn message_value(buddy: &str, peer: &str, message: &HistoryMessage) -> Value {
    let side = match message.direction {
        Direction::In => "from",
        Direction::Out => "to",
    };
    let mut value = json!({
        "peer_id": peer,
        "message_id": id_text(&message.message_id),
        "seq": message.seq,
        "text": message.text,
        "sent_at": rfc3339(message.sent_at_ms),
        "late": message.late,
        "direction": message.direction.as_str(),
        "state": message.state.as_str(),
    });
    put(&mut value, side, json!(buddy));
    if let Some(reason) = &message.reason {
        put(&mut value, "reason", json!(reason));
    }
    value
}

fn put(value: &mut Value, key: &str, field: Value) {
    if let Value::Object(fields) = value {
        fields.insert(key.to_owned(), field);
    }
}

#[cfg(test)]
mod tests {
    use overlay::PeerId;

    use super::*;
    use crate::buddy::{Alias, Contact};
    use crate::error::ErrorCode;
    use crate::message::MessageState;
    use crate::presence::{Path, Sight, Source};
    use crate::status::Presence;

    fn read(line: &str) -> Value {
        assert!(!line.contains('\n'));
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn a_presence_has_all_its_fields() {
        let presence = BuddyPresence {
            buddy: Alias::parse("bob").unwrap(),
            peer: PeerId::random(),
            contact: Contact::Accepted,
            sight: Sight {
                presence: Presence::default(),
                age: Some(std::time::Duration::from_millis(5)),
                rtt: Some(std::time::Duration::from_micros(250)),
                path: Some(Path::Direct),
                source: Source::Peer,
            },
        };
        let peer_id = presence.peer.to_string();
        assert_eq!(
            read(&event_line(3, &Event::Presence(presence))),
            json!({
                "event": "presence", "cursor": 3, "buddy": "bob", "peer_id": peer_id, "contact": "accepted",
                "status": "online", "note": "", "age_ms": 5, "rtt_ms": 0.25, "mode": "poll", "path": "direct",
                "source": "peer"
            })
        );
    }

    #[test]
    fn line_breaks_of_a_text_stay_inside_the_line() {
        let message = crate::wire::TextMessage {
            message_id: [0; 16],
            seq: 1,
            sent_at_ms: 0,
            late: false,
            text: "a\nb\u{2028}".into(),
        };
        let event = Event::Message { from: Alias::parse("bob").unwrap(), peer: PeerId::random(), message };
        let value = read(&event_line(1, &event));
        assert_eq!(value["text"], "a\nb\u{2028}");
        assert_eq!(value["message_id"], "00000000-0000-0000-0000-000000000000");
        assert_eq!(value["sent_at"], "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn replies_say_ok_and_repeat_the_id() {
        let state = MessageState::Queued;
        let done = reply_line(1, &json!("7"), &Ok(Answer::Queued { message_id: [1; 16], state }));
        assert_eq!(
            read(&done),
            json!({
                "event": "reply", "cursor": 1, "id": "7", "ok": true,
                "result": {"message_id": "01010101-0101-0101-0101-010101010101", "state": "queued"}
            })
        );
        let error = CommandError::of_field(ErrorCode::UnknownBuddy, "to", "nobody");
        assert_eq!(
            read(&reply_line(2, &Value::Null, &Err(error))),
            json!({
                "event": "reply", "cursor": 2, "id": null, "ok": false,
                "error": {"code": "unknown-buddy", "message": "nobody", "field": "to"}
            })
        );
    }
}
