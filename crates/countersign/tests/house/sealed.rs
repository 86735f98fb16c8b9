//! Amounts that are agreed and not told: sealed in the memorandum and opened to whom the parties choose, and balances that a stranger
//! sees to add up without seeing one.
//!
//! Not here: the commitments themselves (`partnership::sealed`).

use crate::http::{Client, Request};
use crate::server::{BINARY, Folder, config, done, example, run, write};
use crate::told::chat;
use crate::upstream::{Upstream, Used};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A folder of one party's papers.
struct Papers(TempDir);

impl Papers {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn fund(&self, words: &[&str]) -> Output {
        let mut command = Command::new(BINARY);
        command.arg("fund").args(words).current_dir(self.0.path());
        run(&mut command)
    }
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

#[test]
fn an_amount_is_sealed_in_the_memorandum_and_only_its_opening_proves_it() {
    let papers = Papers::new();
    let text = std::fs::read_to_string(example("northwind-halcyon/memorandum.md")).unwrap();
    write(&papers.at("memorandum.md"), &text);
    let seal = |amount: &str, out: &str| -> String {
        let said = papers.fund(&["seal", amount, "--out", out, "--memorandum", "memorandum.md", "--json"]);
        let said: Value = serde_json::from_str(&done(&said)).unwrap();
        said["sealed"].as_str().unwrap().to_owned()
    };
    let (round, option) = (seal("250000000.00 USD", "round"), seal("40000000.00 USD", "option"));
    assert_ne!(
        seal("250000000.00 USD", "again"),
        round,
        "the same amount is sealed in another way each time"
    );
    let clause = "announced = \"2025-12\"\n";
    let with =
        |sealed: &str, more: &str| text.replace(clause, &format!("{clause}sealed = \"{sealed}\"\n{more}"));
    let more = format!(
        "```\n\n```toml clause option\nkind = \"undisclosed\"\nforce = \"non-binding\"\nsource = \"disclosed\"\nabout = \"an option\"\nsealed = \"{option}\"\n"
    );
    write(&papers.at("memorandum.md"), &with(&round, &more));

    let open = |clauses: &[&str], openings: &[&str]| {
        let mut words = vec!["open"];
        words.extend(clauses);
        openings.iter().for_each(|opening| words.extend(["--opening", opening]));
        words.extend(["--memorandum", "memorandum.md"]);
        papers.fund(&words)
    };
    assert!(
        done(&open(&["later-round"], &["round"]))
            .starts_with("`later-round` seals 250000000.00 USD; memorandum ")
    );
    // Each opens its own, and nothing else does.
    let taken = std::fs::read_to_string(papers.at("round")).unwrap();
    write(&papers.at("less"), &taken.replace("250000000.00", "249999999.99"));
    for (clause, opening) in
        [("later-round", "option"), ("later-round", "again"), ("later-round", "less"), ("option", "round")]
    {
        let said = refused(&open(&[clause], &[opening]));
        assert!(said.contains(&format!("not the opening of `{clause}`")), "{said}");
    }
    // The sum alone can be told.
    done(&papers.fund(&["total", "round", "option", "--out", "sum", "--memorandum", "memorandum.md"]));
    let said = done(&open(&["later-round", "option"], &["sum"]));
    assert!(said.starts_with("`later-round` and `option` together seal 290000000.00 USD"), "{said}");
    refused(&open(&["later-round"], &["sum"]));
    assert!(done(&open(&["later-round", "option"], &["round", "option"])).contains("290000000.00"));
    // What cannot be read is told with its place, and an opening is never lost to another.
    write(&papers.at("torn"), &taken.replace("blinding", "blindin"));
    let said = open(&["later-round"], &["torn"]);
    assert!(!said.status.success() && String::from_utf8_lossy(&said.stderr).contains("line 3"), "{said:?}");
    let said = papers.fund(&["seal", "1.00 USD", "--out", "round", "--memorandum", "memorandum.md"]);
    assert!(
        !said.status.success() && String::from_utf8_lossy(&said.stderr).contains("never overwritten"),
        "{said:?}"
    );
    assert_eq!(std::fs::read_to_string(papers.at("round")).unwrap(), taken);
    let said = open(&["launch-credits"], &["round"]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("only `undisclosed` seals an amount"), "{said:?}");

    // A partnership begins with it, and tells nobody.
    let folder = Folder::founded(&config("http://127.0.0.1:9"), |text| {
        text.replace(clause, &format!("{clause}sealed = \"{round}\"\n"))
    });
    let status = folder.status().to_string();
    assert!(status.contains("is sealed here") && !status.contains("250000000"), "{status}");
}

/// A partnership in which calls were made and which stands still.
fn lived() -> Folder {
    let upstream = Upstream::start(Used::AtMost(40, 60));
    let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
    let server = folder.serve(&[]);
    let key = folder.admit();
    let mut client = Client::new(server.url());
    for _ in 0..5 {
        assert_eq!(client.ask(Request::chat(&key, &chat(100, false))).unwrap().status, 200);
    }
    server.stop();
    folder
}

#[test]
fn a_stranger_sees_that_the_books_balance_and_no_amount_and_each_party_signs_what_it_has_replayed() {
    let (folder, papers) = (lived(), Papers::new());
    let dir = folder.dir.display().to_string();
    let fund = |words: &[&str]| papers.fund(&[words, &["--dir", &dir]].concat());
    done(&fund(&["statement", "--out", "statement", "--openings", "openings"]));
    let statement = std::fs::read_to_string(papers.at("statement")).unwrap();
    let openings = std::fs::read_to_string(papers.at("openings")).unwrap();
    assert!(!statement.contains("launch-credits") && openings.contains("launch-credits"), "{statement}");
    let vkeys = folder.dir.join("record/vkeys").display().to_string();
    let check = |file: &str| papers.fund(&["check", file, "--vkeys", &vkeys]);
    assert!(refused(&check("statement")).contains("has signed it"), "nobody has yet");
    for party in ["northwind", "halcyon"] {
        done(&fund(&["sign", "statement", "--openings", "openings", "--party", party]));
    }
    let said = fund(&["sign", "statement", "--openings", "openings", "--party", "halcyon"]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("signed by halcyon already"), "{said:?}");
    let said: Value =
        serde_json::from_str(&done(&papers.fund(&["check", "statement", "--vkeys", &vkeys, "--json"])))
            .unwrap();
    assert_eq!(said["signed_by"].as_array().unwrap().len(), 2, "{said}");
    let credit = said["assets"].as_array().unwrap().iter().find(|asset| asset["asset"] == "CREDIT").unwrap();
    assert!(credit["accounts"].as_u64().unwrap() >= 3, "{said}");

    // One account is opened to somebody, by its line alone, and no other.
    let line = openings.lines().find(|line| line.starts_with("credit:launch-credits:spent ")).unwrap();
    write(&papers.at("one"), &format!("countersign/balances-openings/v1\n{line}\n"));
    let opened = |openings: &str| fund(&["check", "statement", "--vkeys", &vkeys, "--openings", openings]);
    assert!(done(&opened("one")).contains("1 opened, and as the record has them"));
    assert!(done(&opened("openings")).contains("opened, and as the record has them"));
    let amount = line.split(' ').nth(1).unwrap();
    write(
        &papers.at("other"),
        &format!("countersign/balances-openings/v1\n{}\n", line.replacen(amount, "7", 1)),
    );
    assert!(refused(&opened("other")).contains("opens no balance of the statement"));

    // A line changed, dropped or taken from elsewhere: the signatures do not hold, and without them the sum does not.
    let kept = std::fs::read_to_string(papers.at("statement")).unwrap();
    let lines: Vec<&str> = statement.lines().collect();
    let sealed = lines[4];
    let other = lines
        .iter()
        .rfind(|other| **other != sealed && other.ends_with(sealed.split(' ').nth(1).unwrap()))
        .unwrap();
    for changed in [kept.replacen(&format!("{sealed}\n"), "", 1), kept.replacen(sealed, other, 1)] {
        write(&papers.at("changed"), &changed);
        let said = refused(&check("changed"));
        assert!(said.contains("signed"), "{said}");
        let unsigned = changed.rsplit_once("\n\n").unwrap().0;
        write(&papers.at("resigned"), &by_the_operator(&folder.dir, &format!("{unsigned}\n")));
        let said = refused(&check("resigned"));
        assert!(said.contains("do not add up to nothing"), "{said}");
    }
}

#[test]
fn a_party_does_not_sign_balances_that_its_own_copy_does_not_have() {
    let (folder, papers) = (lived(), Papers::new());
    let dir = folder.dir.display().to_string();
    done(&papers.fund(&["statement", "--out", "statement", "--openings", "openings", "--dir", &dir]));
    // The operator moves an amount from one account to another, in the statement and in the openings: it still adds up to nothing.
    let (statement, openings) = shifted(&papers);
    write(&papers.at("statement"), &by_the_operator(&folder.dir, &statement));
    write(&papers.at("openings"), &openings);
    let vkeys = folder.dir.join("record/vkeys").display().to_string();
    done(&papers.fund(&["check", "statement", "--vkeys", &vkeys]));
    let sign = ["sign", "statement", "--openings", "openings", "--party", "halcyon", "--dir", &dir];
    let said = refused(&papers.fund(&sign));
    assert!(said.contains("minor units of CREDIT, and the record here makes it"), "{said}");
    // Part of the openings is not enough to sign.
    let part: Vec<&str> = openings.lines().take(2).collect();
    write(&papers.at("openings"), &format!("{}\n", part.join("\n")));
    assert!(!papers.fund(&sign).status.success());
    assert!(
        !std::fs::read_to_string(papers.at("statement")).unwrap().contains("/halcyon"),
        "it was not signed"
    );
}

/// The statement and its openings, with an amount moved between the first and the last account in credits.
fn shifted(papers: &Papers) -> (String, String) {
    use partnership::sealed::Opening;
    let statement = std::fs::read_to_string(papers.at("statement")).unwrap();
    let mut openings = std::fs::read_to_string(papers.at("openings")).unwrap();
    let mut statement = format!("{}\n", statement.rsplit_once("\n\n").unwrap().0);
    let credits: Vec<String> =
        openings.lines().filter(|line| line.contains(" CREDIT ")).map(str::to_owned).collect();
    for (line, by) in [(&credits[0], 1), (&credits[credits.len() - 1], -1)] {
        let parts: Vec<&str> = line.split(' ').collect();
        let (amount, opening) = (parts[1].parse::<i128>().unwrap(), |amount: i128| {
            Opening::from_parts(amount, parts[2].into(), parts[3]).unwrap()
        });
        let before = opening(amount).sealed().to_string();
        statement = statement.replace(&before, &opening(amount + by).sealed().to_string());
        openings = openings.replace(line.as_str(), &line.replacen(parts[1], &(amount + by).to_string(), 1));
    }
    (statement, openings)
}

/// A text as a note that the operator has signed.
fn by_the_operator(dir: &Path, text: &str) -> String {
    let key = std::fs::read_to_string(dir.join("keys/northwind.key")).unwrap();
    record::note::Signer::parse(key.trim_end()).unwrap().sign(text).unwrap()
}
