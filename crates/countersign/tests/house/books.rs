//! `countersign export`: whatever the form, it says the same to the unit, and only of a record that holds.
//!
//! Not here: what programs of others make of it (`bookkeepers`).

use crate::http::{Client, Request};
use crate::scene::{BINDING, House, outcome};
use crate::server::{self, BINARY, Folder, PARTIES, Server, config, done, eventually, minor, run, write};
use crate::told::chat;
use crate::upstream::{Upstream, Used};
use partnership::act::Ended;
use partnership::decision::{Decision, Warrant};
use partnership::{Answer, Command as Order};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

/// Sums by account and asset, or by asset. Units: minor units.
pub(crate) type Sums = BTreeMap<(String, String), i128>;

/// What `export` says of the record in a folder.
pub(crate) fn export(dir: &Path, words: &[&str]) -> Output {
    run(Command::new(BINARY).arg("export").args(words).arg("--dir").arg(dir))
}

/// The same where it is to succeed.
pub(crate) fn exported(dir: &Path, words: &[&str]) -> String {
    done(&export(dir, words))
}

/// A record on which grants burn down one after the other and expire, prices leave remainders, models overrun, tranches are drawn, terms
/// change, and one grant is only watched: from November 2026 to February 2027.
pub(crate) fn months(folder: &Path) -> House {
    let grant = |id: &str, amount: &str, more: &str| {
        format!(
            "### {id}\n\nFor the test.\n\n```toml clause {id}\nkind = \"compute-credit\"\nsource = \"signed\"\nfrom = \"northwind\"\nto = \"halcyon\"\namount = \"{amount} CREDIT\"\nmodels = [\"*\"]\n{more}\n```\n\n"
        )
    };
    let grants = [
        grant("x-pilot", "0.000300000", "burn_order = 1"),
        grant("winter-2026", "0.100000000", "burn_order = 2\nstarts = 2026-12-01\nexpires = 2027-01-15"),
        grant("hoped", "0.000500000", "force = \"non-binding\""),
    ];
    let memorandum = BINDING.replacen("## Part II", &format!("{}## Part II", grants.concat()), 1).replacen(
        "per = 1000000",
        "per = 7000000",
        1,
    );
    let mut house = House::found(folder, &memorandum);
    house.live(30);
    for days in [10, 4, 12, 5, 9, 8] {
        house.pass(days * 24 * 60 * 60 * 1000);
        for number in 0..5 {
            answered(&mut house, 40 + number, (200 + 13 * number, number));
        }
    }
    house.pass(1);
    let _left_open: Option<Warrant> = asked(&mut house, 55);
    house.publish();
    house
}

fn asked(house: &mut House, output_tokens_max: u64) -> Option<Warrant> {
    let proposal = house.proposal("plain", output_tokens_max);
    match house.turn(vec![proposal]).remove(0).answer {
        Answer::Decided(Decision::Allow(warrant)) => Some(warrant),
        _ => None,
    }
}

fn answered(house: &mut House, output_tokens_max: u64, (input_tokens, output_tokens): (u64, u64)) {
    let warrant = asked(house, output_tokens_max).unwrap();
    house.turn(vec![Order::Settle(warrant, outcome(Ended::Done, input_tokens, output_tokens))]);
}

/// Rows of comma-separated values by the names of their columns.
pub(crate) fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = text.lines().map(cells);
    let heads = lines.next().unwrap();
    let row = |cells: Vec<String>| {
        assert_eq!(cells.len(), heads.len(), "{cells:?}");
        heads.iter().cloned().zip(cells).collect()
    };
    lines.map(row).collect()
}

/// The values of a line, none of which has a line's end.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let cell = cells.last_mut().unwrap();
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => cell.extend(letters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cell.push(other),
        }
    }
    cells
}

/// An amount as any form writes it. Units: minor units.
fn digits(amount: &str) -> i128 {
    amount.replace('.', "").parse().unwrap_or_else(|error| panic!("`{amount}`: {error}"))
}

