//! A party withdraws, from outside: what the command says of the notice and of what goes on, what is refused when it has run out, where
//! that is shown, and that a next version stands. Verified three times over.
//!
//! Not here: each clause and each reason in tables (`partnership`, `acts::withdraw`).

use crate::clock::Clock;
use crate::http::{Client, Request};
use crate::second_verifier;
use crate::server::{BINARY, Folder, config, done, run, write};
use crate::told::chat;
use crate::upstream::{Upstream, Used};
use jiff::ToSpan as _;
use serde_json::Value;
use std::process::Command;

const DAY: i64 = 24 * 3_600;

/// The example as intentions, with a notice of 30 days; what waits for a milestone binds, and who must approve an application.
fn intended(text: &str) -> String {
    let text = text.replacen("force = \"binding\"\nthreshold", "force = \"non-binding\"\nthreshold", 1);
    let text = text.replacen("notice = \"P90D\"", "notice = \"P30D\"", 1);
    ["release-tranche", "new-applications"].iter().fold(text, |text, clause| {
        let (head, body) = text.split_once(&format!("```toml clause {clause}\n")).unwrap();
        format!("{head}```toml clause {clause}\nforce = \"binding\"\n{body}")
    })
}

fn state_of(list: &Value, field: &str, name: &str) -> String {
    let found = list.as_array().unwrap().iter().find(|one| one[field] == name).unwrap();
    found["state"].as_str().unwrap().to_owned()
}

fn next_version(folder: &Folder) {
    let text = std::fs::read_to_string(folder.dir.join("memorandum.md")).unwrap();
    let digest = folder.status()["digest"].as_str().unwrap().to_owned();
    let next = format!("version = 2\nprevious = \"{digest}\"");
    let file = folder.dir.with_extension("md");
    write(&file, &text.replacen("version = 1", &next, 1));
    for party in ["halcyon", "northwind"] {
        folder.said(&["memo", "sign", file.to_str().unwrap(), "--party", party]);
    }
}

#[test]
fn a_party_withdraws_after_its_notice_and_a_next_version_that_both_sign_stands() {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let ends = today.saturating_add(30.days()).to_string();
    let upstream = Upstream::start(Used::Always(40, 60));
    let folder = Folder::founded(&config(&upstream.url()), intended);
    let clock = Clock::new();
    let server = clock.serve(&folder);
    let key = folder.admit();
    let call = || Client::new(server.url()).ask(Request::chat(&key, &chat(100, false))).unwrap();
    assert_eq!(call().status, 200);

    let early = ["memo", "withdraw", "--party", "halcyon", "--on", &today.to_string()];
    assert!(folder.told_wrong(&early).contains(&format!("the notice for `halcyon` runs until {ends}")));
    let said = folder.said(&["memo", "withdraw", "--party", "halcyon"]);
    assert_eq!(said["ends"], ends);
    let ending = said["ending"].as_array().unwrap();
    assert!(ending.contains(&"model-service".into()) && ending.contains(&"launch-credits".into()), "{said}");
    let staying = said["staying"].as_array().unwrap();
    let why = |id: &str| staying.iter().find(|one| one["id"] == id).map(|one| one["why"].clone());
    assert_eq!(why("release-tranche"), Some("which binds until its own end".into()));
    assert_eq!(why("keeping"), Some("since what is kept is there still".into()));
    let again = folder.told_wrong(&["memo", "withdraw", "--party", "northwind"]);
    assert!(again.contains("`halcyon` has withdrawn already"), "{again}");

    let status = folder.status();
    assert_eq!(
        (&status["withdrawal"]["party"], &status["withdrawal"]["ends"]),
        (&"halcyon".into(), &ends.clone().into())
    );
    assert_eq!(state_of(&status["clauses"], "id", "model-service"), "active");
    assert!(
        folder.told(&["memo", "status"]).contains(&format!("withdrawn: by halcyon, counts from {ends} on"))
    );
    assert_eq!(call().status, 200, "until the notice has run out");

    clock.step_to(30 * DAY);
    let refused = call();
    assert_eq!(refused.status, 403, "{}", refused.text());
    for part in ["`halcyon` has withdrawn", "model-service", &ends] {
        assert!(refused.text().contains(part), "{}", refused.text());
    }
    let status = folder.status();
    assert_eq!(state_of(&status["clauses"], "id", "model-service"), "terminated");
    let funds = folder.said(&["fund", "list"]);
    assert_eq!(state_of(&funds, "name", "launch-credits"), "terminated");
    assert_eq!(state_of(&funds, "name", "release-tranche"), "active");
    let page = Client::new(server.url()).ask(Request::get("/")).unwrap().text();
    assert!(page.contains(&format!("halcyon has withdrawn: what binds nobody ends on {ends}")), "{page}");

    next_version(&folder);
    assert_eq!(call().status, 200, "both have signed another");
    assert_eq!(folder.status()["withdrawal"], Value::Null);
    server.stop();
    folder.verified();
    done(&run(Command::new(BINARY).arg("verify").arg(&folder.dir)));
    done(&run(Command::new(BINARY).arg("verify").arg("--policies").arg(&folder.dir)));
    second_verifier::holds(&folder.dir.join("record"));
}
