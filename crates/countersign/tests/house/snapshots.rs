//! The cache of a partnership that has lived: a start reads its snapshot, and what is gone or tampered with there changes nothing but
//! how long a start takes.

use crate::http::{Client, Request};
use crate::server::{BINARY, Folder, config, done, run};
use crate::upstream::{Upstream, Used};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

const CLIENTS: usize = 16;
const CALLS: usize = 160;
const BODY: &str =
    r#"{"model":"smollm2-135m-instruct","max_tokens":20,"messages":[{"role":"user","content":"good day"}]}"#;

/// A folder at rest with some five thousand entries.
fn lived() -> Folder {
    let upstream = Upstream::start(Used::Always(20, 10));
    let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
    let server = folder.serve(&[]);
    let (key, url) = (folder.admit(), server.url());
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = Client::new(url);
                for _ in 0..CALLS {
                    assert_eq!(client.ask(Request::chat(&key, BODY)).unwrap().status, 200);
                }
            });
        }
    });
    server.stop();
    folder
}

/// What people see of a partnership, whole.
fn seen(folder: &Folder) -> [serde_json::Value; 4] {
    [&["balance"][..], &["memo", "status"], &["app", "list"], &["key", "list"]]
        .map(|words| folder.said(words))
}

/// The files of the cache's state, the newest first.
fn snapshots(folder: &Folder) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder.dir.join("cache/state")) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort_by_key(|path| std::cmp::Reverse(size(path)));
    paths
}

fn size(path: &std::path::Path) -> u64 {
    path.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

#[test]
fn deleting_the_cache_loses_nothing_and_tampering_with_it_changes_nothing() {
    let folder = lived();
    assert!(snapshots(&folder).is_empty(), "a short life leaves none");
    let before = seen(&folder);
    let [made] = &snapshots(&folder)[..] else { panic!("what took long to read leaves one") };
    let bytes = fs::read(made).unwrap();
    assert_eq!(seen(&folder), before, "by the snapshot");
    assert_eq!(snapshots(&folder), std::slice::from_ref(made));

    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    for tampered in [&flipped, &bytes[..bytes.len() - 1], &b"nonsense"[..]] {
        put(made, tampered);
        assert_eq!(seen(&folder), before, "by no snapshot");
        assert_eq!(fs::read(made).unwrap(), bytes, "it was made again");
    }
    put(made, &flipped);
    let verified = folder.verified();
    assert_eq!(verified["entries"], before[1]["entries"], "verify reads no snapshot");
    assert_eq!(fs::read(made).unwrap(), flipped, "nor does it remove one");

    fs::remove_dir_all(folder.dir.join("cache")).unwrap();
    assert_eq!(seen(&folder), before, "without a cache");

    // A server begins with it, and goes on.
    let server = folder.serve(&[]);
    let made = folder.said(&["key", "new", "--application", "assistant"]);
    assert!(made["key"].is_string(), "{made}");
    server.stop();
    folder.verified();
}

#[test]
fn a_server_says_why_it_does_not_use_a_snapshot_and_starts() {
    let folder = lived();
    let before = folder.said(&["balance"]);
    let [made] = &snapshots(&folder)[..] else { panic!("there is one") };
    let bytes = fs::read(made).unwrap();
    put(made, &bytes[..100]);
    let newer = made.with_file_name((size(made) + 1).to_string());
    put(&newer, &bytes);
    let mut server = folder.serve(&[]);
    let log = server.said();
    for said in ["the log's key did not sign it", "it stands for"] {
        assert!(log.contains(said), "`{said}` is in the log: {log}");
    }
    assert!(!newer.exists());
    server.ask_to_stop();
    drop(server);
    assert_eq!(folder.said(&["balance"]), before);
    done(&run(Command::new(BINARY).arg("verify").arg(&folder.dir).arg("--policies")));
}

fn put(path: &std::path::Path, bytes: &[u8]) {
    use std::io::Write as _;
    fs::File::create(path).unwrap().write_all(bytes).unwrap();
}
