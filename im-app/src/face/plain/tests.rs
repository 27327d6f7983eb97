//! What people may say, and what they are shown.

use super::*;
use crate::wire::TextMessage;
use overlay::PeerId;

fn command(line: &str) -> Command {
    match understand(line) {
        Said::Command(command, _) => *command,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_name_and_a_colon_send_a_message_that_may_have_colons() {
    let (to, text) = ("bob".to_owned(), "see you at 5:30".to_owned());
    assert_eq!(command(" bob:  see you at 5:30 "), Command::Send { to, text });
}

#[test]
fn slashes_are_commands() {
    let buddy = || "ann".to_owned();
    assert_eq!(command("/accept ann"), Command::Accept { buddy: buddy() });
    assert_eq!(command("/roster"), Command::Roster);
    assert_eq!(command("/quit"), Command::Quit);
    let note = Note::new("back at 5").unwrap();
    let status = crate::status::Status::Away;
    assert_eq!(command("/status away back at 5"), Command::SetStatus(Presence { status, note }));
    let words = vec!["tea".to_owned()];
    let history = Command::History { buddy: buddy(), limit: HISTORY_DEFAULT, before: None, words };
    assert_eq!(command("/history ann tea"), history);
    assert_eq!((understand("/help"), understand("  ")), (Said::Help, Said::Empty));
}

#[test]
fn what_cannot_be_understood_is_said_and_nothing_is_done() {
    for line in ["hello", ": hi", "bob:", "/dance", "/accept", "/status asleep", "/add juxta:x", "/history"] {
        assert!(matches!(understand(line), Said::Wrong(_)), "{line}");
    }
}

#[test]
fn a_text_cannot_control_the_screen_or_look_like_a_line_of_somebody_else() {
    let message = TextMessage {
        message_id: [0; 16],
        seq: 1,
        sent_at_ms: 0,
        late: false,
        text: "hi\u{1b}[2J\nbob: I owe you".into(),
    };
    let event = Event::Message { from: Alias::parse("ann").unwrap(), peer: PeerId::random(), message };
    assert_eq!(event_text(&event).unwrap(), "ann: hi[2J bob: I owe you");
}
