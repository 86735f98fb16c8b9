//! Notices that leave the house, from outside: to a receiver that is there, down, broken, slow or elsewhere, and across a `kill -9`.
//!
//! The receiver stands in the test and checks each signature by the formula of Standard Webhooks, by hand. Not here: what is told on
//! which day (`partnership`, `acts::notices`), and receivers of others (`mailroom`).

use crate::clock::Clock;
use crate::second_verifier;
use crate::server::{Folder, Server, config, eventually, write};
use record::hash::{base64, from_base64, sha256_of};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const DAY: i64 = 24 * 3_600;
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAbCdEfGhIjI=";
/// What the built-in example has to tell on every day: its milestone tranche is far away, so only an act that waits.
const WAITS: &str = "waiting/";

/// How a receiver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Status(u16),
    Redirect,
    /// Takes the connection, and says nothing.
    Silent,
}

/// One webhook as it came: its id, its body, and whether its signature was right.
#[derive(Debug, Clone)]
struct Came {
    id: String,
    body: Value,
    signed: bool,
    answered: Mood,
}

struct Hook {
    address: SocketAddr,
    came: Arc<Mutex<Vec<Came>>>,
    mood: Arc<Mutex<Mood>>,
}

impl Hook {
    fn start(mood: Mood) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), mood)
    }

    fn at(address: SocketAddr, mood: Mood) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let hook = Self {
            address: listener.local_addr().unwrap(),
            came: Arc::default(),
            mood: Arc::new(Mutex::new(mood)),
        };
        let (came, mood) = (Arc::clone(&hook.came), Arc::clone(&hook.mood));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (came, mood) = (Arc::clone(&came), *mood.lock().unwrap());
                thread::spawn(move || receive(stream, mood, &came));
            }
        });
        hook
    }

    fn turns(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    /// What came and was taken, about something.
    fn took(&self, about: &str) -> Vec<Came> {
        let is_taken = |came: &Came| came.answered == Mood::Status(200);
        let of = |came: &Came| came.body["data"]["id"].as_str().unwrap().starts_with(about);
        self.came().into_iter().filter(|came| is_taken(came) && of(came)).collect()
    }
}

fn receive(stream: TcpStream, mood: Mood, came: &Mutex<Vec<Came>>) {
    let mut reader = BufReader::new(stream);
    // The first byte of a TLS handshake. Whoever speaks that to it hears that it does not.
    if reader.fill_buf().is_ok_and(|begun| begun.first() == Some(&0x16)) {
        drop(reader.into_inner().write_all(b"HTTP/1.1 400 no\r\ncontent-length: 0\r\n\r\n"));
        return;
    }
    let (mut line, mut headers) = (String::new(), Vec::new());
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        headers.extend(line.trim_end().split_once(": ").map(|(n, v)| (n.to_lowercase(), v.to_owned())));
        line.clear();
    }
    let of = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).unwrap_or_default();
    let mut body = vec![0; of("content-length").parse().unwrap_or(0)];
    if body.is_empty() || reader.read_exact(&mut body).is_err() {
        return;
    }
    let (id, at) = (of("webhook-id"), of("webhook-timestamp"));
    let signed = [id.as_bytes(), b".", at.as_bytes(), b".", &body].concat();
    let secret = from_base64(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let signed = of("webhook-signature") == format!("v1,{}", base64(&hmac(&secret, &signed)));
    let body = serde_json::from_slice(&body).unwrap();
    came.lock().unwrap().push(Came { id, body, signed, answered: mood });
    let mut stream = reader.into_inner();
    let answer = match mood {
        Mood::Status(status) => format!("HTTP/1.1 {status} so\r\ncontent-length: 0\r\n\r\n"),
        Mood::Redirect => {
            "HTTP/1.1 307 there\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n".to_owned()
        }
        Mood::Silent => {
            thread::sleep(Duration::from_secs(60));
            return;
        }
    };
    drop(stream.write_all(answer.as_bytes()));
}

/// HMAC of SHA-256 as RFC 2104 writes it, for keys of at most 64 bytes.
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let padded =
        |with: u8| -> Vec<u8> { (0..64).map(|place| key.get(place).copied().unwrap_or(0) ^ with).collect() };
    sha256_of(&[&padded(0x5c), &sha256_of(&[&padded(0x36), text])])
}

fn webhook(name: &str, address: SocketAddr) -> String {
    format!(
        "\n[[notice]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"http://{address}/hook\"\nsecret_env = \"HOOK_SECRET\"\n"
    )
}

