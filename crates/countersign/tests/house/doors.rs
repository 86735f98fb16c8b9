//! What each door of the server answers, to a caller with a key, without one, and with a wrong one.
//!
//! Not here: what a model says.

use crate::http::{Answer, Client, Request};
use crate::server::{Folder, MODEL, Server, config, eventually};
use crate::upstream::{Upstream, Used};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

struct Scene {
    folder: Folder,
    server: Server,
    key: String,
    upstream: Upstream,
}

impl Scene {
    fn set() -> Self {
        let upstream = Upstream::start(Used::Always(40, 60));
        let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
        let server = folder.serve(&[]);
        let key = folder.admit();
        Self { folder, server, key, upstream }
    }

    fn ask(&self, request: Request<'_>) -> Answer {
        Client::new(self.server.url()).ask(request).unwrap()
    }

    fn chat(&self, key: &str, change: impl FnOnce(&mut Value)) -> Answer {
        let mut body = json!({
            "model": MODEL, "max_tokens": 100, "messages": [{ "role": "user", "content": "Count." }],
        });
        change(&mut body);
        self.ask(Request::chat(key, &body.to_string()))
    }
}

/// The error in an answer, whose status is this, in OpenAI's shape.
pub(crate) fn error(answer: &Answer, status: u16) -> Value {
    let body = answer.json();
    assert_eq!(answer.status, status, "{body}");
    assert!(answer.headers.value("x-request-id").is_some(), "every answer has its id: {answer:?}");
    let error = body["error"].as_object().unwrap();
    assert!(["message", "type", "param", "code"].iter().all(|name| error.contains_key(*name)), "{body}");
    body["error"].clone()
}

#[test]
fn the_doors_without_a_key_answer_what_they_are_for() {
    let scene = Scene::set();
    for (path, content, said) in [
        ("/health/live", "", ""),
        ("/health/ready", "", ""),
        ("/metrics", "text/plain", "countersign_"),
        ("/", "text/html", "launch-credits"),
        ("/api/status", "application/json", "launch-credits"),
        ("/record/vkeys", "text/plain", "northwind-halcyon.example/record+"),
    ] {
        let answer = scene.ask(Request::get(path));
        let text = answer.text();
        assert_eq!(answer.status, 200, "{path}: {text}");
        let told = answer.headers.value("content-type").unwrap_or_default();
        assert!(told.starts_with(content), "{path} is `{told}`");
        assert!(text.contains(said), "{path} does not say `{said}`: {text}");
    }
    assert_eq!(scene.ask(Request::get("/record/journal/00000000")).status, 404);
    assert_eq!(scene.ask(Request::get("/nowhere")).status, 404);
}

#[test]
fn the_checkpoint_follows_what_is_done() {
    let scene = Scene::set();
    assert_eq!(scene.chat(&scene.key, |_| {}).status, 200);
    let entries = scene.folder.entries();
    eventually("a checkpoint over all entries", || {
        let text = scene.ask(Request::get("/record/checkpoint")).text();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("northwind-halcyon.example/record"), "{text}");
        lines.next().is_some_and(|size| size == entries.to_string())
    });
    let tile = format!("/record/tile/0/000.p/{entries}");
    assert_eq!(scene.ask(Request::get(&tile)).body.len() as u64, entries * 32, "a hash for each entry");
}

#[test]
fn models_are_listed_and_told_one_by_one() {
    let scene = Scene::set();
    let get = |path: &str| scene.ask(Request::get(path).with_key(&scene.key));
    let list = get("/v1/models").json();
    assert_eq!(list["object"], "list");
    let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(ids, [MODEL]);
    let one = get(&format!("/v1/models/{MODEL}")).json();
    assert_eq!((&one["id"], &one["object"]), (&json!(MODEL), &json!("model")));
    assert_eq!(error(&get("/v1/models/none"), 404)["code"], "model_not_found");
}

#[test]
fn a_stranger_gets_401_and_leaves_no_entry() {
    let scene = Scene::set();
    let before = scene.folder.entries();
    let changed = {
        let (rest, last) = scene.key.split_at(scene.key.len() - 1);
        format!("{rest}{}", if last == "0" { "1" } else { "0" })
    };
    for key in ["", "sk-none", "cs_live_0000000000000000_00", changed.as_str()] {
        assert_eq!(error(&scene.chat(key, |_| {}), 401)["code"], "invalid_api_key", "{key}");
    }
    let answer = scene.ask(Request::get("/v1/models"));
    assert_eq!(error(&answer, 401)["code"], "invalid_api_key");
    assert_eq!(scene.folder.entries(), before);
    assert_eq!(scene.upstream.calls(), 0, "nothing went upstream");
}

#[test]
fn what_cannot_be_served_is_refused_in_openais_shape_and_never_goes_upstream() {
    let scene = Scene::set();
    let chat = |change: fn(&mut Value)| scene.chat(&scene.key, change);
    let unknown = error(&chat(|body| body["model"] = json!("gpt-4")), 404);
    assert_eq!(unknown["code"], "model_not_found");
    let forbidden = error(&chat(|body| body["max_tokens"] = json!(1200)), 403);
    assert_eq!(
        (&forbidden["code"], &forbidden["type"]),
        (&json!("longest-answer"), &json!("permission_denied"))
    );
    assert_eq!(forbidden["param"], Value::Null);
    for (param, change) in [
        ("messages", (|body| body["messages"] = json!([])) as fn(&mut Value)),
        ("model", |body| body["model"] = json!(7)),
        ("max_tokens", |body| body["max_tokens"] = json!("many")),
        ("n", |body| body["n"] = json!(0)),
    ] {
        let wrong = error(&chat(change), 400);
        assert_eq!((&wrong["param"], &wrong["type"]), (&json!(param), &json!("invalid_request_error")));
    }
    let broken = scene.ask(Request::chat(&scene.key, "{"));
    assert_eq!(error(&broken, 400)["type"], "invalid_request_error");
    assert_eq!(scene.upstream.calls(), 0);
}

