//! `countersign fund budget`: hard limits inside a commitment, of a party, an application, a key, or each end user.

use crate::cmd::client::{self, Place};
use crate::cmd::said::{Said, table_of};
use clap::{ArgGroup, Subcommand};
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Sets a budget, or one that stands to another amount.
    #[command(group(ArgGroup::new("scope").required(true).args(["party", "application", "key", "end_users"])))]
    Set {
        /// Its name: lower-case letters, digits and hyphens. One that was removed is not used again.
        id: String,
        /// It limits all calls of this party's applications.
        #[arg(long)]
        party: Option<String>,
        /// It limits all calls of this application.
        #[arg(long)]
        application: Option<String>,
        /// It limits all calls with this key.
        #[arg(long)]
        key: Option<String>,
        /// It limits each end user of this application for itself; calls that name none count together as of one.
        #[arg(long, value_name = "APPLICATION")]
        end_users: Option<String>,
        /// How much, such as `1.00 CREDIT`; what is spent of other assets does not count.
        #[arg(long)]
        amount: String,
        /// In which time: `month`, `total`, or `rolling-30` for any 30 days, today the last of them (1 to 92; of end users to 28).
        #[arg(long, default_value = "month")]
        period: String,
    },
    /// Adds to a budget until a day, on which that ends by itself.
    Raise {
        /// The budget.
        id: String,
        /// How much more, such as `1.00 CREDIT`.
        #[arg(long)]
        amount: String,
        /// The day on which it ends, such as `2027-01-31`, or a moment.
        #[arg(long)]
        until: String,
    },
    /// Removes a budget; what it has limited stays in the books.
    Remove {
        /// The budget.
        id: String,
    },
    /// Lists the budgets: what is reserved, spent and left now, and when something comes back.
    List,
}

/// Runs one verb.
pub(super) fn run(place: &Place, verb: Verb) -> anyhow::Result<Said> {
    match verb {
        Verb::Set { id, party, application, key, end_users, amount, period } => {
            let scopes =
                [("party", party), ("application", application), ("key", key), ("end-users", end_users)];
            let scope = scopes.into_iter().find_map(|(of, whose)| Some((of, whose?)));
            let (of, whose) = scope.unwrap_or_else(|| unreachable!("one of the group is given"));
            let act = json!({
                "kind": "budget-set", "id": id, "of": of, "whose": whose, "amount": amount, "period": period,
            });
            client::propose(place, None, &act)
        }
        Verb::Raise { id, amount, until } => {
            let act = json!({ "kind": "budget-raise", "id": id, "amount": amount, "until": until });
            client::propose(place, None, &act)
        }
        Verb::Remove { id } => client::propose(place, None, &json!({ "kind": "budget-remove", "id": id })),
        Verb::List => client::list(place, "/api/budgets", |list| {
            let columns = [
                ("budget", "id"),
                ("of", "of"),
                ("whose", "whose"),
                ("period", "period"),
                ("limit", "limit"),
                ("reserved", "reserved"),
                ("spent", "spent"),
                ("left", "left"),
                ("refills", "refills"),
            ];
            table_of(list, &columns)
        }),
    }
}
