//! Many answers to one question, at its asker.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream};
use libp2p::PeerId;
use tokio::time::Sleep;

use crate::error::{QueryError, RefuseReason};
use crate::id::GroupId;
use crate::net::handle::Handle;
use crate::net::session::Inflow;

/// The answers to one question, in their order. Ends after the last one, or after one error. Dropping it cancels the
/// question. What it holds unread is bounded by [`ANSWERS_WINDOW`](crate::limits::ANSWERS_WINDOW); then the answerer
/// waits.
#[must_use = "a stream asks nothing until it is polled"]
pub struct Answers {
    state: State,
    deadline: Duration,
    until: Pin<Box<Sleep>>,
}

enum State {
    Opening(BoxFuture<'static, Result<(Option<Answer>, Inflow), QueryError>>),
    Open(Inflow),
    Over,
}

type Answer = Result<Bytes, QueryError>;

impl Answers {
    /// Asks `to`, as soon as it is polled.
    pub(crate) fn new(
        handle: Handle,
        to: PeerId,
        group: GroupId,
        name: &str,
        body: Bytes,
        deadline: Duration,
    ) -> Self {
        let until = Box::pin(tokio::time::sleep(deadline));
        let opening = open(handle, to, group, name.to_owned(), body, until.deadline().into_std());
        Self { state: State::Opening(opening.boxed()), deadline, until }
    }

    /// The next answer; `None` after the last, or after an error. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Bytes, QueryError>> {
        futures::StreamExt::next(self).await
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        match &mut self.state {
            State::Over => Poll::Ready(None),
            State::Open(inflow) => inflow.poll_next(cx),
            State::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                Ok((first, inflow)) => {
                    self.state = State::Open(inflow);
                    Poll::Ready(first)
                }
                Err(error) => Poll::Ready(Some(Err(error))),
            },
        }
    }
}

impl Stream for Answers {
    type Item = Result<Bytes, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        let this = &mut *self;
        let over = !matches!(this.state, State::Over) && this.until.as_mut().poll(cx).is_ready();
        let answer = match over {
            true => Some(Err(QueryError::TimedOut { after: this.deadline })),
            false => ready!(this.poll_answer(cx)),
        };
        if !matches!(answer, Some(Ok(_))) {
            this.state = State::Over;
        }
        Poll::Ready(answer)
    }
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// Asks, in a closed group after both ends have proven their place; with the first answer, because it may say that
/// the other side has forgotten.
async fn open(
    handle: Handle,
    to: PeerId,
    group: GroupId,
    name: String,
    body: Bytes,
    until: std::time::Instant,
) -> Result<(Option<Answer>, Inflow), QueryError> {
    let (session, proven_before) = handle.session_in(to, group).await?;
    let mut inflow = session.ask_many(until, group, &name, body.clone()).await?;
    let mut first = std::future::poll_fn(|cx| inflow.poll_next(cx)).await;
    if proven_before && first == Some(Err(QueryError::Refused(RefuseReason::NotMember))) {
        handle.prove_again(to, &session, group).await?;
        inflow = session.ask_many(until, group, &name, body).await?;
        first = std::future::poll_fn(|cx| inflow.poll_next(cx)).await;
    }
    Ok((first, inflow))
}
