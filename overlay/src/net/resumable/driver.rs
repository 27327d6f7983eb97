//! The task of one resumable pipe: it drives the link that is up, and sees to the next when it is lost.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;

use super::accept::Acceptor;
use super::end::Shared;
use super::link::{Link, LinkEnd};
use super::open::Opener;
use crate::error::ConnectError;
use crate::limits::OPEN_TIMEOUT;
use crate::meters::Meters;

/// Where the next link comes from.
#[derive(Debug)]
pub(super) enum Side {
    /// This side opens it.
    Opener(Opener),
    /// The other side offers it.
    Acceptor(Acceptor),
}

/// Starts what drives the pipe until it is over; it ends with its pipe, or with its peer.
pub(super) fn spawn(shared: Arc<Shared>, link: Link, side: Side, meters: Arc<Meters>) {
    let driving = {
        let meters = meters.clone();
        async move {
            let driver = Driver { shared, side, meters };
            driver.run(link).await;
        }
    };
    tokio::spawn(async move {
        if AssertUnwindSafe(driving).catch_unwind().await.is_err() {
            tracing::error!("the task of a resumable pipe ended by a panic");
            meters.task_panics.add(1);
        }
    });
}

struct Driver {
    shared: Arc<Shared>,
    side: Side,
    meters: Arc<Meters>,
}

impl Driver {
    async fn run(mut self, mut link: Link) {
        let why = loop {
            match self.drive(&mut link).await {
                Ok(next) => link = next,
                Err(LinkEnd::Finished) => return,
                Err(LinkEnd::Lost) => match self.next_link(link).await {
                    Ok(next) => link = next,
                    Err(why) => break why,
                },
                Err(LinkEnd::Gone) => break ConnectError::Closed,
                Err(LinkEnd::Garbage) => {
                    self.meters.pipe_garbage.add(1);
                    break ConnectError::Closed;
                }
            }
        };
        let state = self.shared.lock();
        if !state.core.is_done() && !state.abandoned {
            self.meters.pipes_given_up.add(1);
        }
        drop(state);
        self.shared.give_up(why);
    }

    /// Drives a link until it ends, or until the other side offers one in its place.
    async fn drive(&mut self, link: &mut Link) -> Result<Link, LinkEnd> {
        let shared = self.shared.clone();
        loop {
            let moving = std::future::poll_fn(|cx| link.poll(&shared, cx));
            // Once all is said, the other side's farewell may be awaited for ever.
            let lingering = async {
                std::future::poll_fn(|cx| shared.poll_done(cx)).await;
                tokio::time::sleep(OPEN_TIMEOUT).await;
            };
            let next = tokio::select! {
                end = moving => return Err(end),
                () = lingering => return Err(LinkEnd::Finished),
                next = self.side.offered(&shared) => next,
            };
            if let Some(next) = next {
                return Ok(next);
            }
        }
    }

    /// Waits for the link after one that was lost. A pipe that the application has dropped gets none, unless only
    /// the other side's last word is missing.
    async fn next_link(&mut self, lost: Link) -> Result<Link, ConnectError> {
        // The connection is free for the next.
        drop(lost);
        let shared = self.shared.clone();
        let next = async {
            match &mut self.side {
                Side::Opener(opener) => opener.reopen(&shared, &self.meters).await,
                Side::Acceptor(acceptor) => acceptor.await_link(&shared).await,
            }
        };
        tokio::select! {
            next = next => next,
            () = shared.abandoned() => Err(ConnectError::Closed),
        }
    }
}

impl Side {
    /// A link that the other side offers while one is up; `None` for an offer that doesn't fit.
    async fn offered(&mut self, shared: &Shared) -> Option<Link> {
        match self {
            Self::Opener(_) => std::future::pending().await,
            Self::Acceptor(acceptor) => acceptor.offered(shared).await,
        }
    }
}

impl Drop for Driver {
    /// However the task ends, the application hears of it.
    fn drop(&mut self) {
        self.shared.give_up(ConnectError::Closed);
    }
}
