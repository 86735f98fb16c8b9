//! `countersign memo simulate` through the built binary: what it tells of a record that is there, and that it writes to none.
//!
//! Not here: that a rehearsal is what a real run would be (`partnership`, `acts::simulated` and `acts::rehearsed`).

use crate::books::exported;
use crate::scene::{BINDING, House, outcome};
use crate::server::{BINARY, done, run};
use partnership::act::Ended;
use partnership::decision::Decision;
use partnership::{Answer, Command as Order};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const CALLS: u64 = 6;

fn simulate(dir: &Path, terms: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    run(command.args(["memo", "simulate", "--with"]).arg(terms).args(more).arg("--dir").arg(dir))
}

/// A record with six calls that used 40 tokens and 10 each.
fn recorded(dir: &Path) {
    let mut house = House::found(dir, BINDING);
    for _ in 0..CALLS {
        let proposal = house.proposal("plain", 100);
        let Answer::Decided(Decision::Allow(warrant)) = house.turn(vec![proposal]).remove(0).answer else {
            panic!("the call is within the grant")
        };
        house.turn(vec![Order::Settle(warrant, outcome(Ended::Done, 40, 10))]);
        house.pass(1500);
    }
    house.publish();
}

fn edited(dir: &Path, name: &str, from: &str, to: &str) -> std::path::PathBuf {
    let text = BINDING.replacen(from, to, 1);
    assert_ne!(text, BINDING, "{from}");
    let path = dir.join(name);
    std::fs::File::create(&path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .unwrap();
    path
}

#[test]
fn other_terms_are_told_by_what_they_refuse_and_cost_and_the_record_stays_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    let (dir, files) = (place.path().join("record"), place.path());
    recorded(&dir);
    let before = exported(&dir, &["jsonl"]);

    let same = edited(files, "same.md", "Northwind", "Northwind ");
    let told = done(&simulate(&dir, &same, &[]));
    assert!(told.contains("no act is decided otherwise") && told.contains("allowed 6 -> 6"), "{told}");

    let dearer = edited(files, "dearer.md", "output = \"1.50 CREDIT\"", "output = \"3.50 CREDIT\"");
    let told: Value = serde_json::from_str(&done(&simulate(&dir, &dearer, &["--json"]))).unwrap();
    let [cost] = told["costs"].as_array().unwrap().as_slice() else { panic!("{told}") };
    // 40 tokens of input at 0.50 a million and 10 of output at 1.50, or at 3.50, six times.
    assert_eq!((&cost["before"], &cost["after"]), (&"0.000210000".into(), &"0.000330000".into()), "{told}");
    assert_eq!(told["flips"], Value::Array(Vec::new()));

    let poor = edited(files, "poor.md", "1000.000000000 CREDIT", "0.000000001 CREDIT");
    let told: Value = serde_json::from_str(&done(&simulate(&dir, &poor, &["--json"]))).unwrap();
    let [flip] = told["flips"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!(
        (&flip["before"], &flip["after"], flip["count"].as_u64()),
        (&"allowed".into(), &"refused".into(), Some(CALLS))
    );
    assert_eq!(flip["clause"], "launch-credits");
    assert_eq!(told["costs"][0]["after"], "0.000000000");

    let faulty = edited(files, "faulty.md", "output = \"1.50 CREDIT\"", "output = 1.50");
    let refused = simulate(&dir, &faulty, &[]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("faulty.md:") && said.contains("help"), "{said}");
    assert_eq!(exported(&dir, &["jsonl"]), before, "nothing was written");
}
