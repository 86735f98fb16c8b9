//! An invoice, read row by row: what is asked for which act, or for which day and model.
//!
//! Not here: what the record says of it (`ours`). A row that cannot be read ends it, since a sum without that row would be another sum.

use super::columns::{Columns, Found, Says};
use super::exact::Exact;
use anyhow::{Context as _, anyhow, bail};
use csv::StringRecord;
use jiff::civil::{Date, DateTime};
use ledger::AssetId;
use partnership::ids::ActId;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// How many rows are read at most; all are held until the record has been read. Their sum fits.
pub(super) const ROWS_MAX: usize = 1_000_000;

/// What one row asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Where the row stands. Shape: the first line is 1.
    pub(super) line: u64,
    /// The act, where the row names one.
    pub(super) act: Option<ActId>,
    pub(super) asset: AssetId,
    pub(super) amount: Exact,
    /// How many decimals the amount is written with.
    pub(super) decimals: u8,
    /// The day, in UTC.
    pub(super) day: Option<Date>,
    pub(super) model: Option<Arc<str>>,
    /// How much, of what.
    pub(super) quantity: Option<(Unit, Exact)>,
}

/// What a quantity counts, where the record counts it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    Tokens,
    InputTokens,
    CachedInputTokens,
    OutputTokens,
    Requests,
}

impl Unit {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::InputTokens => "input tokens",
            Self::CachedInputTokens => "cached input tokens",
            Self::OutputTokens => "output tokens",
            Self::Requests => "requests",
        }
    }

    /// The unit of this name; none where the record counts no such thing.
    fn of(text: &str) -> Option<Self> {
        let plain = text.to_ascii_lowercase().replace(['_', '-'], " ");
        Some(match plain.strip_suffix('s').unwrap_or(&plain) {
            "token" => Self::Tokens,
            "input token" | "prompt token" => Self::InputTokens,
            "cached input token" => Self::CachedInputTokens,
            "output token" | "completion token" => Self::OutputTokens,
            "request" | "call" => Self::Requests,
            _ => return None,
        })
    }
}

/// A whole invoice. Shape: rows in the order of their acts, and of their lines for one act; those without an act come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invoice {
    pub(super) rows: Vec<Asked>,
    /// How many rows ask for nothing, since they have neither an amount nor an asset.
    pub(super) blank: u64,
    /// How many quantities count what the record does not.
    pub(super) uncounted: u64,
    /// SHA-256 of the file.
    pub(super) digest: [u8; 32],
}

impl Invoice {
    /// Reads a file. `asset` is what amounts are in where no column says it.
    ///
    /// Errors: the file, line and column of what cannot be read, and what to do.
    pub(super) fn read(path: &Path, columns: &Columns, asset: Option<&str>) -> anyhow::Result<Self> {
        let name = path.display();
        let file = File::open(path).with_context(|| format!("`{name}` cannot be opened"))?;
        Self::of(file, columns, asset).map_err(|error| anyhow!("`{name}`, {error:#}"))
    }

    /// Reads what is in a file.
    pub(super) fn of(from: impl Read, columns: &Columns, asset: Option<&str>) -> anyhow::Result<Self> {
        let mut bytes = Watched { from, hash: Sha256::new(), quotes: 0 };
        let mut reader = csv::ReaderBuilder::new().from_reader(&mut bytes);
        let heads: Vec<String> =
            reader.headers().map_err(|error| unreadable(&error))?.iter().map(str::to_owned).collect();
        let found = columns.find(&heads).map_err(|error| anyhow!("line 1: {error}"))?;
        if found.place(Says::Asset).is_none() && asset.is_none() {
            bail!(
                "line 1: no column says in what the amounts are; name it by `--columns asset=…`, or the asset of all by `--asset`"
            );
        }
        let mut rows = Rows { found, asset, names: BTreeSet::new(), blank: 0, uncounted: 0 };
        let (mut asked, mut record) = (Vec::new(), StringRecord::new());
        while reader.read_record(&mut record).map_err(|error| unreadable(&error))? {
            let line = record.position().map_or(0, csv::Position::line);
            let row = rows.row(&record, line).map_err(|error| anyhow!("line {line}, {error}"))?;
            if asked.len() == ROWS_MAX {
                bail!(
                    "line {line}: more than {ROWS_MAX} rows; divide it by month or party, and reconcile each part"
                );
            }
            asked.extend(row);
        }
        drop(reader);
        if !bytes.quotes.is_multiple_of(2) {
            bail!("at its end: a quotation mark is opened and not closed; see that the file is whole");
        }
        asked.sort_by_key(|row: &Asked| (row.act, row.line));
        let digest = bytes.hash.finalize().into();
        Ok(Self { rows: asked, blank: rows.blank, uncounted: rows.uncounted, digest })
    }
}

