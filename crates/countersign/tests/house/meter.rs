//! The consumer's own meter before a real operator: what passes, what it writes down, and what it finds that the operator did not say.
//!
//! Not here: each way in which a call and its act may disagree (`meter/compare/tests.rs` of the binary).

use crate::between::{Between, Trick};
use crate::http::{Client, Request};
use crate::metered::{BODY, CALLERS, OTHER, Place, Scene, found};
use crate::scripted::{Script, Scripted, stream, whole};
use crate::server::{MODEL, Server, eventually, run, write};
use crate::upstream::{Upstream, Used};
use record::hash::{base64, sha256};
use serde_json::json;
use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const USED: (u64, u64) = (40, 60);
const STREAMED: &str = r#"{"model":"smollm2-135m-instruct","max_tokens":100,"stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Count."}]}"#;

#[test]
fn every_byte_of_an_answer_passes_as_it_is_and_is_digested() {
    let act = "countersign-act: 019b2f4c-0a1b-7cde-9f01-23456789abcd";
    let json = r#"{"id":"x","model":"m-2","choices":[{"message":{"content":"ü\u0000 \"usage\":{}"}}],"usage":{"prompt_tokens":7,"completion_tokens":5}}"#;
    let headers = ["content-type: application/json", act, "x-own: a", "x-own: b", "Server: odd"];
    let last = "data: {\"model\":\"m-2\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}}\n\n";
    let events =
        ["{\"model\":\"m-2\",\"choices\":[]}", last.trim_start_matches("data: ").trim_end(), "[DONE]"];
    let streamed = stream(&events).replacen("\r\n\r\n", &format!("\r\n{act}\r\n\r\n"), 1) + "0\r\n\r\n";
    let refused =
        whole("403 Forbidden", &["content-type: application/json", act], r#"{"error":{"message":"no"}}"#);
    let operator = Scripted::start([
        Script::Keep(whole("200 OK", &headers, json)),
        Script::Keep(streamed),
        Script::Keep(refused),
        Script::Keep(whole("204 No Content", &[], "")),
    ]);
    let scene = Place::new("http://127.0.0.1:9/v1");
    let meter = scene.meter(operator.url().trim_end_matches("/v1"));
    let mut client = Client::new(meter.url());
    let answer = client.ask(Request::chat("k", BODY)).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, json));
    assert_eq!(answer.headers.value("x-own"), Some("a"));
    assert_eq!(answer.headers.value("content-length"), Some(json.len().to_string().as_str()));
    assert_eq!(answer.headers.value("server"), Some("odd"));
    let mut coming = client.begin(Request::chat("k", STREAMED)).unwrap();
    let mut pieces = Vec::new();
    while let Some(piece) = coming.piece().unwrap() {
        pieces.extend(piece);
    }
    drop(coming);
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    assert_eq!(String::from_utf8(pieces).unwrap(), body);
    assert_eq!(client.ask(Request::chat("k", "{")).unwrap().status, 403);
    assert_eq!(client.ask(Request::get("/v1/models")).unwrap().status, 204);
    assert_eq!(client.connections, 1);
    assert_eq!(operator.bodies(), [BODY, STREAMED, "{", ""]);
    meter.stop();
    let lines = scene.lines();
    let expected = [
        (BODY, json, "200", false, Some("m-2"), Some(MODEL)),
        (STREAMED, &body, "200", true, Some("m-2"), Some(MODEL)),
        ("{", r#"{"error":{"message":"no"}}"#, "403", false, None, None),
    ];
    assert_eq!(lines.len(), expected.len(), "asking for models is no call");
    for (line, (asked, said, status, streams, answered, model)) in lines.iter().zip(expected) {
        assert_eq!(line["input"]["sha256"], base64(&sha256(asked.as_bytes())));
        assert_eq!(line["output"]["sha256"], base64(&sha256(said.as_bytes())));
        assert_eq!(line["output"]["bytes"], said.len().to_string());
        let told = (&line["status"], &line["stream"], line["answered"].as_str(), line["model"].as_str());
        assert_eq!(told, (&status.into(), &streams.into(), answered, model));
        assert_eq!((&line["ended"], line["act"].as_str()), (&"done".into(), act.split(' ').nth(1)));
        let expected = json!([{ "by": "usage", "input_tokens": "7", "output_tokens": "5" }]);
        assert_eq!(line["counts"], if status == "200" { expected } else { json!([]) });
    }
}

