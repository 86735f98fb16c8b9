//! The clerk: the one thread that decides, and behind it the one that syncs and the one that publishes.
//!
//! The clerk drains what has come, reads the clock once, and runs a turn. Its replies go with the group of entries they belong to to
//! the syncing thread, which lets them go when the group is durable. A write that fails is never retried: everyone who waits is
//! refused, and the process ends.

use crate::clock::Clock;
use crate::office::Desk;
use crate::telemetry::Metrics;
use arc_swap::ArcSwap;
use partnership::act::{Act, Deed, Outcome, Principal};
use partnership::decision::{Decision, Warrant};
use partnership::entry::Refused;
use partnership::ids::Timestamp;
use partnership::partnership::Assessed;
use partnership::{Answer, Command, Entropy, Partnership, State, Terms};
use record::note::Signer;
use record::{Group, Journal, Publisher, Store};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// How many commands may wait for the clerk before it sends new ones away.
const QUEUE: usize = 8192;
/// How much may be undurable at once before new acts are sent away. Units: bytes.
const UNDURABLE_BYTES_MAX: u64 = 4 << 20;
/// A step of the machine's clock beyond this is put on the record. Units: milliseconds.
const STEP_MS: i64 = 2_000;

/// A handle to the clerk.
#[derive(Debug, Clone)]
pub(crate) struct Clerk {
    desk: SyncSender<Order>,
    clock: Clock,
    undurable: Arc<AtomicU64>,
    published: Arc<AtomicU64>,
}

/// The record cannot be written, or the queue is full: nothing was done.
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
    /// Signs checkpoints.
    pub(crate) signer: Signer,
    /// Where every request reads terms and register.
    pub(crate) published: Arc<ArcSwap<Desk>>,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
    /// Called with the reason when the record cannot be written any more.
    pub(crate) fatal: Arc<dyn Fn(String) + Send + Sync>,
}

/// The threads; joined at a graceful stop.
#[derive(Debug)]
pub(crate) struct Threads(Vec<JoinHandle<()>>);

enum Order {
    Propose(Principal, Deed, Option<Assessed>, oneshot::Sender<Decision>),
    Settle(Warrant, Outcome, oneshot::Sender<Answer>),
    Tell(Command, oneshot::Sender<()>),
    Ask(Box<dyn FnOnce(&State) -> Release + Send>),
    Stop,
}

/// Lets one waiting caller go; run when the record is durable far enough.
type Release = Box<dyn FnOnce() + Send>;

struct Batch {
    group: Option<Group>,
    releases: Vec<Release>,
}

impl Clerk {
    /// Proposes an act; answered when its decision is durable.
    pub(crate) async fn propose(
        &self,
        principal: Principal,
        deed: Deed,
        assessed: Option<Assessed>,
    ) -> Result<Decision, Unavailable> {
        if self.undurable.load(Ordering::Relaxed) > UNDURABLE_BYTES_MAX {
            return Err(Unavailable("the disk is behind; try again shortly".to_owned()));
        }
        let (answer, waits) = oneshot::channel();
        self.send(Order::Propose(principal, deed, assessed, answer))?;
        waits.await.map_err(gone)
    }

    /// Settles an act; answered when its settlement is durable.
    pub(crate) async fn settle(&self, warrant: Warrant, outcome: Outcome) -> Result<Answer, Unavailable> {
        let (answer, waits) = oneshot::channel();
        let desk = self.desk.clone();
        let sent = tokio::task::spawn_blocking(move || desk.send(Order::Settle(warrant, outcome, answer)));
        sent.await.map_err(|_| closed())?.map_err(|_| closed())?;
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

    /// Does what has fallen due.
    pub(crate) async fn tick(&self) -> Result<(), Unavailable> {
        self.tell(Command::Tick).await
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
        self.published.load(Ordering::Acquire)
    }

    /// Ends the threads: all that was handed in is decided, written and published first.
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
        self.desk.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => Unavailable("too many acts are waiting; try again shortly".to_owned()),
            TrySendError::Disconnected(_) => closed(),
        })
    }
}

