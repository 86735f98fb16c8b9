//! Erasing, from outside: what is gone, what is left, what the record says of it, and a kill before each call to the disk on the way.
//!
//! Not here: what of an old copy of the vault can be read (the vault's own tests).

use crate::doors::error;
use crate::http::{Answer, Client, Request};
use crate::second_verifier;
use crate::server::{BINARY, Folder, MODEL, Server, config, done, run};
use crate::told::say;
use crate::upstream::{Upstream, Used};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

const ANN: &str = "ann.example-4711";
const BOB: &str = "bob.example-0815";
/// The calls before which the command is killed, each at its first time, its second and so on.
const CALLS: [&str; 4] = ["rename", "fsync", "fdatasync", "unlink"];

struct Scene {
    folder: Folder,
    server: Server,
    key: String,
    upstream: Upstream,
}

impl Scene {
    fn set() -> Self {
        let upstream = Upstream::start(Used::Always(40, 60));
        let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
        let server = folder.serve(&[]);
        let key = folder.admit();
        Self { folder, server, key, upstream }
    }

    /// Asks in the name of an end user, with an idempotency key that is theirs.
    fn ask(&self, end_user: Option<&str>, content: &str) -> Answer {
        let mut body = json!({
            "model": MODEL, "max_tokens": 100, "messages": [{ "role": "user", "content": content }],
        });
        if let Some(end_user) = end_user {
            body["user"] = end_user.into();
        }
        self.ask_by(end_user.unwrap_or("nobody"), &body.to_string())
    }

    fn ask_by(&self, idempotency_key: &str, body: &str) -> Answer {
        let by = format!("idempotency-key: {idempotency_key}\r\nauthorization: Bearer ");
        Client::new(self.server.url()).ask(Request::chat(&self.key, body).by_header(&by)).unwrap()
    }

    /// The code with which the same key and other bytes are sent away.
    fn told_apart(&self, end_user: Option<&str>) -> String {
        error(&self.ask(end_user, "Something else."), 400)["code"].as_str().unwrap().to_owned()
    }
}

/// The names of the keys in a vault.
pub(crate) fn names(dir: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(dir.join("vault/keys")).unwrap();
    let name = |line: &str| line.split(' ').take(3).collect::<Vec<_>>().join(" ");
    text.lines().skip(1).map(name).collect()
}

/// Whether any file below a folder has this text in it.
fn holds(dir: &Path, text: &str) -> bool {
    let found = run(Command::new("grep").args(["-rqaF", text]).arg(dir));
    found.status.success()
}

pub(crate) fn erasures(folder: &Folder) -> Vec<Value> {
    let acts = folder.said(&["act", "list"]);
    acts.as_array().unwrap().iter().filter(|act| act["kind"] == "erase").cloned().collect()
}

