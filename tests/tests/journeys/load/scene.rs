//! Who takes part: a rendezvous, a manager with a disk, processes with many agents each, a link that can be cut.
//!
//! In: faults. Out: what the manager has, what the agents have measured.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use mgmt_service::cli_common::DataDir;
use overlay::{PeerId, identity};
use rusqlite::{Connection, OpenFlags};
use tests::{FaultyLink, Home, Meeting, Process, Program, Signal, Unrest, lasting_port, scaled};

use super::account::{Account, Sum};

/// How much is going on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) agents: u64,
    pub(crate) hosts: u64,
    pub(crate) per_second: u64,
    pub(crate) time: Duration,
    pub(crate) rounds: u32,
}

pub(crate) struct Scene {
    size: Size,
    home: Home,
    meeting: Meeting,
    manager: Option<Process>,
    manager_id: PeerId,
    port: u16,
    hosts: Vec<Option<Process>>,
    link: FaultyLink,
    mounted: bool,
    account: Account,
    unrest: Unrest,
    runtime: tokio::runtime::Runtime,
}

impl Size {
    pub(crate) fn of_this_run() -> Self {
        let (agents, seconds) = (scaled(1000).into(), scaled(600).max(24));
        let time = Duration::from_secs(seconds.into());
        if agents < 400 {
            // A batch closes when it has 1,024 records or is a minute old: a short run measures more often.
            return Self { agents: agents / 3, hosts: 3, per_second: 128, time, rounds: 1 };
        }
        Self { agents, hosts: 5, per_second: 10, time, rounds: (seconds / 120).max(1) }
    }
}

impl Scene {
    /// Everybody is there, and each agent is subscribed to.
    pub(crate) fn start(size: Size, mounts: bool) -> Self {
        let home = Home::new();
        let meeting = Meeting::start(&home, "rendezvous");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // It is free between two managers as well.
        let port = lasting_port();
        let link = runtime.block_on(FaultyLink::spawn(SocketAddr::from(([127, 0, 0, 1], port))));
        let disk = home.join(MANAGER);
        std::fs::create_dir_all(&disk).unwrap();
        let mounted = mounts && {
            let arguments = ["-t", "tmpfs", "-o", DISK_SIZE, "tmpfs"];
            let mount = Command::new("mount").args(arguments).arg(&disk).status();
            mount.is_ok_and(|status| status.success())
        };
        if !mounted {
            println!("no mounts here: the disk is not filled in this run");
        }
        let (data_dir, account) = (DataDir::open(&disk).unwrap(), Account::new(home.path(), size));
        let key = identity::load_or_create(&data_dir.identity_file()).unwrap();
        let manager_id = key.public().to_peer_id();
        drop(data_dir);
        let mut scene = Self {
            size,
            unrest: Unrest::watch(&home),
            home,
            meeting,
            manager: None,
            manager_id,
            port,
            hosts: Vec::new(),
            link,
            mounted,
            account,
            runtime,
        };
        scene.start_manager();
        scene.hosts = (0..size.hosts).map(|host| Some(scene.start_host(host))).collect();
        for host in scene.hosts.iter().flatten() {
            host.event_within(START_MAX, "agents that are subscribed to", |event| {
                event["event"] == "subscribed"
            });
        }
        scene
    }

    /// A manager for whom agents keep what it misses.
    pub(crate) fn start_manager(&mut self) {
        self.start_collecting(&["--standing"]);
    }

    /// A manager that takes all there is, and ends the subscriptions when it ends.
    pub(crate) fn start_last_manager(&mut self) {
        self.start_collecting(&[]);
    }

    fn start_collecting(&mut self, more: &[&str]) {
        let collect = ["collect", "--rendezvous", &self.meeting.address, "--listen"];
        let program = Program::new("mgmt", &self.home).args(collect);
        let listen = format!("/ip4/127.0.0.1/tcp/{}", self.port);
        let program = program.args([listen]).args(more);
        self.manager = Some(program.data_dir(&self.home.join(MANAGER)).start());
    }

    fn start_host(&self, host: u64) -> Process {
        let dir = self.account.host_dir(host);
        let (agents, rate) = (self.size.agents_of(host).to_string(), self.size.per_second.to_string());
        let mut program = Program::new("load_agents", &self.home)
            .args(["--rendezvous", &self.meeting.address, "--agents", &agents, "--per-second", &rate])
            .args(["--dir".as_ref(), dir.as_os_str()]);
        if host == LINKED {
            let near = format!("/ip4/127.0.0.1/tcp/{}/p2p/{}", self.link.near.port(), self.manager_id);
            program = program.args(["--manager", &near]);
        }
        program.start()
    }

