//! The time that an export is of: a calendar month or year in UTC, or the whole record.

use jiff::civil::Date;
use partnership::ids::Timestamp;
use std::fmt;
use std::str::FromStr;

/// A calendar month or year, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    /// Its first day.
    pub(super) first: Date,
    /// The first day after it.
    pub(super) next: Date,
    is_month: bool,
}

impl Period {
    /// The month of a moment.
    pub(super) fn month_of(at: Timestamp) -> Self {
        let first = at.date().first_of_month();
        Self { first, next: first.last_of_month().tomorrow().unwrap_or(Date::MAX), is_month: true }
    }

    /// Whether it has begun by then.
    pub(super) fn has_begun(self, at: Timestamp) -> bool {
        self.first <= at.date()
    }

    /// Whether it is over by then.
    pub(super) fn is_over(self, at: Timestamp) -> bool {
        self.next <= at.date()
    }

    /// Its last day.
    pub(super) fn last(self) -> Date {
        self.next.yesterday().unwrap_or(self.first)
    }

    /// Whether it is a month.
    pub(super) fn is_month(self) -> bool {
        self.is_month
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no period; write a month, such as 2026-11, or a year, such as 2026");
        let is_month = text.len() == 7;
        let whole = if is_month { format!("{text}-01") } else { format!("{text}-01-01") };
        let first: Date = whole.parse().map_err(|_| wrong())?;
        let sound = whole.len() == 10 && first.to_string() == whole && (1970..9999).contains(&first.year());
        if !sound {
            return Err(wrong());
        }
        let last = if is_month { first.last_of_month() } else { first.last_of_year() };
        Ok(Self { first, next: last.tomorrow().map_err(|_| wrong())?, is_month })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_month {
            write!(f, "{:04}-{:02}", self.first.year(), self.first.month())
        } else {
            write!(f, "{:04}", self.first.year())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_ends_with_its_last_millisecond_in_utc() {
        let rows = [
            ("2026-11", "2026-11-01T00:00:00.000Z", "2026-11-30T23:59:59.999Z", "2026-12-01T00:00:00.000Z"),
            ("2028-02", "2028-02-01T00:00:00.000Z", "2028-02-29T23:59:59.999Z", "2028-03-01T00:00:00.000Z"),
            ("2026-12", "2026-12-01T00:00:00.000Z", "2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00.000Z"),
            ("2026", "2026-01-01T00:00:00.000Z", "2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00.000Z"),
        ];
        for (text, first, last, after) in rows {
            let period: Period = text.parse().unwrap();
            let at = |text: &str| text.parse::<Timestamp>().unwrap();
            assert_eq!(period.to_string(), text);
            assert!(period.has_begun(at(first)) && !period.has_begun(at(first).plus_millis(-1)), "{text}");
            assert!(!period.is_over(at(last)) && period.is_over(at(after)), "{text}");
            assert_eq!(Timestamp::start_of(period.last()).date(), at(last).date());
            if period.is_month() {
                assert_eq!(Period::month_of(at(last)), period);
            }
        }
    }

    #[test]
    fn what_is_no_month_and_no_year_is_refused() {
        for text in
            ["", "2026-13", "2026-1", "26-11", "2026-11-01", "november", "1969", "9999", "2026-00", "+2026"]
        {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }
}
