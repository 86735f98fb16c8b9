//! Reading the kinds that make something due by the calendar, and the sentence for each.
//!
//! Not here: what is due when (`judge`), or what it moves (`investment`).

use jiff::civil::Date;
use ledger::{Amount, Price};
use toml::de::DeValue;

use super::clause::{Capacity, MinimumConsumption, Money, RevenueShare, Step};
use super::decimal::Decimal;
use super::explain::{Teller, models};
use super::kinds::differ;
use super::observed::read::until;
use super::periods::Periods;
use super::read::{Found, Reader};

pub(super) fn minimum_consumption(reader: &mut Reader<'_>) -> Option<MinimumConsumption> {
    let by = reader.party("by");
    let to = reader.party("to");
    differ(reader, by.as_ref(), to.as_ref());
    let amount = reader.money_above_zero("amount");
    let models =
        if reader.found("models").is_some() { reader.models("models") } else { Some(vec!["*".to_owned()]) };
    let starts = reader.date("starts").unwrap_or(reader.scope.effective);
    let ends = reader.date("ends");
    reader.ordered(("starts", Some(starts)), ("ends", ends));
    let milestones = if reader.found("milestones").is_some() { milestones(reader) } else { Some(Vec::new()) };
    let (amount, ends) = (amount?, ends?);
    let mut steps = milestones?;
    steps.push((Step { by: ends, amount: amount.amount }, None));
    if !rising(reader, starts, &steps) {
        return None;
    }
    let steps = steps.into_iter().map(|(step, _)| step).collect();
    Some(MinimumConsumption { by: by?, to: to?, amount, models: models?, starts, steps })
}

type Placed = (Step, Option<std::ops::Range<usize>>);

/// Reads `[{ by = 2026-06-30, amount = "…" }]`; the asset is that of the whole amount, which [`rising`] looks at.
fn milestones(reader: &mut Reader<'_>) -> Option<Vec<Placed>> {
    let items = reader.items("milestones")?;
    items.into_iter().map(|item| milestone(reader, item)).collect()
}

fn milestone(reader: &mut Reader<'_>, item: Found<'_>) -> Option<Placed> {
    let table = item.value.as_table().filter(|table| table.len() == 2);
    let by = table.and_then(|table| day(table.get("by")?.get_ref()));
    let amount = table.and_then(|table| table.get("amount")?.get_ref().as_str());
    let (Some(by), Some(amount)) = (by, amount) else {
        reader
            .fault("memorandum::milestones", "a milestone has `by` and `amount`", item.span(), "not both")
            .help = Some("write `{ by = 2026-06-30, amount = \"400.00 USD\" }`".to_owned());
        return None;
    };
    let money = reader.money_of("milestones", amount, item.span())?;
    let whole = reader.money("amount")?;
    if money.asset != whole.asset {
        let message = format!("the milestone is in {}, `amount` in {}", money.asset, whole.asset);
        reader.fault("memorandum::assets-differ", message, item.span(), "another asset");
        return None;
    }
    Some((Step { by, amount: money.amount }, Some(item.span())))
}

fn day(value: &DeValue<'_>) -> Option<Date> {
    let DeValue::Datetime(moment) = value else { return None };
    let (Some(date), None, None) = (moment.date, moment.time, moment.offset) else { return None };
    let (year, month, day) = (i16::try_from(date.year), i8::try_from(date.month), i8::try_from(date.day));
    Date::new(year.ok()?, month.ok()?, day.ok()?).ok()
}

/// Whether the steps go up in day and amount, from the start to the whole.
fn rising(reader: &mut Reader<'_>, starts: Date, steps: &[Placed]) -> bool {
    let first = Step { by: starts, amount: Amount::ZERO };
    let before = std::iter::once(&first).chain(steps.iter().map(|(step, _)| step));
    let odd = before.zip(steps).find(|(before, (step, _))| {
        step.by <= before.by || step.amount < before.amount || step.amount.is_zero()
    });
    let Some((before, (step, span))) = odd else { return true };
    let span = span.clone().or_else(|| reader.found("milestones").map(|at| at.span()));
    let span = span.unwrap_or_else(|| reader.block());
    let message = if step.by <= before.by {
        format!("the day {} does not come after {}", step.by, before.by)
    } else {
        format!("what is to be consumed before {} is zero, or less than by the day before", step.by)
    };
    reader.fault("memorandum::milestones", message, span, "out of order").help = Some(
        "milestones say how much is to be consumed since the start, each later and no less than the one before; the last is `amount` by `ends`"
            .to_owned(),
    );
    false
}

pub(super) fn capacity(reader: &mut Reader<'_>) -> Option<Capacity> {
    let from = reader.party("from");
    let to = reader.party("to");
    differ(reader, from.as_ref(), to.as_ref());
    let what = reader.text("what");
    let quantity = reader.count("quantity", 1, 1_000_000_000);
    let price = reader.money_above_zero("price");
    let periods = periods(reader);
    let (quantity, price) = (quantity?, price?);
    let Some(total) = price.amount.minor().checked_mul(i128::from(quantity)).map(Amount::new) else {
        let span = reader.found("price").map_or_else(|| reader.block(), |at| at.span());
        reader.fault("memorandum::money", "`price` times `quantity` is too large", span, "cannot be counted");
        return None;
    };
    Some(Capacity { from: from?, to: to?, what: what?, quantity, price, total, periods: periods? })
}

