//! Budgets inside a commitment through the whole house: four limits over one hot key, asked by many at once.

use crate::doors::error;
use crate::http::{Client, Request};
use crate::server::{Folder, MODEL, Server, config, credits, minor};
use crate::upstream::{Upstream, Used};
use crate::{needs, second_verifier};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

const CALLERS: usize = 32;

fn body(user: &str) -> String {
    let messages = json!([{ "role": "user", "content": "Count." }]);
    json!({ "model": MODEL, "max_tokens": 100, "messages": messages, "user": user }).to_string()
}

/// The tokens of input by which a call is bounded: its bytes, one message, and what the service clause adds.
fn input_tokens() -> u64 {
    body("u1").len() as u64 + 16 + 96
}

/// What a call reserves, and costs. Units: minor units of CREDIT.
fn bound() -> i128 {
    i128::from(input_tokens()) * 500 + 100 * 1500
}

/// How many of so many calls at once are answered; the others must be refused by this budget.
fn answered(server: &Server, key: &str, user: &str, calls: usize, by: &str) -> u64 {
    let (answered, body, url) = (AtomicU64::new(0), body(user), server.url());
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (answered, body) = (&answered, &body);
            scope.spawn(move || {
                let mut client = Client::new(url);
                for _ in (caller..calls).step_by(CALLERS) {
                    let answer = client.ask(Request::chat(key, body)).unwrap();
                    if answer.status == 200 {
                        answered.fetch_add(1, Ordering::SeqCst);
                        continue;
                    }
                    let refused = error(&answer, 429);
                    assert_eq!(refused["code"], "insufficient_quota");
                    assert_eq!(answer.headers.value("x-should-retry"), Some("false"));
                    let message = refused["message"].as_str().unwrap();
                    assert!(message.starts_with(&format!("budget `{by}` of ")), "{message}");
                }
            });
        }
    });
    answered.into_inner()
}

fn set(folder: &Folder, id: &str, scope: &[&str], calls: i128, period: &str) -> Value {
    let amount = credits(calls * bound());
    let words = ["fund", "budget", "set", id, "--amount", &amount, "--period", period];
    folder.said(&[&words[..], scope].concat())
}

fn listed(folder: &Folder, id: &str) -> Value {
    let all = folder.said(&["fund", "budget", "list"]);
    all.as_array().unwrap().iter().find(|line| line["id"] == id).unwrap_or(&Value::Null).clone()
}

/// The record's time.
fn now(folder: &Folder) -> jiff::Timestamp {
    folder.status()["at"].as_str().unwrap().parse().unwrap()
}

#[test]
fn under_four_nested_limits_exactly_as_many_calls_are_answered_as_the_tightest_allows() {
    needs::python();
    let upstream = Upstream::start(Used::Always(input_tokens(), 100));
    let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
    let server = folder.serve(&[]);
    let hot = folder.admit();
    let made = folder.said(&["key", "new", "--application", "assistant"]);
    let (cold, hot_id) = (made["key"].as_str().unwrap(), hot.split('_').nth(2).unwrap());
    set(&folder, "whole", &["--party", "halcyon"], 40, "month");
    set(&folder, "team", &["--application", "assistant"], 25, "rolling-30");
    set(&folder, "hot", &["--key", hot_id], 12, "total");
    set(&folder, "each", &["--end-users", "assistant"], 20, "month");
    assert_eq!(answered(&server, &hot, "u1", 80, "hot"), 12, "the key's is the tightest");
    assert_eq!(answered(&server, cold, "u1", 64, "each"), 8, "and then the end user's");
    assert_eq!(answered(&server, cold, "u2", 64, "team"), 5, "and then the application's");
    assert_eq!(upstream.calls(), 25, "nobody else was served");
    let team = listed(&folder, "team");
    assert_eq!(minor(&team["left"]), 0, "{team}");
    assert_eq!(minor(&team["spent"]), 25 * bound());
    assert_eq!(listed(&folder, "each")["left"], Value::Null, "each end user has a purse of its own");
    assert_eq!(listed(&folder, "hot")["refills"], Value::Null);
    assert_eq!(folder.pool().1, 0, "nothing is reserved any more");

    let amount = credits(2 * bound());
    let until = "2999-01-01";
    folder.said(&["fund", "budget", "raise", "team", "--amount", &amount, "--until", until]);
    assert_eq!(answered(&server, cold, "u2", 40, "team"), 2, "as many more as it was raised by");
    folder.said(&["fund", "budget", "remove", "team"]);
    assert_eq!(answered(&server, cold, "u3", 64, "whole"), 13, "and what is left of the party's");
    let table = folder.told(&["fund", "budget", "list"]);
    assert!(table.starts_with("BUDGET  OF"), "{table}");
    server.stop();
    folder.verified();
    second_verifier::holds(&folder.dir.join("record"));
    // No end user stands in the record, nor in the names of accounts.
    assert!(!folder.told(&["balance"]).contains("u1"));
}

