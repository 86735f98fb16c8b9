//! What a newcomer does with the examples, with the built-in model and with `curl`, and what the record says of it afterwards.
//!
//! Not here: clients' packages (`clients`), many callers at once (`load`), or a server that dies (`kills`).

use crate::dice::{Dice, seed};
use crate::needs;
use crate::server::{
    Folder, MODEL, PARTIES, POOL, Server, cost, done, eventually, example, minor, verify, write,
};
use serde_json::{Value, json};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A partnership on an example, with the built-in model, as `up` makes it.
struct Scene {
    folder: Folder,
    server: Server,
}

/// An answer as `curl` shows it.
struct Shown {
    status: u16,
    /// Status line and headers.
    head: String,
    body: String,
}

impl Scene {
    fn up(name: &str) -> Self {
        needs::model();
        let folder = Folder::absent();
        let server = folder.serve(&["--example", name]);
        Self { folder, server }
    }

    /// Asks the model by `curl`, with these words to it before the others.
    fn curl(&self, body: &Value) -> Shown {
        let output = Command::new("curl")
            .args([
                "-sS",
                "-i",
                "-N",
                "--max-time",
                "300",
                &format!("{}/chat/completions", self.server.api()),
            ])
            .args(["-H", &format!("authorization: Bearer {}", self.server.key())])
            .args(["-H", "content-type: application/json", "-d", &body.to_string()])
            .output()
            .unwrap();
        Shown::of(&done(&output))
    }

    /// Asks for an answer of at most so many tokens, which ends after a few.
    fn brief(&self, max_tokens: u64) -> Shown {
        self.curl(&json!({
            "model": MODEL, "max_tokens": max_tokens, "temperature": 0, "stop": [" ", "e", "a", "."],
            "messages": [{ "role": "user", "content": "Say yes." }],
        }))
    }

    /// What an account of a tranche holds. Units: minor units.
    fn tranche(&self, account: &str) -> i128 {
        let found = self.folder.account(&format!("commitment:release-tranche:{account}"));
        found.map_or(0, |account| minor(&account["posted_credits"]) - minor(&account["posted_debits"]))
    }
}

impl Shown {
    fn of(said: &str) -> Self {
        let (head, body) = said.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in: {}", self.body))
    }

    fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(header, _)| *header == name).map(|(_, value)| value);
        found.next().unwrap_or_else(|| panic!("no `{name}` in: {}", self.head))
    }

    /// What the answer says was used. Units: tokens of input, tokens of output.
    fn usage(&self) -> (u64, u64) {
        let answer = self.json();
        let tokens = |name: &str| answer["usage"][name].as_u64().unwrap();
        assert_eq!(answer["usage"]["total_tokens"], tokens("prompt_tokens") + tokens("completion_tokens"));
        (tokens("prompt_tokens"), tokens("completion_tokens"))
    }
}

#[test]
fn up_says_where_everything_is_in_one_line() {
    let scene = Scene::up("northwind-halcyon");
    let ready = &scene.server.ready;
    let names = ["url", "api", "record", "dir", "application", "model", "key"];
    assert_eq!(ready.as_object().unwrap().len(), names.len(), "{ready}");
    assert!(names.iter().all(|name| ready[*name].is_string()), "{ready}");
    assert_eq!((&ready["application"], &ready["model"]), (&json!("assistant"), &json!(MODEL)));
    assert_eq!(ready["api"], format!("{}/v1", scene.server.url()));
    assert!(scene.server.key().starts_with("cs_live_"), "{ready}");
    let applications = scene.folder.said(&["app", "list"]);
    let names: Vec<_> = applications.as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["assistant", "search"]);
}

#[test]
fn a_second_start_mints_a_key_only_when_asked() {
    let Scene { folder, server } = Scene::up("northwind-halcyon");
    let first = server.key().to_owned();
    server.stop();
    let server = folder.serve(&[]);
    assert_eq!(server.ready["key"], Value::Null);
    server.stop();
    let scene = Scene { server: folder.serve(&["--new-key"]), folder };
    assert_ne!(scene.server.key(), first);
    assert_eq!(scene.brief(50).status, 200);
}

