//! Funds: which accounts a call draws on, what is reserved before it runs and posted when it has.
//!
//! Not here: prices (`tariff`), the register of keys, or how a refusal reads (`judge`).

use super::budgets::{Asker, Spent};
use super::chart::{self, Legs};
use super::tariff::Tariff;
use crate::act::{Key, Usage};
use crate::decision::{Deviation, RefusalCode};
use crate::ids::{ClauseId, PartyId, Timestamp};
use crate::memorandum::{Clause, ComputeCredit, ExpiryApplies};
use crate::registry::Budget;
use crate::terms::Terms;
use ledger::{AccountId, Amount, AssetId, Book, Lot, Operation, Transfer};

/// What a call would draw on.
#[derive(Debug, Clone, Copy)]
pub struct Need<'a> {
    /// The terms in force.
    pub terms: &'a Terms,
    /// The books.
    pub book: &'a Book,
    /// The party that pays.
    pub party: &'a PartyId,
    /// The model asked.
    pub model: &'a str,
    /// The key it came with.
    pub key: &'a Key,
    /// The budgets that limit it, in order.
    pub budgets: &'a [&'a Budget],
    /// The end user's pseudonyms, of this month and of the one before; none where it names nobody.
    pub pseudonyms: &'a [String],
    /// The price agreed.
    pub tariff: &'a Tariff,
    /// Upper bound of the cost.
    pub bound: Amount,
    /// The terms that are about to lower what those in force grant: no more is reserved than they leave.
    pub lowering: Option<&'a Terms>,
    /// When it is decided.
    pub at: Timestamp,
    /// When the reservation ends by itself.
    pub lapses: Timestamp,
}

/// Why funds do not cover a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Short {
    /// The grant that is short; none where a budget is.
    pub clause: Option<ClauseId>,
    /// The budget that is short, the first of them; none where it is a grant or the key's own.
    pub budget: Option<Box<Spent>>,
    /// What is missing. Units: minor units of the tariff's asset.
    pub by: Amount,
}

