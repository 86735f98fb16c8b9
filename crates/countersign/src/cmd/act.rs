//! `countersign act`: what was done lately, and approving what waits.

use super::client::{self, Client, Place, Signing};
use super::said::{Said, cell, table_of};
use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use partnership::act::{Digest, approval_bytes, change_digest};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

/// Acts.
#[derive(Debug, Args)]
pub(crate) struct Act {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists the last acts, newest first.
    List,
    /// Approves an act that waits, by a signature over exactly what it would change.
    Approve {
        /// The act's id.
        id: String,
        #[command(flatten)]
        signing: Signing,
    },
}

/// Runs one verb.
pub(crate) fn run(act: Act) -> anyhow::Result<Said> {
    let place = &act.place;
    match act.verb {
        Verb::List => client::list(place, "/api/acts", |list| {
            let columns = ["at", "id", "kind", "who", "about", "state", "charged"].map(|name| (name, name));
            table_of(list, &columns)
        }),
        Verb::Approve { id, signing } => approve(place, &id, &signing),
    }
}

fn approve(place: &Place, id: &str, signing: &Signing) -> anyhow::Result<Said> {
    let signer = signing.signer(place)?;
    let (answer, what) = client::with(place, async |client| {
        let (origin, waits) = Waits::find(client, id).await?;
        let digest = waits.checked(&origin)?;
        let act = json!({
            "kind": "approve", "act": id, "digest": waits.digest, "party": signing.party,
            "signature": record::hash::base64(&signer.sign_bytes(&approval_bytes(&digest))),
        });
        Ok((client.propose(Some(&signing.party), &act).await?, waits.shown()))
    })?;
    Ok(client::outcome(place, &answer, |answer| {
        format!("approved for {}: {what}, entry {}", signing.party, cell(answer, "index"))
    }))
}

/// The waiting act as the server tells it.
#[derive(Debug, Deserialize)]
struct Waits {
    id: String,
    kind: String,
    digest: String,
    what: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
struct Status {
    name: String,
    waiting: Vec<Waits>,
}

impl Waits {
    /// The record's origin, and the act that waits there.
    async fn find(client: &Client, id: &str) -> anyhow::Result<(String, Self)> {
        let answer = client.get("/api/status").await?;
        answer.json()?;
        let status: Status = serde_json::from_slice(&answer.body)?;
        let found = status.waiting.into_iter().find(|waits| waits.id == id);
        let found = found.with_context(|| format!("no act `{id}` waits for approval"))?;
        Ok((status.name, found))
    }

    /// The digest to sign, computed here from the change itself and the act's id: nobody signs a digest that is only told.
    fn checked(&self, origin: &str) -> anyhow::Result<Digest> {
        let Some(what) = &self.what else {
            bail!("what waits is a document; read it and sign it with `countersign memo sign FILE`");
        };
        let digest = change_digest(origin, &self.id, &self.kind, what.get().as_bytes());
        ensure!(
            digest.to_string() == self.digest,
            "the server's digest is not that of the change it shows; do not sign"
        );
        Ok(digest)
    }

    fn shown(&self) -> String {
        format!("{} {}", self.kind, self.what.as_ref().map(|what| what.get()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(what: Option<&str>, digest: &str) -> Waits {
        let what = what.map(|what| RawValue::from_string(what.to_owned()).unwrap());
        Waits { id: "a".to_owned(), kind: "key-revoke".to_owned(), digest: digest.to_owned(), what }
    }

    #[test]
    fn only_the_digest_of_the_change_shown_is_signed() {
        let what = r#"{"do":"key-revoke","id":"k1"}"#;
        let digest = change_digest("o", "a", "key-revoke", what.as_bytes());
        assert_eq!(waits(Some(what), &digest.to_string()).checked("o").unwrap(), digest);
        let other = r#"{"do":"key-revoke","id":"k2"}"#;
        assert!(waits(Some(other), &digest.to_string()).checked("o").is_err());
        assert!(waits(Some(what), &digest.to_string()).checked("another").is_err());
        assert!(waits(None, &digest.to_string()).checked("o").is_err(), "a document is signed from its file");
    }
}
