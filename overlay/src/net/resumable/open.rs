//! The opening side: the first link, and each after one that was lost.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use libp2p::PeerId;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::driver::{self, Side};
use super::end::{ResumableEnd, Shared};
use super::link::Link;
use crate::core::Resumable;
use crate::error::ConnectError;
use crate::limits::{OPEN_TIMEOUT, RESUME_RETRY_MAX, RESUME_RETRY_MIN};
use crate::meters::{Meters, Traffic};
use crate::net::command::Command;
use crate::net::frame::FrameStream;
use crate::net::handle::Handle;
use crate::net::substream::Substream;
use crate::protocol::resumable::{At, Hello, Session};

/// Opens the pipe's substream with this frame behind its header, reaching the peer as any other pipe does.
pub(crate) type Reopen =
    Box<dyn Fn(Bytes) -> BoxFuture<'static, Result<FrameStream<Substream>, ConnectError>> + Send + Sync>;

/// How an opened pipe gets its next link.
pub(super) struct Opener {
    session: Session,
    within: Duration,
    reopen: Reopen,
    commands: mpsc::Sender<Command>,
}

/// Opens a resumable pipe at `to`; a lost link is replaced for up to `within`. Counts in `traffic`.
///
/// # Errors
/// [`ConnectError`] of the first link. Then the other side may have a pipe that nobody resumes.
pub(crate) async fn open(
    handle: &Handle,
    to: PeerId,
    (within, reopen): (Duration, Reopen),
    traffic: Arc<Traffic>,
) -> Result<ResumableEnd, ConnectError> {
    let mut session = Session::default();
    getrandom::fill(&mut session).map_err(|_| ConnectError::Closed)?;
    let opener = Opener { session, within, reopen, commands: handle.commands.clone() };
    let shared = Shared::new(Resumable::new());
    let link = opener.link(&shared, true).await?;
    driver::spawn(shared.clone(), link, Side::Opener(opener), handle.shared.meters.clone());
    Ok(ResumableEnd::new(to, shared, traffic))
}

impl Opener {
    /// The next link; tries again while there is hope and time.
    ///
    /// # Errors
    /// [`ConnectError`] of the last try, then the pipe is over.
    pub(super) async fn reopen(&self, shared: &Shared, meters: &Meters) -> Result<Link, ConnectError> {
        let until = Instant::now() + self.within;
        let (mut pause, mut last) = (RESUME_RETRY_MIN, ConnectError::TimedOut { after: self.within });
        loop {
            match timeout_at(until, self.link(shared, false)).await {
                Ok(Ok(link)) => {
                    meters.pipes_resumed.add(1);
                    return Ok(link);
                }
                // The other end is over, or this peer is.
                Ok(Err(error @ (ConnectError::NoSuchPipe | ConnectError::Refused))) => return Err(error),
                Ok(Err(error)) if self.commands.is_closed() => return Err(error),
                Ok(Err(error)) => last = error,
                Err(_) => return Err(last),
            }
            let half = pause / 2;
            let pausing = tokio::time::sleep(half + half * random() / u32::from(u16::MAX));
            if timeout_at(until, pausing).await.is_err() {
                return Err(last);
            }
            pause = (2 * pause).min(RESUME_RETRY_MAX);
        }
    }

    async fn link(&self, shared: &Shared, fresh: bool) -> Result<Link, ConnectError> {
        let at = shared.lock().core.tell();
        let hello = Hello { session: self.session, fresh, within: self.within, at };
        let hello = hello.encode().map_err(|_| ConnectError::Closed)?;
        let mut frames = (self.reopen)(hello.into()).await?;
        let answer = timeout(OPEN_TIMEOUT, frames.recv()).await;
        let answer = answer.map_err(|_| ConnectError::TimedOut { after: OPEN_TIMEOUT })?;
        let at =
            answer.ok().flatten().and_then(|bytes| At::decode(&bytes).ok()).ok_or(ConnectError::Closed)?;
        // Who says that it has what was not sent is another than it was.
        shared.lock().core.resume(at).map_err(|_| ConnectError::Refused)?;
        Ok(Link::new(frames))
    }
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opener").field("within", &self.within).finish_non_exhaustive()
    }
}

/// A random number below 2^16 for jitter; without random bytes there is none.
fn random() -> u32 {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_or(0, |()| u16::from_le_bytes(bytes).into())
}
