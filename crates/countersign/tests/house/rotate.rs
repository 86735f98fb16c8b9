//! Keys that give way to others, through the built binary: who may say so, and that whoever has the old ones, or the new, goes on
//! verifying, following and holding receipts.
//!
//! Not here: each forgery of such an act (`partnership`, `cmd/verify/tests`).

use crate::second_verifier;
use crate::server::{BINARY, Folder, Server, config, done, eventually, run, verify, write};
use crate::upstream::{Upstream, Used};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const ORIGIN: &str = "northwind-halcyon.example/record";

/// An operator, and the other party's place with its key, a key for when that is lost, and a follower's copy.
struct Scene {
    folder: Folder,
    theirs: TempDir,
    _upstream: Upstream,
}

impl Scene {
    fn set() -> (Self, Server) {
        let theirs = tempfile::tempdir().unwrap();
        let safe = made(&theirs.path().join("safe"), "halcyon-recovery");
        let upstream = Upstream::start(Used::AtMost(40, 60));
        let line = format!("recovery = {{ halcyon = \"{safe}\" }}\nprevails = ");
        let folder = Folder::founded(&config(&upstream.url()), |text| text.replacen("prevails = ", &line, 1));
        let server = folder.serve(&[]);
        let keys = theirs.path().join("keys");
        std::fs::create_dir(&keys).unwrap();
        for end in ["key", "vkey"] {
            let name = format!("halcyon.{end}");
            std::fs::copy(folder.dir.join("keys").join(&name), keys.join(&name)).unwrap();
        }
        (Self { folder, theirs, _upstream: upstream }, server)
    }

    fn place(&self, name: &str) -> PathBuf {
        self.theirs.path().join(name)
    }

    /// The keys as they are served now, in a file of its own.
    fn served(&self, name: &str) -> PathBuf {
        let path = self.place(name);
        std::fs::copy(self.folder.dir.join("record/vkeys"), &path).unwrap();
        path
    }

    fn follow(&self, url: &str) -> Output {
        let mut command = Command::new(BINARY);
        command.args(["follow", url, "--party", "halcyon", "--json", "--once", "--policies"]);
        run(command.arg("--keys").arg(self.place("keys")).arg("--dir").arg(self.place("mirror")))
    }

    /// Follows once, which is to go well.
    fn follows(&self, url: &str) {
        let said = done(&self.follow(url));
        let line: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
        assert_eq!(line["cosigned"], true);
    }

    /// Puts the next key in the place of the one before it, as the command says to.
    fn take(&self, next: &Path) {
        for end in ["key", "vkey"] {
            let name = format!("halcyon.{end}");
            std::fs::copy(next.join(&name), self.place("keys").join(&name)).unwrap();
        }
    }

    /// A command of the other party over HTTP.
    fn theirs(&self, url: &str, words: &[&str]) -> Output {
        run(Command::new(BINARY).args(words).args(["--server", url, "--json"]))
    }

    /// Attests a milestone with the key that lies in a folder.
    fn attests(&self, keys: &Path, evidence: &str) -> bool {
        let file = self.place("evidence");
        write(&file, evidence);
        let (file, keys) = (file.to_str().unwrap().to_owned(), keys.to_str().unwrap().to_owned());
        let words =
            ["fund", "attest", "release-tranche", "--evidence", &file, "--party", "halcyon", "--keys", &keys];
        self.folder.command(&words).status.success()
    }

    /// Verifies by both verifiers and with each of these files of keys, and without one; gives the report of the last.
    fn verified(&self, by: &[&Path]) -> Value {
        self.folder.verified();
        let record = self.folder.dir.join("record");
        second_verifier::holds(&record);
        let mut report = Value::Null;
        for vkeys in by {
            let given = vkeys.to_str().unwrap();
            let said = done(&verify(&self.folder.dir, &["--json", "--vkeys", given]));
            report = serde_json::from_str(&said).unwrap();
            assert_eq!(report["keys_verified"], true, "{given}");
            assert!(second_verifier::holds_by(&record, vkeys), "{given}");
        }
        report
    }

    /// Keys that are not the record's, and never were.
    fn trusts_no_others(&self, first: &Path) {
        let text = std::fs::read_to_string(first).unwrap();
        let halcyons = text.lines().find(|line| line.contains("/halcyon+")).unwrap();
        let other = self.place("vkeys-other");
        let stranger = made(&self.place("stranger"), "halcyon");
        for text in [text.replace(halcyons, &stranger), text.replace(&format!("{halcyons}\n"), "")] {
            write(&other, &text);
            let said = verify(&self.folder.dir, &["--vkeys", other.to_str().unwrap()]);
            assert_eq!(said.status.code(), Some(1), "{said:?}");
            assert!(!second_verifier::holds_by(&self.folder.dir.join("record"), &other));
        }
    }

