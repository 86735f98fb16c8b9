//! What the parties see to each day: revenue that is to be declared, and payments of what is owed.
//!
//! Not here: when anything falls due, which is the clerk's to find.

use super::life::Life;
use ledger::Amount;
use partnership::act::{Budget, Declare, Deed, Payment, declaration_bytes, payment_bytes};
use partnership::ids::ClauseId;
use partnership::investment::chart;
use partnership::judge::dues::sides;
use partnership::memorandum::{Clause, Kind, RevenueShare};
use std::collections::BTreeMap;

/// When of a day. Units: milliseconds.
pub(super) const OFFICE_MS: i64 = 10 * super::HOUR_MS + super::HOUR_MS / 2;
/// How long who owes takes to pay, and how long the money takes. Units: days.
const PAID_AFTER: i64 = 3;
const ARRIVES_AFTER: i64 = 5;
/// What is earned in a period: so much at least, and less than so much more. Units: cents.
const EARNED: (i128, u64) = (310_000, 240_000);

/// What is owed under a clause since the day on which it was seen.
pub(super) type Debts = BTreeMap<ClauseId, Debt>;

#[derive(Debug)]
pub(super) struct Debt {
    since: i64,
    /// What was sent, by the word of who owes.
    sent: Option<(Budget, String)>,
}

/// Declares and pays what is to be declared and paid on a day.
///
/// Errors: what was refused.
pub(super) fn attend(life: &mut Life, day: i64) -> anyhow::Result<()> {
    let clauses = life.terms()?.memorandum().clauses.clone();
    for clause in clauses.iter().filter(|clause| clause.force.is_binding()) {
        if let Kind::RevenueShare(share) = &clause.kind {
            declare(life, clause, share)?;
        }
        pay(life, clause, day)?;
    }
    Ok(())
}

fn declare(life: &mut Life, clause: &Clause, share: &RevenueShare) -> anyhow::Result<()> {
    let next = life.state().next_declared(&clause.id, share);
    let Some(on) = next.filter(|on| *on <= life.at().date()) else {
        return Ok(());
    };
    let (least, more) = EARNED;
    let amount = least.saturating_add(i128::from(life.below(more)));
    let revenue = Budget { asset: share.asset.to_string(), amount };
    let party = share.from.clone();
    let bytes = declaration_bytes(life.origin(), &clause.id, on, &revenue);
    let signature = life.sign(party.as_str(), &bytes)?;
    let declare = Declare { clause: clause.id.clone(), on, revenue, party: party.clone(), signature };
    life.by(party.as_str(), Deed::Declare(declare)).map(drop)
}

fn pay(life: &mut Life, clause: &Clause, day: i64) -> anyhow::Result<()> {
    let (Some((owed, _)), Some((debtor, creditor))) = (chart::debt(clause), sides(clause)) else {
        return Ok(());
    };
    let book = life.state().book();
    let left = Amount::new(book.balance(&owed).map_or(0, |balance| balance.net()));
    if left.is_zero() {
        life.debts.remove(&clause.id);
        return Ok(());
    }
    let asset = book.asset_of(&owed).map(ToString::to_string).unwrap_or_default();
    let debt = life.debts.entry(clause.id.clone()).or_insert(Debt { since: day, sent: None });
    match (&debt.sent, day.saturating_sub(debt.since)) {
        (None, PAID_AFTER..) => {
            let sent = (Budget { asset, amount: left.minor() }, format!("EXAMPLE {} {day}", clause.id));
            debt.sent = Some(sent.clone());
            word(life, clause, debtor.as_str(), sent)
        }
        (Some(sent), ARRIVES_AFTER..) => {
            let sent = sent.clone();
            life.debts.remove(&clause.id);
            word(life, clause, creditor.as_str(), sent)
        }
        _ => Ok(()),
    }
}

/// A party gives its word on a payment.
fn word(
    life: &mut Life,
    clause: &Clause,
    party: &str,
    (amount, reference): (Budget, String),
) -> anyhow::Result<()> {
    let bytes = payment_bytes(life.origin(), &clause.id, (&amount, None), &reference);
    let signature = life.sign(party, &bytes)?;
    let payment = Payment {
        clause: clause.id.clone(),
        amount,
        paid_in: None,
        reference,
        party: party.into(),
        signature,
    };
    life.by(party, Deed::Payment(payment)).map(drop)
}
