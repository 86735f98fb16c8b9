//! `countersign erase`: destroys content keys, for good.
//!
//! Not here: what is destroyed on which day by itself.

use super::client::{self, Place};
use super::said::{Said, cell};
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
    /// Of the months before this day, which is the first of one, such as `2026-06-01`.
    #[arg(long, required_unless_present = "subject")]
    before: Option<String>,
    /// Of one end user, by the id that callers send.
    #[arg(long)]
    subject: Option<String>,
}

/// Runs it.
pub(crate) fn run(erase: &Erase) -> anyhow::Result<Said> {
    let Erase { place, application, before, subject } = erase;
    let act = json!({ "kind": "erase", "application": application, "before": before, "subject": subject });
    let answer = client::with(place, async |client| client.propose(None, &act).await)?;
    Ok(client::outcome(place, &answer, told))
}

fn told(answer: &Value) -> String {
    let field = |name: &str| cell(answer, name);
    let keys = field("keys");
    let keys = if keys == "1" { "1 content key is".to_owned() } else { format!("{keys} content keys are") };
    let done = format!("done: {keys} destroyed, act {}, entry {}", field("act"), field("index"));
    match field("salt") {
        salt if salt.is_empty() => done,
        salt => format!(
            "{done}\nthe record names the end user by the commitment {} alone; whoever is to show whose erasure it was needs this salt, which is kept nowhere: {salt}",
            field("subject")
        ),
    }
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
