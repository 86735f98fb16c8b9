//! Budgets at `/api`: as they are proposed, and what each has left.
//!
//! Not here: whether a call fits into them (the clerk's).

use super::{Problem, may_read};
use crate::http::Caller;
use crate::http::report::Money;
use crate::office::Office;
use axum::Json;
use axum::extract::{Extension, State};
use ledger::{Amount, AssetId};
use partnership::State as Books;
use partnership::act::{Administer, BudgetRaise, BudgetSet, Deed, Of};
use partnership::ids::{BudgetId, Timestamp};
use partnership::investment::budgets::Asker;
use partnership::registry::Budget;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A budget as it is to be set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Setting {
    id: String,
    of: Of,
    whose: String,
    /// `1.00 CREDIT`.
    amount: String,
    /// `month`, `total` or `rolling-30`.
    period: String,
}

/// What is to be added to a budget.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raising {
    id: String,
    /// `1.00 CREDIT`.
    amount: String,
    /// A day, before which it ends, or a moment.
    until: String,
}

/// A budget that is to limit nothing any more.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Removing {
    id: String,
}

impl Removing {
    pub(super) fn deed(self) -> Deed {
        Deed::Administer(Administer::BudgetRemove { id: self.id.into() })
    }
}

impl Setting {
    pub(super) fn deed(self, office: &Office) -> Result<Deed, Problem> {
        let money = super::acts::budget_of(&office.desk.load().terms, &self.amount)?;
        let period = self.period.parse().map_err(|error| Problem::unreadable(format!("{error}")))?;
        let Self { id, of, whose, .. } = self;
        let (asset, amount) = (money.asset, money.amount);
        let set = BudgetSet { id: id.into(), of, whose, asset, amount, period };
        Ok(Deed::Administer(Administer::BudgetSet(set)))
    }
}

impl Raising {
    pub(super) fn deed(self, office: &Office) -> Result<Deed, Problem> {
        let desk = office.desk.load();
        let (money, id) = (super::acts::budget_of(&desk.terms, &self.amount)?, BudgetId::from(self.id));
        if let Some(budget) = desk.registry.budget(&id).filter(|budget| budget.set.asset != money.asset) {
            let counts = &budget.set.asset;
            return Err(Problem::unreadable(format!("budget `{id}` counts {counts}, not {}", money.asset)));
        }
        let until = super::acts::moment(&self.until)?;
        let raise = BudgetRaise { id, amount: money.amount, until };
        Ok(Deed::Administer(Administer::BudgetRaise(raise)))
    }
}

/// A budget, and what it has left in the period that is now. Of end users each has a purse of its own, so nothing is said of those.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    id: String,
    of: &'static str,
    whose: String,
    period: String,
    /// What was set.
    amount: Money,
    /// That, and what was added to it for a time.
    limit: Money,
    raises: Vec<Raised>,
    reserved: Option<Money>,
    spent: Option<Money>,
    left: Option<Money>,
    /// When something comes back by itself.
    refills: Option<String>,
}

#[derive(Debug, Serialize)]
struct Raised {
    amount: Money,
    until: String,
}

impl Line {
    fn of(state: &Books, budget: &Budget, at: Timestamp) -> Self {
        let set = &budget.set;
        let asset = AssetId::from(set.asset.as_str());
        let money = |minor: i128| Money::of(state, Amount::new(minor), &asset);
        let asker = Asker { book: state.book(), pseudonyms: &[], at };
        let purse = (set.of != Of::EndUsers).then(|| asker.purse(budget));
        let raised =
            |raise: &BudgetRaise| Raised { amount: money(raise.amount), until: raise.until.to_string() };
        Self {
            id: set.id.to_string(),
            of: set.of.name(),
            whose: set.whose.clone(),
            period: set.period.to_string(),
            amount: money(set.amount),
            limit: money(budget.limit(at)),
            raises: budget.raises.iter().filter(|raise| raise.until > at).map(raised).collect(),
            reserved: purse.map(|purse| money(purse.reserved)),
            spent: purse.map(|purse| money(purse.spent)),
            left: purse.map(|purse| money(purse.left.max(0))),
            refills: asker.comes_back(budget).map(|at| at.to_string()),
        }
    }
}

pub(super) async fn budgets(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Vec<Line>>, Problem> {
    may_read(&caller)?;
    let now = office.clock.now();
    let lines = move |state: &Books| {
        let at = now.max(state.at());
        state.registry().budgets().map(|budget| Line::of(state, budget, at)).collect()
    };
    Ok(Json(office.clerk.ask(lines).await?))
}
