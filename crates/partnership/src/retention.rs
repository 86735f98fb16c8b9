//! Retention: of each application and month, from when its content may be erased, and when it is erased by itself.
//!
//! Two clocks, both counted from the moment a month is over: the longest minimum that any clause sets, and the shortest schedule, which
//! waits for every minimum. Not here: what was erased so far (`state`), and no key or content (the vault's).

use crate::ids::{ApplicationId, ClauseId};
use crate::memorandum::{Clause, Retention};
use crate::terms::Terms;
use jiff::Span;
use jiff::civil::Date;
use std::collections::BTreeSet;

/// An application that calls were made by, as clauses look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retained {
    /// Its audience; several where the name was given anew. A clause on any of them covers all that was kept under the name.
    pub audiences: BTreeSet<String>,
    /// The month in which it was first registered, by its first day.
    pub since: Date,
    /// Everything of the months before this day was erased on schedule.
    pub erased: Option<Date>,
}

/// A day, and the clause that sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set<'a> {
    /// The day (UTC), which is the first on which it holds.
    pub day: Date,
    /// The clause.
    pub clause: &'a ClauseId,
}

/// The two clocks of what is kept of one application and month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clocks<'a> {
    /// From when it may be erased by hand; at any time where there is none.
    pub may: Option<Set<'a>>,
    /// When it is erased by itself; never where there is none.
    pub will: Option<Set<'a>>,
}

impl Terms {
    /// The clocks of what is kept of `application` and the month of `month`.
    #[must_use]
    pub fn clocks(&self, application: &ApplicationId, retained: &Retained, month: Date) -> Clocks<'_> {
        let over = after_month(month);
        let covering = || self.covering(application, retained);
        let binding = |(clause, _): &(&Clause, &Retention)| clause.force.is_binding();
        let may = latest(covering().filter(binding), over);
        let schedules = covering().filter(binding).filter_map(|(clause, retention)| {
            let day = plus(over, retention.erase_after.as_deref()?);
            Some(Set { day, clause: &clause.id })
        });
        let will = schedules.min_by_key(|set| set.day).map(|set| {
            let least = latest(covering(), over).map_or(set.day, |least| least.day);
            Set { day: set.day.max(least), ..set }
        });
        Clocks { may, will: will.filter(|set| set.day < Date::MAX) }
    }

    /// Whether request and answer are kept of a call by `application`, which is of this audience.
    #[must_use]
    pub fn keeps_content(&self, application: &ApplicationId, audience: &str) -> bool {
        let is_of = |named: &str| named == audience;
        let keeps = |(clause, retention): (&Clause, &Retention)| {
            retention.keeps_content && clause.force.is_binding() && covers(retention, application, is_of)
        };
        self.retentions().any(keeps)
    }

    /// The minimums that an erasure on `today` would cut short of what is kept of `application` and the month of `month`, with the day on which
    /// each ends: the longest binding one, and every one that is not binding.
    pub(crate) fn cuts(
        &self,
        application: &ApplicationId,
        retained: &Retained,
        month: Date,
        today: Date,
    ) -> (Option<Set<'_>>, Vec<Set<'_>>) {
        let over = after_month(month);
        let cut = |set: &Set<'_>| set.day > today;
        let (binding, observed): (Vec<_>, Vec<_>) =
            self.covering(application, retained).partition(|(clause, _)| clause.force.is_binding());
        let observed = observed.into_iter().filter_map(|one| minimum(one, over)).filter(cut);
        (latest(binding.into_iter(), over).filter(cut), observed.collect())
    }

    fn covering<'a, 'b>(
        &'a self,
        application: &'b ApplicationId,
        retained: &'b Retained,
    ) -> impl Iterator<Item = (&'a Clause, &'a Retention)> + use<'a, 'b> {
        let is_of = |named: &str| retained.audiences.contains(named);
        self.retentions().filter(move |(_, retention)| covers(retention, application, is_of))
    }
}

