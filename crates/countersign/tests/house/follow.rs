//! The other party's follower, as its owner runs it: beside an operator that is honest, that goes on elsewhere, and that lies.
//!
//! Not here: what a mirror takes and leaves (`record`), or how a settlement is priced again (`cmd/follow`).

use crate::http::{Client, Request};
use crate::server::{BINARY, Folder, PARTIES, Server, config, done, eventually, run, write};
use crate::told::chat;
use crate::upstream::{Upstream, Used};
use record::cosignature::{Cosigned, CosignerKey, attach};
use record::note::{Signer, Verifier};
use record::store::directory::Directory;
use record::{AddCheckpoint, Checkpoint, Store as _};
use serde_json::Value;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// An operator that serves, and the other party's place with its key alone.
struct Scene {
    folder: Folder,
    key: String,
    theirs: TempDir,
    _upstream: Upstream,
}

impl Scene {
    fn set() -> (Self, Server) {
        let upstream = Upstream::start(Used::AtMost(40, 60));
        let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
        let server = folder.serve(&[]);
        let key = folder.admit();
        let theirs = tempfile::tempdir().unwrap();
        let keys = theirs.path().join("keys");
        std::fs::create_dir(&keys).unwrap();
        std::fs::copy(folder.dir.join("keys/halcyon.key"), keys.join("halcyon.key")).unwrap();
        (Self { folder, key, theirs, _upstream: upstream }, server)
    }

    fn call(&self, server: &Server, times: u32) -> String {
        let mut client = Client::new(server.url());
        let mut act = String::new();
        for _ in 0..times {
            let answer = client.ask(Request::chat(&self.key, &chat(100, false))).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            act = answer.headers.value("countersign-act").unwrap().to_owned();
        }
        act
    }

    fn mirror(&self) -> PathBuf {
        self.theirs.path().join("mirror")
    }

    fn command(&self, url: &str, words: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.arg("follow").arg(url).args(["--party", "halcyon", "--json", "--every", "100"]).args(words);
        command.arg("--keys").arg(self.theirs.path().join("keys")).arg("--dir").arg(self.mirror());
        command
    }

    fn once(&self, url: &str) -> Output {
        run(self.command(url, &["--once"]).arg("--policies"))
    }

    /// Follows once, which is to go well, and gives the size that was cosigned.
    fn cosigned(&self, url: &str) -> u64 {
        let said = done(&self.once(url));
        let line: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
        assert_eq!(line["cosigned"], true);
        line["size"].as_u64().unwrap()
    }

    /// Follows once, which is to find something, and gives what was found.
    fn found(&self, url: &str) -> String {
        let output = self.once(url);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said["cosigned"], false);
        let report = std::fs::read_to_string(said["report"].as_str().unwrap()).unwrap();
        let fault = said["fault"].as_str().unwrap();
        assert!(
            report.contains(fault) && report.contains("\n— northwind-halcyon.example/record/halcyon "),
            "{report}"
        );
        format!("{}: {fault}", said["place"].as_str().unwrap())
    }

    fn witnesses(server: &Server) -> Vec<Value> {
        let said = Client::new(server.url()).ask(Request::get("/api/witnesses")).unwrap().json();
        said.as_array().unwrap().clone()
    }

    /// The keys that a stranger is given to check receipts with.
    fn vkeys(&self, words: &[&str]) -> PathBuf {
        let log = std::fs::read_to_string(self.folder.dir.join("keys/log.vkey")).unwrap();
        let theirs = |word: &&str| {
            std::fs::read_to_string(self.theirs.path().join(format!("keys/{word}.vkey"))).unwrap()
        };
        let path = self.theirs.path().join(format!("vkeys-{}", words.concat()));
        write(&path, &(log + &words.iter().map(theirs).collect::<String>()));
        path
    }

    fn receipt(&self, act: &str, vkeys: &Path) -> Output {
        let text = self.folder.told(&["receipt", "show", act, "--policy", "cosigned"]);
        let file = self.theirs.path().join("receipt");
        write(&file, &text);
        run(Command::new(BINARY).args(["receipt", "verify"]).arg(file).arg("--keys").arg(vkeys).arg("--json"))
    }
}

