//! The first start: cut off at any moment, or on a memorandum that is not signed, it is simply started again.
//!
//! Not here: what a running server survives.

use crate::http::{Client, Request};
use crate::needs;
use crate::server::{BINARY, Folder, PARTIES, Server, done, eventually, run, write};
use record::note::Verifier;
use record::store::directory::Directory;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// The first `up` of a folder. Dropped, it is killed.
struct First(Child);

impl First {
    /// Starts it with a model at `model`.
    fn start(folder: &Folder, model: &Path) -> Self {
        let mut command = Server::command(&folder.dir, &[]);
        command.env("COUNTERSIGN_MODEL", model).stdout(Stdio::piped()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// Kills it, and gives what it has said by then.
    fn killed(mut self) -> String {
        self.0.kill().unwrap();
        let mut said = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for First {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts the folder's next `up`, which must find the example whole; gives the key that it says.
fn carried_on(folder: &Folder, case: &str) -> Option<String> {
    let server = folder.serve(&["--example", "northwind-halcyon"]);
    let applications = folder.said(&["app", "list"]);
    let names: Vec<_> = applications.as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["assistant", "search"], "{case}");
    assert!(!folder.dir.join(UNFINISHED).exists(), "{case}: it is finished");
    let key = server.ready["key"].as_str().map(str::to_owned);
    if let Some(key) = &key {
        let listed = Client::new(server.url()).ask(Request::get("/v1/models").with_key(key)).unwrap();
        assert_eq!(listed.status, 200, "{case}: {}", listed.text());
    }
    server.stop();
    folder.verified();
    key
}

const UNFINISHED: &str = "cache/unfinished";

#[test]
fn a_first_start_that_is_cut_off_is_carried_on_by_the_next() {
    for round in 0..12 {
        let folder = Folder::absent();
        let first = First::start(&folder, &needs::model());
        std::thread::sleep(Duration::from_millis(round * round * 4));
        let said = first.killed();
        let key = carried_on(&folder, &format!("round {round}"));
        assert!(key.is_some() || said.contains("cs_live_"), "round {round}: nobody was told a key");
    }
}

#[test]
fn a_first_start_that_is_cut_off_while_the_model_comes_is_carried_on_by_the_next() {
    let folder = Folder::absent();
    let never = folder.dir.with_file_name("model");
    done(&run(Command::new("mkfifo").arg(&never)));
    let first = First::start(&folder, &never);
    eventually("the folder is made", || folder.dir.join(UNFINISHED).exists());
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(first.killed(), "");
    assert!(!folder.dir.join("record").exists(), "it waited for the model");
    assert!(carried_on(&folder, "the next").is_some());
    assert_eq!(carried_on(&folder, "the one after it"), None, "a key is made once");
}

#[test]
fn a_record_that_was_opened_and_not_begun_is_begun_by_the_next_start() {
    let folder = Folder::founded("origin = \"northwind-halcyon.example/record\"\n", str::to_owned);
    assert!(!folder.dir.join(UNFINISHED).exists(), "only `up` has more to do than to make the folder");
    let signatures = folder.dir.join("memorandum.sigs");
    let right = std::fs::read_to_string(&signatures).unwrap();
    let (before, after) = right.split_once("signature = \"").unwrap();
    let (first, after) = after.split_at(1);
    let wrong = format!("{before}signature = \"{}{after}", if first == "A" { "B" } else { "A" });
    write(&signatures, &wrong);
    let refused = run(Command::new(BINARY).arg("up").arg(&folder.dir).args(["--listen", "127.0.0.1:0"]));
    assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stderr));
    write(&signatures, &right);
    let log = std::fs::read_to_string(folder.dir.join("keys/log.vkey")).unwrap();
    let log = Verifier::parse(log.trim_end()).unwrap();
    let store = Arc::new(Directory::new(folder.dir.join("record")));
    drop(record::load(store, log.name(), 16 << 20, &log).unwrap());
    folder.serve(&[]).stop();
    assert!(folder.verified()["entries"].as_u64().unwrap() > 0);
}

#[test]
fn a_memorandum_that_lacks_a_signature_founds_nothing_until_it_has_it() {
    let folder = Folder::founded("origin = \"northwind-halcyon.example/record\"\n", |text| text.to_owned());
    let memorandum = folder.dir.join("memorandum.md");
    let text =
        std::fs::read_to_string(&memorandum).unwrap().replacen("one thousand credits", "1,000 credits", 1);
    std::fs::File::create(&memorandum)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .unwrap();
    let up = || run(Command::new(BINARY).arg("up").arg(&folder.dir).args(["--listen", "127.0.0.1:0"]));
    for party in PARTIES {
        let refused = up();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("countersign memo sign") && said.contains("missing: "), "{said}");
        let file = memorandum.to_str().unwrap();
        done(&run(Command::new(BINARY)
            .args(["memo", "sign", file, "--party", party, "--dir"])
            .arg(&folder.dir)));
    }
    folder.serve(&[]).stop();
    folder.verified();
}
