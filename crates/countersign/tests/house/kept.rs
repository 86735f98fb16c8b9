//! Content that a clause has kept, from outside: what comes in and leaves is given back byte by byte, and nothing of it once it is erased.
//!
//! Not here: the format of a blob (the vault's own tests).

use crate::dice::{Dice, seed};
use crate::doors::error;
use crate::erasing::erasures;
use crate::http::{Answer, Client, Request};
use crate::scripted::{Script, Scripted};
use crate::second_verifier;
use crate::server::{BINARY, Folder, MODEL, PARTIES, Server, config, done, eventually, run};
use crate::told::{chat, say, while_called};
use crate::upstream::{Upstream, Used};
use partnership::act::{Deed, Digest};
use partnership::entry::{Body, Entry};
use record::hash::{base64, hex, sha256};
use record::note::{Signer, Verifier};
use record::store::directory::Directory;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// The example, which keeps what `letters` and `assistant` ask and hear.
fn keeping(text: &str) -> String {
    assert_eq!(text.matches("keep = \"keys\"\n").count(), 1);
    text.replace("keep = \"keys\"\n", "keep = \"content\"\napplications = [\"letters\", \"assistant\"]\n")
}

/// Registers an application beside `assistant`, and makes a key for it.
fn admit(folder: &Folder, name: &str) -> String {
    let words = ["app", "add", name, "--party", "halcyon", "--audience", "business"];
    let asked = folder.said(&[&words[..], &["--purpose", "letters", "--market", "eu"]].concat());
    for party in PARTIES {
        folder.said(&["act", "approve", asked["act"].as_str().unwrap(), "--party", party]);
    }
    folder.said(&["key", "new", "--application", name])["key"].as_str().unwrap().to_owned()
}

fn asked(end_user: Option<&str>, stream: bool) -> String {
    let mut body: Value = serde_json::from_str(&chat(100, stream)).unwrap();
    body["model"] = MODEL.into();
    if let Some(end_user) = end_user {
        body["user"] = end_user.into();
    }
    // White space that no parser would give back.
    format!(" {body}\n\n")
}

fn call(server: &Server, key: &str, body: &str) -> (String, Answer) {
    let answer = Client::new(server.url()).ask(Request::chat(key, body)).unwrap();
    (answer.headers.value("countersign-act").unwrap_or_default().to_owned(), answer)
}

/// What `content show` says.
fn show(folder: &Folder, act: &str, part: &str) -> Output {
    run(Command::new(BINARY).args(["content", "show", act, part, "--dir"]).arg(&folder.dir))
}

fn shown(folder: &Folder, act: &str, part: &str) -> Vec<u8> {
    let output = show(folder, act, part);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn refused(folder: &Folder, act: &str, part: &str) -> String {
    let output = show(folder, act, part);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every blob in a vault.
fn blobs(dir: &Path) -> BTreeSet<PathBuf> {
    let listed = |dir: &Path| match std::fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    };
    let folders = listed(&dir.join("vault/content")).into_iter();
    folders.filter(|folder| !folder.ends_with("staged")).flat_map(|folder| listed(&folder)).collect()
}

/// The blobs that a record names, each with whether it is of an answer.
fn named(dir: &Path) -> BTreeMap<String, bool> {
    let record = dir.join("record");
    let vkeys = std::fs::read_to_string(record.join("vkeys")).unwrap();
    let log = Verifier::parse(vkeys.lines().next().unwrap()).unwrap();
    let mut named = BTreeMap::new();
    let visit = |_, envelope: &[u8], parties: &[u8]| {
        let kept: Option<(Digest, bool)> =
            match Entry::decode(envelope, parties).map_err(|error| error.to_string())?.body {
                Body::Decided(decided) => match decided.act.deed {
                    Deed::Infer(infer) => infer.kept.map(|kept| (kept, false)),
                    _ => None,
                },
                Body::Settled(settled) => settled.kept.map(|kept| (kept, true)),
                _ => None,
            };
        named.extend(kept.map(|(kept, is_answer)| (hex(&kept.0), is_answer)));
        Ok(())
    };
    record::audit(&Directory::new(&record), log.name(), &log, visit).unwrap();
    named
}

/// Each blob is what its name says, and each that is named is there.
fn all_there(dir: &Path) -> usize {
    let there: BTreeSet<String> = blobs(dir)
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert_eq!(hex(&sha256(&std::fs::read(&path).unwrap())), name);
            name
        })
        .collect();
    let named = named(dir);
    let missing: Vec<_> = named.keys().filter(|name| !there.contains(*name)).collect();
    assert!(missing.is_empty(), "entries name blobs that are not there: {missing:?}");
    named.len()
}

