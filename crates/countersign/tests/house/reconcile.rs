//! `countersign fund reconcile`: our own exports differ from the record in nothing, whatever is changed in one is found, and both parties'
//! words on one report stand on the record.
//!
//! Not here: each kind of difference by itself, which the tests beside `cmd/export/reconcile.rs` have in a table.

use crate::books::{exported, months, rows};
use crate::http::{Client, Request};
use crate::second_verifier;
use crate::server::{BINARY, Folder, PARTIES, config, done, run, write};
use crate::told::chat;
use crate::upstream::{Upstream, Used};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn reconcile(dir: &Path, invoice: &Path, words: &[&str]) -> Output {
    run(Command::new(BINARY).args(["fund", "reconcile"]).arg(invoice).args(words).arg("--dir").arg(dir))
}

/// What a reconciliation finds that differs in something.
fn wrong(dir: &Path, invoice: &Path, words: &[&str]) -> Value {
    let output = reconcile(dir, invoice, &[words, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// An invoice in a file of its own.
fn put(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    write(&path, text);
    path
}

fn codes(report: &Value) -> Vec<(String, String)> {
    let all = report["differences"].as_array().unwrap();
    let code = |one: &Value| one["why"][0]["code"].as_str().unwrap().to_owned();
    all.iter().map(|one| (one["kind"].as_str().unwrap().to_owned(), code(one))).collect()
}

#[test]
fn what_we_export_differs_from_the_record_in_nothing_in_any_month() {
    let (folder, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let _house = months(folder.path());
    let dir = folder.path();
    for scope in [
        &[][..],
        &["--period", "2026"],
        &["--period", "2026-11"],
        &["--period", "2026-12"],
        &["--period", "2027-01", "--party", "halcyon"],
        &["--party", "northwind"],
    ] {
        for form in ["focus", "csv"] {
            let invoice = put(files.path(), "invoice.csv", &exported(dir, &[&[form], scope].concat()));
            let words = [&["--format", form, "--json"], scope].concat();
            let told = done(&reconcile(dir, &invoice, &words));
            assert_eq!(told, done(&reconcile(dir, &invoice, &words)), "the same inputs give the same bytes");
            let report: Value = serde_json::from_str(&told).unwrap();
            assert_eq!(report["differences"], json!([]), "{form} {scope:?}");
            for total in report["totals"].as_array().unwrap() {
                assert_eq!((&total["ours"], &total["difference"]), (&total["theirs"], &json!("0.000000000")));
            }
            let acts = report["matched"]["acts"].as_u64().unwrap();
            assert!(acts > 0 || scope.contains(&"northwind"), "{form} {scope:?}");
        }
    }
}

/// What act `row` of an export says in `column` becomes something else.
fn changed(text: &str, row: usize, column: &str, to: &str) -> String {
    let all = rows(text);
    let heads: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let quoted = |value: &str| {
        if value.contains(['"', ',']) {
            format!("\"{}\"", value.replace('"', "\"\""))
        } else {
            value.to_owned()
        }
    };
    let value = |head: &&str| if *head == column { to.to_owned() } else { quoted(&all[row][*head]) };
    lines[row + 1] = heads.iter().map(value).collect::<Vec<_>>().join(",");
    lines.join("\n") + "\n"
}

#[test]
fn an_act_that_the_record_does_not_charge_there_is_told_with_how_it_stands() {
    let (folder, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let _house = months(folder.path());
    let dir = folder.path();
    let whole = exported(dir, &["csv"]);
    let december = exported(dir, &["csv", "--period", "2026-12"]);
    let of = |row: &std::collections::BTreeMap<String, String>| {
        (row["verdict"].clone(), row["ended"].clone(), row["kind"].clone())
    };
    let place = |verdict: &str, ended: &[&str], kind: &str| {
        let all = rows(&whole);
        let found = all.iter().position(|row| {
            let (is, end, of_kind) = of(row);
            is == verdict && ended.contains(&end.as_str()) && (kind.is_empty() || of_kind == kind)
        });
        found.unwrap_or_else(|| panic!("no act is {verdict} and {ended:?}"))
    };
    let asks = |text: &str, row: usize| changed(&changed(text, row, "cost", "1.5"), row, "asset", "CREDIT");
    for (row, code) in [
        (place("refused", &[""], ""), "refused"),
        (place("allowed", &["failed", "lost", "lapsed"], "infer"), "free"),
        (place("allowed", &["done"], "application-add"), "free"),
    ] {
        let invoice = put(files.path(), "asks.csv", &asks(&whole, row));
        let report = wrong(dir, &invoice, &["--format", "csv"]);
        assert_eq!(codes(&report), [("theirs-only".to_owned(), code.to_owned())]);
        assert_eq!(
            report["differences"][0]["money"],
            json!([{ "amount": "1.500000000", "asset": "CREDIT" }])
        );
        assert_eq!(report["differences"][0]["lines"], json!([row + 2]));
        assert_eq!(report["totals"][0]["difference"], "1.500000000");
    }
    // What was charged in another month is theirs only there, and all of it together is what the totals differ by.
    let invoice = put(files.path(), "december.csv", &december);
    let report = wrong(dir, &invoice, &["--format", "csv", "--period", "2026-11"]);
    let found = codes(&report);
    assert!(found.contains(&("theirs-only".to_owned(), "another-period".to_owned())), "{found:?}");
    assert!(found.contains(&("ours-only".to_owned(), "not-asked".to_owned())), "{found:?}");
    assert!(found.iter().all(|(_, code)| code == "another-period" || code == "not-asked"), "{found:?}");
    let invoice = put(files.path(), "whole.csv", &whole);
    let report = wrong(dir, &invoice, &["--format", "csv", "--party", "northwind"]);
    assert!(codes(&report).iter().all(|(_, code)| code == "another-party"), "{:?}", codes(&report));

    for (words, why) in [
        (&["--format", "csv", "--period", "2026-10"][..], "was over when the record begins"),
        (&["--format", "csv", "--period", "2031-01"], "had not begun on the record"),
        (&["--format", "csv", "--party", "nobody"], "is no party of the memorandum"),
        (&["--format", "focus"], "no column is named `EffectiveCost`"),
        (&["--columns", "amount=cost,act=about"], "--asset"),
        (&["--columns", "amount=cost,act=about,asset=asset"], "column `about`"),
    ] {
        let output = reconcile(dir, &invoice, words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why), "{words:?}: {said}");
        assert!(output.stdout.is_empty(), "nothing is told of it");
    }
}

#[test]
fn rows_of_a_day_and_model_are_held_against_the_acts_that_ended_on_it() {
    let (folder, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let _house = months(folder.path());
    let dir = folder.path();
    let scope = ["--period", "2026-12", "--party", "halcyon"];
    let mut days = std::collections::BTreeMap::<(String, String), (i128, u64, u64)>::new();
    for row in
        rows(&exported(dir, &[&["csv"][..], &scope].concat())).iter().filter(|row| !row["grants"].is_empty())
    {
        let sum = days.entry((row["settled_at"][..10].to_owned(), row["model"].clone())).or_default();
        sum.0 += row["cost_minor"].parse::<i128>().unwrap();
        sum.1 += row["input_tokens"].parse::<u64>().unwrap() + row["output_tokens"].parse::<u64>().unwrap();
        sum.2 += 1;
    }
    let bill = |days: &std::collections::BTreeMap<(String, String), (i128, u64, u64)>| {
        days.iter().fold("Day,Sku,Cost,Tokens\n".to_owned(), |text, ((day, model), (minor, tokens, _))| {
            format!("{text}{day},{model},{}.{:09},{tokens}\n", minor / 1_000_000_000, minor % 1_000_000_000)
        })
    };
    let words =
        [&["--columns", "date=Day,model=Sku,amount=Cost,quantity=Tokens", "--asset", "CREDIT"][..], &scope]
            .concat();
    let invoice = put(files.path(), "daily.csv", &bill(&days));
    let report: Value =
        serde_json::from_str(&done(&reconcile(dir, &invoice, &[&words[..], &["--json"]].concat()))).unwrap();
    let acts: u64 = days.values().map(|(_, _, acts)| acts).sum();
    assert_eq!(report["matched"], json!({ "acts": acts, "groups": days.len() }));

    let (first, of_first) = days.iter().next().map(|(key, sum)| (key.clone(), *sum)).unwrap();
    days.get_mut(&first).unwrap().0 += 25;
    let invoice = put(files.path(), "higher.csv", &bill(&days));
    let report = wrong(dir, &invoice, &words);
    let found = &report["differences"][0];
    assert_eq!(
        (&found["kind"], &found["day"], &found["model"]),
        (&json!("differing"), &json!(first.0), &json!(first.1))
    );
    assert_eq!(found["money"], json!([{ "amount": "0.000000025", "asset": "CREDIT" }]));
    assert_eq!(found["acts"].as_array().unwrap().len() as u64, of_first.2, "the acts of the group are named");
    let shown = reconcile(dir, &invoice, &words);
    let shown = String::from_utf8_lossy(&shown.stderr).into_owned();
    for part in
        ["differing: line 2", "it makes 0.000000025 CREDIT", found["acts"][0]["act"].as_str().unwrap()]
    {
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn both_parties_attest_the_same_report_and_who_has_not_is_named() {
    let upstream = Upstream::start(Used::AtMost(40, 60));
    let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
    let server = folder.serve(&[]);
    let key = folder.admit();
    let mut client = Client::new(server.url());
    for _ in 0..4 {
        assert_eq!(client.ask(Request::chat(&key, &chat(100, false))).unwrap().status, 200);
    }
    let text = exported(&folder.dir, &["csv"]);
    let calls: Vec<usize> = rows(&text)
        .iter()
        .enumerate()
        .filter(|(_, row)| !row["grants"].is_empty())
        .map(|(place, _)| place)
        .collect();
    let month = rows(&text)[calls[0]]["settled_at"][..7].to_owned();
    let higher = changed(&text, calls[0], "cost", "0.009000000");
    let invoice = put(folder.dir.parent().unwrap(), "invoice.csv", &higher);
    let path = invoice.to_str().unwrap();
    let asked = ["fund", "reconcile", path, "--format", "csv", "--period", &month];
    let attest = |party: &str| {
        let output = folder.command(&[&asked[..], &["--attest", party]].concat());
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "it differs, and is attested: {told}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let first = attest(PARTIES[0]);
    assert_eq!(codes(&first["reconciliation"]), [("differing".to_owned(), "amount".to_owned())]);
    let list = folder.said(&["fund", "reconcile", "--list"]);
    assert_eq!((&list[0]["differing"], &list[0]["missing"]), (&json!(1), &json!([PARTIES[1]])));
    let page = Client::new(server.url()).ask(Request::get("/")).unwrap().text();
    assert!(
        page.contains("differences: 1, attested by northwind; still to attest"),
        "the page says whose word is missing"
    );
    let again = folder.told_wrong(&[&asked[..], &["--attest", PARTIES[0]]].concat());
    assert!(again.contains("has attested this reconciliation already"), "{again}");
    let second = attest(PARTIES[1]);
    assert_eq!(first["report"], second["report"], "each made it by itself, and it is the same");
    let list = folder.said(&["fund", "reconcile", "--list"]);
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!((&list[0]["report"], &list[0]["missing"]), (&first["report"], &json!([])));
    let printed = folder.command(&asked).stdout;
    let digest = record::hash::base64(&record::hash::sha256(&printed));
    assert_eq!(list[0]["report"], digest, "what is attested is what is printed");
    let table = folder.told(&["fund", "reconcile", "--list"]);
    assert!(table.contains("nobody") && table.contains("northwind, halcyon"), "{table}");

    let agreed = put(folder.dir.parent().unwrap(), "agreed.csv", &text);
    let path = agreed.to_str().unwrap();
    let words = ["fund", "reconcile", path, "--format", "csv", "--period", &month];
    let told = folder.told(&[&words[..], &["--attest", PARTIES[0]]].concat());
    assert!(told.contains("report sha256") && told.contains("attested: done: act"), "{told}");
    let list = folder.said(&["fund", "reconcile", "--list"]);
    assert_eq!((&list[1]["differing"], &list[1]["missing"]), (&json!(0), &json!([PARTIES[1]])));
    let period = folder.told_wrong(&["fund", "reconcile", path, "--format", "csv", "--attest", PARTIES[0]]);
    assert!(period.contains("--period"), "{period}");

    server.stop();
    folder.verified();
    done(&run(Command::new(BINARY).args(["verify", "--policies"]).arg(&folder.dir)));
    second_verifier::holds(&folder.dir.join("record"));
    let server = folder.serve(&[]);
    let list = folder.said(&["fund", "reconcile", "--list"]);
    assert_eq!(list.as_array().unwrap().len(), 2, "after a restart too");
    server.stop();
}
