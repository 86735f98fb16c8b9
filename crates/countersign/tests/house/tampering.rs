//! A record that was tampered with, in each way, shown to both who look: `verify`, over the folder and over HTTP, and `follow`, which
//! holds an earlier part of it or nothing yet. Each finds it and names its place, and nothing of it is cosigned by the key that says
//! "replayed".
//!
//! Not here: single flipped bits in every file (`second_verifier`), or an operator that goes on in two folders (`follow`).

use crate::http::{Client, Request};
use crate::server::{BINARY, Folder, Server, config, eventually, put, run};
use crate::told::chat;
use crate::upstream::{Upstream, Used};
use partnership::entry::{Body, Entry};
use record::Leaf;
use record::bundle::{decode, encode};
use record::note::Signer;
use record::store::directory::Directory;
use record::tile::{Kind, TilePath};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use tempfile::TempDir;

/// Serves a folder's files at `/record/`, whatever is in them, until the test ends.
fn serve(record: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let record = record.clone();
            std::thread::spawn(move || while answer(&stream, &record).is_some() {});
        }
    });
    url
}

/// Answers one request; none where the caller has left.
fn answer(mut stream: &TcpStream, record: &Path) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|bytes| *bytes > 0)?;
    let mut length = 0;
    for line in reader.by_ref().lines() {
        let line = line.ok()?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        length = line.strip_prefix("content-length: ").map_or(length, |number| number.parse().unwrap());
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink()).ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let body = path.strip_prefix("/record/").and_then(|path| std::fs::read(record.join(path)).ok());
    let (status, body) = match (method, body) {
        ("POST", _) => ("200 OK", Vec::new()),
        (_, Some(body)) => ("200 OK", body),
        _ => ("404 Not Found", Vec::new()),
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

/// A record, and a follower that holds an earlier part of it.
struct Scene {
    folder: Folder,
    /// The follower's keys and mirror then, and the keys alone.
    theirs: TempDir,
    held: u64,
    size: u64,
}

impl Scene {
    fn set() -> Self {
        let upstream = Upstream::start(Used::AtMost(40, 60));
        let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
        let server = folder.serve(&[]);
        let key = folder.admit();
        let theirs = tempfile::tempdir().unwrap();
        let keys = theirs.path().join("keys");
        std::fs::create_dir(&keys).unwrap();
        std::fs::copy(folder.dir.join("keys/halcyon.key"), keys.join("halcyon.key")).unwrap();
        call(&server, &key, 12);
        eventually("all is cosigned", || {
            let followed = follow(theirs.path(), server.url());
            assert!(followed.status.success(), "{followed:?}");
            size_of(&folder.dir.join("record/cosigned")) == Some(folder.entries())
        });
        server.stop();
        let held = size_of(&folder.dir.join("record/cosigned")).unwrap();
        let server = folder.serve(&[]);
        call(&server, &key, 12);
        eventually("all is published", || {
            size_of(&folder.dir.join("record/checkpoint")) == Some(folder.entries())
        });
        server.stop();
        folder.verified();
        let size = size_of(&folder.dir.join("record/checkpoint")).unwrap();
        assert!(size < 250 && size > held + 20, "{held} and {size} entries are in one bundle");
        Self { folder, theirs, held, size }
    }

    fn log(&self) -> Signer {
        let text = std::fs::read_to_string(self.folder.dir.join("keys/log.key")).unwrap();
        Signer::parse(text.trim()).unwrap()
    }

    /// The record as it is, to be changed.
    fn copied(&self) -> TempDir {
        copy_of(&self.folder.dir.join("record"))
    }

    /// The follower, with or without what it holds.
    fn follower(&self, holds: bool) -> TempDir {
        let copy = copy_of(self.theirs.path());
        if !holds {
            std::fs::remove_dir_all(copy.path().join("mirror")).unwrap();
            std::fs::remove_dir_all(copy.path().join("keys/witness")).unwrap();
        }
        copy
    }

    fn entries(&self) -> Vec<Leaf> {
        let store = Directory::new(self.folder.dir.join("record"));
        let log = self.log().verifier();
        let mut leaves = Vec::new();
        let audited = record::audit(&store, log.name(), &log, |_, envelope, parties| {
            leaves.push(Leaf { envelope: envelope.to_vec(), parties: parties.to_vec() });
            Ok(())
        });
        audited.unwrap();
        leaves
    }

    /// The record that an operator with the log's key makes of other entries, beside what was cosigned of the first.
    fn signed(&self, leaves: Vec<Leaf>, keeps_cosigned: bool) -> TempDir {
        let (place, log) = (tempfile::tempdir().unwrap(), self.log());
        let old = self.folder.dir.join("record");
        let mut kept = vec!["vkeys", "memorandum"];
        kept.extend(keeps_cosigned.then_some("cosigned"));
        for name in kept {
            let copied = run(Command::new("cp").arg("-a").arg(old.join(name)).arg(place.path()));
            assert!(copied.status.success(), "{copied:?}");
        }
        let store = Arc::new(Directory::new(place.path()));
        let mut loaded = record::load(store, log.name(), 1 << 20, &log.verifier()).unwrap();
        for leaf in leaves {
            loaded.log.append(leaf).unwrap();
        }
        let groups: Vec<_> = loaded.log.seal().into_iter().collect();
        loaded.journal.write(&groups).unwrap();
        groups.into_iter().for_each(|group| loaded.publisher.absorb(group));
        loaded.publisher.publish(&log).unwrap();
        place
    }
}

fn copy_of(folder: &Path) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let copied = run(Command::new("cp").arg("-a").arg(folder.join(".")).arg(place.path()));
    assert!(copied.status.success(), "{copied:?}");
    place
}

