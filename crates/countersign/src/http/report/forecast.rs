//! How fast something is spent, and where that leads: a range, from the slowest to the fastest of some windows of whole days.
//!
//! Not here: what was spent (`partnership::State::days_of`), and no opinion on what is likely.

use jiff::civil::Date;
use ledger::Amount;
use partnership::state::Days;

/// What was spent in a window of whole days, as so much in so many days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate {
    sum: i128,
    days: i128,
}

/// The slowest and the fastest rate of the windows that have been lived through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    slow: Rate,
    fast: Rate,
}

/// The windows. Units: days.
const WINDOWS: [i32; 4] = [7, 28, 91, 365];

impl Range {
    /// What was spent in the last 7, 28, 91 and 365 whole days before `today`, each where there have been so many since the first; in all
    /// of them together where there have been fewer than 7. None before the first whole day.
    pub(super) fn of(days: &Days, today: Date) -> Option<Self> {
        let (first, _) = days.first_key_value()?;
        let lived = days_between(*first, today).filter(|lived| *lived >= 1)?;
        let fitting = WINDOWS.into_iter().filter(|window| *window <= lived);
        let mut rates: Vec<Rate> = fitting.filter_map(|window| rate(days, today, window)).collect();
        if rates.is_empty() {
            rates.extend(rate(days, today, lived));
        }
        // One is slower than another if its sum is less over the same days.
        let slower = |one: &Rate, other: &Rate| {
            one.sum.saturating_mul(other.days).cmp(&other.sum.saturating_mul(one.days))
        };
        Some(Self {
            slow: rates.iter().copied().min_by(slower)?,
            fast: rates.iter().copied().max_by(slower)?,
        })
    }

    /// The days on which `left` is used up, at the fastest and at the slowest; none where it never is.
    pub(super) fn used_up(&self, left: Amount, today: Date) -> (Option<Date>, Option<Date>) {
        let day = |rate: Rate| {
            let days = div_ceil(left.minor().checked_mul(rate.days)?, rate.sum)?;
            let days = i64::try_from(days).ok().filter(|days| *days < FAR)?;
            today.checked_add(jiff::Span::new().try_days(days).ok()?).ok()
        };
        (day(self.fast), day(self.slow))
    }

    /// What is left on `then` of what is left today, at the fastest and at the slowest.
    pub(super) fn left_on(&self, left: Amount, today: Date, then: Date) -> (Amount, Amount) {
        let days = i128::from(days_between(today, then).unwrap_or(0).max(0));
        let left_at = |rate: Rate| {
            let spent = rate.sum.checked_mul(days).and_then(|spent| spent.checked_div(rate.days));
            Amount::new(left.minor().saturating_sub(spent.unwrap_or(i128::MAX)).max(0))
        };
        (left_at(self.fast), left_at(self.slow))
    }

    /// What is spent in a day, at the slowest and at the fastest, rounded down.
    pub(super) fn per_day(&self) -> (Amount, Amount) {
        let day = |rate: Rate| Amount::new(rate.sum.checked_div(rate.days).unwrap_or(0));
        (day(self.slow), day(self.fast))
    }
}

fn rate(days: &Days, today: Date, window: i32) -> Option<Rate> {
    let from = today.checked_sub(jiff::Span::new().days(window)).ok()?;
    let sum = days.range(from..today).fold(0_i128, |sum, (_, amount)| sum.saturating_add(amount.minor()));
    Some(Rate { sum, days: i128::from(window) })
}

pub(super) fn days_between(from: Date, to: Date) -> Option<i32> {
    from.until(to).ok().map(|span| span.get_days())
}

/// The least whole number not below; none where `by` is zero.
fn div_ceil(number: i128, by: i128) -> Option<i128> {
    let whole = number.checked_div(by)?;
    if number.checked_rem(by)? > 0 { whole.checked_add(1) } else { Some(whole) }
}

/// Further than this nobody plans. Units: days.
const FAR: i64 = 36_525;

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn days(spent: &[(Date, i128)]) -> Days {
        spent.iter().map(|(day, amount)| (*day, Amount::new(*amount))).collect()
    }

    #[test]
    fn a_range_goes_from_the_slowest_to_the_fastest_window() {
        // Ten a day for three weeks, then thirty a day for one.
        let spent: Vec<_> = (0_i32..28)
            .map(|day| {
                (
                    date(2026, 1, 1).checked_add(jiff::Span::new().days(day)).unwrap(),
                    if day < 21 { 10 } else { 30 },
                )
            })
            .collect();
        let range = Range::of(&days(&spent), date(2026, 1, 29)).unwrap();
        assert_eq!(range.per_day(), (Amount::new(15), Amount::new(30)));
        let used_up = range.used_up(Amount::new(300), date(2026, 1, 29));
        assert_eq!(used_up, (Some(date(2026, 2, 8)), Some(date(2026, 2, 18))));
        let left = range.left_on(Amount::new(300), date(2026, 1, 29), date(2026, 2, 3));
        assert_eq!(left, (Amount::new(150), Amount::new(225)));
    }

    #[test]
    fn what_was_spent_today_is_no_whole_day_yet() {
        assert_eq!(Range::of(&days(&[(date(2026, 1, 1), 5)]), date(2026, 1, 1)), None);
        assert_eq!(Range::of(&days(&[]), date(2026, 1, 1)), None);
        let range =
            Range::of(&days(&[(date(2026, 1, 1), 5), (date(2026, 1, 3), 100)]), date(2026, 1, 3)).unwrap();
        assert_eq!(range.per_day(), (Amount::new(2), Amount::new(2)));
    }

    #[test]
    fn nothing_spent_lately_may_never_use_anything_up() {
        let range = Range::of(&days(&[(date(2026, 1, 1), 90)]), date(2026, 4, 30)).unwrap();
        assert_eq!(range.used_up(Amount::new(1), date(2026, 4, 30)), (None, None));
        let range = Range::of(&days(&[(date(2026, 1, 1), 91)]), date(2026, 4, 2)).unwrap();
        assert_eq!(range.used_up(Amount::new(2), date(2026, 4, 2)), (Some(date(2026, 4, 4)), None));
    }
}
