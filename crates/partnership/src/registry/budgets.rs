//! The budgets that stand, each with what was added to it for a time. Not here: what is spent of them (`investment::budgets`).

use super::{BUDGET_MINOR_MAX, Registry, RegistryError, is_name};
use crate::act::{BudgetRaise, BudgetSet, Of, Period};
use crate::ids::{ApplicationId, BudgetId, KeyId, PartyId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The budgets that stand, by their ids and by whose spending they limit, and the ids of those that stand no more.
#[derive(Debug, Clone, Default)]
pub(super) struct Budgets {
    pub(super) standing: BTreeMap<BudgetId, Budget>,
    scoped: BTreeMap<(Of, String), BTreeSet<BudgetId>>,
    pub(super) removed: BTreeSet<BudgetId>,
}

/// A budget that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// As it was set last.
    pub set: BudgetSet,
    /// What was added for a time, in the order of the acts; some may have ended.
    pub raises: Vec<BudgetRaise>,
}

impl Budget {
    /// What may be spent at `at`: the amount, and every raise that has not ended. Units: minor units.
    #[must_use]
    pub fn limit(&self, at: Timestamp) -> i128 {
        let raises = self.raises.iter().filter(|raise| raise.until > at);
        raises.fold(self.set.amount, |sum, raise| sum.saturating_add(raise.amount))
    }
}

impl Budgets {
    pub(super) fn of(standing: Vec<Budget>, removed: BTreeSet<BudgetId>) -> Self {
        let mut budgets = Self { removed, ..Self::default() };
        standing.into_iter().for_each(|budget| budgets.stand(budget));
        budgets
    }

    fn stand(&mut self, budget: Budget) {
        let scope = (budget.set.of, budget.set.whose.clone());
        self.scoped.entry(scope).or_default().insert(budget.set.id.clone());
        self.standing.insert(budget.set.id.clone(), budget);
    }

    pub(super) fn set(&mut self, set: &BudgetSet) {
        let raises = self.standing.get(&set.id).map(|before| before.raises.clone()).unwrap_or_default();
        self.stand(Budget { set: set.clone(), raises });
    }

    pub(super) fn raise(&mut self, raise: &BudgetRaise, at: Timestamp) {
        if let Some(budget) = self.standing.get_mut(&raise.id) {
            budget.raises.retain(|before| before.until > at);
            budget.raises.push(raise.clone());
        }
    }

    pub(super) fn remove(&mut self, id: &BudgetId) {
        let Some(budget) = self.standing.remove(id) else { return };
        let scope = (budget.set.of, budget.set.whose);
        if let Some(of_scope) = self.scoped.get_mut(&scope) {
            of_scope.remove(id);
            if of_scope.is_empty() {
                self.scoped.remove(&scope);
            }
        }
        self.removed.insert(id.clone());
    }
}

impl Registry {
    /// The budgets that stand, in order of id.
    pub fn budgets(&self) -> impl Iterator<Item = &Budget> {
        self.budgets.standing.values()
    }

    /// The ids of budgets that stand no more, in order.
    pub fn removed_budgets(&self) -> impl Iterator<Item = &BudgetId> {
        self.budgets.removed.iter()
    }

    /// A budget that stands.
    #[must_use]
    pub fn budget(&self, id: &BudgetId) -> Option<&Budget> {
        self.budgets.standing.get(id)
    }

    /// The budgets that limit a call of this party, application and key: from the party's to those of end users, and in order of id.
    #[must_use]
    pub fn budgets_over(&self, party: &PartyId, application: &ApplicationId, key: &KeyId) -> Vec<&Budget> {
        if self.budgets.standing.is_empty() {
            return Vec::new();
        }
        let scopes = [
            (Of::Party, party.as_str()),
            (Of::Application, application.as_str()),
            (Of::Key, key.as_str()),
            (Of::EndUsers, application.as_str()),
        ];
        let of_scope = |(of, whose): (Of, &str)| self.budgets.scoped.get(&(of, whose.to_owned()));
        let ids = scopes.into_iter().filter_map(of_scope).flatten();
        ids.filter_map(|id| self.budgets.standing.get(id)).collect()
    }

