//! A moment, from its text and back. Not a clock, and not a calendar beyond what it takes to count milliseconds.

use crate::budgets::Day;
use std::fmt;

/// A moment of the record's time. Shape: from 1970 to 9999, to the millisecond, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    millis: i64,
    text: [u8; 24],
}

impl Moment {
    /// The first moment there is.
    pub(crate) const FIRST: Self = Self { millis: 0, text: *b"1970-01-01T00:00:00.000Z" };

    /// Milliseconds after 1970.
    #[must_use]
    pub const fn millis(&self) -> i64 {
        self.millis
    }

    /// The hour as an envelope shows it, but for its last letter.
    pub(crate) fn hour(&self) -> &[u8] {
        self.text.get(..13).unwrap_or_default()
    }

    /// The day as it is spelled.
    pub(crate) fn date(&self) -> &[u8] {
        self.text.get(..10).unwrap_or_default()
    }

    /// Whether it is the first of a month.
    pub(crate) fn begins_a_month(&self) -> bool {
        self.text.ends_with(b"-01T00:00:00.000Z")
    }

    /// Its day.
    pub(crate) fn day(&self) -> Day {
        let [c, y, d, e, _, m, n, _, f, g, ..] = self.text;
        let part = |tens, ones| two(tens, ones).unwrap_or(0);
        let year = part(c, y).saturating_mul(100).saturating_add(part(d, e));
        Day { year, month: part(m, n), day: part(f, g) }
    }

    /// Whether so many milliseconds after 1970 lie in the same month.
    pub(crate) fn is_in_month_of(&self, millis: i64) -> bool {
        let Day { year, month, .. } = self.day();
        let (after, next) =
            if month < 12 { (year, month.saturating_add(1)) } else { (year.saturating_add(1), 1) };
        let first = |year, month| days(year, month, 1).map(|days| days.saturating_mul(DAY_MS));
        first(year, month).is_some_and(|first| first <= millis)
            && first(after, next).is_some_and(|next| millis < next)
    }

    /// Reads its one spelling.
    #[inline]
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text: [u8; 24] = text.try_into().ok()?;
        let [c, y, d, e, b'-', m, n, b'-', f, g, b'T', h, i, b':', j, k, b':', s, t, b'.', u, v, w, b'Z'] =
            text
        else {
            return None;
        };
        let year = two(c, y)?.checked_mul(100)?.checked_add(two(d, e)?)?;
        let (month, day) = (two(m, n)?, two(f, g)?);
        let (hour, minute, second) = (two(h, i)?, two(j, k)?, two(s, t)?);
        let millis = two(u, v)?.checked_mul(10)?.checked_add(two(b'0', w)?)?;
        let fits = year >= 1970 && hour < 24 && minute < 60 && second < 60;
        if !fits {
            return None;
        }
        let hours = days(year, month, day)?.checked_mul(24)?.checked_add(hour)?;
        let seconds = hours.checked_mul(60)?.checked_add(minute)?.checked_mul(60)?.checked_add(second)?;
        Some(Self { millis: seconds.checked_mul(1000)?.checked_add(millis)?, text })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.text).unwrap_or_default())
    }
}

/// Whether the calendar has this day, from 1970 on.
pub(crate) fn is_day(year: i64, month: i64, day: i64) -> bool {
    year >= 1970 && days(year, month, day).is_some()
}

/// Units: milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The number of two digits.
#[inline]
fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens.wrapping_mul(10).wrapping_add(ones)))
}

/// Days from 1970 to a date from then on, which must be one of the calendar.
#[inline]
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    const BEFORE: [i64; 13] = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leaps = |year: i64| {
        Some(year.checked_div(4)?.checked_sub(year.checked_div(100)?)?.checked_add(year.checked_div(400)?))
    };
    let is_leap = year.checked_rem(4)? == 0 && (year.checked_rem(100)? != 0 || year.checked_rem(400)? == 0);
    let last = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    let before = BEFORE.get(usize::try_from(month).ok()?)?;
    let past = year.checked_sub(1)?;
    let leap_days = leaps(past)??.checked_sub(leaps(1969)??)?;
    let years = year.checked_sub(1970)?.checked_mul(365)?.checked_add(leap_days)?;
    let today = i64::from(is_leap && month > 2).checked_add(day)?.checked_sub(1)?;
    years.checked_add(*before)?.checked_add(today)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_a_calendar_counted_day_by_day() {
        let (mut counted, mut year) = (0_i64, 1970);
        while year <= 9999 {
            let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
            for (month, last) in [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
                .into_iter()
                .enumerate()
            {
                let month = i64::try_from(month).unwrap() + 1;
                for day in 1..=last {
                    assert_eq!(days(year, month, day), Some(counted), "{year}-{month}-{day}");
                    counted += 1;
                }
                assert_eq!(days(year, month, last + 1), None);
                assert_eq!(days(year, month, 0), None);
            }
            year += 1;
        }
        let last = Moment::parse(b"9999-12-31T23:59:59.999Z").unwrap();
        assert_eq!(
            (last.millis(), last.to_string().as_str()),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z")
        );
    }
}
