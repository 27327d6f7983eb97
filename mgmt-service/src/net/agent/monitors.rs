//! The monitors of an agent: added and removed by operators, looked at each second, their crossings remembered.
//!
//! In: operations of `juxta:type=monitors`, ticks. Out: objects `juxta:type=monitor,number=N`, and the last crossings as
//! attributes of `juxta:type=notifications`. At most `MONITORS_MAX` monitors and `NOTIFICATIONS_KEPT` crossings.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::guard::at;
use crate::error::AgentError;
use crate::jmx::{
    AttributeInfo, AttributeValue, BeanInfo, BeanServer, Crossing, DynamicBean, ManagedBean, Monitor,
    MonitorKind, ObjectName, Registration, ValueType,
};
use crate::limits::{
    MONITOR_TEXT_BYTES_MAX, MONITORS_MAX, NOTIFICATION_CHARS_MAX, NOTIFICATIONS_KEPT, OBJECT_NAME_BYTES_MAX,
};
use crate::protocol::{Notice, Said};

/// The monitors of one agent.
#[derive(Debug)]
pub(super) struct Monitors {
    beans: BeanServer,
    known: Mutex<Known>,
    /// Random, new with each start; the numbers of crossings begin anew with it.
    boot: u64,
    /// Counts crossings, and monitors that come and go.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Known {
    last_number: u64,
    monitors: BTreeMap<u64, (Arc<Monitor>, Registration)>,
    last_notification: u64,
    notifications: VecDeque<Said>,
}

impl Monitors {
    /// No monitors yet; with the objects by which they are managed.
    pub(super) fn new(beans: &BeanServer) -> Result<(Arc<Self>, Vec<Registration>), AgentError> {
        // Without random numbers nothing else of an agent works either.
        let boot = getrandom::u64().unwrap_or_default();
        let (known, changes) = (Mutex::default(), watch::Sender::default());
        let monitors = Arc::new(Self { beans: beans.clone(), known, boot, changes });
        let name = |kind| ObjectName::new(super::DOMAIN, [("type", kind)]);
        let registrations = vec![
            beans.register(name("monitors")?, Arc::new(operations(&monitors)))?,
            beans.register(name("notifications")?, Arc::new(Notifications(monitors.clone())))?,
        ];
        Ok((monitors, registrations))
    }

    /// Tells when monitors have said something, come or gone.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Which monitors there are, and the first crossings behind a number that are remembered, at most `max`.
    pub(super) fn said_after(&self, serial: u64, max: usize) -> Notice {
        let known = self.known();
        let first = known.notifications.front().map_or(0, |said| said.serial.saturating_sub(1));
        let said = known.notifications.iter().filter(|said| said.serial > serial).take(max).cloned();
        let (after, said): (u64, Vec<Said>) = (serial.max(first), said.collect());
        let up_to = said.last().map_or(after, |said| said.serial);
        let monitors = known.monitors.keys().copied().collect();
        Notice { boot: self.boot, after, up_to, monitors, said }
    }

    /// Looks at every watched attribute once.
    pub(super) fn look(&self) {
        let watched: Vec<_> = {
            let known = self.known();
            known.monitors.iter().map(|(number, (monitor, _))| (*number, monitor.clone())).collect()
        };
        for (number, monitor) in watched {
            let bean = self.beans.get(monitor.object());
            let Some(value) = bean.and_then(|bean| bean.attribute(monitor.watched())) else { continue };
            let at = at();
            if let Some(crossing) = monitor.observe(&value, &at) {
                self.notify(number, &monitor, crossing, &value, &at);
            }
        }
    }

    fn notify(&self, number: u64, monitor: &Monitor, crossing: Crossing, value: &AttributeValue, at: &str) {
        tracing::info!(monitor = number, crossing = crossing.as_str(), "monitor crossed");
        let mut known = self.known();
        known.last_notification += 1;
        let said = Said {
            serial: known.last_notification,
            at: at.to_owned(),
            crossing: crossing.as_str().to_owned(),
            monitor: number,
            object: monitor.object().to_string(),
            attribute: monitor.watched().to_owned(),
            value: value.to_string().chars().take(NOTIFICATION_CHARS_MAX).collect(),
        };
        known.notifications.push_back(said);
        while known.notifications.len() > NOTIFICATIONS_KEPT {
            known.notifications.pop_front();
        }
        drop(known);
        self.changed();
    }

