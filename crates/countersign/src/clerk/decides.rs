//! The thread that decides: one turn after the other, each over all that has come since the last.
//!
//! Not here: any disk. What a turn leaves is handed on, with those who wait for it.

use super::{Batch, Durable, Order, Proposed, Release, STEP_MS, Standing, bytes_of, gather};
use crate::clock::Clock;
use crate::office::{Desk, Undone};
use crate::telemetry::{Metrics, count};
use arc_swap::ArcSwap;
use partnership::decision::Decision;
use partnership::ids::Timestamp;
use partnership::state::Snapshot;
use partnership::{Answer, Command, Entropy, Fatal, Partnership, Reply};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long the thread sleeps at most: what falls due is looked at each second.
const TICK: Duration = Duration::from_secs(1);
/// A second of the machine's clock. Units: milliseconds.
const SECOND_MS: i64 = 1_000;

pub(super) struct Decides {
    pub(super) partnership: Partnership,
    pub(super) order: Receiver<Order>,
    pub(super) out: Out,
    pub(super) desk: Arc<ArcSwap<Desk>>,
    pub(super) standing: Arc<Standing>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Clock,
    /// What the clock said at the last turn.
    pub(super) was: Timestamp,
    /// The epoch of what was last published to the desk.
    pub(super) epoch: u64,
    /// Whether there are acts whose time is up and whose performers are alive.
    pub(super) holds: bool,
}

/// Where a turn's work goes.
pub(super) struct Out {
    /// To the journal.
    pub(super) batches: Sender<Batch>,
    /// To whoever keeps snapshots, once their entries are durable.
    pub(super) snapshots: Sender<Snapshot>,
    /// To whoever performs what nobody waits for, once it is durable.
    pub(super) unasked: Arc<Undone>,
}

/// Who waits for the answer to a command.
enum Waits {
    Decision(oneshot::Sender<Proposed>),
    Answer(oneshot::Sender<Answer>),
    Nothing(oneshot::Sender<()>),
    Nobody,
}

/// One turn's work: each command with who waits for it, and the questions to answer after it.
#[derive(Default)]
struct Round {
    commands: Vec<Command>,
    waits: Vec<Option<Waits>>,
    questions: Vec<super::Question>,
    proposals: usize,
    ends: bool,
}

