//! A partnership that is copied while it is used, again and again, and goes on from a copy.

use crate::http::{Client, Request};
use crate::server::{BINARY, Folder, Server, config, done, minor, run};
use crate::told::chat;
use crate::upstream::{Upstream, Used};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

fn backup(folder: &Folder, dest: &Path) -> Value {
    let mut command = Command::new(BINARY);
    command.arg("backup").arg(dest).arg("--dir").arg(&folder.dir).args(["--with-keys", "--json"]);
    serde_json::from_str(&done(&run(&mut command))).unwrap()
}

#[test]
fn a_copy_that_is_taken_under_load_holds_and_goes_on() {
    let upstream = Upstream::start(Used::AtMost(40, 60));
    let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
    let server = folder.serve(&[]);
    let key = folder.admit();
    let place = tempfile::tempdir().unwrap();
    let dest = place.path().join("copy");
    let stops = AtomicBool::new(false);
    let (mut before, mut sizes) = (0, Vec::new());
    let url = server.url().to_owned();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::new(&url);
                while !stops.load(Ordering::SeqCst) {
                    assert_eq!(client.ask(Request::chat(&key, &chat(100, false))).unwrap().status, 200);
                }
            });
        }
        for _ in 0..6 {
            let said = backup(&folder, &dest);
            let entries = said["entries"].as_u64().unwrap();
            assert!(entries >= before, "{entries} after {before}");
            before = entries;
            sizes.push(entries);
            done(&crate::server::verify(&dest, &[]));
        }
        stops.store(true, Ordering::SeqCst);
    });
    assert!(sizes.first() < sizes.last(), "it grew meanwhile: {sizes:?}");
    let last = backup(&folder, &dest);
    let left = folder.pool().0;
    server.stop();
    let elsewhere = Server::by(Server::command(&dest, &[]));
    let said = run(Command::new(BINARY).args(["balance", "--json", "--dir"]).arg(&dest));
    let accounts: Value = serde_json::from_str(&done(&said)).unwrap();
    let pool = accounts.as_array().unwrap().iter().find(|line| line["name"] == crate::server::POOL).unwrap();
    assert_eq!(minor(&pool["available"]), left, "{last}");
    let answer = Client::new(elsewhere.url()).ask(Request::chat(&key, &chat(100, false))).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    elsewhere.stop();
    done(&crate::server::verify(&dest, &[]));
}

#[test]
fn a_copy_of_one_record_is_not_written_over_with_another() {
    let folders = [1, 2].map(|_| Folder::founded(&config("http://127.0.0.1:9/v1"), str::to_owned));
    folders.iter().for_each(|folder| folder.serve(&[]).stop());
    let place = tempfile::tempdir().unwrap();
    let dest = place.path().join("copy");
    backup(&folders[0], &dest);
    let mut command = Command::new(BINARY);
    let output = run(command.arg("backup").arg(&dest).arg("--dir").arg(&folders[1].dir));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is a copy of another record"), "{output:?}");
    done(&crate::server::verify(&dest, &[]));
}

#[test]
fn a_copy_is_not_the_partnership_itself_and_not_written_over_by_one_that_was_set_back() {
    let upstream = Upstream::start(Used::AtMost(40, 60));
    let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
    folder.serve(&[]).stop();
    let early = folder.copied();
    let server = folder.serve(&[]);
    folder.admit();
    server.stop();
    let place = tempfile::tempdir().unwrap();
    let dest = place.path().join("copy");
    let entries = backup(&folder, &dest)["entries"].as_u64().unwrap();
    let refused = |from: &Folder, to: &Path| {
        let mut command = Command::new(BINARY);
        let output = run(command.arg("backup").arg(to).arg("--dir").arg(&from.dir));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused(&folder, &folder.dir).contains("is the partnership itself"));
    folder.verified();
    // The older copy goes on by itself: as short as it was, and longer by another history.
    assert!(refused(&early, &dest).contains("does not go on"));
    let server = early.serve(&[]);
    for name in ["one", "two", "three", "four"] {
        early.command(&[
            "app",
            "add",
            name,
            "--party",
            "halcyon",
            "--audience",
            "business",
            "--purpose",
            "p",
            "--market",
            "eu",
        ]);
    }
    early.admit();
    server.stop();
    assert!(early.entries() > entries);
    assert!(refused(&early, &dest).contains("does not go on"));
    done(&crate::server::verify(&dest, &[]));
}
