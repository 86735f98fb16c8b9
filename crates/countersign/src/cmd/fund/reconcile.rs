//! `fund reconcile`: an invoice against the record, a party's word on what came of it, and whose word there is.
//!
//! Not here: how the two are compared (`export/reconcile`).

use super::super::client::{self, Place, Signing};
use super::super::export::Period;
use super::super::export::reconcile::{Asked, Column, Form, Report, reconcile};
use super::super::said::{Said, cell, table};
use anyhow::{Context as _, bail};
use clap::Args;
use partnership::act::{Digest, Reconcile, reconciliation_bytes};
use serde_json::{Value, json};
use std::path::PathBuf;

/// What is asked.
#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// The invoice: comma-separated values, with a line of heads.
    #[arg(required_unless_present = "list")]
    invoice: Option<PathBuf>,
    /// Only acts of this party.
    #[arg(long)]
    party: Option<String>,
    /// A month, such as 2026-11, or a year, in UTC; the whole record unless given.
    #[arg(long)]
    period: Option<Period>,
    /// What the invoice is written as; FOCUS unless columns are named.
    #[arg(long)]
    format: Option<Form>,
    /// Which column says what: `act=RequestId,amount=Cost,asset=Currency,date=Day,model=Sku,quantity=Tokens,unit=Unit`.
    #[arg(long, value_delimiter = ',')]
    columns: Vec<Column>,
    /// What amounts are in, where no column says it.
    #[arg(long)]
    asset: Option<String>,
    /// The public keys to trust: a file with one key a line, the log's first.
    #[arg(long)]
    vkeys: Option<PathBuf>,
    /// Puts this party's word on the result on the record, signed with its key.
    #[arg(long, value_name = "PARTY", requires = "period")]
    attest: Option<String>,
    /// The folder of the key of the party that attests; that of the partnership unless given.
    #[arg(long, requires = "attest")]
    keys: Option<PathBuf>,
    /// Lists what was attested, and whose word is missing.
    #[arg(long, conflicts_with_all = ["invoice", "party", "period", "format", "columns", "asset", "vkeys", "attest"])]
    list: bool,
}

/// Reconciles, or lists what was attested.
pub(super) fn run(place: &Place, wanted: &Wanted) -> anyhow::Result<Said> {
    let Some(invoice) = wanted.invoice.as_deref().filter(|_| !wanted.list) else {
        return list(place);
    };
    let at = place.server.clone().unwrap_or_else(|| place.dir.display().to_string());
    let report = reconcile(&Asked {
        place: &at,
        vkeys: wanted.vkeys.as_deref(),
        invoice,
        form: wanted.format,
        columns: &wanted.columns,
        asset: wanted.asset.as_deref(),
        period: wanted.period,
        party: wanted.party.as_deref(),
    })?;
    match &wanted.attest {
        None => told(place, &report, None),
        Some(party) => {
            let signing = Signing { party: party.clone(), keys: wanted.keys.clone() };
            attest(place, &report, &signing)
        }
    }
}

/// What came of it; with differences it counts as found wrong.
fn told(place: &Place, report: &Report, attested: Option<&Value>) -> anyhow::Result<Said> {
    let digest = Digest(report.digest()?);
    let text = match (place.json, attested) {
        (true, None) => report.text()?,
        (true, Some(answer)) => {
            let whole: Value = serde_json::from_str(&report.text()?)?;
            json!({ "report": digest.to_string(), "attested": answer, "reconciliation": whole }).to_string()
        }
        (false, answer) => {
            let word =
                answer.map(|answer| format!("\nattested: {}", client::plain(answer))).unwrap_or_default();
            format!("{}\n\nreport sha256 {}{word}", report.shown(), digest.hex())
        }
    };
    Ok(match (report.differences.is_empty(), place.json) {
        (true, _) => Said::Done(text),
        (false, true) => Said::RefusedAsJson(text),
        (false, false) => Said::Refused(text),
    })
}

/// Puts a party's word on the report on the record.
fn attest(place: &Place, report: &Report, signing: &Signing) -> anyhow::Result<Said> {
    let Some(period) = report.period.clone() else {
        bail!("what is attested is of a period; write `--period 2026-11`");
    };
    let differing = u64::try_from(report.differences.len()).context("so many differences")?;
    let mut said = Reconcile {
        report: Digest(report.digest()?),
        period,
        of: report.party.as_deref().map(Into::into),
        differing,
        party: signing.party.as_str().into(),
        signature: String::new(),
    };
    let signed = reconciliation_bytes(&report.origin, &said);
    said.signature = record::hash::base64(&signing.signer(place)?.sign_bytes(&signed));
    let act = json!({
        "kind": "reconcile", "report": said.report.to_string(), "period": said.period, "of": said.of, "differing": differing,
        "party": signing.party, "signature": said.signature,
    });
    let answer = client::with(place, async |client| client.propose(Some(&signing.party), &act).await)?;
    match answer.json() {
        Ok(answer) => told(place, report, Some(&answer)),
        Err(_) => Ok(client::outcome(place, &answer, client::plain)),
    }
}

/// What was attested, and whose word is missing.
fn list(place: &Place) -> anyhow::Result<Said> {
    let answer = client::with(place, async |client| client.get("/api/status").await)?;
    let Ok(status) = answer.json() else {
        return Ok(client::outcome(place, &answer, |_| String::new()));
    };
    let all = status.get("reconciled").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
    if place.json {
        return Ok(Said::Done(all.to_string()));
    }
    let rows: Vec<Vec<String>> = all.as_array().into_iter().flatten().map(row).collect();
    Ok(Said::Done(table(&["period", "of", "differing", "attested by", "missing", "report sha256"], &rows)))
}

fn row(one: &Value) -> Vec<String> {
    let words = one.get("attested_by").and_then(Value::as_array).into_iter().flatten();
    let by = words.map(|word| cell(word, "party")).collect::<Vec<_>>().join(", ");
    let or = |text: String, none: &str| if text.is_empty() { none.to_owned() } else { text };
    let report = cell(one, "report");
    let report = report.parse::<Digest>().map_or(report, |digest| digest.hex());
    vec![
        cell(one, "period"),
        or(cell(one, "of"), "all"),
        cell(one, "differing"),
        by,
        or(cell(one, "missing"), "nobody"),
        report,
    ]
}