#[test]
fn an_operator_that_is_not_there_is_a_502_and_no_call() {
    let scene = Place::new("http://127.0.0.1:9/v1");
    let meter = scene.meter("http://127.0.0.1:9");
    let answer = Client::new(meter.url()).ask(Request::chat("k", BODY)).unwrap();
    assert_eq!(answer.status, 502);
    assert_eq!(answer.json()["error"]["code"], "upstream_unreachable");
    assert_eq!(answer.json()["error"]["type"], "server_error");
    meter.stop();
    assert_eq!(scene.lines().len(), 0, "nothing was sent");
}

#[test]
fn a_stream_comes_chunk_by_chunk_and_a_caller_who_leaves_cuts_it_at_the_upstream() {
    let scene = Scene::set(Upstream::slow(Used::Always(USED.0, USED.1), Duration::from_millis(100)));
    let meter = scene.place.meter(scene.server.url());
    let mut client = Client::new(meter.url());
    let mut coming = client.begin(Request::chat(&scene.key, STREAMED)).unwrap();
    let mut body = coming.piece().unwrap().unwrap();
    assert_eq!(scene.upstream.streamed(), 0, "the first piece comes before the upstream's last");
    while let Some(piece) = coming.piece().unwrap() {
        assert!(!scene.place.lines().is_empty() || !String::from_utf8_lossy(&piece).contains("[DONE]"));
        body.extend(piece);
    }
    drop(coming);
    let line = scene.place.lines().remove(0);
    assert_eq!(line["output"]["sha256"], base64(&sha256(&body)));
    assert_eq!(line["counts"][0]["output_tokens"], USED.1.to_string());
    let mut coming = client.begin(Request::chat(&scene.key, STREAMED)).unwrap();
    assert!(coming.piece().unwrap().is_some());
    drop(coming);
    eventually("the upstream's connection is closed", || scene.upstream.cut() == 1);
    // One who leaves without reading a word. A request that has gone no further than the meter would be no call.
    let asked = Client::new(meter.url()).ask_only(Request::chat(&scene.key, BODY)).unwrap();
    eventually("it has come to the upstream", || scene.upstream.calls() == 3);
    drop(asked);
    eventually("all are written down", || scene.place.lines().len() == 3);
    eventually("all are settled", || scene.place.folder.pool().1 == 0);
    meter.stop();
    let ended: Vec<_> = scene.place.lines().iter().map(|line| line["ended"].clone()).collect();
    assert_eq!(ended[..2], ["done", "left"]);
    let (said, agrees) = scene.place.checked(&["--clock-slack", "5"]);
    assert!(agrees, "{said}");
    let why: BTreeSet<_> =
        said["not_compared"].as_array().unwrap().iter().map(|one| one["why"].as_str().unwrap()).collect();
    assert!(why.contains("cancelled"), "a cancelled stream's count is an estimate: {said}");
}

