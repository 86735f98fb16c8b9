//! `Idempotency-Key`, from outside: calls that are asked for again, at once, later, after a failure and after a kill.
//!
//! Not here: how long a key counts, which takes a day (the core's own tests).

use crate::doors::error;
use crate::http::{Answer, Client, Request};
use crate::scripted::{Script, Scripted, stream, whole};
use crate::server::{Folder, MODEL, Server, config, eventually};
use serde_json::Value;
use std::thread;
use std::time::Duration;

const BODY: &str =
    r#"{"model":"smollm2-135m-instruct","max_tokens":100,"messages":[{"role":"user","content":"Count."}]}"#;
const OTHER: &str =
    r#"{"model":"smollm2-135m-instruct","max_tokens":100,"messages":[{"role":"user","content":"Count!"}]}"#;
const AZURE: &str = "/openai/v1/chat/completions";
/// The header of the API key, with an idempotency key before it.
const ONE: &str = "idempotency-key: one\r\nauthorization: Bearer ";
const AT_ONCE: usize = 50;

struct Scene {
    folder: Folder,
    server: Server,
    key: String,
    upstream: Scripted,
}

impl Scene {
    fn set(scripts: impl IntoIterator<Item = Script>) -> Self {
        let upstream = Scripted::start(scripts);
        let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
        let server = folder.serve(&[]);
        let key = folder.admit();
        Self { folder, server, key, upstream }
    }

    /// Asks with the idempotency key `one`.
    fn ask(&self, body: &str) -> Answer {
        self.caller().ask(body)
    }

    fn caller(&self) -> Caller {
        Caller { url: self.server.url().to_owned(), key: self.key.clone() }
    }

    fn request<'a>(&'a self, body: &'a str) -> Request<'a> {
        Request::chat(&self.key, body).by_header(ONE)
    }

    fn calls(&self) -> usize {
        self.upstream.bodies().len()
    }

    /// The model calls on the record, newest first.
    fn acts(&self) -> Vec<Value> {
        let acts = self.folder.said(&["act", "list"]);
        acts.as_array().unwrap().iter().filter(|act| act["kind"] == "infer").cloned().collect()
    }
}

/// Asks with the idempotency key `one`, on a connection of its own each time.
struct Caller {
    url: String,
    key: String,
}

impl Caller {
    fn ask(&self, body: &str) -> Answer {
        Client::new(&self.url).ask(Request::chat(&self.key, body).by_header(ONE)).unwrap()
    }
}

/// An answer that no other is like.
fn told(number: u32) -> String {
    let body = format!(
        r#"{{"id":"c{number}","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"One."}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6}}}}"#
    );
    whole("200 OK", &["content-type: application/json"], &body)
}

fn act(answer: &Answer) -> &str {
    let act = answer.headers.value("countersign-act").unwrap();
    assert_eq!(answer.headers.value("x-request-id"), Some(act));
    act
}

/// The code of an answer that says that the key belongs to this act.
fn belongs(answer: &Answer, act: &str) -> String {
    let error = error(answer, 400);
    assert_eq!(answer.headers.value("countersign-act"), Some(act));
    assert!(error["message"].as_str().unwrap().contains(act), "{error}");
    error["code"].as_str().unwrap().to_owned()
}

