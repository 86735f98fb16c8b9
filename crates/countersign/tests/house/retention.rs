//! Retention, from outside: what is due is erased on its day, by the clerk and by nobody else; what the law wants kept is not erased before.
//!
//! Not here: the days themselves, in tables (`partnership::retention`).

use crate::clock::Clock;
use crate::erasing::{erasures, names, times};
use crate::http::{Client, Request};
use crate::needs;
use crate::second_verifier;
use crate::server::{BINARY, Folder, MODEL, PARTIES, Server, config, done, eventually, run};
use crate::told::{chat, say};
use crate::upstream::{Upstream, Used};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const DAY: i64 = 24 * 3_600;
/// The calls before which the process is killed, each at its first time, its second and so on.
const CALLS: [&str; 4] = ["rename", "fsync", "fdatasync", "unlink"];

/// The example, whose keys are erased a day after their month, with these further fields.
fn after_a_day(more: &str) -> impl Fn(&str) -> String {
    let fields = format!("erase_after = \"P1D\"\n{more}");
    move |text| {
        assert_eq!(text.matches("erase_after = \"P2Y\"\n").count(), 1);
        text.replace("erase_after = \"P2Y\"\n", &fields)
    }
}

/// The example, with its keys kept for so long at least.
fn at_least(duration: &str) -> impl Fn(&str) -> String {
    let fields = format!("at_least = \"{duration}\"\n");
    move |text| text.replace("erase_after = \"P2Y\"\n", &fields)
}

fn asks(server: &Server, key: &str, end_user: Option<&str>) {
    let mut body: Value = serde_json::from_str(&chat(10, false)).unwrap();
    body["model"] = MODEL.into();
    if let Some(end_user) = end_user {
        body["user"] = end_user.into();
    }
    let answer = Client::new(server.url()).ask(Request::chat(key, &body.to_string())).unwrap();
    assert_eq!(answer.status, 200);
}

/// What verifies the record: ours, by the entries alone and with every act judged again, and the second verifier.
fn holds(folder: &Folder) {
    folder.verified();
    done(&run(Command::new(BINARY).arg("verify").arg(&folder.dir)));
    let read = second_verifier::read(&folder.dir.join("record"));
    assert_eq!(read["open"], json!([]));
    let balances = folder.said(&["balance"]);
    assert_eq!(balances.as_array().unwrap().len(), read["balances"].as_array().unwrap().len());
}

