//! `countersign receipt`: the proof that an act's decision is on the record, fetched and checked.

use super::client::{self, Place};
use super::said::Said;
use crate::http::api::receipts::Extra;
use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use http::StatusCode;
use partnership::ids::Timestamp;
use record::cosignature::{Statement, Vkey};
use record::hash::base64;
use record::note::Verifier;
use record::{Envelope, Quorum, Receipt as Proof};
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
        /// Under which checkpoint: one that the log has signed, or one that everyone has cosigned whose key to do so is on the record.
        #[arg(long, value_enum, default_value_t)]
        policy: Under,
    },
    /// Checks a receipt without any server.
    Verify {
        /// The receipt.
        file: PathBuf,
        /// The public keys to trust: a file with one key a line, the log's first, then those of cosigners, if any.
        #[arg(long, visible_alias = "keys", alias = "vkey")]
        vkeys: PathBuf,
        /// Whose cosignatures are asked for; unless given, those of every key in the file that says the most.
        #[arg(long, value_enum)]
        policy: Option<Needed>,
    },
}

/// Under which checkpoint a receipt is to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Under {
    /// The newest that the log has signed.
    #[default]
    Log,
    /// The newest that everyone has cosigned.
    Cosigned,
}

/// Whose cosignatures a receipt needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Needed {
    /// Nobody's: the log's signature is enough.
    Log,
    /// Every `w1` key's in the file: the log only grew.
    W1,
    /// Every `w2` key's in the file: its owner holds every entry and has replayed every balance.
    W2,
}

/// Runs one verb.
pub(crate) fn run(receipt: Receipt) -> anyhow::Result<Said> {
    match receipt.verb {
        Verb::Show { act, policy } => show(&receipt.place, &act, policy),
        Verb::Verify { file, vkeys, policy } => {
            let shown = verify(&file, &vkeys, policy)?;
            Ok(Said::Done(if receipt.place.json { shown.to_string() } else { text(&shown) }))
        }
    }
}

fn show(place: &Place, act: &str, under: Under) -> anyhow::Result<Said> {
    let policy = if under == Under::Cosigned { "cosigned" } else { "log" };
    let path = format!("/api/receipts/{act}?policy={policy}");
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
fn verify(file: &Path, vkeys: &Path, needed: Option<Needed>) -> anyhow::Result<Value> {
    let read =
        |path: &Path| std::fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()));
    let keys =
        String::from_utf8(read(vkeys)?).with_context(|| format!("`{}` is no text", vkeys.display()))?;
    let quorum = quorum(&keys, needed).with_context(|| format!("the keys in `{}`", vkeys.display()))?;
    check(&read(file)?, &quorum)
}

/// Whom the keys of a file ask for: the log's first, then cosigners and others, one a line.
fn quorum(keys: &str, needed: Option<Needed>) -> anyhow::Result<Quorum> {
    let mut lines = keys.lines().filter(|line| !line.trim().is_empty());
    let log = Verifier::parse(lines.next().unwrap_or_default())
        .context("the first line is no public key of a log")?;
    let mut cosigners = Vec::new();
    let mut later = Vec::new();
    for line in lines {
        match Vkey::parse(line).with_context(|| format!("`{line}` is no public key"))? {
            Vkey::Cosigner(key) => cosigners.push(key),
            // The log's next keys stand after its first.
            Vkey::Text(key) if key.name() == log.name() => later.push(key),
            // A party's own key signs texts, and no checkpoints.
            Vkey::Text(_) => {}
        }
    }
    let has =
        |says: Statement| cosigners.iter().any(|key| key.name().ends_with(&format!("/{}", says.word())));
    let most = || match (has(Statement::Replayed), has(Statement::Grew)) {
        (true, _) => Needed::W2,
        (false, true) => Needed::W1,
        (false, false) => Needed::Log,
    };
    let needed = needed.unwrap_or_else(most);
    let quorum = match needed {
        Needed::Log => Quorum::log(log, &cosigners)?,
        Needed::W1 => Quorum::all(log, &cosigners, Statement::Grew)?,
        Needed::W2 => Quorum::all(log, &cosigners, Statement::Replayed)?,
    };
    Ok(later.into_iter().try_fold(quorum, Quorum::with_log)?)
}

fn check(receipt: &[u8], quorum: &Quorum) -> anyhow::Result<Value> {
    let proof = Proof::parse(receipt)?;
    let extra = Extra::read(proof.extra.as_deref())?;
    // Whoever knows a key of the log knows those that it handed over to.
    let led = record::handover::led_to(quorum.logs(), &extra.handovers());
    let quorum = led.into_iter().try_fold(quorum.clone(), Quorum::with_log)?;
    let cosigned = proof.verify_cosigned(extra.entry.as_bytes(), &quorum)?;
    let head = cosigned.checkpoint;
    let by: Vec<Value> = cosigned
        .cosignatures
        .iter()
        .map(|one| json!({ "key": one.key.name(), "at": moment(one.at) }))
        .collect();
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
        "cosigned_by": by,
        "kind": envelope.kind,
        "time": envelope.hour,
        "shown": shown,
    }))
}

