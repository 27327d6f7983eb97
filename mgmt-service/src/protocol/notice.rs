//! What the monitors of an agent said, on a subscription pipe: for a manager whose [`Terms`](super::Terms) ask for it.
//!
//! In: crossings with their numbers, and which monitors there are. Out: bytes and back. At most `NOTICE_SAID_MAX`
//! crossings and `MONITORS_MAX` monitors a message, so that it fits below `PUSH_BYTES_MAX`.

use std::fmt;

use bytes::Bytes;
use overlay::wire::{Ext, WireError, decode, encode_kind};

use super::service::VERSION;
use crate::limits::{
    MONITORS_MAX, NOTICE_SAID_MAX, NOTIFICATION_CHARS_MAX, OBJECT_NAME_BYTES_MAX, PUSH_BYTES_MAX,
};

/// What monitors said since the message before, or all that the agent remembers at first on a pipe.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notice {
    /// Random, new with each start of the agent; numbers begin at 1 with it.
    pub boot: u64,
    /// It tells of all crossings behind this number; what is not told before is forgotten.
    pub after: u64,
    /// It tells of all crossings up to this number.
    pub up_to: u64,
    /// The numbers of the monitors that there are.
    pub monitors: Vec<u64>,
    /// What of it the manager asked for.
    pub said: Vec<Said>,
}

/// One crossing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// Its number at its agent, each one higher than the one before.
    pub serial: u64,
    /// When, by the clock of the agent, in RFC 3339.
    pub at: String,
    /// `high`, `low`, `count`, `differs` or `matches`.
    pub crossing: String,
    /// Which monitor.
    pub monitor: u64,
    /// The name of the object that it watches.
    pub object: String,
    /// Which of its attributes.
    pub attribute: String,
    /// What it was then; a long one is cut.
    pub value: String,
}

impl fmt::Display for Said {
    /// `AT CROSSING monitor NUMBER OBJECT ATTRIBUTE VALUE`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, crossing, monitor, object, attribute, value, .. } = self;
        write!(f, "{at} {crossing} monitor {monitor} {object} {attribute} {value}")
    }
}

impl Notice {
    /// The message as bytes.
    ///
    /// # Errors
    /// When there is more than one message holds.
    pub fn encode(&self) -> Result<Bytes, WireError> {
        let said: Vec<Row> = self.said.iter().map(Said::row).collect();
        let body = (self.boot, self.after, self.up_to, &self.monitors, said, Ext::new());
        encode_kind(VERSION, NOTICE, &body, PUSH_BYTES_MAX).map(Bytes::from)
    }

    /// The message in `body`, behind its kind.
    ///
    /// # Errors
    /// As [`WireError`] says; more than the bounds, or numbers that don't grow, are malformed.
    pub(super) fn decode(body: &[u8]) -> Result<Self, WireError> {
        let (boot, after, up_to, monitors, rows, _ext): Body = decode(body, PUSH_BYTES_MAX)?;
        let said: Vec<Said> = rows.into_iter().map(Said::of).collect();
        let grows = said.is_sorted_by(|before, after| before.serial < after.serial);
        let covered = said.iter().all(|said| after < said.serial && said.serial <= up_to) && after <= up_to;
        let fits = monitors.len() <= MONITORS_MAX && said.len() <= NOTICE_SAID_MAX;
        if grows && covered && fits && said.iter().all(Said::fits) {
            Ok(Self { boot, after, up_to, monitors, said })
        } else {
            Err(WireError::Malformed)
        }
    }
}

/// A message as it travels.
type Body = (u64, u64, u64, Vec<u64>, Vec<Row>, Ext);

/// A crossing as it travels.
type Row = (u64, String, String, u64, String, String, String);

impl Said {
    fn row(&self) -> Row {
        let Self { serial, at, crossing, monitor, object, attribute, value } = self.clone();
        (serial, at, crossing, monitor, object, attribute, value)
    }

