//! Rows that name no act, by day, model and asset, with the acts of the record that fall there.
//!
//! An act falls on the day in UTC on which it ended, since that is when it was charged.

use super::exact::Exact;
use super::invoice::{Asked, Unit};
use super::matching::{Charged, Findings, Found, Of, amount_differs};
use super::report::{Kind, Sums, Why, less};
use jiff::civil::Date;
use ledger::AssetId;
use partnership::ids::ActId;
use std::collections::BTreeMap;

/// Days and models.
#[derive(Debug, Default)]
pub(super) struct Groups {
    all: BTreeMap<(Date, String, AssetId), Group>,
}

#[derive(Debug, Default)]
struct Group {
    lines: Vec<u64>,
    asked: Exact,
    /// How many decimals its amounts are written with at least.
    decimals: Option<u8>,
    quantities: BTreeMap<Unit, Exact>,
    charged: Exact,
    scale: u8,
    acts: Vec<(ActId, u64, Exact)>,
    counted: BTreeMap<Unit, Exact>,
}

const UNITS: [Unit; 5] =
    [Unit::Tokens, Unit::InputTokens, Unit::CachedInputTokens, Unit::OutputTokens, Unit::Requests];

impl Groups {
    /// Those of rows that have a day and a model.
    ///
    /// Errors: a sum does not fit.
    pub(super) fn of(rows: &[Asked]) -> Result<Self, String> {
        let mut groups = Self::default();
        for row in rows {
            let (Some(day), Some(model)) = (row.day, &row.model) else { continue };
            let group = groups.all.entry((day, model.to_string(), row.asset.clone())).or_default();
            group.lines.push(row.line);
            group.asked = plus(group.asked, row.amount)?;
            group.decimals = Some(group.decimals.map_or(row.decimals, |known| known.min(row.decimals)));
            if let Some((unit, quantity)) = row.quantity {
                let sum = group.quantities.entry(unit).or_default();
                *sum = plus(*sum, quantity)?;
            }
        }
        Ok(groups)
    }

    /// An act of the record that no row names.
    ///
    /// Errors: a sum does not fit.
    pub(super) fn charged(&mut self, charged: &Charged) -> Result<(), String> {
        let [_, day] = charged.days;
        let group = self.all.entry((day, charged.model.clone(), charged.asset.clone())).or_default();
        group.charged = plus(group.charged, charged.cost)?;
        group.scale = charged.scale;
        group.acts.push((charged.act, charged.entry, charged.cost));
        for unit in UNITS {
            if let Some(quantity) = charged.quantity(unit) {
                let sum = group.counted.entry(unit).or_default();
                *sum = plus(*sum, quantity)?;
            }
        }
        Ok(())
    }

    /// Adds what agrees and what differs.
    ///
    /// Errors: a difference does not fit.
    pub(super) fn end(self, found: &mut Findings) -> Result<(), String> {
        for ((day, model, asset), group) in self.all {
            let why = group.why(day, &model);
            if why.is_empty() && (group.lines.is_empty() || group.acts.is_empty()) {
                continue;
            }
            if why.is_empty() {
                let acts = u64::try_from(group.acts.len()).unwrap_or(u64::MAX);
                found.matched.acts = found.matched.acts.saturating_add(acts);
                found.matched.groups = found.matched.groups.saturating_add(1);
                continue;
            }
            let kind = match (group.lines.is_empty(), group.acts.is_empty()) {
                (true, _) => Kind::OursOnly,
                (_, true) => Kind::TheirsOnly,
                _ => Kind::Differing,
            };
            let side =
                |is_there: bool, amount| is_there.then(|| (asset.clone(), amount)).into_iter().collect();
            let ours: Sums = side(kind != Kind::TheirsOnly, group.charged);
            let theirs: Sums = side(kind != Kind::OursOnly, group.asked);
            let money = less(&theirs, &ours)?;
            let (of, lines) = (Of::Group(day, model, group.acts), group.lines);
            found.differs(Found { kind, of, lines, why, ours, theirs, money })?;
        }
        Ok(())
    }
}

impl Group {
    fn why(&self, day: Date, model: &str) -> Vec<Why> {
        let is_one_sided = |amount: Exact, code, text: String| {
            if amount.is_zero() { Vec::new() } else { vec![Why::new(code, text)] }
        };
        if self.acts.is_empty() {
            let text = format!("the record charges no act of `{model}` that ended on {day}");
            return is_one_sided(self.asked, "no-act", text);
        }
        if self.lines.is_empty() {
            let text =
                format!("the record charges acts of `{model}` that ended on {day}, and no row asks for them");
            return is_one_sided(self.charged, "not-asked", text);
        }
        let mut why = Vec::new();
        if self.asked != self.charged {
            let written = (self.scale, self.decimals.unwrap_or_default(), self.lines.len());
            why.push(amount_differs(self.asked, self.charged, written));
        }
        for (unit, asked) in &self.quantities {
            let counted = self.counted.get(unit).copied().unwrap_or_default();
            if *asked != counted {
                let (asked, counted, unit) = (asked.display(0), counted.display(0), unit.name());
                why.push(Why::new(
                    "quantity",
                    format!("{asked} {unit} are asked for, and the record counted {counted}"),
                ));
            }
        }
        why
    }
}

fn plus(one: Exact, other: Exact) -> Result<Exact, String> {
    one.plus(other).ok_or_else(|| "a sum of a day and a model does not fit".to_owned())
}
