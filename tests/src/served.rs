//! A served manager, asked as programs ask it; and two messengers whom it can tell something about.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{
    Home, HttpAnswer, Meeting, Messenger, PATIENCE, Process, Program, Signal, befriend, http, loopback,
};

/// `mgmt serve`, once it has told its links.
#[derive(Debug)]
pub struct Served {
    /// The process.
    pub manager: Process,
    /// Host and port of its pages.
    pub address: String,
    /// What programs show.
    pub token: String,
    /// The request of its link, which counts once.
    pub link: String,
}

impl Served {
    /// Starts `program`, an `mgmt serve` without its data directory, in `directory`.
    ///
    /// # Panics
    /// When it doesn't tell its link, or writes no token.
    #[must_use]
    pub fn start(program: Program, directory: &Path) -> Self {
        let manager = program.data_dir(directory).start();
        let link = manager.line("the link", |line| line.starts_with("dashboard"));
        let (_, link) = link.split_once("http://").expect("an address");
        let (address, once) = link.split_once("/?token=").expect("a token");
        let (address, link) = (address.to_owned(), format!("GET /?token={once}"));
        // The last line: all of its doors are open.
        manager.line("the jolokia line", |line| line.starts_with("jolokia"));
        let token = std::fs::read_to_string(directory.join("serve-token")).expect("a token for programs");
        Self { manager, address, token, link }
    }

    /// Opens the link, as a browser would.
    #[must_use]
    pub fn enter(&self) -> HttpAnswer {
        http(&self.address, &self.link, &[], "")
    }

    /// A GET of a program that shows the token.
    #[must_use]
    pub fn get(&self, path: &str) -> HttpAnswer {
        http(&self.address, &format!("GET {path}"), &[("Authorization", &self.bearer())], "")
    }

    /// What a GET answers, as soon as it is as wanted.
    ///
    /// # Panics
    /// When it is not within [`PATIENCE`].
    pub fn until(&self, what: &str, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let answer = self.get(path).json();
            if wanted(&answer) {
                return answer;
            }
            assert!(Instant::now() < give_up, "no {what}: {answer}");
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// The state that its page shows, as soon as it is as wanted.
    ///
    /// # Panics
    /// When it is not within [`PATIENCE`].
    pub fn state(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.until(what, "/api/state", wanted)
    }

    /// What Jolokia answers to a program that shows the token.
    #[must_use]
    pub fn jolokia(&self, request: &Value) -> Value {
        let headers = [("Authorization", self.bearer())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        http(&self.address, "POST /jolokia", &headers, &request.to_string()).json()
    }

    /// The header by which a program shows the token.
    #[must_use]
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Panics
    /// When it does not end well.
    pub fn end(self) {
        self.manager.signal(Signal::Terminate);
        let exit = self.manager.finish();
        assert_eq!(exit.code, Some(0), "{exit:?}");
    }
}

/// Alice and Bob, PINGing each other and open to be managed.
#[derive(Debug)]
pub struct Couple {
    /// Both of them, Alice first.
    pub people: Vec<Messenger>,
    /// Where they meet.
    pub meeting: Meeting,
    /// Below which all of them live.
    pub home: Home,
    period: String,
}

impl Couple {
    /// Starts them; each PINGs the other once in `period`, as in `200ms`.
    ///
    /// # Panics
    /// When one does not become ready, or they don't become buddies.
    #[must_use]
    pub fn start(period: &str) -> Self {
        let home = Home::new();
        let meeting = Meeting::start(&home, "rendezvous");
        let mut couple = Self { people: Vec::new(), meeting, home, period: period.to_owned() };
        let [mut alice, mut bob] = ["alice", "bob"].map(|name| couple.messenger(name));
        befriend(&mut alice, &mut bob);
        couple.people.extend([alice, bob]);
        couple
    }

    /// Starts one of them, again.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn messenger(&self, name: &str) -> Messenger {
        let managed = ["--manage", "open", "--ping-period", &self.period];
        Messenger::start(&self.home, name, &self.meeting.address, &managed)
    }

    /// The directory of their manager.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.home.join("manager")
    }

    /// `mgmt` with these arguments, at their rendezvous and in the directory of their manager.
    #[must_use]
    pub fn mgmt(&self, args: &[&str]) -> Program {
        self.arguments(args).data_dir(&self.directory())
    }

    /// Starts `mgmt serve` with `more` arguments.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn serve(&self, more: &[&str]) -> Served {
        Served::start(self.arguments(&[&["serve"], more].concat()), &self.directory())
    }

    fn arguments(&self, args: &[&str]) -> Program {
        let meeting = ["--rendezvous", &self.meeting.address];
        Program::new("mgmt", &self.home).args(args).args(meeting).args(loopback())
    }
}
