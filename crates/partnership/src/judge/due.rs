//! What falls due by the record's time, or because an approval was the last that was missing.
//!
//! Not here: how it is written (`partnership`).

use crate::act::{Deed, Draw, Ended, Expire, Outcome};
use crate::ids::{ActId, ClauseId, Timestamp};
use crate::investment::chart;
use crate::memorandum::{CashTranche, Clause, Condition};
use crate::state::{Open, State};

/// One thing that is due.
#[derive(Debug)]
pub(crate) enum Due {
    /// An act that waited has all its approvals.
    Free(ActId),
    /// An open act is to be settled so.
    Settle(ActId, Outcome),
    /// The clerk is to propose this.
    Propose(Deed),
}

impl State {
    /// The next thing that is due at `at`: lapsed acts first, then freed ones, amendments, tranches and grants.
    pub(crate) fn due(&self, at: Timestamp) -> Option<Due> {
        self.lapsed(at)
            .or_else(|| self.freed())
            .or_else(|| self.effective(at))
            .or_else(|| self.drawable(at))
            .or_else(|| self.expired(at))
    }

    fn lapsed(&self, at: Timestamp) -> Option<Due> {
        let (id, _) = self.open.iter().find(|(_, open)| open.lapses.is_some_and(|lapses| lapses <= at))?;
        Some(Due::Settle(*id, ended(Ended::Lapsed)))
    }

    fn freed(&self) -> Option<Due> {
        let (id, _) = self.waiting.iter().find(|(_, waiting)| waiting.missing().is_empty())?;
        Some(Due::Free(*id))
    }

    /// The next amendment whose day has come: it takes effect if it still follows on what is in force, else it has failed.
    pub(super) fn effective(&self, at: Timestamp) -> Option<Due> {
        let come = |open: &&Open| self.has_come(open, at);
        let open = self.open.values().find(come)?;
        let Deed::Amend(amend) = &open.act.deed else { return None };
        let follows = self.follows(amend).is_ok();
        Some(Due::Settle(open.act.id, ended(if follows { Ended::Done } else { Ended::Failed })))
    }

    fn has_come(&self, open: &Open, at: Timestamp) -> bool {
        let Deed::Amend(amend) = &open.act.deed else { return false };
        let first = self.in_force().after_notice(open.at.date());
        self.library.get(&amend.digest).is_some_and(|terms| {
            terms.memorandum().header.effective.max(first) <= at.date()
                && chart::can_be_lowered(terms, &self.book)
        })
    }

    fn drawable(&self, at: Timestamp) -> Option<Due> {
        let terms = self.in_force();
        let (clause, _) = terms
            .tranches()
            .filter(|(clause, _)| !self.booked.contains_key(&clause.id))
            .find(|(clause, tranche)| self.is_met(clause, tranche, at))?;
        Some(Due::Propose(Deed::Draw(Draw { clause: clause.id.clone() })))
    }

    /// Whether a tranche's condition holds. One that fell due on its date is drawn even if nobody looked before it would lapse.
    fn is_met(&self, clause: &Clause, tranche: &CashTranche, at: Timestamp) -> bool {
        match &tranche.condition {
            Condition::Date(date) => *date <= at.date() && !self.in_force().has_ended(&clause.id, *date),
            Condition::Milestone { attested_by, .. } => {
                let mut attested = self.attested.iter().filter(|((id, _), _)| *id == clause.id);
                !has_lapsed(tranche, at)
                    && attested.any(|(_, given)| attested_by.iter().all(|party| given.contains(party)))
            }
        }
    }

    fn expired(&self, at: Timestamp) -> Option<Due> {
        let terms = self.in_force();
        let grant = terms
            .grants()
            .filter(|(_, grant)| grant.expires.is_some_and(|expires| expires <= at.date()))
            .filter(|(clause, _)| self.is_at_rest(clause))
            .map(|(clause, _)| &clause.id);
        let tranche =
            terms.tranches().filter(|(_, tranche)| has_lapsed(tranche, at)).map(|(clause, _)| &clause.id);
        let clause: &ClauseId = grant.chain(tranche).find(|id| !self.booked.contains_key(*id))?;
        Some(Due::Propose(Deed::Expire(Expire { clause: clause.clone() })))
    }
}

impl State {
    /// Whether no call holds anything of a grant, so that all that is left of it can go.
    fn is_at_rest(&self, clause: &Clause) -> bool {
        self.book.balance(&chart::grant(clause, "available")).is_none_or(|pool| pool.debits_pending.is_zero())
    }
}

fn has_lapsed(tranche: &CashTranche, at: Timestamp) -> bool {
    tranche.lapses.is_some_and(|lapses| lapses <= at.date())
}

fn ended(ended: Ended) -> Outcome {
    Outcome { ended, ..Outcome::lost() }
}
