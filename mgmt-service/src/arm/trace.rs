//! Traces: which transactions belong together, and correlators outside, by W3C Trace Context as OpenTelemetry and HTTP
//! carry it.
//!
//! In: a trace and a correlator, or the text of a `traceparent` header. Out: the other one. A transaction that is nobody's
//! part begins a trace of its own, which follows from its peer and correlator and so need not be sent along.

use std::fmt;
use std::str::FromStr;

use overlay::PeerId;

use super::correlator::Correlator;
use crate::error::TraceparentError;

/// 128 bits that name a trace.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// The trace that the transaction of `correlator` at `peer` begins: a hash of the two.
    #[must_use]
    pub fn of(peer: &PeerId, correlator: Correlator) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("juxta arm trace id 2");
        hasher.update(&correlator.0.to_be_bytes()).update(&peer.to_bytes());
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        Self(id)
    }

    /// As it stood in OTLP.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// As it stands in OTLP.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

/// What a transaction is a part of: another one, of this application or of whoever sent a [`Traceparent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parent {
    /// The trace that both belong to.
    pub trace: TraceId,
    /// The transaction of which it is a part; not 0.
    pub span: Correlator,
}

impl From<Traceparent> for Parent {
    fn from(Traceparent { trace, span, .. }: Traceparent) -> Self {
        Self { trace, span }
    }
}

/// A span of a trace: the value of a `traceparent` header (W3C Trace Context, version 00).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Traceparent {
    /// The trace.
    pub trace: TraceId,
    /// The span: a transaction's correlator when the trace is ours.
    pub span: Correlator,
    /// Whether the sender keeps this trace.
    pub sampled: bool,
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

impl FromStr for Traceparent {
    type Err = TraceparentError;

    /// Reads version 00, and of later versions what version 00 has, as the specification asks.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('-');
        let version = parts.next().and_then(|part| hex(part, 2)).filter(|version| *version != 0xff);
        let trace = parts.next().and_then(|part| hex(part, 32)).filter(|trace| *trace != 0);
        let span = parts.next().and_then(|part| hex(part, 16)).filter(|span| *span != 0);
        let flags = parts.next().and_then(|part| hex(part, 2));
        let ended = parts.next().is_none();
        match (version, trace, span, flags) {
            (Some(version), Some(trace), Some(span), Some(flags)) if ended || version > 0 => Ok(Self {
                trace: TraceId(trace.to_be_bytes()),
                span: Correlator(span as u64),
                sampled: flags & 1 == 1,
            }),
            _ => Err(TraceparentError),
        }
    }
}

/// Exactly `digits` lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let known = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let good = text.len() == digits && text.bytes().all(known);
    good.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn example_of_the_specification_reads_and_writes() {
        let parsed: Traceparent = EXAMPLE.parse().unwrap();
        assert_eq!((parsed.span, parsed.sampled), (Correlator(0x00f0_67aa_0ba9_02b7), true));
        assert_eq!(parsed.to_string(), EXAMPLE);
        let later: Traceparent =
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-what-will-be".parse().unwrap();
        assert_eq!((later.trace, later.sampled), (parsed.trace, false));
    }

    #[test]
    fn what_the_specification_forbids_is_refused() {
        let zero_trace = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        let zero_span = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", "0".repeat(16));
        let more = format!("{EXAMPLE}-more");
        for bad in [
            "",
            "00",
            &EXAMPLE.to_uppercase(),
            &EXAMPLE[1..],
            &zero_trace,
            &zero_span,
            &more,
            &format!("ff{}", &EXAMPLE[2..]),
        ] {
            assert_eq!(bad.parse::<Traceparent>(), Err(TraceparentError), "{bad}");
        }
    }
}
