//! The record of one ended transaction (paper §4.2, §4.3), and its public forms: columns, JSON, text.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use overlay::PeerId;
use serde::Serialize;

use super::{Correlator, Details, Split};

/// Declares an enum whose variants have a fixed number (for wires) and a fixed text (for people and scripts).
macro_rules! coded_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant = $code,)+
        }

        impl $name {
            /// All values, by ascending code.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The number that stands for it on wires; it never changes.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// The value of a number; none if no value has it.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The text in records; it never changes.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The value of a text; none if no value has it.
            #[must_use]
            pub fn from_text(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

coded_enum! {
    /// How a transaction ended, with the numbers of ARM 4.
    Status {
        /// The answer came in time.
        Good = 0 "good",
        /// The application gave up before an answer or the timeout.
        Aborted = 1 "aborted",
        /// No answer came, or it was an error.
        Failed = 2 "failed",
        /// Not known how it ended.
        Unknown = 3 "unknown",
    }
}

coded_enum! {
    /// Why a transaction did not end well.
    Reason {
        /// It ended by an answer.
        None = 0 "",
        /// Sent, and unanswered until the timeout of its definition.
        Timeout = 1 "timeout",
        /// Not sent: there was no way to the receiver.
        Unreachable = 2 "unreachable",
        /// The application stopped while it was in flight.
        Stopped = 3 "stopped",
    }
}

coded_enum! {
    /// The way that the exchange took.
    Path {
        /// Not known, or none was there.
        None = 0 "",
        /// A connection from peer to peer.
        Direct = 1 "direct",
        /// Through a relay.
        Relayed = 2 "relayed",
    }
}

coded_enum! {
    /// The status that the receiver gave in its answer (paper §4.2, the four states of §3.1).
    DestStatus {
        /// It gave none.
        Unknown = 0 "",
        /// Receives and answers messages.
        Online = 1 "online",
        /// Receives, can't answer at once.
        Busy = 2 "busy",
        /// Receives, will answer late.
        Away = 3 "away",
        /// Does not receive.
        Offline = 4 "offline",
    }
}

/// One ended transaction. Cloning allocates nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmRecord {
    /// When it started, in milliseconds since 1970 by the clock of `peer`.
    pub at_ms: u64,
    /// Who measured.
    pub peer: PeerId,
    /// The name of the transaction definition.
    pub transaction: Arc<str>,
    /// Who was asked.
    pub dest: PeerId,
    /// What `dest` said of itself in its answer.
    pub dest_status: DestStatus,
    /// Identifies the exchange.
    pub correlator: Correlator,
    /// How it ended.
    pub status: Status,
    /// Microseconds from start to stop; none when nothing came back.
    pub response_us: Option<u64>,
    /// Microseconds that `dest` held the question, by its own clock; at most `response_us`.
    pub hold_us: Option<u64>,
    /// The way it took.
    pub path: Path,
    /// Why it did not end well.
    pub reason: Reason,
    /// Where the time around it went.
    pub split: Split,
    /// What only some transactions have.
    pub details: Details,
}

impl ArmRecord {
    /// The columns of a record, in the order of CSV files and of JSON lines; new ones come at the end.
    pub const COLUMNS: [&str; 15] = [
        "at",
        "peer",
        "transaction",
        "dest",
        "dest_status",
        "corr",
        "status",
        "response_us",
        "hold_us",
        "path",
        "reason",
        "queue_us",
        "lookup_us",
        "dial_us",
        "network_us",
    ];

    /// An empty record, as it waits in a pool to be filled.
    #[must_use]
    pub fn empty(peer: PeerId) -> Self {
        Self {
            at_ms: 0,
            peer,
            transaction: Arc::from(""),
            dest: peer,
            dest_status: DestStatus::Unknown,
            correlator: Correlator(0),
            status: Status::Unknown,
            response_us: None,
            hold_us: None,
            path: Path::None,
            reason: Reason::None,
            details: Details::default(),
            split: Split::default(),
        }
    }

    /// When it started: RFC 3339 in UTC with milliseconds, such as `2026-01-31T12:00:00.250Z`.
    ///
    /// A time after the year 9999, which only a wrong or lying clock gives, is shown as the last
    /// millisecond of that year.
    #[must_use]
    pub fn at(&self) -> String {
        rfc3339_ms(self.at_ms)
    }

    /// For how many transactions it stands in figures: 1 unless it is one of a sample.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.details.weight()
    }

    /// The values of [`Self::COLUMNS`]; a value that was not measured is an empty text.
    #[must_use]
    pub fn fields(&self) -> [String; 15] {
        let number = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
        let [queue, lookup, dial, network] = self.split.values().map(number);
        [
            self.at(),
            self.peer.to_string(),
            self.transaction.to_string(),
            self.dest.to_string(),
            self.dest_status.to_string(),
            self.correlator.to_string(),
            self.status.to_string(),
            number(self.response_us),
            number(self.hold_us),
            self.path.to_string(),
            self.reason.to_string(),
            queue,
            lookup,
            dial,
            network,
        ]
    }

    /// The record as a JSON object with the keys [`Self::COLUMNS`], then those of its [`Details`]; a number that was not
    /// measured is `null`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self.columns()).unwrap_or_default()
    }

    /// The same object as one line of text without its line end, keys in the order of [`Self::COLUMNS`].
    #[must_use]
    pub fn to_json_line(&self) -> String {
        serde_json::to_string(&self.columns()).unwrap_or_default()
    }

    fn columns(&self) -> Columns<'_> {
        Columns {
            at: self.at(),
            peer: self.peer.to_string(),
            transaction: &self.transaction,
            dest: self.dest.to_string(),
            dest_status: self.dest_status.as_str(),
            corr: self.correlator.to_string(),
            status: self.status.as_str(),
            response_us: self.response_us,
            hold_us: self.hold_us,
            path: self.path.as_str(),
            reason: self.reason.as_str(),
            queue_us: self.split.queue_us,
            lookup_us: self.split.lookup_us,
            dial_us: self.split.dial_us,
            network_us: self.split.network_us,
            details: &self.details,
        }
    }
}

