//! Callers who send too much, too slowly or not what they said, who read too slowly, and upstreams that do no better.
//!
//! Not here: what an upstream's error becomes (`cloud`'s own tests have the table).

use crate::doors::error;
use crate::http::{Answer, Client, Request};
use crate::scripted::{Script, Scripted, chunk, stream, whole};
use crate::server::{Folder, Server, config, eventually, write};
use crate::upstream::{Upstream, Used};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

const BODY: &str =
    r#"{"model":"smollm2-135m-instruct","max_tokens":100,"messages":[{"role":"user","content":"Count."}]}"#;
const TEXT: &str = r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}"#;
/// Small bounds and short times, so that a test sees each in a second.
const LIMITS: &str = r"
[http]
address_bytes_max = 2000
head_bytes_max = 4000
body_bytes_max = 10000
head_timeout_ms = 700
body_timeout_ms = 700
write_timeout_ms = 1000
";
/// Far above what any of them waits for, and far below the defaults of a minute and more.
const SOON: Duration = Duration::from_secs(20);

struct Scene<U> {
    folder: Folder,
    server: Server,
    key: String,
    upstream: U,
}

impl<U> Scene<U> {
    fn set(upstream: U, url: &str, more: &str) -> Self {
        let folder = Folder::founded(&format!("{}{more}", config(url)), str::to_owned);
        let server = folder.serve(&[]);
        let key = folder.admit();
        Self { folder, server, key, upstream }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.url().strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }

    /// Sends these bytes and gives all that is said until the server closes, or the first answer if it does not.
    fn say(&self, bytes: &str) -> String {
        let mut stream = self.connect();
        drop(stream.write_all(bytes.as_bytes()));
        said(&mut stream)
    }

    /// The head of a call, with these headers besides the key.
    fn head(&self, headers: &str) -> String {
        let host = self.server.url().strip_prefix("http://").unwrap();
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\n{headers}\r\n",
            self.key
        )
    }

    fn metric(&self, name: &str) -> String {
        let text = Client::new(self.server.url()).ask(Request::get("/metrics")).unwrap().text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{name} is not in {text}"))
    }

    /// Waits until no call, reservation or connection is left, and gives how many calls ended in which way.
    fn settled(&self) -> Value {
        eventually("no call is under way", || self.metric("countersign_calls_under_way ") == "0");
        eventually("nothing is reserved", || self.folder.pool().1 == 0);
        self.folder.verified()["settled"].clone()
    }
}

fn mocked(more: &str) -> Scene<Upstream> {
    let upstream = Upstream::start(Used::Always(40, 60));
    let url = upstream.url();
    Scene::set(upstream, &url, more)
}

fn scripted(scripts: impl IntoIterator<Item = Script>, more: &str) -> Scene<Scripted> {
    let upstream = Scripted::start(scripts);
    let url = upstream.url();
    Scene::set(upstream, &url, more)
}

