//! The days of a history's memoranda. Their text is that of a history of ninety days from the first of January 2026 on; here the days are
//! moved to those of another.

use super::Span;
use jiff::Span as Days;
use jiff::civil::{Date, date};

/// The first day of the text.
const FIRST: Date = date(2026, 1, 1);
/// How many days the history of the text has.
pub(super) const DAYS: i64 = 90;
/// How long a written day is. Units: bytes.
const WRITTEN: usize = 10;

/// A day so many days later, or earlier.
pub(super) fn later(day: Date, days: i64) -> Option<Date> {
    day.checked_add(Days::new().try_days(days).ok()?).ok()
}

/// A day of the text as a day of the history: within it in proportion, after it as long after its end.
pub(super) fn within(day: i64, days: i64) -> i64 {
    let into = day.clamp(0, DAYS).saturating_mul(days).div_euclid(DAYS);
    into.saturating_add(day.saturating_sub(DAYS).max(0))
}

/// The text with every day that it names moved.
pub(super) fn moved(text: &str, span: &Span) -> String {
    let mut moved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let written = rest.get(..WRITTEN).and_then(|written| written.parse::<Date>().ok());
        let day = written.filter(|_| !moved.ends_with(|before: char| before.is_ascii_alphanumeric()));
        let (said, length) = match day.and_then(|day| move_day(day, span)) {
            Some(day) => (day.to_string(), WRITTEN),
            None => (next.to_string(), next.len_utf8()),
        };
        moved.push_str(&said);
        rest = rest.get(length..).unwrap_or_default();
    }
    moved
}

fn move_day(day: Date, span: &Span) -> Option<Date> {
    let since = i64::from(FIRST.until(day).ok()?.get_days());
    later(span.first, within(since, span.days))
}
