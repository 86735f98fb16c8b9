//! What a caller is told for each status and body that an upstream may answer with.

use crate::harness::{SECRET, Upstream, config, gateway, perform, within};
use cloud::Last;
use partnership::act::Ended;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const PLAIN: &str = r#"{"model":"public-id","messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"model":"public-id","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

/// One row: what the upstream answers, and what the caller is told.
struct Row {
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    told: (u16, &'static str, Option<&'static str>),
    param: Option<&'static str>,
    /// A part of the message.
    says: &'static str,
    /// Headers beyond the type, in order.
    also: &'static [(&'static str, &'static str)],
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const HTML: &[(&str, &str)] = &[("content-type", "text/html")];
const NO_REASON: &str = "without saying why";
const OPERATOR: &str = "its operator must look at";
const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";
const ERROR: Option<&str> = Some("upstream_error");
const LONG: Option<&str> = Some("context_length_exceeded");

const fn row(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    told: (u16, &'static str, Option<&'static str>),
    says: &'static str,
) -> Row {
    Row { status, headers, body, told, param: None, says, also: &[] }
}

impl Row {
    const fn param(self, param: &'static str) -> Self {
        Self { param: Some(param), ..self }
    }

    const fn also(self, also: &'static [(&'static str, &'static str)]) -> Self {
        Self { also, ..self }
    }
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // wrong in itself: in the upstream's words
    row(400, JSON, r#"{"error":{"message":"bad seed","type":"invalid_request_error","param":"seed","code":"bad_seed"}}"#, (400, INVALID, Some("bad_seed")), "bad seed").param("seed"),
    row(400, JSON, r#"{"error":{"message":"This model's maximum context length is 8192 tokens","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#, (400, INVALID, LONG), "8192").param("messages"),
    row(400, JSON, r#"{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":5000,"n_ctx":4096}}"#, (400, INVALID, LONG), "available context").param("messages"),
    row(400, JSON, r#"{"error":{"message":"This model's maximum context length is 4096 tokens. However, you requested 5000.","type":"BadRequestError","param":null,"code":400}}"#, (400, INVALID, LONG), "However").param("messages"),
    row(400, JSON, r#"{"error":{"message":"no such tool","code":400}}"#, (400, INVALID, None), "no such tool"),
    row(400, JSON, r#"{"error":"plain words"}"#, (400, INVALID, None), "plain words"),
    row(400, JSON, r#"{"detail":[{"msg":"field required"}]}"#, (400, INVALID, None), NO_REASON),
    row(400, HTML, "<html><body>Bad Request</body></html>", (400, INVALID, None), NO_REASON),
    row(400, &[], "", (400, INVALID, None), NO_REASON),
    row(400, &[("content-type", "application/json"), ("content-encoding", "gzip")], "\u{1f}\u{8b}\u{8}\0", (400, INVALID, None), NO_REASON),
    row(413, HTML, "<html>", (413, INVALID, None), NO_REASON),
    row(422, JSON, r#"{"error":{"message":"m","param":"p","code":"c"}}"#, (422, INVALID, Some("c")), "m").param("p"),
    row(400, &[("content-type", "text/plain")], r#"{"error":{"message":"words","code":"c"}}"#, (400, INVALID, Some("c")), "words"),
    // the operator's to mend
    row(401, JSON, r#"{"error":{"message":"Incorrect API key provided: sk-upstream-secret","code":"invalid_api_key"}}"#, (502, SERVER, ERROR), OPERATOR),
    row(403, JSON, r#"{"error":{"message":"no access","code":"unsupported_country"}}"#, (502, SERVER, ERROR), OPERATOR),
    row(401, HTML, "<html>", (502, SERVER, ERROR), OPERATOR),
    row(404, JSON, r#"{"error":{"message":"The model `served-id` does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#, (404, INVALID, Some("model_not_found")), "`public-id`").param("model"),
    row(404, JSON, r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#, (404, INVALID, Some("DeploymentNotFound")), "`public-id`").param("model"),
    row(404, JSON, r#"{"error":{"message":"File Not Found","type":"not_found_error","code":404}}"#, (404, INVALID, Some("model_not_found")), "`public-id`").param("model"),
    row(404, HTML, "<html>nginx</html>", (502, SERVER, ERROR), OPERATOR),
    row(404, &[], "", (502, SERVER, ERROR), OPERATOR),
    row(429, JSON, r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#, (502, SERVER, ERROR), OPERATOR).also(&[("x-should-retry", "false")]),
    // worth another try
    row(408, JSON, r#"{"error":{"message":"m"}}"#, (504, SERVER, Some("upstream_timeout")), "in time"),
    row(409, JSON, r#"{"error":{"message":"m","code":"conflict"}}"#, (502, SERVER, ERROR), "status 409"),
    row(429, &[("retry-after", "7"), ("x-ratelimit-limit-requests", "60"), ("x-ratelimit-remaining-tokens", "0")], r#"{"error":{"message":"Rate limit reached for org-1234","code":"rate_limit_exceeded"}}"#, (429, "rate_limit_error", Some("rate_limit_exceeded")), "the upstream is over its rate limit").also(&[("retry-after", "7")]),
    row(429, &[("retry-after-ms", "250"), ("retry-after", "1")], "", (429, "rate_limit_error", Some("rate_limit_exceeded")), "rate limit").also(&[("retry-after-ms", "250"), ("retry-after", "1")]),
    row(429, &[("retry-after", "Wed, 25 Nov 2026 12:00:00 GMT")], "<html>", (429, "rate_limit_error", Some("rate_limit_exceeded")), "rate limit").also(&[("retry-after", "Wed, 25 Nov 2026 12:00:00 GMT")]),
    row(500, JSON, r#"{"error":{"message":"a stack trace"}}"#, (502, SERVER, ERROR), "status 500"),
    row(502, HTML, "<html>Bad Gateway</html>", (502, SERVER, ERROR), "status 502"),
    row(503, &[("retry-after", "7")], "", (503, SERVER, Some("upstream_overloaded")), "overloaded").also(&[("retry-after", "7")]),
    row(529, JSON, r#"{"error":{"message":"overloaded"}}"#, (503, SERVER, Some("upstream_overloaded")), "overloaded"),
    row(504, HTML, "", (504, SERVER, Some("upstream_timeout")), "in time"),
    // no answer to what was asked
    row(204, &[], "", (502, SERVER, ERROR), "status 204"),
    row(301, &[("location", "https://elsewhere.example/")], "", (502, SERVER, ERROR), "status 301"),
    row(418, JSON, "{}", (502, SERVER, ERROR), "status 418"),
];

#[tokio::test]
async fn each_answer_of_an_upstream_is_told_as_it_is_true_for_the_caller() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(vec![config("a", &upstream.url)]);
    for row in ROWS {
        for asked in [PLAIN, STREAM] {
            let call = perform(&gateway, asked);
            upstream.request().await.answer_if_any(row.status, row.headers, row.body).await;
            let played = call.end().await;
            let which = format!("{} {}", row.status, row.body);
            let Last::Whole { head, body } = &played.performed.last else { panic!("{which}") };
            assert_eq!(
                (head.status, head.content_type.as_str()),
                (row.told.0, "application/json"),
                "{which}"
            );
            let also: Vec<_> =
                head.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(also, row.also, "{which}");
            let error = serde_json::from_slice::<Value>(body).unwrap()["error"].clone();
            let mut names: Vec<_> = error.as_object().unwrap().keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, ["code", "message", "param", "type"], "{which}");
            let expected = (json!(row.told.1), json!(row.told.2), json!(row.param));
            assert_eq!(
                (error["type"].clone(), error["code"].clone(), error["param"].clone()),
                expected,
                "{which}"
            );
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(row.says), "{which}: {message}");
            assert!(!body.windows(SECRET.len()).any(|bytes| bytes == SECRET.as_bytes()), "{which}");
            let outcome = &played.performed.outcome;
            assert_eq!((outcome.ended, outcome.usage), (Ended::Failed, None), "{which}: nothing is charged");
            assert_eq!(played.attempts(), [("a", row.status.to_string().as_str())], "{which}");
        }
    }
}

#[tokio::test]
async fn the_key_is_kept_from_every_part_of_an_error() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(vec![config("a", &upstream.url)]);
    for member in ["message", "param", "code"] {
        for status in [200, 400, 404, 422] {
            let call = perform(&gateway, PLAIN);
            let mut error = json!({ "message": "m", "param": "p", "code": "c" });
            error[member] = json!(format!("it is {SECRET}"));
            upstream.request().await.answer(status, JSON, &json!({ "error": error }).to_string()).await;
            let held = call.end().await.held();
            assert!(!held.contains(SECRET), "{status} {member}: {held}");
        }
    }
}

#[tokio::test]
async fn an_answer_is_json_whatever_the_upstream_calls_it() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(vec![config("a", &upstream.url)]);
    for (called, told) in [
        ("text/plain", "application/json"),
        ("text/html; charset=utf-8", "application/json"),
        ("application/json; charset=utf-8", "application/json; charset=utf-8"),
        ("Application/JSON", "Application/JSON"),
    ] {
        let call = perform(&gateway, PLAIN);
        upstream.request().await.answer(200, &[("content-type", called)], r#"{"choices":[{}]}"#).await;
        let played = call.end().await;
        let Last::Whole { head, .. } = &played.performed.last else { panic!("{called}") };
        assert_eq!((head.status, head.content_type.as_str()), (200, told));
    }
}

#[tokio::test]
async fn an_upstream_that_takes_no_request_is_a_timeout_and_let_go() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let gateway = gateway(vec![cloud::UpstreamConfig { timeout_ms: 300, ..config("a", &url) }]);
    let long = PLAIN.replace("hi", &"x".repeat(15 << 20));
    let call = perform(&gateway, &long);
    let (mut connection, _) = within(listener.accept()).await.unwrap();
    let played = call.end().await;
    assert_eq!(played.attempts(), [("a", "timeout")]);
    assert_eq!(played.performed.outcome.ended, Ended::Failed);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut taken = Vec::new();
    let ended = within(connection.read_to_end(&mut taken)).await;
    assert!(ended.is_err() || taken.len() < long.len(), "the connection was let go before all was sent");
}

#[tokio::test]
async fn an_upstream_that_closes_its_half_midway_has_cut_its_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let gateway = gateway(vec![config("a", &url)]);
    let role =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"finish_reason\":null}]}\n\n";
    let chunk = format!("{:x}\r\n{role}\r\n", role.len());
    let stream = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{chunk}"
    );
    for (asked, answer, begun) in [
        (PLAIN, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"choices\":", false),
        (STREAM, stream.as_str(), true),
        (PLAIN, "HTTP/1.1 200", false),
        (PLAIN, "", false),
    ] {
        let call = perform(&gateway, asked);
        let (mut connection, _) = within(listener.accept()).await.unwrap();
        connection.write_all(answer.as_bytes()).await.unwrap();
        connection.shutdown().await.unwrap();
        let played = call.end().await;
        assert_eq!(played.attempts(), [("a", "cut")], "{answer}");
        assert_eq!(matches!(played.performed.last, Last::Broken(_)), begun, "{answer}");
        assert_eq!((played.performed.outcome.ended, played.usage()), (Ended::Failed, None));
        let mut rest = Vec::new();
        drop(within(connection.read_to_end(&mut rest)).await);
    }
}
