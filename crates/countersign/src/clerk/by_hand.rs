//! The clerk's own work, one turn at a time, for whoever makes a record whose moments are given and not read off a clock.
//!
//! Not a second clerk: each turn, write and publication is the one of the three threads. What differs is who says when, and that the
//! caller, who is the only one to hear of anything, hears it before it is durable. So nobody else may be told anything before
//! [`ByHand::end`] has returned.

use super::{Batch, Order, Parts, Standing, Work, bytes_of};
use crate::clock::Clock;
use crate::office::Desk;
use arc_swap::ArcSwap;
use partnership::act::{Act, Outcome};
use partnership::decision::{Decision, Warrant};
use partnership::ids::Timestamp;
use partnership::partnership::Assessed;
use partnership::{Answer, Command, State};
use record::{Group, Store};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

/// How much is gathered before it is written. Units: bytes.
const WRITTEN_BYTES: u64 = 2 << 20;

/// A clerk, a journal and a publisher that wait for their turn.
pub(crate) struct ByHand<S> {
    work: Work<S>,
    clock: Clock,
    desk: Arc<ArcSwap<Desk>>,
    standing: Arc<Standing>,
    /// What the clerk hands on, and what the journal is handed.
    batches: Receiver<Batch>,
    to_journal: Sender<Batch>,
    groups: Receiver<Vec<Group>>,
    waiting: Vec<Group>,
}

impl<S: Store> ByHand<S> {
    /// The work on these parts, whose last turn was at `was`.
    pub(crate) fn of(parts: Parts<S>, clock: Clock, was: Timestamp) -> Self {
        let desk = Arc::clone(&parts.desk);
        let (clerk, mut work) = parts.assemble(clock, was);
        let (new_batches, batches) = channel();
        let (new_groups, groups) = channel();
        let to_journal = std::mem::replace(&mut work.decides.out.batches, new_batches);
        work.writes.groups = new_groups;
        let standing = clerk.standing;
        Self { work, clock, desk, standing, batches, to_journal, groups, waiting: Vec::new() }
    }

    /// What has been decided so far.
    pub(crate) fn state(&self) -> &State {
        self.work.decides.partnership.state()
    }

    /// What every request reads.
    pub(crate) fn desk(&self) -> Arc<Desk> {
        self.desk.load_full()
    }

    /// Proposes an act at a moment, and gives what was decided.
    ///
    /// Errors: the record cannot be written.
    pub(crate) fn propose(
        &mut self,
        at: Timestamp,
        act: Act,
        assessed: Option<Assessed>,
    ) -> anyhow::Result<Decision> {
        let (answer, mut waits) = oneshot::channel();
        self.standing.proposals.fetch_add(1, Ordering::Relaxed);
        self.turn(at, Some(Order::Propose(Box::new(act), assessed, answer)))?;
        Ok(waits.try_recv()?.decision)
    }

    /// Settles an act at a moment.
    ///
    /// Errors: as [`ByHand::propose`].
    pub(crate) fn settle(
        &mut self,
        at: Timestamp,
        warrant: Warrant,
        outcome: Outcome,
    ) -> anyhow::Result<Answer> {
        let (answer, mut waits) = oneshot::channel();
        self.turn(at, Some(Order::Settle(warrant, outcome, answer)))?;
        Ok(waits.try_recv()?)
    }

    /// Tells the clerk something at a moment.
    ///
    /// Errors: as [`ByHand::propose`].
    pub(crate) fn tell(&mut self, at: Timestamp, command: Command) -> anyhow::Result<()> {
        let (answer, mut waits) = oneshot::channel();
        self.turn(at, Some(Order::Tell(command, answer)))?;
        Ok(waits.try_recv()?)
    }

    /// Lets time pass until a moment: what is due by then is done.
    ///
    /// Errors: as [`ByHand::propose`].
    pub(crate) fn pass(&mut self, at: Timestamp) -> anyhow::Result<()> {
        self.turn(at, None)
    }

    /// Writes and publishes all. Then it may be told.
    ///
    /// Errors: as [`ByHand::propose`].
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        self.write()
    }

    fn turn(&mut self, at: Timestamp, order: Option<Order>) -> anyhow::Result<()> {
        self.work.decides.turn(at, self.clock.random(), order)?;
        for Batch { group, releases } in self.batches.try_iter() {
            releases.into_iter().for_each(|release| release());
            self.waiting.extend(group);
        }
        let waiting: u64 = self.waiting.iter().map(bytes_of).sum();
        if waiting > WRITTEN_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> anyhow::Result<()> {
        self.work.writes.extend()?;
        let mut batches =
            self.waiting.drain(..).map(|group| Batch { group: Some(group), releases: Vec::new() });
        let Some(first) = batches.next() else { return Ok(()) };
        batches.for_each(|batch| drop(self.to_journal.send(batch)));
        self.work.writes.round(first)?;
        self.groups.try_iter().for_each(|groups| self.work.publishes.absorb(groups));
        anyhow::ensure!(self.work.publishes.publish()?, "the disk of the record is full");
        Ok(())
    }
}