#[test]
fn a_key_on_a_budget_spends_no_more_and_its_refusal_is_one_entry() {
    let scene = Scene::set();
    let made =
        scene.folder.said(&["key", "new", "--application", "assistant", "--budget", "0.000001 CREDIT"]);
    let (key, before) = (made["key"].as_str().unwrap(), scene.folder.entries());
    let answer = scene.chat(key, |_| {});
    assert_eq!(error(&answer, 429)["code"], "insufficient_quota");
    assert_eq!(answer.headers.value("x-should-retry"), Some("false"));
    assert!(answer.headers.value("countersign-act").is_some());
    assert_eq!(scene.folder.entries(), before + 1);
    assert_eq!(scene.chat(&scene.key, |_| {}).status, 200, "the grant is not spent, only the budget");
}

#[test]
fn a_server_that_says_it_is_ready_can_be_stopped_gracefully() {
    let folder = Folder::founded(&config("http://127.0.0.1:1/v1"), str::to_owned);
    // The pipe is full, so that the server is held up in the middle of saying it.
    let (mut output, mut full) = std::io::pipe().unwrap();
    full.write_all(&[b'\n'; PIPE_BYTES]).unwrap();
    let mut child = Server::command(&folder.dir, &[]).stdout(full).stderr(Stdio::null()).spawn().unwrap();
    eventually("it listens", || folder.dir.join("socket").exists());
    std::thread::sleep(Duration::from_millis(500));
    let term = format!("kill -TERM {}", child.id());
    assert!(Command::new("sh").args(["-c", &term]).status().unwrap().success());
    let mut said = Vec::new();
    output.read_to_end(&mut said).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0), "a graceful stop is exit 0, not {status}");
    assert!(said.ends_with(b"}\n"), "{}", String::from_utf8_lossy(&said));
}

/// What a pipe of Linux holds.
const PIPE_BYTES: usize = 1 << 16;

#[test]
fn a_revoked_key_is_a_strangers() {
    let scene = Scene::set();
    let made = scene.folder.said(&["key", "new", "--application", "assistant"]);
    let key = made["key"].as_str().unwrap();
    assert_eq!(scene.chat(key, |_| {}).status, 200);
    scene.folder.said(&["key", "revoke", made["id"].as_str().unwrap()]);
    assert_eq!(error(&scene.chat(key, |_| {}), 401)["code"], "invalid_api_key");
}

#[test]
fn a_key_made_by_hand_is_printed_alone() {
    let scene = Scene::set();
    let told = scene.folder.told(&["key", "new", "--application", "assistant"]);
    let key = told.strip_suffix('\n').unwrap();
    assert!(key.starts_with("cs_live_") && !key.contains(char::is_whitespace), "{told}");
    assert_eq!(scene.chat(key, |_| {}).status, 200);
}

#[test]
fn an_act_too_long_for_an_entry_is_refused_before_it_is_one() {
    let scene = Scene::set();
    let before = scene.folder.entries();
    let purpose = "p".repeat(20_000);
    let words = ["app", "add", "long", "--party", "halcyon", "--audience", "business", "--market", "eu"];
    let refused = scene.folder.command(&[&words[..], &["--purpose", &purpose]].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stdout).contains("longer than"));
    assert_eq!(scene.folder.entries(), before);
    let admitted = scene.folder.command(&[&words[..], &["--purpose", &"p".repeat(600)]].concat());
    assert_eq!(admitted.status.code(), Some(1), "and one that only its own limit refuses is an entry");
    assert_eq!(scene.folder.entries(), before + 1);
}

#[test]
fn a_request_a_minute_is_one_and_the_next_is_told_when() {
    let scene = Scene::set();
    let made = scene.folder.said(&["key", "new", "--application", "assistant", "--requests-per-minute", "1"]);
    let key = made["key"].as_str().unwrap();
    assert_eq!(scene.chat(key, |_| {}).status, 200);
    let before = scene.folder.entries();
    let limited = scene.chat(key, |_| {});
    assert_eq!(error(&limited, 429)["code"], "rate_limit_exceeded");
    assert!(limited.headers.value("retry-after").unwrap().parse::<u64>().unwrap() <= 60);
    assert_eq!(limited.headers.value("x-ratelimit-remaining-requests"), Some("0"));
    assert_eq!(scene.folder.entries(), before, "it is no act");
}

#[test]
fn a_stranger_is_told_so_before_anything_of_a_proposal_is_read() {
    let scene = Scene::set();
    let authority = scene.server.url().strip_prefix("http://").unwrap();
    let mut stranger = TcpStream::connect(authority).unwrap();
    stranger.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let head = format!("POST /api/acts HTTP/1.1\r\nhost: {authority}\r\ncontent-length: 1000000\r\n\r\n");
    stranger.write_all(head.as_bytes()).unwrap();
    let mut status = [0; 12];
    stranger.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 401");
}
