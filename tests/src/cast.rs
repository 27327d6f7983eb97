//! Who takes part in a journey: a rendezvous, messengers, and how two of them become buddies.

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};

use crate::{Home, PATIENCE, Process, Program};

/// A rendezvous that is ready.
#[derive(Debug)]
pub struct Meeting {
    process: Process,
    /// Its `ready` event.
    pub ready: Value,
    /// An address that can be handed to `--rendezvous`.
    pub address: String,
}

/// A messenger in line mode that is ready.
#[derive(Debug)]
pub struct Messenger {
    process: Process,
    /// The name it was started with.
    pub name: String,
    /// Its PeerId.
    pub peer_id: String,
    /// Its `ready` event.
    pub ready: Value,
}

/// The arguments that keep a program on loopback, on any port.
#[must_use]
pub fn loopback() -> [&'static str; 2] {
    ["--listen", "/ip4/127.0.0.1/tcp/0"]
}

impl Meeting {
    /// Starts `rendezvous run --json` in the data directory `name` of `home`.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn start(home: &Home, name: &str) -> Self {
        Self::start_with(home, name, &[])
    }

    /// As [`Meeting::start`], with `more` arguments.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn start_with(home: &Home, name: &str, more: &[&str]) -> Self {
        let program = Program::new("rendezvous", home).args(["run", "--json"]).args(loopback()).args(more);
        let process = program.data_dir(&home.join(name)).start();
        let ready = process.event("ready", |event| event["event"] == "ready");
        let address = ready["addresses"][0].as_str().expect("an address").to_owned();
        Self { process, ready, address }
    }

    /// The process itself.
    #[must_use]
    pub fn into_process(self) -> Process {
        self.process
    }
}

impl Messenger {
    /// Starts `im --jsonl` in the data directory `name` of `home`, with `more` arguments.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn start(home: &Home, name: &str, rendezvous: &str, more: &[&str]) -> Self {
        let [flag, address] = loopback();
        Self::start_at(home, name, &[&["--rendezvous", rendezvous, flag, address], more].concat())
    }

    /// As [`Messenger::start`], where `arguments` say whom it meets at and where it listens.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn start_at(home: &Home, name: &str, arguments: &[&str]) -> Self {
        let process = Program::new("im", home)
            .args(["--jsonl", "--name", name])
            .args(arguments)
            .data_dir(&home.join(name))
            .start();
        let ready = process.event("ready", |event| event["event"] == "ready");
        let peer_id = ready["peer_id"].as_str().expect("a peer id").to_owned();
        Self { process, name: name.to_owned(), peer_id, ready }
    }

    /// The invite that others add.
    ///
    /// # Panics
    /// When its `ready` event had none.
    #[must_use]
    pub fn invite(&self) -> &str {
        self.ready["invite"].as_str().expect("an invite")
    }

    /// Waits until the last that it sees of `buddy` is `status`, later than what was waited for before.
    ///
    /// # Panics
    /// When it does not.
    pub fn sees(&self, buddy: &Self, status: &str) -> Value {
        self.sees_peer(&buddy.peer_id, status)
    }

    /// As [`Messenger::sees`], of a PeerId.
    ///
    /// # Panics
    /// When it does not.
    pub fn sees_peer(&self, buddy: &str, status: &str) -> Value {
        let of_buddy = |event: &Value| event["event"] == "presence" && event["peer_id"] == buddy;
        let wanted = |event: &Value| event["status"] == status;
        self.process.last_within(PATIENCE, &format!("{buddy} seen {status}"), of_buddy, wanted)
    }

    /// The process itself.
    #[must_use]
    pub fn into_process(self) -> Process {
        self.process
    }
}

/// `asker` adds `asked` by its invite, who accepts; both see each other online.
///
/// # Panics
/// When one of these steps fails.
pub fn befriend(asker: &mut Messenger, asked: &mut Messenger) {
    let invite = asked.invite().to_owned();
    let added = asker.must(json!({"command": "add", "invite": invite}));
    assert_eq!(added["peer_id"], json!(asked.peer_id), "the invite names the peer that is added");
    let request = asked.event("a contact request", |event| event["event"] == "contact-request");
    assert_eq!(request["peer_id"], json!(asker.peer_id), "the request names who asks");
    assert_eq!(request["name"], json!(asker.name));
    asked.must(json!({"command": "accept", "buddy": asker.peer_id}));
    asker.sees(asked, "online");
    asked.sees(asker, "online");
}

impl Deref for Meeting {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Meeting {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl Deref for Messenger {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Messenger {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
