//! What must hold between clauses: names that are used once, references that lead somewhere, prices that do not clash.
//!
//! Not here: what must hold within one block (`kinds`).

use std::collections::BTreeMap;
use std::ops::Range;

use super::clause::{Clause, Kind, Service};
use super::diagnostic::Diagnostic;
use super::observed;
use super::rates::RateCard;
use super::read::suggest;
use crate::ids::ClauseId;

/// The ids of all blocks, sound or not, with the place of each id.
pub(super) type Ids = Vec<(ClauseId, Range<usize>)>;

/// Each id stands once.
pub(super) fn ids(ids: &Ids, faults: &mut Vec<Diagnostic>) {
    let mut first: BTreeMap<&ClauseId, &Range<usize>> = BTreeMap::new();
    for (id, span) in ids {
        match first.get(id) {
            Some(before) => faults.push(
                Diagnostic::new(
                    "memorandum::twice",
                    format!("the clause `{id}` stands twice"),
                    span.clone(),
                    "again",
                )
                .help("ids are unique and stay for ever; give this clause another")
                .related((*before).clone(), "first here"),
            ),
            None => {
                first.insert(id, span);
            }
        }
    }
}

/// Each clause that is named exists.
pub(super) fn references(references: &[(ClauseId, Range<usize>)], ids: &Ids, faults: &mut Vec<Diagnostic>) {
    let names: Vec<&str> = ids.iter().map(|(id, _)| id.as_str()).collect();
    for (id, span) in references.iter().filter(|(id, _)| !names.contains(&id.as_str())) {
        let fault = Diagnostic::new(
            "memorandum::unknown-clause",
            format!("`{id}` is no clause"),
            span.clone(),
            "not in this memorandum",
        );
        faults.push(fault.help(suggest(id.as_str(), &names)));
    }
}

/// No two clauses say different things about the same matter.
pub(super) fn clashes(clauses: &[Clause], ids: &Ids, faults: &mut Vec<Diagnostic>) {
    for (at, clause) in clauses.iter().enumerate() {
        let before = clauses.iter().take(at);
        let clash = before.filter_map(|other| clash(other, clause).map(|message| (other, message))).next();
        if let Some((other, (code, message))) = clash {
            let fault = Diagnostic::new(code, message, place(ids, clause), "clashes");
            faults.push(fault.related(place(ids, other), "with this clause"));
        }
    }
}

fn place(ids: &Ids, clause: &Clause) -> Range<usize> {
    let named = ids.iter().find(|(id, span)| *id == clause.id && clause.span.contains(&span.start));
    named.map_or_else(|| clause.span.clone(), |(_, span)| span.clone())
}

fn clash(first: &Clause, second: &Clause) -> Option<(&'static str, String)> {
    match (&first.kind, &second.kind) {
        (Kind::RateCard(a), Kind::RateCard(b)) => same_price(a, b).map(|what| {
            (
                "memorandum::rate-clash",
                format!("`{}` and `{}` both price `{what}` from {}", first.id, second.id, b.from),
            )
        }),
        (Kind::Service(a), Kind::Service(b)) => same_service(a, b).map(|model| {
            (
                "memorandum::service-clash",
                format!("`{}` and `{}` both serve `{model}` to the same party", first.id, second.id),
            )
        }),
        (Kind::Amendment(_), Kind::Amendment(_)) => {
            Some(("memorandum::only-one", "there can be only one `amendment`".to_owned()))
        }
        (Kind::Term(_), Kind::Term(_)) => {
            Some(("memorandum::only-one", "there can be only one `term`".to_owned()))
        }
        _ => observed::clash::clash(first, second),
    }
}

fn same_price<'a>(a: &RateCard, b: &'a RateCard) -> Option<&'a str> {
    let unit = || b.units.keys().find(|unit| a.units.contains_key(*unit)).copied();
    let model = common(&a.models, &b.models).map(String::as_str);
    model.or_else(unit).filter(|_| a.from == b.from)
}

fn same_service<'a>(a: &Service, b: &'a Service) -> Option<&'a String> {
    common(&a.to, &b.to).and_then(|_| common(&a.models, &b.models))
}

fn common<'a, T: PartialEq>(a: &[T], b: &'a [T]) -> Option<&'a T> {
    b.iter().find(|item| a.contains(item))
}
