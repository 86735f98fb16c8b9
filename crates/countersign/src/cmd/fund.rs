//! `countersign fund`: grants and tranches, attesting a milestone, and amounts that are sealed.

mod sealed;
mod statement;

use super::client::{self, Place, Signing};
use super::said::{Said, cell, table};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use partnership::act::{Digest, attestation_bytes, attested};
use partnership::ids::{ClauseId, ConditionId};
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
    /// Attests that a clause's milestone was met, by a signature over the digest of the evidence.
    Attest {
        /// The clause.
        clause: String,
        /// Which milestone of the clause; needed where it has several.
        #[arg(long)]
        condition: Option<String>,
        /// The evidence: a file, of which only the digest leaves this machine.
        #[arg(long)]
        evidence: PathBuf,
        #[command(flatten)]
        signing: Signing,
    },
    /// Lists grants and tranches.
    List,
    /// Seals an amount for an `undisclosed` clause; the opening goes to a file.
    Seal {
        /// The amount with its asset: "5000000.00 USD".
        amount: String,
        /// Where the opening is written; the file must not be there yet.
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        agreement: sealed::Agreement,
    },
    /// Checks that openings are those of what clauses seal, and prints the amount: of one clause, or of several together.
    Open {
        /// The clauses.
        #[arg(required = true)]
        clauses: Vec<String>,
        /// The opening; several add up.
        #[arg(long, required = true)]
        opening: Vec<PathBuf>,
        #[command(flatten)]
        agreement: sealed::Agreement,
    },
    /// Adds openings up: who gets the result can check the sum and learns none of its parts.
    Total {
        /// The openings.
        #[arg(required = true)]
        openings: Vec<PathBuf>,
        /// Where the opening of the sum is written; the file must not be there yet.
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        agreement: sealed::Agreement,
    },
    /// Seals every balance at the record's checkpoint, so that anyone can see that the books balance and nobody how much is in them.
    Statement {
        /// Where the statement is written, which is for everyone.
        #[arg(long)]
        out: PathBuf,
        /// Where the openings are written, which are for the parties.
        #[arg(long)]
        openings: PathBuf,
    },
    /// Signs a statement for a party, if its own copy of the record (`--dir`) has the same balances.
    Sign {
        /// The statement.
        statement: PathBuf,
        /// The openings of all its balances.
        #[arg(long)]
        openings: PathBuf,
        #[command(flatten)]
        signing: Signing,
    },
    /// Checks a statement: who has signed it, and that its balances add up to nothing.
    Check {
        /// The statement.
        statement: PathBuf,
        /// The public keys to trust: a file with one key a line.
        #[arg(long)]
        vkeys: PathBuf,
        /// Openings of some or all of its balances, to be compared with the record in `--dir`.
        #[arg(long)]
        openings: Option<PathBuf>,
    },
}

/// Runs one verb.
pub(crate) fn run(fund: Fund) -> anyhow::Result<Said> {
    let place = &fund.place;
    match fund.verb {
        Verb::Attest { clause, condition, evidence, signing } => {
            attest(place, (&clause, condition.as_deref()), &evidence, &signing)
        }
        Verb::List => list(place),
        Verb::Seal { amount, out, agreement } => sealed::seal(place, &agreement, &amount, &out),
        Verb::Open { clauses, opening, agreement } => sealed::open(place, &agreement, &clauses, &opening),
        Verb::Total { openings, out, agreement } => sealed::total(place, &agreement, &openings, &out),
        Verb::Statement { out, openings } => statement::make(place, &out, &openings),
        Verb::Sign { statement, openings, signing } => {
            statement::sign(place, &statement, &openings, &signing)
        }
        Verb::Check { statement, vkeys, openings } => {
            statement::check(place, &statement, &vkeys, openings.as_deref())
        }
    }
}

fn attest(
    place: &Place,
    (clause, condition): (&str, Option<&str>),
    evidence: &Path,
    signing: &Signing,
) -> anyhow::Result<Said> {
    let about = attested(&ClauseId::from(clause), condition.map(ConditionId::from).as_ref());
    let bytes =
        std::fs::read(evidence).with_context(|| format!("`{}` cannot be read", evidence.display()))?;
    let digest = Digest(record::hash::sha256(&bytes));
    let signer = signing.signer(place)?;
    let answer = client::with(place, async |client| {
        let status = client.get("/api/status").await?.json()?;
        let version = Digest::from_hex(&cell(&status, "digest")).context("the server names no memorandum")?;
        let bytes = attestation_bytes(&cell(&status, "name"), &version, &about, &digest);
        let act = json!({
            "kind": "attest", "clause": clause, "condition": condition, "evidence": digest.to_string(), "party": signing.party,
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
