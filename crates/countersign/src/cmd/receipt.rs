//! `countersign receipt`: the proof that an act's decision is on the record, fetched and checked.

use super::client::{self, Place};
use super::said::Said;
use crate::http::api::receipts::Extra;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use http::StatusCode;
use record::hash::base64;
use record::note::Verifier;
use record::{Envelope, Receipt as Proof};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often an act is asked for until a checkpoint covers it, once a second.
const TRIES: u32 = 5;

/// Receipts.
#[derive(Debug, Args)]
pub(crate) struct Receipt {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Prints the receipt of an act; where no checkpoint covers it within seconds, the log's signed promise.
    Show {
        /// The act's id.
        act: String,
    },
    /// Checks a receipt without any server.
    Verify {
        /// The receipt.
        file: PathBuf,
        /// The log's public key: a file with one key a line, the log's first.
        #[arg(long, alias = "vkey")]
        vkeys: PathBuf,
    },
}

/// Runs one verb.
pub(crate) fn run(receipt: Receipt) -> anyhow::Result<Said> {
    match receipt.verb {
        Verb::Show { act } => show(&receipt.place, &act),
        Verb::Verify { file, vkeys } => {
            let shown = verify(&file, &vkeys)?;
            Ok(Said::Done(if receipt.place.json { shown.to_string() } else { text(&shown) }))
        }
    }
}

fn show(place: &Place, act: &str) -> anyhow::Result<Said> {
    let path = format!("/api/receipts/{act}");
    let answer = client::with(place, async |client| {
        let mut answer = client.get(&path).await?;
        for _ in 1..TRIES {
            if answer.status != StatusCode::ACCEPTED {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            answer = client.get(&path).await?;
        }
        Ok(answer)
    })?;
    match answer.text() {
        Ok(text) if place.json => {
            let proven = answer.status == StatusCode::OK;
            Ok(Said::Done(json!({ "act": act, "proven": proven, "receipt": text }).to_string()))
        }
        Ok(text) => Ok(Said::Done(text.trim_end().to_owned())),
        Err(_) => Ok(client::outcome(place, &answer, |_| String::new())),
    }
}

/// Checks a receipt and the fields it shows, and gives what they say.
fn verify(file: &Path, vkeys: &Path) -> anyhow::Result<Value> {
    let read =
        |path: &Path| std::fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()));
    let keys =
        String::from_utf8(read(vkeys)?).with_context(|| format!("`{}` is no text", vkeys.display()))?;
    let log = Verifier::parse(keys.lines().next().unwrap_or_default())
        .with_context(|| format!("the first line of `{}` is no public key", vkeys.display()))?;
    check(&read(file)?, &log)
}

fn check(receipt: &[u8], log: &Verifier) -> anyhow::Result<Value> {
    let proof = Proof::parse(receipt)?;
    let extra = Extra::read(proof.extra.as_deref())?;
    let head = proof.verify(extra.entry.as_bytes(), log)?;
    let envelope = Envelope::parse(extra.entry.as_bytes())?;
    let mut shown = Map::new();
    for (field, value) in extra.fields() {
        shown.insert(field.to_owned(), serde_json::from_str(value)?);
    }
    Ok(json!({
        "origin": head.origin,
        "index": proof.index,
        "size": head.size,
        "root": base64(&head.root),
        "kind": envelope.kind,
        "time": envelope.hour,
        "shown": shown,
    }))
}