/// What a journal of either kind posts: by account, but for opening and closing balances; and the balances that it asserts.
fn posted(text: &str) -> (Sums, Sums) {
    let (mut sums, mut asserted, mut counts) = (Sums::new(), Sums::new(), false);
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match &words[..] {
            [_, "balance", account, amount, asset] => {
                asserted.insert(((*account).to_owned(), (*asset).to_owned()), digits(amount));
            }
            [_, "*", about @ ..] => counts = !about.join(" ").trim_matches('"').ends_with("ing balances"),
            [account, amount, asset]
                if line.starts_with("  ") && !account.ends_with(':') && *account != ";" && counts =>
            {
                *sums.entry(((*account).to_owned(), asset.replace('"', ""))).or_default() += digits(amount);
            }
            [account, _, _, "=", amount, asset] => {
                asserted.insert(((*account).to_owned(), asset.replace('"', "")), digits(amount));
            }
            _ => {}
        }
    }
    (sums, asserted)
}

/// What grants paid, by asset: into what is spent, but what the operator bore. Both by the accounts' names.
fn paid(posted: &Sums, is_part: impl Fn(&str) -> bool) -> BTreeMap<String, i128> {
    let mut paid = BTreeMap::new();
    for ((_, asset), minor) in posted.iter().filter(|((account, _), _)| is_part(account)) {
        *paid.entry(asset.clone()).or_default() += minor;
    }
    paid
}

/// What grants paid in a scope, by asset, as each form tells it; all forms agree.
pub(crate) fn agreed(dir: &Path, scope: &[&str]) -> BTreeMap<String, i128> {
    let of = |form: &str| exported(dir, &[&[form], scope].concat());
    let mut csv: BTreeMap<String, i128> = BTreeMap::new();
    for row in rows(&of("csv")).iter().filter(|row| !row["grants"].is_empty()) {
        *csv.entry(row["asset"].clone()).or_default() += row["cost_minor"].parse::<i128>().unwrap();
        assert_eq!(digits(&row["cost"]).to_string(), row["cost_minor"]);
    }
    let mut jsonl: BTreeMap<String, i128> = BTreeMap::new();
    for line in of("jsonl").lines() {
        let act: Value = serde_json::from_str(line).unwrap();
        for grant in act["cost"]["grants"].as_array().unwrap() {
            *jsonl.entry(grant["paid"]["asset"].as_str().unwrap().to_owned()).or_default() +=
                minor(&grant["paid"]);
        }
    }
    let mut focus: BTreeMap<String, i128> = BTreeMap::new();
    for row in rows(&of("focus")).iter().filter(|row| row["CommitmentDiscountStatus"] == "Used") {
        *focus.entry(row["x_Asset"].clone()).or_default() += digits(&row["EffectiveCost"]);
        assert_eq!(
            (digits(&row["EffectiveCost"]).to_string(), row["BilledCost"].as_str()),
            (row["x_CostMinor"].clone(), "0.0")
        );
    }
    let is_part = |account: &str, [credit, spent, overrun]: [&str; 3]| {
        account.starts_with(credit) && account.ends_with(spent) || account.contains(overrun)
    };
    let hledger =
        paid(&posted(&of("hledger")).0, |account| is_part(account, ["credit:", ":spent", ":overrun:"]));
    let beancount = paid(&posted(&of("beancount")).0, |account| {
        is_part(account, ["Expenses:Credit:", ":Spent", ":Overrun:"])
    });
    assert_eq!(csv, jsonl, "{scope:?}");
    assert_eq!(csv, focus, "{scope:?}");
    assert_eq!(csv, hledger, "{scope:?}");
    assert_eq!(hledger, beancount, "{scope:?}");
    csv
}