#[test]
fn one_count_off_by_one_in_a_thousand_is_named_and_nothing_else_is() {
    let scene = Scene::set(Upstream::start(Used::Always(USED.0, USED.1)));
    let between = Between::start(scene.server.url(), |number| {
        if number == 617 {
            Trick::Say("\"completion_tokens\":60", "\"completion_tokens\":59")
        } else {
            Trick::Pass
        }
    });
    let meter = scene.place.meter(&between.url());
    let answers = scene.call(meter.url(), 1000);
    assert_eq!(answers.len(), 1000);
    meter.stop();
    let lines = scene.place.lines();
    let written: BTreeSet<_> = lines
        .iter()
        .map(|line| {
            (line["act"].as_str().unwrap().to_owned(), line["output"]["sha256"].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(written, answers, "every answer has its line, with its act and its digest");
    let (said, agrees) = scene.place.checked(&[]);
    assert!(!agrees);
    let odd = lines.iter().find(|line| line["counts"][0]["output_tokens"] == "59").unwrap();
    assert_eq!(found(&said), [(odd["act"].as_str().unwrap().to_owned(), "output-tokens".to_owned())]);
    let one = &said["disagreements"][0];
    assert_eq!((&one["measured"], &one["recorded"]), (&59.into(), &60.into()));
    assert!(one["entry"].as_u64().unwrap() > 0);
    assert_eq!((&said["calls"], &said["compared"]), (&1000.into(), &1000.into()));
    assert_eq!((&said["doubts"], &said["not_compared"]), (&json!([]), &json!([])));
    let told = scene.place.check(&[]);
    let told = String::from_utf8(told.stderr).unwrap();
    let names = format!("act {}, entry {}: 59 tokens of output", odd["act"].as_str().unwrap(), one["entry"]);
    assert!(told.contains(&names), "{told}");
    scene.server.stop();
    scene.place.folder.verified();
}

#[test]
fn a_call_that_is_not_recorded_and_a_model_that_is_swapped_are_named() {
    let scene = Scene::set(Upstream::start(Used::Always(USED.0, USED.1)));
    let said = r#"{"model":"mock-model","choices":[],"usage":{"prompt_tokens":40,"completion_tokens":60}}"#;
    let json = "content-type: application/json";
    let unnamed = whole("200 OK", &[json], said);
    let invented = whole("200 OK", &[json, "countersign-act: 019b2f4c-0a1b-7cde-9f01-23456789abcd"], said);
    let between = Between::start(scene.server.url(), move |number| match number {
        10 => Trick::Answer(unnamed.clone()),
        20 => Trick::Answer(invented.clone()),
        30 => Trick::Ask(MODEL, OTHER),
        40 => Trick::Say("\"model\":\"mock-model\"", "\"model\":\"mock-small\""),
        _ => Trick::Pass,
    });
    let meter = scene.place.meter(&between.url());
    scene.call(meter.url(), 80);
    // A call with the same key that goes past the meter.
    let past = Client::new(scene.server.url()).ask(Request::chat(&scene.key, BODY)).unwrap();
    let past = past.headers.value("countersign-act").unwrap().to_owned();
    scene.call(meter.url(), 8);
    meter.stop();
    let (said, agrees) = scene.place.checked(&[]);
    assert!(!agrees);
    let kinds: BTreeSet<_> = found(&said).into_iter().map(|(_, what)| what).collect();
    assert_eq!(
        kinds,
        ["model", "name", "not-recorded", "unnamed", "unseen"].map(str::to_owned).into(),
        "{said}"
    );
    assert_eq!(found(&said).len(), 5, "{said}");
    assert!(found(&said).contains(&(past, "unseen".to_owned())));
    let invented = "019b2f4c-0a1b-7cde-9f01-23456789abcd".to_owned();
    assert!(found(&said).contains(&(invented, "not-recorded".to_owned())));
    let swapped =
        said["disagreements"].as_array().unwrap().iter().find(|one| one["what"] == "model").unwrap();
    assert_eq!((&swapped["measured"], &swapped["recorded"]), (&MODEL.into(), &OTHER.into()));
    let accepted = [("mock-model"), ("mock-small")].map(|name| format!("--accept={MODEL}={name}"));
    let (accepted, _) = scene.place.checked(&accepted.each_ref().map(String::as_str));
    assert!(!found(&accepted).iter().any(|(_, what)| what == "name"), "{accepted}");
    scene.server.stop();
}

#[test]
fn a_meter_that_is_killed_loses_no_answer_that_came_whole_and_goes_on() {
    let scene = Scene::set(Upstream::start(Used::Always(USED.0, USED.1)));
    let mut answered = BTreeSet::new();
    for _ in 0..4 {
        let mut meter = scene.place.meter(scene.server.url());
        let (stops, url) = (AtomicBool::new(false), meter.url().to_owned());
        thread::scope(|scope| {
            let callers: Vec<_> = (0..CALLERS)
                .map(|_| {
                    scope.spawn(|| {
                        let (mut client, mut acts) = (Client::new(&url), Vec::new());
                        while !stops.load(Ordering::SeqCst) {
                            let Ok(answer) = client.ask(Request::chat(&scene.key, BODY)) else { break };
                            acts.push(answer.headers.value("countersign-act").unwrap().to_owned());
                        }
                        acts
                    })
                })
                .collect();
            thread::sleep(Duration::from_millis(1300));
            meter.kill();
            stops.store(true, Ordering::SeqCst);
            answered.extend(callers.into_iter().flat_map(|caller| caller.join().unwrap()));
        });
    }
    let meter = scene.place.meter(scene.server.url());
    answered.extend(scene.call(meter.url(), 80).into_iter().map(|(act, _)| act));
    meter.stop();
    let written = scene.place.acts();
    assert!(answered.is_subset(&written) && answered.len() > 200, "{} of {}", written.len(), answered.len());
    eventually("all are settled", || scene.place.folder.pool().1 == 0);
    // Between the settlement and its line lies the way of the answer.
    let (said, agrees) = scene.place.checked(&["--clock-slack", "1"]);
    assert!(agrees, "what a kill cuts off is no disagreement: {said}");
    assert!(said["compared"].as_u64().unwrap() >= u64::try_from(answered.len()).unwrap(), "{said}");
}

#[test]
fn a_journal_that_was_changed_is_refused_by_the_meter_and_by_a_check() {
    let scene = Scene::set(Upstream::start(Used::Always(USED.0, USED.1)));
    let meter = scene.place.meter(scene.server.url());
    scene.call(meter.url(), 16);
    meter.stop();
    let path = scene.place.journal().join("lines");
    let text = std::fs::read_to_string(&path).unwrap();
    write(&path, &text.replacen("\"output_tokens\":\"60\"", "\"output_tokens\":\"59\"", 1));
    let started = run(&mut scene.place.command(scene.server.url()));
    let checked = scene.place.check(&[]);
    for output in [started, checked] {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("are not those that were signed"), "{said}");
    }
    write(&path, &text);
    let (_, agrees) = scene.place.checked(&[]);
    assert!(agrees);
    scene.server.stop();
}

#[test]
fn a_journal_that_cannot_be_written_stops_the_meter_and_no_answer_is_without_its_line() {
    let scene = Scene::set(Upstream::start(Used::Always(USED.0, USED.1)));
    let whole = scene.place.command(scene.server.url());
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\""]);
    command.arg(whole.get_program()).args(whole.get_args()).stdin(Stdio::null());
    let mut meter = Server::by(command);
    let mut client = Client::new(meter.url());
    let mut answered = BTreeSet::new();
    for _ in 0..200 {
        match client.ask(Request::chat(&scene.key, BODY)) {
            Ok(answer) if answer.status == 200 => {
                answered.insert(answer.headers.value("countersign-act").unwrap().to_owned());
            }
            _ => break,
        }
    }
    assert!((1..200).contains(&answered.len()), "{}", answered.len());
    if let Ok(answer) = Client::new(meter.url()).ask(Request::chat(&scene.key, BODY)) {
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(answer.json()["error"]["code"], "meter_unavailable");
    }
    assert_eq!(meter.exit_within(Duration::from_secs(10)), Some(3), "{}", meter.said());
    assert!(meter.said().contains("the meter's journal cannot be"), "{}", meter.said());
    let written = scene.place.acts();
    assert!(answered.is_subset(&written));
    // With room again it goes on, behind what a cut write has left.
    let meter = scene.place.meter(scene.server.url());
    scene.call(meter.url(), 8);
    meter.stop();
    let (said, agrees) = scene.place.checked(&["--clock-slack", "1"]);
    assert!(agrees, "{said}");
}

