//! `countersign memo diff`: what one version of the memorandum changes of another, clause by clause, and what that comes to.
//!
//! Not here: the comparison itself (`partnership::memorandum::diff`), which knows no file and no server.

use super::{drawn, read};
use crate::cmd::client::{self, Place};
use crate::cmd::said::{Said, table};
use anyhow::anyhow;
use partnership::Terms;
use partnership::memorandum::diff::{ClauseDifference, Difference, Effects, FieldDifference};
use std::path::{Path, PathBuf};

/// Compares the files, the earlier one first; one file alone is compared with the version in force.
pub(crate) fn diff(place: &Place, files: &[PathBuf]) -> anyhow::Result<Said> {
    let (before, after) = match files {
        [before, after] => (read(place, before), after),
        [after] => (Ok(in_force(place)?), after),
        _ => return Err(anyhow!("`memo diff` compares two files, or one with the version in force")),
    };
    Ok(match (before, read(place, after)) {
        (Ok(before), Ok(after)) => said(place, &Difference::between(&before, &after)),
        (Err(refused), _) | (_, Err(refused)) => refused,
    })
}

/// The version in force of the partnership at `place`.
fn in_force(place: &Place) -> anyhow::Result<Terms> {
    let text = client::with(place, async |client| client.get("/api/memorandum").await?.text())?;
    Terms::read(&text).map_err(|faults| anyhow!(drawn(Path::new("the version in force"), &text, &faults)))
}

fn said(place: &Place, difference: &Difference) -> Said {
    if place.json {
        return Said::Done(serde_json::json!(difference).to_string());
    }
    let (before, after) = (&difference.before, &difference.after);
    let mut parts = vec![format!(
        "version {} of {} -> version {} of {}{}",
        before.version,
        before.effective,
        after.version,
        after.effective,
        if difference.follows { "" } else { "; the later one does not name the earlier one as `previous`" },
    )];
    parts.extend(headers(&difference.header));
    if difference.is_empty() {
        parts.push("no clause differs".to_owned());
    }
    parts.extend(difference.clauses.iter().map(clause));
    parts.extend(effects(&difference.effects));
    parts.push(difference.reserved.to_owned());
    Said::Done(parts.join("\n\n"))
}

fn headers(fields: &[FieldDifference]) -> Option<String> {
    (!fields.is_empty())
        .then(|| format!("header\n{}", fields.iter().map(field).collect::<Vec<_>>().join("\n")))
}

fn clause(clause: &ClauseDifference) -> String {
    let reworded = if clause.reworded && clause.change.as_str() != "reworded" { ", reworded" } else { "" };
    let mut lines = vec![format!("{}{reworded}: {} ({})", clause.change.as_str(), clause.id, clause.kind)];
    lines.extend(clause.fields.iter().map(field));
    if clause.fields.is_empty() && clause.change.as_str() != "reworded" {
        lines.extend(clause.said.iter().map(|said| format!("  - {said}")));
        lines.extend(clause.says.iter().map(|says| format!("  + {says}")));
    }
    lines.join("\n")
}

fn field(field: &FieldDifference) -> String {
    if !field.lines.is_empty() {
        let lines: Vec<String> = field.lines.iter().map(|line| format!("    {line}")).collect();
        return format!("  {}:\n{}", field.field, lines.join("\n"));
    }
    format!("  {}: {} -> {}", field.field, or_none(field.before.as_ref()), or_none(field.after.as_ref()))
}

fn or_none(text: Option<&String>) -> &str {
    text.map_or("not given", String::as_str)
}

/// The tables of what the changes come to; none for what stays as it is.
fn effects(effects: &Effects) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let sums = effects.sums.iter().map(|sum| {
        let (before, after) = (sum.before.clone(), sum.after.clone());
        let (promise, force) = (sum.promise.to_owned(), sum.force.to_owned());
        vec![sum.party.to_string(), promise, force, sum.asset.clone(), before, after, text(&sum.change)]
    });
    let prices = effects.prices.iter().map(|price| {
        let (before, after) = (or_none(price.before.as_ref()), or_none(price.after.as_ref()));
        let (before, after) = (before.to_owned(), after.to_owned());
        vec![
            price.of.clone(),
            price.price.to_owned(),
            price.from.clone(),
            before,
            after,
            text(&price.percent),
        ]
    });
    let services = effects.services.iter().map(|service| {
        let (before, after) = (service.before.to_owned(), service.after.to_owned());
        vec![service.party.to_string(), service.model.clone(), before, after]
    });
    let names = |by: &[partnership::ids::PartyId]| {
        let names: Vec<&str> = by.iter().map(partnership::ids::PartyId::as_str).collect();
        if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
    };
    let approvals = effects.approvals.iter();
    let approvals = approvals.map(|one| vec![one.act.to_owned(), names(&one.before), names(&one.after)]);
    [
        titled(
            "promised",
            &["party", "promise", "force", "asset", "before", "after", "change"],
            &sums.collect::<Vec<_>>(),
        ),
        titled("prices", &["of", "price", "from", "before", "after", "change"], &prices.collect::<Vec<_>>()),
        titled("models served", &["party", "model", "before", "after"], &services.collect::<Vec<_>>()),
        titled("approved by", &["act", "before", "after"], &approvals.collect::<Vec<_>>()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn titled(title: &str, heads: &[&str], rows: &[Vec<String>]) -> Option<String> {
    (!rows.is_empty()).then(|| format!("{title}\n{}", table(heads, rows)))
}
