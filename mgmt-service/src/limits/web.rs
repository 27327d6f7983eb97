//! Bounds of the manager's web face that came with what it changes, keeps and warns of.

use std::time::Duration;

/// Objects that one Jolokia `list` describes; each is a question to the peer. Further ones show their attributes alone.
pub const LIST_DESCRIBED_MAX: usize = 64;

/// Questions of one Jolokia `list` at a time.
pub const LIST_AT_ONCE: usize = 8;

/// Newest records of the store that objectives and peaks on the page are about, some 20 MB while they are looked at.
///
/// Reached: objectives whose windows hold more look at the newest alone, and the page says so.
pub const OUTLOOK_RECORDS_MAX: usize = 100_000;

/// Shortest pause between two looks at the store; after a long look it is `OUTLOOK_PAUSE_FACTOR` times as long as that
/// took, so that looking costs at most a tenth of a core.
pub const OUTLOOK_PERIOD: Duration = Duration::from_secs(5);

/// See `OUTLOOK_PERIOD`.
pub const OUTLOOK_PAUSE_FACTOR: u32 = 10;

/// How far back peaks are listed on the page.
pub const OUTLOOK_PEAKS_SPAN: Duration = Duration::from_secs(60 * 60);

/// Peaks on the page, the slowest; it says how many there are in all.
pub const OUTLOOK_PEAKS_SHOWN_MAX: usize = 20;

/// Alarms on the page, the newest; it says how many there are in all.
pub const ALARMS_SHOWN_MAX: usize = 64;

/// Notifications of monitors that are remembered, over all agents, at most 1 MiB; the oldest is forgotten.
pub const BOARD_NOTIFICATIONS_MAX: usize = 2048;

/// Notifications of one agent that are remembered, as many as an honest one keeps; of more the newest.
pub const AGENT_NOTIFICATIONS_MAX: usize = 64;

/// Characters of a notification; a longer one is cut.
pub const NOTIFICATION_CHARS_MAX: usize = 512;

/// How soon viewers are told of a notification: what others say meanwhile is told with it.
pub const NOTICE_TOLD_AFTER: Duration = Duration::from_millis(100);

/// How long the notification of a counter, which has no end, stays an alarm.
pub const NOTIFICATION_ALARM_LIFE: Duration = Duration::from_secs(10 * 60);

/// How far back a manager that starts again fills its page from the store.
pub const BOARD_HISTORY: Duration = Duration::from_secs(60 * 60);

/// How long before its end a credential is an alarm: renewal begins long before, so it has failed for hours.
pub const CREDENTIAL_ALARM: Duration = Duration::from_secs(4 * 60 * 60);

/// How long who has asked the manager once counts as looking, so that what it asks next is fresh: as long as programs
/// that scrape usually pause, and then some.
pub const LOOK_KEPT: Duration = Duration::from_secs(60);

/// What may pass besides, between two batches of an agent that gathers a minute, before it counts as silent: the way, the
/// pace, the commit.
pub const GATHERING_MARGIN: Duration = Duration::from_secs(10);

/// How long the last reading of what agents use may take, when a collection ends; who has not answered by then was read
/// within the last [`USAGE_INTERVAL`](super::USAGE_INTERVAL).
pub const USAGE_LAST_MAX: Duration = Duration::from_millis(500);
