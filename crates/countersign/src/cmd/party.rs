//! `countersign party`: a party's own key, by which it signs memoranda, approvals, attestations and its requests.
//!
//! Not here: the keys by which it cosigns (`witness`), and API keys of applications (`key`).

use super::client::{self, Client, Place, Signing};
use super::said::{Said, cell, table_of};
use crate::clock::Clock;
use crate::files::Keys;
use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use partnership::act::party_key_bytes;
use partnership::ids::PartyId;
use record::hash::base64;
use record::note::{Signer, Verifier};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A party.
#[derive(Debug, Args)]
pub(crate) struct Party {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// The key that a party signs with.
    #[command(subcommand)]
    Key(Verb),
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Makes a key in the form of Go's signed notes, and shows nobody its private half.
    New {
        /// The name inside the key: `<origin>/<party>`, such as `ai.example/record/halcyon`. Its last part names the files.
        #[arg(long)]
        name: String,
        /// The folder to write it to.
        #[arg(long)]
        out: PathBuf,
    },
    /// Lists the keys of all parties, with those that gave way to others.
    List,
    /// Has the key that counts give way to another, by a signature of each.
    Change {
        #[command(flatten)]
        signing: Signing,
        /// The folder of the next key, made by `party key new`.
        #[arg(long)]
        new: PathBuf,
    },
    /// Has a key that is lost or in other hands give way to another, by the recovery key. All other parties must approve.
    Recover {
        /// The party whose key it is.
        #[arg(long)]
        party: String,
        /// The file of the private recovery key.
        #[arg(long)]
        recovery: PathBuf,
        /// The folder of the next key, made by `party key new`.
        #[arg(long)]
        new: PathBuf,
    },
}

/// Runs one verb.
pub(crate) fn run(party: Party) -> anyhow::Result<Said> {
    let (place, Noun::Key(verb)) = (&party.place, party.noun);
    match verb {
        Verb::New { name, out } => new(place, &name, &out),
        Verb::List => client::list(place, "/api/party-keys", |list| {
            table_of(
                list,
                &[("party", "party"), ("counts", "counts"), ("key", "vkey"), ("recovery", "recovery")],
            )
        }),
        Verb::Change { signing, new } => change(place, &signing, &new),
        Verb::Recover { party, recovery, new } => recover(place, &party, &recovery, &new),
    }
}

fn new(place: &Place, name: &str, out: &Path) -> anyhow::Result<Said> {
    let (_, file) = name.rsplit_once('/').with_context(|| {
        format!("`{name}` is no name of a party's key; write the record's origin, `/`, and the party's id")
    })?;
    std::fs::create_dir_all(out).with_context(|| format!("`{}` cannot be made", out.display()))?;
    let keys = Keys::new(out);
    let vkey = keys.mint(file, name, Clock.random())?.verifier().vkey();
    let [private, public] = keys.paths(file)?;
    Ok(Said::Done(if place.json {
        json!({ "name": name, "vkey": vkey, "key_file": private, "vkey_file": public }).to_string()
    } else {
        let (private, public) = (private.display(), public.display());
        format!(
            "{vkey}\nthe private half is in `{private}`: keep it where only its party reads; give away `{public}`"
        )
    }))
}

fn change(place: &Place, signing: &Signing, new: &Path) -> anyhow::Result<Said> {
    const KIND: &str = "party-key-change";
    let (signer, party) = (signing.signer(place)?, &signing.party);
    let next = Keys::new(new).signer(party)?;
    let origin = origin_of(&signer, party)?;
    let signed = party_key_bytes(origin, KIND, &PartyId::from(party.as_str()), &vkey(&signer), &vkey(&next));
    let act = json!({
        "kind": KIND, "vkey": vkey(&next), "party": party,
        "signature": base64(&signer.sign_bytes(&signed)), "proof": base64(&next.sign_bytes(&signed)),
    });
    let answer = propose(place, &signer, origin, party, &act)?;
    let folder = signing.keys.clone().unwrap_or_else(|| place.dir.join("keys"));
    Ok(client::outcome(place, &answer, |answer| {
        let (before, next) = (folder.join(format!("{party}.key")), new.join(format!("{party}.key")));
        told(party, answer, &[
            format!("from now on {party} signs with `{}`: put it in the place of `{}`, with its .vkey", next.display(), before.display()),
            "the key before it signs nothing more, and what it signed still counts: destroy its private half and every copy".to_owned(),
        ])
    }))
}

