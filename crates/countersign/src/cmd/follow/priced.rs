//! Every settlement priced again, from the rate card in force when its call was decided and the usage that the record states. The sums
//! are worked out here, from the numbers of the card; nothing of the operator's ledger or tariffs is asked.
//!
//! Not here: whether the usage is what was used, which a meter tells; or which account pays, which the replay follows.

use super::counted::Counted;
use crate::office;
use jiff::civil::Date;
use ledger::{Operation, Price};
use partnership::Terms;
use partnership::act::{Deed, Digest, Ended};
use partnership::entry::{Body, Decided, Entry, Settled, Verdict};
use partnership::ids::{ActId, PartyId};
use partnership::memorandum::{Clause, Kind, RateCard};
use partnership::terms::Withdrawn;
use record::Store;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known of the calls that are not settled yet.
#[derive(Debug, Default)]
pub(super) struct Priced {
    terms: Option<Arc<Terms>>,
    calls: BTreeMap<ActId, Call>,
    amending: BTreeMap<ActId, Digest>,
    counted: Counted,
}

/// A call that is under way.
#[derive(Debug)]
struct Call {
    /// Where it was decided.
    index: u64,
    party: PartyId,
    model: String,
    card: Option<Card>,
    /// Whether anything was reserved, and whether it was of a grant.
    reserves: bool,
    granted: bool,
}

/// The prices that hold for a call.
#[derive(Debug)]
struct Card {
    clause: String,
    binding: bool,
    asset: String,
    prices: [Price; 4],
}

impl Priced {
    /// Takes the next entry.
    ///
    /// Errors: a settlement that is not what the rate card makes of its usage.
    pub(super) fn entry(&mut self, store: &impl Store, index: u64, entry: &Entry) -> Result<(), String> {
        match &entry.body {
            Body::Genesis(genesis) => {
                self.counted.moved(&genesis.transfers);
                self.bring_into_force(store, &genesis.memorandum)
            }
            Body::Decided(decided) => {
                self.decided(index, entry.at.date(), decided);
                Ok(())
            }
            Body::Settled(settled) => {
                let checked = self.settled(store, entry.at.date(), settled);
                self.counted.moved(&settled.transfers);
                checked
            }
            _ => Ok(()),
        }
    }

    fn bring_into_force(&mut self, store: &impl Store, digest: &Digest) -> Result<(), String> {
        let terms = office::document(store, digest).map_err(|error| format!("{error:#}"))?;
        self.terms = Some(Arc::new(terms));
        Ok(())
    }

    fn decided(&mut self, index: u64, on: Date, decided: &Decided) {
        if decided.verdict != Verdict::Allow {
            return;
        }
        match &decided.act.deed {
            Deed::Infer(infer) => {
                let clauses = self.terms.iter().flat_map(|terms| {
                    let clauses = terms.memorandum().clauses.iter();
                    clauses.filter(|clause| !terms.is_given_up(&clause.id, on))
                });
                let card = card_of(clauses, infer.model.as_str(), on);
                let is_of_grant = |transfer: &ledger::Transfer| {
                    AsRef::<str>::as_ref(&transfer.debit).starts_with("credit:")
                };
                let (reserves, granted) =
                    (!decided.transfers.is_empty(), decided.transfers.iter().any(is_of_grant));
                let Some(party) = decided.act.principal.party().cloned() else { return };
                let model = infer.model.to_string();
                self.calls.insert(decided.act.id, Call { index, party, model, card, reserves, granted });
            }
            Deed::Amend(amend) => {
                self.amending.insert(decided.act.id, amend.digest);
            }
            Deed::Withdraw(withdraw) => {
                let withdrawn = Withdrawn { by: withdraw.party.clone(), ends: withdraw.ends };
                self.terms = self.terms.take().map(|terms| Arc::new(terms.withdrawn_from(withdrawn)));
            }
            _ => {}
        }
    }

