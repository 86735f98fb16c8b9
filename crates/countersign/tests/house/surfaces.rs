//! What clients ask of chat, models and errors beyond what documents say, on every address and by either header.
//!
//! Not here: the clients themselves (`clients`), and bounds (`bounds`).

use crate::doors::error;
use crate::http::{Answer, Client, Request};
use crate::scripted::{Script, Scripted, stream, whole};
use crate::server::{Folder, MODEL, Server, config, run, write};
use serde_json::{Value, json};
use std::process::Command;

const BODY: &str =
    r#"{"model":"smollm2-135m-instruct","max_tokens":100,"messages":[{"role":"user","content":"Count."}]}"#;
const ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"One."},"finish_reason":"stop"}],"usage":{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6}}"#;
const CHAT: [&str; 3] = [
    "/v1/chat/completions",
    "/openai/v1/chat/completions",
    "/openai/deployments/smollm2-135m-instruct/chat/completions?api-version=2024-10-21",
];
const MODELS: [&str; 3] = ["/v1/models", "/openai/v1/models", "/openai/models?api-version=2024-10-21"];
const HEADERS: [&str; 5] = [
    "authorization: Bearer ",
    "Authorization: bearer ",
    "AUTHORIZATION: BEARER ",
    "api-key: ",
    "authorization: Bearer placeholder\r\napi-key: ",
];

struct Scene {
    folder: Folder,
    server: Server,
    key: String,
    upstream: Scripted,
}

impl Scene {
    fn set(scripts: impl IntoIterator<Item = Script>) -> Self {
        Self::edited(scripts, str::to_owned, |config| config)
    }

    fn edited(
        scripts: impl IntoIterator<Item = Script>,
        memorandum: impl Fn(&str) -> String,
        configured: impl Fn(String) -> String,
    ) -> Self {
        let upstream = Scripted::start(scripts);
        let folder = Folder::founded(&configured(config(&upstream.url())), memorandum);
        let server = folder.serve(&[]);
        let key = folder.admit();
        Self { folder, server, key, upstream }
    }

    fn answering() -> Self {
        Self::set([answering()])
    }

    fn ask(&self, request: Request<'_>) -> Answer {
        Client::new(self.server.url()).ask(request).unwrap()
    }

    fn chat(&self, body: &str) -> Answer {
        self.ask(Request::chat(&self.key, body))
    }
}

/// How many acts were done, calls among them.
fn done_by(folder: &Folder) -> u64 {
    folder.verified()["settled"]["done"].as_u64().unwrap()
}

fn answering() -> Script {
    Script::Keep(whole("200 OK", &["content-type: application/json"], ANSWER))
}

#[test]
fn every_address_takes_every_header_and_leads_to_the_same_call() {
    let scene = Scene::answering();
    let done = done_by(&scene.folder);
    for path in CHAT {
        for by in HEADERS {
            let answer = scene.ask(Request::chat(&scene.key, BODY).at(path).by_header(by));
            assert_eq!((answer.status, answer.text().as_str()), (200, ANSWER), "{path} {by}");
            let act = answer.headers.value("countersign-act").unwrap();
            assert_eq!(answer.headers.value("x-request-id"), Some(act));
        }
    }
    let mut bodies = scene.upstream.bodies();
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "the upstream sees no difference: {bodies:?}");
    for path in MODELS {
        for by in HEADERS {
            let answer = scene.ask(Request::get(path).with_key(&scene.key).by_header(by));
            assert_eq!(answer.json()["data"][0]["id"], MODEL, "{path} {by}");
        }
    }
    let calls = u64::try_from(CHAT.len() * HEADERS.len()).unwrap();
    assert_eq!(done_by(&scene.folder), done + calls);
}