/// Starts the three threads.
///
/// Errors: where the operating system starts no thread.
pub(crate) fn start<S: Store + 'static>(parts: Parts<S>, clock: Clock) -> std::io::Result<(Clerk, Threads)> {
    let Parts { partnership, journal, publisher, signer, published: desk, metrics, fatal } = parts;
    let (orders, order) = sync_channel(QUEUE);
    let (batches, batch) = channel();
    let (groups, group) = channel();
    let undurable = Arc::new(AtomicU64::new(0));
    let published = Arc::new(AtomicU64::new(publisher.published()));
    let bundles = Arc::new(AtomicU64::new(publisher.durable_bundles()));
    let clerk = Clerk { desk: orders, clock, undurable: Arc::clone(&undurable), published: Arc::clone(&published) };
    let writes = Writes { journal, batch, groups, undurable: Arc::clone(&undurable), bundles: Arc::clone(&bundles), metrics: Arc::clone(&metrics), fatal: Arc::clone(&fatal) };
    let publishes = Publishes { publisher, signer, group, bundles, published, metrics, fatal: Arc::clone(&fatal) };
    let decides = Decides { partnership, order, batches, desk, undurable, clock, was: clock.now(), fatal };
    let threads = vec![
        std::thread::Builder::new().name("clerk".to_owned()).spawn(move || decides.run())?,
        std::thread::Builder::new().name("journal".to_owned()).spawn(move || writes.run())?,
        std::thread::Builder::new().name("publisher".to_owned()).spawn(move || publishes.run())?,
    ];
    Ok((clerk, Threads(threads)))
}

struct Decides {
    partnership: Partnership,
    order: Receiver<Order>,
    batches: Sender<Batch>,
    desk: Arc<ArcSwap<Desk>>,
    undurable: Arc<AtomicU64>,
    clock: Clock,
    was: Timestamp,
    fatal: Arc<dyn Fn(String) + Send + Sync>,
}

/// Who waits for the answer to a command.
enum Waits {
    Decision(oneshot::Sender<Decision>),
    Answer(oneshot::Sender<Answer>),
    Nothing(oneshot::Sender<()>),
    Nobody,
}

impl Decides {
    fn run(mut self) {
        loop {
            let first = match self.order.recv_timeout(Duration::from_secs(1)) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            match self.round(first) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return (self.fatal)(error.to_string()),
            }
        }
    }

    /// One turn over all that has come. False where the clerk is to stop.
    fn round(&mut self, first: Option<Order>) -> Result<bool, partnership::Fatal> {
        let now = self.clock.now();
        let mut entropy = Entropy::new(self.clock.random());
        let mut commands = self.clock_commands(now);
        let mut waits: Vec<Waits> = commands.iter().map(|_| Waits::Nobody).collect();
        let mut questions = Vec::new();
        let mut goes_on = true;
        for order in first.into_iter().chain(self.order.try_iter()) {
            match order {
                Order::Propose(principal, deed, assessed, answer) => {
                    let act = Act { id: entropy.act_id(now), seed: entropy.seed(), principal, deed };
                    commands.push(Command::Propose(act, assessed));
                    waits.push(Waits::Decision(answer));
                }
                Order::Settle(warrant, outcome, answer) => {
                    commands.push(Command::Settle(warrant, outcome));
                    waits.push(Waits::Answer(answer));
                }
                Order::Tell(command, answer) => {
                    commands.push(command);
                    waits.push(Waits::Nothing(answer));
                }
                Order::Ask(question) => questions.push(question),
                Order::Stop => goes_on = false,
            }
        }
        let mut waits: Vec<Option<Waits>> = waits.into_iter().map(Some).collect();
        let mut releases: Vec<Release> = Vec::with_capacity(waits.len());
        for reply in self.partnership.turn(now, &mut entropy, commands)? {
            let waiting = waits.get_mut(reply.command).and_then(Option::take);
            releases.extend(waiting.and_then(|waiting| release(waiting, reply.answer)));
        }
        releases.extend(questions.into_iter().map(|question| question(self.partnership.state())));
        self.hand_on(releases);
        Ok(goes_on)
    }

    /// What the clock asks for: to note a step, and to do what is due when a second has passed.
    fn clock_commands(&mut self, now: Timestamp) -> Vec<Command> {
        let was = std::mem::replace(&mut self.was, now);
        let passed = now.as_millis().saturating_sub(was.as_millis());
        let mut commands = Vec::new();
        if passed < STEP_MS.saturating_neg() {
            commands.push(Command::Clock { was, now });
        }
        let second = |at: Timestamp| at.as_millis().div_euclid(1000);
        if second(now) != second(was) {
            commands.push(Command::Tick);
        }
        commands
    }

    fn hand_on(&mut self, mut releases: Vec<Release>) {
        let state = self.partnership.state();
        if self.desk.load().epoch != state.epoch() {
            let desk = Arc::new(Desk::of(state));
            let published = Arc::clone(&self.desk);
            releases.insert(0, Box::new(move || published.store(desk)));
        }
        let group = self.partnership.log().seal();
        let bytes = group.as_ref().map_or(0, bytes_of);
        self.undurable.fetch_add(bytes, Ordering::Relaxed);
        if group.is_some() || !releases.is_empty() {
            drop(self.batches.send(Batch { group, releases }));
        }
    }
}

