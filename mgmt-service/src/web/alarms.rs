//! Alarms: what an operator should look at now, and since when.
//!
//! In: how things are, again and again; what monitors said. Out: alarms as JSON, the newest first, each with its start. An
//! alarm is over when it is not said any more. At most `ALARMS_SHOWN_MAX` shown, `BOARD_NOTIFICATIONS_MAX` remembered.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use overlay::PeerId;
use serde_json::{Value, json};

use crate::limits::{
    AGENT_NOTIFICATIONS_MAX, ALARMS_SHOWN_MAX, BOARD_NOTIFICATIONS_MAX, CREDENTIAL_ALARM,
    NOTIFICATION_ALARM_LIFE, NOTIFICATION_CHARS_MAX,
};

/// What an alarm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AlarmKind {
    /// An objective burns its budget too fast.
    Objective,
    /// An agent that has reported does not any more.
    Silent,
    /// A monitor at an agent has crossed its threshold.
    Monitor,
    /// Records were lost.
    Lost,
    /// The manager's own credential ends soon, or has ended.
    Credential,
    /// The store can't be read or has no room.
    Store,
}

/// One alarm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alarm {
    /// What it is about.
    pub kind: AlarmKind,
    /// Whom it is about, if a peer.
    pub peer: Option<PeerId>,
    /// Which of several of its kind and peer: an objective's name, a monitor's number.
    pub which: String,
    /// What happens, in a few words that change as little as possible.
    pub text: String,
}

impl Alarm {
    /// What is wrong at `now` with the place of a manager in its group, of which it is a member `until` then.
    #[must_use]
    pub fn of_credential(until: Option<SystemTime>, now: SystemTime) -> Option<Self> {
        let text = match until {
            None => "this manager is no member of its management group any more",
            Some(until) if until.duration_since(now).unwrap_or(Duration::ZERO) < CREDENTIAL_ALARM => {
                "this manager's credential ends within four hours: no issuer renews it"
            }
            Some(_) => return None,
        };
        Some(Self { kind: AlarmKind::Credential, peer: None, which: String::new(), text: text.to_owned() })
    }
}

/// The alarms that are on, and what monitors said last.
#[derive(Debug, Default)]
pub struct Alarms {
    on: BTreeMap<(AlarmKind, Option<PeerId>, String), (u64, String)>,
    notifications: VecDeque<Notification>,
    /// How many records were lost, and when there were more last.
    lost: Option<(u64, u64)>,
}

/// What a monitor said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Notification {
    peer: PeerId,
    serial: u64,
    /// When it was heard, by the manager's clock.
    heard_ms: u64,
    /// `AT CROSSING monitor NUMBER OBJECT ATTRIBUTE VALUE`.
    text: String,
}

impl AlarmKind {
    /// The kind as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Objective => "objective",
            Self::Silent => "silent",
            Self::Monitor => "monitor",
            Self::Lost => "lost",
            Self::Credential => "credential",
            Self::Store => "store",
        }
    }
}

impl Alarms {
    /// From now on these are on, besides those of monitors and of `lost` records (a count that only grows).
    pub fn update(&mut self, now_ms: u64, alarms: impl IntoIterator<Item = Alarm>, lost: u64) {
        let mut before = std::mem::take(&mut self.on);
        let mut alarms: Vec<Alarm> = alarms.into_iter().collect();
        alarms.extend(self.of_monitors(now_ms));
        alarms.extend(self.of_losses(now_ms, lost));
        for Alarm { kind, peer, which, text } in alarms {
            let key = (kind, peer, which);
            let since_ms = before.remove(&key).map_or(now_ms, |(since_ms, _)| since_ms);
            self.on.insert(key, (since_ms, text));
        }
    }

    /// Takes in what the monitors of `peer` said last, each with its number, and the numbers of the monitors that it has
    /// now: what a monitor said that is gone is no alarm any more.
    pub fn notified(&mut self, now_ms: u64, peer: PeerId, said: &[(u64, String)], monitors: &[String]) {
        let is_there =
            |text: &str| number_of(text).is_some_and(|number| monitors.iter().any(|known| known == number));
        self.notifications.retain(|known| known.peer != peer || is_there(&known.text));
        let newest = said.len().saturating_sub(AGENT_NOTIFICATIONS_MAX);
        for (serial, text) in said.iter().skip(newest).filter(|(_, text)| is_there(text)) {
            let text: String = text.chars().take(NOTIFICATION_CHARS_MAX).collect();
            let is_known =
                |known: &Notification| known.peer == peer && known.serial == *serial && known.text == text;
            if !self.notifications.iter().any(is_known) {
                self.notifications.push_back(Notification { peer, serial: *serial, heard_ms: now_ms, text });
            }
        }
        self.forget_beyond(peer);
        while self.notifications.len() > BOARD_NOTIFICATIONS_MAX {
            self.notifications.pop_front();
        }
    }

