//! `countersign app`: the applications that may call models.

use super::client::{self, Place};
use super::said::{Said, table_of};
use clap::{Args, Subcommand};
use serde_json::json;

/// Applications.
#[derive(Debug, Args)]
pub(crate) struct App {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Registers an application.
    Add {
        /// Its name: lower-case letters, digits and hyphens.
        name: String,
        /// The party that owns it and whose grants it spends.
        #[arg(long)]
        party: String,
        /// Whom it serves: `consumer` or `business`.
        #[arg(long)]
        audience: String,
        /// What it is for, in a few words.
        #[arg(long)]
        purpose: String,
        /// The market it serves, such as `us`, `eu` or `global`.
        #[arg(long)]
        market: String,
    },
    /// Lists the applications.
    List,
    /// Removes an application and with it all its keys.
    Remove {
        /// Its name.
        name: String,
    },
}

/// Runs one verb.
pub(crate) fn run(app: App) -> anyhow::Result<Said> {
    let place = &app.place;
    match app.verb {
        Verb::Add { name, party, audience, purpose, market } => {
            let act = json!({
                "kind": "application-add", "name": name, "party": party, "audience": audience,
                "purpose": purpose, "market": market,
            });
            client::propose(place, None, &act)
        }
        Verb::List => client::list(place, "/api/applications", |list| {
            let columns = ["name", "party", "audience", "market", "purpose"].map(|name| (name, name));
            table_of(list, &columns)
        }),
        Verb::Remove { name } => {
            client::propose(place, None, &json!({ "kind": "application-remove", "name": name }))
        }
    }
}
