//! Judging again: whether an entry is what an honest clerk would have written at this point of the record. For whoever audits.
//!
//! Everything a decision rests on stands in the record, so the same clauses, books and signatures are asked once more, policies
//! included. Not compared: the wording of remedies and deviations, which may change between versions of this program.

use super::Due;
use crate::act::{Deed, Ended, Outcome, Principal};
use crate::decision::{Deviation, RefusalCode};
use crate::entry::{Body, Decided, Entry, Genesis, Settled, Verdict};
use crate::ids::{ActId, ClauseId, Timestamp};
use crate::investment::chart;
use crate::state::{Open, State};
use ledger::Book;
use std::fmt::Debug;

/// Why an entry is not what an honest clerk would have written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unjust {
    /// The first entry opens something else than the memorandum grants and commits.
    #[error("the first entry opens other amounts than the memorandum states")]
    Opening,
    /// A document is named that is not at hand.
    #[error("the memorandum `{0}` is not among the documents of the record")]
    NoMemorandum(String),
    /// An act went on without the approvals it waits for.
    #[error("act `{act}` went on without the approval of {missing}")]
    Unapproved {
        /// The act.
        act: ActId,
        /// Who has not approved.
        missing: String,
    },
    /// The clerk did something that was not due.
    #[error("act `{0}` is the clerk's own and was not due")]
    Undue(ActId),
    /// An act ended in a way that it could not end in then.
    #[error("act `{act}` cannot have ended as `{ended}` then")]
    Ending {
        /// The act.
        act: ActId,
        /// How it ended.
        ended: &'static str,
    },
    /// A lease lasts for longer than a day, or for no time, or caps nothing.
    #[error("a lease lasts a day at most, and its caps are above zero")]
    Lease,
    /// The clauses and the books give something else.
    #[error("act `{act}`: its {what} should be {expected}, and is {found}")]
    Differs {
        /// The act.
        act: ActId,
        /// What differs.
        what: &'static str,
        /// What clauses and books give.
        expected: String,
        /// What the entry says.
        found: String,
    },
}

impl State {
    /// Whether `entry` is what an honest clerk would have written next. This is the state before the entry.
    ///
    /// # Errors
    /// [`Unjust`]: the first thing that differs.
    pub fn check(&self, entry: &Entry) -> Result<(), Unjust> {
        match &entry.body {
            Body::Genesis(genesis) => self.check_opening(genesis),
            // The fold refuses whatever stands before the first entry's terms.
            _ if self.terms.is_none() => Ok(()),
            Body::Decided(decided) => self.check_decided(decided, entry.at),
            Body::Settled(settled) => self.check_settled(settled, entry.at),
            Body::Lease(lease) if !lease.is_sound() => Err(Unjust::Lease),
            Body::Clock(_) | Body::Tally(_) | Body::StateDigest(_) | Body::Lease(_) => Ok(()),
        }
    }

    fn check_opening(&self, genesis: &Genesis) -> Result<(), Unjust> {
        let missing = || Unjust::NoMemorandum(genesis.memorandum.hex());
        let terms = self.document(&genesis.memorandum).ok_or_else(missing)?;
        let opening = chart::opening(terms, &Book::new(), 0, 0);
        if opening == genesis.transfers { Ok(()) } else { Err(Unjust::Opening) }
    }

    fn check_decided(&self, decided: &Decided, at: Timestamp) -> Result<(), Unjust> {
        let act = &decided.act;
        let expected = match (self.waiting_act(&act.id), &act.principal) {
            (Some(waiting), _) if waiting.missing().is_empty() => self.judge_approved(&act.id),
            (Some(waiting), _) => {
                let missing: Vec<_> = waiting.missing().iter().map(ToString::to_string).collect();
                return Err(Unjust::Unapproved { act: act.id, missing: missing.join(", ") });
            }
            // Whether a receiver took a notice is on no record; each can be told of as undelivered once.
            (None, Principal::Clerk) if matches!(act.deed, Deed::Undelivered(_)) => self.judge(act, None, at),
            (None, Principal::Clerk) => match self.due_besides(at) {
                Some(Due::Propose(deed)) if deed == act.deed => self.judge(act, None, at),
                _ => return Err(Unjust::Undue(act.id)),
            },
            (None, _) => self.judge(act, None, at),
        };
        compare(&expected, decided)
    }

