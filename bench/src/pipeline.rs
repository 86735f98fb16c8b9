//! The clerk's, the journal's and the publisher's work on three threads, as the server has them, with nothing else around.
//!
//! Not here: what the groups hold.

use crate::clock::now;
use anyhow::Context as _;
use record::note::Signer;
use record::store::directory::Directory;
use record::{Group, Journal, Publisher};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// The time between two checkpoints, unless much comes in between.
const EVERY: Duration = Duration::from_secs(1);
/// How much may wait in memory for a checkpoint, as in the server, and how much beside it for the publisher. Units: bytes.
const PENDING_BYTES_MAX: u64 = 12 << 20;
/// How many groups may wait for the journal.
const WAITING: usize = 2;

/// Where groups are handed in.
pub(crate) struct Pipeline {
    groups: SyncSender<Group>,
    durable: Receiver<usize>,
    journal: std::thread::JoinHandle<anyhow::Result<()>>,
    publisher: std::thread::JoinHandle<anyhow::Result<()>>,
}

impl Pipeline {
    /// Starts the two threads, for groups of about `bytes` each.
    ///
    /// Errors: where the system starts none.
    pub(crate) fn start(
        journal: Journal<Directory>,
        publisher: Publisher<Directory>,
        log: Signer,
        bytes: usize,
    ) -> anyhow::Result<Self> {
        let (groups, group) = sync_channel(WAITING);
        let (writes, durable) = std::sync::mpsc::channel();
        let (bundles, bundle) = std::sync::mpsc::channel();
        let room = usize::try_from(PENDING_BYTES_MAX)?.checked_div(bytes).unwrap_or(WAITING);
        let (publishes, published) = sync_channel(room.max(WAITING));
        let journal = std::thread::Builder::new().spawn(move || {
            let mut journal = journal;
            for group in group {
                if journal.needs_spare() {
                    journal.retire(bundle.try_iter().last().unwrap_or(0))?;
                    journal.make_spare()?;
                }
                let group = [group];
                journal.write(&group)?;
                let [group] = group;
                let _ = writes.send(group.leaves.len());
                publishes.send(group).context("the publisher has ended")?;
            }
            Ok(())
        })?;
        let publisher = std::thread::Builder::new().spawn(move || {
            let (mut publisher, mut last) = (publisher, now());
            for group in published {
                publisher.absorb(group);
                if publisher.pending_bytes() > PENDING_BYTES_MAX || last.elapsed() >= EVERY {
                    publisher.publish(&log)?;
                    let _ = bundles.send(publisher.durable_bundles());
                    last = now();
                }
            }
            publisher.publish(&log)?;
            Ok(())
        })?;
        Ok(Self { groups, durable, journal, publisher })
    }

    /// Hands a group in; waits where too many wait already.
    ///
    /// Errors: where the journal has failed.
    pub(crate) fn hand_in(&self, group: Group) -> anyhow::Result<()> {
        self.groups.send(group).context("the journal has failed")
    }

    /// Waits until the next group is durable; gives how many entries it had.
    ///
    /// Errors: where the journal has failed.
    pub(crate) fn wait(&self) -> anyhow::Result<usize> {
        self.durable.recv().context("the journal has failed")
    }

    /// How many entries have become durable that nobody has waited for.
    pub(crate) fn durable(&self) -> usize {
        self.durable.try_iter().fold(0, usize::saturating_add)
    }

    /// Ends both threads; all is durable and published. Gives how many entries nobody has waited for.
    ///
    /// Errors: what failed.
    pub(crate) fn end(self) -> anyhow::Result<usize> {
        drop(self.groups);
        for thread in [self.journal, self.publisher] {
            thread.join().map_err(|_| anyhow::anyhow!("a thread of the record has panicked"))??;
        }
        Ok(self.durable.try_iter().fold(0, usize::saturating_add))
    }
}