#[test]
fn an_answer_is_paid_by_what_it_used_and_is_on_the_record() {
    let scene = Scene::up("northwind-halcyon");
    let (before, entries) = (scene.folder.pool(), scene.folder.entries());
    let shown = scene.brief(50);
    assert_eq!(shown.status, 200, "{}", shown.body);
    shown.header("countersign-act");
    shown.header("x-request-id");
    let used = shown.usage();
    assert!(used.0 > 0 && used.1 > 0, "{used:?}");
    assert_eq!(scene.folder.pool(), (before.0 - cost(used), 0), "usage times price, to the unit");
    assert_eq!(scene.folder.entries(), entries + 2, "a decision and a settlement");
    scene.brief(50);
    assert_eq!(scene.folder.entries(), entries + 4, "and so for each one");
    scene.folder.verified();
    scene.server.stop();
    scene.folder.verified();
}

#[test]
fn a_streamed_answer_is_text_in_pieces_and_ends_with_done() {
    let scene = Scene::up("northwind-halcyon");
    let before = scene.folder.pool().0;
    let shown = scene.curl(&json!({
        "model": MODEL, "max_tokens": 12, "stream": true, "stream_options": { "include_usage": true },
        "messages": [{ "role": "user", "content": "Count from one to ten." }],
    }));
    assert_eq!(shown.status, 200, "{}", shown.body);
    shown.header("countersign-act");
    assert!(shown.header("content-type").starts_with("text/event-stream"), "{}", shown.head);
    let mut events: Vec<&str> =
        shown.body.trim_end().split("\n\n").map(|event| event.strip_prefix("data: ").unwrap()).collect();
    assert_eq!(events.pop(), Some("[DONE]"));
    let chunks: Vec<Value> = events.iter().map(|data| serde_json::from_str(data).unwrap()).collect();
    let text: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert!(!text.trim().is_empty(), "{}", shown.body);
    let usage = &chunks.last().unwrap()["usage"];
    let used = (usage["prompt_tokens"].as_u64().unwrap(), usage["completion_tokens"].as_u64().unwrap());
    assert_eq!(before - scene.folder.pool().0, cost(used));
}