impl Need<'_> {
    /// The reservations that cover the call, and what non-binding grants would have refused.
    ///
    /// A binding price draws on binding grants, on the key's own budget and on every budget that limits the call; non-binding grants are watched beside them in memo accounts.
    /// Errors: [`Short`] where binding grants or the key's budget do not cover the bound.
    pub fn reserve(&self, act: u128) -> Result<(Vec<Transfer>, Vec<Deviation>), Short> {
        let mut legs = Legs::new(act, 0);
        let mut deviations = Vec::new();
        if self.tariff.force.is_binding() {
            self.reserve_granted(&mut legs)?;
            self.reserve_budget(&mut legs)?;
            self.reserve_nested(&mut legs)?;
        }
        self.watch(&mut legs, &mut deviations);
        Ok((legs.done(), deviations))
    }

    fn reserve_granted(&self, legs: &mut Legs) -> Result<(), Short> {
        let grants: Vec<_> = self.grants().filter(|(clause, _)| clause.force.is_binding()).collect();
        let lots: Vec<Lot> = grants
            .iter()
            .filter(|(_, grant)| self.is_open(grant))
            .map(|(clause, grant)| self.lot(clause, grant))
            .collect();
        let parts = ledger::draw(&lots, self.bound).map_err(|by| Short {
            clause: grants.first().map(|(clause, _)| clause.id.clone()),
            budget: None,
            by,
        })?;
        for (available, amount) in parts {
            let spent = sibling(&available, "spent");
            legs.push(self.reservation(), available, spent, self.tariff.asset.clone(), amount);
        }
        Ok(())
    }

    fn reserve_budget(&self, legs: &mut Legs) -> Result<(), Short> {
        let Some(budget) = &self.key.budget else { return Ok(()) };
        let available = chart::budget(&self.key.id, "available");
        let left = self.book.balance(&available).map_or(0, |balance| balance.available());
        let by = self.bound.minor().saturating_sub(left);
        if budget.asset != AsRef::<str>::as_ref(&self.tariff.asset) || by > 0 {
            return Err(Short { clause: None, budget: None, by: Amount::new(by.max(0)) });
        }
        legs.push(
            self.reservation(),
            available,
            chart::budget(&self.key.id, "spent"),
            self.tariff.asset.clone(),
            self.bound,
        );
        Ok(())
    }

    /// Reserves of every budget that limits the call, or of none. A call that costs nothing needs none.
    fn reserve_nested(&self, legs: &mut Legs) -> Result<(), Short> {
        let asker = Asker { book: self.book, pseudonyms: self.pseudonyms, at: self.at };
        let counts = |budget: &&&Budget| budget.set.asset == AsRef::<str>::as_ref(&self.tariff.asset);
        let mut short: Vec<Spent> = Vec::new();
        for budget in self.budgets.iter().filter(counts).filter(|_| !self.bound.is_zero()) {
            short.extend(asker.reserve(legs, budget, self.bound, self.reservation()).err());
        }
        // All must have enough at once: the last one to fill up counts.
        let refills = short.iter().map(|spent| spent.refills).collect::<Option<Vec<_>>>();
        let refills = refills.and_then(|all| all.into_iter().max());
        let Some(first) = short.into_iter().next() else { return Ok(()) };
        let by = Amount::new(self.bound.minor().saturating_sub(first.left.minor()));
        Err(Short { clause: None, budget: Some(Box::new(Spent { refills, ..first })), by })
    }

    fn watch(&self, legs: &mut Legs, deviations: &mut Vec<Deviation>) {
        for (clause, grant) in self.grants().filter(|(clause, _)| !clause.force.is_binding()) {
            let available = chart::grant(clause, "available");
            let left = self.book.balance(&available).map_or(0, |balance| balance.available());
            if !self.is_open(grant) || left < self.bound.minor() {
                deviations.push(Deviation {
                    clause: clause.id.clone(),
                    code: RefusalCode::InsufficientQuota,
                    why: "would have been refused, because the credit intended does not cover it".to_owned(),
                });
            }
            legs.push(
                self.reservation(),
                available,
                chart::grant(clause, "spent"),
                self.tariff.asset.clone(),
                self.bound,
            );
        }
    }

    fn grants(&self) -> impl Iterator<Item = (&Clause, &ComputeCredit)> {
        self.terms.grants().filter(|(clause, grant)| {
            grant.to == *self.party
                && grant.covers(self.model)
                && grant.amount.asset == self.tariff.asset
                && !self.terms.is_given_up(&clause.id, self.at.date())
        })
    }

    fn is_open(&self, grant: &ComputeCredit) -> bool {
        let until = match grant.expiry_applies {
            ExpiryApplies::Reserve => self.at.date(),
            ExpiryApplies::Settle => self.lapses.date(),
        };
        grant.starts <= self.at.date() && grant.expires.is_none_or(|expires| until < expires)
    }

    fn lot(&self, clause: &Clause, grant: &ComputeCredit) -> Lot {
        let account = chart::grant(clause, "available");
        let available = self.book.balance(&account).map_or(0, |balance| balance.available());
        let available = available.saturating_sub(self.excess(clause)).max(0);
        Lot {
            account,
            order: grant.burn_order,
            expires_at: grant.expires.map(|date| Timestamp::start_of(date).as_millis()),
            available: Amount::new(available),
        }
    }

    /// What has been issued of a grant beyond what is about to be granted.
    fn excess(&self, clause: &Clause) -> i128 {
        let next = self.lowering.and_then(|terms| terms.grants().find(|(next, _)| next.id == clause.id));
        next.map_or(0, |(_, next)| {
            let issued = self.book.balance(&chart::grant(clause, "issued"));
            let issued = issued.map_or(0, |balance| balance.net().saturating_neg());
            issued.saturating_sub(next.amount.amount.minor()).max(0)
        })
    }

    fn reservation(&self) -> Operation {
        Operation::Reserve { expires_at: self.lapses.as_millis() }
    }
}

