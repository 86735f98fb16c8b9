//! An invoice against the record: what agrees, and what differs, with the acts behind it and the money it makes.
//!
//! The invoice is read whole first, and the record once after it, verified as exports verify it; of the record only what differs is kept,
//! and what is compared by day and model. Not here: whose word there is on the result (`cmd/fund/reconcile.rs`).

mod columns;
mod exact;
mod groups;
mod invoice;
mod matching;
mod ours;
mod report;
#[cfg(test)]
mod tests;
mod told;

use super::period::Period;
use super::reader;
use super::rows::Scope;
use anyhow::{Context as _, anyhow};
use columns::Columns;
pub(in crate::cmd) use columns::{Column, Form};
use exact::Exact;
use invoice::Invoice;
use ledger::AssetId;
use matching::{Findings, Found, Matching, Of};
use ours::{End, Ours, Within};
use partnership::ids::PartyId;
pub(in crate::cmd) use report::Report;
use report::{Difference, Kind, Money, OfGroup, Source, Sums, Total, less};
use std::collections::BTreeMap;
use std::path::Path;

/// What is held against what.
#[derive(Debug, Clone)]
pub(in crate::cmd) struct Asked<'a> {
    /// The record, at an address or in a folder.
    pub(in crate::cmd) place: &'a str,
    pub(in crate::cmd) vkeys: Option<&'a Path>,
    pub(in crate::cmd) invoice: &'a Path,
    pub(in crate::cmd) form: Option<Form>,
    pub(in crate::cmd) columns: &'a [Column],
    /// What amounts are in where no column says it.
    pub(in crate::cmd) asset: Option<&'a str>,
    pub(in crate::cmd) period: Option<Period>,
    pub(in crate::cmd) party: Option<&'a str>,
}

/// Holds an invoice against a record.
///
/// Errors: a row that cannot be read, with its place; the record does not hold, or has nothing of the period or the party.
pub(in crate::cmd) fn reconcile(asked: &Asked<'_>) -> anyhow::Result<Report> {
    let columns = Columns::of(asked.form, asked.columns).map_err(|error| anyhow!(error))?;
    let invoice = Invoice::read(asked.invoice, &columns, asked.asset)?;
    let source = source_of(&invoice);
    let is_focus = asked.form == Some(Form::Focus) || asked.form.is_none() && asked.columns.is_empty();
    let party = asked.party.map(PartyId::from);
    let within = Within { period: asked.period, party, rests: is_focus };
    let matching = Matching::of(invoice).map_err(|error| anyhow!(error))?;
    let mut ours = Ours::new(within, matching);
    reader::read(asked.place, asked.vkeys, &Scope { period: None, party: None }, &mut ours)?;
    let end = ours.end().context("the record ended before anything could be compared")?;
    report_of(asked, source, &end)
}

fn source_of(invoice: &Invoice) -> Source {
    Source {
        sha256: record::hash::base64(&invoice.digest),
        rows: invoice.rows.len(),
        blank: invoice.blank,
        uncounted: invoice.uncounted,
    }
}

fn report_of(asked: &Asked<'_>, invoice: Source, end: &End) -> anyhow::Result<Report> {
    let Findings { matched, differences, ours, theirs } = &end.findings;
    let of = |kind: Kind| differences.iter().filter(|found| found.kind == kind).count();
    Ok(Report {
        reconciliation: "1",
        origin: end.origin.clone(),
        period: asked.period.map(|period| period.to_string()),
        party: asked.party.map(str::to_owned),
        invoice,
        matched: *matched,
        differing: of(Kind::Differing),
        theirs_only: of(Kind::TheirsOnly),
        ours_only: of(Kind::OursOnly),
        totals: totals(ours, theirs, &end.scales)?,
        differences: differences.iter().map(|found| told(found, &end.scales)).collect(),
    })
}

fn totals(ours: &Sums, theirs: &Sums, scales: &BTreeMap<AssetId, u8>) -> anyhow::Result<Vec<Total>> {
    let differences = less(theirs, ours).map_err(|error| anyhow!(error))?;
    let of =
        |sums: &Sums, asset: &AssetId, scale| sums.get(asset).copied().unwrap_or_default().display(scale);
    let all = scales.iter().map(|(asset, scale)| Total {
        asset: asset.to_string(),
        ours: of(ours, asset, *scale),
        theirs: of(theirs, asset, *scale),
        difference: of(&differences, asset, *scale),
    });
    Ok(all.collect())
}

fn told(found: &Found, scales: &BTreeMap<AssetId, u8>) -> Difference {
    let scale = |asset: &AssetId| scales.get(asset).copied().unwrap_or(0);
    let money = |sums: &Sums| {
        let all = sums.iter();
        all.map(|(asset, amount)| Money { amount: amount.display(scale(asset)), asset: asset.to_string() })
            .collect()
    };
    let (act, entry, day, model, acts) = match &found.of {
        Of::Act(act, entry) => (Some(act.to_string()), *entry, None, None, Vec::new()),
        Of::Group(day, model, acts) => {
            let decimals = found.ours.keys().next().map_or(0, scale);
            let of_group = |(act, entry, cost): &(partnership::ids::ActId, u64, Exact)| OfGroup {
                act: act.to_string(),
                entry: *entry,
                amount: cost.display(decimals),
            };
            (None, None, Some(day.to_string()), Some(model.clone()), acts.iter().map(of_group).collect())
        }
    };
    Difference {
        kind: found.kind,
        act,
        entry,
        day,
        model,
        lines: found.lines.clone(),
        why: found.why.clone(),
        ours: money(&found.ours),
        theirs: money(&found.theirs),
        money: money(&found.money),
        acts,
    }
}
