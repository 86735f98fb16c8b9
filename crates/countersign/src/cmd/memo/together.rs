//! `countersign memo check FILE --with OTHER…`: several memoranda read side by side.
//!
//! Not here: the reading itself (`partnership::memorandum::together`), or what is wrong with one of them.

use super::{as_json, read};
use crate::cmd::client::Place;
use crate::cmd::said::{Said, table};
use ledger::Amount;
use miette::Report;
use partnership::Terms;
use partnership::memorandum::together::{self, Conflict, Sum, Together};
use partnership::memorandum::{Diagnostic, Memorandum};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A memorandum with the file it is in.
struct Read<'a> {
    file: &'a Path,
    terms: Terms,
}

impl Read<'_> {
    fn memorandum(&self) -> &Memorandum {
        self.terms.memorandum()
    }
}

/// Reads all of them, and says what they come to together; each must be sound by itself.
pub(super) fn check(place: &Place, files: &[&PathBuf]) -> Said {
    let mut all = Vec::new();
    for file in files {
        match read(place, file) {
            Ok(terms) => all.push(Read { file, terms }),
            Err(said) => return said,
        }
    }
    let memoranda: Vec<&Memorandum> = all.iter().map(Read::memorandum).collect();
    match Together::of(&memoranda) {
        Ok(together) if place.json => whole(&all, &together),
        Ok(together) => told(&all, &together),
        Err(error) => not_two(place, &all, &error),
    }
}

