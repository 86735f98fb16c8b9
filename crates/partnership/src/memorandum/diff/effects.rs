//! What the changes of a version come to, as far as clauses alone tell: sums promised, prices, models served, approvals asked for.
//!
//! Not here: what acts make of it; that only acts tell.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use ledger::{Amount, AssetId, Price};
use serde::Serialize;

use crate::ids::{ClauseId, PartyId};
use crate::investment::tariff::{Tariff, UnitPrice};
use crate::memorandum::explain::priced;
use crate::memorandum::{Clause, Force, Header, Kind, Memorandum, REQUIREMENT_ACTS, RateCard};
use crate::terms::Terms;

/// What a version comes to. Shape: only what differs, each list in the order of its first fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Effects {
    /// What each party promises, in each asset.
    pub sums: Vec<SumDifference>,
    /// What calls and other units cost.
    pub prices: Vec<PriceDifference>,
    /// Which models are served to whom.
    pub services: Vec<ServiceDifference>,
    /// Who must approve what.
    pub approvals: Vec<ApprovalDifference>,
}

/// What a party promises in one asset by the clauses of one kind and force. Payments made before the memorandum, amounts that are
/// sealed or only reported, and shares of revenue are no sums promised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SumDifference {
    /// The party that gives, pays or is to consume.
    pub party: PartyId,
    /// The asset.
    pub asset: String,
    /// The kind of the clauses; `capacity, each period` for capacity without an end.
    pub promise: &'static str,
    /// Their force.
    pub force: &'static str,
    /// The sum before, in the asset's decimals.
    pub before: String,
    /// The sum after.
    pub after: String,
    /// What it rises by, with its sign; none where that cannot be counted.
    pub change: Option<String>,
}

/// What something costs from a day on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PriceDifference {
    /// The model, `*` for every model that no card names, or the unit.
    pub of: String,
    /// Which price: `input`, `cached input`, `output`, `request` or `unit`.
    pub price: &'static str,
    /// The first day (UTC) on which it differs so.
    pub from: String,
    /// The price before, and for how many; none, if there was no price.
    pub before: Option<String>,
    /// The price after; none, if there is no price.
    pub after: Option<String>,
    /// What it rises by, in per cent, to one decimal; none where that cannot be said.
    pub percent: Option<String>,
}

/// Whether a model is served to a party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceDifference {
    /// The party whose applications call.
    pub party: PartyId,
    /// The model; `*` for any that no service names.
    pub model: String,
    /// Before.
    pub before: &'static str,
    /// After.
    pub after: &'static str,
}

/// Whose approval an act needs by the clauses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovalDifference {
    /// The sort of act.
    pub act: &'static str,
    /// Who had to approve it, in order of id; nobody, if empty.
    pub before: Vec<PartyId>,
    /// Who must approve it.
    pub after: Vec<PartyId>,
}

impl Effects {
    pub(super) fn between(before: &Terms, after: &Terms) -> Self {
        let (old, new) = (before.memorandum(), after.memorandum());
        Self {
            sums: sums(old, new),
            prices: prices(old, new),
            services: services(before, after),
            approvals: approvals(before, after),
        }
    }
}

/// Who promises, in which asset, by clauses of which kind and force.
type Promise = (PartyId, AssetId, &'static str, &'static str);

fn sums(old: &Memorandum, new: &Memorandum) -> Vec<SumDifference> {
    let (before, after) = (promised(old), promised(new));
    let promises: BTreeSet<&Promise> = before.keys().chain(after.keys()).collect();
    let difference = |promise: &Promise| {
        let sum = |sums: &BTreeMap<Promise, Option<Amount>>| {
            sums.get(promise).copied().unwrap_or(Some(Amount::ZERO))
        };
        let (was, is) = (sum(&before), sum(&after));
        let (party, asset, kind, force) = promise.clone();
        let scales = (scale(&old.header, &new.header, &asset), scale(&new.header, &old.header, &asset));
        let change = was.zip(is).filter(|_| scales.0 == scales.1);
        let change = change.and_then(|(was, is)| is.minor().checked_sub(was.minor()));
        (was != is || scales.0 != scales.1).then(|| SumDifference {
            party,
            asset: asset.to_string(),
            promise: kind,
            force,
            before: shown(was, scales.0),
            after: shown(is, scales.1),
            change: change.map(|change| signed(change, scales.1)),
        })
    };
    promises.into_iter().filter_map(difference).collect()
}

/// The decimals of an asset by a header, or by the other where it does not know the asset.
fn scale(header: &Header, other: &Header, asset: &AssetId) -> u8 {
    header.scale(asset).or_else(|| other.scale(asset)).unwrap_or(0)
}

fn shown(sum: Option<Amount>, scale: u8) -> String {
    sum.map_or_else(|| "beyond counting".to_owned(), |sum| sum.display(scale))
}

