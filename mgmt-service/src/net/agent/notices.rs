//! What the monitors said, for one subscription: what its manager lacks, in the order in which it was said.
//!
//! In: the agent's monitors, new pipes. Out: messages for a manager that asks for them. What it does not take in time is
//! forgotten beyond `NOTIFICATIONS_KEPT`, and shows as a gap in the numbers.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use super::monitors::Monitors;
use crate::access::Veil;
use crate::jmx::ObjectNamePattern;
use crate::limits::NOTICE_SAID_MAX;

/// What one manager has yet to hear.
pub(super) struct Notices {
    monitors: Arc<Monitors>,
    changed: watch::Receiver<u64>,
    /// Whether the manager on the present pipe asks for them.
    wanted: bool,
    /// Whether there may be something to say.
    due: bool,
    /// The number of the last crossing that was said on the present pipe.
    told: u64,
}

impl Notices {
    pub(super) fn new(monitors: Arc<Monitors>) -> Self {
        let changed = monitors.changes();
        Self { monitors, changed, wanted: false, due: false, told: 0 }
    }

    /// A new pipe is there, whose manager wants to hear them or not.
    pub(super) fn attach(&mut self, wanted: bool) {
        (self.wanted, self.due, self.told) = (wanted, wanted, 0);
        self.changed.mark_unchanged();
    }

    /// Waits until there may be something to say; for ever while nobody wants to hear it.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn changed(&mut self) {
        if !self.wanted || self.changed.changed().await.is_err() {
            std::future::pending().await
        }
        self.due = true;
    }

    /// The next message, if there is one.
    pub(super) fn poll(&mut self, pattern: &ObjectNamePattern, veil: Option<&Veil>) -> Option<Bytes> {
        if !self.due {
            return None;
        }
        let (is_first, mut notice) = (self.told == 0, self.monitors.said_after(self.told, NOTICE_SAID_MAX));
        // Less than a message holds is all there is.
        self.due = notice.said.len() == NOTICE_SAID_MAX;
        self.told = notice.up_to;
        let said = &mut notice.said;
        if let Some(veil) = veil {
            said.iter_mut().for_each(|said| veil.said(said));
        }
        said.retain(|said| {
            pattern.is_everything() || said.object.parse().is_ok_and(|object| pattern.matches(&object))
        });
        if is_first && notice.up_to == 0 && notice.monitors.is_empty() {
            return None;
        }
        notice.encode().ok()
    }
}