    /// An agent has started anew: what its monitors said before is over.
    pub fn began_anew(&mut self, peer: PeerId) {
        self.notifications.retain(|known| known.peer != peer);
    }

    /// Keeps the newest of one agent, so that it can't push out what others say.
    fn forget_beyond(&mut self, peer: PeerId) {
        let of_peer = self.notifications.iter().filter(|known| known.peer == peer).count();
        let mut beyond = of_peer.saturating_sub(AGENT_NOTIFICATIONS_MAX);
        self.notifications.retain(|known| {
            let goes = known.peer == peer && beyond > 0;
            beyond -= usize::from(goes);
            !goes
        });
    }

    /// `[{kind, peer, which, text, since_ms}]`, the newest first.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut on: Vec<_> = self.on.iter().collect();
        on.sort_by_key(|(_, (since_ms, _))| std::cmp::Reverse(*since_ms));
        let shown = on.into_iter().take(ALARMS_SHOWN_MAX).map(|((kind, peer, which), (since_ms, text))| {
            json!({
                "kind": kind.as_str(), "peer": peer.map(|peer| peer.to_string()), "which": which, "text": text,
                "since_ms": since_ms,
            })
        });
        shown.collect()
    }

    /// `[{peer, text, heard_ms}]`, the newest first.
    #[must_use]
    pub fn notifications_to_json(&self) -> Value {
        let newest = self.notifications.iter().rev().take(ALARMS_SHOWN_MAX);
        newest
            .map(
                |said| json!({ "peer": said.peer.to_string(), "text": said.text, "heard_ms": said.heard_ms }),
            )
            .collect()
    }

    /// How many are on.
    #[must_use]
    pub fn len(&self) -> usize {
        self.on.len()
    }

    /// Whether all is well.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.on.is_empty()
    }

    /// The monitors whose last word is that something is wrong.
    fn of_monitors(&self, now_ms: u64) -> Vec<Alarm> {
        let mut last = BTreeMap::<(PeerId, &str), &Notification>::new();
        for said in &self.notifications {
            let Some(number) = number_of(&said.text) else { continue };
            let newest = last.entry((said.peer, number)).or_insert(said);
            if said.serial >= newest.serial {
                *newest = said;
            }
        }
        let life_ms = u64::try_from(NOTIFICATION_ALARM_LIFE.as_millis()).unwrap_or(u64::MAX);
        let mut alarms = Vec::new();
        for ((peer, number), said) in last {
            let (crossing, about) = words_of(&said.text);
            let is_on = match crossing {
                "high" | "differs" => true,
                "count" => now_ms.saturating_sub(said.heard_ms) <= life_ms,
                _ => false,
            };
            if is_on {
                let (which, text) = (number.to_owned(), format!("{crossing}: {about}"));
                alarms.push(Alarm { kind: AlarmKind::Monitor, peer: Some(peer), which, text });
            }
        }
        alarms
    }

    /// Losses are an alarm for a while after the last one.
    fn of_losses(&mut self, now_ms: u64, lost: u64) -> Option<Alarm> {
        let life_ms = u64::try_from(NOTIFICATION_ALARM_LIFE.as_millis()).unwrap_or(u64::MAX);
        if self.lost.is_none_or(|(before, _)| lost > before) {
            self.lost = (lost > 0).then_some((lost, now_ms));
        }
        let (count, at_ms) = self.lost?;
        let text = format!("{count} records were lost since the start; agents keep them for a minute");
        let which = String::new();
        let alarm = Alarm { kind: AlarmKind::Lost, peer: None, which, text };
        (now_ms.saturating_sub(at_ms) <= life_ms).then_some(alarm)
    }
}

/// The number of the monitor that said it.
fn number_of(text: &str) -> Option<&str> {
    let mut words = text.split(' ').skip(2);
    words.next().filter(|word| *word == "monitor")?;
    words.next()
}