fn signed(change: i128, scale: u8) -> String {
    let sign = if change > 0 { "+" } else { "" };
    format!("{sign}{}", Amount::new(change).display(scale))
}

/// What is promised in all; none where that is beyond counting.
fn promised(memorandum: &Memorandum) -> BTreeMap<Promise, Option<Amount>> {
    let mut sums = BTreeMap::new();
    for clause in &memorandum.clauses {
        if let Some((party, asset, promise, amount)) = promise_of(clause) {
            let sum =
                sums.entry((party, asset, promise, clause.force.as_str())).or_insert(Some(Amount::ZERO));
            *sum = sum
                .zip(amount)
                .and_then(|(sum, more)| sum.minor().checked_add(more.minor()).map(Amount::new));
        }
    }
    sums
}

fn promise_of(clause: &Clause) -> Option<(PartyId, AssetId, &'static str, Option<Amount>)> {
    let kind = clause.kind.name();
    match &clause.kind {
        Kind::ComputeCredit(grant) => {
            Some((grant.from.clone(), grant.amount.asset.clone(), kind, Some(grant.amount.amount)))
        }
        Kind::CashTranche(tranche) if !tranche.already_paid => {
            Some((tranche.from.clone(), tranche.amount.asset.clone(), kind, Some(tranche.amount.amount)))
        }
        Kind::MinimumConsumption(minimum) => {
            Some((minimum.by.clone(), minimum.amount.asset.clone(), kind, Some(minimum.amount.amount)))
        }
        Kind::Capacity(capacity) => {
            let (party, asset) = (capacity.to.clone(), capacity.price.asset.clone());
            if capacity.periods.ends.is_none() {
                return Some((party, asset, "capacity, each period", Some(capacity.total)));
            }
            let periods = i128::try_from(capacity.periods.first_days().count()).ok();
            let whole = periods.and_then(|periods| capacity.total.minor().checked_mul(periods));
            Some((party, asset, kind, whole.map(Amount::new)))
        }
        _ => None,
    }
}

/// One price with how it is spelled. Two are the same where they are spelled the same.
#[derive(Clone, PartialEq, Eq)]
struct Priced {
    price: Price,
    asset: AssetId,
    spelled: String,
}

/// What each price is on a day.
type Prices = BTreeMap<&'static str, Priced>;

fn prices(old: &Memorandum, new: &Memorandum) -> Vec<PriceDifference> {
    let mut differences = Vec::new();
    let days = days(old, new);
    let models = named(old).chain(named(new)).collect::<BTreeSet<_>>();
    for model in models {
        let on = |memorandum: &Memorandum, day| of_model(memorandum, model, day);
        differences.extend(over(model, &days, |day| (on(old, day), on(new, day))));
    }
    let units = cards(old).chain(cards(new)).flat_map(|(_, card)| card.units.keys().copied());
    for unit in units.collect::<BTreeSet<_>>() {
        let on = |memorandum: &Memorandum, day| of_unit(memorandum, unit, day);
        differences.extend(over(unit, &days, |day| (on(old, day), on(new, day))));
    }
    differences
}

/// The days on which a price may become another: the later version's first, and those on which a card begins after it.
fn days(old: &Memorandum, new: &Memorandum) -> BTreeSet<Date> {
    let first = new.header.effective;
    let later = cards(old).chain(cards(new)).map(|(_, card)| card.from).filter(|from| *from > first);
    std::iter::once(first).chain(later).collect()
}

fn cards(memorandum: &Memorandum) -> impl Iterator<Item = (&Clause, &RateCard)> {
    memorandum.clauses.iter().filter_map(|clause| match &clause.kind {
        Kind::RateCard(card) => Some((clause, card)),
        _ => None,
    })
}

fn named(memorandum: &Memorandum) -> impl Iterator<Item = &String> {
    cards(memorandum).flat_map(|(_, card)| &card.models)
}

/// The differences of what something costs over the days, each once for as long as it stays the same.
fn over(of: &str, days: &BTreeSet<Date>, on: impl Fn(Date) -> (Prices, Prices)) -> Vec<PriceDifference> {
    let mut differences = Vec::new();
    let mut last: BTreeMap<&'static str, (Option<Priced>, Option<Priced>)> = BTreeMap::new();
    for day in days {
        let (before, after) = on(*day);
        let names: BTreeSet<&'static str> =
            before.keys().chain(after.keys()).chain(last.keys()).copied().collect();
        for name in names {
            let pair = (before.get(name).cloned(), after.get(name).cloned());
            if last.get(name) == Some(&pair) {
                continue;
            }
            if pair.0 != pair.1 {
                differences.push(difference(of, name, *day, &pair));
            }
            last.insert(name, pair);
        }
    }
    differences
}

