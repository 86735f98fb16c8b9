//! The three areas of a partnership, each with what is in force there in a few lines.
//!
//! Not here: the clauses one by one.

use super::money::Money;
use ledger::Amount;
use partnership::State;
use partnership::investment::chart;
use partnership::memorandum::{self, CashTranche, ComputeCredit, Condition, Kind};
use partnership::state::Booked;
use serde::Serialize;

/// One area.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Area {
    /// `investment`, `governance` or `cloud`.
    pub(crate) area: &'static str,
    /// What is in force there, a line each.
    pub(crate) summary: Vec<String>,
    /// How many clauses it has.
    pub(crate) clauses: usize,
    /// How many of them are enforced.
    pub(crate) binding: usize,
}

impl Area {
    /// The area in one line.
    pub(crate) fn line(&self) -> String {
        let counted = format!("{} clauses, {} binding", self.clauses, self.binding);
        let what = self.summary.join("; ");
        if what.is_empty() { counted } else { format!("{counted}: {what}") }
    }

    /// The three areas, in the order in which people name them.
    pub(crate) fn all(state: &State) -> Vec<Self> {
        use memorandum::Area::{Cloud, Governance, Investment};
        [Investment, Governance, Cloud].into_iter().map(|area| Self::of(state, area)).collect()
    }

    fn of(state: &State, area: memorandum::Area) -> Self {
        let all = state.terms().map(|terms| terms.memorandum().clauses.as_slice()).unwrap_or_default();
        let mine: Vec<_> = all.iter().filter(|clause| clause.kind.area() == area).collect();
        Self {
            area: area.as_str(),
            summary: mine.iter().filter_map(|clause| line(state, clause)).collect(),
            clauses: mine.len(),
            binding: mine.iter().filter(|clause| clause.force.is_binding()).count(),
        }
    }
}

fn line(state: &State, clause: &memorandum::Clause) -> Option<String> {
    match &clause.kind {
        Kind::ComputeCredit(agreed) => Some(grant(state, clause, agreed)),
        Kind::CashTranche(agreed) => Some(tranche(state, clause, agreed)),
        Kind::RateCard(card) => Some(format!("prices agreed for {}", card.models.join(", "))),
        Kind::Undisclosed(matter) => Some(format!("not disclosed: {}", matter.about)),
        Kind::Policy(_) => Some(policy(state, clause)),
        Kind::Requirement(requirement) => {
            let by: Vec<_> = requirement.approved_by.iter().map(|party| party.as_str()).collect();
            Some(format!("{} approved by {}", requirement.acts.join(", "), by.join(" and ")))
        }
        Kind::Accountable(person) => Some(format!("{} answers for {}", person.person, person.party)),
        Kind::Service(service) => {
            let to: Vec<_> = service.to.iter().map(|party| party.as_str()).collect();
            Some(format!("{} served to {}", service.models.join(", "), to.join(" and ")))
        }
        Kind::Amendment(_) | Kind::Term(_) => None,
    }
}

fn grant(state: &State, clause: &memorandum::Clause, agreed: &ComputeCredit) -> String {
    let balance = state.book().balance(&chart::grant(clause, "available"));
    let left = Amount::new(balance.map_or(0, |balance| balance.available()));
    let asset = &agreed.amount.asset;
    let (left, whole) = (Money::of(state, left, asset), Money::of(state, agreed.amount.amount, asset));
    format!("{}: {} of {whole} left", clause.id, left.amount)
}

fn tranche(state: &State, clause: &memorandum::Clause, agreed: &CashTranche) -> String {
    let amount = Money::of(state, agreed.amount.amount, &agreed.amount.asset);
    let what = match (state.booked(&clause.id), &agreed.condition) {
        (Some(Booked::Drawn(at)), _) => format!("due and booked on {}", at.date()),
        (Some(Booked::Expired(at)), _) => format!("lapsed on {}", at.date()),
        (None, _) if agreed.already_paid => "paid before this memorandum".to_owned(),
        (None, Condition::Date(date)) => format!("due on {date}"),
        (None, Condition::Milestone { text, .. }) => format!("due when {text}"),
    };
    format!("{}: {amount}, {what}", clause.id)
}

fn policy(state: &State, clause: &memorandum::Clause) -> String {
    let count = state.count(&clause.id);
    if clause.force.is_binding() {
        format!("{}: refused {}", clause.id, times(count.refused))
    } else {
        format!("{}: spoken against {}", clause.id, times(count.deviated))
    }
}

fn times(count: u64) -> String {
    match count {
        0 => "never so far".to_owned(),
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}