#[test]
fn every_form_has_the_same_totals_to_the_unit_while_the_server_runs() {
    let upstream = Upstream::start(Used::AtMost(40, 60));
    let odd = |text: &str| text.replacen("per = 1000000", "per = 7000000", 1);
    let folder = Folder::founded(&config(&upstream.url()), odd);
    let server = folder.serve(&[]);
    lives(&folder, &server);
    let spent = minor(&folder.account("credit:launch-credits:spent").unwrap()["posted_credits"]);
    assert!(spent > 0);
    let credit = |sums: BTreeMap<String, i128>| sums.into_iter().collect::<Vec<_>>();
    assert_eq!(credit(agreed(&folder.dir, &[])), [("CREDIT".to_owned(), spent)]);

    let csv = rows(&exported(&folder.dir, &["csv"]));
    rows_tell(&csv);
    let month = csv[0]["decided_at"][..7].to_owned();
    let page = exported(&folder.dir, &["statement", "--period", &month, "--party", "halcyon"]);
    let total = format!("0.{spent:09} CREDIT");
    for part in [
        "Halcyon Research",
        &total,
        "longest-answer",
        "release-tranche",
        "drawn on",
        "credit:launch-credits:available",
        "countersign verify",
    ] {
        assert!(page.contains(part), "the statement has no `{part}`");
    }
    served(&server, &folder);
    server.stop();
    let root = folder.verified()["root"].as_str().unwrap().to_owned();
    let page = exported(&folder.dir, &["statement", "--period", &month, "--party", "halcyon"]);
    assert!(page.contains(&root), "the statement names the root that `verify` finds");
}

/// Calls that are answered, spoken against and refused, and a tranche that both have attested.
fn lives(folder: &Folder, server: &Server) {
    let key = folder.admit();
    let small = made(folder, "0.000000001 CREDIT");
    let large = made(folder, "1.000000000 CREDIT");
    let mut client = Client::new(server.url());
    let calls = [
        (&key, chat(100, false), 200, 7),
        (&key, chat(100, true), 200, 2),
        (&key, chat(500, false), 200, 1),
        (&key, chat(1_200, false), 403, 2),
        (&small, chat(100, false), 429, 3),
        (&large, chat(100, false), 200, 4),
    ];
    for (key, body, status, times) in &calls {
        for _ in 0..*times {
            assert_eq!(client.ask(Request::chat(key, body)).unwrap().status, *status);
        }
    }
    let evidence = folder.dir.with_file_name("evidence.txt");
    write(&evidence, "It is offered.\n");
    for party in PARTIES {
        folder.said(&[
            "fund",
            "attest",
            "release-tranche",
            "--party",
            party,
            "--evidence",
            evidence.to_str().unwrap(),
        ]);
    }
    eventually("the tranche is booked", || {
        folder
            .account("commitment:release-tranche:drawn")
            .is_some_and(|drawn| minor(&drawn["posted_credits"]) > 0)
    });
}

/// What was refused, spoken against and drawn is in the rows, with the clause.
fn rows_tell(csv: &[BTreeMap<String, String>]) {
    let is_call = |row: &&BTreeMap<String, String>| row["kind"] == "infer";
    let count = |verdict: &str, refusal: &str| {
        csv.iter()
            .filter(is_call)
            .filter(|row| row["verdict"] == verdict && row["refusal"] == refusal)
            .count()
    };
    assert_eq!(
        (count("allowed", ""), count("refused", "forbidden"), count("refused", "insufficient-quota")),
        (14, 2, 3)
    );
    let refused = csv.iter().find(|row| row["refusal"] == "forbidden").unwrap();
    assert_eq!((refused["clause"].as_str(), refused["cost_minor"].as_str()), ("longest-answer", "0"));
    assert!(csv.iter().any(|row| row["deviations"] == "brief-answers" && row["verdict"] == "allowed"));
    assert!(
        csv.iter()
            .any(|row| row["moved"] == "750000.00 USD"
                && row["moved_to"] == "commitment:release-tranche:drawn")
    );
    remainders_are_exact(csv);
}