#[test]
fn a_follower_names_within_a_minute_what_its_meter_saw_otherwise() {
    let said = r#"{"model":"mock-model","choices":[],"usage":{"prompt_tokens":40,"completion_tokens":60}}"#;
    let invented = "019b2f4c-0a1b-7cde-9f01-23456789abcd";
    let head = format!("countersign-act: {invented}");
    let unrecorded = whole("200 OK", &["content-type: application/json", &head], said);
    let cases: [(&str, Trick); 4] = [
        ("", Trick::Pass),
        (": 59 tokens of output", Trick::Say("\"completion_tokens\":60", "\"completion_tokens\":59")),
        (invented, Trick::Answer(unrecorded)),
        (OTHER, Trick::Ask(MODEL, OTHER)),
    ];
    std::thread::scope(|scope| {
        for (named, trick) in cases {
            scope.spawn(move || {
                let scene = Scene::set(Upstream::start(Used::Always(USED.0, USED.1)));
                let between = Between::start(scene.server.url(), move |number| {
                    if number == 33 { trick.clone() } else { Trick::Pass }
                });
                let meter = scene.place.meter(&between.url());
                let mut follower = scene.place.follower(scene.server.url());
                scene.call(meter.url(), 80);
                let ended = |follower: &mut Child| follower.try_wait().unwrap().map(|status| status.code());
                if named.is_empty() {
                    let size = || scene.place.folder.entries();
                    eventually("all of it is cosigned", || {
                        let said =
                            Client::new(scene.server.url()).ask(Request::get("/api/witnesses")).unwrap();
                        said.json().as_array().unwrap().iter().filter(|key| key["size"] == size()).count()
                            == 2
                    });
                    assert_eq!(ended(&mut follower), None, "an honest operator is followed on and on");
                    follower.kill().unwrap();
                } else {
                    eventually("the follower ends", || ended(&mut follower).is_some());
                }
                let output = follower.wait_with_output().unwrap();
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                let found = text.lines().find(|line| line.contains("\"cosigned\":false"));
                assert_eq!(found.is_some(), !named.is_empty(), "{text}");
                assert!(found.is_none_or(|found| found.contains(named)), "{named}: {text}");
                meter.stop();
                scene.server.stop();
            });
        }
    });
}