    fn settled(&mut self, store: &impl Store, on: Date, settled: &Settled) -> Result<(), String> {
        if let Some(digest) = self.amending.remove(&settled.act).filter(|_| settled.ended == Ended::Done) {
            return self.bring_into_force(store, &digest);
        }
        match self.calls.remove(&settled.act) {
            Some(call) => {
                call.check(settled)?;
                let terms = self.terms.as_ref().map_or(Ok(()), |terms| {
                    self.counted.check(terms, (&call.party, &call.model), on, settled)
                });
                terms.map_err(|why| format!("{why} (decided at entry {})", call.index))
            }
            None => Ok(()),
        }
    }
}

impl Call {
    fn check(&self, settled: &Settled) -> Result<(), String> {
        let charged = settled.charged.as_ref().map(|(amount, asset)| (amount.minor(), asset.as_ref()));
        let priced = self.card.as_ref().zip(settled.usage).filter(|_| self.reserves);
        let Some((card, usage)) = priced else {
            return match charged {
                None => Ok(()),
                Some((amount, asset)) => Err(format!(
                    "act `{}` (decided at entry {}) is charged {amount} {asset}, and nothing prices it",
                    settled.act, self.index
                )),
            };
        };
        let cached = usage.cached_input_tokens;
        let fresh = usage
            .input_tokens
            .checked_sub(cached)
            .ok_or_else(|| format!("act `{}` had more input cached than there was", settled.act))?;
        let cost = cost(&card.prices, [fresh, cached, usage.output_tokens, 1])
            .ok_or_else(|| format!("the cost of act `{}` does not fit in 128 bits", settled.act))?;
        // A binding price with no grant to pay it is nobody's charge.
        let owed = if card.binding && !self.granted { 0 } else { cost };
        let beyond = |transfer: &&ledger::Transfer| {
            let debit: &str = transfer.debit.as_ref();
            transfer.operation == Operation::Move && debit.contains(":overrun:")
        };
        let overran: i128 =
            settled.transfers.iter().filter(beyond).map(|transfer| transfer.amount.minor()).sum();
        let said = charged.map_or(0, |(amount, _)| amount).saturating_add(overran);
        let is_asset = charged.is_none_or(|(_, asset)| asset == card.asset);
        if said == owed && is_asset {
            return Ok(());
        }
        let of_them = if cached == 0 { String::new() } else { format!(" ({cached} of them cached)") };
        Err(format!(
            "act `{}` (decided at entry {}) used {} tokens of input{of_them} and {} of output, which rate card `{}` prices at {owed} minor units of {}; the record says {said} of {}",
            settled.act,
            self.index,
            usage.input_tokens,
            usage.output_tokens,
            card.clause,
            card.asset,
            charged.map_or(card.asset.as_str(), |(_, asset)| asset),
        ))
    }
}

/// The card that prices a model on a day: a binding one goes before one that is not, one that names the model before one for all, and of
/// those the one that began last. Of two that are alike the later in the document.
fn card_of<'a>(clauses: impl Iterator<Item = &'a Clause>, model: &str, on: Date) -> Option<Card> {
    let mut best: Option<((bool, bool, Date), &Clause, &RateCard)> = None;
    for clause in clauses {
        let Kind::RateCard(card) = &clause.kind else { continue };
        let names = card.models.iter().any(|name| name == model);
        if card.from > on || !(names || card.models.iter().any(|name| name == "*")) {
            continue;
        }
        let rank = (clause.force.is_binding(), names, card.from);
        if best.as_ref().is_none_or(|(before, ..)| *before <= rank) {
            best = Some((rank, clause, card));
        }
    }
    best.map(|((binding, ..), clause, card)| Card {
        clause: clause.id.to_string(),
        binding,
        asset: card.asset.to_string(),
        prices: [card.input, card.cached_input.unwrap_or(card.input), card.output, card.request],
    })
}

/// The sum of prices times quantities, rounded once, half to even. None where it does not fit.
fn cost<const N: usize>(prices: &[Price; N], quantities: [u64; N]) -> Option<i128> {
    let whole = prices.iter().try_fold(1_i128, |whole, price| {
        let per = i128::from(price.per());
        (whole.checked_div(common(whole, per))?).checked_mul(per)
    })?;
    let mut sum = 0_i128;
    for (price, quantity) in prices.iter().zip(quantities) {
        let share = whole.checked_div(i128::from(price.per()))?;
        let line = price.numerator().checked_mul(i128::from(quantity))?.checked_mul(share)?;
        sum = sum.checked_add(line)?;
    }
    let (floor, rest) = (sum.div_euclid(whole), sum.rem_euclid(whole));
    let twice = rest.checked_mul(2)?;
    let up = twice > whole || (twice == whole && floor.rem_euclid(2) == 1);
    if up { floor.checked_add(1) } else { Some(floor) }
}