    fn of((serial, at, crossing, monitor, object, attribute, value): Row) -> Self {
        Self { serial, at, crossing, monitor, object, attribute, value }
    }

    fn fits(&self) -> bool {
        let words = [&self.at, &self.crossing].into_iter().all(|word| word.len() <= WORD_BYTES_MAX);
        let names =
            [&self.object, &self.attribute].into_iter().all(|name| name.len() <= OBJECT_NAME_BYTES_MAX);
        words && names && self.value.len() <= NOTIFICATION_CHARS_MAX * UTF8_BYTES_MAX
    }
}

/// The number of the message.
pub(super) const NOTICE: u16 = 9;

/// Bytes of a time or a crossing.
const WORD_BYTES_MAX: usize = 40;

/// Bytes of one character.
const UTF8_BYTES_MAX: usize = 4;

// Numbers take at most ten bytes, lengths three.
const _: () = assert!(
    64 + MONITORS_MAX * 10
        + NOTICE_SAID_MAX
            * (2 * 10
                + 2 * WORD_BYTES_MAX
                + 2 * OBJECT_NAME_BYTES_MAX
                + UTF8_BYTES_MAX * NOTIFICATION_CHARS_MAX
                + 5 * 3)
        <= PUSH_BYTES_MAX,
    "a full message fits"
);

#[cfg(test)]
mod tests {
    use overlay::PeerId;
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::{DictionaryReader, FromAgent};

    fn read(bytes: &[u8]) -> Result<FromAgent, WireError> {
        FromAgent::decode(PeerId::random(), &mut DictionaryReader::default(), bytes)
    }

    fn said(serial: u64) -> Said {
        let text = |text: &str| text.to_owned();
        let (at, crossing, object) = (text("t"), text("high"), text("a:b=c"));
        Said { serial, at, crossing, monitor: 2, object, attribute: text("n"), value: text("12") }
    }

    #[test]
    fn golden_bytes_of_a_notice() {
        let notice = Notice { boot: 7, after: 4, up_to: 6, monitors: vec![2], said: vec![said(5)] };
        let golden = [
            &[1, 9, 0, 7, 4, 6, 1, 2, 1, 5, 1, b't', 4][..],
            b"high",
            &[2, 5],
            b"a:b=c",
            &[1, b'n', 2, b'1', b'2', 0],
        ]
        .concat();
        assert_eq!(notice.encode().unwrap(), golden);
        assert_eq!(read(&golden), Ok(FromAgent::Notice(notice)));
        assert_eq!(said(5).to_string(), "t high monitor 2 a:b=c n 12");
    }

    #[test]
    fn more_than_the_bounds_and_numbers_that_do_not_grow_are_malformed() {
        let fits = |notice: &Notice| notice.encode().is_ok_and(|bytes| read(&bytes).is_ok());
        let of = |monitors: usize, said| Notice {
            boot: 1,
            after: 0,
            up_to: 99,
            monitors: vec![1; monitors],
            said,
        };
        assert!(fits(&of(MONITORS_MAX, (1..=NOTICE_SAID_MAX as u64).map(said).collect())));
        assert!(!fits(&of(MONITORS_MAX + 1, vec![])));
        assert!(!fits(&of(1, (0..=NOTICE_SAID_MAX as u64).map(said).collect())));
        assert!(!fits(&of(1, vec![said(2), said(2)])) && !fits(&of(1, vec![said(2), said(1)])));
        assert!(!fits(&of(1, vec![said(0)])) && !fits(&of(1, vec![said(100)])));
        let long = |name: &str| name.repeat(OBJECT_NAME_BYTES_MAX + 1);
        assert!(!fits(&of(1, vec![Said { object: long("o"), ..said(1) }])));
        assert!(!fits(&of(1, vec![Said { at: long("o"), ..said(1) }])));
        assert!(!fits(&of(1, vec![Said { value: long("oooo"), ..said(1) }])));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_notice_or_an_error(noise: Vec<u8>) {
            let _ = read(&[&[1, 9, 0][..], &noise].concat());
        }
    }
}
