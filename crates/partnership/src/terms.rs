//! Terms: a memorandum made ready to judge by.
//!
//! Not here: anything that changes while the memorandum is in force (see [`crate::state`]).

mod withdrawal;

use crate::act::Digest;
use crate::governance::policy::Policies;
use crate::ids::{ClauseId, PartyId};
use crate::investment::tariff::Tariff;
use crate::memorandum::{
    Amendment, Capacity, CashTranche, Clause, ComputeCredit, Diagnostic, Kind, Memorandum,
    MinimumConsumption, Requirement, Retention, RevenueShare, Service, Term,
};
use jiff::Span;
use jiff::civil::Date;
use std::fmt;
use std::sync::Arc;

pub use withdrawal::{Leave, Withdrawn};

/// A memorandum made ready to judge by. Shown by its version and digest, which stand for all of it.
pub struct Terms {
    memorandum: Arc<Memorandum>,
    policies: Arc<Policies>,
    withdrawn: Option<Withdrawn>,
}

impl Terms {
    /// Makes a memorandum ready.
    ///
    /// Errors: what is wrong with its policies, with places in the file.
    pub fn of(memorandum: Memorandum) -> Result<Self, Vec<Diagnostic>> {
        let policies = Policies::of(&memorandum)?;
        Ok(Self { memorandum: Arc::new(memorandum), policies: Arc::new(policies), withdrawn: None })
    }

    /// Reads a memorandum from its text and makes it ready.
    ///
    /// Errors: everything that is wrong with it, with places in the file.
    pub fn read(text: &str) -> Result<Self, Vec<Diagnostic>> {
        Self::of(Memorandum::parse(text)?)
    }

    /// The memorandum.
    #[must_use]
    pub fn memorandum(&self) -> &Memorandum {
        &self.memorandum
    }

