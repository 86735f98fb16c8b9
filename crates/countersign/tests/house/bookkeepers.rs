//! Books and charges as programs read them that are not ours: hledger, Beancount, `DuckDB`, pandas and the validator of FOCUS.
//! `cargo xtask test --strangers books` brings them and runs this.
//!
//! Not here: what the forms have in common (`books`).

use crate::books::{MONTHS, agreed, exported, months};
use crate::http::{Client, Request};
use crate::server::{Folder, config, done, eventually, run, write};
use crate::told::{chat, say};
use crate::upstream::{Upstream, Used};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Rules that fail whatever a file says, in the model that the validator brings (1.2.0.1).
const FALSE_FAILURES: [&str; 4] = [
    // The two sides of an "or", of which one always fails.
    "InvoiceId-C-004-C",
    "InvoiceId-C-005-C",
    // They ask for other words than the specification's `Used` and `Unused`, and where it asks for none (FOCUS_Spec, issue 2418).
    "CommitmentDiscountStatus-C-004-C",
    "CommitmentDiscountStatus-C-005-M",
];
/// What of the specification applies to a record: no regions, no reserved capacity, no second currency.
const APPLIES: &str = "ACCOUNT_NAMING_SUPPORTED,COMMITMENT_DISCOUNT_SUPPORTED,MULTIPLE_PRICING_CATEGORIES_SUPPORTED,\
NEGOTIATED_PRICING_SUPPORTED,PUBLIC_PRICE_LIST_SUPPORTED,USAGE_MEASUREMENT_SUPPORTED,UNIT_PRICING_SUPPORTED,SUB_ACCOUNT_SUPPORTED,\
MULTIPLE_SUB_ACCOUNT_TYPES_SUPPORTED,MULTIPLE_BILLING_ACCOUNT_TYPES_SUPPORTED,RESOURCE_TYPE_ASSIGNMENT_SUPPORTED,TAGGING_SUPPORTED";

/// The programs, and a folder for what they read.
struct Readers {
    place: tempfile::TempDir,
    /// A Python with Beancount, `DuckDB` and pandas.
    python: PathBuf,
    /// The validator of FOCUS; none where there is no Python that it runs on.
    focus: Option<PathBuf>,
}