impl Decides {
    /// Decides until told to stop.
    ///
    /// Errors: why it cannot go on. What the last turn appended is then never sealed, since memory may be ahead of it.
    pub(super) fn run(mut self) -> Result<(), String> {
        loop {
            let first = match self.order.recv_timeout(TICK) {
                Ok(order) => {
                    gather();
                    Some(order)
                }
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            let (now, seed) = (self.clock.now(), self.clock.random());
            if self.turn(now, seed, first).map_err(|error| error.to_string())? {
                return Ok(());
            }
        }
    }

    /// One turn over all that has come, at `now` and with fresh randomness; true where it was the last.
    pub(super) fn turn(
        &mut self,
        now: Timestamp,
        seed: [u8; 32],
        first: Option<Order>,
    ) -> Result<bool, Fatal> {
        let mut round = Round::default();
        self.clock_commands(now).into_iter().for_each(|command| round.add(command, Waits::Nobody));
        first.into_iter().chain(self.order.try_iter()).for_each(|order| round.take(order));
        self.standing.proposals.fetch_sub(round.proposals, Ordering::Relaxed);
        let mut entropy = Entropy::new(seed);
        let mut releases = Vec::with_capacity(round.waits.len());
        self.partnership.is_durable_to(self.standing.durable.load(Ordering::Acquire));
        for reply in self.partnership.turn(now, &mut entropy, round.commands)? {
            self.count(&reply);
            let waits = round.waits.get_mut(reply.command).and_then(Option::take);
            releases.extend(waits.and_then(|waits| waits.release(reply.answer, reply.starts)));
        }
        releases.extend(round.questions.into_iter().map(|question| question(self.partnership.state())));
        self.hand_on(releases);
        Ok(round.ends)
    }

    /// What the clock asks for: to note a step back, and to do what is due when a second has passed.
    fn clock_commands(&mut self, now: Timestamp) -> Vec<Command> {
        let was = std::mem::replace(&mut self.was, now);
        let mut commands = Vec::new();
        if now.as_millis().saturating_sub(was.as_millis()) < STEP_MS.saturating_neg() {
            commands.push(Command::Clock { was, now });
        }
        let second = |at: Timestamp| at.as_millis().div_euclid(1000);
        if second(now) != second(was) {
            // Until the second is over, when it is asked again.
            let until = now.max(self.partnership.state().at()).plus_millis(SECOND_MS);
            let held = self.partnership.state().held_over(until);
            if !held.is_empty() || self.holds {
                self.holds = !held.is_empty();
                commands.push(Command::Held(held));
            }
            commands.push(Command::Tick);
        }
        commands
    }

    fn count(&self, reply: &Reply) {
        if reply.starts {
            count(&self.metrics.started_early);
        }
        match &reply.answer {
            Answer::Decided(Decision::Allow(_) | Decision::Done(_)) => count(&self.metrics.allowed),
            Answer::Decided(Decision::Deny(_)) => count(&self.metrics.refused),
            Answer::Decided(Decision::Escalate(_)) => count(&self.metrics.waiting),
            Answer::Decided(Decision::Repeated(_)) => count(&self.metrics.repeated),
            Answer::Settled(_) => count(&self.metrics.settled),
            Answer::Late(_) | Answer::Noted => {}
        }
    }

    /// Hands the turn's entries to the journal, with those who wait. What every request reads changes first among them, so
    /// that nobody is told of a change that the next request does not see.
    fn hand_on(&mut self, mut releases: Vec<Release>) {
        let state = self.partnership.state();
        if state.epoch() != self.epoch
            && let Some(desk) = Desk::of(state)
        {
            self.epoch = state.epoch();
            let (desk, published) = (Arc::new(desk), Arc::clone(&self.desk));
            releases.insert(0, Box::new(move || published.store(desk)));
        }
        if let Some(snapshot) = self.partnership.snapshot() {
            let snapshots = self.out.snapshots.clone();
            releases.push(Box::new(move || snapshots.send(snapshot).unwrap_or_default()));
        }
        // Before anybody hears of it: who ends right after its answer carries out what that has freed.
        let warrants = self.partnership.unasked();
        if !warrants.is_empty() {
            let unasked = Arc::clone(&self.out.unasked);
            releases.insert(0, Box::new(move || unasked.add(warrants)));
        }
        let group = self.partnership.log().seal();
        if group.is_some() || !releases.is_empty() {
            let bytes = group.as_ref().map_or(0, bytes_of);
            self.standing.undurable.fetch_add(bytes, Ordering::Relaxed);
            drop(self.out.batches.send(Batch { group, releases }));
        }
    }
}

impl Round {
    fn add(&mut self, command: Command, waits: Waits) {
        self.commands.push(command);
        self.waits.push(Some(waits));
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Propose(act, assessed, answer) => {
                self.proposals = self.proposals.saturating_add(1);
                self.add(Command::Propose(act, assessed), Waits::Decision(answer));
            }
            Order::Settle(warrant, outcome, answer) => {
                self.add(Command::Settle(warrant, outcome), Waits::Answer(answer));
            }
            Order::Tell(command, answer) => self.add(command, Waits::Nothing(answer)),
            Order::Ask(question) => self.questions.push(question),
            Order::Stop => self.ends = true,
        }
    }
}

impl Waits {
    /// What lets the caller go. A call that `starts` is let go now, with something to wait for.
    fn release(self, answer: Answer, starts: bool) -> Option<Release> {
        match (self, answer) {
            (Self::Decision(caller), Answer::Decided(decision)) if starts => {
                let (tells, durable) = oneshot::channel();
                drop(caller.send(Proposed { decision, durable: Durable(Some(durable)) }));
                Some(Box::new(move || tells.send(()).unwrap_or_default()))
            }
            (Self::Decision(caller), Answer::Decided(decision)) => {
                let proposed = Proposed { decision, durable: Durable(None) };
                Some(Box::new(move || drop(caller.send(proposed))))
            }
            (Self::Answer(caller), answer) => Some(Box::new(move || drop(caller.send(answer)))),
            (Self::Nothing(caller), _) => Some(Box::new(move || caller.send(()).unwrap_or_default())),
            (Self::Nobody | Self::Decision(_), _) => None,
        }
    }
}
