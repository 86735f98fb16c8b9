//! Commitments, from outside: what falls due by the calendar while a server runs, the instruction to pay it, whose word settles it,
//! and what `fund list` says of all that.
//!
//! Not here: amounts in tables (`partnership`, `acts::dues`).

use crate::clock::Clock;
use crate::http::{Client, Request};
use crate::second_verifier;
use crate::server::{BINARY, Folder, config, cost, credits, done, eventually, run};
use crate::told::chat;
use crate::upstream::{Upstream, Used};
use jiff::ToSpan as _;
use jiff::civil::Date;
use record::note::Verifier;
use serde_json::{Value, json};
use std::process::Command;

const DAY: i64 = 24 * 3_600;
const USED: (u64, u64) = (40, 60);

/// The example with a minimum that ends in ten days, capacity that is rented for a month at a time from tomorrow on, and revenue that
/// is shared after each two days.
fn clauses(today: Date, force: &str) -> impl Fn(&str) -> String {
    let (tomorrow, end) = (today.saturating_add(1.day()), today.saturating_add(10.days()));
    let least = credits(3 * cost(USED));
    let head = |kind: &str| format!("kind = \"{kind}\"\nsource = \"signed\"\nforce = \"{force}\"\n");
    let block =
        |id: &str, kind: &str, fields: &str| format!("\n```toml clause {id}\n{}{fields}```\n", head(kind));
    let added = [
        block(
            "least-use",
            "minimum-consumption",
            &format!("by = \"halcyon\"\nto = \"northwind\"\namount = \"{least}\"\nstarts = {today}\nends = {end}\n"),
        ),
        block(
            "throughput",
            "capacity",
            &format!("from = \"northwind\"\nto = \"halcyon\"\nwhat = \"units of throughput\"\nquantity = 15\nprice = \"260.00 USD\"\nevery = \"P1M\"\nstarts = {tomorrow}\n"),
        ),
        block(
            "share",
            "revenue-share",
            &format!("from = \"halcyon\"\nto = \"northwind\"\nrate = \"20%\"\nasset = \"USD\"\ncap = \"5000.00 USD\"\nevery = \"P2D\"\nstarts = {today}\n"),
        ),
    ]
    .concat();
    move |text| format!("{text}{added}")
}

struct Scene {
    folder: Folder,
    clock: Clock,
    server: crate::server::Server,
    key: String,
    today: Date,
    _upstream: Upstream,
}

impl Scene {
    fn set(force: &str) -> Self {
        let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let upstream = Upstream::start(Used::Always(USED.0, USED.1));
        let folder = Folder::founded(&config(&upstream.url()), clauses(today, force));
        let clock = Clock::new();
        let server = clock.serve(&folder);
        let key = folder.admit();
        Self { folder, clock, server, key, today, _upstream: upstream }
    }

    fn call(&self) {
        let answer = Client::new(self.server.url()).ask(Request::chat(&self.key, &chat(100, false))).unwrap();
        assert_eq!(answer.status, 200);
    }

    fn fund(&self, name: &str) -> Value {
        let funds = self.folder.said(&["fund", "list"]);
        funds.as_array().unwrap().iter().find(|fund| fund["name"] == name).unwrap().clone()
    }

    /// Steps so many days ahead of the machine's clock.
    fn days(&self, days: i64) {
        self.clock.step_to(days * DAY);
    }

    fn holds(self) {
        self.server.stop();
        self.folder.verified();
        done(&run(Command::new(BINARY).arg("verify").arg(&self.folder.dir)));
        second_verifier::holds(&self.folder.dir.join("record"));
    }
}

/// An amount of credits without its asset.
fn number(minor: i128) -> String {
    credits(minor).trim_end_matches(" CREDIT").to_owned()
}

fn amount(fund: &Value, name: &str) -> String {
    fund[name]["amount"].as_str().unwrap_or("-").to_owned()
}

