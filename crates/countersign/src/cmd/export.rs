//! `countersign export FORMAT`: the books and acts of a record in the forms of others, made as the record is read and verified.
//!
//! Not here: what any form looks like (`export/`, docs/EXPORTS.md). A record that does not hold to its end gives nothing at all.

mod beancount;
mod charge;
mod commitments;
mod costs;
mod csv;
mod focus;
mod hledger;
mod jsonl;
mod names;
mod owners;
mod period;
mod plain_text;
mod reader;
pub(super) mod reconcile;
mod rows;
mod statement;
#[cfg(test)]
mod tests;

use super::client::Place;
use super::said::Said;
use crate::files;
use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use partnership::ids::PartyId;
pub(super) use period::Period;
pub(super) use reader::Documents;
use reader::Read;
use rows::{Format, Scope};
use serde_json::json;
use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// Writes what is on the record in the forms of others.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    place: Place,
    /// The form.
    #[arg(value_enum)]
    form: Form,
    /// A month, such as 2026-11, or a year, in UTC; the whole record unless given. A statement needs a month.
    #[arg(long, required_if_eq("form", "statement"))]
    period: Option<Period>,
    /// Only what concerns this party. A statement needs one.
    #[arg(long, required_if_eq("form", "statement"))]
    party: Option<String>,
    /// With `focus`: the commitments of FOCUS 1.3 as they stand at the end of the period, in place of the charges.
    #[arg(long)]
    commitments: bool,
    /// Where it is written; to stdout unless given.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write in the place of a file that is there.
    #[arg(long, requires = "out")]
    force: bool,
    /// The public keys to trust: a file with one key a line, the log's first.
    #[arg(long)]
    vkeys: Option<PathBuf>,
}

/// The forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// The books, as hledger's journal.
    Hledger,
    /// The books, as a Beancount file.
    Beancount,
    /// Charges, as FOCUS 1.2.
    Focus,
    /// One row per act, as comma-separated values.
    Csv,
    /// One act a line, in JSON, with all that the record says of it.
    Jsonl,
    /// One page for a party and month, as HTML.
    Statement,
}

/// Reads the record and writes the form.
pub(crate) fn run(asked: &Export) -> anyhow::Result<Said> {
    if asked.commitments && asked.form != Form::Focus {
        return Err(anyhow!(
            "`--commitments` goes with `focus` only; `export focus --commitments` writes them"
        ));
    }
    if asked.form == Form::Statement && asked.period.is_some_and(|period| !period.is_month()) {
        return Err(anyhow!("a statement is of a month; write `--period 2026-11`"));
    }
    match &asked.out {
        Some(out) => to_file(asked, out),
        None => to_stdout(asked),
    }
}

/// It goes to a file without a name first, since nothing is told of a record that does not hold.
fn to_stdout(asked: &Export) -> anyhow::Result<Said> {
    let no_room = "what is exported cannot be put in the folder for temporary files; see that it has room, or name a file by `--out`";
    let mut held = files::unnamed().context(no_room)?;
    written(asked, &mut held)?;
    held.rewind().context(no_room)?;
    let mut stdout = io::stdout().lock();
    io::copy(&mut held, &mut stdout).and_then(|_| stdout.flush()).context("stdout cannot be written")?;
    Ok(Said::Bytes(Vec::new()))
}

fn to_file(asked: &Export, out: &Path) -> anyhow::Result<Said> {
    let name = out.display();
    let mut result = None;
    let write = |file: &mut File| {
        let read = written(asked, file);
        let failed = read.as_ref().err().map(|error| io::Error::other(format!("{error:#}")));
        result = Some(read);
        failed.map_or(Ok(()), Err)
    };
    if !asked.force && out.exists() {
        return Err(anyhow!("`{name}` is there; name another file, or write in its place with `--force`"));
    }
    let placed =
        if asked.force { files::replace_by(out, MODE, write) } else { files::write_new_by(out, MODE, write) };
    let read = match result {
        Some(read) => read?,
        None => Read::default(),
    };
    placed.with_context(|| format!("`{name}` cannot be written"))?;
    let Read { entries, transactions, rows } = read;
    Ok(Said::Done(if asked.place.json {
        json!({ "out": out, "entries": entries, "transactions": transactions, "acts": rows }).to_string()
    } else {
        format!(
            "`{name}` is made of {rows} acts and {transactions} transactions, from a record of {entries} entries that was verified"
        )
    }))
}

/// Amounts are for the parties.
const MODE: u32 = 0o600;

fn written(asked: &Export, file: &mut File) -> anyhow::Result<Read> {
    let mut to = BufWriter::new(file);
    let scope = Scope { period: asked.period, party: asked.party.as_deref().map(PartyId::from) };
    let read = {
        let to = &mut to;
        let mut format: Box<dyn Format + '_> = match asked.form {
            Form::Hledger => Box::new(hledger::Hledger::new(to)),
            Form::Beancount => Box::new(beancount::Beancount::new(to)),
            Form::Focus if asked.commitments => Box::new(commitments::Commitments::new(to)),
            Form::Focus => Box::new(focus::Focus::new(to)),
            Form::Csv => Box::new(csv::Csv::new(to)),
            Form::Jsonl => Box::new(jsonl::Jsonl::new(to)),
            Form::Statement => Box::new(statement::Statement::new(to)),
        };
        let place = asked.place.server.clone().unwrap_or_else(|| asked.place.dir.display().to_string());
        reader::read(&place, asked.vkeys.as_deref(), &scope, &mut *format)?
    };
    to.flush().context("it cannot be written to its end")?;
    Ok(read)
}
