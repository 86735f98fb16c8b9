//! `countersign erase`: destroys content keys, for good.
//!
//! Not here: what is destroyed on which day by itself, beyond showing it.

use super::client::{self, Answer, Place};
use super::said::{Said, cell, table_of};
use clap::Args;
use serde_json::{Value, json};

/// Destroys content keys: of what was committed to under them nothing can be proved any more, by anyone, in any copy that has no
/// wrapping key of before.
#[derive(Debug, Args)]
pub(crate) struct Erase {
    #[command(flatten)]
    place: Place,
    /// The application whose content it is; of all unless given.
    #[arg(long)]
    application: Option<String>,
    /// Shows how many keys there are of each application and month, from when they may be erased, and when they are erased by themselves.
    #[arg(long, conflicts_with_all = ["before", "subject"])]
    list: bool,
    /// Of the months before this day, which is the first of one, such as `2026-06-01`.
    #[arg(long, required_unless_present_any = ["subject", "list"])]
    before: Option<String>,
    /// Of one end user, by the id that callers send.
    #[arg(long)]
    subject: Option<String>,
}

/// Runs it.
pub(crate) fn run(erase: &Erase) -> anyhow::Result<Said> {
    let Erase { place, application, before, subject, list } = erase;
    if *list {
        let answer = client::with(place, async |client| client.get("/api/retention").await)?;
        return Ok(only_of(place, &answer, application.as_deref()));
    }
    let act = json!({ "kind": "erase", "application": application, "before": before, "subject": subject });
    let answer = client::with(place, async |client| client.propose(None, &act).await)?;
    Ok(client::outcome(place, &answer, told))
}

/// The list, of one application alone where it is named.
fn only_of(place: &Place, answer: &Answer, application: Option<&str>) -> Said {
    let all = match answer.json() {
        Ok(Value::Array(all)) => all,
        Ok(_) | Err(_) => return client::outcome(place, answer, kept_table),
    };
    let is_of = |line: &Value| application.is_none_or(|name| cell(line, "application") == name);
    let of = Value::Array(all.into_iter().filter(is_of).collect());
    Said::Done(if place.json { of.to_string() } else { kept_table(&of) })
}

/// What is kept, as people read it.
pub(super) fn kept_table(kept: &Value) -> String {
    let columns = [
        ("application", "application"),
        ("month", "month"),
        ("keys", "keys"),
        ("may be erased from", "may_be_erased_from"),
        ("by", "minimum"),
        ("will be erased at", "will_be_erased_at"),
        ("by", "schedule"),
    ];
    table_of(kept, &columns)
}

fn told(answer: &Value) -> String {
    let field = |name: &str| cell(answer, name);
    let salt = match field("salt") {
        salt if salt.is_empty() => String::new(),
        salt => format!(
            "\nthe record names the end user by the commitment {} alone; whoever is to show whose erasure it was needs this salt, which is kept nowhere: {salt}",
            field("subject")
        ),
    };
    if field("decision") == "waiting" {
        return format!("{}{salt}", client::plain(answer));
    }
    let keys = field("keys");
    let keys = if keys == "1" { "1 content key is".to_owned() } else { format!("{keys} content keys are") };
    format!("done: {keys} destroyed, act {}, entry {}{salt}", field("act"), field("index"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salt_is_told_where_there_is_one() {
        let plain = json!({ "act": "a", "index": 7, "keys": 1 });
        assert_eq!(told(&plain), "done: 1 content key is destroyed, act a, entry 7");
        let subject = json!({ "act": "a", "index": 7, "keys": 2, "subject": "c", "salt": "s" });
        assert!(told(&subject).starts_with("done: 2 content keys are destroyed, act a, entry 7\n"));
        assert!(told(&subject).ends_with("kept nowhere: s"));
    }
}
