//! Simulation: the recorded acts once more, under other terms, by the very code that judges live.
//!
//! A partnership of its own is founded on the other terms, whose entries are counted and not kept, and handed the recorded acts at the recorded
//! times with their recorded outcomes; what the clerk does of itself follows by itself. Not here: reading a record, or writing one.
//! `docs/why/0017` says what of a record can be handed over, and what cannot.

mod rehearsal;
mod report;
mod terms;

pub use report::{AccountDifference, ClauseDifference, CostDifference, Flip, Report};

use crate::act::{Act, Deed, Ended, Outcome, Principal, Usage};
use crate::entry::{Body, Decided, Entry, Genesis, Settled, Verdict};
use crate::ids::{ActId, ClauseId, PartyId};
use crate::partnership::Fatal;
use crate::state::{ReplayError, State};
use crate::terms::Terms;
use rehearsal::{Answered, Rehearsal};
use report::Tally;

/// Why a simulation cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The record does not hold.
    #[error("entry {0} of the record does not follow: {1}")]
    Record(u64, ReplayError),
    /// The record does not begin as one does.
    #[error("the record does not begin with its first entry")]
    NoGenesis,
    /// The terms cannot be read as effective since the record began.
    #[error("the terms cannot hold since the record began: {0}")]
    Terms(String),
    /// The other terms know other parties.
    #[error(
        "the terms have no party `{0}`, and the record does; acts of one party cannot be given to another"
    )]
    Party(PartyId),
    /// A key or the log of the rehearsal cannot be made.
    #[error("the rehearsal cannot begin: {0}")]
    Begin(String),
    /// The rehearsal fails, as no partnership may.
    #[error("the rehearsal stopped at entry {0} of the record: {1}")]
    Fatal(u64, Fatal),
}

/// A simulation under way. Memory grows with what is open, with accounts and clauses, and not with the record.
#[derive(Debug)]
pub struct Simulation {
    before: State,
    after: Option<Rehearsal>,
    terms: Terms,
    seed: [u8; 32],
    keeps: bool,
    tally: Tally,
}

impl Simulation {
    /// Begins a simulation under `terms`. Its keys and the ids of the clerk's own acts follow from `seed`.
    #[must_use]
    pub fn new(terms: Terms, seed: [u8; 32]) -> Self {
        Self { before: State::new([]), after: None, terms, seed, keeps: false, tally: Tally::default() }
    }

    /// Whether a document that an entry names is missing.
    #[must_use]
    pub fn lacks(&self, digest: &crate::act::Digest) -> bool {
        self.before.document(digest).is_none()
    }

    /// Adds a document that entries name.
    pub fn know(&mut self, terms: Terms) {
        self.before.know(terms);
    }

    /// The state of the rehearsal; none before the first entry.
    #[must_use]
    pub fn state(&self) -> Option<&State> {
        self.after.as_ref().map(Rehearsal::state)
    }

    /// Keeps the entries that the rehearsal writes until [`Simulation::written`] takes them. To be said before the first entry.
    #[must_use]
    pub fn keeping(mut self) -> Self {
        self.keeps = true;
        self
    }

    /// The entries that the rehearsal wrote since this was last asked, where they are kept.
    pub fn written(&mut self) -> Vec<record::Leaf> {
        self.after.as_mut().map(Rehearsal::written).unwrap_or_default()
    }

    /// Takes the next recorded entry, in their order, from the first.
    ///
    /// # Errors
    /// [`SimulationError`]; then the simulation is over.
    pub fn entry(&mut self, index: u64, entry: &Entry) -> Result<(), SimulationError> {
        let open = match &entry.body {
            Body::Settled(settled) => self.before.open_act(&settled.act).cloned(),
            _ => None,
        };
        let waited = matches!(&entry.body, Body::Decided(decided) if self.before.waiting_act(&decided.act.id).is_some());
        self.before.apply(entry, index).map_err(|error| SimulationError::Record(index, error))?;
        if let Body::Genesis(genesis) = &entry.body {
            return self.found(genesis, entry, index);
        }
        let rehearsal = self.after.as_mut().ok_or(SimulationError::NoGenesis)?;
        let fatal = |error| SimulationError::Fatal(index, error);
        rehearsal.advance(entry.at).map_err(fatal)?;
        match &entry.body {
            Body::Decided(decided) if waited => self.freed(decided).map_err(fatal),
            Body::Decided(decided) => self.decided(index, decided).map_err(fatal),
            Body::Settled(settled) => {
                if let Some(open) = open {
                    let card = open.tariff.as_ref().map(|tariff| tariff.clause.clone());
                    self.tally.charge_before(&open.act, card, settled);
                }
                self.settled(settled).map_err(fatal)
            }
            _ => Ok(()),
        }
    }

    /// What came of it so far. Empty before the first entry.
    #[must_use]
    pub fn report(&self) -> Report {
        let after = self.after.as_ref().map(Rehearsal::state);
        self.tally.report(&self.terms, &self.before, after)
    }