/// What comes until the other side closes, or for as long as anybody waits here.
fn said(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    drop(stream.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The status of an answer, and the error in it.
fn told(answer: &str) -> (u16, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let status = head.get(9..12).unwrap_or_else(|| panic!("no head: {answer:?}")).parse().unwrap();
    assert!(head.contains("\r\nx-request-id: "), "every answer has its id: {head}");
    let body: Value = serde_json::from_str(body).unwrap_or_else(|fault| panic!("{fault} in: {answer}"));
    let error = body["error"].as_object().unwrap();
    assert!(["message", "type", "param", "code"].iter().all(|name| error.contains_key(*name)), "{body}");
    (status, body["error"].clone())
}

#[test]
fn a_head_beyond_its_bound_is_refused_in_words_and_far_beyond_it_by_its_status() {
    let scene = mocked(LIMITS);
    let close = "connection: close\r\n";
    let get = |path: &str, headers: &str| {
        scene.say(&format!(
            "GET {path} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {}\r\n{close}{headers}\r\n",
            scene.key
        ))
    };
    assert!(get("/v1/models", "").starts_with("HTTP/1.1 200"));
    let long = "x".repeat(1900);
    assert!(get(&format!("/v1/models?{long}"), "").starts_with("HTTP/1.1 200"), "within the bound");
    for path in ["/v1/models?", "/openai/v1/models?", "/api/status?", "/nowhere?"] {
        let (status, error) = told(&get(&format!("{path}{long}{long}"), ""));
        assert_eq!((status, error["code"].as_str()), (414, Some("request_uri_too_long")), "{path}");
    }
    let header = format!("x-long: {long}\r\n");
    assert!(get("/v1/models", &header).starts_with("HTTP/1.1 200"), "within the bound");
    let (status, error) = told(&get("/v1/models", &header.repeat(3)));
    assert_eq!((status, error["code"].as_str()), (431, Some("request_headers_too_large")));
    // What is never read to its end has no words, only its status.
    let header = format!("x-long: {}\r\n", "x".repeat(200_000));
    assert!(get("/v1/models", &header).starts_with("HTTP/1.1 431"));
    assert!(get("/v1/models", &"a: b\r\n".repeat(200)).starts_with("HTTP/1.1 431"));
    assert!(get(&format!("/v1/models?{}", "x".repeat(70_000)), "").starts_with("HTTP/1.1 414"));
    assert!(scene.say("nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
    assert_eq!(scene.upstream.calls(), 0);
}

#[test]
fn a_body_beyond_its_bound_is_refused_in_words_however_it_is_sent() {
    let scene = mocked(LIMITS);
    let entries = scene.folder.entries();
    let padded = |bytes: usize| BODY.replace("Count.", &"x".repeat(bytes - BODY.len() + "Count.".len()));
    let mut client = Client::new(scene.server.url());
    assert_eq!(
        client.ask(Request::chat(&scene.key, &padded(10_000))).unwrap().status,
        200,
        "within the bound"
    );
    let answer = client.ask(Request::chat(&scene.key, &padded(10_001))).unwrap();
    assert_eq!(error(&answer, 413)["code"], "request_too_large");
    // One who sends more than the connection holds before reading hears it as well.
    let answer = Client::new(scene.server.url()).ask(Request::chat(&scene.key, &padded(30_000))).unwrap();
    assert_eq!(error(&answer, 413)["code"], "request_too_large");
    let piece = format!("{:x}\r\n{}\r\n", 4_000, "x".repeat(4_000));
    let chunked = format!(
        "{}{}0\r\n\r\n",
        scene.head("transfer-encoding: chunked\r\nconnection: close\r\n"),
        piece.repeat(3)
    );
    let (status, fault) = told(&scene.say(&chunked));
    assert_eq!((status, fault["code"].as_str()), (413, Some("request_too_large")));
    // One who asks before sending is not asked for the body.
    let asks = scene.head("content-length: 1000000000\r\nexpect: 100-continue\r\n");
    assert_eq!(told(&scene.say(&asks)).0, 413);
    assert_eq!((scene.folder.entries(), scene.upstream.calls()), (entries + 2, 1), "one call is an act");
}

#[test]
fn curl_is_told_that_its_body_is_too_long() {
    let scene = mocked("");
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("body.json");
    write(&file, &BODY.replace("Count.", &"x".repeat(17 << 20)));
    for headers in [&["-H", "expect:"][..], &[]] {
        let output = Command::new("curl")
            .args(["-sS", "-w", "\n%{http_code}", "-H", "content-type: application/json", "-H"])
            .arg(format!("authorization: bearer {}", scene.key))
            .args(headers)
            .arg("--data-binary")
            .arg(format!("@{}", file.display()))
            .arg(format!("{}/chat/completions", scene.server.api()))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = said.rsplit_once('\n').unwrap();
        assert_eq!(status, "413", "{said} {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(serde_json::from_str::<Value>(body).unwrap()["error"]["code"], "request_too_large");
    }
}

#[test]
fn a_length_that_is_not_true_makes_no_act() {
    let scene = mocked(LIMITS);
    let entries = scene.folder.entries();
    // Shorter than it said, and nothing more to come.
    let mut stream = scene.connect();
    let short = format!("{}{BODY}", scene.head(&format!("content-length: {}\r\n", BODY.len() + 7)));
    stream.write_all(short.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let answer = said(&mut stream);
    assert!(answer.is_empty() || told(&answer).0 == 408, "{answer}");
    // Two lengths, no number, or a chunk that lies.
    for headers in
        ["content-length: 10\r\ncontent-length: 11\r\n", "content-length: ten\r\n", "content-length: -1\r\n"]
    {
        let answer = scene.say(&format!("{}{BODY}", scene.head(headers)));
        assert!(answer.starts_with("HTTP/1.1 400"), "{headers}: {answer}");
    }
    let lying = format!("{}zz\r\n{BODY}\r\n0\r\n\r\n", scene.head("transfer-encoding: chunked\r\n"));
    let answer = scene.say(&lying);
    assert!(answer.is_empty() || told(&answer).0 == 408, "{answer}");
    assert_eq!((scene.folder.entries(), scene.upstream.calls()), (entries, 0));
    // Longer than it said: what is over is no part of it.
    let over = format!("{}{BODY}garbage\r\n\r\n", scene.head(&format!("content-length: {}\r\n", BODY.len())));
    let answer = scene.say(&over);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("HTTP/1.1 400"), "the rest is taken for another request: {answer}");
    assert_eq!((scene.folder.entries(), scene.upstream.calls()), (entries + 2, 1));
}

#[test]
fn a_body_in_many_chunks_is_one_body() {
    let scene = mocked(LIMITS);
    let chunks: String = BODY
        .as_bytes()
        .chunks(3)
        .map(|piece| format!("{:x}\r\n{}\r\n", piece.len(), str::from_utf8(piece).unwrap()))
        .collect();
    let head = scene.head("transfer-encoding: chunked\r\nconnection: close\r\n");
    let answer = scene.say(&format!("{head}{chunks}0\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_head_that_comes_too_slowly_or_not_at_all_closes_the_connection() {
    let scene = mocked(LIMITS);
    let before = scene.server.sockets();
    let (mut silent, mut kept, mut slow) = (scene.connect(), scene.connect(), scene.connect());
    kept.write_all(b"GET /health/live HTTP/1.1\r\nhost: h\r\n\r\n").unwrap();
    let head = scene.head(&format!("x-padding: {}\r\n", "x".repeat(3000)));
    let mut sent = 0;
    while sent < head.len() && slow.write_all(&head.as_bytes()[sent..=sent]).is_ok() {
        sent += 1;
        thread::sleep(Duration::from_millis(20));
    }
    assert!(sent < head.len(), "a head sent a byte at a time did not come whole");
    assert_eq!(said(&mut silent), "", "one who says nothing is told nothing");
    assert!(
        said(&mut kept).ends_with("live\n"),
        "and a connection that is kept without a request ends as well"
    );
    drop((silent, kept, slow));
    eventually("no connection is left", || scene.server.sockets() <= before);
}

#[test]
fn a_body_that_comes_too_slowly_is_told_so_and_makes_no_act() {
    let scene = mocked(LIMITS);
    let entries = scene.folder.entries();
    let mut stream = scene.connect();
    stream.write_all(scene.head(&format!("content-length: {}\r\n", BODY.len())).as_bytes()).unwrap();
    stream.write_all(&BODY.as_bytes()[..20]).unwrap();
    let (status, error) = told(&said(&mut stream));
    assert_eq!((status, error["code"].as_str()), (408, Some("body_cut_off")));
    assert_eq!((scene.folder.entries(), scene.upstream.calls()), (entries, 0));
}

#[test]
fn a_reader_who_takes_nothing_of_a_stream_has_left() {
    let big = TEXT.replace("Hello", &"a".repeat(1 << 16));
    let scene = scripted([Script::Endless(stream(&[TEXT]), chunk(&big))], LIMITS);
    let before = scene.server.sockets();
    let (granted, _) = scene.folder.pool();
    let mut stuck = scene.connect();
    let body = BODY.replacen('{', r#"{"stream":true,"#, 1);
    let call = format!("{}{body}", scene.head(&format!("content-length: {}\r\n", body.len())));
    stuck.write_all(call.as_bytes()).unwrap();
    let mut status = [0; 12];
    stuck.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    eventually("the upstream's connection is closed", || scene.upstream.open() == 0);
    assert_eq!(scene.settled()["cancelled"], 1);
    assert!(scene.folder.pool().0 < granted, "what was delivered is paid for");
    eventually("no connection is left", || scene.server.sockets() <= before);
}

#[test]
fn a_caller_who_leaves_before_an_answer_in_one_piece_ends_the_call() {
    let scene = scripted([Script::Silent(String::new())], "");
    let mut leaving = scene.connect();
    let call = format!("{}{BODY}", scene.head(&format!("content-length: {}\r\n", BODY.len())));
    leaving.write_all(call.as_bytes()).unwrap();
    eventually("the call is under way", || scene.upstream.open() == 1);
    drop(leaving);
    eventually("the upstream's connection is closed", || scene.upstream.open() == 0);
    assert_eq!(scene.settled()["cancelled"], 1);
}

#[test]
fn whatever_an_upstream_does_each_call_is_settled_once_and_nothing_is_left() {
    let silence = "timeout_ms = 600\n[upstream.models]";
    let half = whole("200 OK", &["content-type: application/json"], r#"{"choices":[]}"#);
    let begun = stream(&[TEXT]);
    // What it does, whether the call is a stream, and the status that the caller is told.
    let rows = [
        (Script::Silent(String::new()), false, 504),
        (Script::Silent(String::new()), true, 504),
        (Script::Silent("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_owned()), false, 504),
        (Script::Silent(begun.clone()), true, 200),
        (Script::Half(begun.clone()), true, 200),
        (Script::Close(begun), true, 200),
        (Script::Half(half[..half.len() - 3].to_owned()), false, 502),
        (Script::Half(String::new()), false, 502),
        (Script::Close(String::new()), true, 502),
        (Script::Close("not http at all\r\n\r\n".to_owned()), false, 502),
        (Script::Keep(half), false, 502),
        (Script::Keep(whole("429 Too Many Requests", &["retry-after: 3"], "")), true, 429),
        (Script::Keep(whole("500 Oh", &["content-type: text/html"], "<html>")), false, 502),
    ];
    let upstream = Scripted::start(rows.iter().map(|(script, ..)| script.clone()));
    let url = upstream.url();
    let folder = Folder::founded(&config(&url).replace("[upstream.models]", silence), str::to_owned);
    let server = folder.serve(&[]);
    let key = folder.admit();
    let scene = Scene { folder, server, key, upstream };
    let before = scene.server.sockets();
    let (granted, _) = scene.folder.pool();
    for (script, is_stream, status) in &rows {
        let body = if *is_stream { BODY.replacen('{', r#"{"stream":true,"#, 1) } else { BODY.to_owned() };
        let answer = Client::new(scene.server.url()).ask(Request::chat(&scene.key, &body)).unwrap();
        assert_eq!(answer.status, *status, "{script:?}: {}", answer.text());
        if *status == 200 {
            is_broken(&answer);
        } else {
            error(&answer, *status);
        }
    }
    let settled = scene.settled();
    assert_eq!(settled["failed"], rows.len(), "{settled}");
    assert_eq!(scene.folder.pool(), (granted, 0), "nothing is charged");
    eventually("no connection is left", || scene.server.sockets() <= before && scene.upstream.open() == 0);
    scene.server.stop();
}

/// A stream that failed midway: an error as its last event, and no end.
fn is_broken(answer: &Answer) {
    let text = answer.text();
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    let error: Value = serde_json::from_str(last.strip_prefix("data: ").unwrap()).unwrap();
    assert!(
        ["message", "type", "param", "code"].iter().all(|name| error["error"].get(*name).is_some()),
        "{text}"
    );
    assert!(!text.contains("[DONE]"), "{text}");
}
