//! One child at an aggregator: a task that moves messages both ways, so that a slow child holds up nobody.
//!
//! In: a pipe, messages for the child. Out: what it says, and that it has ended. At most `TREE_LINK_QUEUE` messages wait.

use bytes::Bytes;
use overlay::{BidiPipe, PeerId};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::aggregate::{FromChild, Newcomer, Report};
use crate::limits::{PUSH_SEND_TIMEOUT, SUBSCRIBING_TIMEOUT, TREE_LINK_QUEUE};

/// What happens at a link.
pub(super) struct Heard {
    pub(super) child: PeerId,
    /// Which pipe of the child: the number of its acceptance.
    pub(super) serial: u64,
    pub(super) what: Said,
}

/// What a child says.
pub(super) enum Said {
    /// It wants to be a child; what it is told goes here.
    Attach(Newcomer, mpsc::Sender<Bytes>),
    Report(Box<Report>),
    /// It said what can't be read.
    Garbage,
    /// Its pipe is over.
    Ended,
}

/// Serves one pipe until it or the aggregator ends.
pub(super) async fn serve(mut pipe: BidiPipe, serial: u64, heard: mpsc::Sender<Heard>) {
    let child = pipe.remote();
    let tell = |what| {
        let heard = heard.clone();
        async move { heard.send(Heard { child, serial, what }).await.is_ok() }
    };
    let first = timeout(SUBSCRIBING_TIMEOUT, pipe.recv()).await;
    let first = first.ok().and_then(Result::ok).flatten().and_then(|bytes| FromChild::decode(&bytes).ok());
    let Some(FromChild::Attach(newcomer)) = first else {
        tell(Said::Garbage).await;
        return;
    };
    let (out, mut messages) = mpsc::channel(TREE_LINK_QUEUE);
    if !tell(Said::Attach(newcomer, out)).await {
        return;
    }
    let (mut sender, mut receiver) = pipe.split();
    loop {
        tokio::select! {
            message = messages.recv() => match message {
                Some(message) => {
                    let sent = timeout(PUSH_SEND_TIMEOUT, sender.send(message)).await;
                    if !matches!(sent, Ok(Ok(()))) {
                        break;
                    }
                }
                None => {
                    // The child was told all; one that does not let its pipe close keeps nobody waiting.
                    let _ = timeout(PUSH_SEND_TIMEOUT, sender.close()).await;
                    return;
                }
            },
            said = receiver.recv() => match said {
                Ok(Some(bytes)) => match FromChild::decode(&bytes) {
                    Ok(FromChild::Report(report)) => {
                        if !tell(Said::Report(Box::new(report))).await {
                            return;
                        }
                    }
                    Ok(FromChild::Attach(_)) | Err(_) => {
                        tell(Said::Garbage).await;
                        break;
                    }
                },
                Ok(None) | Err(_) => break,
            },
        }
    }
    tell(Said::Ended).await;
}
