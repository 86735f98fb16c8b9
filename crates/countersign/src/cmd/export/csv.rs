//! One row per act as comma-separated values (RFC 4180, with line feeds), and how a value is written there. The columns are in docs/EXPORTS.md.

use super::rows::{Format, Row, View};
use partnership::ids::ClauseId;
use std::fmt::Write as _;
use std::io::{self, Write};

/// A file of acts that is being written.
pub(super) struct Csv<W> {
    to: W,
}

impl<W: Write> Csv<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to }
    }
}

/// The columns, in their order.
const COLUMNS: [&str; 35] = [
    "act",
    "kind",
    "about",
    "decided_at",
    "decided_entry",
    "settled_at",
    "settled_entry",
    "party",
    "application",
    "key",
    "audience",
    "market",
    "model",
    "surface",
    "verdict",
    "refusal",
    "ended",
    "clause",
    "clauses",
    "deviations",
    "memorandum",
    "input_tokens",
    "output_tokens",
    "estimated",
    "price_clause",
    "grants",
    "asset",
    "cost",
    "cost_minor",
    "borne_minor",
    "observed_minor",
    "rounding_numerator",
    "rounding_denominator",
    "moved_to",
    "moved",
];

impl<W: Write> Format for Csv<W> {
    fn opening(&mut self, _: &View<'_>) -> io::Result<()> {
        line(&mut self.to, &COLUMNS)
    }

    fn row(&mut self, row: &Row, view: &View<'_>) -> io::Result<()> {
        line(&mut self.to, &values(row, view))
    }
}

/// The values of an act, one for each of [`COLUMNS`].
fn values(row: &Row, view: &View<'_>) -> [String; 35] {
    let cost = &row.cost;
    let (settled_at, settled) = row.settled.unzip();
    let standing = row.standing.as_ref();
    let (numerator, denominator) = cost.remainder.unzip();
    let moved = |(account, asset, minor): &(_, _, _)| {
        let account: &ledger::AccountId = account;
        (account.to_string(), format!("{} {asset}", view.books.text(asset, *minor)))
    };
    let (moved_to, moved): (Vec<String>, Vec<String>) = cost.moved.iter().map(moved).unzip();
    let charged = cost.asset.as_ref().map(|asset| view.books.text(asset, cost.minor()));
    [
        row.act.to_string(),
        row.kind.clone(),
        row.about.clone(),
        row.decided.0.to_string(),
        row.decided.1.to_string(),
        text(settled_at),
        text(settled),
        text(row.party.as_ref()),
        text(row.application.as_ref()),
        text(row.key.as_ref()),
        text(standing.map(|standing| &standing.audience)),
        text(standing.map(|standing| &standing.market)),
        text(row.model.as_ref()),
        text(row.surface.as_ref()),
        row.verdict.to_owned(),
        text(row.refusal),
        text(row.ended),
        text(row.clauses.first()),
        words(row.clauses.iter()),
        words(row.deviations.iter().map(|deviation| &deviation.clause)),
        row.memorandum.to_string(),
        text(row.usage.map(|usage| usage.input_tokens)),
        text(row.usage.map(|usage| usage.output_tokens)),
        row.estimated.to_string(),
        text(row.price.as_ref()),
        words(cost.paid.iter().map(|(clause, _)| clause)),
        text(cost.asset.as_ref()),
        text(charged),
        cost.minor().to_string(),
        cost.borne.to_string(),
        cost.observed().to_string(),
        text(numerator),
        text(denominator),
        moved_to.join(" "),
        moved.join("; "),
    ]
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Names with a blank between two; no clause has one in its name.
fn words<'a>(clauses: impl Iterator<Item = &'a ClauseId>) -> String {
    clauses.map(ClauseId::as_str).collect::<Vec<_>>().join(" ")
}

/// Writes one line of values.
///
/// Errors: those of the writer.
pub(super) fn line(to: &mut impl Write, values: &[impl AsRef<str>]) -> io::Result<()> {
    let mut line = String::new();
    for (place, value) in values.iter().enumerate() {
        if place > 0 {
            line.push(',');
        }
        push(&mut line, value.as_ref());
    }
    line.push('\n');
    to.write_all(line.as_bytes())
}

/// A value, in quotes where it has what would end it.
fn push(line: &mut String, value: &str) {
    if value.contains(['"', ',', '\n', '\r']) {
        // A string takes whatever is written to it.
        let _ = write!(line, "\"{}\"", value.replace('"', "\"\""));
    } else {
        line.push_str(value);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_value_that_holds_a_separator_is_quoted_and_no_other() {
        let rows: [(&[&str], &str); 4] = [
            (&["a", "", "b c"], "a,,b c\n"),
            (&["a,b", "c"], "\"a,b\",c\n"),
            (&["say \"x\""], "\"say \"\"x\"\"\"\n"),
            (&["two\nlines", "r\r"], "\"two\nlines\",\"r\r\"\n"),
        ];
        for (values, wanted) in rows {
            let mut line = Vec::new();
            super::line(&mut line, values).unwrap();
            assert_eq!(String::from_utf8(line).unwrap(), wanted);
        }
    }
}