    fn found(&mut self, genesis: &Genesis, entry: &Entry, index: u64) -> Result<(), SimulationError> {
        for (party, _) in &genesis.vkeys {
            if self.terms.memorandum().header.party(party).is_none() {
                return Err(SimulationError::Party(party.clone()));
            }
        }
        let terms = terms::since(&self.terms, entry.at.date()).map_err(SimulationError::Terms)?;
        self.after = Some(Rehearsal::found(terms, genesis, entry.at, (self.seed, self.keeps), index)?);
        Ok(())
    }

    /// An act that the record decides for the first time.
    fn decided(&mut self, index: u64, decided: &Decided) -> Result<(), Fatal> {
        let Some(rehearsal) = self.after.as_mut() else { return Ok(()) };
        let act = &decided.act;
        let was_refused = matches!(decided.verdict, Verdict::Deny { .. });
        match &act.deed {
            // The clerk's own acts follow by themselves; that its time has come is all that is taken from them.
            _ if act.principal == Principal::Clerk => return rehearsal.tick(),
            Deed::Approve(approve) if was_refused || !rehearsal.waits_for(approve) => return Ok(()),
            Deed::Infer(_) | Deed::Approve(_) => {}
            deed if was_refused || !is_rehearsed(deed) => {
                self.tally.leave_out(deed.name());
                return Ok(());
            }
            _ => {}
        }
        let answered = rehearsal.propose(act)?;
        self.tally.compare(index, decided, &answered);
        if let (Answered::Allowed, Deed::Infer(infer), true) = (&answered, &act.deed, was_refused) {
            // Refused on the record, so nobody knows what it would have used: all that it asked for.
            let usage = Usage {
                input_tokens: infer.input_tokens_max,
                output_tokens: infer.output_tokens_max,
                ..Usage::default()
            };
            let outcome = Outcome { ended: Ended::Done, usage: Some(usage), ..Outcome::lost() };
            self.tally.assumed = self.tally.assumed.saturating_add(1);
            self.end(&act.id, outcome)?;
        }
        Ok(())
    }

    /// An act that waited on the record and is decided at last.
    fn freed(&mut self, decided: &Decided) -> Result<(), Fatal> {
        let Some(rehearsal) = self.after.as_mut() else { return Ok(()) };
        if decided.verdict == Verdict::Allow && is_rehearsed(&decided.act.deed) {
            self.assume_approved(&decided.act.id)
        } else {
            rehearsal.tick()
        }
    }

    fn settled(&mut self, settled: &Settled) -> Result<(), Fatal> {
        let Some(rehearsal) = self.after.as_mut() else { return Ok(()) };
        if settled.ended == Ended::Lapsed {
            return rehearsal.tick();
        }
        if settled.kind != "infer" {
            return if settled.ended == Ended::Done { self.assume_approved(&settled.act) } else { Ok(()) };
        }
        let outcome = Outcome {
            ended: settled.ended,
            usage: settled.usage,
            estimated: settled.estimated,
            attempts: settled.attempts.clone(),
            output: settled.output,
            kept: settled.kept,
        };
        self.end(&settled.act, outcome)
    }

    /// What took effect on the record was approved by all whom its terms asked; where the other terms ask for more, that they would
    /// have approved is assumed.
    fn assume_approved(&mut self, id: &ActId) -> Result<(), Fatal> {
        let Some(rehearsal) = self.after.as_mut() else { return Ok(()) };
        let approvals = rehearsal.approve_for_all(id)?;
        self.tally.approvals_assumed = self.tally.approvals_assumed.saturating_add(approvals);
        Ok(())
    }

    /// Settles a call of the rehearsal, if it is open there.
    fn end(&mut self, id: &ActId, outcome: Outcome) -> Result<(), Fatal> {
        let Some(rehearsal) = self.after.as_mut() else { return Ok(()) };
        if let Some((act, card, charged)) = rehearsal.settle(id, outcome)? {
            self.tally.charge_after(&act, card, charged.as_ref());
        }
        Ok(())
    }
}

/// Whether other terms may make something else of an act. Versions of the memorandum are not proposed again, and nobody withdraws from
/// one, since the simulated one holds throughout; keys of parties, witnesses and the log decide nothing of calls or money, and neither does what is erased.
fn is_rehearsed(deed: &Deed) -> bool {
    use crate::act::Administer;
    match deed {
        Deed::Amend(_) | Deed::Withdraw(_) | Deed::Erase(_) => false,
        Deed::Administer(change) => !matches!(
            change,
            Administer::WitnessKeyAdd(_)
                | Administer::WitnessKeyRevoke(_)
                | Administer::PartyKeyChange(_)
                | Administer::PartyKeyRecover(_)
                | Administer::LogKeyChange(_)
                | Administer::LogKeyRecover(_)
        ),
        _ => true,
    }
}

/// Who pays for an act, and by which rate card it is priced.
fn payer(act: &Act, card: Option<ClauseId>) -> Option<(PartyId, ClauseId)> {
    act.principal.party().cloned().zip(card)
}
