//! The accepting side: a first link makes a pipe, a later one is offered to the pipe that it names.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p::PeerId;
use tokio::sync::mpsc;

use super::driver::{self, Side};
use super::end::{ResumableEnd, Shared};
use super::link::Link;
use super::table::{Accepted, Key};
use crate::core::Resumable;
use crate::error::{ConnectError, RecvError};
use crate::limits::{OPEN_TIMEOUT, PIPE_HEADER_BYTES_MAX, RESUME_GRACE, RESUME_WITHIN_MAX};
use crate::meters::Frames;
use crate::net::frame::FrameStream;
use crate::net::pipe_stream::answer;
use crate::net::shared::Shared as PeerShared;
use crate::net::substream::Substream;
use crate::net::traffic::count;
use crate::protocol::pipe::{Acceptance, Header};
use crate::protocol::resumable::{At, Hello};

/// A link that the opener of a pipe has begun.
#[derive(Debug)]
pub(super) struct Offer {
    frames: FrameStream<Substream>,
    /// How far the opener is.
    at: At,
}

/// How an accepted pipe gets its next link.
#[derive(Debug)]
pub(super) struct Acceptor {
    offers: mpsc::Receiver<Offer>,
    within: Duration,
    key: Key,
    peer: Arc<PeerShared>,
}

/// Reads the opener's hello behind the header, and makes a pipe or finds the one that it names. An unknown group, an
/// unknown pipe, and one that somebody else opened read the same.
pub(crate) async fn accept(
    mut frames: FrameStream<Substream>,
    opener: PeerId,
    header: Header,
    peer: Arc<PeerShared>,
) {
    let hello = match tokio::time::timeout(OPEN_TIMEOUT, frames.recv()).await {
        Ok(Ok(Some(bytes))) => Hello::decode(&bytes),
        Ok(Err(RecvError::Garbage(error))) => Err(error),
        _ => return peer.meters.pipe_timeouts.add(1),
    };
    let Ok(hello) = hello else {
        return peer.meters.pipe_garbage.add(1);
    };
    let key = Key { opener, group: header.group, pipe: header.pipe, session: hello.session };
    let refused = if hello.fresh {
        make(frames, key, &hello, &peer)
    } else {
        resume(frames, key, hello.at, &peer).await
    };
    if let Some((mut frames, acceptance)) = refused {
        answer(&mut frames, acceptance).await;
    }
}

/// What a link that does not begin is answered.
type Refusal = (FrameStream<Substream>, Acceptance);

/// Makes a pipe, with its first link; or why not.
fn make(
    mut frames: FrameStream<Substream>,
    key: Key,
    hello: &Hello,
    peer: &Arc<PeerShared>,
) -> Option<Refusal> {
    let bound = peer.bindings.resumable(key.group, key.pipe);
    let admitted =
        bound.and_then(|bound| peer.admit_pipe(&key.opener, &key.group).ok().map(|guard| (bound, guard)));
    let Some((bound, guard)) = admitted else {
        peer.meters.pipes_refused.add(1);
        return Some((frames, Acceptance::NoSuchPipe));
    };
    let shared = Shared::new(Resumable::new());
    let (offers, offered) = mpsc::channel(1);
    let accepted = Accepted { shared: shared.clone(), offers };
    let (Ok(permit), true) = (bound.try_reserve(), peer.resumables.add(key, accepted)) else {
        peer.meters.pipes_busy.add(1);
        return Some((frames, Acceptance::Busy));
    };
    let within = hello.within.min(RESUME_WITHIN_MAX) + RESUME_GRACE;
    let acceptor = Acceptor { offers: offered, within, key, peer: peer.clone() };
    frames.io.guard(guard);
    count(&mut frames, peer.traffics.of(&key.group), Frames::Links);
    let Some(link) = begin(Offer { frames, at: hello.at }, &shared) else {
        // Only an opener that lies has received something already.
        peer.meters.pipe_garbage.add(1);
        return None;
    };
    peer.meters.pipes_in.add(1);
    driver::spawn(shared.clone(), link, Side::Acceptor(acceptor), peer.meters.clone());
    permit.send(ResumableEnd::new(key.opener, shared, peer.traffics.of(&key.group)));
    None
}

/// Offers a link to the pipe that it names; or why not.
async fn resume(mut frames: FrameStream<Substream>, key: Key, at: At, peer: &PeerShared) -> Option<Refusal> {
    let admitted = peer.admit_pipe(&key.opener, &key.group);
    let (Some(accepted), Ok(guard)) = (peer.resumables.of(&key), admitted) else {
        peer.meters.resumes_refused.add(1);
        return Some((frames, Acceptance::NoSuchPipe));
    };
    if !accepted.shared.lock().core.may_resume(at) {
        peer.meters.resumes_refused.add(1);
        return Some((frames, Acceptance::Refused));
    }
    frames.io.guard(guard);
    count(&mut frames, peer.traffics.of(&key.group), Frames::Links);
    // A pipe that has ended meanwhile drops the link; the opener hears of it when it tries again.
    let _ = accepted.offers.send(Offer { frames, at }).await;
    None
}

/// Begins the link: the acceptance and how far this end is are the first to be written.
fn begin(mut offer: Offer, shared: &Shared) -> Option<Link> {
    let core = &mut shared.lock().core;
    core.resume(offer.at).ok()?;
    for frame in [Acceptance::Ok.encode().ok()?, core.tell().encode().ok()?] {
        offer.frames.writes.put(&Bytes::from(frame), PIPE_HEADER_BYTES_MAX).ok()?;
    }
    Some(Link::new(offer.frames))
}

impl Acceptor {
    /// A link that is offered while one is up; `None` for one that doesn't fit any more.
    pub(super) async fn offered(&mut self, shared: &Shared) -> Option<Link> {
        match self.offers.recv().await {
            Some(offer) => begin(offer, shared),
            // The peer has ended, and the link will.
            None => std::future::pending().await,
        }
    }

    /// The next link, if one is offered in time.
    ///
    /// # Errors
    /// [`ConnectError`], then the pipe is over.
    pub(super) async fn await_link(&mut self, shared: &Shared) -> Result<Link, ConnectError> {
        let after = self.within;
        let waiting = async {
            while let Some(offer) = self.offers.recv().await {
                if let Some(link) = begin(offer, shared) {
                    return Ok(link);
                }
            }
            Err(ConnectError::Closed)
        };
        tokio::time::timeout(after, waiting).await.unwrap_or(Err(ConnectError::TimedOut { after }))
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.peer.resumables.remove(&self.key);
    }
}