fn release(waits: Waits, answer: Answer) -> Option<Release> {
    match (waits, answer) {
        (Waits::Decision(caller), Answer::Decided(decision)) => Some(Box::new(move || drop(caller.send(decision)))),
        (Waits::Answer(caller), answer) => Some(Box::new(move || drop(caller.send(answer)))),
        (Waits::Nothing(caller), _) => Some(Box::new(move || drop(caller.send(())))),
        (Waits::Nobody | Waits::Decision(_), _) => None,
    }
}

struct Writes<S> {
    journal: Journal<S>,
    batch: Receiver<Batch>,
    groups: Sender<Vec<Group>>,
    undurable: Arc<AtomicU64>,
    bundles: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
    fatal: Arc<dyn Fn(String) + Send + Sync>,
}

impl<S: Store> Writes<S> {
    fn run(mut self) {
        while let Ok(first) = self.batch.recv() {
            let (mut groups, mut releases) = (Vec::new(), Vec::new());
            for batch in std::iter::once(first).chain(self.batch.try_iter()) {
                groups.extend(batch.group);
                releases.extend(batch.releases);
            }
            if let Err(error) = self.write(&groups) {
                drop(releases);
                return (self.fatal)(format!("the record cannot be written: {error}"));
            }
            for release in releases {
                release();
            }
            if !groups.is_empty() {
                drop(self.groups.send(groups));
            }
            if let Err(error) = self.prepare() {
                return (self.fatal)(format!("the record cannot be extended: {error}"));
            }
        }
    }

    fn write(&mut self, groups: &[Group]) -> Result<(), record::StoreError> {
        if groups.is_empty() {
            return Ok(());
        }
        self.journal.write(groups)?;
        self.metrics.groups.fetch_add(1, Ordering::Relaxed);
        let entries: usize = groups.iter().map(|group| group.leaves.len()).sum();
        self.metrics.entries.fetch_add(u64::try_from(entries).unwrap_or(0), Ordering::Relaxed);
        self.undurable.fetch_sub(groups.iter().map(bytes_of).sum(), Ordering::Relaxed);
        Ok(())
    }

    fn prepare(&mut self) -> Result<(), record::StoreError> {
        if self.journal.needs_spare() {
            self.journal.make_spare()?;
            self.journal.retire(self.bundles.load(Ordering::Acquire))?;
        }
        Ok(())
    }
}

struct Publishes<S> {
    publisher: Publisher<S>,
    signer: Signer,
    group: Receiver<Vec<Group>>,
    bundles: Arc<AtomicU64>,
    published: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
    fatal: Arc<dyn Fn(String) + Send + Sync>,
}

impl<S: Store> Publishes<S> {
    fn run(mut self) {
        loop {
            let groups = self.group.recv_timeout(Duration::from_secs(1));
            let ends = matches!(groups, Err(RecvTimeoutError::Disconnected));
            for group in groups.into_iter().chain(self.group.try_iter()).flatten() {
                self.publisher.absorb(group);
            }
            if let Err(error) = self.publish() {
                return (self.fatal)(format!("the checkpoint cannot be published: {error}"));
            }
            if ends {
                return;
            }
            std::thread::sleep(Duration::from_millis(800));
        }
    }

    fn publish(&mut self) -> Result<(), record::StoreError> {
        if self.publisher.publish(&self.signer)?.is_some() {
            self.bundles.store(self.publisher.durable_bundles(), Ordering::Release);
            self.published.store(self.publisher.published(), Ordering::Release);
            self.metrics.published.store(self.publisher.published(), Ordering::Relaxed);
        }
        Ok(())
    }
}

fn bytes_of(group: &Group) -> u64 {
    let bytes: usize = group.leaves.iter().map(|leaf| leaf.envelope.len().saturating_add(leaf.parties.len())).sum();
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn closed() -> Unavailable {
    Unavailable("the record is closed".to_owned())
}

fn gone(_: oneshot::error::RecvError) -> Unavailable {
    Unavailable("the record could not be written; nothing was decided".to_owned())
}