fn covers(retention: &Retention, application: &ApplicationId, is_of: impl Fn(&str) -> bool) -> bool {
    let Retention { applications, audiences, .. } = retention;
    (applications.is_empty() || applications.contains(application))
        && (audiences.is_empty() || audiences.iter().any(|audience| is_of(audience)))
}

/// The longest minimum of these; the first of two that are equally long.
fn latest<'a>(clauses: impl Iterator<Item = (&'a Clause, &'a Retention)>, over: Date) -> Option<Set<'a>> {
    let minimums = clauses.filter_map(|one| minimum(one, over));
    minimums.reduce(|longest, next| if next.day > longest.day { next } else { longest })
}

fn minimum<'a>((clause, retention): (&'a Clause, &'a Retention), over: Date) -> Option<Set<'a>> {
    let day = plus(over, retention.at_least.as_deref()?);
    Some(Set { day, clause: &clause.id })
}

/// The first day after a month.
#[must_use]
pub fn after_month(month: Date) -> Date {
    month.last_of_month().tomorrow().unwrap_or(Date::MAX)
}

/// So long after a day; the end of the calendar where that lies beyond it.
fn plus(day: Date, duration: &str) -> Date {
    duration.parse::<Span>().ok().and_then(|span| day.checked_add(span).ok()).unwrap_or(Date::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    /// The force and the fields of each clause; from when something may be erased, and when it will be.
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);

    /// A memorandum with these clauses of retention, each its force and fields.
    fn terms(clauses: &[(&str, &str)]) -> Terms {
        let blocks = clauses.iter().enumerate().map(|(n, (force, fields))| {
            format!("\n```toml clause c{n}\nkind = \"retention\"\nforce = \"{force}\"\nsource = \"signed\"\n{fields}\n```\n")
        });
        let head = "```toml memorandum\ntitle = \"t\"\nversion = 1\nparties = [{ id = \"a\", name = \"A\", role = \"operator\" }, { id = \"b\", name = \"B\", role = \"x\" }]\neffective = 2020-01-01\n```\n";
        Terms::read(&(head.to_owned() + &blocks.collect::<String>())).unwrap()
    }

    fn of(audience: &str) -> Retained {
        Retained { audiences: [audience.to_owned()].into(), since: date(2020, 1, 1), erased: None }
    }

    fn shown(set: Option<Set<'_>>) -> String {
        set.map_or_else(|| "-".to_owned(), |set| format!("{} {}", set.day, set.clause))
    }

    #[test]
    fn each_clock_is_counted_from_the_end_of_the_month() {
        let rows: &[(&str, &str, Date, &str, &str)] = &[
            // The month of a leap day, of the end of a year, and months after which a month or year is shorter.
            ("P30D", "P1Y", date(2024, 2, 1), "2024-03-31 c0", "2025-03-01 c0"),
            ("P1D", "P29D", date(2024, 1, 1), "2024-02-02 c0", "2024-03-01 c0"),
            ("P1D", "P29D", date(2023, 1, 1), "2023-02-02 c0", "2023-03-02 c0"),
            ("P1M", "P1Y", date(2023, 12, 1), "2024-02-01 c0", "2025-01-01 c0"),
            ("P1M", "P2M", date(2024, 1, 31), "2024-03-01 c0", "2024-04-01 c0"),
            ("P4Y", "P4Y1D", date(2024, 2, 29), "2028-03-01 c0", "2028-03-02 c0"),
            ("P2W", "P1Y2M3W4D", date(2026, 10, 1), "2026-11-15 c0", "2028-01-26 c0"),
            ("P1D", "P9000Y", date(2026, 1, 1), "2026-02-02 c0", "-"),
        ];
        for (least, after, month, may, will) in rows {
            let fields = format!("at_least = \"{least}\"\nerase_after = \"{after}\"");
            let terms = terms(&[("binding", &fields)]);
            let clocks = terms.clocks(&"x".into(), &of("business"), *month);
            assert_eq!((shown(clocks.may), shown(clocks.will)), ((*may).to_owned(), (*will).to_owned()));
        }
    }

    #[test]
    fn the_longest_minimum_holds_before_the_shortest_schedule() {
        let rows: &[Row<'_>] = &[
            (&[], "-", "-"),
            (&[("binding", "erase_after = \"P1M\"")], "-", "2026-03-01 c0"),
            (&[("binding", "at_least = \"P1M\"")], "2026-03-01 c0", "-"),
            (&[("non-binding", "erase_after = \"P1M\"")], "-", "-"),
            (
                &[("binding", "erase_after = \"P2M\""), ("binding", "erase_after = \"P1M\"")],
                "-",
                "2026-03-01 c1",
            ),
            (
                &[("binding", "erase_after = \"P1M\""), ("binding", "at_least = \"P1Y\"")],
                "2027-02-01 c1",
                "2027-02-01 c0",
            ),
            (
                &[("binding", "erase_after = \"P1M\""), ("non-binding", "at_least = \"P1Y\"")],
                "-",
                "2027-02-01 c0",
            ),
            (&[("binding", "at_least = \"P1M\""), ("binding", "at_least = \"P1Y\"")], "2027-02-01 c1", "-"),
            (&[("binding", "audiences = [\"consumer\"]\nat_least = \"P1M\"")], "-", "-"),
            (
                &[("binding", "audiences = [\"consumer\", \"business\"]\nat_least = \"P1M\"")],
                "2026-03-01 c0",
                "-",
            ),
            (&[("binding", "applications = [\"y\"]\nat_least = \"P1M\"")], "-", "-"),
            (&[("binding", "applications = [\"y\", \"x\"]\nat_least = \"P1M\"")], "2026-03-01 c0", "-"),
            (
                &[("binding", "applications = [\"x\"]\naudiences = [\"consumer\"]\nat_least = \"P1M\"")],
                "-",
                "-",
            ),
        ];
        for (clauses, may, will) in rows {
            let terms = terms(clauses);
            let clocks = terms.clocks(&"x".into(), &of("business"), date(2026, 1, 1));
            let shown = (shown(clocks.may), shown(clocks.will));
            assert_eq!(shown, ((*may).to_owned(), (*will).to_owned()), "{clauses:?}");
        }
    }

    #[test]
    fn content_is_kept_where_a_binding_clause_that_covers_the_call_says_so() {
        let rows: &[(&[(&str, &str)], bool)] = &[
            (&[], false),
            (&[("binding", "keep = \"keys\"")], false),
            (&[("binding", "at_least = \"P1M\"")], false),
            (&[("binding", "keep = \"content\"")], true),
            (&[("non-binding", "keep = \"content\"")], false),
            (&[("binding", "keep = \"keys\""), ("binding", "keep = \"content\"")], true),
            (&[("binding", "keep = \"content\"\napplications = [\"y\"]")], false),
            (&[("binding", "keep = \"content\"\napplications = [\"x\"]")], true),
            (&[("binding", "keep = \"content\"\naudiences = [\"consumer\"]")], false),
            (&[("binding", "keep = \"content\"\naudiences = [\"business\"]")], true),
        ];
        for (clauses, keeps) in rows {
            assert_eq!(terms(clauses).keeps_content(&"x".into(), "business"), *keeps, "{clauses:?}");
        }
    }

    #[test]
    fn a_name_that_was_given_anew_is_covered_as_both() {
        let terms = terms(&[("binding", "audiences = [\"consumer\"]\nat_least = \"P1M\"")]);
        let mut both = of("business");
        both.audiences.insert("consumer".to_owned());
        assert_eq!(terms.clocks(&"x".into(), &of("business"), date(2026, 1, 1)).may, None);
        assert!(terms.clocks(&"x".into(), &both, date(2026, 1, 1)).may.is_some());
    }
}
