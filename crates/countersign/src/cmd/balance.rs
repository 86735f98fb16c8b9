//! `countersign balance`: the accounts.

use super::client::{self, Place};
use super::said::{Said, table_of};
use clap::Args;

/// Accounts and what is in them.
#[derive(Debug, Args)]
pub(crate) struct Balance {
    #[command(flatten)]
    place: Place,
    /// Only this account.
    #[arg(long)]
    account: Option<String>,
}

/// Lists the accounts.
pub(crate) fn run(balance: &Balance) -> anyhow::Result<Said> {
    let path = match &balance.account {
        Some(account) => format!("/api/balance?account={}", escaped(account)),
        None => "/api/balance".to_owned(),
    };
    let columns = [
        ("account", "name"),
        ("available", "available"),
        ("reserved", "pending"),
        ("in", "posted_credits"),
        ("out", "posted_debits"),
    ];
    client::list(&balance.place, &path, |list| table_of(list, &columns))
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
