//! Keys that give way to others, through the built binary: who may say so, and that whoever has the old ones, or the new, goes on
//! verifying, following and holding receipts.
//!
//! Not here: each forgery of such an act (`partnership`, `cmd/verify/tests`).

use crate::http::{Client, Request};
use crate::second_verifier;
use crate::server::{BINARY, Folder, Server, config, done, eventually, run, verify, write};
use crate::told::chat;
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

    /// The files of the log's keys as a change leaves them that was cut off before they had their names.
    fn folder_is_cut_off(&self, was: &str) {
        let keys = self.folder.dir.join("keys");
        let former = std::fs::read_dir(&keys).unwrap().map(|file| file.unwrap().path());
        let id = was.split('+').nth(1).unwrap().to_owned();
        let former: Vec<PathBuf> =
            former.filter(|path| path.to_str().unwrap().contains(&format!("log-former-{id}."))).collect();
        assert_eq!(former.len(), 2);
        for path in former {
            let end = path.extension().unwrap().to_str().unwrap().to_owned();
            for (from, to) in [
                (keys.join(format!("log.{end}")), keys.join(format!("log-next.{end}"))),
                (path, keys.join(format!("log.{end}"))),
            ] {
                assert!(run(Command::new("mv").arg(from).arg(to)).status.success());
            }
        }
    }

    /// A copy and the mirror hold, and the mirror goes on elsewhere, with the keys.
    fn goes_on_elsewhere_from(&self, places: &[&PathBuf; 2], old: &Path, key: &str) {
        let [_, mirror] = places;
        for place in places {
            done(&verify(place, &["--vkeys", old.to_str().unwrap()]));
            second_verifier::holds(&place.join("record"));
        }
        for name in ["keys", "countersign.toml"] {
            assert!(
                run(Command::new("cp").arg("-a").arg(self.folder.dir.join(name)).arg(mirror))
                    .status
                    .success()
            );
        }
        let elsewhere = Server::by(Server::command(mirror, &[]));
        self.call(&elsewhere, key);
        elsewhere.stop();
        done(&verify(mirror, &["--vkeys", old.to_str().unwrap()]));
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

impl Scene {
    /// One call, and its act.
    fn call(&self, server: &Server, key: &str) -> String {
        let answer = Client::new(server.url()).ask(Request::chat(key, &chat(100, false))).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.headers.value("countersign-act").unwrap().to_owned()
    }

    /// The receipt of an act, in a file of its own.
    fn receipt(&self, act: &str, policy: &str) -> PathBuf {
        let path = self.place(&format!("{act}-{policy}"));
        write(&path, &self.folder.told(&["receipt", "show", act, "--policy", policy]));
        path
    }

    /// Follows until all that is there is held and cosigned.
    fn holds_all(&self, url: &str) {
        eventually("all is held", || {
            let said = done(&self.follow(url));
            let line: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
            line["size"].as_u64() == Some(self.folder.entries())
        });
    }

    /// Goes on in another folder, with the record as the follower has it, and without the key of the log.
    fn loses_its_machine(&mut self) {
        let anew = self.place("anew");
        let copy = |from: &Path, to: &Path| {
            assert!(run(Command::new("cp").arg("-a").arg(from).arg(to)).status.success(), "{from:?}");
        };
        copy(&self.place("mirror"), &anew);
        for name in ["keys", "countersign.toml"] {
            copy(&self.folder.dir.join(name), &anew);
        }
        for end in ["key", "vkey"] {
            std::fs::remove_file(anew.join(format!("keys/log.{end}"))).unwrap();
        }
        std::fs::remove_dir_all(&self.folder.dir).unwrap();
        self.folder.dir = anew;
    }

    /// Verifies by the entries, from what was saved or for what is to be.
    fn goes_on(&self, words: &[&str]) {
        done(&run(Command::new(BINARY).arg("verify").arg(&self.folder.dir).args(words)));
    }

    /// Follows with these keys besides those that it knows.
    fn follows_by(&self, url: &str, vkeys: &Path) {
        let mut command = Command::new(BINARY);
        command.args(["follow", url, "--party", "halcyon", "--json", "--once", "--vkeys"]).arg(vkeys);
        done(&run(command.arg("--keys").arg(self.place("keys")).arg("--dir").arg(self.place("mirror"))));
    }
}

/// The keys of the log in a file.
fn log_keys(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().filter(|line| line.starts_with(&format!("{ORIGIN}+"))).map(str::to_owned).collect()
}

/// Whether a receipt holds by these keys, offline.
fn receipt_holds(file: &Path, vkeys: &Path) -> bool {
    let mut command = Command::new(BINARY);
    run(command.args(["receipt", "verify"]).arg(file).arg("--keys").arg(vkeys)).status.success()
}

#[test]
fn the_logs_key_gives_way_while_it_serves_and_all_who_verify_follow_and_hold_receipts_go_on() {
    let (scene, server) = Scene::set();
    let (url, key) = (server.url().to_owned(), scene.folder.admit());
    let before = scene.call(&server, &key);
    scene.holds_all(&url);
    let old = scene.served("vkeys-old");
    let saved = scene.place("saved").to_str().unwrap().to_owned();
    scene.goes_on(&["--save", &saved]);
    let receipts_before = [scene.receipt(&before, "log"), scene.receipt(&before, "cosigned")];

    let by = ["--party", "northwind"];
    let change = ["log", "key", "change"].into_iter().chain(by).collect::<Vec<_>>();
    assert_eq!(scene.folder.said(&change)["decision"], "done");
    let after = scene.call(&server, &key);
    scene.holds_all(&url);
    let new = scene.served("vkeys-new");
    assert_eq!((log_keys(&old).len(), log_keys(&new).len()), (1, 2));
    let newest = scene.place("vkeys-newest");
    write(&newest, &std::fs::read_to_string(&new).unwrap().replace(&format!("{}\n", log_keys(&old)[0]), ""));
    let receipts_after = [scene.receipt(&after, "log"), scene.receipt(&after, "cosigned")];
    for receipt in &receipts_before {
        assert!(receipt_holds(receipt, &old) && receipt_holds(receipt, &new), "{receipt:?}");
        assert!(!receipt_holds(receipt, &newest), "who knows only the next key cannot tell");
    }
    for receipt in &receipts_after {
        assert!([&old, &new, &newest].iter().all(|vkeys| receipt_holds(receipt, vkeys)), "{receipt:?}");
        // Without the handover in it, the old key says nothing of it.
        let text = std::fs::read_to_string(receipt).unwrap();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\n"), "{text}");
    }
    let report = scene.verified(&[&newest, &new, &old]);
    assert_eq!(report["log_key_changes"][0]["recovered"], false);
    for given in [&old, &newest] {
        done(&run(Command::new(BINARY).args(["verify", &url, "--vkeys"]).arg(given)));
    }
    // What was saved before the change leads on over it, and is believed no more than the keys are.
    for given in [&old, &new, &newest] {
        scene.goes_on(&["--from", &saved, "--vkeys", given.to_str().unwrap()]);
    }
    let stranger = scene.place("vkeys-stranger");
    let other = made(&scene.place("other"), "northwind");
    write(&stranger, &std::fs::read_to_string(&old).unwrap().replace(&log_keys(&old)[0], &other));
    assert_eq!(verify(&scene.folder.dir, &["--vkeys", stranger.to_str().unwrap()]).status.code(), Some(1));

    // Once more, and cut off before the files have their names: the next start has both keys.
    assert_eq!(scene.folder.said(&change)["decision"], "done");
    scene.call(&server, &key);
    server.stop();
    scene.folder_is_cut_off(&log_keys(&new)[1]);
    let server = scene.folder.serve(&[]);
    scene.call(&server, &key);
    assert_eq!(scene.folder.said(&change)["decision"], "done", "it is only finished, and not done again");
    scene.holds_all(server.url());
    assert_eq!(log_keys(&scene.served("vkeys-third")).len(), 3);
    server.stop();
    scene.verified(&[&old, &new, &newest]);
    scene.goes_on(&["--from", &saved, "--save", &saved]);
    scene.goes_on(&["--from", &saved, "--vkeys", old.to_str().unwrap()]);
    let copy = scene.place("copy");
    done(&run(Command::new(BINARY)
        .arg("backup")
        .arg(&copy)
        .arg("--with-keys")
        .arg("--dir")
        .arg(&scene.folder.dir)));

    scene.goes_on_elsewhere_from(&[&copy, &scene.place("mirror")], &old, &key);
}

#[test]
fn a_log_whose_key_is_lost_goes_on_when_the_other_party_approves_and_not_before() {
    let (mut scene, server) = Scene::set();
    let key = scene.folder.admit();
    scene.call(&server, &key);
    scene.holds_all(server.url());
    server.stop();
    let old = scene.served("vkeys-old");
    scene.loses_its_machine();
    let recover = ["log", "key", "recover", "--party", "northwind"];
    let said = scene.folder.said(&recover);
    assert_eq!((&said["decision"], &said["missing"][0]), (&Value::from("waiting"), &Value::from("halcyon")));
    let refused = run(Command::new(BINARY).arg("up").arg(&scene.folder.dir));
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("countersign log key recover"), "{refused:?}");
    let keys = scene.place("keys");
    let approve = [
        "act",
        "approve",
        said["act"].as_str().unwrap(),
        "--party",
        "halcyon",
        "--keys",
        keys.to_str().unwrap(),
    ];
    scene.folder.said(&approve);
    assert_eq!(scene.folder.said(&recover)["decision"], "done");
    let server = scene.folder.serve(&[]);
    scene.call(&server, &key);
    let new = scene.place("vkeys-new");
    eventually("the next key is served", || log_keys(&scene.served("vkeys-new")).len() == 2);
    // A follower does not believe a key that nobody handed over to, until its owner says so.
    assert_eq!(scene.follow(server.url()).status.code(), Some(1));
    scene.follows_by(server.url(), &new);
    scene.follows(server.url());
    server.stop();
    let report = scene.verified(&[&new, &old]);
    assert_eq!(report["log_key_changes"][0]["recovered"], true);
}