    /// Adds a monitor of what the first two arguments name.
    fn add(&self, arguments: &[AttributeValue], kind: MonitorKind) -> Result<AttributeValue, String> {
        let (Some(AttributeValue::Str(object)), Some(AttributeValue::Str(attribute))) =
            (arguments.first(), arguments.get(1))
        else {
            return Err("an object and an attribute are expected".to_owned());
        };
        let object: ObjectName = object.parse().map_err(|error| format!("object: {error}"))?;
        let bean = self.beans.get(&object).ok_or("there is no object of that name")?;
        if !bean.info().attributes.iter().any(|known| known.name == *attribute) {
            return Err("it has no such attribute".to_owned());
        }
        let mut known = self.known();
        if known.monitors.len() >= MONITORS_MAX {
            return Err(format!("there are {MONITORS_MAX} monitors; remove one"));
        }
        known.last_number += 1;
        let number = known.last_number;
        let name = ObjectName::new(super::DOMAIN, [("type", "monitor"), ("number", &number.to_string())]);
        let monitor = Arc::new(Monitor::new(object, attribute.clone(), kind));
        let registration = self.beans.register(name.map_err(|error| error.to_string())?, monitor.clone());
        known.monitors.insert(number, (monitor, registration.map_err(|error| error.to_string())?));
        drop(known);
        self.changed();
        Ok(number.into())
    }