/// Over the network it is the same record.
fn served(server: &Server, folder: &Folder) {
    let entries = folder.entries().to_string();
    eventually("all of it is published", || {
        let text = std::fs::read_to_string(folder.dir.join("record/checkpoint")).unwrap_or_default();
        text.lines().nth(1) == Some(entries.as_str())
    });
    for form in ["csv", "beancount"] {
        let ours = exported(&folder.dir, &[form]);
        let theirs = done(&run(Command::new(BINARY).args(["export", form, "--server", server.url()])));
        assert_eq!(ours, theirs);
    }
}

fn made(folder: &Folder, budget: &str) -> String {
    let made = folder.said(&["key", "new", "--application", "assistant", "--budget", budget]);
    made["key"].as_str().unwrap().to_owned()
}

/// A seventh of a unit is not lost: for each call, seven times what was paid and the remainder are the price.
fn remainders_are_exact(csv: &[BTreeMap<String, String>]) {
    let mut odd = 0;
    for row in csv.iter().filter(|row| !row["grants"].is_empty()) {
        let number = |column: &str| row[column].parse::<i128>().unwrap_or(0);
        let exact = number("input_tokens") * 500 + number("output_tokens") * 1_500;
        let (over, under) = (number("rounding_numerator"), number("rounding_denominator"));
        // The price is a million's share of seven: in sevenths of a unit where something is left over.
        assert_eq!(
            number("cost_minor") * 7 + if under == 0 { 0 } else { over * 7 / under },
            exact,
            "{row:?}"
        );
        odd += usize::from(over != 0);
    }
    assert!(odd > 0, "some price leaves a remainder");
}

#[test]
fn months_follow_on_each_other_and_add_up_to_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let house = months(folder.path());
    let dir = folder.path();
    let whole: Vec<String> = exported(dir, &["csv"]).lines().skip(1).map(str::to_owned).collect();
    let (mut acts, mut totals) = (Vec::new(), BTreeMap::new());
    let mut before = Sums::new();
    for month in MONTHS {
        let scope = ["--period", month];
        acts.extend(exported(dir, &[&["csv"][..], &scope].concat()).lines().skip(1).map(str::to_owned));
        for (asset, minor) in agreed(dir, &scope) {
            *totals.entry(asset).or_default() += minor;
        }
        let (moved, closing) = posted(&exported(dir, &[&["hledger"][..], &scope].concat()));
        let mut expected = before;
        for (account, minor) in moved {
            *expected.entry(account).or_default() += minor;
        }
        assert_eq!(expected, closing, "{month}: opening balances and what was posted are the closing ones");
        before = closing;
    }
    assert_eq!(acts, whole, "each act is in one month");
    assert_eq!(totals, agreed(dir, &[]));
    let ids: BTreeSet<&str> = whole.iter().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(ids.len(), whole.len(), "no act has two rows");
    let state = house.partnership.state();
    for (account, asset, _, balance) in state.book().accounts() {
        let ours = before.get(&(account.to_string(), asset.to_string())).copied().unwrap_or_default();
        assert_eq!(ours, balance.net(), "{account}");
    }
    assert!(state.open().count() > 0, "something is reserved, and in no books");
    assert_eq!(
        exported(dir, &["beancount"]),
        exported(dir, &["beancount"]),
        "the same record gives the same bytes"
    );
}

/// The months in which something happens in [`months`].
pub(crate) const MONTHS: [&str; 4] = ["2026-11", "2026-12", "2027-01", "2027-02"];