/// The JSON form; texts and numbers only, so that writing it can't fail.
#[derive(Serialize)]
struct Columns<'a> {
    at: String,
    peer: String,
    transaction: &'a str,
    dest: String,
    dest_status: &'static str,
    corr: String,
    status: &'static str,
    response_us: Option<u64>,
    hold_us: Option<u64>,
    path: &'static str,
    reason: &'static str,
    queue_us: Option<u64>,
    lookup_us: Option<u64>,
    dial_us: Option<u64>,
    network_us: Option<u64>,
    #[serde(flatten)]
    details: &'a Details,
}

/// A time of a clock that may be wrong, as RFC 3339; what lies after the year 9999 is cut to that.
pub(crate) fn rfc3339_ms(at_ms: u64) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(at_ms.min(AT_MS_MAX));
    humantime::format_rfc3339_millis(at).to_string()
}

/// The last millisecond that RFC 3339 can write: the end of the year 9999.
const AT_MS_MAX: u64 = 253_402_300_799_999;

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> ArmRecord {
        ArmRecord {
            at_ms: 1_769_860_800_250,
            transaction: Arc::from("presence.ping"),
            dest: PeerId::random(),
            dest_status: DestStatus::Busy,
            correlator: Correlator(0x1_0000_00ff),
            status: Status::Good,
            response_us: Some(850),
            hold_us: None,
            path: Path::Direct,
            split: Split { queue_us: Some(3), ..Split::default() },
            ..ArmRecord::empty(PeerId::random())
        }
    }

    #[test]
    fn fields_follow_the_columns() {
        let record = record();
        let expected = [
            "2026-01-31T12:00:00.250Z".to_owned(),
            record.peer.to_string(),
            "presence.ping".to_owned(),
            record.dest.to_string(),
            "busy".to_owned(),
            "00000001000000ff".to_owned(),
            "good".to_owned(),
            "850".to_owned(),
            String::new(),
            "direct".to_owned(),
            String::new(),
            "3".to_owned(),
            String::new(),
            String::new(),
            String::new(),
        ];
        assert_eq!(record.fields(), expected);
    }

    #[test]
    fn json_has_the_columns_in_order_and_null_for_what_was_not_measured() {
        let line = record().to_json_line();
        let places: Vec<_> = ArmRecord::COLUMNS.iter().map(|key| line.find(&format!("\"{key}\":"))).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{line}");
        let json = record().to_json();
        assert_eq!(json["response_us"], 850);
        assert_eq!(json["hold_us"], serde_json::Value::Null);
        assert_eq!(json["reason"], "");
    }

    #[test]
    fn a_lying_clock_does_not_break_the_text() {
        let record = ArmRecord { at_ms: u64::MAX, ..record() };
        assert_eq!(record.at(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn codes_and_texts_read_back_and_unknown_ones_do_not() {
        for status in Status::ALL {
            assert_eq!(Status::from_code(status.code()), Some(*status));
            assert_eq!(Status::from_text(status.as_str()), Some(*status));
        }
        for state in DestStatus::ALL {
            assert_eq!(DestStatus::from_text(state.as_str()), Some(*state));
        }
        assert_eq!(
            [Status::Good, Status::Aborted, Status::Failed, Status::Unknown].map(Status::code),
            [0, 1, 2, 3]
        );
        assert_eq!((Status::from_code(4), Reason::from_code(4)), (None, None));
        assert_eq!((Path::from_text("DIRECT"), DestStatus::from_code(9)), (None, None));
    }
}
