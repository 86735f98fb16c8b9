//! Budgets inside a commitment: what each has left for a call, and the transfers that reserve it.
//!
//! A budget's money lies in a purse for each period (and each end user), whose `:available` is guarded like a grant's. The first call
//! that needs a purse fills it, and each call brings it to what the limit leaves: up after a raise and where days have rolled out,
//! down where a raise has ended. Not here: which budgets stand (`registry`), or how a refusal reads (`judge`).

use super::chart::Legs;
use crate::act::{Of, Period};
use crate::ids::{BudgetId, Timestamp};
use crate::registry::Budget;
use jiff::ToSpan as _;
use jiff::civil::Date;
use ledger::{AccountId, Amount, AssetId, Book, Operation};

/// Whose purse is looked at, and when.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The books.
    pub book: &'a Book,
    /// The end user's pseudonyms, of this month and of the one before; none where the call names nobody.
    pub pseudonyms: &'a [String],
    /// The record's time.
    pub at: Timestamp,
}

/// A budget that does not cover a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// The budget.
    pub id: BudgetId,
    /// Whose spending it limits.
    pub of: Of,
    /// The party, the application or the key.
    pub whose: String,
    /// What it has left. Units: minor units of its asset.
    pub left: Amount,
    /// From when on it would cover the call, if nothing else were spent; none where it never would.
    pub refills: Option<Timestamp>,
}

/// What a purse holds. Units: minor units of the budget's asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purse {
    /// What may be spent in the period that is now.
    pub limit: i128,
    /// What calls under way hold of it.
    pub reserved: i128,
    /// What was spent.
    pub spent: i128,
    /// What is left; below zero where a raise has ended after more was spent.
    pub left: i128,
}

