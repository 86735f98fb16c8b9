//! The three areas of a partnership, each with what is in force there in a few lines.
//!
//! Not here: the clauses one by one.

use super::funds::Fund;
use super::money::Money;
use ledger::Amount;
use partnership::State;
use partnership::investment::chart;
use partnership::memorandum::{
    self, CashTranche, ComputeCredit, Condition, Consultation, Kind, Milestone, Retention, Vesting,
};
use partnership::state::Booked;
use serde::Serialize;

/// One area.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Area {
    /// `investment`, `governance` or `cloud`.
    pub(crate) area: &'static str,
    /// What is in force there, in one line.
    pub(crate) headline: String,
    /// The same clause by clause.
    pub(crate) summary: Vec<String>,
    /// How many clauses it has.
    pub(crate) clauses: usize,
    /// How many of them are enforced.
    pub(crate) binding: usize,
}

impl Area {
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
            headline: headline(state, area, &mine),
            summary: mine.iter().filter_map(|clause| line(state, clause)).collect(),
            clauses: mine.len(),
            binding: mine.iter().filter(|clause| clause.force.is_binding()).count(),
        }
    }
}

/// What a person wants to know first of an area.
fn headline(state: &State, area: memorandum::Area, clauses: &[&memorandum::Clause]) -> String {
    let said = match area {
        memorandum::Area::Investment => investment(state, clauses),
        memorandum::Area::Governance => governance(state, clauses),
        memorandum::Area::Cloud | memorandum::Area::General => {
            clauses.iter().filter_map(|clause| line(state, clause)).collect()
        }
    };
    if said.is_empty() { "nothing is agreed".to_owned() } else { said.join("; ") }
}

fn investment(state: &State, clauses: &[&memorandum::Clause]) -> Vec<String> {
    let hidden = |clause: &&&memorandum::Clause| matches!(&clause.kind, Kind::Undisclosed(matter) if matter.reported.is_none());
    let told = clauses.iter().filter(|clause| !matches!(clause.kind, Kind::RateCard(_)) && !hidden(clause));
    let told = told.filter_map(|clause| line(state, clause));
    let hidden = clauses.iter().filter(hidden).count();
    told.chain((hidden > 0).then(|| counted(hidden, "amount", "not disclosed"))).collect()
}

fn governance(state: &State, clauses: &[&memorandum::Clause]) -> Vec<String> {
    let policies: Vec<_> = clauses.iter().filter(|clause| matches!(clause.kind, Kind::Policy(_))).collect();
    let sum = |of: fn(partnership::state::Count) -> u64| -> u64 {
        policies.iter().map(|clause| of(state.count(&clause.id))).fold(0, u64::saturating_add)
    };
    let acts =
        format!("refused {}, spoken against {}", sum(|count| count.refused), sum(|count| count.deviated));
    let people = clauses.iter().filter(|clause| matches!(clause.kind, Kind::Accountable(_)));
    let people = people.filter_map(|clause| line(state, clause));
    let policies = counted(policies.len(), "policy", &format!("({acts})"));
    std::iter::once(policies).chain(people).collect()
}

fn counted(count: usize, what: &str, and: &str) -> String {
    let what = match (count, what) {
        (1, one) => one.to_owned(),
        (_, "policy") => "policies".to_owned(),
        (_, many) => format!("{many}s"),
    };
    format!("{count} {what} {and}")
}