#[test]
fn what_is_forbidden_is_refused_in_the_clauses_own_words_and_is_one_entry() {
    let scene = Scene::up("northwind-halcyon");
    let (before, pool, counts) =
        (scene.folder.entries(), scene.folder.pool(), scene.folder.counts("longest-answer"));
    let shown = scene.brief(1200);
    assert_eq!(shown.status, 403, "{}", shown.body);
    let error = shown.json()["error"].clone();
    assert_eq!((&error["code"], &error["type"]), (&json!("longest-answer"), &json!("permission_denied")));
    assert_eq!(error["param"], Value::Null);
    let message = error["message"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    let prose = "No call may ask for an answer of more than one thousand tokens.";
    assert!(message.contains(prose), "{message}");
    shown.header("countersign-act");
    shown.header("x-request-id");
    assert_eq!(scene.folder.entries(), before + 1);
    assert_eq!(scene.folder.counts("longest-answer"), (counts.0 + 1, counts.1));
    assert_eq!(scene.folder.pool(), pool, "a refusal costs nothing");
}

#[test]
fn what_is_only_spoken_against_is_answered_and_noted() {
    let scene = Scene::up("northwind-halcyon");
    let counts = scene.folder.counts("brief-answers");
    assert_eq!(scene.brief(400).status, 200);
    assert_eq!(scene.folder.counts("brief-answers"), counts, "four hundred is as intended");
    assert_eq!(scene.brief(500).status, 200);
    assert_eq!(scene.folder.counts("brief-answers"), (counts.0, counts.1 + 1));
}

#[test]
fn a_milestone_is_booked_once_and_only_when_both_have_attested_it() {
    let scene = Scene::up("northwind-halcyon");
    attest(&scene, PARTIES[0]);
    assert_eq!(
        (scene.tranche("undrawn"), scene.tranche("drawn")),
        (75_000_000, 0),
        "one party books nothing"
    );
    attest(&scene, PARTIES[1]);
    eventually("the tranche is booked", || scene.tranche("drawn") != 0);
    let again = scene.folder.command(&attesting(&scene, PARTIES[1]).each_ref().map(String::as_str));
    assert_eq!(again.status.code(), Some(1), "what is attested is not attested twice");
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!((scene.tranche("undrawn"), scene.tranche("drawn")), (0, 75_000_000), "once, and no more");
    scene.server.stop();
    scene.folder.verified();
}

fn attest(scene: &Scene, party: &str) {
    scene.folder.said(&attesting(scene, party).each_ref().map(String::as_str));
}

/// The command by which a party attests the release, over the same evidence as the other.
fn attesting(scene: &Scene, party: &str) -> [String; 7] {
    let evidence = scene.folder.dir.with_file_name("evidence.txt");
    write(&evidence, "The first jointly trained model is offered to customers of both.\n");
    let evidence = evidence.to_str().unwrap();
    ["fund", "attest", "release-tranche", "--party", party, "--evidence", evidence].map(str::to_owned)
}

#[test]
fn an_amendment_is_in_force_when_both_have_signed_it() {
    let scene = Scene::up("northwind-halcyon");
    let before = scene.folder.pool().0;
    sign_amendment(&scene, PARTIES[1]);
    let status = scene.folder.status();
    assert_eq!(status["version"], 1, "one party's signature changes nothing");
    assert_eq!(status["waiting"].as_array().unwrap().len(), 1, "{status}");
    assert_eq!(status["waiting"][0]["missing"], json!([PARTIES[0]]), "{status}");
    sign_amendment(&scene, PARTIES[0]);
    eventually("version 2 is in force", || scene.folder.status()["version"] == 2);
    assert_eq!(scene.folder.status()["waiting"], json!([]));
    assert_eq!(scene.folder.pool().0 - before, 500_000_000_000, "the grant is raised by half");
    assert_eq!(scene.brief(50).status, 200, "and calls go on");
    scene.server.stop();
    assert_eq!(scene.folder.verified()["memorandum"]["version"], 2);
}

fn sign_amendment(scene: &Scene, party: &str) {
    let file = example("northwind-halcyon/amendment-2.md");
    scene.folder.said(&["memo", "sign", file.to_str().unwrap(), "--party", party]);
}

#[test]
fn a_receipt_proves_its_act_without_the_server_and_no_other() {
    let scene = Scene::up("northwind-halcyon");
    let act = scene.brief(50).header("countersign-act").to_owned();
    let receipt = scene.folder.told(&["receipt", "show", &act]);
    assert!(receipt.starts_with("c2sp.org/tlog-proof@v1\n"), "{receipt}");
    let Scene { folder, server } = scene;
    server.stop();
    let (file, vkeys) = (folder.dir.with_file_name("receipt"), folder.dir.join("record/vkeys"));
    let verify =
        || folder.command(&["receipt", "verify", file.to_str().unwrap(), "--vkeys", vkeys.to_str().unwrap()]);
    write(&file, &receipt);
    let said = done(&verify());
    assert!(said.contains(&act), "it shows which act it is of: {said}");
    let index = receipt.lines().find(|line| line.starts_with("index ")).unwrap();
    let elsewhere = format!("index {}", index[6..].parse::<u64>().unwrap() - 1);
    write(&file, &receipt.replacen(index, &elsewhere, 1));
    assert_eq!(verify().status.code(), Some(1), "it proves no other entry");
}

#[test]
fn the_record_of_a_journey_is_read_alike_by_two_verifiers_and_no_bit_of_it_can_change() {
    let seed = seed();
    println!("seed {seed}");
    let scene = Scene::up("northwind-halcyon");
    assert_eq!((scene.brief(50).status, scene.brief(1200).status), (200, 403));
    PARTIES.iter().for_each(|party| attest(&scene, party));
    PARTIES.iter().for_each(|party| sign_amendment(&scene, party));
    eventually("version 2 is in force", || scene.folder.status()["version"] == 2);
    assert_eq!(scene.brief(500).status, 200);
    let live = scene.folder.said(&["balance"]);
    let Scene { folder, server } = scene;
    server.stop();
    let verified = folder.verified();
    assert_eq!(verified["balances"], live, "the books replayed are the books that were live");
    agrees(&second_verifier(&folder.dir.join("record")), &verified);
    every_flipped_bit_is_found(&folder, &mut Dice::new(seed));
}

/// What the verifier in Python says of a record.
fn second_verifier(record: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/verifier/verify.py");
    let output = Command::new(needs::python()).arg(script).arg(record).output().unwrap();
    serde_json::from_str(&done(&output)).unwrap()
}

/// Both say the same of every account, and of all that there is.
fn agrees(second: &Value, first: &Value) {
    let lines = |said: &Value, amount: &dyn Fn(&Value, &str) -> i128, sums: [&str; 3]| -> Vec<Value> {
        let of = |line: &Value| {
            json!([line["name"], line["asset"], sums.map(|sum| amount(line, sum).to_string())])
        };
        said["balances"].as_array().unwrap().iter().map(of).collect()
    };
    let in_units = |line: &Value, sum: &str| line[sum].as_str().unwrap().parse().unwrap();
    let in_money = |line: &Value, sum: &str| minor(&line[sum]);
    let second_lines = lines(second, &in_units, ["debits_posted", "credits_posted", "debits_pending"]);
    let first_lines = lines(first, &in_money, ["posted_debits", "posted_credits", "pending"]);
    assert_eq!(second_lines, first_lines);
    assert!(first_lines.len() > 8, "{first_lines:?}");
    for what in ["origin", "entries", "open"] {
        assert_eq!(second[what], first[what], "{what}");
    }
}

/// Flips one bit of each file in turn, somewhere in it, in a copy.
fn every_flipped_bit_is_found(folder: &Folder, dice: &mut Dice) {
    let copy = folder.dir.with_file_name("copy");
    let files = copied(&folder.dir.join("record"), &copy.join("record"));
    assert!(files.len() > 8, "{files:?}");
    assert!(verify(&copy, &[]).status.success(), "the copy is sound");
    for file in &files {
        let (at, bit) = (dice.below(std::fs::metadata(file).unwrap().len()), dice.below(8));
        flip(file, at, 1 << bit);
        let output = verify(&copy, &[]);
        let name = file.strip_prefix(copy.join("record")).unwrap().to_str().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "bit {bit} of byte {at} of {name} is not seen: {said}");
        let place = [name, "entry "].iter().any(|place| said.contains(place))
            || (name.starts_with("journal/") && said.contains("journal/"));
        assert!(place, "bit {bit} of byte {at} of {name} is seen, but not where: {said}");
        flip(file, at, 1 << bit);
    }
    assert!(verify(&copy, &[]).status.success(), "every bit is back in its place");
}

