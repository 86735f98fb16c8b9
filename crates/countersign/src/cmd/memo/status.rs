//! `countersign memo status`: which version is in force, what waits for signatures, and how each clause fared.

use crate::cmd::client::{self, Place};
use crate::cmd::erase::kept_table;
use crate::cmd::said::{Said, cell, table_of};
use crate::history::BANNER;
use serde_json::Value;

/// Shows the memorandum's state.
pub(crate) fn status(place: &Place) -> anyhow::Result<Said> {
    client::list(place, "/api/status", shown)
}

fn shown(status: &Value) -> String {
    let field = |name: &str| cell(status, name);
    let made_up = status.get("made_up").and_then(Value::as_bool).unwrap_or_default();
    let mut text = if made_up { format!("{BANNER}\n") } else { String::new() };
    text.push_str(&format!(
        "{}\nversion {} in force since {}, sha256 {}\n",
        field("title"),
        field("version"),
        field("in_force_since"),
        field("digest")
    ));
    for wait in status.get("waiting").and_then(Value::as_array).into_iter().flatten() {
        let (kind, act, missing) = (cell(wait, "kind"), cell(wait, "id"), cell(wait, "missing"));
        text.push_str(&format!("waits: {kind} {act}, missing {missing}\n"));
    }
    for version in status.get("coming").and_then(Value::as_array).into_iter().flatten() {
        let (number, effective) = (cell(version, "version"), cell(version, "effective"));
        text.push_str(&format!("comes: version {number} on {effective}, approved\n"));
    }
    if let Some(left) = status.get("withdrawal") {
        let (party, ends, ending) = (cell(left, "party"), cell(left, "ends"), cell(left, "ending"));
        text.push_str(&format!("withdrawn: by {party}, counts from {ends} on; ends {ending}\n"));
    }
    for one in status.get("attestations").and_then(Value::as_array).into_iter().flatten() {
        let (given, missing) = (cell(one, "given"), cell(one, "missing"));
        if missing.is_empty() {
            continue;
        }
        let clause = match cell(one, "condition") {
            condition if condition.is_empty() => cell(one, "clause"),
            condition => format!("{} ({condition})", cell(one, "clause")),
        };
        text.push_str(&format!("waits: {clause} attested by {given}, missing {missing}\n"));
    }
    for notice in status.get("undelivered").and_then(Value::as_array).into_iter().flatten() {
        text.push_str(&format!("undelivered: {}\n", notice.as_str().unwrap_or_default()));
    }
    let columns =
        ["id", "kind", "force", "source", "state", "allowed", "refused", "deviated"].map(|name| (name, name));
    let clauses = status.get("clauses").unwrap_or(&Value::Null);
    let clauses = table_of(clauses, &columns);
    match status.get("kept").filter(|kept| kept.as_array().is_some_and(|kept| !kept.is_empty())) {
        Some(kept) => format!("{text}\n{clauses}\n\n{}", kept_table(kept)),
        None => format!("{text}\n{clauses}"),
    }
}
