//! Where a clause stands on a day: by its days, by what was attested, and by what was booked.
//!
//! Not here: the sentence that says so, or what is refused by it.

use jiff::civil::Date;

use super::{Booked, State};
use crate::act::Digest;
use crate::ids::{ClauseId, ConditionId};
use crate::memorandum::{Clause, Kind, Milestone, RateCard};

/// What was attested under the version in force: a milestone, by this evidence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Evidence {
    /// The clause.
    pub clause: ClauseId,
    /// Which milestone of it; none where it has only one.
    pub condition: Option<ConditionId>,
    /// SHA-256 of the evidence.
    pub digest: Digest,
}

/// Where a clause of the version in force stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClauseState {
    /// Its first day has not come.
    Proposed,
    /// It holds.
    Active,
    /// All of it has come about.
    Met,
    /// Its own end has come.
    Lapsed,
    /// A later clause of the same memorandum has taken its place.
    Superseded,
    /// The memorandum has ended, and it does not survive that.
    Terminated,
}

impl ClauseState {
    /// The word used on pages and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Active => "active",
            Self::Met => "met",
            Self::Lapsed => "lapsed",
            Self::Superseded => "superseded",
            Self::Terminated => "terminated",
        }
    }
}

impl State {
    /// Where a clause of the version in force stands on a day. An intention ends with its memorandum as an obligation does.
    #[must_use]
    pub fn clause_state(&self, clause: &Clause, on: Date) -> ClauseState {
        match self.booked(&clause.id) {
            Some(Booked::Drawn(_)) => return ClauseState::Met,
            Some(Booked::Expired(_)) => return ClauseState::Lapsed,
            None => {}
        }
        let is_met = |milestone: &Milestone| self.is_attested(&clause.id, milestone);
        // Of what was given up counts what had come about on its last day.
        let gone = self.terms().filter(|terms| terms.is_given_up(&clause.id, on));
        let gone = gone.and_then(|terms| terms.withdrawn());
        let today = on;
        let on = gone.map_or(on, |gone| gone.ends.yesterday().unwrap_or(Date::MIN));
        if let Kind::Vesting(vesting) = &clause.kind
            && vesting.vested(on, &is_met).count() == vesting.tranches.len()
        {
            return ClauseState::Met;
        }
        if matches!(&clause.kind, Kind::CashTranche(tranche) if tranche.already_paid) {
            return ClauseState::Met;
        }
        let until = clause.kind.period().and_then(|period| period.until.as_ref());
        let ends = until.is_some_and(|until| until.holds(on, &is_met));
        if ends || last_day(&clause.kind).is_some_and(|last| last <= on) {
            return ClauseState::Lapsed;
        }
        match self.survived(clause, today) {
            Survived::No => ClauseState::Terminated,
            Survived::Over => ClauseState::Lapsed,
            Survived::Yes if starts(&clause.kind).is_some_and(|starts| on < starts) => ClauseState::Proposed,
            Survived::Yes if self.is_replaced(clause, on) => ClauseState::Superseded,
            Survived::Yes => ClauseState::Active,
        }
    }

    /// Whether a clause has outlived the memorandum's term, if that is over.
    fn survived(&self, clause: &Clause, on: Date) -> Survived {
        let Some(terms) = self.terms() else { return Survived::Yes };
        if terms.is_given_up(&clause.id, on) {
            let outlived = matches!(clause.kind, Kind::Survival(_))
                || terms.withdrawn().is_some_and(|gone| terms.survives(&clause.id, gone.ends, gone.ends));
            return if outlived { Survived::Over } else { Survived::No };
        }
        let Some(ended) = terms.over(on) else { return Survived::Yes };
        match &clause.kind {
            // What is kept is there still, and says itself for how long.
            Kind::Retention(_) => Survived::Yes,
            Kind::Survival(survival) if survival.goes_on(ended, on) => Survived::Yes,
            Kind::Survival(_) => Survived::Over,
            _ if terms.survives(&clause.id, ended, on) => Survived::Yes,
            _ => Survived::No,
        }
    }

    /// Whether later cards of no less force price each model that a card names.
    fn is_replaced(&self, clause: &Clause, on: Date) -> bool {
        let (Kind::RateCard(card), Some(terms)) = (&clause.kind, self.terms()) else { return false };
        let later = |other: &Clause, model: &String| {
            let Kind::RateCard(RateCard { models, from, .. }) = &other.kind else { return false };
            let holds = card.from < *from && *from <= on && models.contains(model);
            holds && (other.force.is_binding() || !clause.force.is_binding())
        };
        card.models.iter().all(|model| terms.memorandum().clauses.iter().any(|other| later(other, model)))
    }
}

enum Survived {
    Yes,
    No,
    /// Its time after the end is over.
    Over,
}

/// The first day of the kinds that have one.
fn starts(kind: &Kind) -> Option<Date> {
    match kind {
        Kind::ComputeCredit(grant) => Some(grant.starts),
        Kind::RateCard(card) => Some(card.from),
        Kind::MinimumConsumption(minimum) => Some(minimum.starts),
        Kind::Capacity(capacity) => Some(capacity.periods.starts),
        Kind::RevenueShare(share) => Some(share.periods.starts),
        Kind::Accountable(person) => Some(person.since),
        Kind::Term(term) => Some(term.starts),
        _ => kind.period().map(|period| period.starts),
    }
}

/// The first day no longer of the kinds that end on one without being booked.
fn last_day(kind: &Kind) -> Option<Date> {
    match kind {
        Kind::Vesting(vesting) => vesting.lapses,
        Kind::Accountable(person) => person.until,
        _ => None,
    }
}
