//! `countersign balance`: the accounts.

use super::client::{self, Place};
use super::said::{Said, table_of};
use super::verify::{self, At};
use crate::http::report::Account;
use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

/// Accounts and what is in them.
#[derive(Debug, Args)]
pub(crate) struct Balance {
    #[command(flatten)]
    place: Place,
    /// Only this account.
    #[arg(long)]
    account: Option<String>,
    /// As they stood after this entry, or at the end of this day or moment. Read from the folder's record, from its start.
    #[arg(long, value_name = "INDEX|TIME", conflicts_with = "server")]
    at: Option<At>,
}

/// Lists the accounts.
pub(crate) fn run(balance: &Balance) -> anyhow::Result<Said> {
    let Some(at) = balance.at else {
        let path = match &balance.account {
            Some(account) => format!("/api/balance?account={}", escaped(account)),
            None => "/api/balance".to_owned(),
        };
        return client::list(&balance.place, &path, shown);
    };
    let state = verify::state_at(&balance.place.dir, at)?;
    let accounts = Account::of_name(&state, balance.account.as_deref());
    let accounts = accounts.with_context(|| {
        let name = balance.account.as_deref().unwrap_or_default();
        format!("no account was named `{name}` then")
    })?;
    let list = serde_json::to_value(accounts)?;
    Ok(Said::Done(if balance.place.json { list.to_string() } else { shown(&list) }))
}

fn shown(list: &Value) -> String {
    let columns = [
        ("account", "name"),
        ("available", "available"),
        ("reserved", "pending"),
        ("in", "posted_credits"),
        ("out", "posted_debits"),
    ];
    table_of(list, &columns)
}

/// Text within a query: everything but the plainest bytes in hexadecimal.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let escape = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_account_name_survives_a_query() {
        assert_eq!(
            super::escaped("credit:launch-credits:spent & é"),
            "credit%3Alaunch-credits%3Aspent%20%26%20%C3%A9"
        );
    }
}
