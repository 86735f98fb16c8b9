//! `countersign notice`: warnings, deadlines and alarms, and who was told of them.
//!
//! Not here: sending them, which a running server does.

use super::client::{self, Place};
use super::said::{Said, cell, table_of};
use clap::{Args, Subcommand};
use serde_json::json;

/// Notices.
#[derive(Debug, Args)]
pub(crate) struct Notice {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists what is due to be told, what was told when, and what failed.
    List,
    /// Sends one notice to a receiver of countersign.toml now, to try whether it arrives.
    Test {
        /// The receiver's name.
        name: String,
    },
}

/// Runs one verb.
pub(crate) fn run(notice: Notice) -> anyhow::Result<Said> {
    let place = &notice.place;
    match notice.verb {
        Verb::List => client::list(place, "/api/notices", |list| {
            let columns = [
                ("notice", "id"),
                ("receiver", "receiver"),
                ("state", "state"),
                ("attempts", "attempts"),
                ("at", "at"),
                ("error", "error"),
                ("next", "next"),
            ];
            table_of(list, &columns)
        }),
        Verb::Test { name } => {
            let wanted = json!({ "receiver": name }).to_string().into_bytes();
            let answer = client::with(place, async |client| client.post("/api/notices/test", wanted).await)?;
            Ok(client::outcome(place, &answer, |said| {
                format!("`{}` took it, as {}", cell(said, "receiver"), cell(said, "key"))
            }))
        }
    }
}
