//! Pipes by what they are and not by who binds them: binders advertise themselves, senders resolve and follow.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use libp2p::PeerId;

use super::{PeerGroup, Published};
use crate::advertisement::{Advertisement, AdvertisementKind, DiscoveryQuery, Lifetime};
use crate::error::{ConnectError, PublishError, SendError, WithdrawError};
use crate::id::PipeId;
use crate::limits::{
    BINDER_ADVERTISEMENT_LIFETIME, BINDER_HEAD_START, BINDERS_TRIED_MAX, RESOLVE_AGAIN, RESOLVE_TIMEOUT,
};
use crate::pipe::OutputPipe;

/// The sending end of a unicast pipe, wherever it is bound.
///
/// It sends to one binder at a time and stays with it. When that one is gone, the next [`send`](Self::send) resolves
/// the pipe again and goes to whoever binds it then. What a binder that vanished had not read is lost, as with every
/// unicast pipe; the message whose `send` met the break is sent again, so two binders may each get it once.
#[derive(Debug)]
pub struct FollowingPipe {
    group: PeerGroup,
    pipe: PipeId,
    deadline: Duration,
    output: Option<OutputPipe>,
}

impl PeerGroup {
    /// Tells the group that this peer binds `pipe`, for as long as it lives or until
    /// [`withdraw_binder`](Self::withdraw_binder); bind it first. It is an advertisement of kind `Pipe` with the
    /// attribute `pipe`, the pipe's id as text.
    ///
    /// # Errors
    /// [`PublishError`], as [`publish`](Self::publish).
    pub async fn advertise_binder(&self, pipe: PipeId) -> Result<Published, PublishError> {
        let text = pipe.to_string();
        let advertisement =
            Advertisement::new(AdvertisementKind::Pipe).key(text.clone()).attribute("pipe", text);
        self.publish(advertisement, Lifetime::while_alive(BINDER_ADVERTISEMENT_LIFETIME)).await
    }

    /// Tells the group that this peer doesn't bind `pipe` any more.
    ///
    /// # Errors
    /// [`WithdrawError`], as [`withdraw`](Self::withdraw).
    pub async fn withdraw_binder(&self, pipe: PipeId) -> Result<usize, WithdrawError> {
        self.withdraw_key(AdvertisementKind::Pipe, &pipe.to_string()).await
    }

    /// Who says that it binds `pipe`: peers with a session first, the nearest before the others, then the rest as
    /// found. Some may have gone since. Cancel-safe.
    pub async fn binders(&self, pipe: PipeId) -> Vec<PeerId> {
        let query = DiscoveryQuery::new().kind(AdvertisementKind::Pipe).equals("pipe", pipe.to_string());
        let mut found = self.discover(query.deadline(RESOLVE_TIMEOUT));
        let mut binders = Vec::new();
        while let Some(signed) = found.next().await {
            if !binders.contains(&signed.publisher()) {
                binders.push(signed.publisher());
            }
        }
        let sessions = &self.handle.shared.sessions;
        binders.sort_by_key(|binder| match sessions.of(binder) {
            Some(session) => (0, session.round_trip()),
            None => (1, None),
        });
        binders
    }

    /// Connects to the unicast `pipe` wherever it is bound, and from then on follows it. All binders are tried, each a
    /// moment after the one before; the first that accepts wins. While there is none it is looked for again.
    /// Cancel-safe.
    ///
    /// # Errors
    /// [`ConnectError::NoBinder`] when nobody has accepted within `deadline`, which later counts for each
    /// [`send`](FollowingPipe::send) that has to find a new binder too.
    pub async fn connect_any(&self, pipe: PipeId, deadline: Duration) -> Result<FollowingPipe, ConnectError> {
        let output = Some(self.resolve(pipe, deadline).await?);
        Ok(FollowingPipe { group: self.clone(), pipe, deadline, output })
    }

    /// The pipe to the first binder that accepts within `deadline`.
    async fn resolve(&self, pipe: PipeId, deadline: Duration) -> Result<OutputPipe, ConnectError> {
        let mut tried = 0;
        let resolving = async {
            loop {
                let binders = self.binders(pipe).await;
                tried = binders.len().min(BINDERS_TRIED_MAX);
                if let Some(output) = self.first_of(&binders, pipe).await {
                    return output;
                }
                tokio::time::sleep(RESOLVE_AGAIN).await;
            }
        };
        let resolved = tokio::time::timeout(deadline, resolving).await;
        resolved.map_err(|_| ConnectError::NoBinder { tried, after: deadline })
    }

    async fn first_of(&self, binders: &[PeerId], pipe: PipeId) -> Option<OutputPipe> {
        let tries = (0u32..).zip(binders).take(BINDERS_TRIED_MAX).map(|(before, binder)| async move {
            tokio::time::sleep(before * BINDER_HEAD_START).await;
            self.connect_unicast(*binder, pipe).await.ok()
        });
        let tries: FuturesUnordered<_> = tries.collect();
        tries.filter_map(std::future::ready).boxed().next().await
    }
}

impl FollowingPipe {
    /// Who receives now; `None` while a binder is being looked for.
    pub fn remote(&self) -> Option<PeerId> {
        self.output.as_ref().map(OutputPipe::remote)
    }

    /// Sends one message to the binder, or to the next when that one is gone. `Ok` means handed to the transport.
    ///
    /// # Errors
    /// [`SendError::TooLarge`]; [`SendError::NoBinder`], then the next `send` looks again.
    ///
    /// # Cancel safety
    /// A message whose `send` is dropped is sent later, whole, or not at all.
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), SendError> {
        let message = message.into();
        loop {
            if !self.output.as_mut().is_some_and(OutputPipe::is_open) {
                self.output = None;
                let resolved = self.group.resolve(self.pipe, self.deadline).await;
                self.output = Some(resolved.map_err(|_| SendError::NoBinder { after: self.deadline })?);
            }
            let Some(output) = &mut self.output else { continue };
            match output.send(message.clone()).await {
                Err(SendError::Closed { .. }) => self.output = None,
                sent => return sent,
            }
        }
    }

    /// Hands all to the transport and ends the pipe.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub async fn close(&mut self) -> Result<(), SendError> {
        match &mut self.output {
            Some(output) => output.close().await,
            None => Ok(()),
        }
    }
}
