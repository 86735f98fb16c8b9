//! The thread that publishes tiles and checkpoints of what is durable, each second while the record grows, and at the end.
//!
//! Not here: any judgement of what may be shown; all that it is handed may.

use super::Standing;
use crate::clock::Clock;
use crate::office::{Desk, LogKeys};
use crate::telemetry::{Metrics, set};
use arc_swap::ArcSwap;
use record::{Group, Publisher, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// The time between two checkpoints, unless much comes in between.
const EVERY: Duration = Duration::from_secs(1);
/// How much may wait in memory for a checkpoint. Units: bytes.
const PENDING_BYTES_MAX: u64 = 12 << 20;
/// How long to wait for a group where nothing waits to be published.
const IDLE: Duration = Duration::from_secs(3600);

pub(super) struct Publishes<S> {
    pub(super) publisher: Publisher<S>,
    pub(super) log: Arc<LogKeys>,
    /// Where it is seen that a party or the log has another key.
    pub(super) desk: Arc<ArcSwap<Desk>>,
    /// The file of public keys as it was written last.
    pub(super) keys: String,
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
        let mut last = self.clock.steady();
        // What a full disk kept back when the record was opened is due at once.
        let mut due: Option<Instant> = Some(last);
        loop {
            let wait = due.map_or(IDLE, |due| due.saturating_duration_since(self.clock.steady()));
            match self.group.recv_timeout(wait) {
                Ok(groups) => {
                    self.absorb(groups);
                    due = due.or_else(|| last.checked_add(EVERY));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.publish().map(drop).map_err(cannot),
            }
            if self.is_heavy() || due.is_some_and(|due| due <= self.clock.steady()) {
                let done = self.publish().map_err(cannot)?;
                last = self.clock.steady();
                due = if done { None } else { last.checked_add(EVERY) };
            }
        }
    }

    /// Whether so much waits in memory that it is published before its time. A full disk is not asked the more often for that.
    fn is_heavy(&self) -> bool {
        self.publisher.pending_bytes() > PENDING_BYTES_MAX && !self.standing.no_tiles.load(Ordering::Acquire)
    }

    /// Takes groups, which are durable.
    pub(super) fn absorb(&mut self, groups: Vec<Group>) {
        groups.into_iter().for_each(|group| self.publisher.absorb(group));
    }

    /// Publishes what there is; false where the disk is full. Then new acts are sent away, and it is asked again.
    pub(super) fn publish(&mut self) -> Result<bool, StoreError> {
        let desk = self.desk.load();
        let published = match self.log.publish(&mut self.publisher, &desk, &mut self.keys) {
            Err(StoreError::Full { path }) => {
                if !self.standing.no_tiles.swap(true, Ordering::AcqRel) {
                    tracing::warn!(path, "no room for the checkpoint; no new acts are taken");
                }
                return Ok(false);
            }
            published => published?,
        };
        if published {
            self.standing.bundles.store(self.publisher.durable_bundles(), Ordering::Release);
            self.standing.published.store(self.publisher.published(), Ordering::Release);
            set(&self.metrics.published, self.publisher.published());
        }
        self.standing.no_tiles.store(false, Ordering::Release);
        Ok(true)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn cannot(error: StoreError) -> String {
    format!("the checkpoint cannot be published: {error}")
}
