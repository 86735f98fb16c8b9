//! The clerk: the one thread that decides, and behind it the one that syncs and the one that publishes.
//!
//! Here is the handle that the road holds. The clerk drains what has come, reads the clock once, and runs a turn. Its replies
//! go with the entries they belong to to the syncing thread, which lets them go when those are durable. A write that fails is
//! never retried: everyone who waits is refused, and the process ends.

mod by_hand;
mod decides;
mod publishes;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod writes;

use crate::clock::Clock;
use crate::office::{Desk, LogKeys, Undone};
use crate::telemetry::Metrics;
use arc_swap::ArcSwap;
pub(crate) use by_hand::ByHand;
use decides::{Decides, Out};
use partnership::act::{Act, Outcome};
use partnership::decision::{Decision, Warrant};
use partnership::entry::Refused;
use partnership::ids::{ActId, Timestamp};
use partnership::partnership::Assessed;
use partnership::state::Snapshot;
use partnership::{Answer, Command, Entropy, Partnership, State, Terms};
use publishes::Publishes;
use record::{Group, Journal, Publisher, Store};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use writes::Writes;

/// How many proposals may wait for the clerk before new ones are sent away.
const PROPOSALS_WAITING_MAX: usize = 8192;
/// How much may be undurable at once before new proposals are sent away. Units: bytes.
const UNDURABLE_BYTES_MAX: u64 = 4 << 20;

/// A step back of the machine's clock beyond this is put on the record. Units: milliseconds.
pub(crate) const STEP_MS: i64 = 2_000;

/// A handle to the clerk.
#[derive(Debug, Clone)]
pub(crate) struct Clerk {
    desk: Sender<Order>,
    clock: Clock,
    standing: Arc<Standing>,
}

/// Nothing was decided, because the record cannot be written or too much waits for it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unavailable(pub(crate) String);

/// What the threads are given.
pub(crate) struct Parts<S> {
    /// What was agreed and what was done.
    pub(crate) partnership: Partnership,
    /// The record's journal.
    pub(crate) journal: Journal<S>,
    /// The record's publisher.
    pub(crate) publisher: Publisher<S>,
    /// The log's keys, one of which signs each checkpoint.
    pub(crate) log: Arc<LogKeys>,
    /// Where every request reads terms and register.
    pub(crate) desk: Arc<ArcSwap<Desk>>,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
    /// Called with the reason when the record cannot be written any more.
    pub(crate) fatal: Fatal,
    /// Where snapshots of the state go once their entries are durable.
    pub(crate) snapshots: Sender<Snapshot>,
    /// Where warrants go that no reply carries, once their entries are durable.
    pub(crate) unasked: Arc<Undone>,
}

/// Tells whoever runs the process that it must end.
pub(crate) type Fatal = Arc<dyn Fn(String) + Send + Sync>;

/// The threads; joined at a graceful stop.
#[derive(Debug)]
pub(crate) struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    /// These and one that ends after them.
    pub(crate) fn and(mut self, last: JoinHandle<()>) -> Self {
        self.0.push(last);
        self
    }
}

/// A decision, and what its caller still has to wait for before anybody is told.
#[derive(Debug)]
pub(crate) struct Proposed {
    /// What was decided.
    pub(crate) decision: Decision,
    /// Resolves when that is on the record for good.
    pub(crate) durable: Durable,
}

/// Resolves when a decision is durable: at once, unless the decision was handed out early, under a lease.
#[derive(Debug)]
pub(crate) struct Durable(Option<oneshot::Receiver<()>>);

impl Durable {
    /// Waits for it. Errors: it never will be, and nobody may be told of the decision.
    pub(crate) async fn wait(self) -> Result<(), Unavailable> {
        match self.0 {
            Some(durable) => durable.await.map_err(gone),
            None => Ok(()),
        }
    }
}