fn holds(folder: &Folder) {
    folder.verified();
    done(&run(Command::new(BINARY).arg("verify").arg(&folder.dir)));
    assert_eq!(second_verifier::read(&folder.dir.join("record"))["open"], json!([]));
}

/// Whether any file below a folder has this text in it.
fn has(dir: &Path, text: &str) -> bool {
    run(Command::new("grep").args(["-rqaF", text]).arg(dir)).status.success()
}

#[test]
fn what_was_asked_and_answered_is_given_back_byte_by_byte_and_lies_nowhere_readable() {
    let upstream = Upstream::start(Used::Always(40, 60));
    let folder = Folder::founded(&config(&upstream.url()), keeping);
    let mut server = folder.serve(&[]);
    let (key, letters, other) = (folder.admit(), admit(&folder, "letters"), admit(&folder, "other"));
    let mut told = Vec::new();
    for (key, end_user) in [(&key, None), (&key, Some("ann")), (&letters, None)] {
        for stream in [false, true] {
            let body = asked(end_user, stream);
            let (act, answer) = call(&server, key, &body);
            assert_eq!(answer.status, 200);
            told.push((act, body, answer.body));
        }
    }
    let kept = blobs(&folder.dir);
    assert_eq!(kept.len(), 12, "one for each request and answer, though many are alike");
    assert_eq!(kept.iter().map(|path| path.parent().unwrap()).collect::<BTreeSet<_>>().len(), 3);
    // An application that no clause covers.
    let (act, answer) = call(&server, &other, &asked(None, false));
    assert_eq!((answer.status, blobs(&folder.dir).len()), (200, 12));
    for part in ["--input", "--output"] {
        assert!(refused(&folder, &act, part).contains("was not kept"));
    }
    // A refused call has a request and no answer.
    let (act, answer) = call(&server, &key, &chat(1200, false));
    assert_eq!(answer.status, 403);
    assert_eq!(shown(&folder, &act, "--input"), chat(1200, false).as_bytes());
    assert!(refused(&folder, &act, "--output").contains("has no answer"));
    for restarted in [false, true] {
        if restarted {
            server.stop();
            server = folder.serve(&[]);
        }
        for (act, body, answer) in &told {
            assert_eq!(shown(&folder, act, "--input"), body.as_bytes());
            assert_eq!(&shown(&folder, act, "--output"), answer);
            let said = folder.said(&["content", "show", act, "--output"]);
            assert_eq!(said["base64"], base64(answer));
        }
    }
    server.stop();
    let (act, body, _) = &told[0];
    assert_eq!(shown(&folder, act, "--input"), body.as_bytes(), "also without a server");
    assert!(!has(&folder.dir, "What is a ledger?") && !has(&folder.dir, "As it was told."));
    assert_eq!(all_there(&folder.dir), 13);
    let unknown = refused(&folder, "01234567-89ab-7cde-8f01-23456789abcd", "--input");
    assert!(unknown.contains("no act"), "{unknown}");
    holds(&folder);
}

