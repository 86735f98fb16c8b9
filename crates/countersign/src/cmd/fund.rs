//! `countersign fund`: grants and tranches, and attesting a milestone.

use super::client::{self, Place, Signing};
use super::said::{Said, cell, table};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use partnership::act::{Digest, attestation_bytes};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Commitments of money and credits.
#[derive(Debug, Args)]
pub(crate) struct Fund {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Attests that a tranche's milestone was met, by a signature over the digest of the evidence.
    Attest {
        /// The tranche's clause.
        clause: String,
        /// The evidence: a file, of which only the digest leaves this machine.
        #[arg(long)]
        evidence: PathBuf,
        #[command(flatten)]
        signing: Signing,
    },
    /// Lists grants and tranches.
    List,
}

/// Runs one verb.
pub(crate) fn run(fund: Fund) -> anyhow::Result<Said> {
    let place = &fund.place;
    match fund.verb {
        Verb::Attest { clause, evidence, signing } => attest(place, &clause, &evidence, &signing),
        Verb::List => list(place),
    }
}

fn attest(place: &Place, clause: &str, evidence: &Path, signing: &Signing) -> anyhow::Result<Said> {
    let bytes =
        std::fs::read(evidence).with_context(|| format!("`{}` cannot be read", evidence.display()))?;
    let digest = Digest(record::hash::sha256(&bytes));
    let signer = signing.signer(place)?;
    let answer = client::with(place, async |client| {
        let status = client.get("/api/status").await?.json()?;
        let version = Digest::from_hex(&cell(&status, "digest")).context("the server names no memorandum")?;
        let bytes = attestation_bytes(&cell(&status, "name"), &version, &clause.into(), &digest);
        let act = json!({
            "kind": "attest", "clause": clause, "evidence": digest.to_string(), "party": signing.party,
            "signature": record::hash::base64(&signer.sign_bytes(&bytes)),
        });
        client.propose(Some(&signing.party), &act).await
    })?;
    Ok(client::outcome(place, &answer, client::plain))
}

fn list(place: &Place) -> anyhow::Result<Said> {
    let answer = client::with(place, async |client| client.get("/api/status").await)?;
    let status = match answer.json() {
        Ok(status) => status,
        Err(_) => return Ok(client::outcome(place, &answer, |_| String::new())),
    };
    let funds: Vec<Value> = clauses(&status).map(|clause| fund_of(&status, clause)).collect();
    if place.json {
        return Ok(Said::Done(Value::Array(funds).to_string()));
    }
    let row = |fund: &Value| {
        ["name", "kind", "state", "attested_by", "sentence"].map(|field| cell(fund, field)).to_vec()
    };
    let rows: Vec<_> = funds.iter().map(row).collect();
    Ok(Said::Done(table(&["clause", "kind", "state", "attested by", "what it says"], &rows)))
}

fn clauses(status: &Value) -> impl Iterator<Item = &Value> {
    let all = status.get("clauses").and_then(Value::as_array);
    all.into_iter()
        .flatten()
        .filter(|clause| matches!(cell(clause, "kind").as_str(), "compute-credit" | "cash-tranche"))
}

/// A grant or tranche with its accounts and who has attested it.
fn fund_of(status: &Value, clause: &Value) -> Value {
    let id = cell(clause, "id");
    let of = |list: &str, mine: &dyn Fn(&Value) -> bool| -> Vec<Value> {
        let all = status.get(list).and_then(Value::as_array);
        all.into_iter().flatten().filter(|item| mine(item)).cloned().collect()
    };
    let attested = of("attestations", &|one| cell(one, "clause") == id);
    json!({
        "name": id,
        "kind": cell(clause, "kind"),
        "force": cell(clause, "force"),
        "state": cell(clause, "state"),
        "sentence": cell(clause, "sentence"),
        "attested_by": attested.iter().map(|one| cell(one, "given")).collect::<Vec<_>>(),
        "accounts": of("balances", &|account| cell(account, "name").split(':').any(|part| part == id)),
    })
}