#[test]
fn fifty_at_once_with_one_key_are_one_call_and_one_act_and_hear_one_answer() {
    let scene = Scene::set([Script::After(Duration::from_secs(1), told(1)), Script::Keep(told(2))]);
    let caller = scene.caller();
    let answers: Vec<Answer> = thread::scope(|scope| {
        let asked: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| caller.ask(BODY))).collect();
        asked.into_iter().map(|answer| answer.join().unwrap()).collect()
    });
    let first = &answers[0];
    for answer in &answers {
        assert_eq!((answer.status, answer.text()), (200, first.text()));
        assert_eq!(act(answer), act(first));
    }
    assert_eq!((scene.calls(), scene.acts().len()), (1, 1));
    // What has ended is not kept, and says so on every address.
    for path in ["/v1/chat/completions", AZURE] {
        let again = Client::new(scene.server.url()).ask(scene.request(BODY).at(path)).unwrap();
        assert_eq!(belongs(&again, act(first)), "idempotency_key_used", "{path}");
    }
    assert_eq!(belongs(&scene.ask(OTHER), act(first)), "idempotency_key_mismatch");
    let receipt = format!("/api/receipts/{}", act(first));
    eventually("there is a receipt", || {
        Client::new(scene.server.url()).ask(Request::get(&receipt)).unwrap().status == 200
    });
    // Without a key, or with another, each is an act of its own.
    for by in ["authorization: Bearer ", "idempotency-key: two\r\nauthorization: Bearer "] {
        let request = Request::chat(&scene.key, BODY).by_header(by);
        assert_ne!(act(&Client::new(scene.server.url()).ask(request).unwrap()), act(first));
    }
    assert_eq!((scene.calls(), scene.acts().len()), (3, 3));
    scene.server.stop();
    scene.folder.verified();
}

#[test]
fn another_request_with_the_key_of_a_call_under_way_is_told_at_once() {
    let scene = Scene::set([Script::Silent(String::new())]);
    let mut client = Client::new(scene.server.url());
    let asks = client.ask_only(scene.request(BODY)).unwrap();
    eventually("the call is under way", || scene.calls() == 1);
    assert_eq!(error(&scene.ask(OTHER), 400)["code"], "idempotency_key_mismatch");
    drop(asks);
    eventually("it is cancelled", || scene.acts()[0]["state"] == "cancelled");
    let act = scene.acts()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(belongs(&scene.ask(BODY), &act), "idempotency_key_used", "what was cancelled was charged");
}

#[test]
fn a_call_goes_on_while_anybody_waits_for_it_though_whoever_asked_first_has_left() {
    let scene = Scene::set([Script::After(Duration::from_secs(2), told(1))]);
    let mut client = Client::new(scene.server.url());
    let asks = client.ask_only(scene.request(BODY)).unwrap();
    eventually("the call is under way", || scene.calls() == 1);
    let caller = scene.caller();
    let answer = thread::scope(|scope| {
        let waits = scope.spawn(|| caller.ask(BODY));
        // The second has to have come before the first leaves.
        thread::sleep(Duration::from_millis(700));
        drop(asks);
        waits.join().unwrap()
    });
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!((scene.calls(), scene.acts().len()), (1, 1));
    assert_eq!(
        (&scene.acts()[0]["state"], scene.acts()[0]["id"].as_str()),
        (&"done".into(), Some(act(&answer)))
    );
}