/// A follower that goes on until it is dropped.
struct Follower(Child);

impl Follower {
    fn start(scene: &Scene, server: &Server, words: &[&str]) -> Self {
        let mut command = scene.command(server.url(), words);
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn what_the_other_party_has_replayed_it_cosigns_and_a_receipt_under_it_holds_offline() {
    let (scene, server) = Scene::set();
    let act = scene.call(&server, 5);
    let refused = {
        let body = chat(100, false)
            .replace("What is a ledger?", "x")
            .replace("\"max_tokens\":100", "\"max_tokens\":100000000");
        let answer = Client::new(server.url()).ask(Request::chat(&scene.key, &body)).unwrap();
        assert!(answer.status == 403 || answer.status == 429, "{}", answer.text());
        answer.headers.value("countersign-act").unwrap().to_owned()
    };
    assert!(Scene::witnesses(&server).is_empty());
    scene.cosigned(server.url());
    // Its own keys are on the record by now, and the checkpoint that has them is cosigned too.
    eventually("the record is cosigned to its end", || {
        let size = scene.cosigned(server.url());
        size == scene.folder.entries()
    });
    let size = scene.folder.entries();
    let witnesses = Scene::witnesses(&server);
    assert_eq!(witnesses.len(), 2);
    for key in &witnesses {
        assert_eq!((&key["size"], &key["missing"]), (&size.into(), &false.into()), "{key}");
    }
    let text = std::fs::read_to_string(scene.folder.dir.join("record/cosigned")).unwrap();
    assert!(text.starts_with(&format!("northwind-halcyon.example/record\n{size}\n")), "{text}");
    for (words, by) in [(&["w1", "w2"][..], 2), (&["w2"], 1), (&[], 0)] {
        for act in [&act, &refused] {
            let said: Value = serde_json::from_str(&done(&scene.receipt(act, &scene.vkeys(words)))).unwrap();
            assert_eq!(said["cosigned_by"].as_array().unwrap().len(), by, "{said}");
            assert_eq!(said["shown"]["act"]["id"], act.as_str());
        }
    }
    // Under the log's word alone, a receipt does not do for whoever asks for more.
    let newer = scene.call(&server, 1);
    eventually("there is a receipt", || {
        let receipt =
            run(Command::new(BINARY).args(["receipt", "show", &newer, "--dir"]).arg(&scene.folder.dir));
        let file = scene.theirs.path().join("newer");
        write(&file, &String::from_utf8_lossy(&receipt.stdout));
        let verified = run(Command::new(BINARY)
            .args(["receipt", "verify"])
            .arg(&file)
            .arg("--keys")
            .arg(scene.vkeys(&["w1", "w2"])));
        String::from_utf8_lossy(&verified.stderr)
            .contains("is not cosigned by `northwind-halcyon.example/record/halcyon/w2`")
    });
    server.stop();
    scene.folder.verified();
    done(&crate::server::verify(&scene.mirror(), &[]));
    crate::second_verifier::holds(&scene.folder.dir.join("record"));
    crate::second_verifier::holds(&scene.mirror().join("record"));
}

#[test]
fn from_the_mirror_the_partnership_goes_on_elsewhere() {
    let (scene, server) = Scene::set();
    scene.call(&server, 300);
    scene.cosigned(server.url());
    eventually("all is held", || scene.cosigned(server.url()) == scene.folder.entries());
    let balance = scene.folder.pool();
    server.stop();
    let mirror = scene.mirror();
    for name in ["keys", "countersign.toml"] {
        let copied = run(Command::new("cp").arg("-a").arg(scene.folder.dir.join(name)).arg(&mirror));
        assert!(copied.status.success(), "{copied:?}");
    }
    let elsewhere = Server::by(Server::command(&mirror, &[]));
    let answer = Client::new(elsewhere.url()).ask(Request::chat(&scene.key, &chat(100, false))).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let said = run(Command::new(BINARY).args(["balance", "--json", "--dir"]).arg(&mirror));
    let accounts: Value = serde_json::from_str(&done(&said)).unwrap();
    let left = accounts.as_array().unwrap().iter().find(|line| line["name"] == crate::server::POOL).unwrap();
    let spent = balance.0 - crate::server::minor(&left["available"]);
    assert!((1..1_000_000).contains(&spent), "one call more than the first server had: {spent}");
    elsewhere.stop();
    done(&crate::server::verify(&mirror, &[]));
}

#[test]
fn a_follower_that_stops_is_missed_within_a_minute_and_one_that_comes_back_goes_on() {
    let (scene, server) = Scene::set();
    let missing = |expected: u64| {
        let text = Client::new(server.url()).ask(Request::get("/metrics")).unwrap().text();
        let gauge = "countersign_cosignature_missing{key=\"northwind-halcyon.example/record/halcyon/w2\"} ";
        text.lines().any(|line| line.strip_prefix(gauge) == Some(expected.to_string().as_str()))
    };
    let follower = Follower::start(&scene, &server, &[]);
    scene.call(&server, 3);
    eventually("it is cosigned to the end", || {
        missing(0) && Scene::witnesses(&server).iter().any(|key| key["size"] == scene.folder.entries())
    });
    drop(follower);
    scene.call(&server, 3);
    eventually("its cosignature is missed", || missing(1));
    eventually("the operator is told", || server.said().contains("are not cosigned"));
    let page = Client::new(server.url()).ask(Request::get("/")).unwrap().text();
    assert!(page.contains("cosignature missing"), "{page}");
    let follower = Follower::start(&scene, &server, &[]);
    eventually("it is back", || missing(0));
    drop(follower);
    server.stop();
}

#[test]
fn an_operator_with_two_histories_gets_one_of_them_cosigned() {
    let (scene, server) = Scene::set();
    scene.call(&server, 3);
    scene.cosigned(server.url());
    eventually("all is held", || scene.cosigned(server.url()) == scene.folder.entries());
    server.stop();
    // The operator goes on in two folders, each with the log's key.
    let (early, other) = (scene.folder.copied(), scene.folder.copied());
    let (first, second) = (scene.folder.serve(&[]), other.serve(&[]));
    scene.call(&first, 4);
    scene.call(&second, 9);
    eventually("the first is cosigned", || scene.cosigned(first.url()) == scene.folder.entries());
    eventually("the second is published", || {
        let text = Client::new(second.url()).ask(Request::get("/record/checkpoint")).unwrap().text();
        text.lines().nth(1) == Some(other.entries().to_string().as_str())
    });
    let found = scene.found(second.url());
    assert!(found.starts_with("checkpoint: ") && found.contains("may have been rewritten"), "{found}");
    assert!(Scene::witnesses(&second).iter().all(|key| key["size"].as_u64().unwrap() < other.entries()));
    first.stop();
    second.stop();
    // One that goes back to an older copy of its folder is found as well.
    let back = early.serve(&[]);
    let found = scene.found(back.url());
    assert!(found.contains("was cosigned before"), "{found}");
    back.stop();
}

#[test]
fn only_a_party_follows_and_only_with_its_own_keys() {
    let (scene, server) = Scene::set();
    let keys = scene.theirs.path().join("keys");
    let refused = |party: &str| {
        let mut command = Command::new(BINARY);
        command.args(["follow", server.url(), "--party", party, "--once", "--keys"]).arg(&keys);
        let output = run(command.arg("--dir").arg(scene.mirror()));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    std::fs::copy(keys.join("halcyon.key"), keys.join("northwind.key")).unwrap();
    assert!(refused(PARTIES[0]).contains("is of `northwind-halcyon.example/record/halcyon`"));
    assert!(refused("nobody").contains("cannot be read"));
    // What nobody may cosign is not taken.
    let checkpoint = std::fs::read_to_string(scene.folder.dir.join("record/checkpoint"));
    eventually("there is a checkpoint", || {
        checkpoint.is_ok() || scene.folder.dir.join("record/checkpoint").is_file()
    });
    let checkpoint = std::fs::read_to_string(scene.folder.dir.join("record/checkpoint")).unwrap();
    for body in [checkpoint.as_str(), "", "x\n\ny\n"] {
        let answer = Client::new(server.url()).ask(Request::post("/record/cosign", body)).unwrap();
        assert_eq!(answer.status, 422, "{}", answer.text());
    }
    server.stop();
}

#[test]
fn a_follower_is_a_witness_that_others_can_ask() {
    let (scene, server) = Scene::set();
    scene.call(&server, 150);
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let follower = Follower::start(&scene, &server, &["--listen", &address]);
    eventually("all of it is cosigned", || {
        let entries = scene.folder.entries();
        Scene::witnesses(&server).iter().filter(|key| key["size"] == entries).count() == 2
    });
    let store = Directory::new(scene.folder.dir.join("record"));
    let signed = store.read("checkpoint").unwrap().unwrap();
    let size = scene.folder.entries();
    let url = format!("http://{address}");
    let ask = |body: &[u8]| {
        let body = std::str::from_utf8(body).unwrap();
        Client::new(&url).ask(Request::post("/add-checkpoint", body)).unwrap()
    };
    let from = |old: u64| AddCheckpoint::of(&store, &signed, size, old).unwrap().unwrap().encode();
    for old in [0, 1, size - 1] {
        let stale = ask(&from(old));
        assert_eq!((stale.status, stale.text()), (409, format!("{size}\n")), "it has cosigned a newer one");
        assert_eq!(stale.headers.value("content-type"), Some("text/x.tlog.size"));
    }
    let again = ask(&from(size));
    assert_eq!(again.status, 200, "{}", again.text());
    let log =
        Verifier::parse(std::fs::read_to_string(scene.folder.dir.join("keys/log.vkey")).unwrap().trim())
            .unwrap();
    let w1 = std::fs::read_to_string(scene.theirs.path().join("keys/w1.vkey")).unwrap();
    let w1 = CosignerKey::parse(w1.trim()).unwrap();
    let cosigned = attach(&signed, &again.body, &[&log], std::slice::from_ref(&w1)).unwrap();
    assert!(Cosigned::open(&cosigned, &[&log], std::slice::from_ref(&w1)).unwrap().is_by(&w1));
    // As a mirror it shows what it holds, with its word for it.
    let name = record::hash::hex(&record::hash::sha256(log.name().as_bytes()));
    let mirrored = |path: &str| Client::new(&url).ask(Request::get(&format!("/mirror/{path}"))).unwrap();
    let shown = mirrored(&format!("{name}/checkpoint"));
    let w2 = std::fs::read_to_string(scene.theirs.path().join("keys/w2.vkey")).unwrap();
    let w2 = CosignerKey::parse(w2.trim()).unwrap();
    let opened = Cosigned::open(&shown.body, &[&log], std::slice::from_ref(&w2)).unwrap();
    assert!(opened.is_by(&w2) && opened.checkpoint.size == size);
    assert_eq!(mirrored(&format!("{name}/tile/0/000")).status, 200);
    for path in [format!("{name}/parties/entries/000"), format!("{}/checkpoint", "0".repeat(64))] {
        assert_eq!(mirrored(&path).status, 404, "{path}");
    }
    // Another log, another key of this log, no request at all.
    let head = Checkpoint::open(&signed, &log).unwrap();
    let sign = |name: &str| {
        let signer = Signer::generate(name, [9; 32]).unwrap();
        let head = Checkpoint { origin: name.to_owned(), ..head.clone() };
        AddCheckpoint { old: size, proof: Vec::new(), checkpoint: head.sign(&signer).unwrap() }.encode()
    };
    for (body, status) in [(sign("other.example"), 404), (sign(log.name()), 403), (b"x".to_vec(), 400)] {
        assert_eq!(ask(&body).status, status);
    }
    for (path, status) in [
        ("/checkpoint", 200),
        ("/vkeys", 200),
        ("/tile/0/000", 200),
        ("/tile/entries/000", 404),
        ("/parties/entries/000", 404),
        ("/witness", 404),
    ] {
        assert_eq!(Client::new(&url).ask(Request::get(path)).unwrap().status, status, "{path}");
    }
    drop(follower);
    server.stop();
}