fn line(state: &State, clause: &memorandum::Clause) -> Option<String> {
    match &clause.kind {
        Kind::ComputeCredit(agreed) => Some(grant(state, clause, agreed)),
        Kind::CashTranche(agreed) => Some(tranche(state, clause, agreed)),
        Kind::RateCard(card) => Some(format!("prices agreed for {}", card.models.join(", "))),
        Kind::MinimumConsumption(_) | Kind::Capacity(_) | Kind::RevenueShare(_) => {
            Fund::of(state, clause).map(|fund| fund.line())
        }
        Kind::Undisclosed(matter) => Some(undisclosed(state, matter)),
        Kind::Policy(_) => Some(policy(state, clause)),
        Kind::Requirement(requirement) => {
            let by: Vec<_> = requirement.approved_by.iter().map(|party| party.as_str()).collect();
            Some(format!("{} approved by {}", requirement.acts.join(", "), by.join(" and ")))
        }
        Kind::Retention(retention) => Some(kept(clause, retention)),
        Kind::Accountable(person) => Some(format!("accountable for {}: {}", person.party, person.person)),
        Kind::Service(service) => {
            let to: Vec<_> = service.to.iter().map(|party| party.as_str()).collect();
            let models = service.models.join(", ");
            let models = if models == "*" { "every model".to_owned() } else { models };
            Some(format!("{models} served to {}", to.join(" and ")))
        }
        Kind::Vesting(agreed) => Some(vesting(state, clause, agreed)),
        Kind::Consultation(agreed) => Some(consultation(agreed)),
        Kind::FirstRefusal(_) | Kind::Exclusivity(_) | Kind::Licence(_) | Kind::EarlyAccess(_) => {
            Some(right(state, clause))
        }
        Kind::Amendment(_) | Kind::Term(_) | Kind::Termination(_) | Kind::Survival(_) => None,
    }
}

fn kept(clause: &memorandum::Clause, retention: &Retention) -> String {
    let least = retention.at_least.as_ref().map(|least| format!(", for {least} at least"));
    let after = retention.erase_after.as_ref().map(|after| format!(", erased {after} after their month"));
    format!("{}: keys of calls are kept{}{}", clause.id, least.unwrap_or_default(), after.unwrap_or_default())
}

fn undisclosed(state: &State, matter: &memorandum::Undisclosed) -> String {
    match &matter.reported {
        None if matter.sealed.is_some() => format!("sealed: {}", matter.about),
        None => format!("not disclosed: {}", matter.about),
        Some(reported) => {
            let amount = Money::of(state, reported.amount, &reported.asset);
            format!("reported, and not paid from here: {amount}, {}", matter.about)
        }
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
        (None, Condition::Milestone(Milestone { text, attested_by, .. })) => {
            format!("due when {} attested that {text}", have(attested_by))
        }
        (None, condition) => {
            let header = state.terms().map(|terms| &terms.memorandum().header);
            let when = header.map(|header| memorandum::explain_condition(header, condition));
            format!("due once {}", when.unwrap_or_default())
        }
    };
    format!("{}: {amount}, {what}", clause.id)
}

fn vesting(state: &State, clause: &memorandum::Clause, agreed: &Vesting) -> String {
    let is_met = |milestone: &Milestone| state.is_attested(&clause.id, milestone);
    let vested: Vec<_> = agreed.vested(state.at().date(), &is_met).collect();
    let quantity =
        match (vested.iter().map(|vest| vest.quantity).collect::<Option<Vec<u64>>>(), agreed.quantity) {
            (Some(parts), Some(whole)) => {
                let vested = parts.into_iter().fold(0, u64::saturating_add);
                format!(" ({vested} of {whole})")
            }
            _ => String::new(),
        };
    let parts = format!("{} of {}", vested.len(), counted(agreed.tranches.len(), "part", "vested"));
    format!("{}: {parts}{quantity}, {}", clause.id, agreed.what)
}

fn consultation(agreed: &Consultation) -> String {
    let with: Vec<_> = agreed.with.iter().map(|party| party.as_str()).collect();
    format!("{} consults {} beforehand", agreed.by, with.join(" and "))
}

/// A right or promise by its name and where it stands; what it says is its sentence.
fn right(state: &State, clause: &memorandum::Clause) -> String {
    format!("{}: {}", clause.id, state.clause_state(clause, state.at().date()).as_str())
}

fn policy(state: &State, clause: &memorandum::Clause) -> String {
    let count = state.count(&clause.id);
    if clause.force.is_binding() {
        format!("{}: refused {}", clause.id, times(count.refused))
    } else {
        format!("{}: spoken against {}", clause.id, times(count.deviated))
    }
}

fn have(parties: &[partnership::ids::PartyId]) -> String {
    let names: Vec<_> = parties.iter().map(|party| party.as_str()).collect();
    format!("{} {}", names.join(" and "), if names.len() == 1 { "has" } else { "have" })
}

fn times(count: u64) -> String {
    match count {
        0 => "never so far".to_owned(),
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}
