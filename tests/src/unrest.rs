//! How restless this machine is while a test runs: for how long it lets those wait who want to run or to write.

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Home;

/// A thread that looks how late it is woken, and how long the disk takes. Ends on drop.
#[derive(Debug)]
pub struct Unrest {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    longest_us: AtomicU64,
    ended: AtomicBool,
}

impl Unrest {
    /// Looks from now on.
    ///
    /// # Panics
    /// When there is no thread or no file for it.
    #[must_use]
    pub fn watch(home: &Home) -> Self {
        let shared = Arc::new(Shared::default());
        let file = File::create(home.join("unrest")).unwrap();
        let thread = std::thread::Builder::new().spawn({
            let shared = shared.clone();
            move || look(&shared, file)
        });
        Self { shared, thread: Mutex::new(Some(thread.unwrap())) }
    }

    /// The longest wait so far.
    #[must_use]
    pub fn longest(&self) -> Duration {
        Duration::from_micros(self.shared.longest_us.load(Ordering::Relaxed))
    }
}

impl Drop for Unrest {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

fn look(shared: &Shared, mut file: File) {
    for look in 0u64.. {
        if shared.ended.load(Ordering::Relaxed) {
            break;
        }
        let before = Instant::now();
        std::thread::sleep(NAP);
        if look % NAPS_PER_WRITE == 0 {
            let _ = file.write_all(&[0]).and_then(|()| file.sync_data());
        }
        let late = before.elapsed().saturating_sub(NAP);
        let late_us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        shared.longest_us.fetch_max(late_us, Ordering::Relaxed);
    }
}

const NAP: Duration = Duration::from_millis(5);
const NAPS_PER_WRITE: u64 = 20;
