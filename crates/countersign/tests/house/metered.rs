//! A meter before an operator with a mock upstream, and a place for its journal.
//!
//! Not a test of anything (`meter`).

use crate::http::{Client, Request};
use crate::server::{BINARY, Folder, MODEL, Server, config, run};
use crate::upstream::Upstream;
use record::hash::{base64, sha256};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

/// What a call asks.
pub(crate) const BODY: &str =
    r#"{"model":"smollm2-135m-instruct","max_tokens":100,"messages":[{"role":"user","content":"Count."}]}"#;
/// Callers at once.
pub(crate) const CALLERS: usize = 8;
/// Another model that the operator serves, with a name as long.
pub(crate) const OTHER: &str = "swapped-135m-instruct";

/// A partnership's folder with all keys, and a place for a journal.
pub(crate) struct Place {
    pub(crate) folder: Folder,
    place: tempfile::TempDir,
}

impl Place {
    /// One whose operator sends calls on to `upstream`.
    pub(crate) fn new(upstream: &str) -> Self {
        let config = config(upstream);
        let mapped = format!("\"{MODEL}\" = \"mock-model\"\n");
        let config = config.replace(&mapped, &format!("{mapped}\"{OTHER}\" = \"mock-model\"\n"));
        let folder = Folder::founded(&config, |text| {
            text.replace(&format!("[\"{MODEL}\"]"), &format!("[\"{MODEL}\", \"{OTHER}\"]"))
        });
        Self { folder, place: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.place.path().join("journal")
    }

    /// The command that starts a meter before `to`.
    pub(crate) fn command(&self, to: &str) -> Command {
        let mut command = Command::new(BINARY);
        command.args(["meter", "--listen", "127.0.0.1:0", "--party", "halcyon", "--json", "--to", to]);
        self.add_places(&mut command);
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn meter(&self, to: &str) -> Server {
        Server::by(self.command(to))
    }

    /// A follower of the operator at `url`, with this meter beside it.
    pub(crate) fn follower(&self, url: &str) -> Child {
        let mut command = Command::new(BINARY);
        command.args(["follow", url, "--party", "halcyon", "--json", "--every", "200", "--clock-slack", "0"]);
        command.arg("--keys").arg(self.folder.dir.join("keys")).arg("--meter").arg(self.journal());
        command.arg("--dir").arg(self.place.path().join("mirror"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The calls in the journal. Its last line may be torn by a kill.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.journal().join("lines")).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["kind"] == "call").collect()
    }

    /// The acts in the journal.
    pub(crate) fn acts(&self) -> BTreeSet<String> {
        self.lines().iter().filter_map(|line| line["act"].as_str().map(str::to_owned)).collect()
    }

    pub(crate) fn check(&self, words: &[&str]) -> Output {
        let mut command = Command::new(BINARY);
        command.args(["meter", "check", "--party", "halcyon"]);
        if !words.contains(&"--clock-slack") {
            // All of it is on one machine.
            command.args(["--clock-slack", "0"]);
        }
        self.add_places(&mut command);
        command.arg("--record").arg(&self.folder.dir);
        run(command.args(words))
    }

    /// What a check says, and whether it found nothing.
    pub(crate) fn checked(&self, words: &[&str]) -> (Value, bool) {
        let output = self.check(&[&["--json"], words].concat());
        let said = serde_json::from_slice(&output.stdout);
        let said =
            said.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        (said, output.status.code() == Some(0))
    }

    fn add_places(&self, command: &mut Command) {
        command.arg("--keys").arg(self.folder.dir.join("keys")).arg("--journal").arg(self.journal());
    }
}

/// An operator that runs.
pub(crate) struct Scene {
    pub(crate) place: Place,
    pub(crate) upstream: Upstream,
    pub(crate) server: Server,
    pub(crate) key: String,
}

impl Scene {
    pub(crate) fn set(upstream: Upstream) -> Self {
        let place = Place::new(&upstream.url());
        let server = place.folder.serve(&[]);
        let key = place.folder.admit();
        Self { place, upstream, server, key }
    }

    /// Calls so often from several callers, and gives the acts of the answers, with their digests.
    pub(crate) fn call(&self, url: &str, calls: usize) -> BTreeSet<(String, String)> {
        let key = self.key.as_str();
        let caller = move || {
            let mut client = Client::new(url);
            let answer = |_| {
                let answer = client.ask(Request::chat(key, BODY)).unwrap();
                assert_eq!(answer.status, 200, "{}", answer.text());
                let act = answer.headers.value("countersign-act").unwrap_or_default();
                (act.to_owned(), base64(&sha256(&answer.body)))
            };
            (0..calls / CALLERS).map(answer).collect::<Vec<_>>()
        };
        thread::scope(|scope| {
            let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(caller)).collect();
            callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
        })
    }
}

/// The acts and the kinds of what was found.
pub(crate) fn found(said: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = said["disagreements"].as_array().unwrap();
    all.iter().map(|one| (text(&one["act"]), text(&one["what"]))).collect()
}
