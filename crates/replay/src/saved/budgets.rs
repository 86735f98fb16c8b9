//! The budgets of a replay as lines. Not here: the spelling of a line.

use super::line::{Expected, Fields, Line};
use crate::budgets::{Budget, Budgets, Change, Of, Period};
use std::io;

impl Budgets {
    pub(super) fn write(&self, to: super::ToLine<'_>) -> io::Result<()> {
        let Self { standing, removed } = self;
        for (id, budget) in standing {
            budget_fields(Line::of("budget").spelled(id), budget).end(to)?;
            for (amount, until) in &budget.raises {
                Line::of("raise").spelled(id).field(amount).field(until).end(to)?;
            }
        }
        removed.iter().try_for_each(|id| Line::of("budget-removed").spelled(id).end(to))
    }

    /// Reads a line of which the word is this.
    pub(super) fn read(&mut self, word: &str, fields: &mut Fields<'_>) -> Result<(), Expected> {
        let id = fields.spelled()?;
        match word {
            "budget" => drop(self.standing.insert(id, budget(fields)?)),
            "raise" => {
                let budget = self.standing.get_mut(&id).ok_or("a `budget` before it")?;
                budget.raises.push((fields.number()?, fields.moment()?));
            }
            _ => drop(self.removed.insert(id)),
        }
        Ok(())
    }
}

/// What an act that is done at once changes.
pub(super) fn change_fields(line: Line, change: &Change) -> Line {
    match change {
        Change::Set(id, budget) => budget_fields(line.field("budget-set").spelled(id), budget),
        Change::Raise(id, amount, until) => line.field("budget-raise").spelled(id).field(amount).field(until),
        Change::Remove(id) => line.field("budget-remove").spelled(id),
    }
}

/// A budget but for its raises.
fn budget_fields(line: Line, budget: &Budget) -> Line {
    let Budget { of, whose, asset, amount, period, raises: _ } = budget;
    line.field(of.name()).spelled(whose).spelled(asset).field(amount).field(period.name())
}

/// A budget without raises.
pub(super) fn budget(fields: &mut Fields<'_>) -> Result<Budget, Expected> {
    let of = Of::read(fields.field()?.as_bytes()).ok_or("whose spending a budget limits")?;
    let (whose, asset, amount) = (fields.spelled()?, fields.spelled()?, fields.number()?);
    let period = Period::read(fields.field()?.as_bytes()).ok_or("the period of a budget")?;
    Ok(Budget { of, whose, asset, amount, period, raises: Vec::new() })
}
