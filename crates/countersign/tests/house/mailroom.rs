//! Notices as receivers take them that are not ours: the verifier of Standard Webhooks, and SMTP servers of aiosmtpd.
//! `cargo xtask test --strangers notices` brings them and runs this.
//!
//! Not here: what becomes of a notice that nobody takes (`notices`).

use crate::notices::SECRET;
use crate::server::{Folder, Server, config, eventually};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

const LOGIN: [&str; 2] = ["countersign", "correct horse battery staple"];

/// The receivers, until this is dropped.
struct Mailroom {
    child: Child,
    /// Where they listen.
    at: Value,
    came: Arc<Mutex<Vec<Value>>>,
    _place: tempfile::TempDir,
}

impl Mailroom {
    fn open() -> Self {
        let python = std::env::var_os("COUNTERSIGN_NOTICES_PYTHON").filter(|path| !path.is_empty());
        let python = python.unwrap_or_else(|| {
            panic!("run this by `cargo xtask test --strangers notices`, which brings what it needs")
        });
        let place = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/strangers/notices/receive.py");
        let mut command = Command::new(python);
        command.arg(script).arg(place.path()).arg(SECRET).args(LOGIN);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let at = serde_json::from_str(&lines.next().unwrap()).unwrap();
        let came: Arc<Mutex<Vec<Value>>> = Arc::default();
        let taken = Arc::clone(&came);
        thread::spawn(move || {
            for line in lines {
                taken.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, at, came, _place: place }
    }

    /// What came to one of them.
    fn took(&self, by: &str) -> Vec<Value> {
        self.came.lock().unwrap().iter().filter(|came| came["by"] == by).cloned().collect()
    }

    fn mail(&self, name: &str, more: &str) -> String {
        format!(
            "\n[[notice]]\nname = \"{name}\"\nkind = \"smtp\"\nabout = [\"waiting\"]\nhost = \"localhost\"\nport = {}\nfrom = \"countersign@northwind.example\"\nto = [\"finance@northwind.example\", \"board@halcyon.example\"]\n{more}",
            self.at[name]
        )
    }
}

impl Drop for Mailroom {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
#[ignore = "it needs aiosmtpd and standardwebhooks: `cargo xtask test --strangers notices` runs it"]
fn strangers_verify_each_webhook_and_take_mail_behind_tls_and_a_login_but_none_under_a_certificate_of_nobody()
{
    let room = Mailroom::open();
    let hook = format!(
        "\n[[notice]]\nname = \"hook\"\nkind = \"webhook\"\nabout = [\"waiting\"]\nurl = \"http://127.0.0.1:{}/\"\nsecret_env = \"HOOK_SECRET\"\n",
        room.at["webhook"]
    );
    let login = "user_env = \"MAIL_USER\"\npassword_env = \"MAIL_PASSWORD\"\n";
    let receivers = [
        hook,
        room.mail("plain", "tls = \"none\"\n"),
        room.mail("secure", login),
        room.mail("stranger", login),
    ];
    let folder = Folder::founded(&(config("http://127.0.0.1:9/v1") + &receivers.concat()), str::to_owned);
    let mut command = Server::command(&folder.dir, &[]);
    command.env("HOOK_SECRET", SECRET).env("MAIL_USER", LOGIN[0]).env("MAIL_PASSWORD", LOGIN[1]);
    let server = Server::by({
        command.env("SSL_CERT_FILE", room.at["trusted"].as_str().unwrap());
        command
    });
    let words = ["app", "add", "letters", "--party", "halcyon", "--audience", "business"];
    let asked = folder.said(&[&words[..], &["--purpose", "letters", "--market", "eu"]].concat());
    let act = asked["act"].as_str().unwrap();
    let ids = ["halcyon", "northwind"].map(|party| format!("waiting/{act}/{party}"));
    eventually("each is told of both", || {
        ["webhook", "plain", "secure"].iter().all(|by| room.took(by).len() >= 2)
    });
    let told: BTreeSet<_> =
        room.took("webhook").iter().map(|came| came["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, ids.iter().cloned().collect(), "{:?}", room.took("webhook"));
    for by in ["plain", "secure"] {
        for came in room.took(by) {
            assert_eq!(came["from"], "countersign@northwind.example");
            assert_eq!(came["to"].as_array().unwrap().len(), 2);
            assert_eq!([&came["encrypted"], &came["login"]].map(|is| *is == true), [by == "secure"; 2]);
            assert_eq!(came["defects"].as_array().unwrap().len(), 0, "{came}");
            let text = came["text"].as_str().unwrap();
            let id = ids.iter().find(|id| text.contains(id.as_str())).unwrap();
            let said = room.took("webhook").into_iter().find(|hook| hook["id"] == id.as_str()).unwrap();
            let key = format!("<{}@northwind.example>", said["key"].as_str().unwrap());
            assert_eq!(came["key"], key, "a mail's id is the webhook's");
            let subject = came["subject"].as_str().unwrap();
            assert!(
                subject.starts_with("[northwind-halcyon.example/record] the act `application-add`"),
                "{subject}"
            );
        }
    }
    eventually("whose certificate is by nobody who is trusted is handed nothing", || {
        let listed = folder.said(&["notice", "list"]);
        let of = listed.as_array().unwrap().iter().filter(|line| line["receiver"] == "stranger");
        of.filter(|line| line["error"] == "tls").count() == 2
    });
    assert!(room.took("stranger").is_empty());
    assert!(room.took("webhook").iter().all(|came| came["wrong"].is_null()));
    server.stop();
}