    fn remove(&self, arguments: &[AttributeValue]) -> Result<AttributeValue, String> {
        let Some(AttributeValue::Int(number)) = arguments.first() else { return Err("a number".to_owned()) };
        let number = u64::try_from(*number).unwrap_or_default();
        let removed = self.known().monitors.remove(&number);
        self.changed();
        removed.map(|_| true.into()).ok_or_else(|| "there is no monitor of that number".to_owned())
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The object that adds and removes. It holds the monitors weakly: they hold the registry that holds it.
fn operations(monitors: &Arc<Monitors>) -> ManagedBean {
    let text = |bytes_max| ValueType::Text { bytes_max };
    let watched = || [("object", text(OBJECT_NAME_BYTES_MAX)), ("attribute", text(OBJECT_NAME_BYTES_MAX))];
    let number = ValueType::Float { min: f64::MIN, max: f64::MAX };
    let with = |run: fn(&Monitors, &[AttributeValue]) -> Result<AttributeValue, String>| {
        let monitors = Arc::downgrade(monitors);
        move |arguments: Vec<AttributeValue>| {
            let done = monitors.upgrade().ok_or_else(|| "the agent has ended".to_owned());
            std::future::ready(done.and_then(|monitors| run(&monitors, &arguments)))
        }
    };
    let counted = Arc::downgrade(monitors);
    let every = ValueType::Int { min: 1, max: i64::MAX };
    let count = ValueType::Int { min: 1, max: i64::MAX };
    ManagedBean::new("watches attributes and says when they cross a threshold")
        .shows("monitors", "how many there are", move || {
            counted.upgrade().map_or(0, |monitors| monitors.known().monitors.len() as u64)
        })
        .does(
            "add-gauge",
            "says when a number rises to high, then not again before it has fallen to low; gives the monitor's number",
            watched().into_iter().chain([("low", number.clone()), ("high", number)]),
            with(|monitors, arguments| match (arguments.get(2), arguments.get(3)) {
                (Some(AttributeValue::Float(low)), Some(AttributeValue::Float(high))) if low < high => {
                    monitors.add(arguments, MonitorKind::Gauge { low: *low, high: *high })
                }
                _ => Err("low must be below high".to_owned()),
            }),
        )
        .does(
            "add-counter",
            "says each time a count has grown by so many; gives the monitor's number",
            watched().into_iter().chain([("every", every)]),
            with(|monitors, arguments| match arguments.get(2) {
                Some(AttributeValue::Int(every)) => {
                    monitors.add(arguments, MonitorKind::Counter { every: every.unsigned_abs() })
                }
                _ => Err("a number is expected".to_owned()),
            }),
        )
        .does(
            "add-text",
            "says when a text differs from this, and when it is this again; gives the monitor's number",
            watched().into_iter().chain([("wanted", text(MONITOR_TEXT_BYTES_MAX))]),
            with(|monitors, arguments| {
                let wanted = arguments.get(2).map(ToString::to_string).unwrap_or_default();
                monitors.add(arguments, MonitorKind::Text { wanted })
            }),
        )
        .does("remove", "ends a monitor", [("number", count)], with(Monitors::remove))
}

/// The last crossings, the attribute's name being their number.
#[derive(Debug)]
struct Notifications(Arc<Monitors>);

impl DynamicBean for Notifications {
    fn info(&self) -> BeanInfo {
        let known = self.0.known();
        let shown = known.notifications.iter().map(|said| AttributeInfo {
            name: Cow::Owned(said.serial.to_string()),
            description: "when, what, which monitor, object, attribute, value".into(),
        });
        BeanInfo { description: "what monitors said last".into(), attributes: shown.collect() }
    }

    fn attribute(&self, name: &str) -> Option<AttributeValue> {
        let (known, wanted) = (self.0.known(), name.parse::<u64>().ok()?);
        let found = known.notifications.iter().find(|said| said.serial == wanted);
        found.map(|said| said.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::jmx::CounterBean;

    #[test]
    fn a_monitor_added_from_afar_notifies_once_per_crossing_and_ends() {
        let beans = BeanServer::new();
        let level = Arc::new(std::sync::atomic::AtomicU64::new(1));
        let shown = level.clone();
        let bean =
            CounterBean::new("x", move || vec![("level", shown.load(std::sync::atomic::Ordering::Relaxed))]);
        let _watched = beans.register("a:b=c".parse().unwrap(), Arc::new(bean)).unwrap();
        let (monitors, registrations) = Monitors::new(&beans).unwrap();
        let object = |name: &str| beans.get(&name.parse().unwrap());
        let invoke = |name: &str, arguments: &[&str]| {
            let arguments = arguments.iter().map(|text| (*text).into()).collect();
            object("juxta:type=monitors").unwrap().invoke(name, arguments).now_or_never().unwrap()
        };
        assert_eq!(invoke("add-gauge", &["a:b=c", "level", "5", "10"]), Ok(1_i64.into()));
        assert!(invoke("add-gauge", &["a:b=c", "level", "10", "5"]).is_err());
        assert!(invoke("add-gauge", &["a:b=d", "level", "5", "10"]).is_err());
        assert!(invoke("add-counter", &["a:b=c", "depth", "5"]).is_err());
        for value in [1, 10, 11, 9, 12, 5] {
            level.store(value, std::sync::atomic::Ordering::Relaxed);
            monitors.look();
        }
        let notifications = object("juxta:type=notifications").unwrap();
        assert_eq!(notifications.info().attributes.len(), 2);
        let first = notifications.attribute("1").unwrap().to_string();
        assert!(first.ends_with("high monitor 1 a:b=c level 10"), "{first}");
        assert!(object("juxta:type=monitor,number=1").is_some());
        assert_eq!(invoke("remove", &["1"]), Ok(true.into()));
        assert!(object("juxta:type=monitor,number=1").is_none() && invoke("remove", &["1"]).is_err());
        drop((notifications, registrations));
        assert_eq!(beans.len(), 1);
    }

    #[test]
    fn monitors_and_notifications_are_bounded() {
        let beans = BeanServer::new();
        let (monitors, _registrations) = Monitors::new(&beans).unwrap();
        let watched = [AttributeValue::from("juxta:type=monitors"), "monitors".into()];
        for _ in 0..MONITORS_MAX {
            monitors.add(&watched, MonitorKind::Counter { every: 1 }).unwrap();
        }
        assert!(monitors.add(&watched, MonitorKind::Counter { every: 1 }).is_err());
        let monitor = Monitor::new("a:b=c".parse().unwrap(), "x".into(), MonitorKind::Counter { every: 1 });
        for _ in 0..NOTIFICATIONS_KEPT * 2 {
            monitors.notify(1, &monitor, Crossing::Count, &1_i64.into(), "now");
        }
        assert_eq!(monitors.known().notifications.len(), NOTIFICATIONS_KEPT);
        // Who heard the first hears which it missed.
        let notice = monitors.said_after(1, 3);
        let kept = NOTIFICATIONS_KEPT as u64;
        assert_eq!((notice.after, notice.up_to, notice.said.len()), (kept, kept + 3, 3));
        assert_eq!(monitors.said_after(kept + 3, 3).after, kept + 3);
    }
}