impl Asker<'_> {
    /// What a budget has left for one who asks now.
    #[must_use]
    pub fn purse(&self, budget: &Budget) -> Purse {
        let days = self.days(budget).map(|day| self.used_on(budget, day));
        let (reserved, spent) = days.fold((0_i128, 0_i128), |(reserved, spent), (more, and)| {
            (reserved.saturating_add(more), spent.saturating_add(and))
        });
        let limit = budget.limit(self.at);
        Purse { limit, reserved, spent, left: limit.saturating_sub(reserved).saturating_sub(spent) }
    }

    /// When something that is used comes back by itself: with the next month, or when the first day that is in use rolls out.
    #[must_use]
    pub fn comes_back(&self, budget: &Budget) -> Option<Timestamp> {
        let today = self.at.date();
        match budget.set.period {
            Period::Total => None,
            Period::Month => today.first_of_month().checked_add(1.month()).ok().map(Timestamp::start_of),
            Period::Rolling(length) => {
                let is_used = |day: &Date| self.used_on(budget, *day) != (0, 0);
                let first = self.days(budget).filter(is_used).last()?;
                first.checked_add(i32::from(length).days()).ok().map(Timestamp::start_of)
            }
        }
    }

    /// Adds what reserves `bound` of a budget: the move that brings its purse to what is left, and the reservation.
    ///
    /// Errors: [`Spent`] where less is left.
    pub fn reserve(
        &self,
        legs: &mut Legs,
        budget: &Budget,
        bound: Amount,
        reservation: Operation,
    ) -> Result<(), Spent> {
        let left = self.purse(budget).left;
        if left < bound.minor() {
            return Err(self.spent(budget, left, bound));
        }
        let today = self.at.date();
        let asset = AssetId::from(budget.set.asset.as_str());
        let account = |stage| self.account(budget, today, stage).unwrap_or_else(|| unnamed(budget, stage));
        let (available, spent) = (account("available"), account("spent"));
        let issued = account_of(budget, &period_of(budget, today), None, "issued");
        let there = self.book.balance(&available).map_or(0, |balance| balance.available());
        let missing = left.saturating_sub(there);
        if missing > 0 {
            legs.push(Operation::Move, issued, available.clone(), asset.clone(), Amount::new(missing));
        } else if missing < 0 {
            let back = Amount::new(missing.saturating_neg());
            legs.push(Operation::Move, available.clone(), issued, asset.clone(), back);
        }
        legs.push(reservation, available, spent, asset, bound);
        Ok(())
    }

    fn spent(&self, budget: &Budget, left: i128, bound: Amount) -> Spent {
        let set = &budget.set;
        Spent {
            id: set.id.clone(),
            of: set.of,
            whose: set.whose.clone(),
            left: Amount::new(left.max(0)),
            refills: self.refills(budget, bound.minor()),
        }
    }

    /// From when on a budget leaves `bound`, if nothing else is spent.
    fn refills(&self, budget: &Budget, bound: i128) -> Option<Timestamp> {
        let today = self.at.date();
        match budget.set.period {
            Period::Total => None,
            Period::Month => {
                let next = today.first_of_month().checked_add(1.month()).ok().map(Timestamp::start_of)?;
                (bound <= budget.limit(next)).then_some(next)
            }
            Period::Rolling(length) => {
                let used: Vec<i128> = self
                    .days(budget)
                    .map(|day| self.used_on(budget, day))
                    .map(|(reserved, spent)| reserved.saturating_add(spent))
                    .collect();
                (1..=length).find_map(|later| {
                    let at = Timestamp::start_of(today.checked_add(i32::from(later).days()).ok()?);
                    let inside = usize::from(length.saturating_sub(later));
                    let held = used.iter().take(inside).fold(0_i128, |sum, used| sum.saturating_add(*used));
                    (held.saturating_add(bound) <= budget.limit(at)).then_some(at)
                })
            }
        }
    }

    /// The days of the period that is now, the last one first; of a month or of all time one stands for all.
    fn days(&self, budget: &Budget) -> impl Iterator<Item = Date> {
        let today = self.at.date();
        let length = match budget.set.period {
            Period::Rolling(length) => length,
            Period::Month | Period::Total => 1,
        };
        (0..length).map_while(move |ago| today.checked_sub(i32::from(ago).days()).ok())
    }

    /// What is reserved and what is spent in the period of a day.
    fn used_on(&self, budget: &Budget, day: Date) -> (i128, i128) {
        let account = self.account(budget, day, "spent");
        let balance = account.and_then(|account| self.book.balance(&account)).unwrap_or_default();
        (balance.credits_pending.minor(), balance.credits_posted.minor())
    }

    /// An account of the purse of a day; none where the end user had no pseudonym then.
    fn account(&self, budget: &Budget, day: Date, stage: &str) -> Option<AccountId> {
        let period = period_of(budget, day);
        if budget.set.of != Of::EndUsers {
            return Some(account_of(budget, &period, None, stage));
        }
        let is_this_month = day.first_of_month() == self.at.date().first_of_month();
        let whose = match (self.pseudonyms, is_this_month) {
            ([], _) => NOBODY,
            ([now, ..], true) => now,
            ([_, before, ..], false) => before,
            ([_], false) => return None,
        };
        Some(account_of(budget, &period, Some(whose), stage))
    }
}

fn period_of(budget: &Budget, day: Date) -> String {
    match budget.set.period {
        Period::Month => format!("{:04}-{:02}", day.year(), day.month()),
        Period::Rolling(_) => day.to_string(),
        Period::Total => "total".to_owned(),
    }
}

fn account_of(budget: &Budget, period: &str, whose: Option<&str>, stage: &str) -> AccountId {
    let id = &budget.set.id;
    let name = match whose {
        Some(whose) => format!("budget:{id}:{period}:{whose}:{stage}"),
        None => format!("budget:{id}:{period}:{stage}"),
    };
    AccountId::from(name.as_str())
}

fn unnamed(budget: &Budget, stage: &str) -> AccountId {
    unreachable!("who asks today has a pseudonym of today for `{}`, {stage}", budget.set.id)
}

/// Stands in the name of a purse for all who name no end user. No pseudonym is spelled so.
const NOBODY: &str = "-";
