//! `countersign log`: the log's own key, by which the operator signs checkpoints and promises.
//!
//! The next key is made beside the one that signs, before it is on the record, and takes its name afterwards; run again, a change that was cut
//! off goes on. Not here: which key signs, which the record says.

use super::client::{self, Client, Place, Signing};
use super::said::{Said, cell, table};
use crate::clock::Clock;
use crate::files::{self, Keys};
use crate::office::NEXT;
use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use partnership::act::log_key_text;
use record::hash::base64;
use record::note::{Signer, Verifier};
use serde_json::{Value, json};

/// The log.
#[derive(Debug, Args)]
pub(crate) struct Log {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// The key that signs checkpoints.
    #[command(subcommand)]
    Key(Verb),
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists the log's keys in the order of use; the last one signs.
    List,
    /// Has the key give way to a new one, by a signature of each and of the operator. The server may run meanwhile.
    Change {
        #[command(flatten)]
        signing: Signing,
    },
    /// Has a key that is lost give way to a new one, by the operator's signature. All other parties must approve.
    Recover {
        #[command(flatten)]
        signing: Signing,
    },
}

/// Runs one verb.
pub(crate) fn run(log: Log) -> anyhow::Result<Said> {
    let (place, Noun::Key(verb)) = (&log.place, log.noun);
    match verb {
        Verb::List => list(place),
        Verb::Change { signing } => hand_over(place, &signing, false),
        Verb::Recover { signing } => hand_over(place, &signing, true),
    }
}

fn list(place: &Place) -> anyhow::Result<Said> {
    let keys = client::with(place, async |client| logs(client).await)?;
    let line = |(at, key): (usize, &Verifier)| json!({ "vkey": key.vkey(), "signs": at.saturating_add(1) == keys.len() });
    Ok(Said::Done(if place.json {
        Value::Array(keys.iter().enumerate().map(line).collect()).to_string()
    } else {
        let rows: Vec<Vec<String>> = keys.iter().map(|key| vec![key.vkey()]).collect();
        table(&["key"], &rows)
    }))
}

/// The log's keys in the order of use, as they are served.
async fn logs(client: &Client) -> anyhow::Result<Vec<Verifier>> {
    let head = client.get("/api/record").await?.json()?;
    let origin = cell(&head, "origin");
    let vkeys = head.get("vkeys").and_then(Value::as_array).cloned().unwrap_or_default();
    let keys: Vec<Verifier> =
        vkeys.iter().filter_map(Value::as_str).filter_map(|vkey| Verifier::parse(vkey).ok()).collect();
    let keys: Vec<Verifier> = keys.into_iter().filter(|key| key.name() == origin).collect();
    ensure!(!keys.is_empty(), "the server names no key of its log");
    Ok(keys)
}

fn hand_over(place: &Place, signing: &Signing, is_lost: bool) -> anyhow::Result<Said> {
    ensure!(
        place.server.is_none(),
        "the log's key lies in the server's folder; run this on its machine, with `--dir DIR`"
    );
    let (operator, keys) = (signing.signer(place)?, Keys::new(place.dir.join("keys")));
    if is_lost {
        // The folder opens with a key of its log, and this is the only one left.
        let origin =
            operator.name().strip_suffix(signing.party.as_str()).and_then(|name| name.strip_suffix('/'));
        next(&keys, origin.context("the operator's key is not named `<origin>/<party>`")?)?;
    }
    let now = client::with(place, async |client| logs(client).await)?;
    let signs = now.last().context("the log has no key")?;
    let next = next(&keys, signs.name())?;
    if let Some(at) = now.iter().position(|key| *key == next.verifier()) {
        return finish(place, &keys, at.checked_sub(1).and_then(|at| now.get(at)).unwrap_or(signs));
    }
    let (kind, from, to) =
        (if is_lost { "log-key-recover" } else { "log-key-change" }, signs.vkey(), next.verifier().vkey());
    let text = log_key_text(signs.name(), kind, &from, &to);
    let by = |signer: &Signer| base64(&signer.sign_bytes(text.as_bytes()));
    let mut act = json!({
        "kind": kind, "from": from, "vkey": to, "taken": by(&next), "party": signing.party, "signature": by(&operator),
    });
    if !is_lost {
        let own = keys.signer("log")?;
        ensure!(
            own.verifier() == *signs,
            "`log.key` is not the key that signs, `{signs}`; if that is lost, use `countersign log key recover`"
        );
        if let Some(act) = act.as_object_mut() {
            act.insert("handed".to_owned(), by(&own).into());
        }
    }
    let answer = client::with(place, async |client| client.propose(Some(&signing.party), &act).await)?;
    if answer.json().is_ok_and(|answer| cell(&answer, "decision") == "done") {
        return finish(place, &keys, signs);
    }
    Ok(client::outcome(place, &answer, |answer| {
        let (act, missing) = (cell(answer, "act"), cell(answer, "missing"));
        format!(
            "the log's next key waits for {missing}: `countersign act approve {act} --party PARTY`; then run this again, which gives its file the name of the one before"
        )
    }))
}

/// The next key, made where it is missing.
fn next(keys: &Keys, origin: &str) -> anyhow::Result<Signer> {
    if keys.paths(NEXT)?[0].exists() { keys.signer(NEXT) } else { keys.mint(NEXT, origin, Clock.random()) }
}

/// Gives the next key the name of the one before, which is kept under another.
fn finish(place: &Place, keys: &Keys, before: &Verifier) -> anyhow::Result<Said> {
    let next = keys.signer(NEXT)?.verifier();
    let former = former(keys, before)?;
    let kept = keys.paths("log")?;
    for (from, to) in kept.iter().zip(keys.paths(&former)?).chain(keys.paths(NEXT)?.iter().zip(kept.clone()))
    {
        if from.exists() {
            files::put_in_place(from, &to)
                .with_context(|| format!("`{}` cannot be renamed", from.display()))?;
        }
    }
    let [private, _] = keys.paths(&former)?;
    Ok(Said::Done(if place.json {
        json!({ "decision": "done", "vkey": next.vkey(), "former": private }).to_string()
    } else {
        format!(
            "the log signs with {next}\nthe key before it, if it was not lost, is in `{}` and signs nothing more: destroy it and every copy; receipts that it signed still hold",
            private.display()
        )
    }))
}

/// A name for the key before that none has yet.
fn former(keys: &Keys, before: &Verifier) -> anyhow::Result<String> {
    let id = before.vkey().split('+').nth(1).unwrap_or_default().to_owned();
    for name in [format!("log-former-{id}"), format!("log-former-{id}-again")] {
        if !keys.paths(&name)?[0].exists() {
            return Ok(name);
        }
    }
    anyhow::bail!("`keys/log-former-{id}.key` is there already; move it away")
}