#[test]
fn what_falls_due_is_booked_while_a_server_runs_paid_by_word_and_shown_with_where_it_leads() {
    let scene = Scene::set("binding");
    scene.call();
    scene.call();
    let least = scene.fund("least-use");
    assert_eq!(amount(&least, "spent"), number(2 * cost(USED)));
    assert_eq!(
        (&least["forecast"], least["pace"]["spent"].as_u64()),
        (&Value::Null, Some(66)),
        "no day is over yet"
    );
    scene.days(1);
    eventually("the first month of capacity is billed", || {
        amount(&scene.fund("throughput"), "owed") == "3900.00"
    });
    let least = scene.fund("least-use");
    let left = amount(&least, "left");
    assert_eq!(left, number(cost(USED)));
    assert_eq!(least["forecast"]["per_day"][1]["amount"], number(2 * cost(USED)));
    assert_eq!(least["forecast"]["left_then"][0]["amount"], number(0), "it will be met at this rate");
    assert_eq!(least["next_due"], scene.today.saturating_add(10.days()).to_string());
    let table = scene.folder.told(&["fund", "list"]);
    for part in ["OUTLOOK", "66 % spent in 10 % of the time", "used up on"] {
        assert!(table.contains(part), "{table}");
    }

    let unsigned = ["fund", "draw", "throughput", "--party", "northwind"];
    assert!(scene.folder.told_wrong(&unsigned).contains("is for `halcyon` to pay"));
    let instruction = scene.folder.said(&["fund", "draw", "throughput", "--party", "halcyon"]);
    assert_eq!((&instruction["amount"], &instruction["creditor"]), (&json!("3900.00"), &json!("northwind")));
    assert_eq!(instruction["reference"].as_str().unwrap().len(), 26);
    assert!(is_signed(&scene.folder, &instruction));
    let mut raised = instruction.clone();
    raised["amount"] = "3900.01".into();
    assert!(!is_signed(&scene.folder, &raised));
    let csv = scene.folder.told(&["fund", "draw", "throughput", "--party", "halcyon", "--format", "csv"]);
    assert_eq!(csv.lines().count(), 2);
    assert!(csv.lines().nth(1).unwrap().contains(",3900.00,USD,"), "{csv}");

    let reference = instruction["reference"].as_str().unwrap();
    let attest = |party: &str, amount: &str, reference: &str, more: &[&str]| {
        let words = ["fund", "attest", "throughput", "--paid", amount, "--reference", reference];
        scene.folder.command(&[&words[..], &["--party", party], more].concat())
    };
    let word = |party: &str, amount: &str| attest(party, amount, reference, &[]);
    assert!(word("halcyon", "3900.00 USD").status.success());
    assert_eq!(amount(&scene.fund("throughput"), "owed"), "3900.00", "who owes says that it was sent");
    let refused = word("northwind", "3900.01 USD");
    assert_eq!(refused.status.code(), Some(1), "more than is owed");
    let converted = ["--in", "923.00 EUR", "--rate-source", "European Central Bank, a made-up day"];
    assert_eq!(
        attest("northwind", "1000.00 USD", "R-EUR", &converted[..2]).status.code(),
        Some(2),
        "no source"
    );
    let unknown = attest("northwind", "1000.00 USD", "R-EUR", &["--in", "9.00 XYZ", "--rate-source", "x"]);
    let told = String::from_utf8(unknown.stderr).unwrap();
    assert!(told.contains("no asset `XYZ`") && told.contains("CREDIT, EUR"), "{told}");
    assert!(attest("northwind", "1000.00 USD", "R-EUR", &converted).status.success());
    assert!(word("northwind", "2900.00 USD").status.success());
    let paid = scene.fund("throughput");
    assert_eq!((amount(&paid, "owed"), amount(&paid, "paid")), ("0.00".to_owned(), "3900.00".to_owned()));
    let words: Vec<_> =
        paid["payments"].as_array().unwrap().iter().map(|word| word["settles"].clone()).collect();
    assert_eq!(words, [json!(false), json!(true), json!(true)]);
    assert_eq!(paid["payments"][1]["paid_in"], json!({ "amount": "923.00", "asset": "EUR" }));
    let lines = ["capacity:throughput:converted  1000.00 USD", "capacity:throughput:paid:EUR  923.00 EUR"];
    eventually("both sides of the conversion are in the books", || {
        let journal = scene.folder.told(&["export", "hledger"]);
        lines.iter().all(|line| journal.contains(line))
    });
    scene.holds();
}

#[test]
fn revenue_that_is_declared_is_shared_and_a_minimum_that_is_missed_is_owed_on_its_day() {
    let scene = Scene::set("binding");
    scene.call();
    let declare = ["fund", "declare", "share", "--revenue", "12345.67 USD", "--party", "halcyon"];
    assert_eq!(scene.folder.command(&declare).status.code(), Some(1), "the period is not over");
    scene.days(10);
    eventually("the minimum is missed", || scene.fund("least-use")["state"] == "breached");
    assert_eq!(amount(&scene.fund("least-use"), "owed"), number(2 * cost(USED)));
    scene.folder.said(&declare);
    let share = scene.fund("share");
    assert_eq!(
        (amount(&share, "owed"), amount(&share, "left")),
        ("2469.13".to_owned(), "2530.87".to_owned())
    );
    assert_eq!(share["dues"][0]["revenue"]["amount"], "12345.67");
    let page = Client::new(scene.server.url()).ask(Request::get("/")).unwrap().text();
    assert!(page.contains("least-use") && page.contains("throughput"), "the overview names them");
    scene.holds();
}

#[test]
fn what_is_only_intended_is_counted_and_reported_and_nothing_is_owed() {
    let scene = Scene::set("non-binding");
    scene.call();
    scene.days(10);
    eventually("the day is booked", || scene.folder.counts("least-use").1 == 1);
    assert!(scene.folder.account("minimum:least-use:shortfall").is_none());
    assert!(scene.folder.account("memo:minimum:least-use:shortfall").is_some());
    let told = scene.folder.told_wrong(&[
        "fund",
        "attest",
        "throughput",
        "--paid",
        "1.00 USD",
        "--reference",
        "R",
        "--party",
        "northwind",
    ]);
    assert!(told.contains("not binding"), "{told}");
    scene.holds();
}

/// Whether the fields of an instruction are signed by the key of the party that owes.
fn is_signed(folder: &Folder, instruction: &Value) -> bool {
    let fields = [
        "partnership",
        "memorandum",
        "clause",
        "debtor",
        "creditor",
        "amount",
        "asset",
        "reference",
        "at",
        "entries",
    ];
    let lines: String =
        fields.iter().map(|name| format!("{name} {}\n", instruction[*name].as_str().unwrap())).collect();
    let vkey = std::fs::read_to_string(folder.dir.join("keys/halcyon.vkey")).unwrap();
    let signature = record::hash::from_base64(instruction["signature"].as_str().unwrap()).unwrap();
    let bytes = format!("countersign/instruction/v1\n{lines}");
    Verifier::parse(vkey.trim()).unwrap().verify_bytes(bytes.as_bytes(), &signature.try_into().unwrap())
}