/// What was crossed, and what was watched with its value.
fn words_of(text: &str) -> (&str, &str) {
    let mut parts = text.splitn(5, ' ').skip(1);
    let crossing = parts.next().unwrap_or_default();
    (crossing, parts.nth(2).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: u64 = 60_000;

    fn silent(peer: PeerId) -> Alarm {
        Alarm { kind: AlarmKind::Silent, peer: Some(peer), which: String::new(), text: "silent".into() }
    }

    #[test]
    fn an_alarm_keeps_its_start_until_it_is_over() {
        let (mut alarms, peer) = (Alarms::default(), PeerId::random());
        alarms.update(10, [silent(peer)], 0);
        alarms.update(20, [silent(peer)], 0);
        assert_eq!(alarms.to_json()[0]["since_ms"], json!(10));
        alarms.update(30, [], 0);
        assert!(alarms.is_empty());
        alarms.update(40, [silent(peer)], 0);
        assert_eq!(alarms.to_json()[0]["since_ms"], json!(40));
    }

    #[test]
    fn a_credential_alarms_from_four_hours_before_its_end_and_when_it_is_gone() {
        let (now, minute) = (SystemTime::UNIX_EPOCH + CREDENTIAL_ALARM * 100, Duration::from_secs(60));
        let said = |until| Alarm::of_credential(until, now).map(|alarm| alarm.text);
        assert_eq!(said(Some(now + CREDENTIAL_ALARM)), None);
        let ends = said(Some(now + CREDENTIAL_ALARM - minute));
        assert!(ends.is_some_and(|text| text.contains("ends within four hours")));
        assert!(said(Some(now - minute)).is_some());
        assert!(said(None).is_some_and(|text| text.contains("no member")));
    }

    #[test]
    fn a_monitor_alarms_until_it_says_that_all_is_well_or_is_gone() {
        let (mut alarms, peer) = (Alarms::default(), PeerId::random());
        let said = |serial: u64, crossing: &str, number: &str| {
            (serial, format!("2026-01-01T00:00:00Z {crossing} monitor {number} a:b=c level 12"))
        };
        let (one, two) = (["1".to_owned()], ["1".to_owned(), "2".to_owned()]);
        alarms.notified(5, peer, &[said(1, "high", "1")], &one);
        alarms.update(5, [], 0);
        assert_eq!(alarms.to_json()[0]["text"], json!("high: a:b=c level 12"));
        alarms.notified(6, peer, &[said(1, "high", "1"), said(2, "low", "1"), said(3, "differs", "2")], &two);
        alarms.update(6, [], 0);
        assert_eq!((alarms.len(), &alarms.to_json()[0]["which"]), (1, &json!("2")));
        alarms.notified(7, peer, &[said(3, "differs", "2")], &one);
        alarms.update(7, [], 0);
        assert!(alarms.is_empty(), "the monitor was removed");
        // Whatever an agent says, nothing breaks.
        alarms.notified(8, peer, &[(9, String::new()), (10, "x".into()), (11, "a b monitor".into())], &one);
        alarms.update(8, [], 0);
        assert!(alarms.is_empty());
    }

    #[test]
    fn counts_and_losses_are_alarms_for_a_while() {
        let (mut alarms, peer) = (Alarms::default(), PeerId::random());
        alarms.notified(0, peer, &[(1, "t count monitor 1 a:b=c n 12".into())], &["1".into()]);
        alarms.update(0, [], 3);
        assert_eq!(alarms.len(), 2);
        alarms.update(9 * MINUTE_MS, [], 4);
        assert_eq!(alarms.len(), 2);
        alarms.update(11 * MINUTE_MS, [], 4);
        assert_eq!(alarms.to_json()[0]["kind"], json!("lost"));
        alarms.update(20 * MINUTE_MS, [], 4);
        assert!(alarms.is_empty());
    }

    #[test]
    fn whatever_agents_say_notifications_stay_bounded() {
        let mut alarms = Alarms::default();
        let said = |serial: u64| (serial, format!("t high monitor {serial} a:b=c n {}", "x".repeat(10_000)));
        let (liar, numbers) =
            (PeerId::random(), (0..500).map(|number| number.to_string()).collect::<Vec<_>>());
        for round in 0..3 {
            let many: Vec<_> = (round * 100..round * 100 + 200).map(said).collect();
            alarms.notified(round, liar, &many, &numbers);
        }
        assert_eq!(alarms.notifications.len(), AGENT_NOTIFICATIONS_MAX);
        for serial in 0..3000 {
            alarms.notified(serial, PeerId::random(), &[said(1)], &numbers);
        }
        assert_eq!(alarms.notifications.len(), BOARD_NOTIFICATIONS_MAX);
        alarms.update(1, [], 0);
        assert_eq!(alarms.to_json().as_array().unwrap().len(), ALARMS_SHOWN_MAX);
        assert!(alarms.to_json().to_string().len() < ALARMS_SHOWN_MAX * (NOTIFICATION_CHARS_MAX + 200));
    }
}
