//! Terms: a memorandum made ready to judge by.
//!
//! Not here: anything that changes while the memorandum is in force (see [`crate::state`]).

use crate::act::Digest;
use crate::governance::policy::Policies;
use crate::ids::{ClauseId, PartyId};
use crate::investment::tariff::Tariff;
use crate::memorandum::{
    CashTranche, Clause, ComputeCredit, Diagnostic, Kind, Memorandum, Requirement, Service, Term,
};
use jiff::civil::Date;

/// A memorandum made ready to judge by.
#[derive(Debug)]
pub struct Terms {
    memorandum: Memorandum,
    policies: Policies,
}

impl Terms {
    /// Makes a memorandum ready.
    ///
    /// Errors: what is wrong with its policies, with places in the file.
    pub fn of(memorandum: Memorandum) -> Result<Self, Vec<Diagnostic>> {
        let policies = Policies::of(&memorandum)?;
        Ok(Self { memorandum, policies })
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

    /// The service that offers `model` to `party`, the first in the order of the document.
    #[must_use]
    pub fn service(&self, party: &PartyId, model: &str) -> Option<(&Clause, &Service)> {
        self.clauses().find_map(|clause| match &clause.kind {
            Kind::Service(service) if service.covers(model) && service.to.contains(party) => {
                Some((clause, service))
            }
            _ => None,
        })
    }

    /// The price of `model` on `date`: of the rate cards that cover it, the one that began last.
    #[must_use]
    pub fn tariff(&self, model: &str, date: Date) -> Option<Tariff> {
        self.clauses()
            .filter_map(|clause| match &clause.kind {
                Kind::RateCard(card) if card.covers(model) && card.from <= date => {
                    Some((card.from, clause, card))
                }
                _ => None,
            })
            .max_by_key(|(from, _, _)| *from)
            .map(|(_, clause, card)| Tariff::of(clause, card))
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

    /// The requirements on acts of this kind.
    pub fn requirements<'a>(&'a self, act: &'a str) -> impl Iterator<Item = (&'a Clause, &'a Requirement)> {
        self.clauses().filter_map(move |clause| match &clause.kind {
            Kind::Requirement(requirement) if requirement.acts.iter().any(|name| name == act) => {
                Some((clause, requirement))
            }
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

    /// Who must approve an amendment, and the clause that says so; every party where no clause does.
    #[must_use]
    pub fn amenders(&self) -> (Option<&ClauseId>, Vec<PartyId>) {
        let clause = self.clauses().find_map(|clause| match &clause.kind {
            Kind::Amendment(amendment) => Some((Some(&clause.id), amendment.approved_by.clone())),
            _ => None,
        });
        clause.unwrap_or_else(|| {
            (None, self.memorandum.header.parties.iter().map(|party| party.id.clone()).collect())
        })
    }

    /// A clause's prose, or its title where it has none.
    #[must_use]
    pub fn prose(&self, id: &ClauseId) -> String {
        self.memorandum.clause(id).map_or_else(String::new, |clause| {
            if clause.prose.is_empty() { clause.title.clone() } else { clause.prose.clone() }
        })
    }

    fn clauses(&self) -> impl Iterator<Item = &Clause> {
        self.memorandum.clauses.iter()
    }
}
