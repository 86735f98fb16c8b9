//! One turn: commands in, entries out, answers back. The only place where a warrant is made.
//!
//! Not here: threads, disks and clocks. `turn` appends to the log's buffer and never syncs; the clerk lets a reply go when the
//! durable watermark has passed its index.

use crate::act::{Act, Deed, Ended, Outcome, Principal};
use crate::decision::{Decision, Refusal, Settlement, Ticket, Warrant};
use crate::entry::{
    Body, ClockStep, Decided, Entry, EntryError, Genesis, Refused, Settled, StateDigest, Tally, Verdict,
};
use crate::ids::{ActId, Timestamp};
use crate::investment::chart;
use crate::judge::Due;
use crate::lease::{Caps, Exposure};
use crate::state::{Open, ReplayError, Snapshot, State};
use record::{Log, LogError};
use std::collections::BTreeSet;
use std::sync::Arc;

pub use crate::judge::Assessed;

/// A state digest is written after so many entries.
pub const DIGEST_EVERY: u64 = 1024;

/// What the clerk hands to a turn.
#[derive(Debug)]
pub enum Command {
    /// An act is proposed, with the assessment made of it beforehand where it is a model call.
    Propose(Box<Act>, Option<Assessed>),
    /// A performance has ended.
    Settle(Warrant, Outcome),
    /// The machine's clock stepped.
    Clock {
        /// What it said before.
        was: Timestamp,
        /// What it says now.
        now: Timestamp,
    },
    /// Requests that rate limits refused since the last tally.
    Tally(Vec<Refused>),
    /// A document that later acts may name, and nothing else.
    Know(Box<crate::terms::Terms>),
    /// Whoever performs these acts is alive: until the next such command none of them lapses, though its time be up.
    Held(BTreeSet<ActId>),
    /// Time has passed.
    Tick,
}

/// The answer to one command, and how far the record must be durable before anyone is told.
#[derive(Debug)]
pub struct Reply {
    /// The position of the command among those handed in.
    pub command: usize,
    /// The tree size that must be durable first.
    pub durable: u64,
    /// Whether a call that was allowed may start before that, under the lease in force. Its caller is still told nothing before.
    pub starts: bool,
    /// The answer.
    pub answer: Answer,
}

/// What a command is answered with.
#[derive(Debug)]
pub enum Answer {
    /// A proposed act was decided.
    Decided(Decision),
    /// A performance was settled.
    Settled(Settlement),
    /// The act was settled before, because its warrant had lapsed: the outcome counts no more.
    Late(ActId),
    /// Noted; there is nothing to say.
    Noted,
}

