//! The course of the demo: set the stage, let people talk, show what the manager sees, write it down.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mgmt_service::arm::ArmRecord;
use mgmt_service::cli_common::Signals;
use mgmt_service::csv::CsvFile;
use mgmt_service::jmx::ObjectNamePattern;
use mgmt_service::net::{Collection, Manager};
use overlay::{Multiaddr, Peer};
use rendezvous::net::server::Server;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::person::Person;
use crate::demo::measurements::Measurements;
use crate::demo::scene::Scene;
use crate::demo::{DemoError, DemoOptions, script};

/// Runs the demo to its end: the time that was asked for, or Ctrl-C.
///
/// # Errors
/// [`DemoError`].
pub async fn run(options: DemoOptions) -> Result<(), DemoError> {
    let io = |what: String| move |source| DemoError::Io { what, source };
    std::fs::create_dir_all(&options.out)
        .map_err(io(format!("make the folder {}", options.out.display())))?;
    let mut signals = Signals::install().map_err(io("listen for Ctrl-C".to_owned()))?;
    let home = Home::create()?;
    let mut stage = Stage::set(&options, home.path()).await?;
    let played = tokio::select! {
        _ = signals.recv() => Ok(()),
        () = pass(options.lasts) => Ok(()),
        played = stage.play() => played,
    };
    stage.finish(&options).await?;
    played
}

/// Waits for the time that was asked for; for ever without.
async fn pass(lasts: Option<Duration>) {
    match lasts {
        Some(lasts) => tokio::time::sleep(lasts).await,
        None => std::future::pending().await,
    }
}

/// Everything that runs.
struct Stage {
    people: Vec<Person>,
    events: mpsc::Receiver<(usize, Value)>,
    scene: Scene,
    measurements: Arc<Mutex<Measurements>>,
    collection: Collection,
    rendezvous: (Peer, Server),
    manager: Peer,
    started: Instant,
    ping_period: Duration,
    redraw: bool,
}

impl Stage {
    async fn set(options: &DemoOptions, home: &Path) -> Result<Self, DemoError> {
        let (rendezvous, address) = start_rendezvous().await?;
        say(&format!("rendezvous at {address}"));
        let measurements = Arc::new(Mutex::new(Measurements::default()));
        let (manager, collection) = start_manager(&address, &options.out, measurements.clone()).await?;
        let names: Vec<_> = (0..options.peers).map(script::name).collect();
        let (sender, events) = mpsc::channel(EVENTS_QUEUE);
        let address = address.to_string();
        let starts = names.iter().enumerate().map(|(index, name)| {
            Person::start(index, name, home, &address, options.ping_period, sender.clone())
        });
        let people = futures::future::try_join_all(starts).await?;
        for person in &people {
            say(&format!("{} is {}", person.name, person.peer_id));
            if let Ok(peer) = person.peer_id.parse() {
                lock(&measurements).matrix.name_peer(peer, &person.name);
            }
        }
        let mut stage = Self {
            people,
            events,
            scene: Scene::new(names),
            measurements,
            collection,
            rendezvous,
            manager,
            started: Instant::now(),
            ping_period: options.ping_period,
            redraw: std::io::stdout().is_terminal(),
        };
        stage.introduce().await?;
        Ok(stage)
    }

    /// Each adds all that come after, by their invites.
    async fn introduce(&mut self) -> Result<(), DemoError> {
        let invites: Vec<_> = self.people.iter().map(|person| person.invite.clone()).collect();
        for (index, person) in self.people.iter_mut().enumerate() {
            for invite in invites.iter().skip(index + 1) {
                person.tell(json!({"command": "add", "invite": invite})).await?;
            }
        }
        Ok(())
    }

    /// Shows what happens until it is dropped.
    async fn play(&mut self) -> Result<(), DemoError> {
        let mut talk = tokio::time::interval(TALK_EVERY);
        let mut picture = tokio::time::interval(if self.redraw { REDRAW_EVERY } else { PRINT_EVERY });
        picture.tick().await;
        let mut round = 0;
        loop {
            tokio::select! {
                Some((of, event)) = self.events.recv() => self.on_event(of, &event).await?,
                _ = talk.tick(), if self.scene.all_online() => {
                    let (from, to, text) = script::message(round, self.people.len());
                    let to = self.people.get(to).map(|person| person.name.clone()).unwrap_or_default();
                    if let Some(person) = self.people.get_mut(from) {
                        person.tell(json!({"command": "send", "to": to, "text": text})).await?;
                    }
                    round += 1;
                }
                _ = picture.tick() => self.show(),
            }
        }
    }