/// Copies a folder, and gives the copies of all files that are not empty.
fn copied(from: &Path, to: &Path) -> Vec<PathBuf> {
    std::fs::create_dir_all(to).unwrap();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            files.extend(copied(&entry.path(), &target));
        } else if std::fs::copy(entry.path(), &target).unwrap() > 0 {
            files.push(target);
        }
    }
    files.sort();
    files
}

fn flip(file: &Path, at: u64, mask: u8) {
    let handle = std::fs::OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    handle.read_exact_at(&mut byte, at).unwrap();
    handle.write_all_at(&[byte[0] ^ mask], at).unwrap();
}

#[test]
fn the_articles_memorandum_refuses_nothing_and_moves_nothing() {
    let scene = Scene::up("microsoft-openai");
    let counts = scene.folder.counts("azure");
    for max_tokens in [50, 1200] {
        let shown = scene.brief(max_tokens);
        assert_eq!(shown.status, 200, "{}", shown.body);
    }
    assert_eq!(
        scene.folder.counts("azure"),
        (0, counts.1 + 2),
        "each call is without a price that was agreed"
    );
    let status = scene.folder.status();
    let refusing: Vec<_> =
        status["clauses"].as_array().unwrap().iter().filter(|one| one["refused"] != 0).collect();
    assert!(refusing.is_empty(), "{refusing:?}");
    let moved = |account: &&Value| {
        ["posted_debits", "posted_credits", "pending"].iter().any(|sum| minor(&account[*sum]) != 0)
    };
    let balances = scene.folder.said(&["balance"]);
    let money: Vec<_> = balances.as_array().unwrap().iter().filter(moved).collect();
    let memos = |account: &&Value| account["name"].as_str().unwrap().starts_with("memo:");
    assert!(money.iter().all(memos), "money moved: {money:?}");
    assert!(scene.folder.account(POOL).is_none(), "there is no grant");
    scene.server.stop();
    assert_eq!(scene.folder.verified()["acts"]["refused"], 0);
}