/// A folder with these receivers, in which an act waits for both parties.
fn founded(receivers: &str) -> Folder {
    Folder::founded(&format!("{}{receivers}", config("http://127.0.0.1:9/v1")), str::to_owned)
}

fn serve(folder: &Folder) -> Server {
    let mut command = Server::command(&folder.dir, &[]);
    command.env("HOOK_SECRET", SECRET);
    Server::by(command)
}

fn ask(folder: &Folder, name: &str) -> String {
    let words = ["app", "add", name, "--party", "halcyon", "--audience", "business"];
    let asked = folder.said(&[&words[..], &["--purpose", "letters", "--market", "eu"]].concat());
    asked["act"].as_str().unwrap().to_owned()
}

fn listed(folder: &Folder, receiver: &str) -> Vec<Value> {
    let all = folder.said(&["notice", "list"]);
    let all = all.as_array().unwrap().clone();
    let is_its =
        |line: &Value| line["receiver"] == receiver && line["id"].as_str().unwrap().starts_with(WAITS);
    all.into_iter().filter(is_its).collect()
}

#[test]
fn each_receiver_is_told_once_with_a_signature_that_holds_and_only_of_what_concerns_it() {
    let [all, halcyon] = [Hook::start(Mood::Status(200)), Hook::start(Mood::Status(200))];
    let ours = format!("{}party = \"halcyon\"\nabout = [\"waiting\"]\n", webhook("halcyon", halcyon.address));
    let folder = founded(&(webhook("board", all.address) + &ours));
    let server = serve(&folder);
    let act = ask(&folder, "letters");
    eventually("both parties are told of", || all.took(WAITS).len() == 2 && halcyon.took(WAITS).len() == 1);
    let came = halcyon.took(WAITS).remove(0);
    assert_eq!(came.body["type"], "countersign.waiting");
    assert_eq!(came.body["data"]["id"], format!("waiting/{act}/halcyon"));
    assert_eq!(came.body["data"]["partnership"], "northwind-halcyon.example/record");
    let tested = folder.said(&["notice", "test", "board"]);
    eventually("the test has come", || all.took("test/").iter().any(|came| came.id == tested["key"]));
    server.stop();
    let server = serve(&folder);
    thread::sleep(Duration::from_secs(5));
    assert_eq!((all.took(WAITS).len(), halcyon.came().len()), (2, 1), "a restart tells nothing again");
    assert!(all.came().iter().chain(&halcyon.came()).all(|came| came.signed));
    let lines = listed(&folder, "halcyon");
    assert!(lines.iter().all(|line| line["state"] == "told" && line["attempts"] == 1), "{lines:?}");
    server.stop();
    std::fs::remove_file(folder.dir.join("notices")).unwrap();
    let server = serve(&folder);
    eventually("where the outbox is lost, it is told again", || halcyon.came().len() == 2);
    assert_eq!(halcyon.came()[1].id, came.id, "under the same id, by which it is dropped");
    assert_eq!(halcyon.came()[1].body["data"], came.body["data"]);
    server.stop();
    folder.verified();
}

#[test]
fn a_receiver_that_is_down_hangs_redirects_or_fails_harms_nobody_and_is_told_once_it_is_well() {
    let [well, ill, silent] = [Mood::Status(200), Mood::Redirect, Mood::Silent].map(Hook::start);
    // A port that nobody listens at.
    let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hooks = [("well", well.address), ("ill", ill.address), ("silent", silent.address), ("down", down)];
    let bad = webhook("bad", well.address).replace("http://", "https://");
    let folder = founded(&(hooks.map(|(name, address)| webhook(name, address)).concat() + &bad));
    let server = serve(&folder);
    ask(&folder, "letters");
    eventually("who is well is told", || well.took(WAITS).len() == 2);
    let failed = |name: &str| {
        let lines = listed(&folder, name);
        lines.iter().filter_map(|line| line["error"].as_str().map(str::to_owned)).collect::<BTreeSet<_>>()
    };
    for (name, error) in [("ill", "redirect"), ("silent", "timeout"), ("down", "unreachable"), ("bad", "tls")]
    {
        eventually(name, || failed(name) == BTreeSet::from([error.to_owned()]));
    }
    assert!(server.sockets() < 40, "each has one connection at most");
    let first = ill.came();
    ill.turns(Mood::Status(503));
    eventually("it is tried again", || failed("ill").contains("status-503"));
    ill.turns(Mood::Status(200));
    let up = Hook::at(down, Mood::Status(200));
    eventually("who is well again is told", || ill.took(WAITS).len() == 2 && up.took(WAITS).len() == 2);
    let ids = |came: &[Came]| came.iter().map(|came| came.id.clone()).collect::<BTreeSet<_>>();
    assert!(ids(&first).is_subset(&ids(&ill.took(WAITS))), "under the id that it was first sent with");
    assert_eq!(ids(&up.took(WAITS)), ids(&well.took(WAITS)));
    assert!(ill.came().iter().all(|came| came.signed), "each attempt is signed anew");
    server.stop();
}