fn recover(place: &Place, party: &str, recovery: &Path, new: &Path) -> anyhow::Result<Said> {
    const KIND: &str = "party-key-recover";
    let text = std::fs::read_to_string(recovery)
        .with_context(|| format!("the recovery key `{}` cannot be read", recovery.display()))?;
    let recovers = Signer::parse(text.trim_end())
        .with_context(|| format!("`{}` holds no private key", recovery.display()))?;
    let next = Keys::new(new).signer(party)?;
    let origin = origin_of(&next, party)?.to_owned();
    let act = client::with(place, async |client| {
        let lost = counting(client, party).await?;
        let signed = party_key_bytes(&origin, KIND, &PartyId::from(party), &lost, &vkey(&next));
        let act = json!({
            "kind": KIND, "vkey": vkey(&next), "party": party, "recovery": vkey(&recovers),
            "signature": base64(&recovers.sign_bytes(&signed)), "proof": base64(&next.sign_bytes(&signed)),
        });
        Ok(act)
    })?;
    let answer = propose(place, &recovers, &origin, party, &act)?;
    Ok(client::outcome(place, &answer, |answer| {
        told(
            party,
            answer,
            &[
                format!(
                    "once all have approved, {party} signs with `{}`",
                    new.join(format!("{party}.key")).display()
                ),
                "the recovery key was used: it can be used again, so put it back where it was safe"
                    .to_owned(),
            ],
        )
    }))
}

/// Proposes an act for a party: over HTTP signed by `signer`, so that the operator need hand out no token.
fn propose(
    place: &Place,
    signer: &Signer,
    origin: &str,
    party: &str,
    act: &Value,
) -> anyhow::Result<client::Answer> {
    client::with(place, async |client| match &place.server {
        Some(url) => Client::of_party(url, signer.clone(), origin, party)?.propose(Some(party), act).await,
        None => client.propose(Some(party), act).await,
    })
}

/// What was answered, and what is to be done with the keys.
fn told(party: &str, answer: &Value, then: &[String]) -> String {
    let (act, missing) = (cell(answer, "act"), cell(answer, "missing"));
    let mut lines = vec![match cell(answer, "decision").as_str() {
        "waiting" => format!(
            "the next key of {party} waits for {missing}: `countersign act approve {act} --party PARTY`"
        ),
        _ => format!("{party} has another key since entry {}", cell(answer, "index")),
    }];
    lines.extend_from_slice(then);
    lines.join("\n")
}

/// The key of a party that counts, as the server tells it.
async fn counting(client: &Client, party: &str) -> anyhow::Result<String> {
    let keys = client.get("/api/party-keys").await?.json()?;
    let counts = |key: &&Value| cell(key, "party") == party && key.get("counts") == Some(&Value::Bool(true));
    let key = keys.as_array().into_iter().flatten().find(counts);
    let key = key.with_context(|| format!("no key of a party `{party}` is on the record"))?;
    let vkey = cell(key, "vkey");
    ensure!(
        Verifier::parse(&vkey).is_ok(),
        "the server tells `{vkey}` as the key of `{party}`, which is none"
    );
    Ok(vkey)
}

/// The record that a party's key is of: a key is named `<origin>/<party>`.
fn origin_of<'a>(signer: &'a Signer, party: &str) -> anyhow::Result<&'a str> {
    let origin = signer.name().strip_suffix(party).and_then(|origin| origin.strip_suffix('/'));
    origin.with_context(|| format!("the key is named `{}`, not `<origin>/{party}`", signer.name()))
}

fn vkey(signer: &Signer) -> String {
    signer.verifier().vkey()
}