#[test]
fn a_refusal_by_a_budget_says_which_whose_how_much_and_when_it_fills_up() {
    let upstream = Upstream::start(Used::Always(input_tokens(), 100));
    let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
    let server = folder.serve(&[]);
    let key = folder.admit();
    let ask = || Client::new(server.url()).ask(Request::chat(&key, &body("u1"))).unwrap();
    set(&folder, "team", &["--application", "assistant"], 1, "rolling-2");
    assert_eq!(ask().status, 200);
    let answer = ask();
    let refused = error(&answer, 429);
    let refills = listed(&folder, "team")["refills"].as_str().unwrap().to_owned();
    let (zero, asked) = (credits(0), credits(bound()));
    assert_eq!(
        refused["message"],
        format!(
            "budget `team` of application `assistant` has {zero} left, and the call reserves up to {asked}; ask for fewer tokens, wait until {refills}, or have it raised"
        )
    );
    let after: i64 = answer.headers.value("retry-after").unwrap().parse().unwrap();
    let at: jiff::Timestamp = refills.parse().unwrap();
    assert!(
        (at.as_second() - now(&folder).as_second() - after).abs() <= 5,
        "{after} seconds from now is not {refills}"
    );
    assert!(after > 24 * 60 * 60 && after <= 2 * 24 * 60 * 60, "two days count, today the last: {after}");

    set(&folder, "team", &["--application", "assistant"], 1, "rolling-2");
    let wrong = folder.command(&[
        "fund",
        "budget",
        "set",
        "b",
        "--party",
        "halcyon",
        "--amount",
        "1.00 CREDIT",
        "--period",
        "week",
    ]);
    assert_eq!(wrong.status.code(), Some(1));
    let said = String::from_utf8_lossy(&wrong.stdout).into_owned();
    assert!(
        said.contains("a period is `month`, `total`, or `rolling-30` for any 30 days, not `week`"),
        "{said}"
    );
    let other =
        folder.command(&["fund", "budget", "raise", "team", "--amount", "1.00 USD", "--until", "2999-01-01"]);
    let said = String::from_utf8_lossy(&other.stdout).into_owned();
    assert!(said.contains("budget `team` counts CREDIT, not USD"), "{said}");
    set(&folder, "one", &["--party", "halcyon"], 1, "total");
    folder.said(&["fund", "budget", "remove", "team"]);
    assert_eq!(ask().status, 200, "what was spent before it was set does not count");
    let answer = ask();
    assert_eq!(answer.headers.value("retry-after"), None, "it never fills up by itself");
    let message = error(&answer, 429)["message"].as_str().unwrap().to_owned();
    assert!(message.contains("budget `one` of party `halcyon` has"), "{message}");
    assert!(message.contains("it will not fill up to as much by itself"), "{message}");
}