#[test]
fn what_was_sent_and_not_written_down_before_a_kill_is_sent_again_under_the_same_id() {
    let hook = Hook::start(Mood::Silent);
    let folder = founded(&webhook("board", hook.address));
    let mut server = serve(&folder);
    ask(&folder, "letters");
    eventually("the first is under way", || hook.came().len() == 1);
    server.kill();
    hook.turns(Mood::Status(200));
    let server = serve(&folder);
    eventually("both are told", || hook.took(WAITS).len() == 2);
    let first = &hook.came()[0];
    let again = hook.took("").into_iter().find(|came| came.id == first.id).unwrap();
    assert_eq!(again.body, first.body, "the same, to the byte");
    server.stop();
}

#[test]
fn what_is_not_taken_for_a_day_is_given_up_once_on_the_record() {
    let hook = Hook::start(Mood::Status(500));
    let folder = founded(&webhook("board", hook.address));
    let clock = Clock::new();
    let start = |folder: &Folder| clock.serve_with(folder, &[("HOOK_SECRET", SECRET)]);
    let server = start(&folder);
    let act = ask(&folder, "letters");
    eventually("both were tried", || {
        let lines = listed(&folder, "board");
        lines.len() == 2 && lines.iter().all(|line| line["attempts"].as_u64() > Some(0))
    });
    assert!(listed(&folder, "board").iter().all(|line| line["state"] == "due" && line["next"].is_string()));
    clock.step_to(2 * DAY);
    let is_given_up =
        || listed(&folder, "board").iter().filter(|line| line["state"] == "undelivered").count() >= 2;
    eventually("both are given up", is_given_up);
    let status = folder.status();
    let expected = ["halcyon", "northwind"].map(|party| format!("waiting/{act}/{party} to board"));
    assert!(
        expected.iter().all(|one| status["undelivered"].as_array().unwrap().iter().any(|dead| dead == one))
    );
    assert!(folder.told(&["memo", "status"]).contains(&format!("undelivered: {}", expected[0])));
    let metrics = crate::http::Client::new(server.url()).ask(crate::http::Request::get("/metrics")).unwrap();
    assert!(
        metrics.text().contains("countersign_notices_undelivered{receiver=\"board\"}"),
        "{}",
        metrics.text()
    );
    server.stop();
    hook.turns(Mood::Status(200));
    let server = start(&folder);
    thread::sleep(Duration::from_secs(5));
    assert!(hook.took(WAITS).is_empty(), "what was given up is not sent any more");
    let acts = folder.said(&["act", "list"]);
    let given_up = acts.as_array().unwrap().iter().filter(|act| act["kind"] == "undelivered");
    assert!(given_up.filter(|act| act["about"].as_str().unwrap().starts_with(WAITS)).count() == 2);
    server.stop();
    folder.verified();
    second_verifier::holds(&folder.dir.join("record"));
}

#[test]
fn a_receiver_that_cannot_be_told_stops_the_start_with_what_to_write_and_a_hangup_reads_others() {
    let hook = Hook::start(Mood::Status(200));
    let folder = founded(&webhook("board", hook.address));
    let refused = Server::command(&folder.dir, &[]).env_remove("HOOK_SECRET").output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("`board`") && said.contains("`HOOK_SECRET`, which is not set"), "{said}");
    let file = folder.dir.join("countersign.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    write(&file, &config("http://127.0.0.1:9/v1"));
    let server = serve(&folder);
    ask(&folder, "letters");
    thread::sleep(Duration::from_secs(3));
    assert!(hook.came().is_empty() && !folder.dir.join("notices").exists(), "nobody is to be told");
    write(&file, &text);
    let hung_up = Command::new("kill").args(["-HUP", &server.process().to_string()]).status().unwrap();
    assert!(hung_up.success());
    eventually("who was added is told", || hook.took(WAITS).len() == 2);
    server.stop();
}