#[test]
fn of_a_stream_under_way_its_end_is_waited_for() {
    let piece = |delta: &str, reason: &str| {
        format!(
            r#"{{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,"delta":{delta},"finish_reason":{reason}}}]}}"#
        )
    };
    let pieces = [piece(r#"{"role":"assistant","content":"One."}"#, "null"), piece("{}", r#""stop""#)];
    let streamed = format!("{}0\r\n\r\n", stream(&[&pieces[0], &pieces[1], "[DONE]"]));
    let pause = Duration::from_secs(1);
    let scene = Scene::set([Script::After(pause, streamed)]);
    let body = BODY.replacen('{', r#"{"stream":true,"#, 1);
    let caller = scene.caller();
    let (first, second) = thread::scope(|scope| {
        let first = scope.spawn(|| caller.ask(&body));
        eventually("the call is under way", || scene.calls() == 1);
        let second = scene.ask(&body);
        assert_eq!(scene.acts()[0]["state"], "done", "it is not told before the stream has ended");
        (first.join().unwrap(), second)
    });
    assert!(first.text().ends_with("data: [DONE]\n\n"), "{}", first.text());
    assert_eq!(belongs(&second, act(&first)), "idempotency_key_used");
    assert_eq!(scene.calls(), 1);
}

#[test]
fn a_key_is_free_after_a_refusal_and_after_a_failure() {
    let fault = whole("500 Internal Server Error", &["content-type: application/json"], "{}");
    let scene = Scene::set([Script::Keep(fault), Script::Keep(told(1))]);
    let refused = scene.ask(&BODY.replace("100", "1200"));
    assert_eq!(error(&refused, 403)["code"], "longest-answer");
    let failed = scene.ask(BODY);
    assert!(failed.status >= 500, "{}", failed.text());
    let done = scene.ask(BODY);
    assert_eq!(done.status, 200, "{}", done.text());
    let acts = [act(&refused), act(&failed), act(&done)];
    assert!(acts[0] != acts[1] && acts[1] != acts[2]);
    assert_eq!(belongs(&scene.ask(BODY), acts[2]), "idempotency_key_used");
}

#[test]
fn a_key_counts_after_a_kill_and_is_free_where_the_kill_cut_the_call_off() {
    let mut scene = Scene::set([Script::Keep(told(1)), Script::Silent(String::new()), Script::Keep(told(2))]);
    let done = scene.ask(BODY);
    let two = "idempotency-key: two\r\nauthorization: Bearer ";
    let cut =
        Client::new(scene.server.url()).ask_only(Request::chat(&scene.key, BODY).by_header(two)).unwrap();
    eventually("both are under way", || scene.calls() == 2);
    scene.server.kill();
    drop(cut);
    scene.server = scene.folder.serve(&[]);
    assert_eq!(belongs(&scene.ask(BODY), act(&done)), "idempotency_key_used");
    assert_eq!(belongs(&scene.ask(OTHER), act(&done)), "idempotency_key_mismatch");
    let again = Client::new(scene.server.url()).ask(Request::chat(&scene.key, BODY).by_header(two)).unwrap();
    assert_eq!(again.status, 200, "{}", again.text());
    let states: Vec<_> = scene.acts().iter().map(|act| act["state"].clone()).collect();
    assert_eq!(states, ["done", "lost", "done"]);
    scene.server.stop();
    scene.folder.verified();
}

#[test]
fn where_the_content_key_is_gone_nobody_can_tell_what_was_asked() {
    let mut scene = Scene::set([Script::Keep(told(1))]);
    let first = scene.ask(BODY);
    scene.server.stop();
    std::fs::remove_file(scene.folder.dir.join("vault/keys")).unwrap();
    scene.server = scene.folder.serve(&[]);
    for body in [BODY, OTHER] {
        assert_eq!(belongs(&scene.ask(body), act(&first)), "idempotency_key_used");
    }
    assert_eq!(scene.calls(), 1);
}

#[test]
fn what_is_no_key_is_told_and_is_no_act() {
    let scene = Scene::set([Script::Keep(told(1))]);
    let entries = scene.folder.entries();
    let long = "k".repeat(256);
    for sent in [&*long, "", "a b", "a\r\nidempotency-key: b"] {
        let by = format!("idempotency-key: {sent}\r\nauthorization: Bearer ");
        for path in ["/v1/chat/completions", AZURE] {
            let request = Request::chat(&scene.key, BODY).by_header(&by).at(path);
            let answer = Client::new(scene.server.url()).ask(request).unwrap();
            assert_eq!(error(&answer, 400)["code"], "idempotency_key_invalid", "{sent}");
        }
    }
    assert_eq!((scene.folder.entries(), scene.calls()), (entries, 0));
    let by = format!("idempotency-key: {}\r\nauthorization: Bearer ", &long[1..]);
    let request = Request::chat(&scene.key, BODY).by_header(&by);
    assert_eq!(Client::new(scene.server.url()).ask(request).unwrap().status, 200);
    assert_eq!(scene.acts()[0]["about"], MODEL);
}
