//! One act a line as JSON, with the whole of what the record says of it. Integers that may not fit a float are text, as in the record.

use super::rows::{Cost, Format, Row, View};
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// A file of acts that is being written.
pub(super) struct Jsonl<W> {
    to: W,
}

impl<W: Write> Jsonl<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to }
    }
}

impl<W: Write> Format for Jsonl<W> {
    fn row(&mut self, row: &Row, view: &View<'_>) -> io::Result<()> {
        let [decided, settled] = row.entries.each_ref().map(|fields| fields_of(fields));
        let value = json!({
            "act": row.act.to_string(),
            "kind": row.kind,
            "about": row.about,
            "decided_at": row.decided.0.to_string(),
            "decided_entry": row.decided.1,
            "settled_at": row.settled.map(|(at, _)| at.to_string()),
            "settled_entry": row.settled.map(|(_, index)| index),
            "party": row.party,
            "application": row.application,
            "key": row.key,
            "model": row.model,
            "surface": row.surface,
            "verdict": row.verdict,
            "refusal": row.refusal,
            "ended": row.ended,
            "clauses": row.clauses,
            "deviations": row.deviations,
            "memorandum": row.memorandum,
            "input_tokens": row.usage.map(|usage| usage.input_tokens),
            "output_tokens": row.usage.map(|usage| usage.output_tokens),
            "estimated": row.estimated,
            "price_clause": row.price,
            "cost": cost_of(&row.cost, view),
            "decided": decided?,
            "settled": row.settled.is_some().then_some(settled?),
        });
        serde_json::to_writer(&mut self.to, &value)?;
        self.to.write_all(b"\n")
    }
}

fn cost_of(cost: &Cost, view: &View<'_>) -> Value {
    let money = |asset: &ledger::AssetId, minor: i128| json!({ "amount": view.books.text(asset, minor), "asset": asset.to_string(), "minor": minor.to_string() });
    let in_asset = |minor: i128| cost.asset.as_ref().map(|asset| money(asset, minor));
    let paid = cost.paid.iter().map(|(clause, minor)| json!({ "clause": clause, "paid": in_asset(*minor) }));
    let moved = cost
        .moved
        .iter()
        .map(|(to, asset, minor)| json!({ "to": to.to_string(), "moved": money(asset, *minor) }));
    json!({
        "charged": in_asset(cost.minor()),
        "grants": paid.collect::<Vec<_>>(),
        "borne": in_asset(cost.borne),
        "observed": in_asset(cost.observed()),
        "rounding": cost.remainder.map(|(numerator, denominator)| json!({
            "numerator": numerator.to_string(), "denominator": denominator.to_string(),
        })),
        "moved": moved.collect::<Vec<_>>(),
    })
}

/// The fields of an entry as the record has them.
fn fields_of(fields: &[(String, String)]) -> serde_json::Result<Value> {
    let pair = |(name, value): &(String, String)| Ok((name.clone(), serde_json::from_str(value)?));
    fields.iter().map(pair).collect::<serde_json::Result<Map<String, Value>>>().map(Value::Object)
}