/// Why a turn cannot go on. The caller must stop: memory may be ahead of the disk.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// An entry that was judged to fit does not.
    #[error("an entry that was judged to fit does not: {0}")]
    Apply(#[from] ReplayError),
    /// The log does not take an entry.
    #[error("the log does not take an entry: {0}")]
    Append(#[from] LogError),
}

/// Randomness for one turn, handed in so that the core has none of its own.
#[derive(Debug, Clone)]
pub struct Entropy {
    seed: [u8; 32],
    drawn: u64,
}

impl Entropy {
    /// Randomness from 32 fresh bytes. Each turn needs fresh ones.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The next 32 bytes.
    pub fn seed(&mut self) -> [u8; 32] {
        self.drawn = self.drawn.saturating_add(1);
        let text = [b"countersign/entropy/v1\0".as_slice(), &self.seed, &self.drawn.to_be_bytes()].concat();
        record::hash::sha256(&text)
    }

    /// An act id made at `at`: a UUID of version 7.
    pub fn act_id(&mut self, at: Timestamp) -> ActId {
        let mut random = [0; 10];
        for (to, from) in random.iter_mut().zip(self.seed()) {
            *to = from;
        }
        let millis = u64::try_from(at.as_millis()).unwrap_or(0);
        ActId::from_u128(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().as_u128())
    }
}

/// A partnership under way: its state, and the log that it writes.
#[derive(Debug)]
pub struct Partnership {
    state: State,
    log: Log,
    /// How many entries there are where they are only counted; the log then stays as it was.
    counted: Option<u64>,
    /// What the operator asks of leases; none where every call waits until its decision is durable.
    caps: Option<Caps>,
    exposure: Exposure,
    /// How many entries are known to be durable.
    durable: u64,
    /// The acts that do not lapse, since whoever performs them is alive.
    held: BTreeSet<ActId>,
    snapshots: Option<Snapshots>,
    /// The warrants that this turn made and no command is answered with.
    unasked: Vec<Warrant>,
}

/// When a snapshot is due, and the last one that was not fetched yet.
#[derive(Debug)]
struct Snapshots {
    every: u64,
    /// How many entries the last one stood for.
    last: u64,
    taken: Option<Snapshot>,
}

impl Partnership {
    /// Begins a record with its genesis entry. The state must know the memorandum.
    ///
    /// Errors: [`Fatal`] where the genesis does not fit the state.
    pub fn found(
        state: State,
        log: Log,
        at: Timestamp,
        genesis: Genesis,
        entropy: &mut Entropy,
    ) -> Result<Self, Fatal> {
        let mut partnership = Self::over(state, log);
        let mut genesis = genesis;
        if let Some(terms) = partnership.state.document(&genesis.memorandum) {
            genesis.transfers = chart::opening(terms, partnership.state.book(), 0, 0);
        }
        partnership.write(at, entropy, Body::Genesis(genesis))?;
        partnership.fall_due(at, entropy)?;
        Ok(partnership)
    }

    /// Goes on with a record whose entries have been folded into `state`.
    ///
    /// Also gives the warrants in doubt, in order of act: allowed and unsettled when the record ended.
    #[must_use]
    pub fn resume(state: State, log: Log) -> (Self, Vec<Warrant>) {
        let in_doubt = state
            .open()
            .filter(|(_, open)| open.act.deed.is_performed())
            .map(|(_, open)| warrant(open))
            .collect();
        (Self::over(state, log), in_doubt)
    }

    fn over(state: State, log: Log) -> Self {
        let (exposure, held) = (Exposure::default(), BTreeSet::new());
        let counted = None;
        Self {
            state,
            log,
            counted,
            caps: None,
            exposure,
            durable: 0,
            held,
            snapshots: None,
            unasked: Vec::new(),
        }
    }

    /// Lets calls start before their decisions are durable, under leases with these caps. The first is written with the first call.
    pub fn lend(&mut self, caps: Caps) {
        self.caps = Some(caps);
    }

    /// From now on entries are folded in and counted, and neither spelled nor kept: for a rehearsal, of which nobody reads the entries.
    /// No snapshots are taken of it.
    pub fn count_only(&mut self) {
        self.counted = Some(self.log.size());
    }

    /// How many entries there are.
    fn size(&self) -> u64 {
        self.counted.unwrap_or_else(|| self.log.size())
    }

    /// Takes a snapshot at a `state-digest` entry once `every` entries have followed on the `last` of which there is one.
    pub fn take_snapshots(&mut self, every: u64, last: u64) {
        self.snapshots = Some(Snapshots { every, last, taken: None });
    }

    /// The snapshot that was taken since this was last asked. Its entries may not be durable yet.
    pub fn snapshot(&mut self) -> Option<Snapshot> {
        self.snapshots.as_mut()?.taken.take()
    }

    /// The warrants that were made since this was last asked and that no reply carries: of what was due, and of what was freed by its last
    /// approval. Whoever performs them waits until all that was appended so far is durable.
    pub fn unasked(&mut self) -> Vec<Warrant> {
        std::mem::take(&mut self.unasked)
    }

    /// The first `size` entries are durable.
    pub fn is_durable_to(&mut self, size: u64) {
        self.durable = self.durable.max(size);
        self.exposure.recede(self.durable);
    }

    /// Runs one turn: judges each command, appends what was decided, and answers.
    ///
    /// Settlements go first, then what fell due, then the rest, each in the order handed in. Shape: one reply a command.
    /// Errors: [`Fatal`]; the caller must stop and load again, since memory may be ahead of the disk.
    pub fn turn(
        &mut self,
        at: Timestamp,
        entropy: &mut Entropy,
        commands: Vec<Command>,
    ) -> Result<Vec<Reply>, Fatal> {
        let at = at.max(self.state.at());
        for command in &commands {
            if let Command::Held(acts) = command {
                self.held.clone_from(acts);
            }
        }
        let (settlements, rest): (Vec<_>, Vec<_>) =
            commands.into_iter().enumerate().partition(|(_, command)| matches!(command, Command::Settle(..)));
        let mut replies = Vec::with_capacity(settlements.len().saturating_add(rest.len()));
        for (command, order) in settlements {
            replies.push(self.run(at, entropy, command, order)?);
        }
        self.lapse(at, entropy)?;
        for (command, order) in rest {
            replies.push(self.run(at, entropy, command, order)?);
        }
        Ok(replies)
    }

    /// What has been folded in so far.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The log, to seal what was appended.
    pub fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    fn run(
        &mut self,
        at: Timestamp,
        entropy: &mut Entropy,
        command: usize,
        order: Command,
    ) -> Result<Reply, Fatal> {
        let mut starts = false;
        let answer = match order {
            Command::Propose(act, assessed) => {
                let decision = self.propose(at, entropy, &act, assessed.as_ref())?;
                // Only a call may start before its decision is durable.
                if let Decision::Allow(warrant) = &decision
                    && matches!(warrant.act.deed, Deed::Infer(_))
                {
                    starts = self.starts_at_once(&warrant.act.id, at);
                    self.renew_lease(at, entropy)?;
                }
                Answer::Decided(decision)
            }
            Command::Settle(warrant, outcome) => self.settle(at, entropy, &warrant, outcome)?,
            Command::Clock { was, now } => {
                self.write(at, entropy, Body::Clock(ClockStep { at, was, now }))?;
                Answer::Noted
            }
            Command::Tally(refused) => {
                self.write(at, entropy, Body::Tally(Tally { at, refused }))?;
                Answer::Noted
            }
            Command::Know(terms) => {
                self.state.know(*terms);
                Answer::Noted
            }
            Command::Held(_) => Answer::Noted,
            Command::Tick => {
                self.fall_due(at, entropy)?;
                Answer::Noted
            }
        };
        self.digest_if_due(at, entropy)?;
        Ok(Reply { command, durable: self.size(), starts, answer })
    }

    /// Whether a call that was just allowed may start before its decision is durable; then it counts against the lease until it is.
    fn starts_at_once(&mut self, id: &ActId, at: Timestamp) -> bool {
        let (Some((index, lease)), Some(open)) = (&self.state.lease, self.state.open.get(id)) else {
            return false;
        };
        self.caps.is_some() && *index < self.durable && self.exposure.take(lease, open, at)
    }

    fn renew_lease(&mut self, at: Timestamp, entropy: &mut Entropy) -> Result<(), Fatal> {
        let due = self.caps.as_ref().and_then(|caps| caps.due(self.state.lease(), at));
        if let Some(lease) = due {
            self.write(at, entropy, Body::Lease(lease))?;
        }
        Ok(())
    }

    fn propose(
        &mut self,
        at: Timestamp,
        entropy: &mut Entropy,
        act: &Act,
        assessed: Option<&Assessed>,
    ) -> Result<Decision, Fatal> {
        if let Some(repeated) = self.state.repeated(act, at) {
            return Ok(Decision::Repeated(repeated));
        }
        let decided = self.state.judge(act, assessed, at);
        let (id, performed) = (act.id, act.deed.is_performed());
        let (verdict, clauses) = (decided.verdict.clone(), decided.clauses.clone());
        let deviations = decided.deviations.clone();
        let index = self.decide(at, entropy, decided)?;
        match verdict {
            Verdict::Deny { code, remedy, refills } => {
                let clause = clauses.first().cloned();
                let message = clause
                    .as_ref()
                    .filter(|_| code.is_in_the_clauses_words())
                    .filter(|id| !self.state.in_force().is_given_up(id, at.date()))
                    .map(|id| self.state.in_force().prose(id))
                    .filter(|prose| !prose.is_empty());
                let message = message.unwrap_or_else(|| remedy.clone());
                Ok(Decision::Deny(Refusal { act: id, code, clause, message, remedy, refills, index }))
            }
            Verdict::Escalate { digest, by } => {
                let clause = clauses.first().cloned().unwrap_or_else(|| crate::ids::ClauseId::from(""));
                Ok(Decision::Escalate(Ticket { act: id, digest, clause, missing: by, index }))
            }
            Verdict::Allow if performed => {
                let open = self.state.open.get(&id).map(warrant);
                let mut warrant = open.unwrap_or_else(|| unreachable!("what was just allowed is open"));
                warrant.deviations = deviations;
                Ok(Decision::Allow(warrant))
            }
            Verdict::Allow => {
                let settlement =
                    self.conclude(at, entropy, id, Outcome { ended: Ended::Done, ..Outcome::lost() })?;
                self.fall_due(at, entropy)?;
                Ok(Decision::Done(settlement))
            }
        }
    }

    fn settle(
        &mut self,
        at: Timestamp,
        entropy: &mut Entropy,
        warrant: &Warrant,
        outcome: Outcome,
    ) -> Result<Answer, Fatal> {
        let id = warrant.act.id;
        if self.state.open.contains_key(&id) {
            self.conclude(at, entropy, id, outcome).map(Answer::Settled)
        } else {
            Ok(Answer::Late(id))
        }
    }

    /// Writes how an open act ended.
    fn conclude(
        &mut self,
        at: Timestamp,
        entropy: &mut Entropy,
        id: ActId,
        outcome: Outcome,
    ) -> Result<Settlement, Fatal> {
        let open = self.state.open.get(&id).unwrap_or_else(|| unreachable!("only open acts are concluded"));
        let settled: Settled = self.state.settlement_of(open, outcome, at);
        let told = settled.told(self.size());
        self.write(at, entropy, Body::Settled(Box::new(settled)))?;
        Ok(told)
    }

    fn decide(&mut self, at: Timestamp, entropy: &mut Entropy, decided: Decided) -> Result<u64, Fatal> {
        self.write(at, entropy, Body::Decided(Box::new(decided)))
    }

    /// Settles what lapsed; cheap enough for every turn.
    fn lapse(&mut self, at: Timestamp, entropy: &mut Entropy) -> Result<(), Fatal> {
        let mut over = self.state.open.iter().take_while(|(_, open)| open.is_over(at));
        let lapsed = over.any(|(id, _)| !self.held.contains(id));
        if lapsed { self.fall_due(at, entropy) } else { Ok(()) }
    }

    /// Does whatever is due, until nothing is.
    fn fall_due(&mut self, at: Timestamp, entropy: &mut Entropy) -> Result<(), Fatal> {
        while let Some(due) = self.state.due(at, &self.held) {
            match due {
                Due::Settle(id, outcome) => drop(self.conclude(at, entropy, id, outcome)?),
                Due::Free(id) => self.free(at, entropy, id)?,
                Due::Propose(deed) => {
                    let act = Act { id: entropy.act_id(at), principal: Principal::Clerk, deed };
                    let (id, performed) = (act.id, act.deed.is_performed());
                    let decided = self.state.judge(&act, None, at);
                    self.decide(at, entropy, decided)?;
                    if performed {
                        self.hand_out(id);
                        continue;
                    }
                    self.conclude(at, entropy, id, Outcome { ended: Ended::Done, ..Outcome::lost() })?;
                }
            }
        }
        Ok(())
    }

    /// Keeps the warrant of an act that was just allowed and that nobody waits for.
    fn hand_out(&mut self, id: ActId) {
        self.unasked.extend(self.state.open.get(&id).map(warrant));
    }

    /// Decides an act whose approvals are complete: allowed if it still fits. Done at once, unless it is an amendment, which
    /// waits for its day, or must be performed.
    fn free(&mut self, at: Timestamp, entropy: &mut Entropy, id: ActId) -> Result<(), Fatal> {
        let decided = self.state.judge_approved(&id);
        let (allowed, performed) = (decided.verdict == Verdict::Allow, decided.act.deed.is_performed());
        let done_at_once = allowed && !performed && !matches!(decided.act.deed, Deed::Amend(_));
        self.decide(at, entropy, decided)?;
        if allowed && performed {
            self.hand_out(id);
        }
        if done_at_once {
            self.conclude(at, entropy, id, Outcome { ended: Ended::Done, ..Outcome::lost() })?;
        }
        Ok(())
    }

    fn digest_if_due(&mut self, at: Timestamp, entropy: &mut Entropy) -> Result<(), Fatal> {
        let size = self.size();
        let is_due = size.saturating_sub(self.state.digested) >= DIGEST_EVERY;
        if is_due {
            let digest = self.state.digest_kept_up();
            self.write(at, entropy, Body::StateDigest(StateDigest { at, digest }))?;
            self.take_snapshot_if_due();
        }
        Ok(())
    }

    /// Copies the state; what that costs the turn grows with keys and open acts, so it is not done at every digest.
    fn take_snapshot_if_due(&mut self) {
        let size = self.log.size();
        let is_due = |snapshots: &&mut Snapshots| size.saturating_sub(snapshots.last) >= snapshots.every;
        if self.counted.is_some() {
            return;
        }
        if let Some(snapshots) = self.snapshots.as_mut().filter(is_due) {
            snapshots.last = size;
            snapshots.taken = Snapshot::of(self.state.clone(), self.log.root());
        }
    }

    /// Appends one entry and folds it in: the only way anything changes.
    fn write(&mut self, at: Timestamp, entropy: &mut Entropy, body: Body) -> Result<u64, Fatal> {
        let entry = Entry::new(&entropy.seed(), at, body);
        let index = match &mut self.counted {
            None => self.log.append(entry.encode())?,
            Some(count) => std::mem::replace(count, count.saturating_add(1)),
        };
        self.state.apply(&entry, index)?;
        Ok(index)
    }
}

/// Folds recorded entries into a state, one at a time, from the first.
///
/// Errors: [`FoldError`] at the first entry that does not decode or does not follow.
pub fn fold(state: &mut State, index: u64, envelope: &[u8], parties: &[u8]) -> Result<Entry, FoldError> {
    let entry = Entry::decode(envelope, parties)?;
    state.apply(&entry, index)?;
    Ok(entry)
}

/// Why a recorded entry could not be folded in.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// It does not decode.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// It does not follow the entries before it.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

fn warrant(open: &Open) -> Warrant {
    Warrant {
        act: Arc::clone(&open.act),
        index: open.index,
        at: open.at,
        lapses: open.lapses.unwrap_or(open.at),
        deviations: Vec::new(),
    }
}