#[test]
fn an_end_user_is_erased_and_nobody_else_and_the_record_holds_and_names_nobody() {
    let mut scene = Scene::set();
    for end_user in [Some(ANN), Some(BOB), None] {
        assert_eq!(scene.ask(end_user, "Count.").status, 200);
        assert_eq!(scene.told_apart(end_user), "idempotency_key_mismatch");
    }
    let dir = scene.folder.dir.clone();
    let (before, pool) = (names(&dir), scene.folder.pool());
    assert_eq!(before.len(), 3, "one for each end user, and one for those who are not named");
    let wrapping = std::fs::read_to_string(dir.join("keys/vault.wrapping")).unwrap();
    let said = scene.folder.said(&["erase", "--subject", ANN]);
    assert_eq!((&said["decision"], &said["keys"]), (&json!("done"), &json!(1)), "{said}");
    let after = names(&dir);
    assert!(after.len() == 2 && after.is_subset(&before));
    let rewrapped = std::fs::read_to_string(dir.join("keys/vault.wrapping")).unwrap();
    assert!(wrapping != rewrapped && !holds(&dir, wrapping.trim_end()), "the old wrapping key is nowhere");
    let mode = std::fs::metadata(dir.join("keys/vault.wrapping")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The salt opens what the record says, and stands nowhere.
    let salt = said["salt"].as_str().unwrap();
    let opened = record::hash::sha256(
        &[b"countersign/subject/v1\n".as_slice(), &record::hash::from_base64(salt).unwrap(), ANN.as_bytes()]
            .concat(),
    );
    assert_eq!(said["subject"].as_str().unwrap(), record::hash::base64(&opened));
    assert!(!holds(&dir, ANN) && !holds(&dir, BOB) && !holds(&dir, salt));
    for restarted in [false, true] {
        if restarted {
            scene.server.stop();
            scene.server = scene.folder.serve(&[]);
        }
        assert_eq!(scene.told_apart(Some(ANN)), "idempotency_key_used", "nobody can tell any more");
        assert_eq!(scene.told_apart(Some(BOB)), "idempotency_key_mismatch");
        assert_eq!(scene.told_apart(None), "idempotency_key_mismatch");
    }
    let act = &erasures(&scene.folder)[0];
    assert_eq!((&act["state"], &act["about"]), (&json!("done"), &json!("an end user")));
    assert_eq!(scene.folder.pool(), pool, "an erasure moves nothing");
    assert_eq!(scene.upstream.calls(), 3);
    scene.server.stop();
    scene.folder.verified();
    let balances = scene.folder.said(&["balance"]);
    let second = second_verifier::read(&dir.join("record"));
    assert_eq!(second["open"], json!([]));
    assert_eq!(balances.as_array().unwrap().len(), second["balances"].as_array().unwrap().len());
}

#[test]
fn who_asks_in_another_end_users_name_hears_nothing_of_the_first_answer() {
    let scene = Scene::set();
    let body = |end_user: &str| {
        format!(
            r#"{{"model":"{MODEL}","max_tokens":9,"user":"{end_user}","messages":[{{"role":"user","content":"c"}}]}}"#
        )
    };
    assert_eq!(scene.ask_by("one", &body(ANN)).status, 200);
    for _ in 0..2 {
        let told = error(&scene.ask_by("one", &body(BOB)), 400);
        assert_eq!(told["code"], "idempotency_key_mismatch");
    }
    assert_eq!(error(&scene.ask_by("one", &body(ANN)), 400)["code"], "idempotency_key_used");
}

#[test]
fn what_cannot_be_erased_is_told_and_destroys_nothing() {
    let scene = Scene::set();
    scene.ask(Some(ANN), "Count.");
    let before = names(&scene.folder.dir);
    for (words, code, said) in [
        (&["erase"][..], 2, "--before"),
        (&["erase", "--application", "assistant"], 2, "--before"),
        (&["erase", "--application", "asistant", "--subject", ANN], 1, "no application is named `asistant`"),
        (&["erase", "--before", "June"], 1, "`June` is no day such as"),
        (&["erase", "--before", "2026-06-15"], 1, "say `before` with its first day, 2026-06-01"),
        (&["erase", "--before", "2926-06-01"], 1, "nothing can be erased before it is there"),
        (&["erase", "--subject", ""], 1, "`subject` is empty"),
    ] {
        let output = scene.folder.command(words);
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {told}");
        assert!(told.contains(said), "{words:?}: {told}");
    }
    assert_eq!(scene.folder.said(&["erase", "--before", "2020-01-01"])["keys"], 0);
    assert_eq!(names(&scene.folder.dir), before);
    assert!(erasures(&scene.folder).iter().all(|act| act["state"] != "allowed"));
    // The other side's own door is the same one.
    let unsigned = Request::get("/api/acts").by_method("POST");
    let stranger = Client::new(scene.server.url()).ask(unsigned).unwrap();
    assert_eq!(stranger.status, 401);
    scene.server.stop();
    scene.folder.verified();
}

#[test]
fn a_wrapping_key_that_is_not_the_vaults_is_told() {
    let folder = Folder::founded(&config("http://127.0.0.1:9/v1"), str::to_owned);
    folder.admit();
    let key_file = |text: &str| {
        let config = folder.dir.join("countersign.toml");
        let before = std::fs::read_to_string(&config).unwrap();
        crate::server::write(&config, &format!("{before}\n[vault]\nkey_file = \"{text}\"\n"));
        let output = folder.command(&["act", "list"]);
        crate::server::write(&config, &before);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(key_file("vault/wrapping").contains("lies in the vault, and so in every copy of it"));
    let missing = key_file("keys/elsewhere");
    assert!(
        missing.contains("`keys/elsewhere`") || missing.contains("elsewhere` does not hold it"),
        "{missing}"
    );
    let nowhere = key_file("/nowhere/at/all");
    assert!(nowhere.contains("`/nowhere/at`"), "{nowhere}");
}

#[test]
fn an_erasure_that_the_disk_refuses_stays_open_and_is_done_at_the_next_start() {
    let mut scene = Scene::set();
    scene.ask(Some(ANN), "Count.");
    let dir = scene.folder.dir.clone();
    let before = names(&dir);
    // Where the next wrapping key is to lie there is a folder in the way.
    let in_the_way = dir.join("keys/vault.wrapping.next");
    std::fs::create_dir_all(in_the_way.join("full")).unwrap();
    let refused = scene.folder.command(&["erase", "--subject", ANN]);
    let problem: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!((refused.status.code(), &problem["status"]), (Some(1), &json!(503)));
    let act = &erasures(&scene.folder)[0];
    assert!(problem["detail"].as_str().unwrap().contains(act["id"].as_str().unwrap()), "{problem}");
    assert_eq!((&act["state"], names(&dir)), (&json!("allowed"), before));
    assert_eq!(scene.ask(Some(BOB), "Count.").status, 200, "calls go on, with keys of their own");
    std::fs::remove_dir_all(&in_the_way).unwrap();
    scene.server.stop();
    scene.server = scene.folder.serve(&[]);
    assert_eq!(erasures(&scene.folder)[0]["state"], "done");
    assert_eq!(scene.told_apart(Some(ANN)), "idempotency_key_used");
    assert_eq!(scene.told_apart(Some(BOB)), "idempotency_key_mismatch");
    scene.server.stop();
    scene.folder.verified();
}

#[test]
fn a_kill_before_any_call_leaves_an_erasure_undone_or_gone_on_with_and_never_loses_another_key() {
    let scene = Scene::set();
    for end_user in [Some(ANN), Some(BOB), None] {
        assert_eq!(scene.ask(end_user, "Count.").status, 200);
    }
    let Scene { folder, server, .. } = scene;
    server.stop();
    let before = names(&folder.dir);
    let healthy = folder.copied();
    let traced = traced(&healthy, &[]);
    let after = names(&healthy.dir);
    assert_eq!((before.len(), after.len()), (3, 2));
    let mut points = 0;
    let mut cut = BTreeMap::new();
    for call in CALLS {
        for nth in 1..=times(&traced, call) {
            let killed = folder.copied();
            let inject = format!("inject={call}:signal=KILL:when={nth}");
            self::traced(&killed, &["-e", &format!("trace={call}"), "-e", &inject]);
            let held = names(&killed.dir);
            assert!(held == before || held == after, "{call} {nth}: an erasure is whole");
            // The next command goes on with whatever is on the record.
            let erasures = erasures(&killed);
            let states: Vec<_> =
                erasures.iter().map(|act| act["state"].as_str().unwrap().to_owned()).collect();
            let is_decided = states == ["done"];
            assert!(is_decided || states.is_empty(), "{call} {nth}: {states:?}");
            assert_eq!(
                names(&killed.dir),
                if is_decided { after.clone() } else { before.clone() },
                "{call} {nth}"
            );
            let left: Vec<_> = std::fs::read_dir(killed.dir.join("vault"))
                .unwrap()
                .flatten()
                .map(|file| file.file_name())
                .collect();
            assert!(
                left.iter().all(|name| ["keys", "erasing", "erased"].iter().any(|known| name == known)),
                "{call} {nth}: {left:?}"
            );
            assert!(!killed.dir.join("keys/vault.wrapping.next").exists(), "{call} {nth}");
            let notes = std::fs::read_dir(killed.dir.join("vault/erasing")).map_or(0, Iterator::count);
            assert_eq!(notes, 0, "{call} {nth}");
            let again = killed.said(&["erase", "--subject", ANN]);
            assert_eq!(again["keys"], json!(u64::from(!is_decided)), "{call} {nth}");
            assert_eq!(names(&killed.dir), after, "{call} {nth}");
            killed.verified();
            points += 1;
            *cut.entry((is_decided, held == after)).or_insert(0) += 1;
        }
    }
    say(&format!("{points} points; by whether it was decided and whether it had happened: {cut:?}"));
    for reached in [(false, false), (true, false), (true, true)] {
        assert!(cut.contains_key(&reached), "some kill falls between all steps: {cut:?}");
    }
}

/// Erases an end user under `strace`, with these words for it; gives what was traced.
fn traced(folder: &Folder, words: &[&str]) -> String {
    let place = tempfile::tempdir().unwrap();
    let output = place.path().join("calls");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(&output).args(words).arg(BINARY);
    let ended = run(command.args(["erase", "--subject", ANN, "--json", "--dir"]).arg(&folder.dir));
    if words.is_empty() {
        done(&ended);
    }
    String::from_utf8_lossy(&std::fs::read(output).unwrap()).into_owned()
}

/// How often the thread that makes most of these calls makes one.
pub(crate) fn times(traced: &str, call: &str) -> usize {
    let mut by_thread = BTreeMap::new();
    for line in traced.lines() {
        let mut parts = line.split_whitespace();
        let (thread, made) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if made.split('(').next() == Some(call) {
            *by_thread.entry(thread).or_insert(0) += 1;
        }
    }
    by_thread.into_values().max().unwrap_or(0)
}