#[test]
fn what_is_due_is_erased_on_its_day_by_the_clerk_and_every_balance_is_recomputed() {
    let upstream = Upstream::start(Used::Always(40, 60));
    let folder = Folder::founded(&config(&upstream.url()), after_a_day(""));
    let clock = Clock::new();
    let server = clock.serve(&folder);
    let key = folder.admit();
    for end_user in [None, Some("ann"), Some("bob")] {
        asks(&server, &key, end_user);
    }
    let list = folder.said(&["erase", "--list"]);
    let line = &list[0];
    assert_eq!(
        (list.as_array().unwrap().len(), &line["application"], &line["keys"]),
        (1, &json!("assistant"), &json!(3))
    );
    assert_eq!((&line["may_be_erased_from"], &line["schedule"]), (&Value::Null, &json!("keeping")));
    let day: jiff::civil::Date = line["will_be_erased_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(day.day(), 2, "a day after the first of the next month");
    let told = folder.told(&["memo", "status"]);
    assert!(told.contains("WILL BE ERASED AT") && told.contains(&day.to_string()), "{told}");
    let page = Client::new(server.url()).ask(Request::get("/")).unwrap().text();
    assert!(page.contains("What is kept") && page.contains(&day.to_string()));
    let (before, pool) = (names(&folder.dir), folder.pool());
    assert_eq!(before.len(), 3);
    clock.step_to(62 * DAY);
    eventually("the clerk erases what is due", || names(&folder.dir).is_empty());
    eventually("it is settled", || erasures(&folder).iter().all(|act| act["state"] == "done"));
    let acts = erasures(&folder);
    assert_eq!((acts.len(), &acts[0]["who"]), (1, &json!("clerk")));
    assert_eq!(acts[0]["clauses"], json!(["keeping"]));
    assert_eq!(folder.pool(), pool, "an erasure moves nothing");
    asks(&server, &key, None);
    assert_eq!(names(&folder.dir).len(), 1, "what comes later has a key of its own");
    assert_eq!(std::fs::read_dir(folder.dir.join("vault/erasing")).unwrap().count(), 0);
    server.stop();
    holds(&folder);
}

#[test]
fn a_minimum_refuses_a_hand_made_erasure_in_the_clauses_words_and_holds_the_schedule_back() {
    let upstream = Upstream::start(Used::Always(40, 60));
    let folder = Folder::founded(&config(&upstream.url()), at_least("P5Y"));
    let server = folder.serve(&[]);
    let key = folder.admit();
    asks(&server, &key, Some("ann"));
    let line = &folder.said(&["erase", "--list", "--application", "assistant"])[0];
    assert_eq!((&line["minimum"], &line["will_be_erased_at"]), (&json!("keeping"), &Value::Null));
    let from: jiff::civil::Date = line["may_be_erased_from"].as_str().unwrap().parse().unwrap();
    assert_eq!((from.day(), from.year() >= 2031), (1, true), "{from}");
    assert_eq!(folder.said(&["erase", "--list", "--application", "another"]), json!([]));
    let before = names(&folder.dir);
    let refused = folder.command(&["erase", "--subject", "ann"]);
    let problem: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!((refused.status.code(), &problem["status"]), (Some(1), &json!(403)), "{problem}");
    assert_eq!(problem["clause"], "keeping");
    assert!(problem["detail"].as_str().unwrap().starts_with("Of each call the keys are kept"), "{problem}");
    assert!(problem["remedy"].as_str().unwrap().contains(&from.to_string()), "{problem}");
    assert_eq!(names(&folder.dir), before);
    assert_eq!(folder.counts("keeping"), (1, 0));
    server.stop();
    holds(&folder);
}

#[test]
fn an_erasure_that_both_must_approve_is_carried_out_with_the_last_approval_also_without_a_server() {
    let both = "acts = [\"application-add\"]";
    let edit = |text: &str| {
        assert_eq!(text.matches(both).count(), 1);
        text.replace(both, "acts = [\"application-add\", \"erase\"]")
    };
    for served in [true, false] {
        let upstream = Upstream::start(Used::Always(40, 60));
        let folder = Folder::founded(&config(&upstream.url()), edit);
        let server = folder.serve(&[]);
        let key = folder.admit();
        for end_user in ["ann", "bob"] {
            asks(&server, &key, Some(end_user));
        }
        let before = names(&folder.dir);
        let asked = folder.said(&["erase", "--subject", "ann"]);
        assert_eq!((&asked["decision"], &asked["keys"]), (&json!("waiting"), &json!(1)), "{asked}");
        assert!(asked["salt"].is_string());
        // Restarted in between: what is to be destroyed is still known.
        server.stop();
        let server = served.then(|| folder.serve(&[]));
        for party in PARTIES {
            assert_eq!(names(&folder.dir), before, "{party} has not approved");
            folder.said(&["act", "approve", asked["act"].as_str().unwrap(), "--party", party]);
        }
        eventually("it is carried out", || names(&folder.dir).len() == 1);
        assert!(names(&folder.dir).is_subset(&before));
        eventually("it is settled", || erasures(&folder).iter().any(|act| act["state"] == "done"));
        if let Some(server) = server {
            server.stop();
        }
        holds(&folder);
    }
}

#[test]
fn a_kill_before_any_call_leaves_what_is_due_to_be_erased_at_the_next_start() {
    let upstream = Upstream::start(Used::Always(40, 60));
    let folder = Folder::founded(&config(&upstream.url()), after_a_day("applications = [\"assistant\"]\n"));
    let server = folder.serve(&[]);
    let key = folder.admit();
    for end_user in [None, Some("ann")] {
        asks(&server, &key, end_user);
    }
    server.stop();
    let before = names(&folder.dir);
    let healthy = folder.copied();
    let traced = later(&healthy, &[]);
    assert_eq!((before.len(), names(&healthy.dir).len()), (2, 0));
    let (mut points, mut cut) = (0, BTreeMap::new());
    for call in CALLS {
        for nth in 1..=times(&traced, call) {
            let killed = folder.copied();
            let inject = format!("inject={call}:signal=KILL:when={nth}");
            later(&killed, &["-e", &format!("trace={call}"), "-e", &inject]);
            let held = names(&killed.dir);
            assert!(held == before || held.is_empty(), "{call} {nth}: an erasure is whole");
            let is_settled = states(&killed.dir, 0) == ["done"];
            *cut.entry((held.is_empty(), is_settled)).or_insert(0) += 1;
            later(&killed, &[]);
            assert!(names(&killed.dir).is_empty(), "{call} {nth}");
            assert_eq!(states(&killed.dir, 62), ["done"], "{call} {nth}: once");
            assert!(!killed.dir.join("keys/vault.wrapping.next").exists(), "{call} {nth}");
            let notes = std::fs::read_dir(killed.dir.join("vault/erasing")).map_or(0, Iterator::count);
            assert_eq!(notes, 0, "{call} {nth}");
            killed.verified();
            points += 1;
        }
    }
    say(&format!("{points} points; by whether it had happened and was settled: {cut:?}"));
    for reached in [(false, false), (true, true)] {
        assert!(cut.contains_key(&reached), "some kill falls between all steps: {cut:?}");
    }
}

/// A command that looks at the acts, so many days from now.
fn looks(dir: &Path, days: i64) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["act", "list", "--json", "--dir"]).arg(dir);
    command.env("LD_PRELOAD", needs::faketime()).env("FAKETIME", format!("+{days}d"));
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command
}