pub(super) fn revenue_share(reader: &mut Reader<'_>) -> Option<RevenueShare> {
    let from = reader.party("from");
    let to = reader.party("to");
    differ(reader, from.as_ref(), to.as_ref());
    let rate = percent(reader, "rate");
    let asset = reader.asset("asset");
    let cap = if reader.found("cap").is_some() {
        let money = reader.money_above_zero("cap")?;
        if asset.as_ref().is_some_and(|asset| *asset != money.asset) {
            let span = reader.found("cap").map_or_else(|| reader.block(), |at| at.span());
            let message = format!("`cap` is in {}, revenue in another asset", money.asset);
            reader.fault("memorandum::assets-differ", message, span, "another asset");
            return None;
        }
        Some(money.amount)
    } else {
        None
    };
    let periods = periods(reader);
    let until = until(reader, periods.as_ref().map(|periods| periods.starts));
    Some(RevenueShare { from: from?, to: to?, rate: rate?, asset: asset?, cap, periods: periods?, until })
}

fn periods(reader: &mut Reader<'_>) -> Option<Periods> {
    let starts = reader.date("starts").unwrap_or(reader.scope.effective);
    let ends = reader.date("ends");
    reader.ordered(("starts", Some(starts)), ("ends", ends));
    let (every, _) = reader.duration("every")?;
    Some(Periods { starts, every, ends })
}

/// A part of a whole, above nothing and no more than all, of at most six decimals: `20%`, `12.5%`.
fn percent(reader: &mut Reader<'_>, name: &str) -> Option<Price> {
    let (text, span) = reader.text_at(name)?;
    let number = text.strip_suffix('%').and_then(Decimal::read).filter(|number| number.decimals <= 6);
    let part = number.and_then(|number| number.price(0, 100));
    let sound = part.filter(|part| (1..=i128::from(part.per())).contains(&part.numerator()));
    if sound.is_none() {
        reader
            .fault("memorandum::percent", format!("`{text}` is no part of a whole"), span, "cannot be read")
            .help =
            Some("write more than zero and at most a hundred, with up to six decimals: `\"20%\"`".to_owned());
    }
    sound
}

impl Teller<'_> {
    pub(super) fn minimum_consumption(&self, minimum: &MinimumConsumption) -> String {
        let (by, to) = (self.name(&minimum.by), self.name(&minimum.to));
        let money = |amount: Amount| self.money(&Money { amount, asset: minimum.amount.asset.clone() });
        let (last, before) = match minimum.steps.split_last() {
            Some((last, before)) => (format!("{} before {}", money(last.amount), last.by), before),
            None => (self.money(&minimum.amount), minimum.steps.as_slice()),
        };
        let steps: String =
            before.iter().map(|step| format!("{} before {}, ", money(step.amount), step.by)).collect();
        format!(
            "calls of {by} to {} from {} on {} come to {steps}{last}, and what falls short on each day {} owed to {to}",
            models(&minimum.models),
            minimum.starts,
            self.must,
            if self.must == "must" { "is" } else { "would be" },
        )
    }

    pub(super) fn capacity(&self, capacity: &Capacity) -> String {
        let total = Money { amount: capacity.total, asset: capacity.price.asset.clone() };
        format!(
            "{} {} {} {} for {}, and {} {} {} for each {} begun, whether it is used or not{}",
            self.name(&capacity.from),
            self.does("keeps", "keep"),
            capacity.quantity,
            capacity.what,
            self.name(&capacity.to),
            self.name(&capacity.to),
            self.does("owes", "pay"),
            self.money(&total),
            capacity.periods.every,
            within(&capacity.periods),
        )
    }

    pub(super) fn revenue_share(&self, share: &RevenueShare) -> String {
        let until = share.until.as_ref().map_or_else(String::new, |until| {
            format!(", for no period that begins once this holds: {}", self.condition(until))
        });
        let cap = share.cap.map_or_else(
            || ", without a bound".to_owned(),
            |amount| {
                format!(", {} in all at most", self.money(&Money { amount, asset: share.asset.clone() }))
            },
        );
        format!(
            "{} {} {} of what it declares as revenue in {} to {} after each {}{cap}{}{until}",
            self.name(&share.from),
            self.does("owes", "pay"),
            percent_of(share.rate),
            share.asset,
            self.name(&share.to),
            share.periods.every,
            within(&share.periods),
        )
    }
}

fn within(periods: &Periods) -> String {
    let until = periods.ends.map_or_else(String::new, |ends| format!(" and before {ends}"));
    format!(", from {}{until}", periods.starts)
}

/// The part as the file writes it.
fn percent_of(rate: Price) -> String {
    let decimals = (rate.per() / 100).checked_ilog10().unwrap_or(0);
    let text = Amount::new(rate.numerator()).display(u8::try_from(decimals).unwrap_or(0));
    format!("{text}%")
}