    pub(crate) fn manager_pid(&self) -> Option<u32> {
        self.manager.as_ref().map(Process::pid)
    }

    pub(crate) fn kill_manager(&mut self) {
        if let Some(manager) = self.manager.take() {
            manager.kill();
        }
        self.start_manager();
    }

    /// Kills one of the processes with agents, notes what each has on its disk, and starts it again.
    pub(crate) fn kill_agents(&mut self) {
        if let Some(host) = self.hosts[KILLED as usize].take() {
            host.kill();
        }
        self.account.note_kill(KILLED);
        self.hosts[KILLED as usize] = Some(self.start_host(KILLED));
    }

    /// Resets what goes over the link, and again when it is there again.
    pub(crate) fn cut(&self) {
        let again = async { tokio::time::timeout(START_MAX, self.link.reset_and_reconnected()).await };
        self.runtime.block_on(again).expect("agents connect again");
        self.link.close();
    }

    /// Not a byte more has room on the manager's disk.
    pub(crate) fn fill_disk(&self) {
        let used =
            Command::new("df").args(["--output=used", "-k"]).arg(self.home.join(MANAGER)).output().unwrap();
        let used = String::from_utf8_lossy(&used.stdout).lines().last().unwrap().trim().to_owned();
        self.resize(&format!("size={used}k"));
    }

    /// There is room again, once the manager has found that there was none.
    pub(crate) fn free_disk(&self) {
        if let Some(manager) = self.manager.as_ref().filter(|_| self.mounted) {
            manager.stderr_line("word of a full disk", |line| line.contains("no room for records"));
        }
        self.resize(DISK_SIZE);
    }

    fn resize(&self, size: &str) {
        if self.mounted {
            let options = format!("remount,{size}");
            let mount = Command::new("mount").args(["-o", &options]).arg(self.home.join(MANAGER)).status();
            assert!(mount.unwrap().success(), "{options}");
        }
    }

    /// All agents stop to measure; how many records each has begun, in sum.
    pub(crate) fn stop_measuring(&mut self) -> u64 {
        for host in self.hosts.iter_mut().flatten() {
            host.write_line("stop");
        }
        for host in self.hosts.iter().flatten() {
            host.event_within(START_MAX, "agents that stop", |event| event["event"] == "stopped");
        }
        self.account.measured()
    }

    /// Ends the manager politely; whether records are still missing.
    pub(crate) fn end_manager_and_look(&mut self, measured: u64) -> bool {
        if let Some(manager) = self.manager.take() {
            // It may not have begun to listen to signals yet, and who started this may have it ignore Ctrl-C until then.
            manager.signal(Signal::Terminate);
            let exit = manager.finish();
            println!("{}{}", exit.stdout.concat(), exit.stderr);
        }
        self.rows() < measured && !self.settle().is_whole
    }

    /// Records that are in the store.
    pub(crate) fn rows(&self) -> u64 {
        let look = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
            let store = Connection::open_with_flags(self.account.store(), flags)?;
            store.query_row("SELECT coalesce(max(row), 0) FROM record", [], |row| row.get::<_, i64>(0))
        };
        look().unwrap_or_default().unsigned_abs()
    }

    pub(crate) fn measured(&self) -> u64 {
        self.account.measured()
    }

    /// Compares what is in the store with what is owed.
    pub(crate) fn settle(&self) -> Sum {
        self.account.settle(self.size, self.unrest.longest())
    }
}

impl Size {
    /// How many of the agents are in the process `host`.
    pub(crate) fn agents_of(&self, host: u64) -> u64 {
        self.agents / self.hosts + u64::from(host < self.agents % self.hosts)
    }
}

/// The directory of the manager below the home directory.
pub(crate) const MANAGER: &str = "manager";

/// The process whose agents can't be dialed and reach the manager over the link, and the one that is killed.
const LINKED: u64 = 0;
const KILLED: u64 = 1;

const DISK_SIZE: &str = "size=4g";

/// How long a thousand agents may take to be found on a busy machine.
const START_MAX: Duration = Duration::from_secs(120);