fn call(server: &Server, key: &str, times: u32) {
    let mut client = Client::new(server.url());
    for _ in 0..times {
        let answer = client.ask(Request::chat(key, &chat(100, false))).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

fn size_of(checkpoint: &Path) -> Option<u64> {
    std::fs::read_to_string(checkpoint).ok()?.lines().nth(1)?.parse().ok()
}

fn follow(theirs: &Path, url: &str) -> Output {
    let mut command = Command::new(BINARY);
    command.args(["follow", url, "--party", "halcyon", "--json", "--every", "20", "--once"]);
    run(command.arg("--keys").arg(theirs.join("keys")).arg("--dir").arg(theirs.join("mirror")))
}

/// Follows what is to be found, and gives the place and what is said of it. Nothing of it may be cosigned by `w2`.
fn found(theirs: &Path, url: &str) -> String {
    let before = replayed(theirs);
    let output = follow(theirs, url);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(said["cosigned"], false);
    assert_eq!(replayed(theirs), before, "`w2` has cosigned what was tampered with");
    format!("{}: {}", said["place"].as_str().unwrap(), said["fault"].as_str().unwrap())
}

/// What the memory of `w2` holds.
fn replayed(theirs: &Path) -> Option<Vec<u8>> {
    let vkey = std::fs::read_to_string(theirs.join("keys/w2.vkey")).unwrap_or_default();
    let name = vkey.split('+').next().unwrap_or_default().to_owned();
    let origin = name.rsplitn(3, '/').last().unwrap_or_default().to_owned();
    let place = record::hash::hex(&record::hash::sha256(format!("{name}\n{origin}").as_bytes()));
    let held = std::fs::read(theirs.join("keys/witness").join(place).join("latest"));
    held.ok()
}

/// What `verify` says of a folder or an address where something does not hold.
fn verified(place: &str) -> String {
    let output = run(Command::new(BINARY).args(["verify", place]));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.lines()
        .find_map(|line| line.split_once("does not hold: "))
        .unwrap_or_else(|| panic!("{said}"))
        .1
        .to_owned()
}

/// How a bundle of envelopes is changed, by what the follower names: the entry, or else the bundle.
type Change = (&'static str, bool, fn(&mut Vec<Vec<u8>>, usize));

const CHANGES: [Change; 5] = [
    ("changed", true, |all, at| {
        let middle = all[at].len() / 2;
        all[at][middle] ^= 1;
    }),
    ("removed", false, |all, at| drop(all.remove(at))),
    ("reordered", true, |all, at| all.swap(at, at + 1)),
    ("inserted", false, |all, at| all.insert(at, all[at].clone())),
    ("truncated", false, |all, at| all.truncate(at)),
];

#[test]
fn an_entry_that_is_changed_removed_reordered_inserted_or_cut_off_in_the_files_is_found_by_both() {
    let scene = Scene::set();
    let at = scene.held + 5;
    let width = u16::try_from(scene.size).unwrap();
    let bundle = TilePath { kind: Kind::Entries, number: 0, width }.path();
    for (name, by_entry, change) in CHANGES {
        let record = scene.copied();
        let file = record.path().join(&bundle);
        let bytes = std::fs::read(&file).unwrap();
        let mut all: Vec<Vec<u8>> =
            decode(&bytes, usize::from(width)).unwrap().into_iter().map(<[u8]>::to_vec).collect();
        change(&mut all, usize::try_from(at).unwrap());
        put(&file, &encode(all.iter().map(Vec::as_slice)));
        let url = serve(record.path().to_owned());
        let entry = format!("entry {at}: ");
        let said = verified(record.path().to_str().unwrap());
        assert!(said.starts_with(&bundle), "{name}: {said}");
        let said = verified(&url);
        assert!(said.starts_with(&entry) || said.starts_with(&bundle), "{name}: {said}");
        for holds in [true, false] {
            let said = found(scene.follower(holds).path(), &url);
            let place = if by_entry { &entry } else { &bundle };
            assert!(said.starts_with(place), "{name}, {holds}: {said}");
        }
    }
}

/// The place of the last call that was decided, and of its settlement.
fn last_call(entries: &[Entry]) -> (usize, usize) {
    let mut decided = BTreeMap::new();
    let mut last = None;
    for (index, entry) in entries.iter().enumerate() {
        match &entry.body {
            Body::Decided(decision) => drop(decided.insert(decision.act.id, index)),
            Body::Settled(settled) if settled.charged.is_some() => {
                last = decided.get(&settled.act).map(|decided| (*decided, index));
            }
            _ => {}
        }
    }
    last.unwrap()
}

#[test]
fn a_history_that_the_operator_signs_with_an_entry_changed_removed_reordered_or_inserted_is_found_by_both() {
    let scene = Scene::set();
    let honest = scene.entries();
    let story: Vec<Entry> =
        honest.iter().map(|leaf| Entry::decode(&leaf.envelope, &leaf.parties).unwrap()).collect();
    let (decided, settled) = last_call(&story);
    assert!(decided as u64 > scene.held, "the follower has not seen it");
    let leaves = |story: &[Entry]| story.iter().map(Entry::encode).collect::<Vec<_>>();
    // What is done, at which entry it shows to who replays, and the history.
    let mut told: Vec<(&str, usize, Vec<Leaf>)> = Vec::new();
    let mut other = story.clone();
    if let Body::Settled(settlement) = &mut other[settled].body {
        settlement
            .transfers
            .iter_mut()
            .for_each(|transfer| transfer.credit = "credit:launch-credits:pocket".into());
    }
    told.push(("changed", settled, leaves(&other)));
    let mut other = story.clone();
    other.remove(decided);
    told.push(("removed", settled - 1, leaves(&other)));
    let mut other = story.clone();
    other.swap(decided, settled);
    // Each at the time of its new place, or the time would tell.
    (other[decided].at, other[settled].at) = (story[decided].at, story[settled].at);
    told.push(("reordered", decided, leaves(&other)));
    let mut other = story.clone();
    other.insert(settled + 1, story[settled].clone());
    told.push(("inserted", settled + 1, leaves(&other)));
    for (name, at, leaves) in told {
        let record = scene.signed(leaves, false);
        let url = serve(record.path().to_owned());
        let place = format!("entry {at}: ");
        for said in [
            verified(record.path().to_str().unwrap()),
            verified(&url),
            found(scene.follower(true).path(), &url),
            found(scene.follower(false).path(), &url),
        ] {
            assert!(said.starts_with(&place), "{name} at {place}: {said}");
        }
    }
    // Of what the follower holds already, any change at all is another history, also one that adds up.
    let mut other = story.clone();
    other[2] = Entry::new(&[77; 32], story[2].at, story[2].body.clone());
    let rewritten = scene.signed(leaves(&other), true);
    let said = verified(rewritten.path().to_str().unwrap());
    assert!(said.starts_with("cosigned: its root is not"), "{said}");
    let said = found(scene.follower(true).path(), &serve(rewritten.path().to_owned()));
    assert!(said.starts_with("checkpoint: "), "{said}");
}

#[test]
fn a_record_that_was_rolled_back_or_forked_is_found_by_both() {
    let scene = Scene::set();
    let honest = scene.entries();
    // Rolled back to before what was cosigned: an older copy, beside which the cosigned checkpoint is still there.
    let fewer = usize::try_from(scene.held - 4).unwrap();
    let back = scene.signed(honest[..fewer].to_vec(), true);
    let said = verified(back.path().to_str().unwrap());
    assert!(said.starts_with("cosigned: the record has not as many entries"), "{said}");
    let said = found(scene.follower(true).path(), &serve(back.path().to_owned()));
    assert!(said.starts_with("checkpoint: ") && said.contains("was cosigned before"), "{said}");
    // Forked: of the size that was cosigned, and beyond it.
    for size in [scene.held, scene.held + 9] {
        let mut other = honest[..usize::try_from(size).unwrap()].to_vec();
        let at = usize::try_from(scene.held - 1).unwrap();
        let entry = Entry::decode(&other[at].envelope, &other[at].parties).unwrap();
        other[at] = Entry::new(&[77; 32], entry.at, entry.body).encode();
        let forked = scene.signed(other, true);
        let said = verified(forked.path().to_str().unwrap());
        assert!(said.starts_with("cosigned: its root is not"), "{said}");
        let theirs = scene.follower(true);
        let said = found(theirs.path(), &serve(forked.path().to_owned()));
        assert!(said.starts_with("checkpoint: "), "{said}");
        if size == scene.held {
            assert!(said.contains("two trees of size"), "{said}");
        }
    }
}