/// How the record stands, as the threads tell one another and the handle.
#[derive(Debug, Default)]
struct Standing {
    /// Proposals that wait for the clerk.
    proposals: AtomicUsize,
    /// Bytes decided and not durable.
    undurable: AtomicU64,
    /// How many entries are durable.
    durable: AtomicU64,
    /// The tree size of the last checkpoint.
    published: AtomicU64,
    /// Entries below this are in full bundles under a durable checkpoint.
    bundles: AtomicU64,
    /// The disk has no room for another segment of the journal.
    no_segment: AtomicBool,
    /// The disk has no room for tiles or the checkpoint.
    no_tiles: AtomicBool,
    /// A write has failed; nothing is written any more.
    failed: AtomicBool,
}

enum Order {
    Propose(Box<Act>, Option<Assessed>, oneshot::Sender<Proposed>),
    Settle(Warrant, Outcome, oneshot::Sender<Answer>),
    Tell(Command, oneshot::Sender<()>),
    Ask(Question),
    Stop,
}

/// Reads the state between two turns, and gives what lets the asker go.
type Question = Box<dyn FnOnce(&State) -> Release + Send>;

/// Lets one waiting caller go; run when the record is durable far enough, dropped if it never will be.
type Release = Box<dyn FnOnce() + Send>;

/// What one turn leaves to be written, and who waits for it.
struct Batch {
    group: Option<Group>,
    releases: Vec<Release>,
}

impl Clerk {
    /// The id of an act that is about to be proposed.
    pub(crate) fn act_id(&self) -> ActId {
        Entropy::new(self.clock.random()).act_id(self.clock.now())
    }

    /// Proposes an act; answered when its decision is durable, or for a call that the lease has room for at once, with what to wait
    /// for. Must be awaited to its end: a warrant that nobody takes holds its reservation until it lapses.
    pub(crate) async fn propose(
        &self,
        act: Act,
        assessed: Option<Assessed>,
    ) -> Result<Proposed, Unavailable> {
        self.standing.admits()?;
        let (answer, waits) = oneshot::channel();
        self.standing.proposals.fetch_add(1, Ordering::Relaxed);
        self.send(Order::Propose(Box::new(act), assessed, answer))?;
        waits.await.map_err(gone)
    }

    /// Settles an act; answered when its settlement is durable. Taken also where no proposal would be.
    pub(crate) async fn settle(&self, warrant: Warrant, outcome: Outcome) -> Result<Answer, Unavailable> {
        let (answer, waits) = oneshot::channel();
        self.send(Order::Settle(warrant, outcome, answer))?;
        waits.await.map_err(gone)
    }

    /// Makes a document known that later acts may name.
    pub(crate) async fn know(&self, terms: Terms) -> Result<(), Unavailable> {
        self.tell(Command::Know(Box::new(terms))).await
    }

    /// Puts a tally of rate-limited requests on the record.
    pub(crate) async fn tally(&self, refused: Vec<Refused>) -> Result<(), Unavailable> {
        self.tell(Command::Tally(refused)).await
    }

    /// Reads the state between turns; answered when all that it has seen is durable.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (answer, waits) = oneshot::channel();
        self.send(Order::Ask(Box::new(move |state| {
            let found = question(state);
            Box::new(move || drop(answer.send(found)))
        })))?;
        waits.await.map_err(gone)
    }

    /// The tree size of the last checkpoint.
    pub(crate) fn published(&self) -> u64 {
        self.standing.published.load(Ordering::Acquire)
    }

    /// Whether new acts are taken.
    pub(crate) fn is_ready(&self) -> bool {
        self.standing.admits().is_ok()
    }

    /// Ends the threads: all that was handed in is decided, written and published first. Blocks.
    pub(crate) fn stop(&self, threads: Threads) {
        drop(self.desk.send(Order::Stop));
        for thread in threads.0 {
            drop(thread.join());
        }
    }

    async fn tell(&self, command: Command) -> Result<(), Unavailable> {
        let (answer, waits) = oneshot::channel();
        self.send(Order::Tell(command, answer))?;
        waits.await.map_err(gone)
    }

    fn send(&self, order: Order) -> Result<(), Unavailable> {
        self.desk.send(order).map_err(|_| closed())
    }
}