impl Readers {
    fn found() -> Self {
        let lent = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        let python = lent("COUNTERSIGN_BOOKS_PYTHON");
        let python = python.unwrap_or_else(|| {
            panic!("run this by `cargo xtask test --strangers books`, which brings what it needs")
        });
        Self { place: tempfile::tempdir().unwrap(), python, focus: lent("COUNTERSIGN_FOCUS_VALIDATOR") }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn hledger(&self, text: &str) -> Output {
        write(&self.at("books.journal"), text);
        run(Command::new("hledger").arg("-f").arg(self.at("books.journal")).args([
            "check",
            "--strict",
            "ordereddates",
        ]))
    }

    fn beancount(&self, text: &str) -> Output {
        write(&self.at("books.beancount"), text);
        run(Command::new(self.python.with_file_name("bean-check")).arg(self.at("books.beancount")))
    }

    /// What the others come to, in minor units.
    fn totals(&self, dir: &Path, scope: &[&str]) -> Value {
        for (form, name) in [
            ("csv", "acts.csv"),
            ("jsonl", "acts.jsonl"),
            ("focus", "focus.csv"),
            ("beancount", "books.beancount"),
        ] {
            write(&self.at(name), &exported(dir, &[&[form], scope].concat()));
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/strangers/books/totals.py");
        let said = done(&run(Command::new(&self.python).arg(script).arg(self.place.path())));
        serde_json::from_str(&said).unwrap()
    }

    /// The rules that the validator says a file breaks, but for those that fail whatever it says; and how many it keeps.
    fn broken(&self, validator: &Path, text: &str) -> (BTreeSet<String>, usize) {
        let file = self.at("charges.csv");
        write(&file, text);
        // It reads a table of its own by a path that begins where it is installed.
        let library = validator.parent().and_then(Path::parent).unwrap().join("lib");
        let versions = std::fs::read_dir(library).unwrap().flatten();
        let mut packages = versions.map(|version| version.path().join("site-packages"));
        let packages = packages.find(|path| path.join("focus_validator").is_dir()).unwrap();
        let mut command = Command::new(validator);
        command.current_dir(packages).arg("--data-file").arg(&file);
        command.args(["--validate-version", "1.2", "--block-download", "--focus-dataset", "CostAndUsage"]);
        let output = run(command.args(["--applicability-criteria", APPLIES, "--show-violations"]));
        // Its exit code is nought whatever it finds: the text tells.
        judged(&String::from_utf8_lossy(&output.stdout))
    }
}

/// Reads what the validator printed.
fn judged(text: &str) -> (BTreeSet<String>, usize) {
    let passed = text.lines().filter(|line| line.contains(": PASS")).count();
    let failures: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.split_once(": FAIL"))
        .map(|(rule, why)| (rule.trim_start_matches(|letter: char| !letter.is_ascii_alphabetic()), why))
        .collect();
    let mut excused: BTreeSet<&str> = FALSE_FAILURES.into();
    // A rule that is made of others fails for them alone.
    for _ in 0..failures.len() {
        for (rule, why) in &failures {
            let made_of = why.split_once("failed child rules: [").and_then(|(_, rest)| rest.split_once(']'));
            if made_of.is_some_and(|(rules, _)| rules.split(", ").all(|rule| excused.contains(rule))) {
                excused.insert(rule);
            }
        }
    }
    (failures.keys().filter(|rule| !excused.contains(*rule)).map(|rule| (*rule).to_owned()).collect(), passed)
}

fn accepted(output: &Output, what: &str) {
    assert!(
        output.status.success(),
        "{what}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn rejected(output: &Output, what: &str) {
    assert_eq!(output.status.code(), Some(1), "{what} is accepted");
}

/// A record of a server: calls that were answered, refused and spoken against.
fn lived() -> Folder {
    let upstream = Upstream::start(Used::AtMost(40, 60));
    let folder =
        Folder::founded(&config(&upstream.url()), |text| text.replacen("per = 1000000", "per = 7000000", 1));
    let server = folder.serve(&[]);
    let key = folder.admit();
    let mut client = Client::new(server.url());
    for (tokens, status) in [(100, 200), (500, 200), (1_200, 403), (100, 200)] {
        assert_eq!(client.ask(Request::chat(&key, &chat(tokens, false))).unwrap().status, status);
    }
    eventually("the first tranche is drawn", || folder.account("commitment:first-tranche:drawn").is_some());
    server.stop();
    folder
}

/// Everything that the record is exported by: the whole, each month and year, each party.
fn scopes(periods: &[&str]) -> Vec<Vec<String>> {
    let periods = periods.iter().map(|period| vec!["--period".to_owned(), (*period).to_owned()]);
    let periods: Vec<Vec<String>> = [Vec::new()].into_iter().chain(periods).collect();
    let parties = [None, Some("northwind"), Some("halcyon")];
    let of = |party: Option<&str>| {
        party.into_iter().flat_map(|party| ["--party".to_owned(), party.to_owned()]).collect()
    };
    let with = |period: &Vec<String>| parties.map(|party| [period.clone(), of(party)].concat());
    periods.iter().flat_map(with).collect()
}

fn words(scope: &[String]) -> Vec<&str> {
    scope.iter().map(String::as_str).collect()
}

#[test]
#[ignore = "it needs hledger, Beancount, DuckDB, pandas and focus-validator: `cargo xtask test --strangers books` runs it"]
fn strangers_accept_every_month_of_the_books_come_to_the_same_and_reject_what_is_off_by_a_unit() {
    let readers = Readers::found();
    let (place, server) = (tempfile::tempdir().unwrap(), lived());
    let _house = months(place.path());
    let dir = place.path();
    let periods = [&MONTHS[..], &["2026", "2027"]].concat();
    let all = scopes(&periods);
    for (dir, scopes) in [(dir, &all), (&*server.dir, &scopes(&[]))] {
        for scope in scopes {
            let export = |form: &str| exported(dir, &[&[form][..], &words(scope)].concat());
            accepted(&readers.hledger(&export("hledger")), &format!("hledger, {scope:?}"));
            accepted(&readers.beancount(&export("beancount")), &format!("Beancount, {scope:?}"));
        }
    }
    same_totals(&readers, dir, &[]);
    same_totals(&readers, dir, &["--period", "2027-01"]);
    same_totals(&readers, &server.dir, &[]);
    books_off_by_a_unit(&readers, dir);
    match &readers.focus {
        Some(validator) => {
            charges(&readers, validator, &[(dir, &[]), (dir, &["--period", "2027-01"]), (&server.dir, &[])])
        }
        None => say(
            "SKIPPED, 1 of 5 readers: focus-validator, which needs Python 3.12, and none was found; FOCUS was NOT validated",
        ),
    }
}

/// `DuckDB`, pandas and Beancount's loader find the types and come to the sums that all forms agree on.
fn same_totals(readers: &Readers, dir: &Path, scope: &[&str]) {
    let ours: BTreeMap<String, String> =
        agreed(dir, scope).into_iter().map(|(asset, minor)| (asset, minor.to_string())).collect();
    let ours = serde_json::to_value(ours).unwrap();
    let theirs = readers.totals(dir, scope);
    for reader in ["duckdb", "duckdb_jsonl", "pandas", "focus", "beancount"] {
        assert_eq!(theirs[reader], ours, "{reader}, {scope:?}: {theirs}");
    }
    assert_eq!(theirs["duckdb_rows"], theirs["pandas_rows"]);
    let types = &theirs["duckdb_types"];
    for (column, wanted) in [
        ("decided_entry", "BIGINT"),
        ("cost_minor", "BIGINT"),
        ("input_tokens", "BIGINT"),
        ("estimated", "BOOLEAN"),
    ] {
        assert_eq!(types[column], wanted, "{column}: {types}");
    }
    assert!(types["decided_at"].as_str().unwrap().starts_with("TIMESTAMP"), "{types}");
    let types = &theirs["pandas_types"];
    for (column, wanted) in [("decided_entry", "int64"), ("cost_minor", "int64"), ("estimated", "bool")] {
        assert_eq!(types[column], wanted, "{column}: {types}");
    }
}

/// A posting, an assertion and an order that are wrong are each rejected; so is an account that nobody has declared.
fn books_off_by_a_unit(readers: &Readers, dir: &Path) {
    let export = |form: &str| exported(dir, &[form, "--period", "2026-12"]);
    let (journal, beans) = (export("hledger"), export("beancount"));
    let nudged = |text: &str, line: &dyn Fn(&&str) -> bool| {
        let line = text.lines().rfind(line).unwrap();
        let (head, asset) = line.rsplit_once(' ').unwrap();
        let last = head.chars().last().unwrap();
        let other =
            if last == '9' { '8' } else { char::from_digit(last.to_digit(10).unwrap() + 1, 10).unwrap() };
        let changed = format!("{}{other} {asset}", &head[..head.len() - 1]);
        text.replacen(&format!("{line}\n"), &format!("{changed}\n"), 1)
    };
    let is_posting = |line: &&str| {
        line.contains("launch-credits:spent  ") && !line.contains('=') && !line.contains(" 0.000000000 ")
    };
    rejected(
        &readers.hledger(&nudged(&journal, &is_posting)),
        "a posting of hledger's that is off by a unit",
    );
    rejected(
        &readers.hledger(&nudged(&journal, &|line| {
            line.contains("launch-credits:available") && line.contains(" = ")
        })),
        "an assertion of hledger's",
    );
    rejected(
        &readers.hledger(&journal.replacen("account credit:launch-credits:spent\n", "", 1)),
        "an account that is not declared",
    );
    let later = journal.replacen("2026-12-", "2027-03-", 1);
    rejected(&readers.hledger(&later), "an order of hledger's");
    rejected(
        &readers.beancount(&nudged(&beans, &|line| {
            line.contains("Launch-credits:Spent  ") && !line.contains("balance")
        })),
        "a posting of Beancount's",
    );
    rejected(
        &readers.beancount(&nudged(&beans, &|line| {
            line.contains("balance Assets:Credit:Launch-credits:Available")
        })),
        "an assertion of Beancount's",
    );
    let remainder = |line: &&str| line.contains("Rounding:") && line.starts_with("  ");
    rejected(&readers.beancount(&nudged(&beans, &remainder)), "a remainder of rounding");
}

/// The validator finds nothing but what it finds in any file; and it finds what is wrong.
fn charges(readers: &Readers, validator: &Path, records: &[(&Path, &[&str])]) {
    for (dir, scope) in records {
        let (broken, passed) = readers.broken(validator, &exported(dir, &[&["focus"][..], scope].concat()));
        assert!(broken.is_empty(), "{scope:?}: {broken:?}");
        assert!(passed > 250, "only {passed} rules were looked at");
        say(&format!("focus-validator: {passed} rules hold, and only the named false failures do not"));
    }
    let text = exported(records[0].0, &["focus"]);
    for (from, to, rule) in [
        (",XXX,", ",credits,", "BillingCurrency"),
        (",Usage,,", ",Usages,,", "ChargeCategory"),
        ("BilledCost,", "Cost,", "BilledCost"),
    ] {
        let (broken, _) = readers.broken(validator, &text.replace(from, to));
        assert!(broken.iter().any(|broken| broken.starts_with(rule)), "`{to}` is not found: {broken:?}");
    }
}

#[test]
fn only_named_failures_and_what_is_made_of_them_are_passed_over() {
    let rows: [(&str, &[&str], usize); 3] = [
        ("✅ A-C-001-M: PASS  (x)\n❌ InvoiceId-C-005-C: FAIL  (violations=2, msg=x)", &[], 1),
        (
            "❌ Top: FAIL  (msg=AND failed - failed child rules: [Mid, InvoiceId-C-004-C])\n❌ Mid: FAIL  (msg=failed child rules: [CommitmentDiscountStatus-C-005-M])\n❌ InvoiceId-C-004-C: FAIL (x)",
            &[],
            0,
        ),
        (
            "❌ Top: FAIL  (msg=AND failed - failed child rules: [InvoiceId-C-004-C, B-C-002-M])\n❌ B-C-002-M: FAIL  (x)",
            &["B-C-002-M", "Top"],
            0,
        ),
    ];
    for (text, broken, passed) in rows {
        assert_eq!(judged(text), (broken.iter().map(|rule| (*rule).to_owned()).collect(), passed));
    }
}