/// How each erasure stands.
fn states(dir: &Path, days: i64) -> Vec<String> {
    let acts: Value = serde_json::from_str(&done(&run(&mut looks(dir, days)))).unwrap();
    let erasures = acts.as_array().unwrap().iter().filter(|act| act["kind"] == "erase");
    erasures.map(|act| act["state"].as_str().unwrap().to_owned()).collect()
}

/// The same under `strace`, with these words for it, two months from now; gives what was traced.
fn later(folder: &Folder, words: &[&str]) -> String {
    let place = tempfile::tempdir().unwrap();
    let output = place.path().join("calls");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(&output).args(words);
    let looks = looks(&folder.dir, 62);
    for (name, value) in looks.get_envs() {
        let value = value.unwrap().to_str().unwrap();
        command.arg("-E").arg(format!("{}={value}", name.to_str().unwrap()));
    }
    let ended = run(command.arg(BINARY).args(looks.get_args()));
    if words.is_empty() {
        done(&ended);
    }
    String::from_utf8_lossy(&std::fs::read(output).unwrap()).into_owned()
}

/// Clauses of each sort, side by side.
const CLAUSES: &str = r#"
```toml memorandum
title = "t"
version = 1
parties = [{ id = "a", name = "A", role = "operator" }, { id = "b", name = "B", role = "x" }]
effective = 2020-01-01
force = "binding"
```

```toml clause all
kind = "retention"
source = "signed"
erase_after = "P1Y1M29D"
```

```toml clause consumers
kind = "retention"
source = "signed"
audiences = ["consumer"]
erase_after = "P2W"
at_least = "P10D"
```

```toml clause law
kind = "retention"
source = "signed"
applications = ["one", "two"]
at_least = "P1Y"
```

