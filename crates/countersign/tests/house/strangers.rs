//! The record and its receipts as a public client of transparency logs reads them that is not ours: Go's own, which its module
//! mirrors are checked with. `cargo xtask test --strangers tlog` fetches it and runs this.
//!
//! Not here: the client, `tests/strangers/tlog/main.go`.

use crate::http::{Client, Request};
use crate::server::{Folder, config, done, eventually, put, run, write};
use crate::told::chat;
use crate::upstream::{Upstream, Used};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where Debian puts Go's packages.
const GOPATH: &str = "/usr/share/gocode";

/// The client, built.
struct Stranger {
    place: tempfile::TempDir,
}

impl Stranger {
    fn build() -> Self {
        let place = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/strangers/tlog/main.go");
        let mut go = Command::new("go");
        go.env("GO111MODULE", "off").env("GOPATH", GOPATH).env("GOFLAGS", "");
        go.env("GOCACHE", place.path().join("cache"));
        let built = go.args(["build", "-o"]).arg(place.path().join("client")).arg(source).output();
        let built = built
            .unwrap_or_else(|error| panic!("go ({error}); `cargo xtask test --strangers tlog` installs it"));
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Self { place }
    }

    fn reads(&self, record: &Path, vkey: &str, more: &[(&str, &Path)]) -> Output {
        let mut client = Command::new(self.place.path().join("client"));
        client.arg(record).arg(vkey);
        for (what, file) in more {
            client.arg(what).arg(file);
        }
        run(&mut client)
    }
}

/// Flips one bit: of a receipt in the last hash of its path, since what travels along with it is not proven; else in the middle.
fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let is_receipt = bytes.starts_with(b"c2sp.org/tlog-proof");
    let blank = bytes.windows(2).position(|pair| pair == b"\n\n").filter(|_| is_receipt);
    let at = blank.map_or(bytes.len() / 2, |blank| blank - 20);
    bytes[at] ^= 1;
    put(path, &bytes);
}

/// The published files of a record, and no others, in a folder of their own.
fn downloaded(record: &Path) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let copied = run(Command::new("cp").arg("-r").arg(record.join("checkpoint")).arg(place.path()));
    assert!(copied.status.success(), "{copied:?}");
    let copied = run(Command::new("cp").arg("-r").arg(record.join("tile")).arg(place.path()));
    assert!(copied.status.success(), "{copied:?}");
    place
}

/// Every file below a folder.
fn below(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() { below(&entry.path(), paths) } else { paths.push(entry.path()) }
    }
}

#[test]
#[ignore = "it needs Go and its package x/mod: `cargo xtask test --strangers tlog` runs it"]
fn go_reads_the_record_and_its_receipts_and_finds_a_flipped_bit_in_any_file() {
    let stranger = Stranger::build();
    let upstream = Upstream::start(Used::AtMost(40, 60));
    let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
    let server = folder.serve(&[]);
    let key = folder.admit();
    let record = folder.dir.join("record");
    let place = tempfile::tempdir().unwrap();
    let mut client = Client::new(server.url());
    let published = || {
        let text = std::fs::read_to_string(record.join("checkpoint")).unwrap_or_default();
        text.lines().nth(1) == Some(folder.entries().to_string().as_str())
    };
    let (mut old, mut receipts) = (Vec::new(), Vec::new());
    for calls in [3, 40, 110] {
        let mut act = String::new();
        for _ in 0..calls {
            let answer = client.ask(Request::chat(&key, &chat(100, false))).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.headers.value("countersign-act").unwrap().clone_into(&mut act);
        }
        eventually("all of it is published", published);
        let name = |what: &str| place.path().join(format!("{what}-{calls}"));
        std::fs::copy(record.join("checkpoint"), name("old")).unwrap();
        write(&name("receipt"), &folder.told(&["receipt", "show", &act]));
        old.push(name("old"));
        receipts.push(name("receipt"));
    }
    server.stop();
    let vkey = std::fs::read_to_string(folder.dir.join("keys/log.vkey")).unwrap().trim().to_owned();
    let more: Vec<(&str, &Path)> = old
        .iter()
        .map(|file| ("--old", file.as_path()))
        .chain(receipts.iter().map(|file| ("--receipt", file.as_path())))
        .collect();
    assert!(folder.entries() > 300, "more than a full tile: {}", folder.entries());
    let said = done(&stranger.reads(&record, &vkey, &more));
    assert_eq!(said.trim(), format!("{} entries, 6 more files hold", folder.entries()));

    let names = {
        let (copy, mut paths) = (downloaded(&record), Vec::new());
        below(copy.path(), &mut paths);
        let name = |path: &PathBuf| path.strip_prefix(copy.path()).unwrap().to_owned();
        paths.iter().map(name).collect::<Vec<_>>()
    };
    assert!(names.len() >= 6, "checkpoint, tiles of two rows, bundles: {names:?}");
    for name in &names {
        let copy = downloaded(&record);
        done(&stranger.reads(copy.path(), &vkey, &[]));
        flip(&copy.path().join(name));
        let found = stranger.reads(copy.path(), &vkey, &[]);
        assert_eq!(found.status.code(), Some(1), "{}: {found:?}", name.display());
    }
    for (what, file) in more {
        flip(file);
        let found = stranger.reads(&record, &vkey, &[(what, file)]);
        assert_eq!(found.status.code(), Some(1), "{}: {found:?}", file.display());
    }
    // Another log's key opens nothing.
    let other = record::note::Signer::generate("northwind-halcyon.example/record", [9; 32]).unwrap();
    let found = stranger.reads(&record, &other.verifier().vkey(), &[]);
    assert_eq!(found.status.code(), Some(1), "{found:?}");
}
