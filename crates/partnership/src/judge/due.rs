//! What falls due by the record's time, or because an approval was the last that was missing.
//!
//! Not here: how it is written (`partnership`).

use crate::act::{Amend, Deed, Draw, Ended, Expire, Outcome};
use crate::ids::{ActId, ClauseId, Timestamp};
use crate::investment::chart;
use crate::memorandum::{CashTranche, Clause, Condition, Milestone};
use crate::state::{Open, State};
use crate::terms::Terms;
use jiff::civil::Date;
use std::collections::BTreeSet;

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
    /// The next thing that is due at `at`: lapsed acts first, but for those in `held`, then freed ones, tranches, what is due
    /// by the calendar, amendments, grants and what is kept. What was due before the day of an amendment is
    /// booked before it could say otherwise.
    pub(crate) fn due(&self, at: Timestamp, held: &BTreeSet<ActId>) -> Option<Due> {
        self.lapsed(at, held).or_else(|| self.due_besides(at))
    }

    /// The same without what lapsed. Whether an act may lapse depends on whether its performer is alive, which no entry says.
    pub(super) fn due_besides(&self, at: Timestamp) -> Option<Due> {
        let booked = self.freed().or_else(|| self.drawable(at)).or_else(|| self.bookable(at));
        booked.or_else(|| self.effective(at)).or_else(|| self.expired(at)).or_else(|| self.erasable(at))
    }

    fn lapsed(&self, at: Timestamp, held: &BTreeSet<ActId>) -> Option<Due> {
        let (id, _) = self.open.iter().find(|(id, open)| open.is_over(at) && !held.contains(*id))?;
        Some(Due::Settle(*id, ended(Ended::Lapsed)))
    }

    fn freed(&self) -> Option<Due> {
        let (id, _) = self.waiting.iter().find(|(_, waiting)| waiting.missing().is_empty())?;
        Some(Due::Free(*id))
    }

    /// The next amendment whose day has come: it takes effect if it still follows on what is in force, else it has failed.
    pub(super) fn effective(&self, at: Timestamp) -> Option<Due> {
        let (open, amend) = self.come(at).find(|(_, amend)| {
            let terms = self.library.get(&amend.digest);
            let lowers = terms.is_some_and(|terms| !chart::can_be_lowered(terms, &self.book));
            !lowers || self.is_overtaken(amend).is_err()
        })?;
        let follows = self.follows(amend).is_ok();
        Some(Due::Settle(open.act.id, ended(if follows { Ended::Done } else { Ended::Failed })))
    }

    /// The terms that wait for calls under way to give back what they lower. Until then no call is admitted to that, so that the
    /// wait ends.
    pub(super) fn lowering(&self, at: Timestamp) -> Option<&Terms> {
        let (_, amend) = self.come(at).next()?;
        self.follows(amend).ok()
    }

    /// The first day on which an approved amendment whose day has come is to be in force.
    pub(super) fn changes_on(&self, at: Timestamp) -> Option<Date> {
        self.come(at).filter_map(|(open, amend)| self.day_of(open, amend)).min()
    }

    fn day_of(&self, open: &Open, amend: &Amend) -> Option<Date> {
        let first = self.in_force().after_notice(open.at.date());
        let terms = self.library.get(&amend.digest);
        terms.map(|terms| terms.memorandum().header.effective.max(first))
    }

    /// The approved amendments whose day has come, in order of id.
    fn come(&self, at: Timestamp) -> impl Iterator<Item = (&Open, &Amend)> {
        let amendments = self.amending.iter().filter_map(|id| self.open.get(id));
        let amendments = amendments.filter_map(|open| match &open.act.deed {
            Deed::Amend(amend) => Some((open, amend)),
            _ => None,
        });
        amendments.filter(move |(open, amend)| self.day_of(open, amend).is_some_and(|day| day <= at.date()))
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
            condition => {
                let is_met = |milestone: &Milestone| self.is_attested(&clause.id, milestone);
                // Of what was given up counts what had come about on its last day.
                let last = self.in_force().withdrawn().filter(|_| self.is_over(clause, at.date()));
                let on = last.map_or_else(|| at.date(), |last| last.ends.yesterday().unwrap_or(Date::MIN));
                !has_lapsed(tranche, at) && condition.holds(on, &is_met)
            }
        }
    }

    fn expired(&self, at: Timestamp) -> Option<Due> {
        let terms = self.in_force();
        let grant = terms
            .grants()
            .filter(|(clause, grant)| {
                let stood = |expires: &Date| *expires <= at.date() && !self.is_over(clause, *expires);
                grant.expires.as_ref().is_some_and(stood)
            })
            .filter(|(clause, _)| self.is_at_rest(clause))
            .map(|(clause, _)| &clause.id);
        let tranche = terms
            .tranches()
            .filter(|(clause, tranche)| {
                has_lapsed(tranche, at) && !tranche.lapses.is_some_and(|day| self.is_over(clause, day))
            })
            .map(|(clause, _)| &clause.id);
        let clause: &ClauseId = grant.chain(tranche).find(|id| !self.booked.contains_key(*id))?;
        Some(Due::Propose(Deed::Expire(Expire { clause: clause.clone() })))
    }
}

impl State {
    /// Whether a party had withdrawn from a clause by a day, so that nothing comes of it any more.
    pub(super) fn is_over(&self, clause: &Clause, on: Date) -> bool {
        self.in_force().is_given_up(&clause.id, on)
    }

    /// Whether no call holds anything of a grant, so that all that is left of it can go. An intention holds nothing.
    fn is_at_rest(&self, clause: &Clause) -> bool {
        !clause.force.is_binding()
            || self
                .book
                .balance(&chart::grant(clause, "available"))
                .is_none_or(|pool| pool.debits_pending.is_zero())
    }
}

fn has_lapsed(tranche: &CashTranche, at: Timestamp) -> bool {
    tranche.lapses.is_some_and(|lapses| lapses <= at.date())
}

fn ended(ended: Ended) -> Outcome {
    Outcome { ended, ..Outcome::lost() }
}
