//! Promises of one memorandum that cannot all be kept, and endings that contradict each other.
//!
//! Not here: what must hold within one block (`read`).

use super::{EarlyAccess, Exclusivity, FirstRefusal, Licence, Termination};
use crate::ids::ClauseId;
use crate::memorandum::clause::Term;
use crate::memorandum::{Clause, Kind};

/// Why two clauses, in the order of the file, cannot both hold.
pub(in crate::memorandum) fn clash(first: &Clause, second: &Clause) -> Option<(&'static str, String)> {
    let (one, two) = (&first.id, &second.id);
    match (&first.kind, &second.kind) {
        (Kind::Exclusivity(a), Kind::Exclusivity(b)) => is_promised_twice(a, b).then(|| {
            (
                "memorandum::exclusivity-clash",
                format!("`{one}` and `{two}` promise the same to `{}` alone and to `{}` alone", a.to, b.to),
            )
        }),
        (Kind::FirstRefusal(a), Kind::FirstRefusal(b)) => is_offered_twice(a, b).then(|| {
            (
                "memorandum::first-refusal-clash",
                format!("`{one}` and `{two}` offer the same first to `{}` and first to `{}`", a.to, b.to),
            )
        }),
        (Kind::Licence(a), Kind::Licence(b)) => is_licensed_twice(a, b).then(|| {
            let exclusive = if a.exclusive { one } else { two };
            (
                "memorandum::licence-clash",
                format!(
                    "`{one}` and `{two}` license the same to two parties, and `{exclusive}` is exclusive"
                ),
            )
        }),
        (Kind::EarlyAccess(a), Kind::EarlyAccess(b)) => is_shown_twice(a, b).then(|| {
            (
                "memorandum::early-access-clash",
                format!("`{one}` and `{two}` show the same to two parties, each before all others"),
            )
        }),
        (Kind::Survival(a), Kind::Survival(b)) => outlives_twice(&a.clauses, &b.clauses),
        (Kind::Term(term), Kind::Survival(survival)) | (Kind::Survival(survival), Kind::Term(term)) => {
            outlives_twice(&term.survives, &survival.clauses)
        }
        (Kind::Termination(a), Kind::Termination(b)) => at_will_twice(a, b),
        (Kind::Term(term), Kind::Termination(end)) | (Kind::Termination(end), Kind::Term(term)) => {
            two_notices(term, end)
        }
        _ => None,
    }
}

fn is_promised_twice(a: &Exclusivity, b: &Exclusivity) -> bool {
    a.by == b.by
        && a.to != b.to
        && same(&a.what, &b.what)
        && meet(&a.models, &b.models)
        && a.period.may_meet(&b.period)
}

fn is_offered_twice(a: &FirstRefusal, b: &FirstRefusal) -> bool {
    a.by == b.by && a.to != b.to && same(&a.what, &b.what) && a.period.may_meet(&b.period)
}

fn is_licensed_twice(a: &Licence, b: &Licence) -> bool {
    let scopes = match (&a.scope, &b.scope) {
        (Some(a), Some(b)) => same(a, b),
        _ => true,
    };
    let exclusive = a.exclusive || b.exclusive;
    exclusive
        && a.from == b.from
        && a.to != b.to
        && same(&a.what, &b.what)
        && scopes
        && a.period.may_meet(&b.period)
}

fn is_shown_twice(a: &EarlyAccess, b: &EarlyAccess) -> bool {
    let others = |a: &EarlyAccess, b: &EarlyAccess| a.to.iter().any(|party| !b.to.contains(party));
    let is_same = a.by == b.by && same(&a.what, &b.what) && meet(&a.models, &b.models);
    is_same && others(a, b) && others(b, a) && a.period.may_meet(&b.period)
}

fn outlives_twice(a: &[ClauseId], b: &[ClauseId]) -> Option<(&'static str, String)> {
    let both = b.iter().find(|clause| a.contains(clause))?;
    Some((
        "memorandum::survival-clash",
        format!("two clauses say for how long `{both}` outlives the memorandum"),
    ))
}

fn at_will_twice(a: &Termination, b: &Termination) -> Option<(&'static str, String)> {
    let party =
        b.by.iter()
            .find(|party| a.by.contains(party))
            .filter(|_| a.grounds.is_empty() && b.grounds.is_empty())?;
    Some((
        "memorandum::termination-clash",
        format!("two clauses say how `{party}` ends the memorandum without grounds"),
    ))
}

fn two_notices(term: &Term, end: &Termination) -> Option<(&'static str, String)> {
    let (one, two) = (term.notice.as_deref()?, end.notice.as_deref().unwrap_or("none"));
    let differ = end.grounds.is_empty() && one != two;
    differ.then(|| {
        (
            "memorandum::termination-clash",
            format!("the notice to end the memorandum is {one} in `term`, and {two} in `termination`"),
        )
    })
}

/// The same words, whatever their case and spaces.
pub(in crate::memorandum) fn same(a: &str, b: &str) -> bool {
    let words = |text: &str| text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
    words(a) == words(b)
}

/// Whether two lists of models, empty for all of them, have one in common.
pub(in crate::memorandum) fn meet(a: &[String], b: &[String]) -> bool {
    a.is_empty() || b.is_empty() || a.iter().any(|model| b.contains(model))
}