    /// The longest time over which a budget of an application's end users rolls. Units: days; none where each runs by the month.
    #[must_use]
    pub fn end_users_roll_over(&self, application: &ApplicationId) -> Option<u16> {
        let ids = self.budgets.scoped.get(&(Of::EndUsers, application.to_string()));
        let budgets = ids.into_iter().flatten().filter_map(|id| self.budgets.standing.get(id));
        let days = |budget: &Budget| match budget.set.period {
            Period::Rolling(days) => Some(days),
            Period::Month | Period::Total => None,
        };
        budgets.filter_map(days).max()
    }

    /// Whether a budget limits each end user of an application.
    #[must_use]
    pub fn limits_end_users(&self, application: &ApplicationId) -> bool {
        self.budgets.scoped.contains_key(&(Of::EndUsers, application.to_string()))
    }

    pub(super) fn check_budget(&self, set: &BudgetSet) -> Result<(), RegistryError> {
        let id = &set.id;
        if !is_name(id.as_str()) {
            return Err(RegistryError::Name(id.to_string()));
        }
        if self.budgets.removed.contains(id) {
            return Err(RegistryError::BudgetRemoved(id.clone()));
        }
        if !(1..BUDGET_MINOR_MAX).contains(&set.amount) {
            return Err(RegistryError::Budget);
        }
        if let Some(before) = self.budget(id) {
            let is_same = BudgetSet { amount: set.amount, ..before.set.clone() } == *set;
            return if is_same { Ok(()) } else { Err(RegistryError::BudgetDiffers(id.clone())) };
        }
        match set.of {
            Of::Application | Of::EndUsers if self.application(&set.whose.as_str().into()).is_none() => {
                return Err(RegistryError::NoApplication(set.whose.as_str().into()));
            }
            Of::Key if !self.keys.contains_key(&KeyId::from(set.whose.as_str())) => {
                return Err(RegistryError::NoKey(set.whose.as_str().into()));
            }
            // The memorandum knows the parties.
            _ => {}
        }
        match (set.period, set.of) {
            (Period::Month, _) => {}
            (Period::Rolling(1..=END_USERS_DAYS_MAX), _) => {}
            (_, Of::EndUsers) => return Err(RegistryError::EndUsersPeriod),
            (Period::Rolling(1..=DAYS_MAX) | Period::Total, _) => {}
            (Period::Rolling(_), _) => return Err(RegistryError::BudgetDays),
        }
        let of_scope = self.budgets.scoped.get(&(set.of, set.whose.clone())).map_or(0, BTreeSet::len);
        if of_scope >= SCOPE_MAX { Err(RegistryError::TooManyBudgets(set.whose.clone())) } else { Ok(()) }
    }

    pub(super) fn check_raise(&self, raise: &BudgetRaise) -> Result<(), RegistryError> {
        self.budget(&raise.id).ok_or_else(|| RegistryError::NoBudget(raise.id.clone()))?;
        if !(1..BUDGET_MINOR_MAX).contains(&raise.amount) {
            return Err(RegistryError::Budget);
        }
        Ok(())
    }

    /// Whether a raise would count at all at `at`, and is not one too many.
    pub(crate) fn check_raise_at(&self, raise: &BudgetRaise, at: Timestamp) -> Result<(), RegistryError> {
        if raise.until <= at {
            return Err(RegistryError::RaiseEnded(raise.until));
        }
        let raises = self.budget(&raise.id).map_or(&[][..], |budget| &budget.raises);
        let count = raises.iter().filter(|before| before.until > at).count();
        if count >= RAISES_MAX { Err(RegistryError::TooManyRaises(raise.id.clone())) } else { Ok(()) }
    }
}

/// Each day of a rolling budget is looked at in each call.
const DAYS_MAX: u16 = 92;
/// No longer than the shortest month, so that the keys of two months tell of all of it.
const END_USERS_DAYS_MAX: u16 = 28;
/// How many budgets may limit the same.
const SCOPE_MAX: usize = 4;
/// How many raises of a budget may count at once.
const RAISES_MAX: usize = 8;
