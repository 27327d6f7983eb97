//! What a relay said, found among the errors of the transports that passed it on.

use std::error::Error;
use std::io;

use libp2p::relay::outbound::hop::{ConnectError, ReserveError};

use crate::error::RelayError;
use crate::net::spawn::innermost;

/// Why a listener at a relay ended.
pub(crate) fn reservation_refusal(reason: &Result<(), io::Error>) -> RelayError {
    let Err(error) = reason else { return RelayError::Gone };
    match find::<ReserveError>(error) {
        Some(ReserveError::ResourceLimitExceeded) => RelayError::Full,
        Some(ReserveError::Refused) => RelayError::Refused,
        Some(ReserveError::Unsupported) => RelayError::NotARelay,
        _ => other_refusal(error),
    }
}

/// What a relay answered to the wish for a circuit, if that is what `error` is about.
pub(crate) fn circuit_refusal(error: &(dyn Error + 'static)) -> Option<RelayError> {
    Some(match find::<ConnectError>(error)? {
        ConnectError::ResourceLimitExceeded => RelayError::Full,
        ConnectError::PermissionDenied => RelayError::Refused,
        ConnectError::NoReservation => RelayError::NoReservation,
        ConnectError::ConnectionFailed => RelayError::NoAnswer,
        ConnectError::Unsupported => RelayError::NotARelay,
        other => other_refusal(other),
    })
}

/// What went wrong before the relay could say anything. Since substreams open without a round trip, that it speaks
/// another protocol shows at the first read, as an error of a type that libp2p keeps to itself.
fn other_refusal(error: &(dyn Error + 'static)) -> RelayError {
    match innermost(error) {
        reason if reason == NEGOTIATION_FAILED => RelayError::NotARelay,
        _ if find::<ReserveError>(error).is_some_and(|error| matches!(error, ReserveError::Io(_))) => {
            RelayError::Gone
        }
        _ if find::<ConnectError>(error).is_some_and(|error| matches!(error, ConnectError::Io(_))) => {
            RelayError::Gone
        }
        reason => RelayError::Failed { reason },
    }
}

/// How multistream-select 0.14 says it.
const NEGOTIATION_FAILED: &str = "Protocol negotiation failed.";

/// The first error of this type on the way down. An [`io::Error`] hides the one that it wraps from
/// [`source`](Error::source), so it is asked otherwise.
fn find<'a, E: Error + 'static>(mut error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    loop {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        error = match wrapped {
            Some(wrapped) => wrapped,
            None => error.source()?,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_relay_said_is_found_however_deep_it_is_wrapped() {
        let wrapped = io::Error::other(io::Error::other(ConnectError::NoReservation));
        assert_eq!(circuit_refusal(&wrapped), Some(RelayError::NoReservation));
        assert_eq!(circuit_refusal(&io::Error::other("no route")), None);
        let full = Err(io::Error::other(ReserveError::ResourceLimitExceeded));
        assert_eq!(reservation_refusal(&full), RelayError::Full);
        assert_eq!(reservation_refusal(&Ok(())), RelayError::Gone);
    }
}
