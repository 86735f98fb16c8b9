//! Tariffs: what a call costs under a rate card, in integers.
//!
//! Not here: counting tokens (the gateway), accounts (`ledger`), or which grant pays.

use jiff::civil::Date;
use ledger::{Amount, AssetId, Overflow, Price, Remainder};

use crate::act::Usage;
use crate::ids::ClauseId;
use crate::memorandum::{Clause, Force, Kind, Memorandum, RateCard};

/// The prices of one model under one rate card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tariff {
    /// The rate card.
    pub clause: ClauseId,
    /// Its force.
    pub force: Force,
    /// What the prices count.
    pub asset: AssetId,
    /// Price of input tokens.
    pub input: Price,
    /// Price of those among them that were cached; that of all others, if none.
    pub cached_input: Option<Price>,
    /// Price of output tokens.
    pub output: Price,
    /// Price of each request.
    pub request: Price,
}

/// The price of one unit of what is no call, under one rate card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitPrice {
    /// The rate card.
    pub clause: ClauseId,
    /// Its force.
    pub force: Force,
    /// What the price counts.
    pub asset: AssetId,
    /// The price. Units: minor units per one of it.
    pub price: Price,
}

impl UnitPrice {
    /// The price of a unit such as `gpu-hour:h100` on `date`: a binding card goes before one that is not, and of those the one that
    /// began last holds. None if no card prices it on that day.
    #[must_use]
    pub fn on(memorandum: &Memorandum, unit: &str, date: Date) -> Option<Self> {
        let cards = memorandum.clauses.iter().filter_map(|clause| match &clause.kind {
            Kind::RateCard(card) if card.from <= date => Some((clause, card, *card.units.get(unit)?)),
            _ => None,
        });
        let (clause, card, price) =
            cards.max_by_key(|(clause, card, _)| (clause.force.is_binding(), card.from))?;
        Some(Self { clause: clause.id.clone(), force: clause.force, asset: card.asset.clone(), price })
    }
}

/// What a call cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The amount to post, rounded once, half to even.
    pub amount: Amount,
    /// What rounding left out; the exact cost is the amount and this together.
    pub remainder: Remainder,
}

impl Tariff {
    /// The prices that a rate card sets.
    #[must_use]
    pub fn of(clause: &Clause, card: &RateCard) -> Self {
        Self {
            clause: clause.id.clone(),
            force: clause.force,
            asset: card.asset.clone(),
            input: card.input,
            cached_input: card.cached_input,
            output: card.output,
            request: card.request,
        }
    }

    /// The prices of `model` on `date`: a binding card goes before one that is not, a card that names the model before one for
    /// `*`, and of those the one that began last holds. None if no card covers the model on that day.
    #[must_use]
    pub fn on(memorandum: &Memorandum, model: &str, date: Date) -> Option<Self> {
        Self::of_any(memorandum.clauses.iter(), model, date)
    }

    /// As [`Tariff::on`], by the cards among some clauses.
    pub(crate) fn of_any<'a>(
        clauses: impl Iterator<Item = &'a Clause>,
        model: &str,
        date: Date,
    ) -> Option<Self> {
        let cards = clauses.filter_map(|clause| match &clause.kind {
            Kind::RateCard(card) if card.covers(model) && card.from <= date => Some((clause, card)),
            _ => None,
        });
        let named = |card: &RateCard| card.models.iter().any(|name| name == model);
        cards
            .max_by_key(|(clause, card)| (clause.force.is_binding(), named(card), card.from))
            .map(|(clause, card)| Self::of(clause, card))
    }

    /// What to reserve for one request of at most so many tokens: its cost, rounded up. Units: minor units of the asset.
    ///
    /// # Errors
    /// [`Overflow`] if the cost cannot be counted.
    pub fn reserve(&self, input_tokens: u64, output_tokens: u64) -> Result<Amount, Overflow> {
        // Cached input never costs more, and how much of it there is nobody knows beforehand.
        Ok(self.cost(Usage { input_tokens, output_tokens, ..Usage::default() })?.ceil())
    }

    /// What one request that used so much costs: rounded once, half to even, with what rounding left out.
    ///
    /// # Errors
    /// [`Overflow`] if the cost cannot be counted.
    pub fn charge(&self, usage: Usage) -> Result<Charge, Overflow> {
        let (amount, remainder) = self.cost(usage)?.half_even();
        Ok(Charge { amount, remainder })
    }

    fn cost(&self, usage: Usage) -> Result<ledger::Exact, Overflow> {
        let Usage { input_tokens, cached_input_tokens: cached, output_tokens } = usage.sound();
        ledger::total(&[
            (self.input, input_tokens.saturating_sub(cached)),
            (self.cached_input.unwrap_or(self.input), cached),
            (self.output, output_tokens),
            (self.request, 1),
        ])
    }
}