/// Bytes that are digested and looked at as they are read. What the reader of rows takes in silence, a mark that is never closed, is seen here.
struct Watched<R> {
    from: R,
    hash: Sha256,
    quotes: u64,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        let bytes = into.get(..read).unwrap_or_default();
        self.hash.update(bytes);
        let quotes = bytes.iter().map(|byte| u64::from(*byte == b'"')).sum::<u64>();
        self.quotes = self.quotes.saturating_add(quotes);
        Ok(read)
    }
}

/// Where a file is none of comma-separated values.
fn unreadable(error: &csv::Error) -> anyhow::Error {
    let line = error.position().map_or(0, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => anyhow!(
            "line {line}: it has {len} values, and the heads are {expected_len}; see that values with a comma are in quotation marks and that the file is whole"
        ),
        csv::ErrorKind::Utf8 { .. } => anyhow!("line {line}: it is not UTF-8; save it as UTF-8"),
        _ => anyhow!("line {line}: {error}"),
    }
}

/// What is known while rows are read.
struct Rows<'a> {
    found: Found,
    asset: Option<&'a str>,
    /// Models, each once.
    names: BTreeSet<Arc<str>>,
    blank: u64,
    uncounted: u64,
}

impl Rows<'_> {
    /// What a row asks; none where it asks for nothing.
    fn row(&mut self, record: &StringRecord, line: u64) -> Result<Option<Asked>, String> {
        let (amount, asset) = (self.value(record, Says::Amount), self.value(record, Says::Asset));
        let asset = match (self.found.place(Says::Asset), self.asset) {
            (Some(_), _) if asset.is_empty() && amount.is_empty() => {
                self.blank = self.blank.saturating_add(1);
                return Ok(None);
            }
            (Some(_), _) if asset.is_empty() => {
                return Err(self.at(Says::Asset, "it is empty, and an amount is asked; name the asset"));
            }
            (Some(_), _) => asset,
            (None, given) => given.unwrap_or_default(),
        };
        let is_none = asset == "XXX" && self.found.name(Says::Asset) == "BillingCurrency";
        if is_none {
            let why = "`XXX` is no currency; name the column with the asset by `--columns asset=…`";
            return Err(self.at(Says::Asset, why));
        }
        let asset = AssetId::from(asset);
        let (amount, decimals) = Exact::parse(amount).map_err(|error| self.at(Says::Amount, &error))?;
        let act = self.act(record)?;
        let day = self.day(record)?;
        let model = self.value(record, Says::Model);
        let model = (!model.is_empty()).then(|| self.named(model));
        if act.is_none() && (day.is_none() || model.is_none()) {
            let missing = if day.is_none() { Says::Date } else { Says::Model };
            return Err(self.at(missing, "a row without an act's id needs a day and a model"));
        }
        let quantity = self.quantity(record)?;
        Ok(Some(Asked { line, act, asset, amount, decimals, day, model, quantity }))
    }

    fn value<'a>(&self, record: &'a StringRecord, says: Says) -> &'a str {
        self.found.place(says).and_then(|place| record.get(place)).unwrap_or_default()
    }

    /// What is wrong with a value, and where.
    fn at(&self, says: Says, why: &str) -> String {
        format!("column `{}`: {why}", self.found.name(says))
    }

    fn act(&self, record: &StringRecord) -> Result<Option<ActId>, String> {
        let text = self.value(record, Says::Act);
        if text.is_empty() {
            return Ok(None);
        }
        let act = text.parse().map_err(|_| {
            let why = format!(
                "`{text}` is no act's id; those are in the header `countersign-act` of each answer. Leave the column out to reconcile by day and model"
            );
            self.at(Says::Act, &why)
        })?;
        Ok(Some(act))
    }

    fn day(&self, record: &StringRecord) -> Result<Option<Date>, String> {
        let text = self.value(record, Says::Date);
        if text.is_empty() {
            return Ok(None);
        }
        let day = day_of(text).ok_or_else(|| {
            let why =
                format!("`{text}` is no day; write `2026-11-22`, or a moment such as `2026-11-22T14:00:00Z`");
            self.at(Says::Date, &why)
        })?;
        Ok(Some(day))
    }

    fn named(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = Arc::from(name);
        self.names.insert(Arc::clone(&name));
        name
    }

    fn quantity(&mut self, record: &StringRecord) -> Result<Option<(Unit, Exact)>, String> {
        let text = self.value(record, Says::Quantity);
        if text.is_empty() {
            return Ok(None);
        }
        let (quantity, _) = Exact::parse(text).map_err(|error| self.at(Says::Quantity, &error))?;
        let unit = self.found.place(Says::Unit).map(|_| self.value(record, Says::Unit));
        let unit = unit.map_or(Some(Unit::Tokens), Unit::of);
        if unit.is_none() {
            self.uncounted = self.uncounted.saturating_add(1);
        }
        Ok(unit.map(|unit| (unit, quantity)))
    }
}

/// The day of a day or of a moment, in UTC; a moment without an offset is in UTC.
fn day_of(text: &str) -> Option<Date> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Some(jiff::tz::Offset::UTC.to_datetime(moment).date());
    }
    text.parse::<DateTime>().ok().map(DateTime::date)
}
