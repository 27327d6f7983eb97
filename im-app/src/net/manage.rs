//! What managers can set and do at a messenger.
//!
//! In: the queue of its inputs, held weakly. Out: a managed object. What the queue has no room for is refused.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mgmt_service::jmx::{AttributeValue, ManagedBean, ValueType};
use tokio::sync::mpsc::WeakSender;

use super::actor::Inbound;
use crate::limits::{PING_PERIOD_MAX, PING_PERIOD_MIN};
use crate::messenger::Input;

/// The object; `period_ms` is the period as it was set last.
pub(super) fn managed(inputs: WeakSender<Inbound>, period_ms: Arc<AtomicU64>) -> ManagedBean {
    let (shown, hurried) = (period_ms.clone(), inputs.clone());
    let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let periods = ValueType::Int { min: ms(PING_PERIOD_MIN), max: ms(PING_PERIOD_MAX) };
    ManagedBean::new("how the messenger watches its buddies")
        .sets(
            "ping_period_ms",
            "milliseconds between two PINGs to a buddy, until the next start",
            periods,
            move || shown.load(Ordering::Relaxed),
            move |value| {
                let AttributeValue::Int(period) = value else { return Err("no number".to_owned()) };
                let period = period.unsigned_abs();
                tell(&inputs, Input::PingPeriod(Duration::from_millis(period)))?;
                period_ms.store(period, Ordering::Relaxed);
                Ok(())
            },
        )
        .does("ping-now", "PINGs every buddy now", [], move |_| {
            ready(tell(&hurried, Input::PingNow).map(|()| true.into()))
        })
}

fn tell(inputs: &WeakSender<Inbound>, input: Input) -> Result<(), String> {
    let inputs = inputs.upgrade().ok_or("the messenger has ended")?;
    inputs.try_send(Inbound::Core(input)).map_err(|_| "the messenger is busy; try again".to_owned())
}
