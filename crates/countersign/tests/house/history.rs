//! `--with-history`: a history that is made up is a record like any other, says everywhere that it is made up, and is gone on with.
//!
//! Not here: what is drawn (the unit tests of `history`).

use crate::books::{agreed, exported, rows};
use crate::http::{Client, Request};
use crate::second_verifier;
use crate::server::{BINARY, Folder, Server, done, run};
use crate::told::chat;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};

const BANNER: &str = "example history: made up, not lived";

fn init(folder: &Folder, words: &[&str]) -> Output {
    run(Command::new(BINARY).arg("init").arg(&folder.dir).args(words))
}

fn made(length: &str) -> Folder {
    let folder = Folder::absent();
    let told = done(&init(&folder, &["--example", "northwind-halcyon", "--with-history", length]));
    assert!(told.contains(length) && told.contains("made up"), "{told}");
    folder
}

/// The record holds by all three: by its own fold, judged again, and by a verifier in another language.
fn holds(folder: &Folder) -> u64 {
    done(&run(Command::new(BINARY).arg("verify").arg(&folder.dir)));
    second_verifier::holds(&folder.dir.join("record"));
    folder.verified()["entries"].as_u64().unwrap()
}

/// A real call of the built-in model, by a key of a server.
fn calls(server: &Server) {
    let answer = Client::new(server.url()).ask(Request::chat(server.key(), &chat(8, false))).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn a_history_holds_says_that_it_is_made_up_and_is_gone_on_with() {
    let folder = made("90d");
    let (made_at, entries) = (now(), holds(&folder));
    assert!((7_000..10_000).contains(&entries), "{entries}");
    let acts = rows(&exported(&folder.dir, &["csv"]));
    nothing_is_in_the_future(&acts, &made_at);
    calls_came_to_every_end(&acts);
    commitments_went_every_way(&folder);
    clauses_were_kept_and_not(&folder);
    assert!(agreed(&folder.dir, &[])["CREDIT"] > 0);
    a_board_can_be_shown_a_month(&folder);

    let told = folder.told(&["memo", "status"]);
    assert!(told.starts_with(BANNER), "{told}");
    let server = folder.serve(&["--new-key", "--example", "northwind-halcyon"]);
    let page = Client::new(server.url()).ask(Request::get("/")).unwrap().text();
    assert!(page.contains(&BANNER.replacen('e', "E", 1)), "the page has a banner");
    for part in ["pilot-credits", "launch-credits", "least-use", "application-add", "badge binding breached"]
    {
        assert!(page.contains(part), "the page has no `{part}`");
    }
    calls(&server);
    let checkpoint = Client::new(server.url()).ask(Request::get("/record/checkpoint")).unwrap().text();
    assert!(checkpoint.starts_with("northwind-halcyon.example/example-history\n"), "{checkpoint}");
    server.stop();
    assert!(holds(&folder) > entries);
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}

fn nothing_is_in_the_future(acts: &[BTreeMap<String, String>], now: &str) {
    let moments = acts.iter().flat_map(|act| [&act["decided_at"], &act["settled_at"]]);
    let moments: BTreeSet<_> = moments.filter(|at| !at.is_empty()).collect();
    assert!(moments.iter().all(|at| at.as_str() <= now), "{:?} is after {now}", moments.last());
    let days: BTreeSet<_> = moments.iter().map(|at| &at[..10]).collect();
    assert!((90..=91).contains(&days.len()), "each day has its acts: {}", days.len());
}

fn calls_came_to_every_end(acts: &[BTreeMap<String, String>]) {
    let calls = || acts.iter().filter(|act| act["kind"] == "infer");
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    for call in calls() {
        let end = if call["ended"].is_empty() { &call["refusal"] } else { &call["ended"] };
        *ends.entry(end).or_default() += 1;
    }
    for (end, least) in
        [("done", 3_500), ("failed", 40), ("cancelled", 40), ("forbidden", 30), ("insufficient-quota", 40)]
    {
        assert!(ends.get(end).is_some_and(|count| *count >= least), "{end}: {ends:?}");
    }
    assert_eq!(ends.len(), 5, "{ends:?}");
    let of = |column: &str| calls().map(|call| call[column].clone()).collect::<BTreeSet<_>>();
    assert_eq!(of("application"), ["assistant", "search"].map(str::to_owned).into());
    assert!(of("price_clause").is_superset(&["model-prices", "model-prices-2"].map(str::to_owned).into()));
    let kinds: BTreeSet<&str> = acts.iter().map(|act| act["kind"].as_str()).collect();
    let all = [
        "amend",
        "application-add",
        "approve",
        "attest",
        "book",
        "budget-raise",
        "budget-set",
        "declare",
        "draw",
        "expire",
        "infer",
        "key-new",
        "key-revoke",
        "payment",
    ];
    assert_eq!(kinds, all.into());
}

fn commitments_went_every_way(folder: &Folder) {
    let funds = folder.said(&["fund", "list"]);
    let fund = |name: &str| funds.as_array().unwrap().iter().find(|fund| fund["name"] == name).unwrap();
    let amount = |name: &str, field: &str| fund(name)[field]["amount"].as_str().unwrap_or("-").to_owned();
    let is_some = |name: &str, field: &str| {
        let amount = amount(name, field);
        assert!(amount.bytes().any(|digit| (b'1'..=b'9').contains(&digit)), "{name} {field}: {amount}");
    };
    let states = [
        ("launch-credits", "active"),
        ("pilot-credits", "lapsed"),
        ("first-tranche", "met"),
        ("release-tranche", "met"),
        ("least-use", "breached"),
        ("hoped-for-use", "breached"),
        ("throughput", "active"),
        ("search-share", "active"),
    ];
    for (name, state) in states {
        assert_eq!(fund(name)["state"], state, "{name}");
    }
    assert_eq!(amount("launch-credits", "agreed"), "42.000000000");
    for field in ["spent", "left"] {
        is_some("launch-credits", field);
    }
    for name in ["launch-credits", "least-use"] {
        assert!(fund(name)["forecast"]["per_day"].is_array(), "{}", fund(name));
        assert!(fund(name)["pace"]["spent"].as_u64().unwrap() > 0);
    }
    is_some("pilot-credits", "expired");
    assert_eq!(amount("first-tranche", "paid"), "250000.00");
    assert_eq!(amount("release-tranche", "paid"), "750000.00");
    assert_eq!(amount("hoped-for-use", "owed"), "-", "nothing is owed under what does not bind");
    for (name, field) in
        [("least-use", "paid"), ("throughput", "paid"), ("throughput", "owed"), ("search-share", "drawn")]
    {
        is_some(name, field);
    }
    let table = folder.told(&["fund", "list"]);
    assert!(table.contains("% of the time"), "{table}");
}

fn a_board_can_be_shown_a_month(folder: &Folder) {
    let month = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().first_of_month();
    let month = month.yesterday().unwrap().strftime("%Y-%m").to_string();
    let statement = exported(&folder.dir, &["statement", "--party", "halcyon", "--period", &month]);
    assert!(statement.contains(BANNER) && statement.contains("credit:launch-credits:spent"), "{statement}");
    assert!(!statement.contains("budget:"), "no account of a budget fills the page");
}

fn clauses_were_kept_and_not(folder: &Folder) {
    let status = folder.status();
    assert_eq!((&status["made_up"], &status["version"]), (&json!(true), &json!(2)));
    let waits: Vec<&Value> = status["waiting"].as_array().unwrap().iter().collect();
    assert_eq!((waits.len(), &waits[0]["missing"]), (1, &json!(["northwind"])), "{waits:?}");
    for (clause, refused, deviated) in [
        ("longest-answer", true, false),
        ("consumer-tools", true, false),
        ("brief-answers", false, true),
        ("consumers-told-apart", false, true),
        ("hoped-for-use", false, true),
    ] {
        let counts = folder.counts(clause);
        assert_eq!((counts.0 > 0, counts.1 > 0), (refused, deviated), "{clause}: {counts:?}");
    }
}

#[test]
fn up_makes_the_history_of_a_new_folder_and_of_no_other() {
    let folder = Folder::absent();
    let server = folder.serve(&["--with-history", "7d"]);
    calls(&server);
    server.stop();
    let entries = holds(&folder);
    let again = |words: &[&str]| {
        let mut command = Server::command(&folder.dir, words);
        let output = run(&mut command);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let told = again(&["--with-history", "7d"]);
    assert!(told.contains("is a partnership already"), "{told}");
    let told = again(&["--example", "microsoft-openai"]);
    assert!(told.contains("northwind-halcyon.example/example-history"), "{told}");
    assert_eq!(holds(&folder), entries, "nothing was added");
}

#[test]
fn what_is_no_length_or_no_place_for_a_history_is_told_so() {
    let cases = [
        ("0d", 2, "from 7 to 365 days"),
        ("-1d", 2, "from 7 to 365 days"),
        ("4000d", 2, "from 7 to 365 days"),
        ("90", 2, "written as `90d`"),
        ("", 2, "written as `90d`"),
    ];
    for (length, code, says) in cases {
        let folder = Folder::absent();
        let refused = init(&folder, &["--with-history", length]);
        let told = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(code), "{length}: {told}");
        assert!(told.contains(says), "{length}: {told}");
        assert!(!folder.dir.exists(), "{length}");
    }
    let folder = Folder::absent();
    let refused = init(&folder, &["--example", "microsoft-openai", "--with-history", "30d"]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(1) && told.contains("--example northwind-halcyon"), "{told}");
    assert!(!folder.dir.exists());
    let folder = made("7d");
    let entries = folder.entries();
    let refused = init(&folder, &["--with-history", "7d"]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(1) && told.contains("is not empty"), "{told}");
    assert_eq!(folder.entries(), entries);
}