/// What a settlement moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settling {
    /// Resolutions of every reservation, and what else moves.
    pub transfers: Vec<Transfer>,
    /// What was charged: what the call cost, less what the operator bears.
    pub charged: Option<(Amount, AssetId)>,
    /// Whether the upstream reported more than was reserved.
    pub overran: bool,
}

/// Posts what `usage` costs against the reservations, and gives the rest back.
///
/// No usage gives everything back. What goes beyond a reservation of a binding grant is booked to the operator's overrun; a memo
/// simply goes further. The remainder of the one rounding is booked in an asset of its own.
#[must_use]
pub fn settle(
    act: u128,
    reservations: &[Transfer],
    tariff: Option<&Tariff>,
    usage: Option<Usage>,
    operator: &PartyId,
) -> Settling {
    let mut legs = Legs::after(act, reservations);
    let cost = tariff
        .zip(usage)
        .and_then(|(tariff, usage)| tariff.charge(usage).ok().map(|charge| (tariff, charge)));
    let Some((tariff, charge)) = cost else {
        for reservation in reservations {
            legs.resolve(Operation::Void { pending: reservation.id }, reservation, reservation.amount);
        }
        return Settling {
            transfers: legs.done(),
            charged: None,
            overran: usage.is_some() && !reservations.is_empty(),
        };
    };
    let mut overran = false;
    let is_granted = reservations
        .iter()
        .any(|reservation| AsRef::<str>::as_ref(&reservation.debit).starts_with("credit:"));
    // A binding price is charged to grants. Where the bound was zero, none was asked, and nothing can be charged.
    let is_free = tariff.force.is_binding() && !is_granted;
    let mut borne = if is_free { charge.amount } else { Amount::ZERO };
    for purse in purses(reservations) {
        let excess = post(&mut legs, &purse, charge.amount);
        let Some(first) = purse.first().filter(|_| !excess.is_zero()) else { continue };
        let name: &str = first.debit.as_ref();
        if name.starts_with("memo:") {
            legs.push(
                Operation::Move,
                first.debit.clone(),
                first.credit.clone(),
                first.asset.clone(),
                excess,
            );
        } else if name.starts_with("credit:") {
            overran = true;
            borne = excess;
            legs.push(
                Operation::Move,
                chart::overrun(operator, &first.asset),
                first.credit.clone(),
                first.asset.clone(),
                excess,
            );
        }
    }
    if tariff.force.is_binding() {
        legs.remainder(&tariff.asset, charge.remainder);
    }
    let charged = (!reservations.is_empty())
        .then(|| (charge.amount.checked_sub(borne).unwrap_or(charge.amount), tariff.asset.clone()));
    Settling { transfers: legs.done(), charged, overran }
}

/// Groups reservations that together cover one amount: a purse for all binding grants, one for each budget and each memo.
fn purses(reservations: &[Transfer]) -> Vec<Vec<&Transfer>> {
    let mut purses: Vec<Vec<&Transfer>> = Vec::new();
    for reservation in reservations {
        let is_grant = AsRef::<str>::as_ref(&reservation.debit).starts_with("credit:");
        let granted = purses.iter_mut().find(|purse| {
            is_grant
                && purse
                    .first()
                    .is_some_and(|first| AsRef::<str>::as_ref(&first.debit).starts_with("credit:"))
        });
        match granted {
            Some(purse) => purse.push(reservation),
            None => purses.push(vec![reservation]),
        }
    }
    purses
}

/// Posts `amount` over a purse in its order; returns what did not fit.
fn post(legs: &mut Legs, purse: &[&Transfer], amount: Amount) -> Amount {
    let mut left = amount;
    for reservation in purse {
        let part = left.min(reservation.amount);
        legs.resolve(Operation::Post { pending: reservation.id }, reservation, part);
        left = left.checked_sub(part).unwrap_or(Amount::ZERO);
    }
    left
}

fn sibling(account: &AccountId, stage: &str) -> AccountId {
    let name: &str = account.as_ref();
    let stem = name.rsplit_once(':').map_or(name, |(stem, _)| stem);
    AccountId::from(format!("{stem}:{stage}").as_str())
}
