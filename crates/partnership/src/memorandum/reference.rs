//! The reference of the format, `docs/MEMORANDUM.md`, written from the table that the reader checks against.
//!
//! Not here: that table (`fields`).

use super::clause::Area;
use super::fields::{COMMON, CONDITION, Field, HEADER, KINDS, Need, Row};
use super::observed::rows::VEST;
use super::rates::UNITS;
use crate::governance::VOCABULARY;

/// The text of `docs/MEMORANDUM.md`.
#[must_use]
pub fn reference() -> String {
    let mut text = INTRODUCTION.to_owned();
    text.push_str("\n## The header\n\n");
    text.push_str(&format_table(HEADER));
    text.push_str("\n```toml\n");
    text.push_str(HEADER_EXAMPLE);
    text.push_str("```\n\n## Every clause\n\n");
    text.push_str(&format_table(COMMON));
    for (area, heading) in AREAS {
        text.push_str(&format!("\n## {heading}\n"));
        let rows = KINDS.iter().filter(|row| row.area == *area);
        text.extend(rows.map(kind));
    }
    text.push_str(UNIT_NAMES);
    text.push_str(&format_table(UNITS));
    text.push_str(CONDITIONS);
    text.push_str(&format_table(CONDITION));
    text.push_str(VESTS);
    text.push_str(&format_table(VEST));
    text.push_str(VOCABULARY_INTRODUCTION);
    text.push_str("\n```cedar\n");
    text.push_str(VOCABULARY);
    text.push_str("```\n");
    text.push_str(SIGNATURES);
    text
}

const AREAS: &[(Area, &str)] = &[
    (Area::Investment, "Investment"),
    (Area::Governance, "Governance"),
    (Area::Cloud, "Cloud"),
    (Area::General, "General"),
];

fn kind(row: &Row) -> String {
    let Row { name, meaning, fields, example, .. } = row;
    format!("\n### `{name}`\n\n{meaning}\n\n{}\n```toml\n{example}```\n", format_table(fields))
}

fn format_table(fields: &[Field]) -> String {
    let head = "| field | holds | without it | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    fields.iter().fold(head, |mut text, field| {
        text.push_str(&line(field));
        text
    })
}

fn line(field: &Field) -> String {
    let Field { name, shape, need, meaning } = field;
    let without = match need {
        Need::Must => "an error",
        Need::May(without) => without,
    };
    format!("| `{name}` | {} | {without} | {meaning} |\n", shape.describe())
}

const INTRODUCTION: &str = "# The memorandum\n\n\
A memorandum is one Markdown file. The prose is for lawyers; fenced blocks of TOML beside it are for the machine. This page \
lists everything a block may say. It is written by the program from the table it checks memoranda against.\n\n\
- One block opens with ```` ```toml memorandum ````: the header. Each clause opens with ```` ```toml clause <id> ````. Both \
stand at the start of a line and close with three backticks.\n\
- Ids are lower-case letters and digits with single hyphens between them. An id is unique, and stays with its clause in every \
later version.\n\
- Money is text with its asset. Bare numbers are refused, so that no amount is ever a float. Days are TOML dates, in UTC; a \
period runs from its first day up to, and not including, the day it ends.\n\
- An unknown field, kind, asset, party or clause is an error, shown with file, line, column and a caret. All errors are shown at \
once.\n\
- Carriage returns, a byte order mark, tabs in blocks, and characters that hide or turn text are refused: what is signed is what \
is seen.\n\
- The heading above a block is the clause's title, and the paragraphs of that section are its prose: the reason a person is \
given when the clause decides something.\n";

const HEADER_EXAMPLE: &str = "title = \"Memorandum between Northwind Cloud and Halcyon Research\"\nversion = 1\nparties = [\n  { id = \"northwind\", name = \"Northwind Cloud\", role = \"operator\" },\n  { id = \"halcyon\", name = \"Halcyon Research\", role = \"research\" },\n]\neffective = 2026-01-01\nprevails = \"prose\"\n";

const UNIT_NAMES: &str = "\n## Units\n\nWhat a `rate-card` may price in `units` beside calls.\n\n";

const CONDITIONS: &str = "\n## Conditions\n\n\
A condition is a date, or a table with exactly one of `date`, `milestone`, `earlier_of` and `all_of`. There are no other forms, and no \
expressions. A milestone is reached when all whom it names have attested it over the digest of the same evidence \
(`countersign fund attest`), under the version in force: a later version is attested anew.\n\n\
```toml\n# on a day\nuntil = 2032-01-01\n# the earlier of a day and a milestone\nuntil = { earlier_of = [\n  { date = 2030-01-01 },\n  { milestone = \"the panel has found it\", attested_by = [\"northwind\", \"halcyon\"] },\n] }\n```\n\n";

const VESTS: &str = "\n### The parts of a `vesting`\n\n";

const VOCABULARY_INTRODUCTION: &str = "\n## What a policy may speak of\n\n\
Cedar's own rules hold: a `forbid` goes before every `permit`. Each `service` clause permits the calls it covers, so a policy \
usually only forbids. A `permit` gives nothing that no service offers.\n";

const SIGNATURES: &str = "\n## Signatures\n\n\
Each party signs, with Ed25519, the bytes `countersign/memorandum/v1`, a zero byte, and the 32 bytes of the SHA-256 of the file. \
The signatures stand in `memorandum.sigs`:\n\n\
```toml\n[[signature]]\nparty = \"northwind\"\nkey = \"<the party's vkey>\"\ndigest = \"<SHA-256 of the file, hexadecimal>\"\nsignature = \"<64 bytes, base64>\"\nat = \"2026-01-01T09:00:00.000Z\"\n```\n\n\
A version is in force once as many parties as its `threshold` have signed it and its `effective` day has come. A later version \
names the digest of the one before in `previous`, and is signed with the keys the parties had before it, by all whom \
`amendment` and any `requirement` on amendments name. It leaves the parties and their keys, the decimals of each asset, and the asset of \
each clause as they are. Its notice runs from the last approval. One that another has overtaken when its day comes has failed. A \
grant is lowered when the calls under way have given back what they hold.\n";