    /// A start from the folder, a copy, and the mirror go on from there.
    fn goes_on_elsewhere(&self, server: Server, first: &Path) {
        server.stop();
        let server = self.folder.serve(&[]);
        self.follows(server.url());
        let copy = self.place("copy");
        done(&run(Command::new(BINARY).arg("backup").arg(&copy).arg("--dir").arg(&self.folder.dir)));
        server.stop();
        for place in [copy, self.place("mirror")] {
            done(&verify(&place, &["--vkeys", first.to_str().unwrap()]));
            second_verifier::holds(&place.join("record"));
        }
    }
}

/// Makes a key and gives its public half.
fn made(out: &Path, name: &str) -> String {
    let name = format!("{ORIGIN}/{name}");
    let words = ["party", "key", "new", "--json", "--name", &name, "--out"];
    let said: Value = serde_json::from_str(&done(&run(Command::new(BINARY).args(words).arg(out)))).unwrap();
    said["vkey"].as_str().unwrap().to_owned()
}

#[test]
fn a_partys_key_gives_way_and_is_mended_when_it_is_lost_and_all_who_verify_go_on() {
    let (scene, server) = Scene::set();
    let url = server.url().to_owned();
    scene.follows(&url);
    let first = scene.served("vkeys-first");
    let lost = scene.place("keys-lost");
    let copied = run(Command::new("cp").arg("-a").arg(scene.place("keys")).arg(&lost));
    assert!(copied.status.success(), "{copied:?}");

    // By its own word, over HTTP, with no token of the operator's.
    let second = scene.place("second");
    let vkey = made(&second, "halcyon");
    let keys = scene.place("keys").to_str().unwrap().to_owned();
    let next = second.to_str().unwrap().to_owned();
    let words = ["party", "key", "change", "--party", "halcyon", "--keys", &keys, "--new", &next];
    let said: Value = serde_json::from_str(&done(&scene.theirs(&url, &words))).unwrap();
    assert_eq!(said["decision"], "done");
    assert!(!scene.theirs(&url, &words).status.success(), "once");
    assert!(!scene.attests(&lost, "by the old key"), "the old key counts no more");
    assert!(scene.attests(&second, "by the new key"));
    // The follower says what is wrong while it has the old key, accuses nobody, and goes on with the new.
    eventually("the change is published", || scene.follow(&url).status.code() == Some(1));
    assert!(!scene.place("mirror/incidents").exists());
    scene.take(&second);
    scene.follows(&url);
    let listed = scene.folder.said(&["party", "key", "list"]);
    let halcyons: Vec<&Value> =
        listed.as_array().unwrap().iter().filter(|key| key["party"] == "halcyon").collect();
    assert_eq!(halcyons.len(), 2);
    assert_eq!(
        (&halcyons[1]["vkey"], &halcyons[1]["counts"]),
        (&Value::from(vkey.clone()), &Value::from(true))
    );
    let changed = scene.served("vkeys-second");
    let report = scene.verified(&[&changed, &first]);
    assert_eq!(report["key_changes"][0]["vkey"], Value::from(vkey));

    // It is lost. The recovery key says so over HTTP, and says nothing else; the other party approves.
    let third = scene.place("third");
    made(&third, "halcyon");
    let (safe, next) = (scene.place("safe/halcyon-recovery.key"), third.to_str().unwrap().to_owned());
    let words = [
        "party",
        "key",
        "recover",
        "--party",
        "halcyon",
        "--recovery",
        safe.to_str().unwrap(),
        "--new",
        &next,
    ];
    let said: Value = serde_json::from_str(&done(&scene.theirs(&url, &words))).unwrap();
    assert_eq!(
        (&said["decision"], &said["missing"][0]),
        (&Value::from("waiting"), &Value::from("northwind"))
    );
    assert!(!scene.attests(&third, "too early"));
    scene.folder.said(&["act", "approve", said["act"].as_str().unwrap(), "--party", "northwind"]);
    assert!(scene.attests(&third, "by the third key"));
    assert!(!scene.attests(&second, "by the one that was lost"));
    scene.take(&third);
    eventually("the recovery is published", || scene.follow(&url).status.success());
    let mended = scene.served("vkeys-third");
    let report = scene.verified(&[&mended, &changed, &first]);
    assert_eq!(report["key_changes"][1]["recovered"], true);
    for served in [&url, &format!("{url}/record")] {
        let said = run(Command::new(BINARY).args(["verify", served, "--vkeys"]).arg(&first));
        assert!(done(&said).contains("of halcyon since entry"), "{said:?}");
    }

    scene.trusts_no_others(&first);

    scene.goes_on_elsewhere(server, &first);
}
