//! The two tasks of a pair of members: one writes what this one has for the other, one reads what the other sends.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use futures::io::{AsyncReadExt, AsyncWriteExt};
use libp2p::PeerId;

use super::super::frame::FrameStream;
use super::super::substream::Substream;
use super::hub::Hub;
use crate::error::RecvError;
use crate::limits::FAREWELL_TIMEOUT;
use crate::protocol::propagate::Frame;

/// How a link that was read ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadEnd {
    /// The member binds the pipe no more.
    Left,
    /// It was closed, or the connection was.
    Closed,
    /// What came is no frame.
    Garbage,
    /// The member spoke for another.
    Forged,
}

/// Writes to `peer` what there is for it, until the link ends.
pub(super) async fn write(hub: Arc<Hub>, peer: PeerId, mut io: Substream) {
    let mut news = hub.news.subscribe();
    let (mut unread, relayed) = ([0; 1], io.link().is_relayed());
    loop {
        news.borrow_and_update();
        let frames = hub.state().take(Instant::now(), &peer);
        if frames.is_empty() {
            let ends = hub.state().ends(&peer);
            if let Some(last) = ends {
                let closing = async {
                    for frame in last {
                        io.write_all(&frame).await?;
                    }
                    io.close().await
                };
                // Who doesn't read any more hears of the end by the connection.
                let _ = tokio::time::timeout(FAREWELL_TIMEOUT, closing).await;
                return;
            }
            if hub.ended.load(Ordering::Acquire) {
                return;
            }
            tokio::select! {
                // The other side says nothing here; it can only end.
                _ = io.read(&mut unread) => return,
                changed = news.changed() => if changed.is_err() { return },
            }
            continue;
        }
        hub.moves();
        for frame in &frames {
            if io.write_all(frame).await.is_err() {
                return;
            }
            if relayed {
                hub.traffic.relayed_out(frame.len());
            }
        }
        if io.flush().await.is_err() {
            return;
        }
    }
}

/// Reads what `peer` sends, until the link ends.
pub(super) async fn read(hub: Arc<Hub>, peer: PeerId, mut frames: FrameStream<Substream>) -> ReadEnd {
    loop {
        let bytes = match frames.recv().await {
            Ok(Some(bytes)) => bytes,
            Err(RecvError::Garbage(_)) => return ReadEnd::Garbage,
            Ok(None) | Err(RecvError::Reset) => return ReadEnd::Closed,
        };
        match Frame::decode(&bytes) {
            Ok(Some(Frame::Leave)) => return ReadEnd::Left,
            Ok(Some(frame)) => {
                if hub.on_frame(peer, frame).await.is_err() {
                    return ReadEnd::Forged;
                }
            }
            // Of a later version.
            Ok(None) => {}
            Err(_) => return ReadEnd::Garbage,
        }
    }
}
