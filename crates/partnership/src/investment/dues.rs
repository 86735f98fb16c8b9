//! What falls due by the calendar, and what it moves: periods of capacity, what falls short of a minimum, shares of revenue.
//!
//! Not here: whether an act may book it (`judge`), or what has been booked (`state`).

use super::chart::{self, Legs};
use crate::ids::{ActId, PartyId};
use crate::memorandum::{Clause, Condition, Kind, Milestone, MinimumConsumption, RevenueShare};
use crate::terms::Terms;
use jiff::civil::Date;
use ledger::{Amount, AssetId, Book, Operation, Transfer};

/// The first day after `last` on which a clause makes something due: on which a period of capacity begins, or by which a minimum
/// was to be consumed. None for other kinds, and when there is no such day any more.
#[must_use]
pub fn next(clause: &Clause, last: Option<Date>) -> Option<Date> {
    let is_next = |day: &Date| last.is_none_or(|last| *day > last);
    match &clause.kind {
        Kind::Capacity(capacity) => capacity.periods.first_days().find(is_next),
        Kind::MinimumConsumption(minimum) => minimum.steps.iter().map(|step| step.by).find(is_next),
        _ => None,
    }
}

/// The first day after `last` on which the revenue of a period is to be declared; none when no period is shared any more. `is_met` says
/// whether a milestone of the clause was reached by a day.
#[must_use]
pub(crate) fn next_declared(
    share: &RevenueShare,
    last: Option<Date>,
    is_met: &dyn Fn(&Milestone, Date) -> bool,
) -> Option<Date> {
    let (first, over) = share.periods.all().find(|(_, over)| last.is_none_or(|last| *over > last))?;
    let is_over = |until: &Condition| until.holds(first, &|milestone| is_met(milestone, first));
    (!share.until.as_ref().is_some_and(is_over)).then_some(over)
}

/// How much a clause makes due on a day that it names: the price of the period, or what falls short of the minimum so far.
#[must_use]
pub fn due(clause: &Clause, on: Date, book: &Book) -> Amount {
    match &clause.kind {
        Kind::Capacity(capacity) => capacity.total,
        Kind::MinimumConsumption(minimum) => shortfall(clause, minimum, on, book),
        _ => Amount::ZERO,
    }
}

/// What is missing on a day: what was to be consumed by then, less what was, and less what was owed for it on earlier days.
fn shortfall(clause: &Clause, minimum: &MinimumConsumption, on: Date, book: &Book) -> Amount {
    let step = minimum.steps.iter().rfind(|step| step.by <= on);
    let target = step.map_or(0, |step| step.amount.minor());
    // What has left the open account was consumed or fell short; what was lowered has gone back to where it came from.
    let net = |stage: &str| book.balance(&chart::minimum(clause, stage)).map_or(0, |balance| balance.net());
    let missing = target.saturating_sub(net("agreed").saturating_neg().saturating_sub(net("open")));
    Amount::new(missing.clamp(0, net("open").max(0)))
}

/// The transfer that books what a clause makes due on a day; none where nothing is.
#[must_use]
pub fn booking(clause: &Clause, on: Date, book: &Book, act: ActId) -> Vec<Transfer> {
    let amount = due(clause, on, book);
    let (from, to, asset) = match &clause.kind {
        Kind::Capacity(capacity) => {
            (chart::capacity(clause, "billed"), chart::capacity(clause, "owed"), &capacity.price.asset)
        }
        Kind::MinimumConsumption(minimum) => {
            (chart::minimum(clause, "open"), chart::minimum(clause, "shortfall"), &minimum.amount.asset)
        }
        _ => return Vec::new(),
    };
    let mut legs = Legs::new(act.as_u128(), 0);
    if !amount.is_zero() {
        legs.push(Operation::Move, from, to, asset.clone(), amount);
    }
    legs.done()
}

/// The transfers by which a share of revenue comes to be owed: rounded once, half to even, with the remainder booked, and no more
/// than the cap has open. None where the share cannot be counted.
#[must_use]
pub fn sharing(
    clause: &Clause,
    share: &RevenueShare,
    revenue: Amount,
    book: &Book,
    act: ActId,
) -> Option<Vec<Transfer>> {
    let (amount, remainder) = share_of(share, revenue)?;
    let mut legs = Legs::new(act.as_u128(), 0);
    let open = chart::revenue(clause, "open");
    let (from, owed) = match share.cap {
        None => (chart::revenue(clause, "agreed"), amount),
        Some(_) => {
            let left = book.balance(&open).map_or(0, |balance| balance.available()).max(0);
            (open, amount.min(Amount::new(left)))
        }
    };
    if !owed.is_zero() {
        legs.push(Operation::Move, from, chart::revenue(clause, "owed"), share.asset.clone(), owed);
    }
    // What the cap cuts off is owed by nobody, and with it what rounding left out.
    if owed == amount && clause.force.is_binding() {
        legs.remainder(&share.asset, remainder);
    }
    Some(legs.done())
}

/// The part of `revenue` that is shared, and what rounding left out.
#[must_use]
pub fn share_of(share: &RevenueShare, revenue: Amount) -> Option<(Amount, ledger::Remainder)> {
    let units = u64::try_from(revenue.minor()).ok()?;
    Some(ledger::total(&[(share.rate, units)]).ok()?.half_even())
}

/// A call that was charged, as minimums count it.
#[derive(Debug, Clone, Copy)]
pub struct Charged<'a> {
    /// The party whose application called.
    pub party: &'a PartyId,
    /// The model.
    pub model: &'a str,
    /// What it was charged.
    pub amount: Amount,
    /// In which asset.
    pub asset: &'a AssetId,
    /// The day on which it is settled.
    pub on: Date,
}

/// Counts a call towards every minimum that it falls under, as far as that is still open.
pub fn consume(legs: &mut Legs, terms: &Terms, book: &Book, charged: Charged<'_>) {
    let Charged { party, model, amount, asset, on } = charged;
    let counts = |(clause, minimum): &(&Clause, &MinimumConsumption)| {
        minimum.counts(party, model, asset, on) && !terms.has_ended(&clause.id, on)
    };
    for (clause, _) in terms.minimums().filter(counts) {
        let open = chart::minimum(clause, "open");
        let left = book.balance(&open).map_or(0, |balance| balance.available()).max(0);
        let counted = amount.min(Amount::new(left));
        if !counted.is_zero() {
            legs.push(Operation::Move, open, chart::minimum(clause, "consumed"), asset.clone(), counted);
        }
    }
}