/// A cosigner's time as a moment. Units: seconds since 1970.
fn moment(at: u64) -> String {
    let millis = i64::try_from(at).ok().and_then(|at| at.checked_mul(1000));
    millis.map_or_else(|| at.to_string(), |millis| Timestamp::from_millis(millis).to_string())
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
    for by in shown.get("cosigned_by").and_then(Value::as_array).into_iter().flatten() {
        let (key, at) = (super::said::cell(by, "key"), super::said::cell(by, "at"));
        lines.push(format!("  cosigned by {key} at {at}"));
    }
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

    fn alone(log: &Verifier) -> Quorum {
        Quorum::log(log.clone(), &[]).unwrap()
    }

    #[test]
    fn the_keys_that_are_given_are_the_keys_that_are_asked_for() {
        use record::cosignature::{Cosigner, attach};

        let (receipt, log) = receipt(|extra| extra);
        let proof = Proof::parse(&receipt).unwrap();
        let head = Checkpoint::open(&proof.checkpoint, &log).unwrap();
        let cosigner = |party: &str, word: &str, seed| {
            Cosigner::generate(&format!("log.example/{party}/{word}"), [seed; 32]).unwrap()
        };
        let (grew, replayed) = (cosigner("a", "w1", 7), cosigner("a", "w2", 8));
        let cosigned = |by: &[&Cosigner]| {
            let mut checkpoint = proof.checkpoint.clone();
            for cosigner in by {
                let line = cosigner.cosign(&head, 1_800_000_000);
                checkpoint = attach(&checkpoint, line.as_bytes(), &[&log], &[cosigner.key()]).unwrap();
            }
            Proof { checkpoint, ..proof.clone() }.encode()
        };
        let keys = |keys: &[&str]| keys.join("\n");
        let (log, w1, w2) = (log.vkey(), grew.key().vkey(), replayed.key().vkey());
        let party = Signer::generate("log.example/a", [9; 32]).unwrap().verifier().vkey();
        /// Who has cosigned, which keys are given, whose are asked for, and whether that will do.
        type Row<'a> = (&'a [&'a Cosigner], &'a [&'a str], Option<Needed>, bool);
        let table: [Row<'_>; 10] = [
            (&[], &[&log], None, true),
            (&[], &[&log, &party], None, true),
            (&[], &[&log, &w1], None, false),
            (&[], &[&log, &w1], Some(Needed::Log), true),
            (&[&grew], &[&log, &w1], None, true),
            (&[&grew], &[&log, &w1, &w2], None, false),
            (&[&grew], &[&log, &w1, &w2], Some(Needed::W1), true),
            (&[&grew, &replayed], &[&log, &w1, &w2], None, true),
            (&[&grew, &replayed], &[&log], None, true),
            (&[&grew], &[&log], Some(Needed::W2), false),
        ];
        for (by, given, needed, holds) in table {
            let quorum = quorum(&keys(given), needed);
            let checked = quorum.and_then(|quorum| check(&cosigned(by), &quorum));
            assert_eq!(checked.is_ok(), holds, "{by:?} {given:?} {needed:?}: {checked:?}");
        }
        assert!(quorum(&keys(&[&w1]), None).is_err(), "the log's key comes first");
        assert!(quorum(&keys(&[&log, "x"]), None).is_err());
    }

    #[test]
    fn a_receipt_says_what_its_entry_commits_to() {
        let (receipt, log) = receipt(|extra| extra);
        let shown = check(&receipt, &alone(&log)).unwrap();
        assert_eq!(shown["shown"], json!({ "act": { "id": "a" }, "why": { "decision": "allow" } }));
        assert_eq!(shown["size"], 2);
    }

    #[test]
    fn a_field_that_the_entry_does_not_commit_to_is_refused() {
        for (what, by) in
            [("allow", "deny!"), ("\"a\"", "\"b\""), ("\"why\"", "\"wry\""), ("decided", "settled")]
        {
            let (receipt, log) = receipt(|extra| extra.replacen(what, by, 1));
            assert!(check(&receipt, &alone(&log)).is_err(), "{what} became {by}");
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
        assert!(check(&receipt, &alone(&log)).unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn a_receipt_of_another_log_is_refused() {
        let (receipt, _) = receipt(|extra| extra);
        let other = Signer::generate("log.example", [6; 32]).unwrap().verifier();
        assert!(check(&receipt, &alone(&other)).is_err());
    }
}
