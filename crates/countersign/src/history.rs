//! A history to look at: some months of acts under the example of Northwind and Halcyon, made up by a seed.
//!
//! It goes on the record by the road of every other act: the door's own proposals, the clerk's own turns, the journal and the publisher;
//! only the moments are given, and what an upstream would have answered is drawn. Not lived, and never shown as if it were: the record's
//! origin says so for ever, and with it each checkpoint, and so does the memorandum's title.

mod calls;
mod dates;
mod dues;
mod life;
mod plan;

use anyhow::{Context as _, anyhow};
use jiff::civil::Date;
use life::Life;
use partnership::Terms;
use partnership::ids::Timestamp;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// How the origin of a record ends whose history is made up.
const MARK: &str = "/example-history";
/// What is said of such a record wherever it is shown.
pub(crate) const BANNER: &str = "example history: made up, not lived";

const FIRST: &str = include_str!("../../../examples/northwind-halcyon/history/memorandum.md");
const SECOND: &str = include_str!("../../../examples/northwind-halcyon/history/amendment.md");

/// The origin of a made-up history of the example of this name.
pub(crate) fn origin(example: &str) -> String {
    format!("{example}.example{MARK}")
}

/// Whether the history of the record with this origin is made up.
pub(crate) fn is_made_up(origin: &str) -> bool {
    origin.ends_with(MARK)
}

/// How long a history is. Units: days. Range: 7 to 365.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Length(i64);

/// The text is no length of a history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadLength {
    /// It has no unit, or another.
    #[error("a history is some days long, and days are written as `90d`")]
    Unit,
    /// It is too short or too long.
    #[error("a history is from {SHORTEST} to {LONGEST} days long, as `90d` is")]
    Range,
}

/// Short of this, not everything that happens has a day of its own.
const SHORTEST: i64 = 7;
/// Beyond this it would reach into what the clauses say of later years.
const LONGEST: i64 = 365;

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}d", self.0)
    }
}

impl FromStr for Length {
    type Err = BadLength;

    /// Reads `90d`.
    fn from_str(text: &str) -> Result<Self, BadLength> {
        let number = text.strip_suffix('d').ok_or(BadLength::Unit)?;
        let digits = number.strip_prefix('-').unwrap_or(number);
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(BadLength::Unit);
        }
        let days = number.parse().map_err(|_| BadLength::Range)?;
        if (SHORTEST..=LONGEST).contains(&days) { Ok(Self(days)) } else { Err(BadLength::Range) }
    }
}

/// When a history happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// Its first day.
    first: Date,
    /// How many days before the last one that is. Units: days.
    days: i64,
    /// The last moment: now.
    end: Timestamp,
}

/// The hour at which the first day's record begins. Units: milliseconds.
const BEGINS_MS: i64 = 7 * HOUR_MS;
const HOUR_MS: i64 = 3_600_000;

impl Span {
    /// So many days up to `end`.
    ///
    /// Errors: a day that no calendar has.
    pub(crate) fn of(length: Length, end: Timestamp) -> anyhow::Result<Self> {
        let first =
            dates::later(end.date(), -length.0).context("the machine's clock is before all calendars")?;
        Ok(Self { first, days: length.0, end })
    }

    /// When the record begins.
    pub(crate) fn begins(&self) -> Timestamp {
        Timestamp::start_of(self.first).plus_millis(BEGINS_MS)
    }

    /// The memorandum that it begins under.
    pub(crate) fn memorandum(&self) -> String {
        dates::moved(FIRST, self)
    }

    /// The version that comes into force in its course.
    fn amendment(&self) -> anyhow::Result<String> {
        let first = terms(&self.memorandum())?;
        Ok(dates::moved(SECOND, self).replace(&"0".repeat(64), &first.digest().hex()))
    }

    /// The first moment of one of its days, counted from nought.
    fn day(&self, day: i64) -> anyhow::Result<Timestamp> {
        Ok(Timestamp::start_of(dates::later(self.first, day).context("a day beyond all calendars")?))
    }
}

fn terms(text: &str) -> anyhow::Result<Terms> {
    Terms::read(text).map_err(|faults| {
        let first = faults.first().map(|fault| fault.message.clone()).unwrap_or_default();
        anyhow!("the memorandum of the history is not sound: {first}")
    })
}

/// Makes up the history of the partnership in `dir`, which has memorandum, signatures and keys, and whose record has not begun. All of it
/// is durable when this returns, and before that it is nobody's.
///
/// Errors: what cannot be written.
pub(crate) fn make(dir: &Path, origin: &str, span: Span) -> anyhow::Result<()> {
    let mut life = Life::found(dir, origin, span)?;
    for day in 0..=span.days {
        life.live(day)?;
    }
    life.end()
}

#[cfg(test)]
mod tests;
