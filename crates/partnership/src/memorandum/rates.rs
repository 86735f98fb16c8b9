//! Prices: what a rate card says calls and other units cost, beside what they would cost by the list.
//!
//! Not here: which card holds and what a call comes to (`investment::tariff`).

use std::collections::BTreeMap;

use jiff::civil::Date;
use ledger::{AssetId, Price};

use super::fields::{Field, Shape, may};
use super::read::Reader;

/// Prices of calls to models, and of what is no call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateCard {
    /// The models priced; `*` is every model that has no card naming it. None, if only `units` are priced.
    pub models: Vec<String>,
    /// What the prices count.
    pub asset: AssetId,
    /// Price of input. Units: minor units per so many tokens.
    pub input: Price,
    /// Price of input that the upstream had cached, never above that of other input; the same, if none. Units: as `input`.
    pub cached_input: Option<Price>,
    /// Price of output. Units: minor units per so many tokens.
    pub output: Price,
    /// Price of each request, on top. Units: minor units per request.
    pub request: Price,
    /// What would be paid without this agreement. Nothing is charged by it.
    pub list: ListPrices,
    /// Prices of what is no call, by the names in [`UNITS`]. Units: minor units per one of it.
    pub units: BTreeMap<&'static str, Price>,
    /// How many tokens the prices in the file are for.
    pub per: u64,
    /// First day (UTC) on which the prices hold; they end when a later card for the model begins.
    pub from: Date,
}

/// Prices by the list, as far as they are stated. Units: as those of the card.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListPrices {
    /// Of input.
    pub input: Option<Price>,
    /// Of cached input.
    pub cached_input: Option<Price>,
    /// Of output.
    pub output: Option<Price>,
    /// Of each request.
    pub request: Option<Price>,
}

impl RateCard {
    /// Whether the card prices `model`, by its name or by `*`.
    #[must_use]
    pub fn covers(&self, model: &str) -> bool {
        self.models.iter().any(|name| name == "*" || name == model)
    }
}

/// The units that a card may price beside calls. The set is closed for this version of the format.
pub(super) const UNITS: &[Field] = &[
    unit("cpu-hour", "an hour of one virtual processor"),
    unit("gpu-hour:a100", "an hour of one A100"),
    unit("gpu-hour:h100", "an hour of one H100"),
    unit("gpu-hour:h200", "an hour of one H200"),
    unit("gpu-hour:b200", "an hour of one B200"),
    unit("gpu-hour:gb200", "an hour of one GB200"),
    unit("gpu-hour:mi300x", "an hour of one MI300X"),
    unit("gpu-hour:tpu", "an hour of one TPU chip"),
    unit("gpu-hour:trainium", "an hour of one Trainium chip"),
    unit("gb-month", "a gigabyte (10^9 bytes) stored for a month"),
];

const fn unit(name: &'static str, meaning: &'static str) -> Field {
    may(name, Shape::Price, "no price", meaning)
}

/// Reads a card: prices of calls, of other units, or of both.
pub(super) fn rate_card(reader: &mut Reader<'_>) -> Option<RateCard> {
    let faults = reader.faults.len();
    let models = reader.models("models");
    let per = reader.count("per", 1, 1_000_000_000).unwrap_or(1_000_000);
    let from = reader.date("from").unwrap_or(reader.scope.effective);
    let mut asset = None;
    let mut priced = |reader: &mut Reader<'_>, name: &'static str, per: u64| {
        let (price, of) = reader.price(name, per)?;
        one_asset(reader, &mut asset, name, &of);
        Some(price)
    };
    let (input, cached_input) = (priced(reader, "input", per), priced(reader, "cached_input", per));
    let (output, request) = (priced(reader, "output", per), priced(reader, "request", 1));
    let list = ListPrices {
        input: priced(reader, "list_input", per),
        cached_input: priced(reader, "list_cached_input", per),
        output: priced(reader, "list_output", per),
        request: priced(reader, "list_request", 1),
    };
    let units = units(reader, &mut asset);
    prices_something(reader);
    not_above(reader, ("cached_input", cached_input), ("input", input));
    if reader.faults.len() > faults {
        return None;
    }
    let nothing = Price::new(0, 1)?;
    Some(RateCard {
        models: models.unwrap_or_default(),
        asset: asset.map(|(_, asset)| asset)?,
        input: input.unwrap_or(nothing),
        cached_input,
        output: output.unwrap_or(nothing),
        request: request.unwrap_or(nothing),
        list,
        units,
        per,
        from,
    })
}

fn units(
    reader: &mut Reader<'_>,
    asset: &mut Option<(&'static str, AssetId)>,
) -> BTreeMap<&'static str, Price> {
    let Some(at) = reader.found("units") else { return BTreeMap::new() };
    let found = reader.inner("units", at, "`units`", UNITS, |reader| {
        let mut units = BTreeMap::new();
        for Field { name, .. } in UNITS {
            if let Some((price, of)) = reader.price(name, 1) {
                one_asset(reader, asset, name, &of);
                units.insert(*name, price);
            }
        }
        if units.is_empty() && reader.has_only_known_fields() {
            let span = reader.block();
            reader.fault("memorandum::empty", "`units` prices nothing", span, "nothing here");
        }
        Some(units)
    });
    found.unwrap_or_default()
}

/// All prices of a card are in the asset of its first.
fn one_asset(
    reader: &mut Reader<'_>,
    asset: &mut Option<(&'static str, AssetId)>,
    name: &'static str,
    other: &AssetId,
) {
    let (first, asset) = asset.get_or_insert((name, other.clone()));
    if asset != other {
        let span = reader.found(name).map_or_else(|| reader.block(), |at| at.span());
        let message = format!("`{name}` is in {other}, `{first}` in {asset}");
        reader.fault("memorandum::assets-differ", message, span, "another asset");
    }
}

/// Calls are priced by `models`, `input` and `output` together; without any of them there are `units`.
fn prices_something(reader: &mut Reader<'_>) {
    const CALLS: [&str; 3] = ["models", "input", "output"];
    const BESIDE: [&str; 6] =
        ["cached_input", "request", "list_input", "list_cached_input", "list_output", "list_request"];
    let given = |reader: &Reader<'_>, names: &[&str]| names.iter().any(|name| reader.found(name).is_some());
    let of_calls = given(reader, &CALLS) || given(reader, &BESIDE);
    if !of_calls && reader.found("units").is_some() {
        return;
    }
    for name in CALLS.into_iter().filter(|name| reader.found(name).is_none()).collect::<Vec<_>>() {
        let span = reader.block();
        let message = format!("`rate-card` needs the field `{name}`");
        let fault = reader.fault("memorandum::missing-field", message, span, "not in this block");
        fault.help = Some(format!(
            "prices of calls need {}; a card of `units` alone has none of them",
            CALLS.map(|name| format!("`{name}`")).join(", ")
        ));
    }
}

/// What is reserved is worked out from the price of input, so cached input may not cost more.
fn not_above(reader: &mut Reader<'_>, low: (&str, Option<Price>), high: (&str, Option<Price>)) {
    let (Some(a), Some(b)) = (low.1, high.1) else { return };
    let cross = |a: Price, b: Price| a.numerator().checked_mul(i128::from(b.per()));
    if cross(a, b).zip(cross(b, a)).is_some_and(|(a, b)| a <= b) {
        return;
    }
    let span = reader.found(low.0).map_or_else(|| reader.block(), |at| at.span());
    let message = format!("`{}` is above `{}`", low.0, high.0);
    reader.fault("memorandum::money", message, span, "must not cost more").help =
        Some("what a call reserves is worked out from the price of input that is not cached".to_owned());
}
