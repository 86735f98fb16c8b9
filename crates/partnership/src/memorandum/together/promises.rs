//! Promises of one party, in several memoranda, to have something first or alone.
//!
//! Not here: two such promises of one memorandum (`observed::clash`).

use super::{Place, is_in, pairs};
use crate::ids::PartyId;
use crate::memorandum::observed::clash::{meet, same};
use crate::memorandum::{Clause, Kind, Memorandum, Period};

/// Two promises of one party, in two memoranda, that may not both be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// A stable name for the sort, such as `memorandum::exclusivity-clash`.
    pub code: &'static str,
    /// What cannot both be: lower case, no full stop.
    pub message: String,
    /// What to do next.
    pub help: String,
    /// The two clauses, in the order of the memoranda.
    pub places: [Place; 2],
}

/// How something is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// To one alone.
    Alone,
    /// First to be offered.
    First,
    /// Shown before all others.
    Early,
    /// Licensed to one alone.
    LicensedAlone,
    /// Licensed.
    Licensed,
}

#[derive(Debug, Clone, Copy)]
struct Promise<'a> {
    clause: &'a Clause,
    sort: Sort,
    by: &'a PartyId,
    to: &'a [PartyId],
    what: &'a str,
    models: &'a [String],
    scope: Option<&'a str>,
    has_exceptions: bool,
    period: &'a Period,
}

/// Promises that cannot both be kept, and those of which people must say whether they can.
pub(super) fn conflicts(memoranda: &[&Memorandum]) -> (Vec<Conflict>, Vec<Conflict>) {
    let (mut certain, mut alike) = (Vec::new(), Vec::new());
    for (at, one, after, other) in pairs(memoranda) {
        for a in one.clauses.iter().filter_map(promise) {
            for b in other.clauses.iter().filter_map(promise) {
                let is_same_party = |id: &PartyId| is_in(one, id, other);
                let Some(code) = code(a.sort, b.sort) else { continue };
                if a.by != b.by || !is_same_party(a.by) || !differ(&a, &b, &is_same_party) {
                    continue;
                }
                let places = [Place::of(at, &one.text, a.clause), Place::of(after, &other.text, b.clause)];
                match likeness(&a, &b) {
                    Some(true) => certain.push(conflict(code, &a, &b, places)),
                    Some(false) => alike.push(to_read(code, &a, &b, places)),
                    None => {}
                }
            }
        }
    }
    (certain, alike)
}

fn promise(clause: &Clause) -> Option<Promise<'_>> {
    let of = |sort, by, to, what, period| Promise {
        clause,
        sort,
        by,
        to,
        what,
        models: &[],
        scope: None,
        has_exceptions: false,
        period,
    };
    Some(match &clause.kind {
        Kind::Exclusivity(one) => Promise {
            models: &one.models,
            has_exceptions: !one.exceptions.is_empty(),
            ..of(Sort::Alone, &one.by, std::slice::from_ref(&one.to), &one.what, &one.period)
        },
        Kind::FirstRefusal(one) => {
            of(Sort::First, &one.by, std::slice::from_ref(&one.to), &one.what, &one.period)
        }
        Kind::EarlyAccess(one) => Promise {
            models: &one.models,
            has_exceptions: !one.exceptions.is_empty(),
            ..of(Sort::Early, &one.by, &one.to, &one.what, &one.period)
        },
        Kind::Licence(one) => {
            let sort = if one.exclusive { Sort::LicensedAlone } else { Sort::Licensed };
            let to = std::slice::from_ref(&one.to);
            Promise { scope: one.scope.as_deref(), ..of(sort, &one.from, to, &one.what, &one.period) }
        }
        _ => return None,
    })
}

/// The sort of conflict that two promises of the same make; none where both can be kept.
fn code(a: Sort, b: Sort) -> Option<&'static str> {
    use Sort::{Alone, Early, First, Licensed, LicensedAlone};
    Some(match (a, b) {
        (Alone, _) | (_, Alone) => "memorandum::exclusivity-clash",
        (First, First | Early) | (Early, First) => "memorandum::first-refusal-clash",
        (Early, Early) => "memorandum::early-access-clash",
        (LicensedAlone, LicensedAlone | Licensed) | (Licensed, LicensedAlone) => "memorandum::licence-clash",
        _ => return None,
    })
}

/// Whether one of them has somebody that the other leaves out, so that not all can be first or alone.
fn differ(a: &Promise<'_>, b: &Promise<'_>, is_same_party: &dyn Fn(&PartyId) -> bool) -> bool {
    let has_other = |a: &Promise<'_>, b: &Promise<'_>| {
        a.to.iter().any(|party| !b.to.contains(party) || !is_same_party(party))
    };
    match (a.sort, b.sort) {
        // Whoever is shown it among several is shown it before all others all the same.
        (Sort::Early, Sort::Early) => has_other(a, b) && has_other(b, a),
        _ => has_other(a, b) || has_other(b, a),
    }
}

/// Whether two promises are about the same: surely, perhaps, or not.
fn likeness(a: &Promise<'_>, b: &Promise<'_>) -> Option<bool> {
    if !a.period.may_meet(b.period) || !meet(a.models, b.models) {
        return None;
    }
    let scopes = a.scope.zip(b.scope).is_none_or(|(a, b)| same(a, b));
    Some(same(a.what, b.what) && scopes)
}

fn conflict(code: &'static str, a: &Promise<'_>, b: &Promise<'_>, places: [Place; 2]) -> Conflict {
    let message = format!("`{}` promises the same {} and {}", a.by, told(a), told(b));
    let until = "let one end before the other begins, or write what is left out of it as `exceptions`";
    let help = if a.has_exceptions || b.has_exceptions {
        "what is left out of them is in words: if it parts the two, say so in `what`; else let one end before the other begins"
    } else {
        until
    };
    Conflict { code, message, help: help.to_owned(), places }
}

fn to_read(code: &'static str, a: &Promise<'_>, b: &Promise<'_>, places: [Place; 2]) -> Conflict {
    let message = format!("`{}` promises \"{}\" {} and \"{}\" {}", a.by, a.what, told(a), b.what, told(b));
    Conflict { code, message, help: "read whether the two are about the same".to_owned(), places }
}

/// To whom something is promised, and how.
fn told(promise: &Promise<'_>) -> String {
    let to: Vec<String> = promise.to.iter().map(|party| format!("`{party}`")).collect();
    let to = to.join(" and ");
    let force = promise.clause.force.as_str();
    let how = match promise.sort {
        Sort::Alone => format!("to {to} alone"),
        Sort::First => format!("first to {to}"),
        Sort::Early => format!("to {to} before all others"),
        Sort::LicensedAlone => format!("to {to} alone, by licence"),
        Sort::Licensed => format!("to {to}, by licence"),
    };
    format!("{how} (`{}`, {force})", promise.clause.id)
}
