//! `countersign memo simulate --with NEW.md`: the recorded acts once more under other terms, and what would have come of them.
//!
//! Not here: the simulation itself (`partnership::simulation`). The record is read and verified in the same pass, and never written to.

use super::read;
use crate::cmd::client::Place;
use crate::cmd::export::Documents;
use crate::cmd::said::{Said, table, table_of};
use crate::cmd::verify;
use partnership::entry::{Entry, document_of};
use partnership::simulation::{Report, Simulation};
use serde_json::{Value, json};
use std::path::Path;

/// Simulates the record at `place` under the terms in `with`.
pub(crate) fn simulate(place: &Place, with: &Path, vkeys: Option<&Path>) -> anyhow::Result<Said> {
    let terms = match read(place, with) {
        Ok(terms) => terms,
        Err(refused) => return Ok(refused),
    };
    let record = place.server.clone().unwrap_or_else(|| place.dir.display().to_string());
    let documents = Documents::of(&record)?;
    let seed = terms.digest().0;
    let mut simulation = Simulation::new(terms, seed);
    let mut failed = None;
    let verified = verify::leaves(&record, vkeys, |index, envelope, parties| {
        step(&mut simulation, &documents, index, envelope, parties).map_err(|error| {
            let told = format!("{error:#}");
            failed = Some(error);
            told
        })
    });
    if let Some(error) = failed {
        return Err(error);
    }
    verified?;
    let report = simulation.report();
    Ok(Said::Done(if place.json { json!(report).to_string() } else { told(&report) }))
}

fn step(
    simulation: &mut Simulation,
    documents: &Documents,
    index: u64,
    envelope: &[u8],
    parties: &[u8],
) -> anyhow::Result<()> {
    let entry = Entry::decode(envelope, parties)?;
    if let Some(digest) = document_of(&entry.body)
        && simulation.lacks(&digest)
    {
        simulation.know(documents.document(&digest)?);
    }
    Ok(simulation.entry(index, &entry)?)
}

fn told(report: &Report) -> String {
    let json = json!(report);
    let mut parts = vec![format!(
        "version {} over {} entries, until {}\ncalls {}: allowed {} -> {}",
        report.version,
        report.entries,
        report.until,
        report.calls,
        report.calls_allowed_before,
        report.calls_allowed_after
    )];
    if report.assumed > 0 {
        parts.push(format!(
            "assumed: {} calls that were refused have no outcome, and cost all that they reserve",
            report.assumed
        ));
    }
    if report.approvals_assumed > 0 {
        parts.push(format!(
            "assumed: {} approvals that nobody gave, of what took effect",
            report.approvals_assumed
        ));
    }
    if !report.left_out.is_empty() {
        let kinds = report.left_out.iter().map(|(kind, count)| format!("{count} {kind}"));
        parts.push(format!("not rehearsed: {}", kinds.collect::<Vec<_>>().join(", ")));
    }
    let columns = |names: &[&'static str]| names.iter().map(|name| (*name, *name)).collect::<Vec<_>>();
    let of = |name: &str| json.get(name).unwrap_or(&Value::Null);
    let flips = columns(&["kind", "before", "after", "code", "clause", "count", "first", "entry"]);
    if report.flips.is_empty() {
        parts.push("no act is decided otherwise".to_owned());
    } else {
        parts.push(format!("decided otherwise\n{}", table_of(of("flips"), &flips)));
    }
    if !report.costs.is_empty() {
        let costs = columns(&["party", "clause", "asset", "before", "after"]);
        parts.push(format!("calls cost\n{}", table_of(of("costs"), &costs)));
    }
    if !report.clauses.is_empty() {
        let pair = |(before, after): (u64, u64)| format!("{before} -> {after}");
        let rows = report.clauses.iter().map(|clause| {
            let counts = [clause.allowed, clause.refused, clause.deviated].map(pair);
            std::iter::once(clause.clause.to_string()).chain(counts).collect()
        });
        let rows: Vec<Vec<String>> = rows.collect();
        parts.push(format!("clauses\n{}", table(&["clause", "allowed", "refused", "deviated"], &rows)));
    }
    if !report.accounts.is_empty() {
        let accounts = columns(&["account", "asset", "before", "after"]);
        parts.push(format!("accounts at the end\n{}", table_of(of("accounts"), &accounts)));
    }
    parts.join("\n\n")
}
