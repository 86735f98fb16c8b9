//! Periods by which something is paid for or declared.
//!
//! Not here: whether a period has been booked (`state`).

use jiff::Span;
use jiff::civil::Date;

/// Periods one after the other, each counted from the first day of the first, so that months keep their day where they have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Periods {
    /// First day (UTC) of the first.
    pub starts: Date,
    /// How long each lasts: an ISO 8601 duration.
    pub every: String,
    /// First day (UTC) on which none begins any more; open, if none.
    pub ends: Option<Date>,
}

impl Periods {
    /// The first days of the periods, in their order.
    pub fn first_days(&self) -> impl Iterator<Item = Date> + use<> {
        let ends = self.ends;
        self.days().take_while(move |day| ends.is_none_or(|ends| *day < ends))
    }

    /// The periods in their order: for each its first day, and the first that no longer belongs to it. The last is cut short where the
    /// end comes first.
    pub fn all(&self) -> impl Iterator<Item = (Date, Date)> + use<> {
        let ends = self.ends;
        let cut = move |(first, next): (Date, Date)| (first, ends.map_or(next, |ends| next.min(ends)));
        self.first_days().zip(self.days().skip(1)).map(cut)
    }

    /// As many as the calendar has.
    fn days(&self) -> impl Iterator<Item = Date> + use<> {
        let (starts, every) = (self.starts, self.every.parse::<Span>().ok());
        (0..).map_while(move |number: i64| starts.checked_add(every?.checked_mul(number).ok()?).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn periods(starts: Date, every: &str, ends: Option<Date>) -> Periods {
        Periods { starts, every: every.to_owned(), ends }
    }

    #[test]
    fn months_keep_their_day_where_they_have_it() {
        let days: Vec<_> = periods(date(2027, 12, 31), "P1M", None).first_days().take(4).collect();
        assert_eq!(days, [date(2027, 12, 31), date(2028, 1, 31), date(2028, 2, 29), date(2028, 3, 31)]);
    }

    #[test]
    fn the_last_period_is_cut_short_and_none_begins_after() {
        let cut = periods(date(2026, 1, 1), "P3M", Some(date(2026, 8, 1)));
        let days = [date(2026, 1, 1), date(2026, 4, 1), date(2026, 7, 1), date(2026, 8, 1)];
        let all: Vec<_> = cut.all().collect();
        assert_eq!(all, days.into_iter().zip(days.into_iter().skip(1)).collect::<Vec<_>>());
    }

    #[test]
    fn periods_end_with_the_calendar() {
        assert_eq!(periods(date(9999, 11, 1), "P1M", None).first_days().count(), 2);
    }
}