    async fn on_event(&mut self, of: usize, event: &Value) -> Result<(), DemoError> {
        if event.get("event") == Some(&json!("contact-request"))
            && let Some(person) = self.people.get_mut(of)
        {
            person.tell(json!({"command": "accept", "buddy": event.get("peer_id")})).await?;
        }
        if let Some(line) = self.scene.take(of, event)
            && !self.redraw
        {
            say(&line);
        }
        Ok(())
    }

    fn show(&self) {
        let picture = self.scene.render(&lock(&self.measurements), self.ping_period, self.started.elapsed());
        // Home and clear, so that the picture stays in its place.
        say(&if self.redraw { format!("\x1b[H\x1b[2J{picture}Ctrl-C ends") } else { format!("\n{picture}") });
    }

    /// Flushes the agents, lets people go, writes the figures.
    async fn finish(self, options: &DemoOptions) -> Result<(), DemoError> {
        let end = self.collection.stop().await;
        futures::future::join_all(self.people.into_iter().map(Person::quit)).await;
        self.manager.shutdown().await;
        self.rendezvous.1.shutdown().await;
        self.rendezvous.0.shutdown().await;
        if let Some(source) = end.failure {
            return Err(DemoError::Io { what: "write records.csv".to_owned(), source });
        }
        let measurements = lock(&self.measurements);
        say(&format!("\n{}", self.scene.render(&measurements, self.ping_period, self.started.elapsed())));
        let (series, distribution) = measurements.figure_8();
        for (file, svg) in [("series.svg", series), ("distribution.svg", distribution)] {
            let path = options.out.join(file);
            let failed = |source| DemoError::Io { what: format!("write {}", path.display()), source };
            std::fs::write(&path, svg).map_err(failed)?;
        }
        say(&format!(
            "{} records of {} people in {out}/records.csv; figure 8 in {out}/series.svg and {out}/distribution.svg",
            end.summary.records,
            end.summary.agents,
            out = options.out.display()
        ));
        Ok(())
    }
}

async fn start_rendezvous() -> Result<((Peer, Server), Multiaddr), DemoError> {
    let failed = |reason: String| DemoError::Start { who: "rendezvous", reason };
    let listen = Multiaddr::from(std::net::Ipv4Addr::LOCALHOST).with(overlay::Protocol::Tcp(0));
    let peer = Peer::builder().listen(listen).spawn().await.map_err(|error| failed(error.to_string()))?;
    let limits = rendezvous::limits::Limits::default();
    let server = Server::spawn(&peer, &limits).map_err(|error| failed(error.to_string()))?;
    let address =
        peer.addresses().into_iter().next().ok_or_else(|| failed("it has no address".to_owned()))?;
    Ok(((peer, server), address))
}

async fn start_manager(
    rendezvous: &Multiaddr,
    out: &Path,
    measurements: Arc<Mutex<Measurements>>,
) -> Result<(Peer, Collection), DemoError> {
    let failed = |reason: String| DemoError::Start { who: "manager", reason };
    let peer = Peer::builder().rendezvous(rendezvous.clone()).spawn().await;
    let peer = peer.map_err(|error| failed(error.to_string()))?;
    peer.wait_leased(LEASE_TIMEOUT).await.map_err(|error| failed(error.to_string()))?;
    let csv = CsvFile::create(out.join("records.csv")).map_err(|error| failed(error.to_string()))?;
    let pattern = ObjectNamePattern::everything();
    let count = move |records: &[ArmRecord]| -> std::io::Result<()> {
        lock(&measurements).add(records);
        Ok(())
    };
    let collection = Manager::new(&peer).collect(pattern, (csv, count));
    Ok((peer, collection))
}

/// A folder for the people's homes, gone with the demo.
struct Home(PathBuf);

impl Home {
    fn create() -> Result<Self, DemoError> {
        let path = std::env::temp_dir().join(format!("juxta-demo-{}", std::process::id()));
        let failed = |source| DemoError::Io { what: format!("make the folder {}", path.display()), source };
        std::fs::create_dir(&path).map_err(failed)?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What can't be removed is in the system's folder for temporary files, which cleans itself.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn say(text: &str) {
    // A reader of stdout that has gone away, as `head` does, ends the showing and not the demo.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

fn lock(measurements: &Mutex<Measurements>) -> std::sync::MutexGuard<'_, Measurements> {
    measurements.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Events of all people that wait to be shown; people wait when it is full.
const EVENTS_QUEUE: usize = 256;
/// Time between two messages of the script.
const TALK_EVERY: Duration = Duration::from_secs(2);
/// Time between two pictures on a terminal.
const REDRAW_EVERY: Duration = Duration::from_secs(1);
/// Time between two pictures where they follow each other.
const PRINT_EVERY: Duration = Duration::from_secs(5);
/// Time in which the rendezvous must grant the manager a lease.
const LEASE_TIMEOUT: Duration = Duration::from_secs(30);
