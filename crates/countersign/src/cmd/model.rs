//! `countersign model`: the models served under the memorandum.

use super::client::{self, Place};
use super::said::{Said, table_of};
use clap::{Args, Subcommand};
use serde_json::json;

/// Models.
#[derive(Debug, Args)]
pub(crate) struct Model {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists the models that service clauses name.
    List,
    /// Puts a suspended model back in service.
    Resume {
        /// The model's public id.
        name: String,
    },
}

/// Runs one verb.
pub(crate) fn run(model: Model) -> anyhow::Result<Said> {
    let place = &model.place;
    match model.verb {
        Verb::List => client::list(place, "/api/models", |list| {
            table_of(list, &[("name", "name"), ("served to", "served_to"), ("suspended", "suspended")])
        }),
        Verb::Resume { name } => {
            client::propose(place, None, &json!({ "kind": "model-resume", "model": name }))
        }
    }
}