```toml clause wish
kind = "retention"
force = "non-binding"
source = "signed"
applications = ["two"]
at_least = "P13M30D"
```

```toml clause hope
kind = "retention"
force = "non-binding"
source = "signed"
erase_after = "P1D"
```
"#;

#[test]
fn a_second_verifier_comes_to_the_same_day_for_every_month() {
    let terms = partnership::Terms::read(CLAUSES).unwrap();
    let (mut expected, mut cases) = (Vec::new(), Vec::new());
    for application in ["one", "two", "three"] {
        for audiences in [&["consumer"][..], &["business"], &["business", "consumer"]] {
            let mut month = jiff::civil::date(2023, 1, 1);
            while month < jiff::civil::date(2025, 1, 1) {
                let retained = partnership::retention::Retained {
                    audiences: audiences.iter().map(|audience| (*audience).to_owned()).collect(),
                    since: month,
                    erased: None,
                };
                let will = terms.clocks(&application.into(), &retained, month).will.unwrap();
                expected.push(format!("{} {}", will.day, will.clause));
                month = partnership::retention::after_month(month);
                cases.push(json!([application, audiences, month.to_string()]));
            }
        }
    }
    let script = r#"
import datetime, json, sys
sys.path.insert(0, sys.argv[1])
import verify
terms = verify.Memorandum(sys.argv[2], "here")
for application, audiences, over in json.loads(sys.argv[3]):
    day, clauses = terms.erasure(application, set(audiences), datetime.date.fromisoformat(over))
    print(day, *clauses)
"#;
    assert_eq!(second(script, &[CLAUSES, &json!(cases).to_string()]), expected);
}

#[test]
fn a_second_verifier_takes_what_is_due_from_the_clerk_alone_once_and_not_before_its_day() {
    let script = r#"
import sys
sys.path.insert(0, sys.argv[1])
import verify
replay = verify.Replay(None)
replay.terms = verify.Memorandum(sys.argv[2], "here")
replay.kept = {"three": ({"business"}, "2024-01-15T00:00:00.000Z", None)}
clerk, ana = {}, {"party": "a", "person": "ana"}
def erases(at, what, who=clerk):
    replay.at = at
    try:
        print(replay.check_erased(what, who, "here"))
    except verify.Broken as broken:
        print(broken)
def due(before, clause="all", application="three"):
    return {"application": application, "before": before, "clause": clause}
february, march = "2024-02-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z"
# A year, a month and 29 days after 1 February 2024.
late = "2025-03-30T00:00:00.000Z"
erases("2025-03-29T23:59:59.999Z", due(february))
erases(late, due(february), ana)
erases(late, due(february, "law"))
erases(late, due("2024-01-01T00:00:00.000Z"))
erases(late, due("2024-01-31T00:00:00.000Z"))
erases(late, due(february, "all", "four"))
erases(late, {**due(february), "keys": "3"})
erases(late, {"before": february, "keys": "3"})
erases(late, {"before": february, "keys": "3"}, ana)
erases(late, due(february))
erases(late, due(february))
erases(late, due(march))
"#;
    let whose = "here: it erases what is due and is not the clerk's, or the other way round";
    let expected = [
        "here: it is erased before 2025-03-30",
        whose,
        "here: no schedule of clause `law` erases it",
        "here: it erases what was erased before, or was not there",
        "here: it erases less than a month",
        "here: no application was named `four`",
        "here: it counts the keys of what is due, or counts none",
        whose,
        "False",
        "True",
        "here: it erases what was erased before, or was not there",
        "here: it is erased before 2025-04-30",
    ];
    assert_eq!(second(script, &[CLAUSES]), expected);
}

/// What a script that uses the second verifier prints, line by line.
fn second(script: &str, words: &[&str]) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/verifier");
    let mut python = Command::new(needs::python());
    python.args(["-B", "-c", script]).arg(folder).args(words);
    done(&run(&mut python)).lines().map(str::to_owned).collect()
}