    /// Its policies.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.memorandum.header.version
    }

    /// SHA-256 of its bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(self.memorandum.digest)
    }

    /// The operator's id.
    #[must_use]
    pub fn operator(&self) -> &PartyId {
        &self.memorandum.header.operator().id
    }

    /// The service that offers `model` to `party`: a binding one before one that is not, then the first in the document. It may have
    /// been given up.
    #[must_use]
    pub fn service(&self, party: &PartyId, model: &str) -> Option<(&Clause, &Service)> {
        self.service_where(party, model, |_| true)
    }

    /// As [`Terms::service`], of those that have not been given up by `date`; see [`Terms::is_given_up`].
    #[must_use]
    pub fn service_on(&self, party: &PartyId, model: &str, date: Date) -> Option<(&Clause, &Service)> {
        self.service_where(party, model, |clause| !self.is_given_up(&clause.id, date))
    }

    fn service_where(
        &self,
        party: &PartyId,
        model: &str,
        counts: impl Fn(&Clause) -> bool,
    ) -> Option<(&Clause, &Service)> {
        let offers = self.clauses().filter_map(|clause| match &clause.kind {
            Kind::Service(service) if service.covers(model) && service.to.contains(party) => {
                Some((clause, service))
            }
            _ => None,
        });
        offers.filter(|(clause, _)| counts(clause)).min_by_key(|(clause, _)| !clause.force.is_binding())
    }

    /// The price of `model` on `date`, by the cards that have not been given up by then; see [`Tariff::on`].
    #[must_use]
    pub fn tariff(&self, model: &str, date: Date) -> Option<Tariff> {
        Tariff::of_any(self.clauses().filter(|clause| !self.is_given_up(&clause.id, date)), model, date)
    }

    /// The grants of compute credit, in the order of the document.
    pub fn grants(&self) -> impl Iterator<Item = (&Clause, &ComputeCredit)> {
        self.clauses().filter_map(|clause| match &clause.kind {
            Kind::ComputeCredit(grant) => Some((clause, grant)),
            _ => None,
        })
    }

    /// The tranches that this record books, in the order of the document; those paid before it began are left out.
    pub fn tranches(&self) -> impl Iterator<Item = (&Clause, &CashTranche)> {
        self.clauses().filter_map(|clause| match &clause.kind {
            Kind::CashTranche(tranche) if !tranche.already_paid => Some((clause, tranche)),
            _ => None,
        })
    }

    /// The minimum consumptions, in the order of the document.
    pub fn minimums(&self) -> impl Iterator<Item = (&Clause, &MinimumConsumption)> {
        self.clauses().filter_map(|clause| match &clause.kind {
            Kind::MinimumConsumption(minimum) => Some((clause, minimum)),
            _ => None,
        })
    }

    /// The capacities that are rented, in the order of the document.
    pub fn capacities(&self) -> impl Iterator<Item = (&Clause, &Capacity)> {
        self.clauses().filter_map(|clause| match &clause.kind {
            Kind::Capacity(capacity) => Some((clause, capacity)),
            _ => None,
        })
    }

    /// The shares of revenue, in the order of the document.
    pub fn shares(&self) -> impl Iterator<Item = (&Clause, &RevenueShare)> {
        self.clauses().filter_map(|clause| match &clause.kind {
            Kind::RevenueShare(share) => Some((clause, share)),
            _ => None,
        })
    }

    /// The requirements on acts of this kind.
    pub fn requirements<'a>(&'a self, act: &'a str) -> impl Iterator<Item = (&'a Clause, &'a Requirement)> {
        self.clauses().filter_map(move |clause| match &clause.kind {
            Kind::Requirement(requirement) if requirement.acts.iter().any(|name| name == act) => {
                Some((clause, requirement))
            }
            _ => None,
        })
    }

    /// What is kept and for how long, in the order of the document.
    pub fn retentions(&self) -> impl Iterator<Item = (&Clause, &Retention)> {
        self.clauses().filter_map(|clause| match &clause.kind {
            Kind::Retention(retention) => Some((clause, retention)),
            _ => None,
        })
    }

    /// The terms of duration.
    pub fn durations(&self) -> impl Iterator<Item = (&Clause, &Term)> {
        self.clauses().filter_map(|clause| match &clause.kind {
            Kind::Term(term) => Some((clause, term)),
            _ => None,
        })
    }

    /// Who must approve an act of this kind, with the first binding clause that says so: all whom any of them names, in the
    /// order of the document. Nobody where no binding clause does.
    #[must_use]
    pub fn approvers<'a>(&'a self, act: &'a str) -> (Option<&'a ClauseId>, Vec<PartyId>) {
        let mut first = None;
        let mut by: Vec<PartyId> = Vec::new();
        for (clause, requirement) in self.requirements(act).filter(|(clause, _)| clause.force.is_binding()) {
            first = first.or(Some(&clause.id));
            add_new(&mut by, &requirement.approved_by);
        }
        (first, by)
    }

    /// Who must approve that the key of `party` is replaced by its recovery key: all others, in the order of the document. No clause
    /// changes that, so that no wording keeps a lost key from being mended, or lets one side take the other over.
    #[must_use]
    pub fn recoverers(&self, party: &PartyId) -> Vec<PartyId> {
        let parties = self.memorandum.header.parties.iter().map(|party| &party.id);
        parties.filter(|other| *other != party).cloned().collect()
    }

    /// Who must approve an amendment, and the clause that says so; every party where no clause does. What a `requirement` on
    /// amendments asks for comes on top.
    #[must_use]
    pub fn amenders(&self) -> (Option<&ClauseId>, Vec<PartyId>) {
        let agreed =
            self.amendment().map(|(clause, amendment)| (Some(&clause.id), amendment.approved_by.clone()));
        let (clause, mut by) = agreed.unwrap_or_else(|| {
            (None, self.memorandum.header.parties.iter().map(|party| party.id.clone()).collect())
        });
        let (required, more) = self.approvers("amend");
        add_new(&mut by, &more);
        (clause.or(required), by)
    }

    /// The first day on which an amendment approved on `approved` may come into force: after the notice agreed for it.
    #[must_use]
    pub fn after_notice(&self, approved: Date) -> Date {
        let notice =
            self.amendment().and_then(|(_, amendment)| amendment.notice.as_deref()?.parse::<Span>().ok());
        notice.map_or(approved, |notice| approved.saturating_add(notice))
    }

    /// Whether a clause has ended with the memorandum: its binding term is over on `date`, and it is not among those that survive; or
    /// it binds nobody, and a party has withdrawn.
    #[must_use]
    pub fn has_ended(&self, clause: &ClauseId, date: Date) -> bool {
        if self.is_given_up(clause, date) {
            return true;
        }
        self.durations().any(|(term_clause, term)| {
            term_clause.force.is_binding()
                && term.ends.is_some_and(|ends| ends <= date && !self.outlives(clause, ends, date))
                && !term.survives.contains(clause)
        })
    }

    /// Since when the memorandum's term, binding or not, is over on `date`; none if it is not.
    #[must_use]
    pub fn over(&self, date: Date) -> Option<Date> {
        self.durations().filter_map(|(_, term)| term.ends).find(|ends| *ends <= date)
    }

    /// Whether a clause goes on to `date` though the memorandum ended on `ended`, by what the document says of either force.
    #[must_use]
    pub fn survives(&self, clause: &ClauseId, ended: Date, date: Date) -> bool {
        let by_survival = self.clauses().any(|found| match &found.kind {
            Kind::Survival(survival) => survival.clauses.contains(clause) && survival.goes_on(ended, date),
            _ => false,
        });
        by_survival || self.durations().any(|(_, term)| term.survives.contains(clause))
    }

    /// Whether a binding `survival` has a clause go on to `date`, when the memorandum ended on `ended`.
    fn outlives(&self, clause: &ClauseId, ended: Date, date: Date) -> bool {
        self.clauses().any(|found| match &found.kind {
            Kind::Survival(survival) if found.force.is_binding() => {
                survival.clauses.contains(clause) && survival.goes_on(ended, date)
            }
            _ => false,
        })
    }

    /// A clause's prose, or its title where it has none.
    #[must_use]
    pub fn prose(&self, id: &ClauseId) -> String {
        self.memorandum.clause(id).map_or_else(String::new, |clause| {
            if clause.prose.is_empty() { clause.title.clone() } else { clause.prose.clone() }
        })
    }

    fn amendment(&self) -> Option<(&Clause, &Amendment)> {
        self.clauses().find_map(|clause| match &clause.kind {
            Kind::Amendment(amendment) => Some((clause, amendment)),
            _ => None,
        })
    }

    fn clauses(&self) -> impl Iterator<Item = &Clause> {
        self.memorandum.clauses.iter()
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Terms");
        shown.field("version", &self.version()).field("digest", &self.digest());
        shown.field("withdrawn", &self.withdrawn).finish()
    }
}

/// Adds those who are not yet among them.
fn add_new(by: &mut Vec<PartyId>, more: &[PartyId]) {
    for party in more {
        if !by.contains(party) {
            by.push(party.clone());
        }
    }
}
