//! What a rendezvous tells a subscriber: what answers its query, and what no longer does.
//!
//! Notifications of one subscription come in order, as resolver queries to [`HANDLER`] of the subscriber, each after the
//! one before was answered. A subscriber that does not know the subscription refuses, which ends it.

use bytes::Bytes;

use crate::id::AdvertisementId;
use crate::limits::{NOTIFICATION_GONE_MAX, SESSION_FRAME_BYTES_MAX};
use crate::wire::{Ext, WireError, decode_message, encode_message};

/// Name of the subscriber's handler.
pub const HANDLER: &str = "juxta.discovery.notify";

/// One piece of what a subscription brings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notification {
    /// Which subscription of the subscriber.
    pub number: u64,
    /// From here on everything that answers is told anew, until [`complete`](Self::complete); what is not told then is
    /// no longer known.
    pub restart: bool,
    /// With this everything was told that answers.
    pub complete: bool,
    /// More answers than a subscription tells were left out.
    pub cut: bool,
    /// Signed envelopes, for the subscriber to verify: new ones, newer editions (which may no longer answer the query),
    /// tombstones.
    pub editions: Vec<Bytes>,
    /// What the rendezvous no longer knows because its publisher has gone; at most [`NOTIFICATION_GONE_MAX`].
    pub gone: Vec<AdvertisementId>,
}

impl Notification {
    /// The notification as bytes.
    ///
    /// # Errors
    /// [`WireError::TooLarge`] when it does not fit a session frame.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flag(self.restart, RESTART) | flag(self.complete, COMPLETE) | flag(self.cut, CUT);
        let body = (self.number, flags, &self.editions, &self.gone, Ext::new());
        encode_message(VERSION, &body, SESSION_FRAME_BYTES_MAX)
    }

    /// The notification in `bytes`; unknown flags are ignored.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (number, flags, editions, gone, _ext): (u64, u8, Vec<Bytes>, Vec<AdvertisementId>, Ext) =
            decode_message(VERSION, bytes, SESSION_FRAME_BYTES_MAX)?;
        if gone.len() > NOTIFICATION_GONE_MAX {
            return Err(WireError::TooLarge { len: gone.len(), max: NOTIFICATION_GONE_MAX });
        }
        let is = |bit: u8| flags & bit != 0;
        Ok(Self { number, restart: is(RESTART), complete: is(COMPLETE), cut: is(CUT), editions, gone })
    }
}

const VERSION: u8 = 1;
const RESTART: u8 = 1;
const COMPLETE: u8 = 2;
const CUT: u8 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_bytes_guard_the_message() {
        let notification = Notification {
            number: 3,
            complete: true,
            editions: vec![Bytes::from_static(&[7, 8])],
            gone: vec![AdvertisementId::from_bytes([5; 32])],
            ..Notification::default()
        };
        let bytes = notification.encode().unwrap();
        assert_eq!(bytes, [&[1, 3, 2, 1, 2, 7, 8, 1][..], &[5; 32], &[0]].concat());
        assert_eq!(Notification::decode(&bytes), Ok(notification));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes: Vec<u8>) {
            let _ = Notification::decode(&bytes);
        }
    }
}