#[test]
fn a_party_sees_what_concerns_it_and_what_expired_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let _house = months(folder.path());
    let dir = folder.path();
    assert_eq!(agreed(dir, &["--party", "halcyon"]), agreed(dir, &[]), "only halcyon's applications call");
    let theirs = rows(&exported(dir, &["csv", "--party", "northwind"]));
    assert!(
        !theirs.is_empty() && theirs.iter().all(|row| row["kind"] != "infer"),
        "northwind has no application"
    );
    for (party, budgets) in [("northwind", false), ("halcyon", true)] {
        let (posted, _) = posted(&exported(dir, &["hledger", "--party", party]));
        let mut by_asset: BTreeMap<&str, i128> = BTreeMap::new();
        for ((_, asset), minor) in &posted {
            *by_asset.entry(asset).or_default() += minor;
        }
        assert!(by_asset.values().all(|sum| *sum == 0), "{party}'s books balance: {by_asset:?}");
        let has = |head: &str| posted.keys().any(|(account, _)| account.starts_with(head));
        assert!(has("credit:launch-credits:") && has("rounding:"));
        assert_eq!(has("budget:"), budgets, "a key's budget is its party's own");
    }
    let unused: Vec<_> = rows(&exported(dir, &["focus"]))
        .into_iter()
        .filter(|row| row["CommitmentDiscountStatus"] == "Unused")
        .map(|row| (row["CommitmentDiscountId"].clone(), digits(&row["EffectiveCost"])))
        .collect();
    let (posted, _) = posted(&exported(dir, &["hledger"]));
    let left = posted[&("credit:winter-2026:breakage".to_owned(), "CREDIT".to_owned())];
    assert_eq!(unused, [("winter-2026".to_owned(), left)]);
    assert!(left > 0 && left < 100_000_000);
    let commitments = rows(&exported(dir, &["focus", "--commitments"]));
    let of = |id: &str| commitments.iter().find(|row| row["ContractCommitmentId"] == id).unwrap().clone();
    assert_eq!(of("launch-credits")["ContractCommitmentCost"], "1500.000000000", "as amended");
    assert_eq!(
        (of("first-tranche")["BillingCurrency"].as_str(), of("hoped")["x_Force"].as_str()),
        ("USD", "non-binding")
    );
}

#[test]
fn a_record_that_does_not_hold_gives_nothing_and_no_file_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let _house = months(folder.path());
    let dir = folder.path();
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("books.csv");
    let to = out.to_str().unwrap();
    done(&export(dir, &["csv", "--out", to]));
    let first = std::fs::read(&out).unwrap();
    assert_eq!(first, exported(dir, &["csv"]).into_bytes());
    refuses(dir, &["hledger", "--out", to], 1, "--force");
    assert_eq!(std::fs::read(&out).unwrap(), first);
    done(&export(dir, &["hledger", "--out", to, "--force"]));
    assert_ne!(std::fs::read(&out).unwrap(), first);

    refuses(dir, &["csv", "--period", "2026-13"], 2, "2026-11");
    refuses(dir, &["csv", "--period", "2027-03"], 1, "had not begun");
    refuses(dir, &["csv", "--period", "2026-10"], 1, "begins");
    refuses(dir, &["csv", "--party", "nobody"], 1, "northwind");
    refuses(dir, &["statement", "--party", "halcyon"], 2, "--period");
    refuses(dir, &["statement", "--party", "halcyon", "--period", "2026"], 1, "month");
    refuses(dir, &["csv", "--commitments"], 1, "focus");

    let broken = tempfile::tempdir().unwrap();
    let copied = run(Command::new("cp").arg("-a").arg(dir.join(".")).arg(broken.path()));
    assert!(copied.status.success(), "{copied:?}");
    let bundle = broken.path().join("tile/entries/000");
    let mut bytes = std::fs::read(&bundle).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    server::put(&bundle, &bytes);
    refuses(broken.path(), &["hledger"], 1, "");
    let absent = place.path().join("absent");
    refuses(broken.path(), &["csv", "--out", absent.to_str().unwrap()], 1, "");
    let left: Vec<_> =
        std::fs::read_dir(place.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["books.csv"], "nothing half written is left");
}

/// It ends with this code, says this, and nothing on stdout.
fn refuses(dir: &Path, words: &[&str], code: i32, says: &str) {
    let output = export(dir, words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(code), 0), "{words:?}: {said}");
    assert!(said.contains(says), "{words:?}: {said}");
}
