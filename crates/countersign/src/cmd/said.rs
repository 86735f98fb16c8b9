//! What a command says at its end, and how it is printed.
//!
//! Not here: what went wrong in the program itself, which is an error.

use serde_json::Value;
use std::io::Write as _;
use std::process::ExitCode;

/// The end of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// It was done, or waits for others: for stdout, exit 0.
    Done(String),
    /// What was asked for, as it is: for stdout, exit 0.
    Bytes(Vec<u8>),
    /// It was refused, or something was found wrong, in JSON: for stdout, exit 1.
    RefusedAsJson(String),
    /// It was refused, or something was found wrong: for stderr, exit 1.
    Refused(String),
}

/// What went wrong and why, each reason once: some errors tell their own cause, and some leave that to whoever asks.
pub(crate) fn reason(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| {
        if said.is_empty() {
            cause
        } else if said.contains(&cause) {
            said
        } else {
            format!("{said}: {cause}")
        }
    })
}

impl Said {
    /// Prints it. A closed pipe is an ordinary end.
    pub(crate) fn print(self) -> ExitCode {
        let (printed, code) = match self {
            Self::Done(text) => (writeln!(std::io::stdout(), "{text}"), 0),
            Self::Bytes(bytes) => (std::io::stdout().write_all(&bytes), 0),
            Self::RefusedAsJson(text) => (writeln!(std::io::stdout(), "{text}"), 1),
            Self::Refused(text) => (writeln!(std::io::stderr(), "{text}"), 1),
        };
        ExitCode::from(if printed.is_ok() { code } else { 1 })
    }
}

/// Rows under their heads, each column as wide as its widest cell. Shape: no line ends in white space.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let heads: Vec<String> = heads.iter().map(|head| head.to_uppercase()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&heads).chain(rows).collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let shown = lines.iter().map(|line| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// A field of a JSON object for a person: text as it is, lists with commas, money with its asset, nothing for what is not there.
pub(crate) fn cell(value: &Value, field: &str) -> String {
    shown(value.get(field).unwrap_or(&Value::Null))
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => safe(text),
        Value::Array(all) => all.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(money) => money.values().map(shown).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// Text as it may stand on a terminal.
pub(crate) fn safe(text: &str) -> String {
    text.chars().map(plain).collect()
}

/// A character as it may stand on a terminal: what would move the cursor or turn the text around is shown as a mark.
fn plain(letter: char) -> char {
    let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if turns || letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }
}

/// A table of the fields of JSON objects.
pub(crate) fn table_of(list: &Value, columns: &[(&str, &str)]) -> String {
    let heads: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
    let row = |item: &Value| columns.iter().map(|(_, field)| cell(item, field)).collect();
    table(&heads, &list.as_array().map(|all| all.iter().map(row).collect::<Vec<_>>()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_stand_under_their_heads() {
        let list = json!([
            { "name": "a", "held": { "amount": "1.00", "asset": "USD" }, "by": ["x", "y"] },
            { "name": "longer", "held": null, "by": [] },
        ]);
        let text = table_of(&list, &[("name", "name"), ("held", "held"), ("by", "by")]);
        assert_eq!(shown(&json!("a\u{1b}[31m\u{202e}b\nc")), "a\u{fffd}[31m\u{fffd}b\u{fffd}c");
        assert_eq!(text, "NAME    HELD      BY\na       1.00 USD  x, y\nlonger");
    }

    #[test]
    fn each_reason_is_told_once() {
        let note = record::Checkpoint::open(
            b"no note",
            &record::note::Signer::generate("log.example", [1; 32]).unwrap().verifier(),
        );
        let error = anyhow::Error::new(note.unwrap_err()).context("the receipt is not one");
        let said = reason(&error);
        assert!(said.starts_with("the receipt is not one: checkpoint: "), "{said}");
        assert_eq!(said.matches("no blank line").count(), 1, "{said}");
        assert_eq!(reason(&anyhow::anyhow!("one").context("two")), "two: one");
    }
}