fn not_two(place: &Place, all: &[Read<'_>], error: &together::NotTwo) -> Said {
    let (one, other) = match error {
        together::NotTwo::Same(one, other) | together::NotTwo::Versions(one, other) => (*one, *other),
    };
    let name = |at: usize| all.get(at).map(|read| read.file.display().to_string()).unwrap_or_default();
    let said = format!("{} and {}: {error}", name(one), name(other));
    if place.json {
        let fault = json!({ "code": "memorandum::not-two", "message": said });
        return Said::RefusedAsJson(json!({ "sound": false, "faults": [fault] }).to_string());
    }
    Said::Refused(said)
}

fn whole(all: &[Read<'_>], together: &Together) -> Said {
    let memorandum = |read: &Read<'_>| {
        let memorandum = read.memorandum();
        json!({
            "file": read.file.display().to_string(),
            "title": memorandum.header.title,
            "version": memorandum.header.version,
            "clauses": memorandum.clauses.len(),
            "digest": memorandum.digest_hex(),
        })
    };
    let files = |of: &[usize]| -> Vec<String> { of.iter().map(|at| name(all, *at)).collect() };
    let parties = together
        .parties
        .iter()
        .map(|party| json!({ "id": party.id.as_str(), "name": party.name, "files": files(&party.of) }));
    let uncounted = together.uncounted.iter().map(|one| {
        let mut place = at(all, &one.place);
        if let Some(fields) = place.as_object_mut() {
            fields.insert("why".to_owned(), one.why.clone().into());
        }
        place
    });
    let is_sound = together.conflicts.is_empty();
    let said = json!({
        "sound": is_sound,
        "memoranda": all.iter().map(memorandum).collect::<Vec<_>>(),
        "parties": parties.collect::<Vec<_>>(),
        "notes": together.notes,
        "sums": together.sums.iter().map(|sum| sum_as_json(all, sum)).collect::<Vec<_>>(),
        "uncounted": uncounted.collect::<Vec<_>>(),
        "faults": together.conflicts.iter().map(|one| conflict_as_json(all, one)).collect::<Vec<_>>(),
        "alike": together.alike.iter().map(|one| conflict_as_json(all, one)).collect::<Vec<_>>(),
    });
    if is_sound { Said::Done(said.to_string()) } else { Said::RefusedAsJson(said.to_string()) }
}

fn sum_as_json(all: &[Read<'_>], sum: &Sum) -> Value {
    let money = |amount: Amount| json!({ "amount": amount.display(sum.scale).to_string(), "asset": sum.asset.to_string() });
    let parts = sum.parts.iter().map(|part| {
        let mut place = at(all, &part.place);
        if let Some(fields) = place.as_object_mut() {
            fields.insert("force".to_owned(), if part.binds { "binding" } else { "non-binding" }.into());
            fields.insert("amount".to_owned(), money(part.amount));
        }
        place
    });
    json!({
        "party": sum.party.as_str(),
        "side": sum.side.as_str(),
        "binding": money(sum.binding),
        "intended": money(sum.intended),
        "parts": parts.collect::<Vec<_>>(),
    })
}

fn conflict_as_json(all: &[Read<'_>], conflict: &Conflict) -> Value {
    let places: Vec<Value> = conflict.places.iter().map(|place| at(all, place)).collect();
    let Some(first) = conflict.places.first() else { return Value::Null };
    let text = all.get(first.memorandum).map(|read| &*read.memorandum().text).unwrap_or_default();
    let mut fault = as_json(text, &diagnostic(conflict, first, "clashes"));
    if let Some(fields) = fault.as_object_mut() {
        fields.insert("places".to_owned(), places.into());
    }
    fault
}

/// A place as JSON: its file, line and column, and the clause.
fn at(all: &[Read<'_>], place: &together::Place) -> Value {
    let (line, column) = line_of(all, place);
    json!({ "file": name(all, place.memorandum), "line": line, "column": column, "clause": place.clause.as_str() })
}

fn line_of(all: &[Read<'_>], place: &together::Place) -> (usize, usize) {
    let text = all.get(place.memorandum).map(|read| &*read.memorandum().text).unwrap_or_default();
    Diagnostic::new("", "", place.span.clone(), "").position(text)
}

fn name(all: &[Read<'_>], at: usize) -> String {
    all.get(at).map(|read| read.file.display().to_string()).unwrap_or_default()
}

fn told(all: &[Read<'_>], together: &Together) -> Said {
    let mut parts = vec![heads(all, together)];
    if !together.sums.is_empty() {
        parts.push(sums(all, together));
    }
    let lines = |title: &str, lines: Vec<String>| format!("{title}\n{}", lines.join("\n"));
    if !together.uncounted.is_empty() {
        let each = together.uncounted.iter();
        let each = each.map(|one| format!("  {} `{}` {}", spot(all, &one.place), one.place.clause, one.why));
        parts.push(lines("in no sum:", each.collect()));
    }
    if !together.alike.is_empty() {
        let each = together.alike.iter().map(|one| {
            let places: Vec<String> = one.places.iter().map(|place| spot(all, place)).collect();
            format!("  {}: {} ({})", one.help, one.message, places.join(", "))
        });
        parts.push(lines("to be read side by side:", each.collect()));
    }
    if together.conflicts.is_empty() {
        parts.push("no promise to be first or alone is given twice in the same words".to_owned());
        return Said::Done(parts.join("\n\n"));
    }
    let each: Vec<String> = together.conflicts.iter().map(|one| drawn_twice(all, one)).collect();
    let count = each.len();
    parts.push(format!("not all of it can be kept: {count} found\n\n{}", each.join("\n")));
    Said::Refused(parts.join("\n\n"))
}

fn heads(all: &[Read<'_>], together: &Together) -> String {
    let memorandum = |read: &Read<'_>| {
        let header = &read.memorandum().header;
        let (version, title, clauses) = (header.version, &header.title, read.memorandum().clauses.len());
        format!("{}: version {version} of \"{title}\" is sound: {clauses} clauses", read.file.display())
    };
    let mut lines: Vec<String> = all.iter().map(memorandum).collect();
    lines.extend(together.parties.iter().map(|party| {
        let files: Vec<String> = party.of.iter().map(|at| name(all, *at)).collect();
        format!("`{}`, {}, is a party of {}", party.id, party.name, files.join(" and "))
    }));
    if together.parties.is_empty() {
        lines.push("they have no party in common".to_owned());
    }
    lines.extend(together.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}

fn sums(all: &[Read<'_>], together: &Together) -> String {
    let row = |sum: &Sum| {
        let parts: Vec<String> = sum.parts.iter().map(|part| spot(all, &part.place)).collect();
        let money = |amount: Amount| format!("{} {}", amount.display(sum.scale), sum.asset);
        vec![
            sum.party.to_string(),
            sum.side.as_str().to_owned(),
            money(sum.binding),
            money(sum.intended),
            parts.join(" "),
        ]
    };
    let rows: Vec<Vec<String>> = together.sums.iter().map(row).collect();
    table(&["party", "side", "binding", "intended", "of"], &rows)
}

/// `FILE:LINE:COLUMN`.
fn spot(all: &[Read<'_>], place: &together::Place) -> String {
    let (line, column) = line_of(all, place);
    format!("{}:{line}:{column}", name(all, place.memorandum))
}

/// A conflict, drawn at both its places.
fn drawn_twice(all: &[Read<'_>], conflict: &Conflict) -> String {
    let each = conflict.places.iter().zip(["clashes", "with this clause"]).filter_map(|(place, label)| {
        let read = all.get(place.memorandum)?;
        let report: Report =
            super::report(read.file, &read.memorandum().text, &diagnostic(conflict, place, label));
        Some(format!("{report:?}"))
    });
    each.collect::<Vec<_>>().join("\n")
}

/// One place of a conflict; what to do stands with the first.
fn diagnostic(conflict: &Conflict, place: &together::Place, label: &str) -> Diagnostic {
    let is_first = conflict.places.first().is_some_and(|first| first == place);
    let fault = Diagnostic::new(conflict.code, conflict.message.clone(), place.span.clone(), label);
    if is_first { fault.help(conflict.help.clone()) } else { fault }
}