fn difference(
    of: &str,
    price: &'static str,
    from: Date,
    (before, after): &(Option<Priced>, Option<Priced>),
) -> PriceDifference {
    let percent = before.as_ref().zip(after.as_ref()).and_then(|(before, after)| percent(before, after));
    let spelled = |priced: &Option<Priced>| priced.as_ref().map(|priced| priced.spelled.clone());
    let (before, after) = (spelled(before), spelled(after));
    PriceDifference { of: of.to_owned(), price, from: from.to_string(), before, after, percent }
}

/// What a price rises by, in per cent, to one decimal, half away from nothing.
fn percent(before: &Priced, after: &Priced) -> Option<String> {
    let was = before.price.numerator().checked_mul(i128::from(after.price.per()))?;
    let is = after.price.numerator().checked_mul(i128::from(before.price.per()))?;
    if before.asset != after.asset || was <= 0 {
        return None;
    }
    let doubled = is.checked_sub(was)?.checked_mul(2000)?;
    let half = if doubled < 0 { was.checked_neg()? } else { was };
    let tenths = doubled.checked_add(half)?.checked_div(was.checked_mul(2)?)?;
    Some(format!("{} %", signed(tenths, 1)))
}

fn of_model(memorandum: &Memorandum, model: &str, day: Date) -> Prices {
    let Some(tariff) = Tariff::on(memorandum, model, day) else { return Prices::new() };
    let Some(card) = card(memorandum, &tariff.clause) else { return Prices::new() };
    let cached = tariff.cached_input.unwrap_or(tariff.input);
    let of_tokens = [("input", tariff.input), ("cached input", cached), ("output", tariff.output)];
    let of_tokens = of_tokens.into_iter().map(|(name, price)| (name, price, card.per));
    let all = of_tokens.chain([("request", tariff.request, 1)]);
    all.map(|(name, price, per)| (name, spelled(&memorandum.header, price, per, card, tariff.force)))
        .collect()
}

fn of_unit(memorandum: &Memorandum, unit: &str, day: Date) -> Prices {
    let Some(found) = UnitPrice::on(memorandum, unit, day) else { return Prices::new() };
    let Some(card) = card(memorandum, &found.clause) else { return Prices::new() };
    Prices::from([("unit", spelled(&memorandum.header, found.price, 1, card, found.force))])
}

fn card<'a>(memorandum: &'a Memorandum, clause: &ClauseId) -> Option<&'a RateCard> {
    cards(memorandum).find(|(found, _)| found.id == *clause).map(|(_, card)| card)
}

fn spelled(header: &Header, price: Price, per: u64, card: &RateCard, force: Force) -> Priced {
    let each = if per == 1 { String::new() } else { format!(" for {per}") };
    let force = if force.is_binding() { "" } else { ", not binding" };
    let spelled = format!("{}{each}{force}", priced(header, price, per, card));
    Priced { price, asset: card.asset.clone(), spelled }
}

fn services(before: &Terms, after: &Terms) -> Vec<ServiceDifference> {
    let (old, new) = (before.memorandum(), after.memorandum());
    let parties = old.header.parties.iter().chain(&new.header.parties).map(|party| &party.id);
    let parties: BTreeSet<&PartyId> = parties.collect();
    let models: BTreeSet<&String> = old.clauses.iter().chain(&new.clauses).flat_map(models_of).collect();
    let pairs = parties.into_iter().flat_map(|party| models.iter().map(move |model| (party, *model)));
    let differing = pairs.filter_map(|(party, model)| {
        let (before, after) = (served(before, party, model), served(after, party, model));
        let (party, model) = (party.clone(), model.clone());
        (before != after).then_some(ServiceDifference { party, model, before, after })
    });
    differing.collect()
}

fn models_of(clause: &Clause) -> &[String] {
    match &clause.kind {
        Kind::Service(service) => &service.models,
        Kind::RateCard(card) => &card.models,
        Kind::ComputeCredit(grant) => &grant.models,
        _ => &[],
    }
}

fn served(terms: &Terms, party: &PartyId, model: &str) -> &'static str {
    match terms.service(party, model) {
        None => "not served",
        Some((_, service)) if service.priced => "served at a price",
        Some(_) => "served, also without a price",
    }
}

fn approvals(before: &Terms, after: &Terms) -> Vec<ApprovalDifference> {
    let by = |terms: &Terms, act: &'static str| {
        let (_, mut by) = if act == "amend" { terms.amenders() } else { terms.approvers(act) };
        by.sort();
        by
    };
    let acts = REQUIREMENT_ACTS.iter().copied();
    let differing = acts.filter_map(|act| {
        let (before, after) = (by(before, act), by(after, act));
        (before != after).then_some(ApprovalDifference { act, before, after })
    });
    differing.collect()
}
