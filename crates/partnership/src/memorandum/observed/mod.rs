//! The clauses that are observed: rights, promises and endings. They are read, explained, and shown with where they stand;
//! Countersign refuses nothing by them and books nothing for them, whatever their force.
//!
//! Not here: how one is read (`read`), said (`explain`) or contradicted (`clash`).

pub(super) mod clash;
mod explain;
pub(super) mod read;
pub(super) mod rows;

use jiff::Span;
use jiff::civil::Date;

use super::condition::{Condition, Milestone};
use super::{Clause, Kind};
use crate::ids::{ClauseId, ConditionId, PartyId};

/// Something that passes to a party in parts, each when its condition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vesting {
    /// Who grants it.
    pub from: PartyId,
    /// Whose it becomes.
    pub to: PartyId,
    /// What vests, in words.
    pub what: String,
    /// How much of it in all. Units: those that `what` names.
    pub quantity: Option<u64>,
    /// The parts, in the order of the file; never empty.
    pub tranches: Vec<Vest>,
    /// First day (UTC) on which nothing more of it vests; never, if none.
    pub lapses: Option<Date>,
}

/// A part that vests at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vest {
    /// What this part is, in words.
    pub what: Option<String>,
    /// How much. Units: those of the whole.
    pub quantity: Option<u64>,
    /// When it vests.
    pub when: Condition,
}

/// Who may end the memorandum, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Termination {
    /// Who may; never empty.
    pub by: Vec<PartyId>,
    /// Notice before it ends: an ISO 8601 duration; at once, if none.
    pub notice: Option<String>,
    /// What gives the right, in words; none is needed, if empty.
    pub grounds: Vec<String>,
    /// How long the other side has to put a ground right: an ISO 8601 duration.
    pub cure: Option<String>,
}

/// Clauses that outlive the memorandum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survival {
    /// Which; never empty.
    pub clauses: Vec<ClauseId>,
    /// For how long after the end: an ISO 8601 duration; for ever, if none.
    pub lasts: Option<String>,
}

/// A right to be offered something before anyone else may have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstRefusal {
    /// Who must offer.
    pub by: PartyId,
    /// Who may take it or refuse.
    pub to: PartyId,
    /// What is offered, in words.
    pub what: String,
    /// How long the answer may take: an ISO 8601 duration; not said, if none.
    pub answer_within: Option<String>,
    /// When the right holds.
    pub period: Period,
}

/// A promise to have something from, or give it to, one party alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusivity {
    /// Who is bound.
    pub by: PartyId,
    /// To whom.
    pub to: PartyId,
    /// For what, in words.
    pub what: String,
    /// For which models; all, if empty.
    pub models: Vec<String>,
    /// What is left out of it, in words.
    pub exceptions: Vec<String>,
    /// When it holds.
    pub period: Period,
}

/// A right to use something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Licence {
    /// Who licenses.
    pub from: PartyId,
    /// To whom.
    pub to: PartyId,
    /// What, in words.
    pub what: String,
    /// For which use, in words; any, if none.
    pub scope: Option<String>,
    /// Whether nobody else is given the same.
    pub exclusive: bool,
    /// When it holds.
    pub period: Period,
}

/// Notice that one party gives others before it does something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consultation {
    /// Who gives notice.
    pub by: PartyId,
    /// Who is consulted; never empty.
    pub with: Vec<PartyId>,
    /// The sorts of act it is about, of those a `requirement` may name.
    pub acts: Vec<String>,
    /// What else it is about, in words.
    pub about: Option<String>,
    /// How long before: an ISO 8601 duration; not said, if none.
    pub notice: Option<String>,
}

/// A promise to show or give something to some before all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlyAccess {
    /// Who shows it.
    pub by: PartyId,
    /// Who sees it first; never empty.
    pub to: Vec<PartyId>,
    /// What, in words.
    pub what: String,
    /// Which models; all, if empty.
    pub models: Vec<String>,
    /// How long before others: an ISO 8601 duration; not said, if none.
    pub lead: Option<String>,
    /// What is left out of it, in words.
    pub exceptions: Vec<String>,
    /// When it holds.
    pub period: Period,
}

/// From when to when a right or promise holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// First day (UTC).
    pub starts: Date,
    /// What ends it; nothing does, if none.
    pub until: Option<Condition>,
}

impl Period {
    /// Whether there may be a day on which both hold. What a milestone ends may go on for ever.
    #[must_use]
    pub fn may_meet(&self, other: &Self) -> bool {
        let over_before = |one: &Self, start: Date| {
            one.until.as_ref().and_then(Condition::at_the_latest).is_some_and(|latest| latest <= start)
        };
        !over_before(self, other.starts) && !over_before(other, self.starts)
    }
}

impl Vesting {
    /// The parts that have vested by a day, where `is_met` says it of a milestone. What had not vested when the rest lapsed never does.
    pub fn vested<'a>(
        &'a self,
        on: Date,
        is_met: &'a dyn Fn(&Milestone) -> bool,
    ) -> impl Iterator<Item = &'a Vest> {
        let last = self.lapses.map(|lapses| lapses.yesterday().unwrap_or(Date::MIN));
        let on = last.map_or(on, |last| last.min(on));
        self.tranches.iter().filter(move |vest| vest.when.holds(on, is_met))
    }
}

impl Survival {
    /// Whether what it names still goes on, when the memorandum ended on `ended`.
    #[must_use]
    pub fn goes_on(&self, ended: Date, on: Date) -> bool {
        let lasts = self.lasts.as_deref().and_then(|lasts| lasts.parse::<Span>().ok());
        lasts.is_none_or(|lasts| ended.saturating_add(lasts) > on)
    }
}

impl Kind {
    /// Its conditions, in the order of the file. Those of a tranche that is paid already decide nothing and are left out.
    #[must_use]
    pub fn conditions(&self) -> Vec<&Condition> {
        match self {
            Self::CashTranche(tranche) if !tranche.already_paid => vec![&tranche.condition],
            Self::Vesting(vesting) => vesting.tranches.iter().map(|vest| &vest.when).collect(),
            Self::RevenueShare(share) => share.until.iter().collect(),
            _ => self.period().and_then(|period| period.until.as_ref()).into_iter().collect(),
        }
    }

    /// From when to when it holds, for the kinds that say so by a condition.
    #[must_use]
    pub const fn period(&self) -> Option<&Period> {
        match self {
            Self::FirstRefusal(right) => Some(&right.period),
            Self::Exclusivity(promise) => Some(&promise.period),
            Self::Licence(licence) => Some(&licence.period),
            Self::EarlyAccess(promise) => Some(&promise.period),
            _ => None,
        }
    }
}

impl Clause {
    /// The milestones that can be attested under it, in the order of the file.
    #[must_use]
    pub fn milestones(&self) -> Vec<&Milestone> {
        self.kind.conditions().into_iter().flat_map(Condition::milestones).collect()
    }

    /// The milestone that an attestation of this clause means: the one of that name where there are several, and the only one
    /// where no name is given.
    #[must_use]
    pub fn milestone(&self, id: Option<&ConditionId>) -> Option<&Milestone> {
        match (self.milestones().as_slice(), id) {
            ([only], None) => Some(only),
            ([] | [_], _) | (_, None) => None,
            (several, Some(id)) => {
                several.iter().find(|milestone| milestone.id.as_ref() == Some(id)).copied()
            }
        }
    }
}
