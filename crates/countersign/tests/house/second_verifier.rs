//! `tests/verifier/verify.py` reads a record by its documents alone, and must agree with the house on all that it says.
//!
//! `COUNTERSIGN_PYTHON` names a Python that has `cryptography`; `cargo xtask test` makes one.

use crate::scene::{BINDING, House, ORIGIN, open_acts};
use crate::server::{self, done};
use partnership::State;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn verify(folder: &Path) -> Output {
    let Some(python) = std::env::var_os("COUNTERSIGN_PYTHON") else {
        panic!("set COUNTERSIGN_PYTHON to a Python that has `cryptography`, or run `cargo xtask test`");
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/verifier/verify.py");
    Command::new(python).arg(script).arg(folder).output().unwrap()
}

/// Whether the second verifier finds nothing wrong with the record in `folder`, where these keys are trusted.
pub(crate) fn holds_by(folder: &Path, vkeys: &Path) -> bool {
    let Some(python) = std::env::var_os("COUNTERSIGN_PYTHON") else { panic!("set COUNTERSIGN_PYTHON") };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/verifier/verify.py");
    let output = Command::new(python).arg(script).arg(folder).arg("--vkeys").arg(vkeys).output().unwrap();
    output.status.success()
}

/// The second verifier finds nothing wrong with the record in `folder`.
pub(crate) fn holds(folder: &Path) {
    let output = verify(folder);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What the second verifier should print of this state.
fn expected(state: &State) -> (Value, Value) {
    let balances = state.book().accounts().map(|(account, asset, _, balance)| {
        json!({
            "name": account.to_string(),
            "asset": asset.to_string(),
            "debits_posted": balance.debits_posted.minor().to_string(),
            "credits_posted": balance.credits_posted.minor().to_string(),
            "debits_pending": balance.debits_pending.minor().to_string(),
            "credits_pending": balance.credits_pending.minor().to_string(),
        })
    });
    (balances.collect(), open_acts(state).into())
}

/// The second verifier reads the record in `folder` and finds what `state` says. Gives all that it printed.
pub(crate) fn assert_agrees(folder: &Path, state: &State) -> Value {
    // Ours judges every entry again, the second one adds up.
    done(&server::verify(folder, &["--json"]));
    let output = verify(folder);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (balances, open) = expected(state);
    assert_eq!(said["balances"], balances);
    assert_eq!(said["open"], open);
    assert_eq!(said["entries"], json!(state.entries()));
    assert_eq!(said["origin"], json!(ORIGIN));
    said
}

/// What the second verifier reads in `folder`, which is to hold.
pub(crate) fn read(folder: &Path) -> Value {
    let output = verify(folder);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn agrees(memorandum: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::found(folder.path(), memorandum);
    house.live(150);
    assert_agrees(folder.path(), house.partnership.state())
}

fn names(said: &Value) -> Vec<&str> {
    said["balances"].as_array().unwrap().iter().map(|line| line["name"].as_str().unwrap()).collect()
}

#[test]
fn a_second_verifier_gives_an_idempotency_key_to_one_act_a_day() {
    let script = r#"
import sys
sys.path.insert(0, sys.argv[1])
import verify
replay = verify.Replay(None)
replay.acts = {act: verify.Act("infer", 0, "allow", []) for act in ("one", "two")}
def takes(act, at):
    replay.at = at
    try:
        replay.take_key(act, "A" * 43 + "=", "here")
        print("taken")
    except verify.Broken as broken:
        print(broken)
takes("one", "2026-11-22T23:00:00.000Z")
takes("two", "2026-11-23T22:59:59.999Z")
takes("two", "2026-11-23T23:00:00.000Z")
"#;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/verifier");
    let output =
        Command::new(crate::needs::python()).args(["-B", "-c", script]).arg(folder).output().unwrap();
    let refused = "here: act two has the idempotency key of act one";
    assert_eq!(done(&output).lines().collect::<Vec<_>>(), ["taken", refused, "taken"]);
}

#[test]
fn a_second_verifier_knows_what_an_erasure_is_of() {
    let script = r#"
import sys
sys.path.insert(0, sys.argv[1])
import verify
month, day = "2026-11-01T00:00:00.000Z", "2026-11-02T00:00:00.000Z"
for what in ({"subject": "s"}, {"before": month}, {"before": month, "subject": "s"}, {}, {"before": day}, {"before": day, "subject": "s"}):
    try:
        verify.check_erasure(what, "here")
        print("fits")
    except verify.Broken as broken:
        print(broken)
"#;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/verifier");
    let output =
        Command::new(crate::needs::python()).args(["-B", "-c", script]).arg(folder).output().unwrap();
    let refused =
        "here: it erases neither what is an end user's nor what is of the months before the first of one";
    let lines = done(&output);
    assert_eq!(lines.lines().collect::<Vec<_>>(), ["fits", "fits", "fits", refused, refused, refused]);
}

#[test]
fn a_second_verifier_knows_what_a_call_takes_of_each_budget() {
    let script = r#"
import sys
sys.path.insert(0, sys.argv[1])
import verify
replay = verify.Replay(None)
replay.at = "2026-11-22T23:00:00.000Z"
replay.budgets = {
    "each": verify.Budget("end-users", "app", "CREDIT", 50, "rolling-7", [(7, "2026-11-23T00:00:00.000Z"), (9, "2026-11-22T23:00:00.000Z")]),
    "whole": verify.Budget("party", "p", "CREDIT", 90, "month"),
    "dollars": verify.Budget("party", "p", "USD", 1, "total"),
}
name = "0123456789abcdef" * 2
act = "01a2057c-dd98-7000-8000-000000000000"
who = {"party": "p", "application": "app", "key": "k"}
what = {"end_user": True, "pseudonyms": [name]}
def move(op, debit, credit, amount):
    return {"op": op, "debit": debit, "credit": credit, "amount": str(amount), "asset": "CREDIT"}
day = "budget:each:2026-11-22"
whole = [
    move("reserve", "credit:g:available", "credit:g:spent", 40),
    move("move", "budget:whole:2026-11:issued", "budget:whole:2026-11:available", 90),
    move("reserve", "budget:whole:2026-11:available", "budget:whole:2026-11:spent", 40),
    move("move", day + ":issued", f"{day}:{name}:available", 57),
    move("reserve", f"{day}:{name}:available", f"{day}:{name}:spent", 40),
]
def takes(moves, act=act, what=what):
    try:
        replay.check_limits(act, who, what, moves, "here")
        print("fits")
    except verify.Broken as broken:
        print(broken)
takes(whole)
takes(whole[:3])
takes(whole[:1])
takes(whole[1:])
takes([whole[0], *whole[3:], *whole[1:3]])
takes([*whole[1:], whole[0]])
takes([*whole[:3], {**whole[3], "amount": "66"}, whole[4]])
takes(whole, what={"end_user": False})
takes(whole, what={"end_user": True})
takes(whole, act="019b0000-0000-7000-8000-000000000000")
"#;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/verifier");
    let output =
        Command::new(crate::needs::python()).args(["-B", "-c", script]).arg(folder).output().unwrap();
    let less = "here: it does not reserve of each budget that limits it as much as of grants";
    let expected = [
        "fits",
        less,
        less,
        less,
        less,
        "here: it reserves of a budget before a grant",
        less,
        less,
        "here: it has no pseudonym",
        "here: its pseudonym is of another month",
    ];
    assert_eq!(done(&output).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_second_verifier_agrees_on_every_balance() {
    let said = agrees(BINDING);
    let names = names(&said);
    let moved = [
        "credit:launch-credits:spent",
        "budget:budget:spent",
        "northwind:overrun:CREDIT",
        "commitment:first-tranche:drawn",
        "commitment:release-tranche:drawn",
    ];
    for account in moved {
        assert!(names.contains(&account), "`{account}` is not among {names:?}");
    }
    assert!(said["refused"].as_u64().unwrap() > 100, "calls that a clause forbids are on the record");
}

#[test]
fn a_second_verifier_agrees_where_nothing_is_binding() {
    let intentions = BINDING.replacen("force = \"binding\"", "force = \"non-binding\"", 1);
    let said = agrees(&intentions);
    let moved: Vec<&str> = names(&said).into_iter().filter(|name| !name.starts_with("memo:")).collect();
    assert!(moved.iter().all(|name| name.starts_with("budget:")), "no money moved, but {moved:?}");
    assert_eq!(said["refused"], json!(0), "an intention refuses nothing");
}

#[test]
fn a_second_verifier_agrees_where_prices_leave_fractions() {
    let said = agrees(&BINDING.replacen("\"0.50 CREDIT\"", "\"0.5000005 CREDIT\"", 1));
    let left_out = names(&said).into_iter().filter(|name| name.starts_with("rounding:")).count();
    assert!(left_out >= 4, "two versions leave two kinds of fraction, each on two accounts, not {left_out}");
}

/// Files that strangers or parties read, which is all but the journal.
fn published(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true if name == "journal" || name == "tmp" => {}
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    found.sort();
    found
}

fn flip(file: &Path, at: u64, mask: u8) {
    let handle = OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    handle.read_exact_at(&mut byte, at).unwrap();
    handle.write_all_at(&[byte[0] ^ mask], at).unwrap();
}

#[test]
fn both_verifiers_find_a_bit_changed_in_any_published_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::found(folder.path(), BINDING);
    house.live(40);
    let files = published(folder.path());
    assert!(files.len() > 8, "{files:?}");
    for (number, file) in (0_u64..).zip(&files) {
        let bytes = std::fs::metadata(file).unwrap().len();
        for at in [0, bytes / 2 + number, bytes - 1].map(|at| at.min(bytes - 1)) {
            let mask = 1 << ((at + number) % 8);
            flip(file, at, mask);
            let second = verify(folder.path());
            let store = record::store::directory::Directory::new(folder.path());
            let first = record::audit(&store, ORIGIN, &house.log.verifier(), |_, _, _| Ok(()));
            let place = format!("bit {mask} of byte {at} of {}", file.display());
            assert!(first.is_err(), "the audit does not see {place}");
            assert_eq!(second.status.code(), Some(1), "the second verifier does not see {place}");
            let said = String::from_utf8_lossy(&second.stderr).into_owned();
            assert!(said.starts_with("broken: "), "{place}: {said}");
            flip(file, at, mask);
        }
    }
    assert!(verify(folder.path()).status.success(), "every bit is back in its place");
}
