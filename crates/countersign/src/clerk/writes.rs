//! The thread that makes groups of entries durable, one sync each, and then lets those go who wait for them.
//!
//! Not here: a second try. What failed to reach the disk may have been dropped from the cache that a second try would ask.

use super::{Batch, Release, Standing, bytes_of, gather};
use crate::telemetry::{Metrics, add, count};
use record::{Group, Journal, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

/// How often a full disk is asked for room.
const ASK_AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Writes<S> {
    pub(super) journal: Journal<S>,
    pub(super) batch: Receiver<Batch>,
    pub(super) groups: Sender<Vec<Group>>,
    pub(super) standing: Arc<Standing>,
    pub(super) metrics: Arc<Metrics>,
}

impl<S: Store> Writes<S> {
    /// Writes until the clerk has gone.
    ///
    /// Errors: what failed. Everyone who waits for this or a later group is let go without an answer, by their releases being
    /// dropped.
    pub(super) fn run(mut self) -> Result<(), String> {
        loop {
            self.extend().map_err(|error| format!("the journal cannot be extended: {error}"))?;
            match self.batch.recv_timeout(ASK_AGAIN) {
                Ok(first) => {
                    gather();
                    self.round(first).map_err(|error| format!("the journal cannot be written: {error}"))?
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// One write and one sync for all that waits.
    pub(super) fn round(&mut self, first: Batch) -> Result<(), StoreError> {
        let (mut groups, mut releases) = (Vec::new(), Vec::<Release>::new());
        for batch in std::iter::once(first).chain(self.batch.try_iter()) {
            groups.extend(batch.group);
            releases.extend(batch.releases);
        }
        if !groups.is_empty() {
            self.write(&groups)?;
        }
        releases.into_iter().for_each(|release| release());
        if !groups.is_empty() {
            drop(self.groups.send(groups));
        }
        Ok(())
    }

    fn write(&mut self, groups: &[Group]) -> Result<(), StoreError> {
        let durable = self
            .journal
            .write(groups)
            .inspect_err(|_| self.standing.failed.store(true, Ordering::Release))?;
        self.standing.durable.store(durable, Ordering::Release);
        self.standing.undurable.fetch_sub(groups.iter().map(bytes_of).sum(), Ordering::Relaxed);
        count(&self.metrics.groups);
        add(&self.metrics.entries, groups.iter().map(|group| group.leaves.len()).sum());
        Ok(())
    }

    /// Keeps a spare segment ahead of the current one. A disk without room for it sends new acts away, and what is left of the
    /// current segment is the reserve from which calls under way are settled.
    pub(super) fn extend(&mut self) -> Result<(), StoreError> {
        if !self.journal.needs_spare() {
            return Ok(());
        }
        self.journal.retire(self.standing.bundles.load(Ordering::Acquire))?;
        let full = match self.journal.make_spare() {
            Ok(()) => false,
            Err(StoreError::Full { .. }) => true,
            Err(error) => return Err(error),
        };
        if self.standing.no_segment.swap(full, Ordering::AcqRel) != full {
            tracing::warn!(full, "room for the journal");
        }
        Ok(())
    }
}