    fn check_settled(&self, settled: &Settled, at: Timestamp) -> Result<(), Unjust> {
        let id = settled.act;
        // The fold refuses what was not open.
        let Some(open) = self.open_act(&id) else { return Ok(()) };
        if !self.may_end(open, settled.ended, at) {
            return Err(Unjust::Ending { act: id, ended: settled.ended.name() });
        }
        let reported = Outcome {
            ended: settled.ended,
            usage: settled.usage,
            estimated: settled.estimated,
            attempts: settled.attempts.clone(),
            output: settled.output,
            kept: settled.kept,
        };
        let outcome = if matches!(open.act.deed, Deed::Infer(_)) {
            reported
        } else {
            Outcome { ended: settled.ended, ..Outcome::lost() }
        };
        let expected = self.settlement_of(open, outcome, at);
        same(id, "charge", &expected.charged, &settled.charged)?;
        same(id, "transfers", &expected.transfers, &settled.transfers)?;
        same(id, "settlement", &expected, settled)
    }

    fn may_end(&self, open: &Open, ended: Ended, at: Timestamp) -> bool {
        match &open.act.deed {
            Deed::Infer(_) if ended == Ended::Lapsed => open.is_over(at),
            Deed::Infer(_) => true,
            Deed::Erase(erase) if erase.clause.is_some() => ended == Ended::Done,
            Deed::Erase(_) => matches!(ended, Ended::Done | Ended::Lost),
            Deed::Amend(_) => {
                matches!(self.effective(at), Some(Due::Settle(id, outcome)) if id == open.act.id && outcome.ended == ended)
            }
            _ => ended == Ended::Done,
        }
    }
}

fn compare(expected: &Decided, found: &Decided) -> Result<(), Unjust> {
    let id = found.act.id;
    same(id, "act", &expected.act, &found.act)?;
    same(id, "decision", &Ruling::of(&expected.verdict), &Ruling::of(&found.verdict))?;
    same(id, "clauses", &expected.clauses, &found.clauses)?;
    same(id, "deviations", &against(&expected.deviations), &against(&found.deviations))?;
    same(id, "reservations", &expected.transfers, &found.transfers)?;
    same(id, "time of lapse", &expected.lapses, &found.lapses)?;
    same(id, "standing", &expected.standing, &found.standing)?;
    same(id, "version of the memorandum", &expected.memorandum, &found.memorandum)
}

/// A verdict without the wording of its remedy.
#[derive(Debug, PartialEq, Eq)]
enum Ruling<'a> {
    Allow,
    Deny(RefusalCode, Option<Timestamp>),
    Escalate(&'a crate::act::Digest, &'a [crate::ids::PartyId]),
}

impl<'a> Ruling<'a> {
    fn of(verdict: &'a Verdict) -> Self {
        match verdict {
            Verdict::Allow => Self::Allow,
            Verdict::Deny { code, refills, .. } => Self::Deny(*code, *refills),
            Verdict::Escalate { digest, by } => Self::Escalate(digest, by),
        }
    }
}

/// Deviations without their wording.
fn against(deviations: &[Deviation]) -> Vec<(&ClauseId, RefusalCode)> {
    deviations.iter().map(|deviation| (&deviation.clause, deviation.code)).collect()
}

fn same<T: PartialEq + Debug>(act: ActId, what: &'static str, expected: &T, found: &T) -> Result<(), Unjust> {
    if expected == found {
        return Ok(());
    }
    Err(Unjust::Differs { act, what, expected: format!("{expected:?}"), found: format!("{found:?}") })
}
