//! The roster: the last known state of each buddy, and how old that knowledge is.
//!
//! In: what buddies tell, answers to PINGs, losses. Out: [`Sight`]s, and whether something changed that is worth an
//! event: status, note or path. Pure; as large as the buddy list.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use overlay::PeerId;

use crate::status::{Note, Presence, Status};

/// How a buddy is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// By a connection of its own.
    Direct,
    /// Through a relay.
    Relayed,
}

impl Path {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relayed => "relayed",
        }
    }
}

/// Where a state is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The buddy said so.
    Peer,
    /// Concluded or remembered here.
    Cache,
}

impl Source {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Cache => "cache",
        }
    }
}

/// A buddy's state as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// Status and note.
    pub presence: Presence,
    /// How long ago this was learned or last confirmed; `None`: never.
    pub age: Option<Duration>,
    /// Round trip of the last answered PING.
    pub rtt: Option<Duration>,
    /// How it is reached, while it is.
    pub path: Option<Path>,
    /// Where this is known from.
    pub source: Source,
}

/// The last known states.
#[derive(Debug, Default)]
pub struct Roster {
    seen: BTreeMap<PeerId, Seen>,
}

#[derive(Debug)]
struct Seen {
    presence: Presence,
    at: Instant,
    rtt: Option<Duration>,
    path: Option<Path>,
    source: Source,
}

impl Roster {
    /// A buddy said how it is; whether that is a change. `rtt` when it said so in answer to a PING.
    pub fn told(
        &mut self,
        now: Instant,
        peer: PeerId,
        presence: Presence,
        path: Path,
        rtt: Option<Duration>,
    ) -> bool {
        let open = presence.status.is_open();
        let seen = Seen {
            rtt: rtt.or_else(|| self.seen.get(&peer).and_then(|seen| seen.rtt)),
            presence,
            at: now,
            path: open.then_some(path),
            source: Source::Peer,
        };
        self.put(peer, seen)
    }

    /// A buddy can't be reached; whether that is a change.
    pub fn lost(&mut self, now: Instant, peer: PeerId) -> bool {
        if self.status(&peer) == Status::Offline {
            return false;
        }
        let seen = Seen { presence: nothing(), at: now, rtt: None, path: None, source: Source::Cache };
        self.put(peer, seen)
    }

    /// Nothing is known about this peer any more.
    pub fn forget(&mut self, peer: &PeerId) {
        self.seen.remove(peer);
    }

    /// The last known status; offline when nothing is known.
    pub fn status(&self, peer: &PeerId) -> Status {
        self.seen.get(peer).map_or(Status::Offline, |seen| seen.presence.status)
    }

    /// What is known at `now`.
    pub fn sight(&self, now: Instant, peer: &PeerId) -> Sight {
        match self.seen.get(peer) {
            Some(seen) => Sight {
                presence: seen.presence.clone(),
                age: Some(now.saturating_duration_since(seen.at)),
                rtt: seen.rtt,
                path: seen.path,
                source: seen.source,
            },
            None => Sight { presence: nothing(), age: None, rtt: None, path: None, source: Source::Cache },
        }
    }

    fn put(&mut self, peer: PeerId, seen: Seen) -> bool {
        let (before, path) = match self.seen.get(&peer) {
            Some(before) => (before.presence.clone(), before.path),
            None => (nothing(), None),
        };
        let changed = before != seen.presence || path != seen.path;
        self.seen.insert(peer, seen);
        changed
    }
}

/// What is shown of somebody of whom nothing is known.
fn nothing() -> Presence {
    Presence { status: Status::Offline, note: Note::default() }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
mod tests {
    use super::*;

    fn presence(status: Status, note: &str) -> Presence {
        Presence { status, note: Note::new(note).unwrap() }
    }

    #[test]
    fn only_status_note_and_path_are_changes() {
        let (now, peer) = (Instant::now(), PeerId::random());
        let mut roster = Roster::default();
        let online = presence(Status::Online, "");
        let rtt = Some(Duration::from_millis(1));
        assert!(roster.told(now, peer, online.clone(), Path::Direct, None));
        assert!(!roster.told(now, peer, online.clone(), Path::Direct, rtt));
        assert!(roster.told(now, peer, online, Path::Relayed, rtt));
        assert!(roster.told(now, peer, presence(Status::Online, "tea"), Path::Relayed, rtt));
        assert!(roster.lost(now, peer));
        assert!(!roster.lost(now, peer));
    }

    #[test]
    fn age_grows_until_the_buddy_confirms() {
        let (now, peer) = (Instant::now(), PeerId::random());
        let mut roster = Roster::default();
        assert_eq!(roster.sight(now, &peer).age, None);
        let later = now + Duration::from_secs(7);
        roster.told(now, peer, presence(Status::Busy, ""), Path::Direct, None);
        assert_eq!(roster.sight(later, &peer).age, Some(Duration::from_secs(7)));
        roster.told(later, peer, presence(Status::Busy, ""), Path::Direct, Some(Duration::from_micros(80)));
        let sight = roster.sight(later, &peer);
        assert_eq!((sight.age, sight.rtt), (Some(Duration::ZERO), Some(Duration::from_micros(80))));
    }

    #[test]
    fn a_lost_buddy_is_offline_without_path_and_round_trip() {
        let (now, peer) = (Instant::now(), PeerId::random());
        let mut roster = Roster::default();
        roster.told(now, peer, presence(Status::Away, "lunch"), Path::Direct, Some(Duration::from_millis(1)));
        roster.lost(now, peer);
        let sight = roster.sight(now, &peer);
        assert_eq!(sight.presence, presence(Status::Offline, ""));
        assert_eq!((sight.path, sight.rtt, sight.source), (None, None, Source::Cache));
        roster.forget(&peer);
        assert_eq!(roster.sight(now, &peer).age, None);
    }
}