fn text(shown: &Value) -> String {
    let field = |name: &str| super::said::cell(shown, name);
    let mut lines = vec![format!(
        "entry {} of {} is a `{}` entry of {}, under a checkpoint of size {} signed by the log",
        field("index"),
        field("origin"),
        field("kind"),
        field("time"),
        field("size"),
    )];
    for (name, value) in shown.get("shown").and_then(Value::as_object).into_iter().flatten() {
        lines.push(format!("  {name}: {value}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::commitment::{Draft, Fields, Salts, commitment};
    use record::note::Signer;
    use record::{Checkpoint, merkle};
    use std::io::Write as _;

    /// The parties' part of a decision, with the fields of `act` and `why` given.
    fn parties(act: &str, why: &str) -> Vec<u8> {
        let mut part = Draft::new(Salts::derive(&[1; 32], 5));
        for (field, value) in [("act", act), ("who", "{}"), ("what", "{}"), ("why", why), ("money", "{}")] {
            part.field(field, |to| to.write_all(value.as_bytes())).unwrap();
        }
        part.finish().0
    }

    /// A receipt of the first of two entries, with what `change` makes of its extra data.
    fn receipt(change: impl FnOnce(String) -> String) -> (Vec<u8>, Verifier) {
        let log = Signer::generate("log.example", [5; 32]).unwrap();
        let parties = parties(r#"{"id":"a"}"#, r#"{"decision":"allow"}"#);
        let body = Fields::parse(&parties).unwrap().body();

        let entry = Envelope { fold: 1, kind: "decided", hour: "2026-11-23T03Z", body }.encode();
        let leaves = merkle::leaf_hashes([entry.as_slice(), b"other"]);
        let head = Checkpoint { origin: "log.example".into(), size: 2, root: merkle::root(&leaves) };
        let extra = change(Extra::of_leaf(&entry, &parties));
        let path = vec![leaves[1]];
        let proof =
            Proof { extra: Some(extra.into_bytes()), index: 0, path, checkpoint: head.sign(&log).unwrap() };
        (proof.encode(), log.verifier())
    }

    #[test]
    fn a_receipt_says_what_its_entry_commits_to() {
        let (receipt, log) = receipt(|extra| extra);
        let shown = check(&receipt, &log).unwrap();
        assert_eq!(shown["shown"], json!({ "act": { "id": "a" }, "why": { "decision": "allow" } }));
        assert_eq!(shown["size"], 2);
    }

    #[test]
    fn a_field_that_the_entry_does_not_commit_to_is_refused() {
        for (what, by) in
            [("allow", "deny!"), ("\"a\"", "\"b\""), ("\"why\"", "\"wry\""), ("decided", "settled")]
        {
            let (receipt, log) = receipt(|extra| extra.replacen(what, by, 1));
            assert!(check(&receipt, &log).is_err(), "{what} became {by}");
        }
    }

    #[test]
    fn a_field_is_shown_only_in_the_place_that_its_kind_has_for_it() {
        let allowed = (("act", r#"{"id":"a"}"#), ("why", r#"{"decision":"allow"}"#));
        let ((act, id), (why, allow)) = allowed;
        let denied = r#"{"decision":"deny"}"#;
        // Two answers under one leaf, fewer fields, more, and others in their places; and at last as it should be.
        for fields in [
            vec![(act, id), (why, allow), ("who", "{}"), (why, denied), ("money", "{}")],
            vec![(act, id), (why, allow)],
            vec![(act, id), ("who", "{}"), ("what", "{}"), (why, allow), ("money", "{}"), ("more", "{}")],
            vec![(act, id), (why, allow), ("who", "{}"), ("what", "{}"), ("money", "{}")],
            vec![(act, id), ("who", "{}"), ("what", "{}"), (why, allow), ("money", "{}")],
        ] {
            for (index, (field, _)) in fields.iter().enumerate() {
                let is_in_place =
                    fields.len() == 5 && ["act", "who", "what", "why", "money"][index] == *field;
                let read = Extra::read(Some(extra_of(&fields, index).as_bytes()));
                assert_eq!(read.is_ok(), is_in_place, "{fields:?} {index}: {read:?}");
            }
        }
    }

    /// Extra data that show one field of an entry whose body covers these, as a liar would put them together.
    fn extra_of(fields: &[(&str, &str)], index: usize) -> String {
        let line = |(field, value): &(&str, &str)| format!("\"{field}\":{value}");
        let mut commitments: Vec<_> =
            fields.iter().map(|field| commitment(&[1; 16], line(field).as_bytes())).collect();
        let body = record::commitment::body(&commitments);
        let entry = Envelope { fold: 1, kind: "decided", hour: "2026-11-23T03Z", body }.encode();
        commitments.remove(index);
        let (field, value) = fields[index];
        let others: Vec<_> = commitments.iter().map(|hash| base64(hash)).collect();
        let value: Value = serde_json::from_str(value).unwrap();
        let opening = json!({ "field": field, "value": value, "salt": base64(&[1; 16]), "index": index, "others": others });
        json!({ "entry": String::from_utf8(entry).unwrap(), "opening": [opening] }).to_string()
    }

    #[test]
    fn a_field_is_shown_once() {
        let (receipt, log) = receipt(|extra| {
            let (head, opening) = extra.split_once(r#""opening":["#).unwrap();
            let first = opening.split_once("},{").unwrap().0;
            format!(r#"{head}"opening":[{first}}},{opening}"#)
        });
        assert!(check(&receipt, &log).unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn a_receipt_of_another_log_is_refused() {
        let (receipt, _) = receipt(|extra| extra);
        let other = Signer::generate("log.example", [6; 32]).unwrap().verifier();
        assert!(check(&receipt, &other).is_err());
    }
}