#[test]
fn the_deployment_of_an_address_goes_before_the_bodys_model() {
    let scene = Scene::answering();
    let address = CHAT[2];
    for body in [
        BODY.to_owned(),
        BODY.replace(MODEL, "gpt-4o"),
        BODY.replace(r#""smollm2-135m-instruct""#, "null"),
        BODY.replace(r#""model":"smollm2-135m-instruct","#, ""),
    ] {
        let answer = scene.ask(Request::chat(&scene.key, &body).at(address));
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    }
    for sent in scene.upstream.bodies() {
        assert_eq!(serde_json::from_str::<Value>(&sent).unwrap()["model"], "mock-model", "{sent}");
    }
    let unknown = address.replace(MODEL, "gpt-4o");
    let answer = scene.ask(Request::chat(&scene.key, BODY).at(&unknown));
    assert_eq!(error(&answer, 404)["code"], "model_not_found");
    for body in ["", "{", "[]", "{}", r#"{"model":"a","model":"b"}"#] {
        let answer = scene.ask(Request::chat(&scene.key, body).at(address));
        assert_eq!(error(&answer, 400)["type"], "invalid_request_error", "{body}");
    }
}

#[test]
fn an_id_with_slashes_is_found_as_it_is_and_percent_encoded() {
    let id = "org/tiny-1";
    let scene =
        Scene::edited([answering()], |text| text.replace(MODEL, id), |config| config.replace(MODEL, id));
    for path in [
        "/v1/models/org/tiny-1",
        "/v1/models/org%2Ftiny-1",
        "/openai/v1/models/org%2ftiny%2D1",
        "/openai/models/org%2Ftiny-1?api-version=2024-10-21",
    ] {
        let model = scene.ask(Request::get(path).with_key(&scene.key)).json();
        assert_eq!((&model["id"], &model["object"]), (&json!(id), &json!("model")), "{path}");
        assert!(model["created"].is_u64() && model["owned_by"].is_string(), "{model}");
    }
    for name in ["org%2Ftiny-1", "org/tiny-1"] {
        let path = format!("/openai/deployments/{name}/chat/completions?api-version=2024-10-21");
        assert_eq!(scene.ask(Request::chat(&scene.key, BODY).at(&path)).status, 200, "{path}");
    }
    let unknown = scene.ask(Request::get("/v1/models/org%2Fother").with_key(&scene.key));
    assert_eq!(error(&unknown, 404)["code"], "model_not_found");
}

#[test]
fn every_error_has_its_four_members_and_an_id_on_every_address() {
    let scene = Scene::answering();
    let entries = scene.folder.entries();
    let key = scene.key.as_str();
    let without_version = "/openai/deployments/smollm2-135m-instruct/chat/completions";
    let rows = [
        (Request::get("/v1").with_key(key), 404, "unknown_url"),
        (Request::get("/v1/embeddings").with_key(key), 404, "unknown_url"),
        (Request::get("/openai").with_key(key), 404, "unknown_url"),
        (Request::get("/openai/v1/none").with_key(key), 404, "unknown_url"),
        (Request::chat(key, BODY).at("/openai/deployments/m/embeddings?api-version=1"), 404, "unknown_url"),
        (Request::get("/v1/models/gpt-4").with_key(key), 404, "model_not_found"),
        (Request::chat(key, BODY).at(without_version), 400, "MissingApiVersionParameter"),
        (Request::get(CHAT[0]).with_key(key), 405, "method_not_allowed"),
        (Request::get(CHAT[2]).with_key(key), 405, "method_not_allowed"),
        (Request::chat(key, BODY).at(MODELS[0]), 405, "method_not_allowed"),
        (Request::chat(key, BODY).by_method("DELETE").at(MODELS[1]), 405, "method_not_allowed"),
        (Request::chat("none", BODY), 401, "invalid_api_key"),
        (Request::chat("none", BODY).at(CHAT[2]).by_header("api-key: "), 401, "invalid_api_key"),
        (Request::get("/openai/v1/models"), 401, "invalid_api_key"),
        (Request::get("/openai/none"), 401, "invalid_api_key"),
    ];
    for (request, status, code) in rows {
        let answer = scene.ask(request);
        assert_eq!(error(&answer, status)["code"], code, "{request:?}");
        assert_eq!(answer.headers.value("content-type"), Some("application/json"), "{request:?}");
        assert_eq!(answer.headers.value("allow").is_some(), status == 405, "{request:?}");
    }
    assert_eq!(scene.folder.entries(), entries, "none of these is an act");
    assert!(scene.upstream.bodies().is_empty());
}

#[test]
fn what_is_optional_may_be_null_and_what_is_not_known_goes_through() {
    let scene = Scene::answering();
    let body = r#"{"model":"smollm2-135m-instruct","messages":[{"role":"developer","name":"d","content":"Be brief."},{"role":"user","name":"ana","content":[{"type":"text","text":"Count."}]}],"max_completion_tokens":50,"max_tokens":null,"n":1,"stop":["x"],"seed":7,"temperature":null,"user":null,"stream":null,"stream_options":null,"tools":null,"response_format":null,"metadata":{"a":"b"},"future_member":{"deep":[1,{"x":null}]}}"#;
    assert_eq!(scene.chat(body).status, 200);
    let expected = body.replace(MODEL, "mock-model");
    assert_eq!(scene.upstream.bodies(), [expected], "but for the model's name it went as it came");
    for stop in [r#""x""#, r#"["x","y"]"#, "null"] {
        assert_eq!(scene.chat(&body.replace(r#"["x"]"#, stop)).status, 200, "{stop}");
    }
    let several = BODY.replacen('{', r#"{"n":3,"#, 1);
    assert_eq!(scene.chat(&several).status, 200);
    assert!(scene.upstream.bodies().last().unwrap().contains(r#""n":3"#));
}

#[test]
fn tools_go_through_and_their_calls_come_back_as_they_were_sent() {
    let call = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6}}"#;
    let piece = |delta: &str, reason: &str| {
        format!(
            r#"{{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,"delta":{delta},"finish_reason":{reason}}}]}}"#
        )
    };
    let pieces = [
        piece(
            r#"{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}"#,
            "null",
        ),
        piece(r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\": 1}"}}]}"#, "null"),
        piece("{}", r#""tool_calls""#),
    ];
    let mut events: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let usage = r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6}}"#;
    events.extend([usage, "[DONE]"]);
    let streamed = format!("{}0\r\n\r\n", stream(&events));
    let scene = Scene::set([
        Script::Keep(whole("200 OK", &["content-type: application/json"], call)),
        Script::Keep(streamed),
    ]);
    let tools = r#""tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"integer"}}}}}],"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,"#;
    let body = BODY.replacen('{', &format!("{{{tools}"), 1);
    let answer = scene.chat(&body);
    assert_eq!((answer.status, answer.text().as_str()), (200, call));
    assert!(scene.upstream.bodies()[0].contains(tools), "tools go as they came");
    let answer = scene.chat(&body.replacen('{', r#"{"stream":true,"#, 1));
    let expected: String =
        events.iter().filter(|event| **event != usage).map(|event| format!("data: {event}\n\n")).collect();
    assert_eq!(answer.text(), expected, "and usage that nobody asked for is left out");
}

#[test]
fn an_error_before_the_first_byte_of_a_stream_has_its_own_status() {
    let fault = r#"{"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
    let json = ["content-type: application/json"];
    let scene = Scene::set([
        Script::Keep(whole("400 Bad Request", &json, fault)),
        Script::Keep(format!("{}0\r\n\r\n", stream(&[r#"{"error":{"message":"at once"}}"#]))),
        answering(),
    ]);
    let body = BODY.replacen('{', r#"{"stream":true,"#, 1);
    let answer = scene.chat(&body);
    assert_eq!((answer.status, answer.text().as_str()), (400, fault));
    assert_eq!(error(&scene.chat(&body), 502)["message"], "at once");
    assert_eq!(
        error(&scene.chat(&body), 502)["code"],
        "upstream_error",
        "no stream came where one was asked for"
    );
    let forbidden = scene.chat(&body.replace("100", "1200"));
    assert_eq!(error(&forbidden, 403)["code"], "longest-answer");
    let act = forbidden.headers.value("countersign-act");
    assert!(act.is_some() && act == forbidden.headers.value("x-request-id"), "an error names its act");
}

#[test]
fn a_limited_key_is_told_what_it_has_left_with_every_answer() {
    let scene = Scene::set([
        Script::Keep(whole(
            "429 Too Many Requests",
            &["x-ratelimit-limit-requests: 9999", "retry-after-ms: 20"],
            "",
        )),
        answering(),
    ]);
    let made = scene.folder.said(&["key", "new", "--application", "assistant", "--requests-per-minute", "3"]);
    let key = made["key"].as_str().unwrap();
    for (path, status, left) in
        [(CHAT[2], 429, "2"), (CHAT[0], 200, "1"), ("/v1/none", 404, "0"), (CHAT[1], 429, "0")]
    {
        let answer = scene.ask(Request::chat(key, BODY).at(path));
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(
            answer.headers.value("x-ratelimit-limit-requests"),
            Some("3"),
            "{path}: its own, not the upstream's"
        );
        assert_eq!(answer.headers.value("x-ratelimit-remaining-requests"), Some(left), "{path}");
        let reset = answer.headers.value("x-ratelimit-reset-requests").unwrap();
        assert!(reset.strip_suffix('s').unwrap().parse::<u64>().unwrap() <= 60, "{reset}");
    }
    let unlimited = scene.chat(BODY);
    assert_eq!(unlimited.headers.value("x-ratelimit-limit-requests"), None);
}

#[test]
fn a_spent_budget_is_told_the_same_on_azures_address() {
    let scene = Scene::answering();
    let made =
        scene.folder.said(&["key", "new", "--application", "assistant", "--budget", "0.000001 CREDIT"]);
    let key = made["key"].as_str().unwrap();
    let answer = scene.ask(Request::chat(key, BODY).at(CHAT[2]).by_header("api-key: "));
    let told = error(&answer, 429);
    assert_eq!((&told["code"], &told["type"]), (&json!("insufficient_quota"), &json!("insufficient_quota")));
    assert_eq!(answer.headers.value("x-should-retry"), Some("false"));
}

#[test]
fn curl_calls_both_of_azures_addresses() {
    let scene = Scene::answering();
    for path in &CHAT[1..] {
        let output = run(Command::new("curl")
            .args(["-sS", "--fail-with-body", "-H"])
            .arg(format!("api-key: {}", scene.key))
            .args(["-H", "content-type: application/json", "-d", BODY])
            .arg(format!("{}{path}", scene.server.url())));
        assert_eq!(String::from_utf8_lossy(&output.stdout), ANSWER, "{path}");
    }
}

#[test]
fn one_partnership_is_the_azure_upstream_of_another() {
    let inner = Scene::answering();
    let inner_done = done_by(&inner.folder);
    for version in ["api_version = \"2024-10-21\"\n", ""] {
        let upstream = format!("kind = \"azure\"\n{version}key_env = \"INNER_KEY\"");
        let text = config(inner.server.url())
            .replace("kind = \"openai\"", &upstream)
            .replace("\"mock-model\"", &format!("\"{MODEL}\""));
        let folder = Folder::founded(&text, str::to_owned);
        let mut command = Server::command(&folder.dir, &[]);
        command.env("INNER_KEY", &inner.key);
        let server = Server::by(command);
        let key = folder.admit();
        let done = done_by(&folder);
        let answer = Client::new(server.url()).ask(Request::chat(&key, BODY)).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, ANSWER), "{version}");
        let refused = Client::new(server.url()).ask(Request::chat(&key, &BODY.replace("100", "9"))).unwrap();
        assert_eq!(refused.status, 200);
        server.stop();
        assert_eq!(done_by(&folder), done + 2);
        // A key that the inner one does not know is the operator's to mend.
        let mut command = Server::command(&folder.dir, &[]);
        command.env("INNER_KEY", "cs_live_none_none");
        let server = Server::by(command);
        let answer = Client::new(server.url()).ask(Request::chat(&key, BODY)).unwrap();
        let told = error(&answer, 502);
        assert!(told["message"].as_str().unwrap().contains("its operator must look at the key"), "{told}");
        assert!(!answer.text().contains("cs_live_none"));
    }
    assert_eq!(done_by(&inner.folder), inner_done + 4);
}

#[test]
fn upstreams_that_cannot_work_are_told_before_the_server_listens() {
    let folder = Folder::founded(&config("http://127.0.0.1:1/v1"), str::to_owned);
    let plain = config("http://127.0.0.1:1/v1");
    for (text, said) in [
        (plain.replace("\"openai\"", "\"azure\""), "without `/openai`"),
        (plain.replace("\"openai\"", "\"openai\"\napi_version = \"2024-10-21\""), "kind `azure`"),
        (
            plain.replace("/v1\"", "/\"").replace("\"openai\"", "\"azure\"\napi_version = \"a b\""),
            "cannot use the api_version `a b`",
        ),
        (format!("{plain}[http]\nhead_timeout_ms = 0\n"), "`head_timeout_ms` of `[http]` is 0"),
    ] {
        let usable = said == "without `/openai`";
        write(
            &folder.dir.join("countersign.toml"),
            &if usable { text.replace("/v1\"", "/openai/v1\"") } else { text },
        );
        let output = run(&mut Server::command(&folder.dir, &[]));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(said), "`{said}` is not in: {told}");
    }
}
