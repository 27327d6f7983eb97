//! The polite end of the messenger.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio::time::timeout;

use super::{Actor, Ending};
use crate::error::StoreError;
use crate::messenger::Order;
use crate::wire::Frame;

impl Actor {
    /// Says goodbye to buddies, waits a moment for what is under way, and closes the database.
    pub(super) async fn end(mut self) -> Result<(), Arc<StoreError>> {
        for link in self.core.links() {
            self.order(link, Order::Send(Frame::Bye));
            self.order(link, Order::Close);
        }
        self.inputs.close();
        let goodbye = async {
            while let Some((written, after)) = self.steps.next().await {
                self.finish(written, after);
            }
            while let Some(ended) = self.tasks.join_next().await {
                if let Ok(Ending::Asked { ticket, answer }) = ended {
                    let cursor = self.cursor(&mut Vec::new());
                    self.reply(ticket, cursor, answer);
                }
                // Pipes' tasks wait for room to say their last word.
                while self.inputs.try_recv().is_ok() {}
            }
        };
        if timeout(GOODBYE_MAX, goodbye).await.is_err() {
            tracing::debug!("some pipes did not end in time");
        }
        self.tasks.shutdown().await;
        self.application.stop_all(Instant::now());
        let Self { disk, failure, steps, .. } = self;
        drop(steps);
        if let Err(error) = tokio::task::spawn_blocking(move || disk.close()).await {
            tracing::error!(%error, "database not closed");
        }
        failure.map_or(Ok(()), Err)
    }
}

/// How long the polite end may take.
const GOODBYE_MAX: Duration = Duration::from_secs(2);