/// The greatest common divisor of two numbers above zero.
fn common(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a.checked_rem(b).unwrap_or(0));
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_rounded_once_half_to_even() {
        let price = |numerator, per| Price::new(numerator, per).unwrap();
        let table: [([Price; 3], [u64; 3], Option<i128>); 5] = [
            ([price(150, 1000), price(600, 1000), price(0, 1)], [7, 3, 1], Some(3)), // 1.05 + 1.8
            ([price(1, 2), price(0, 1), price(0, 1)], [1, 0, 1], Some(0)),           // 0.5
            ([price(1, 2), price(0, 1), price(0, 1)], [3, 0, 1], Some(2)),           // 1.5
            ([price(1, 2), price(1, 3), price(2, 1)], [1, 1, 1], Some(3)),           // 2.83…
            ([price(i128::MAX, 1), price(0, 1), price(0, 1)], [2, 0, 1], None),
        ];
        for (prices, quantities, expected) in table {
            assert_eq!(cost(&prices, quantities), expected, "{prices:?} {quantities:?}");
        }
    }

    #[test]
    fn it_comes_to_what_the_tariff_does() {
        let price = |numerator, per| Price::new(numerator, per).unwrap();
        for seed in 0..2_000_u64 {
            let mixed = |salt: u64| {
                let bytes = record::hash::sha256(&[seed.to_be_bytes(), salt.to_be_bytes()].concat());
                u64::from(bytes[0]) << 8 | u64::from(bytes[1])
            };
            let prices = [0, 1, 2].map(|place| price(i128::from(mixed(place)), mixed(place + 3) % 2_000 + 1));
            let quantities = [mixed(7), mixed(8), 1];
            let lines: Vec<_> = prices.iter().copied().zip(quantities).collect();
            let theirs = ledger::total(&lines).unwrap().half_even().0.minor();
            assert_eq!(cost(&prices, quantities), Some(theirs), "{prices:?} {quantities:?}");
        }
    }

    /// A memorandum with one card that has a price for cached input, and one call under it that was settled so.
    #[test]
    fn cached_input_is_priced_by_its_own_price() {
        let text = include_str!("../../../../../examples/northwind-halcyon/memorandum.md");
        let card = "cached_input = \"0.05 CREDIT\"\noutput = \"1.50 CREDIT\"";
        let terms = Terms::read(&text.replacen("output = \"1.50 CREDIT\"", card, 1)).unwrap();
        let on = "2026-11-22".parse().unwrap();
        // Input, what of it was cached, output, what the record says it came to in 10^-9 CREDIT | whether that is so
        for (input_tokens, cached_input_tokens, output_tokens, charged, holds) in [
            (100, 0, 10, 65_000, true),
            (100, 60, 10, 38_000, true),
            (100, 60, 10, 65_000, false),
            (100, 100, 10, 20_000, true),
            (100, 101, 10, 20_000, false),
        ] {
            let card = card_of(terms.memorandum().clauses.iter(), "smollm2-135m-instruct", on);
            let (party, model) = ("halcyon".into(), "smollm2-135m-instruct".to_owned());
            let call = Call { index: 1, party, model, card, reserves: true, granted: true };
            let settled = Settled {
                act: "01935a2b-0000-7000-8000-000000000000".parse().unwrap(),
                kind: "infer".to_owned(),
                decided: 1,
                ended: Ended::Done,
                usage: Some(partnership::act::Usage { input_tokens, cached_input_tokens, output_tokens }),
                estimated: false,
                attempts: Vec::new(),
                output: None,
                kept: None,
                charged: Some((ledger::Amount::new(charged), "CREDIT".into())),
                transfers: Vec::new(),
            };
            let said = call.check(&settled);
            assert_eq!(said.is_ok(), holds, "{cached_input_tokens} of {input_tokens} cached: {said:?}");
        }
    }
}
