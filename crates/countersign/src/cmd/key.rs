//! `countersign key`: the API keys of applications.

use super::client::{self, Place};
use super::said::{Said, cell, table_of};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// API keys.
#[derive(Debug, Args)]
pub(crate) struct Key {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Makes a key and prints it alone, this once.
    New {
        /// The application it is for.
        #[arg(long)]
        application: String,
        /// Requests allowed in any minute.
        #[arg(long)]
        requests_per_minute: Option<u64>,
        /// What it may spend in all, such as `1.00 CREDIT`.
        #[arg(long)]
        budget: Option<String>,
        /// The day on which it stops working, such as `2027-01-31`.
        #[arg(long)]
        expires: Option<String>,
    },
    /// Lists the keys, without their secrets.
    List,
    /// Revokes a key.
    Revoke {
        /// Its id.
        id: String,
    },
}

/// Runs one verb.
pub(crate) fn run(key: Key) -> anyhow::Result<Said> {
    let place = &key.place;
    match key.verb {
        Verb::New { application, requests_per_minute, budget, expires } => {
            let act = json!({
                "kind": "key-new", "application": application, "requests_per_minute": requests_per_minute,
                "budget": budget, "expires": expires,
            });
            let answer = client::with(place, async |client| client.propose(None, &act).await)?;
            Ok(client::outcome(place, &answer, the_key))
        }
        Verb::List => client::list(place, "/api/keys", |list| {
            let columns = [
                ("id", "id"),
                ("application", "application"),
                ("a minute", "requests_per_minute"),
                ("budget", "budget"),
                ("expires", "expires"),
            ];
            table_of(list, &columns)
        }),
        Verb::Revoke { id } => client::propose(place, None, &json!({ "kind": "key-revoke", "id": id })),
    }
}

/// The key alone, so that a script can take it; where it waits, it works once the others have approved it.
fn the_key(answer: &Value) -> String {
    cell(answer, "key")
}
