//! Tariffs: what a call costs under a rate card, in integers.
//!
//! Not here: counting tokens (the gateway), accounts (`ledger`), or which grant pays.

use jiff::civil::Date;
use ledger::{Amount, AssetId, Overflow, Price, Remainder};

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
    /// Price of output tokens.
    pub output: Price,
    /// Price of each request.
    pub request: Price,
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
            output: card.output,
            request: card.request,
        }
    }

    /// The prices of `model` on `date`: a binding card goes before one that is not, a card that names the model before one for
    /// `*`, and of those the one that began last holds. None if no card covers the model on that day.
    #[must_use]
    pub fn on(memorandum: &Memorandum, model: &str, date: Date) -> Option<Self> {
        let cards = memorandum.clauses.iter().filter_map(|clause| match &clause.kind {
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
        Ok(self.cost(input_tokens, output_tokens)?.ceil())
    }

    /// What one request of so many tokens costs: rounded once, half to even, with what rounding left out.
    ///
    /// # Errors
    /// [`Overflow`] if the cost cannot be counted.
    pub fn charge(&self, input_tokens: u64, output_tokens: u64) -> Result<Charge, Overflow> {
        let (amount, remainder) = self.cost(input_tokens, output_tokens)?.half_even();
        Ok(Charge { amount, remainder })
    }

    fn cost(&self, input_tokens: u64, output_tokens: u64) -> Result<ledger::Exact, Overflow> {
        ledger::total(&[(self.input, input_tokens), (self.output, output_tokens), (self.request, 1)])
    }
}
