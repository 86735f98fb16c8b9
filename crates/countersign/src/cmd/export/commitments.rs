//! The Contract Commitment dataset of FOCUS 1.3: grants, tranches, minimums and rented capacity, as agreed. The mapping is in docs/EXPORTS.md.
//!
//! Not here: what was spent of them (`focus`).

use super::csv::line;
use super::focus::{currency, decimal, midnight};
use super::rows::{Format, View};
use jiff::civil::Date;
use partnership::memorandum::{Kind, Money, Periods};
use std::io::{self, Write};

/// The commitments of FOCUS 1.3, as they stand at the end of the period: grants, tranches, minimums and capacity that are in force.
pub(super) struct Commitments<W> {
    to: W,
}

impl<W: Write> Commitments<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to }
    }
}

/// The columns of FOCUS 1.3, and three of ours.
const COMMITMENTS: [&str; 16] = [
    "BillingCurrency",
    "ContractCommitmentCategory",
    "ContractCommitmentCost",
    "ContractCommitmentDescription",
    "ContractCommitmentId",
    "ContractCommitmentPeriodEnd",
    "ContractCommitmentPeriodStart",
    "ContractCommitmentQuantity",
    "ContractCommitmentType",
    "ContractCommitmentUnit",
    "ContractId",
    "ContractPeriodEnd",
    "ContractPeriodStart",
    "x_Asset",
    "x_Force",
    "x_Source",
];

impl<W: Write> Format for Commitments<W> {
    fn opening(&mut self, _: &View<'_>) -> io::Result<()> {
        line(&mut self.to, &COMMITMENTS)
    }

    fn closing(&mut self, view: &View<'_>) -> io::Result<()> {
        let Some(terms) = view.state.terms() else { return Ok(()) };
        let memorandum = terms.memorandum();
        let header = &memorandum.header;
        let ends = terms.durations().find_map(|(_, term)| term.ends);
        for clause in &memorandum.clauses {
            let periodic;
            let (money, from, to, starts, until) = match &clause.kind {
                Kind::ComputeCredit(grant) => {
                    (&grant.amount, &grant.from, &grant.to, grant.starts, grant.expires)
                }
                Kind::CashTranche(tranche) => {
                    (&tranche.amount, &tranche.from, &tranche.to, header.effective, tranche.lapses)
                }
                Kind::MinimumConsumption(minimum) => {
                    let until = minimum.steps.last().map(|step| step.by);
                    (&minimum.amount, &minimum.by, &minimum.to, minimum.starts, until)
                }
                // What it costs in a period; how long a commitment of so many periods is, says its end.
                Kind::Capacity(capacity) => {
                    let total = Money { amount: capacity.total, asset: capacity.price.asset.clone() };
                    let Periods { starts, ends, .. } = capacity.periods;
                    periodic = total;
                    (&periodic, &capacity.from, &capacity.to, starts, ends)
                }
                _ => continue,
            };
            if view.scope.party.as_ref().is_some_and(|of| of != from && of != to) {
                continue;
            }
            let end = |date: Option<Date>| date.map(midnight).unwrap_or_default();
            let values = [
                currency(&money.asset).to_owned(),
                "Spend".to_owned(),
                decimal(view.books.text(&money.asset, money.amount.minor())),
                partnership::memorandum::explain(header, clause),
                clause.id.to_string(),
                end(until),
                midnight(starts),
                String::new(),
                clause.kind.name().to_owned(),
                String::new(),
                view.state.origin().to_owned(),
                end(ends),
                midnight(header.effective),
                money.asset.to_string(),
                clause.force.as_str().to_owned(),
                clause.source.as_str().to_owned(),
            ];
            line(&mut self.to, &values)?;
        }
        Ok(())
    }
}
