//! `countersign fund`: commitments, budgets inside them, attesting milestones and payments, and amounts that are sealed.

mod budget;
mod commitments;
mod reconcile;
mod sealed;
mod statement;

use super::client::{self, Place, Signing};
use super::said::{Said, cell};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use partnership::act::{Digest, attestation_bytes, attested};
use partnership::ids::{ClauseId, ConditionId};
use serde_json::json;
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
    /// Attests that a clause's milestone was met, by a signature over the digest of the evidence; or that a payment was sent or has
    /// arrived.
    Attest {
        /// The clause.
        clause: String,
        /// Which milestone of the clause; needed where it has several.
        #[arg(long)]
        condition: Option<String>,
        /// The evidence: a file, of which only the digest leaves this machine.
        #[arg(long, required_unless_present = "paid", conflicts_with = "paid")]
        evidence: Option<PathBuf>,
        /// An amount with its asset that was paid under the clause: "250000.00 USD". The word of the party that is paid settles the debt.
        #[arg(long, requires = "reference")]
        paid: Option<String>,
        /// What was paid where that is another asset: "231000.00 EUR". `--paid` then says how much of the debt that pays.
        #[arg(long = "in", requires_all = ["paid", "rate_source"])]
        paid_in: Option<String>,
        /// Where the rate is from that the two amounts come to: a central bank's of a day, or what was agreed.
        #[arg(long, requires = "paid_in")]
        rate_source: Option<String>,
        /// The bank's reference of the payment.
        #[arg(long, requires = "paid")]
        reference: Option<String>,
        #[command(flatten)]
        signing: Signing,
    },
    /// Declares what a party has earned in a period that is over, for a `revenue-share` clause.
    Declare {
        /// The clause.
        clause: String,
        /// The revenue with its asset: "1250000.00 USD".
        #[arg(long)]
        revenue: String,
        /// The first day after the period; that of the next one to be declared unless given.
        #[arg(long)]
        on: Option<String>,
        #[command(flatten)]
        signing: Signing,
    },
    /// Writes the instruction to pay what is owed under a clause, signed by the party that owes it.
    Draw {
        /// The clause.
        clause: String,
        /// How it is written.
        #[arg(long, default_value = "json")]
        format: commitments::Format,
        /// Where it is written, to a file that must not be there yet; to stdout unless given.
        #[arg(long)]
        out: Option<PathBuf>,
        #[command(flatten)]
        signing: Signing,
    },
    /// Hard limits inside a commitment: of a party, an application, a key, or each end user.
    Budget {
        #[command(subcommand)]
        verb: budget::Verb,
    },
    /// Lists commitments: what was agreed, what became of it, and where it leads.
    List,
    /// Holds an invoice against the record: what agrees, what differs, with the acts behind it and the money it makes.
    Reconcile(Box<reconcile::Wanted>),
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
        Verb::Attest { clause, paid: Some(paid), paid_in, rate_source, reference, signing, .. } => {
            let (reference, source) = (reference.unwrap_or_default(), rate_source.unwrap_or_default());
            let paid_in = paid_in.as_deref().map(|paid_in| (paid_in, source.as_str()));
            commitments::paid(place, &clause, (&paid, paid_in, &reference), &signing)
        }
        Verb::Attest { clause, condition, evidence, signing, .. } => {
            let about = (clause.as_str(), condition.as_deref());
            attest(place, about, &evidence.unwrap_or_default(), &signing)
        }
        Verb::Budget { verb } => budget::run(place, verb),
        Verb::Declare { clause, revenue, on, signing } => {
            commitments::declare(place, &clause, (&revenue, on.as_deref()), &signing)
        }
        Verb::Draw { clause, format, out, signing } => {
            commitments::draw(place, &clause, (format, out.as_ref()), &signing)
        }
        Verb::List => commitments::list(place),
        Verb::Reconcile(wanted) => reconcile::run(place, &wanted),
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