impl Standing {
    /// Whether a new proposal is taken.
    fn admits(&self) -> Result<(), Unavailable> {
        let why = if self.failed.load(Ordering::Acquire) {
            "the record cannot be written"
        } else if self.no_segment.load(Ordering::Acquire) || self.no_tiles.load(Ordering::Acquire) {
            "the disk of the record is full; calls under way are still settled"
        } else if self.undurable.load(Ordering::Relaxed) > UNDURABLE_BYTES_MAX {
            "the disk of the record is behind; try again shortly"
        } else if self.proposals.load(Ordering::Relaxed) >= PROPOSALS_WAITING_MAX {
            "too many acts are waiting; try again shortly"
        } else {
            return Ok(());
        };
        Err(Unavailable(why.to_owned()))
    }
}

/// Starts the three threads.
///
/// Errors: where the operating system starts no thread.
pub(crate) fn start<S: Store + 'static>(parts: Parts<S>, clock: Clock) -> std::io::Result<(Clerk, Threads)> {
    let fatal = Arc::clone(&parts.fatal);
    let (clerk, Work { decides, writes, publishes }) = parts.assemble(clock, clock.now());
    let watch = Watch { standing: Arc::clone(&clerk.standing), fatal };
    let threads = vec![
        watch.over("clerk", move || decides.run())?,
        watch.over("journal", move || writes.run())?,
        watch.over("publisher", move || publishes.run())?,
    ];
    Ok((clerk, Threads(threads)))
}

/// What each of the three threads runs.
struct Work<S> {
    decides: Decides,
    writes: Writes<S>,
    publishes: Publishes<S>,
}

impl<S: Store> Parts<S> {
    /// Joins the work of the threads, and makes the handle to it.
    fn assemble(self, clock: Clock, now: Timestamp) -> (Clerk, Work<S>) {
        let Self { partnership, journal, publisher, log, desk, metrics, fatal: _, snapshots, unasked } = self;
        let (orders, order) = channel();
        let (batches, batch) = channel();
        let (groups, group) = channel();
        let standing = Arc::new(Standing::default());
        standing.durable.store(journal.durable(), Ordering::Release);
        standing.published.store(publisher.published(), Ordering::Release);
        standing.bundles.store(publisher.durable_bundles(), Ordering::Release);
        let clerk = Clerk { desk: orders, clock, standing: Arc::clone(&standing) };
        let publishes = Publishes {
            publisher,
            keys: desk.load().keys_file(log.first()),
            desk: Arc::clone(&desk),
            log,
            group,
            clock,
            standing: Arc::clone(&standing),
            metrics: Arc::clone(&metrics),
        };
        let writes =
            Writes { journal, batch, groups, standing: Arc::clone(&standing), metrics: Arc::clone(&metrics) };
        let epoch = partnership.state().epoch();
        let out = Out { batches, snapshots, unasked };
        let decides = Decides {
            partnership,
            order,
            out,
            desk,
            standing,
            metrics,
            clock,
            was: now,
            epoch,
            holds: false,
        };
        (clerk, Work { decides, writes, publishes })
    }
}

/// Sees to it that a thread which ends badly ends the process: by an error, or by an invariant that does not hold.
struct Watch {
    standing: Arc<Standing>,
    fatal: Fatal,
}

impl Watch {
    fn over(
        &self,
        name: &'static str,
        work: impl FnOnce() -> Result<(), String> + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let (standing, fatal) = (Arc::clone(&self.standing), Arc::clone(&self.fatal));
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(work))
                .unwrap_or_else(|_| Err(format!("the {name} thread met a state that must not be")));
            if let Err(reason) = ended {
                standing.failed.store(true, Ordering::Release);
                fatal(reason);
            }
        })
    }
}

/// Lets all others that are ready to run go first, so that what they bring is in this round too. On a busy machine the rounds grow by
/// it, and with them what one sync is good for; on an idle one nobody is ready, and it costs nothing. A wait of a fixed length would
/// do the first at the price of the second.
fn gather() {
    std::thread::yield_now();
}

/// What a group holds. Units: bytes.
fn bytes_of(group: &Group) -> u64 {
    let bytes: usize =
        group.leaves.iter().map(|leaf| leaf.envelope.len().saturating_add(leaf.parties.len())).sum();
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn closed() -> Unavailable {
    Unavailable("the record is closed".to_owned())
}

fn gone(_: oneshot::error::RecvError) -> Unavailable {
    Unavailable("the record could not be written; nothing was decided".to_owned())
}