#[test]
fn a_long_stream_is_kept_while_it_leaves_and_one_that_is_left_or_breaks_as_far_as_it_came() {
    let event = |text: &str, reason: Value| {
        let choice = json!({ "index": 0, "delta": { "content": text }, "finish_reason": reason });
        format!("data: {}\n\n", json!({ "object": "chat.completion.chunk", "choices": [choice] }))
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let words: String =
        (0..400).map(|n| event(&format!("{n} {}", "word ".repeat(200)), Value::Null)).collect();
    let end = format!("{}data: [DONE]\n\n", event("", json!("stop")));
    let scripts = [
        Script::Close(format!("{head}{words}{end}")),
        Script::Close(format!("{head}{words}")),
        Script::Silent(format!("{head}{words}")),
    ];
    let upstream = Scripted::start(scripts);
    let folder = Folder::founded(&config(&upstream.url()), keeping);
    let server = folder.serve(&[]);
    let key = folder.admit();
    let (act, whole) = call(&server, &key, &asked(None, true));
    assert!(whole.body.len() > 400_000 && whole.text().ends_with("[DONE]\n\n"));
    assert_eq!(shown(&folder, &act, "--output"), whole.body);
    let (act, broken) = call(&server, &key, &asked(None, true));
    assert!(broken.text().contains("\"error\"") && broken.body.len() > 400_000);
    assert_eq!(shown(&folder, &act, "--output"), broken.body);
    // Whoever leaves has heard no more than is kept.
    let (act, mut heard) = {
        let mut client = Client::new(server.url());
        let body = asked(None, true);
        let mut coming = client.begin(Request::chat(&key, &body)).unwrap();
        let act = coming.headers.value("countersign-act").unwrap().to_owned();
        (act, coming.piece().unwrap().unwrap())
    };
    let state = |act: &str| {
        let acts = folder.said(&["act", "list"]);
        acts.as_array().unwrap().iter().find(|line| line["id"] == act).unwrap()["state"].clone()
    };
    eventually("it is settled", || state(&act) == "cancelled");
    let kept = shown(&folder, &act, "--output");
    heard.truncate(kept.len());
    assert!(kept.starts_with(&heard) && !heard.is_empty());
    server.stop();
    all_there(&folder.dir);
    holds(&folder);
}

#[test]
fn what_is_erased_is_gone_and_whoever_asks_hears_by_which_act() {
    let upstream = Upstream::start(Used::Always(40, 60));
    let folder = Folder::founded(&config(&upstream.url()), keeping);
    let server = folder.serve(&[]);
    let key = folder.admit();
    let calls: Vec<_> =
        ["ann", "bob"].map(|user| call(&server, &key, &asked(Some(user), user == "ann"))).into();
    let (before, place) = (blobs(&folder.dir), tempfile::tempdir().unwrap());
    let copy = place.path().join("copy");
    let backup = || done(&run(Command::new(BINARY).arg("backup").arg(&copy).arg("--dir").arg(&folder.dir)));
    backup();
    assert_eq!((before.len(), blobs(&copy).len(), all_there(&copy)), (4, 4, 4));
    folder.said(&["erase", "--subject", "ann"]);
    let after = blobs(&folder.dir);
    assert!(after.len() == 2 && after.is_subset(&before));
    let erasure = erasures(&folder)[0]["id"].as_str().unwrap().to_owned();
    let ((ann, _), (bob, answer)) = (&calls[0], &calls[1]);
    for part in ["--input", "--output"] {
        let said = refused(&folder, ann, part);
        assert!(said.contains("was erased by") && said.contains(&erasure), "{said}");
    }
    assert_eq!(shown(&folder, bob, "--output"), answer.body);
    let raw = folder.command(&["content", "show", ann]);
    let problem: Value = serde_json::from_slice(&raw.stdout).unwrap();
    assert_eq!(problem["status"], 410);
    // A copy that is brought up to date has nothing of it either.
    backup();
    assert_eq!(blobs(&copy).len(), 2);
    server.stop();
    // Also where the folder was put back, as from a copy that somebody kept: its key is gone.
    let gone = before.difference(&after).next().unwrap();
    std::fs::create_dir_all(gone.parent().unwrap()).unwrap();
    crate::server::put(gone, b"anything");
    assert!(refused(&folder, ann, "--input").contains("was erased by"));
    assert_eq!(blobs(&folder.dir), after);
    holds(&folder);
}

#[test]
fn where_the_vault_cannot_be_written_nothing_is_performed_and_others_go_on() {
    let upstream = Upstream::start(Used::Always(40, 60));
    let folder = Folder::founded(&config(&upstream.url()), keeping);
    let server = folder.serve(&[]);
    let (key, other) = (folder.admit(), admit(&folder, "other"));
    assert_eq!(call(&server, &key, &asked(None, false)).1.status, 200);
    assert_eq!(call(&server, &other, &asked(None, false)).1.status, 200);
    let staged = folder.dir.join("vault/content/staged");
    std::fs::remove_dir_all(&staged).unwrap();
    crate::server::put(&staged, b"in the way");
    let (entries, pool) = (folder.entries(), folder.pool());
    for stream in [false, true] {
        let (_, answer) = call(&server, &key, &asked(None, stream));
        assert_eq!(error(&answer, 503)["code"], "vault_unavailable");
    }
    assert_eq!((folder.entries(), folder.pool(), upstream.calls()), (entries, pool, 2));
    assert_eq!(call(&server, &other, &asked(None, false)).1.status, 200);
    std::fs::remove_file(&staged).unwrap();
    let (act, answer) = call(&server, &key, &asked(None, false));
    assert_eq!(answer.status, 200);
    assert_eq!(shown(&folder, &act, "--output"), answer.body);
    server.stop();
    assert_eq!(all_there(&folder.dir), 4);
    holds(&folder);
}

#[test]
fn an_answer_that_cannot_be_kept_is_settled_as_such_and_no_other_call_is_taken_until_it_can() {
    let upstream = Upstream::slow(Used::Always(40, 60), Duration::from_millis(100));
    let folder = Folder::founded(&config(&upstream.url()), keeping);
    let server = folder.serve(&[]);
    let key = folder.admit();
    let staged = folder.dir.join("vault/content/staged");
    let mut client = Client::new(server.url());
    let body = asked(None, true);
    let mut coming = client.begin(Request::chat(&key, &body)).unwrap();
    let act = coming.headers.value("countersign-act").unwrap().to_owned();
    coming.piece().unwrap().unwrap();
    std::fs::remove_dir_all(&staged).unwrap();
    crate::server::put(&staged, b"in the way");
    let mut last = Vec::new();
    while let Some(piece) = coming.piece().unwrap() {
        last = piece;
    }
    assert!(last.ends_with(b"[DONE]\n\n"), "whoever asked hears all of it");
    eventually("the log tells of it", || server.said().contains("an answer cannot be kept"));
    assert_eq!(error(&call(&server, &key, &body).1, 503)["code"], "vault_unavailable");
    assert!(refused(&folder, &act, "--output").contains("was not kept"));
    assert_eq!(shown(&folder, &act, "--input"), body.as_bytes());
    std::fs::remove_file(&staged).unwrap();
    assert_eq!(call(&server, &key, &body).1.status, 200);
    server.stop();
    assert_eq!(all_there(&folder.dir), 3);
    holds(&folder);
}

#[test]
fn a_bit_that_was_flipped_in_a_blob_is_found_and_nothing_of_it_is_given() {
    let upstream = Upstream::start(Used::Always(40, 60));
    let folder = Folder::founded(&config(&upstream.url()), keeping);
    let server = folder.serve(&[]);
    let key = folder.admit();
    let (act, answer) = call(&server, &key, &asked(None, true));
    assert_eq!(shown(&folder, &act, "--output"), answer.body);
    for path in blobs(&folder.dir) {
        let blob = std::fs::read(&path).unwrap();
        for at in [0, blob.len() / 2, blob.len() - 1] {
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.write_all_at(&[blob[at] ^ 1], at.try_into().unwrap()).unwrap();
            let whole = ["--input", "--output"].map(|part| show(&folder, &act, part).status.success());
            assert_eq!(whole.iter().filter(|whole| **whole).count(), 1, "at {at}");
            file.write_all_at(&[blob[at]], at.try_into().unwrap()).unwrap();
        }
    }
    std::fs::remove_file(blobs(&folder.dir).first().unwrap()).unwrap();
    let said = ["--input", "--output"].map(|part| show(&folder, &act, part));
    let missing = said.iter().find(|said| !said.status.success()).unwrap();
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no erasure is known"));
    server.stop();
    holds(&folder);
}

#[test]
fn the_operator_reads_what_is_kept_and_a_party_that_of_its_own_applications() {
    let upstream = Upstream::start(Used::Always(40, 60));
    let folder = Folder::founded(&config(&upstream.url()), keeping);
    let server = folder.serve(&[]);
    let key = folder.admit();
    let (act, answer) = call(&server, &key, &asked(None, false));
    // Until it is published.
    shown(&folder, &act, "--output");
    let path = format!("/api/content/{act}?part=output");
    let by = |token: Option<&str>| {
        let request = Request::get(&path);
        Client::new(server.url()).ask(token.map_or(request, |token| request.with_key(token))).unwrap()
    };
    assert_eq!(by(None).status, 401, "whoever may read the record may not read this");
    assert_eq!(by(Some(&key)).status, 401, "nor may an application's key");
    for (party, status) in [("halcyon", 200), ("northwind", 404)] {
        let private = std::fs::read_to_string(folder.dir.join(format!("keys/{party}.key"))).unwrap();
        let now = jiff::Timestamp::now().as_millisecond();
        let text =
            format!("northwind-halcyon.example/record\ncountersign/request/v1\nparty {party}\ntime {now}\n");
        let token = base64(Signer::parse(private.trim_end()).unwrap().sign(&text).unwrap().as_bytes());
        let given = by(Some(&token));
        assert_eq!((given.status, given.body == answer.body), (status, status == 200), "{party}");
    }
    server.stop();
}

#[test]
fn a_repetition_is_given_the_answer_that_is_kept_and_keeps_nothing_of_its_own() {
    let upstream = Upstream::start(Used::Always(40, 60));
    let folder = Folder::founded(&config(&upstream.url()), keeping);
    let server = folder.serve(&[]);
    let key = folder.admit();
    let by = "idempotency-key: once\r\nauthorization: Bearer ";
    let stream = "idempotency-key: streamed\r\nauthorization: Bearer ";
    let ask = |by: &str, body: &str| {
        let mut client = Client::new(server.url());
        let answer = client.ask(Request::chat(&key, body).by_header(by)).unwrap();
        let header = |name: &str| answer.headers.value(name).map(str::to_owned);
        (answer.status, header("content-type"), header("countersign-act"), answer.body)
    };
    let calls = [(by, asked(None, false)), (stream, asked(None, true))];
    let first = calls.clone().map(|(by, body)| ask(by, &body));
    assert_eq!(first.each_ref().map(|answer| answer.0), [200, 200]);
    let kept = blobs(&folder.dir);
    assert_eq!(kept.len(), 4);
    for _ in 0..2 {
        assert_eq!(calls.clone().map(|(by, body)| ask(by, &body)), first);
    }
    assert_eq!(ask(by, &asked(Some("ann"), false)).0, 400, "another end user hears nothing of it");
    assert_eq!(ask(by, &asked(None, true)).0, 400);
    assert_eq!(blobs(&folder.dir), kept);
    assert_eq!(upstream.calls(), 2);
    folder.said(&["erase", "--before", &next_month(), "--application", "assistant"]);
    assert_eq!(ask(by, &calls[0].1).0, 400, "what is erased is told to nobody");
    server.stop();
    assert_eq!(blobs(&folder.dir).len(), 0);
}

/// The first day of the next month.
fn next_month() -> String {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    today.last_of_month().tomorrow().unwrap().to_string()
}

const KILLS: u64 = 12;

#[test]
fn a_kill_at_any_moment_leaves_no_entry_that_names_a_blob_which_is_not_there() {
    let seed = seed();
    say(&format!("seed {seed}"));
    let upstream = Upstream::start(Used::AtMost(60, 100));
    let folder = Folder::founded(&config(&upstream.url()), keeping);
    let server = folder.serve(&[]);
    let key = folder.admit();
    server.stop();
    let (mut dice, mut named) = (Dice::new(seed), 0);
    for round in 0..KILLS {
        let mut server = folder.serve(&[]);
        let (answers, wait_ms) = (1 + dice.below(60), dice.below(30));
        let url = server.url().to_owned();
        while_called(&url, &key, 8, |rush| {
            eventually("answers", || rush.answers.load(Ordering::SeqCst) >= answers || server.has_ended());
            thread::sleep(Duration::from_millis(wait_ms));
            server.kill();
        });
        drop(server);
        let server = folder.serve(&[]);
        server.stop();
        assert_eq!(std::fs::read_dir(folder.dir.join("vault/content/staged")).unwrap().count(), 0);
        let now = all_there(&folder.dir);
        assert!(now > named, "round {round} kept something: {now} after {named}");
        named = now;
    }
    let there = blobs(&folder.dir).len();
    say(&format!("{KILLS} kills: {named} blobs named, {there} there"));
    holds(&folder);
}
