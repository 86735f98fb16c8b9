//! The thread that publishes tiles and checkpoints of what is durable, each second while the record grows, and at the end.
//!
//! Not here: any judgement of what may be shown; all that it is handed may.

use super::Standing;
use crate::clock::Clock;
use crate::telemetry::{Metrics, set};
use record::note::Signer;
use record::{Group, Publisher, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// The shortest time between two checkpoints.
const EVERY: Duration = Duration::from_secs(1);
/// How long to wait for a group where nothing waits to be published.
const IDLE: Duration = Duration::from_secs(3600);

pub(super) struct Publishes<S> {
    pub(super) publisher: Publisher<S>,
    pub(super) signer: Signer,
    pub(super) group: Receiver<Vec<Group>>,
    pub(super) clock: Clock,
    pub(super) standing: Arc<Standing>,
    pub(super) metrics: Arc<Metrics>,
}

impl<S: Store> Publishes<S> {
    /// Publishes until the journal's thread has gone.
    ///
    /// Errors: what failed; it is not tried again.
    pub(super) fn run(mut self) -> Result<(), String> {
        let mut due: Option<Instant> = None;
        let mut last = self.clock.steady();
        loop {
            let wait = due.map_or(IDLE, |due| due.saturating_duration_since(self.clock.steady()));
            match self.group.recv_timeout(wait) {
                Ok(groups) => {
                    groups.into_iter().for_each(|group| self.publisher.absorb(group));
                    due = due.or_else(|| last.checked_add(EVERY));
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.publish().map_err(cannot)?;
                    (due, last) = (None, self.clock.steady());
                }
                Err(RecvTimeoutError::Disconnected) => return self.publish().map_err(cannot),
            }
        }
    }

    fn publish(&mut self) -> Result<(), StoreError> {
        if self.publisher.publish(&self.signer)?.is_some() {
            self.standing.bundles.store(self.publisher.durable_bundles(), Ordering::Release);
            self.standing.published.store(self.publisher.published(), Ordering::Release);
            set(&self.metrics.published, self.publisher.published());
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn cannot(error: StoreError) -> String {
    format!("the checkpoint cannot be published: {error}")
}
