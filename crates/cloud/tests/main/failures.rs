//! Answers that do not go well: who is told what, and what is owed.

use crate::harness::{
    SECRET, Script, Upstream, config, cut, gateway, perform, perform_within, send, usage, within,
};
use cloud::{ConfigError, Event, Gateway, Kind, Last};
use partnership::act::Ended;
use std::time::Duration;

const PLAIN: &str = r#"{"model":"public-id","messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"model":"public-id","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
const TEXT: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello there\"},\"finish_reason\":null}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

/// Status, the error's type and code, and `retry-after`.
fn told(last: &Last) -> (u16, String, String, Option<String>) {
    let Last::Whole { head, body } = last else { panic!("not a whole answer: {last:?}") };
    assert_eq!(head.content_type, "application/json");
    let body: serde_json::Value = serde_json::from_slice(body).unwrap();
    let error = body["error"].as_object().unwrap();
    let mut names: Vec<_> = error.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["code", "message", "param", "type"]);
    let retry_after =
        head.headers.iter().find(|(name, _)| name == "retry-after").map(|(_, value)| value.clone());
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (head.status, text("type"), text("code"), retry_after)
}

#[tokio::test]
async fn an_upstreams_error_is_told_as_it_is_true_for_the_caller() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(vec![config("a", &upstream.url)]);
    for (status, expected, kind, code, retry) in [
        (400, 400, "invalid_request_error", "c", None),
        (404, 404, "invalid_request_error", "c", None),
        (422, 422, "invalid_request_error", "c", None),
        (401, 502, "server_error", "upstream_error", None),
        (403, 502, "server_error", "upstream_error", None),
        (402, 502, "server_error", "upstream_error", None),
        (302, 502, "server_error", "upstream_error", None),
        (201, 502, "server_error", "upstream_error", None),
        (429, 429, "rate_limit_error", "rate_limit_exceeded", Some("7")),
        (500, 502, "server_error", "upstream_error", None),
        (503, 503, "server_error", "upstream_overloaded", Some("7")),
        (504, 504, "server_error", "upstream_timeout", None),
    ] {
        for body in [PLAIN, STREAM] {
            let call = perform(&gateway, body);
            let error = r#"{"error":{"message":"m","type":"t","param":"p","code":"c"}}"#;
            let exchange = upstream.request().await;
            exchange
                .answer(status, &[("retry-after", "7"), ("content-type", "application/json")], error)
                .await;
            let played = call.end().await;
            let retry = retry.map(str::to_owned);
            assert_eq!(
                told(&played.performed.last),
                (expected, kind.to_owned(), code.to_owned(), retry),
                "{status}"
            );
            assert_eq!(played.performed.outcome.ended, Ended::Failed);
            assert_eq!(played.usage(), None);
            assert_eq!(played.attempts(), [("a", status.to_string().as_str())]);
        }
    }
}

#[tokio::test]
async fn the_upstreams_key_never_reaches_the_caller() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(vec![config("a", &upstream.url)]);
    let error = format!(r#"{{"error":{{"message":"Incorrect API key provided: {SECRET}","code":"x"}}}}"#);
    for status in [200, 400, 401, 404, 500] {
        let call = perform(&gateway, PLAIN);
        upstream.request().await.answer(status, &[], &error).await;
        let held = call.end().await.held();
        assert!(!held.contains(SECRET), "{status}: {held}");
    }
    let call = perform(&gateway, STREAM);
    upstream.request().await.stream(&[TEXT, &format!("data: {error}\n\n")]).await;
    assert!(!call.end().await.held().contains(SECRET));
    assert!(!format!("{:?} {gateway:?}", config("a", "http://h/v1")).contains(SECRET));
}

#[tokio::test]
async fn a_caller_that_leaves_midway_stops_the_upstream_and_pays_for_what_came() {
    let mut upstream = Upstream::start().await;
    let mut call = perform(&gateway(vec![config("a", &upstream.url)]), STREAM);
    let script = upstream.request().await.begin_stream();
    send(&script, TEXT).await;
    assert!(matches!(within(call.ingress.recv()).await, Some(Event::Head(_))));
    assert!(matches!(within(call.ingress.recv()).await, Some(Event::Chunk(_))));
    let performed = call.leave().await;
    within(script.closed()).await;
    assert_eq!(performed.outcome.ended, Ended::Cancelled);
    assert_eq!(usage(&performed), Some((20, 3, true)));
    assert_eq!(performed.last, Last::Nothing);
}

#[tokio::test]
async fn a_caller_that_leaves_before_anything_was_sent_owes_nothing() {
    let upstream = Upstream::start().await;
    let performed = perform(&gateway(vec![config("a", &upstream.url)]), STREAM).leave().await;
    assert_eq!(performed.outcome.ended, Ended::Cancelled);
    assert_eq!(usage(&performed), None);
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_caller_that_leaves_while_the_upstream_is_being_connected_to_owes_nothing() {
    // It takes connections and never says a word of TLS.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/v1", silent.local_addr().unwrap());
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let gateway = std::sync::Arc::new(Gateway::new(vec![config("a", &url)], None, Some(tls)).unwrap());
    let call = perform(&gateway, PLAIN);
    let _connection = within(silent.accept()).await.unwrap();
    let performed = call.leave().await;
    assert_eq!(performed.outcome.ended, Ended::Cancelled);
    assert_eq!(usage(&performed), None);
}

#[tokio::test]
async fn a_caller_that_leaves_before_the_answer_stops_the_upstream() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(vec![config("a", &upstream.url)]);
    let call = perform(&gateway, PLAIN);
    let exchange = upstream.request().await;
    let performed = call.leave().await;
    exchange.dropped().await;
    assert_eq!(performed.outcome.ended, Ended::Cancelled);
    assert_eq!(usage(&performed), Some((17, 0, true)));
}

#[tokio::test]
async fn a_caller_that_leaves_after_the_finish_changes_nothing() {
    let mut upstream = Upstream::start().await;
    let mut call = perform(&gateway(vec![config("a", &upstream.url)]), STREAM);
    let script = upstream.request().await.begin_stream();
    send(&script, TEXT).await;
    assert!(matches!(within(call.ingress.recv()).await, Some(Event::Head(_))));
    assert!(matches!(within(call.ingress.recv()).await, Some(Event::Chunk(_))));
    send(&script, STOP).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let leaving = tokio::spawn(call.leave());
    tokio::time::sleep(Duration::from_millis(50)).await;
    send(
        &script,
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n",
    )
    .await;
    let performed = within(leaving).await.unwrap();
    assert_eq!(performed.outcome.ended, Ended::Done);
    assert_eq!(usage(&performed), Some((9, 3, false)));
}

#[tokio::test]
async fn a_caller_that_does_not_read_holds_the_upstream_back() {
    let mut upstream = Upstream::start().await;
    let call = perform(&gateway(vec![config("a", &upstream.url)]), STREAM);
    let script = upstream.request().await.begin_stream();
    let big =
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "a".repeat(256 * 1024));
    let mut sent = 0;
    while tokio::time::timeout(Duration::from_millis(300), script.send(Ok(big.clone().into()))).await.is_ok()
    {
        sent += 1;
        assert!(sent < 1000, "a quarter of a gigabyte was taken without a reader");
    }
    drop(call.leave().await);
    within(script.closed()).await;
}

#[tokio::test]
async fn a_caller_that_does_not_read_to_the_end_pays_for_what_was_delivered() {
    let mut upstream = Upstream::start().await;
    let call = perform_within(&gateway(vec![config("a", &upstream.url)]), STREAM, Duration::from_millis(400));
    let script = upstream.request().await.begin_stream();
    let sending = tokio::spawn(async move { while script.send(Ok(TEXT.into())).await.is_ok() {} });
    let performed = call.ends_unread().await;
    within(sending).await.unwrap();
    assert_eq!(performed.outcome.ended, Ended::Cancelled);
    assert!(matches!(usage(&performed), Some((_, 1.., true))), "{:?}", usage(&performed));
}

#[tokio::test]
async fn a_finished_answer_does_not_wait_long_for_its_usage() {
    let mut upstream = Upstream::start().await;
    let call = perform(&gateway(vec![config("a", &upstream.url)]), STREAM);
    let script = upstream.request().await.begin_stream();
    send(&script, TEXT).await;
    send(&script, STOP).await;
    let chatter = tokio::spawn(async move {
        while script.send(Ok(": still here\n\n".into())).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let performed = within(call.end()).await.performed;
    chatter.abort();
    assert_eq!(performed.outcome.ended, Ended::Done);
    assert!(performed.outcome.estimated);
}

/// A stream that ends badly after `pieces`; the caller gets an error event and no `[DONE]`.
async fn breaks(pieces: &[&str], end: impl AsyncFnOnce(Script), result: &str) {
    let mut upstream = Upstream::start().await;
    let config = cloud::UpstreamConfig { timeout_ms: 300, ..config("a", &upstream.url) };
    let call = perform(&gateway(vec![config]), STREAM);
    let script = upstream.request().await.begin_stream();
    for piece in pieces {
        send(&script, piece).await;
    }
    // let what was sent leave before the end comes, which may overtake it
    tokio::time::sleep(Duration::from_millis(50)).await;
    end(script).await;
    let played = call.end().await;
    assert_eq!(played.performed.outcome.ended, Ended::Failed);
    assert_eq!(played.usage(), None);
    assert_eq!(played.attempts(), [("a", result)]);
    assert!(!played.held().contains("[DONE]"));
    if pieces.is_empty() {
        assert!(told(&played.performed.last).0 >= 500);
    } else {
        assert!(matches!(played.performed.last, Last::Broken(_)));
        assert!(played.held().starts_with("data: {\"error\":{\"message\":"), "{}", played.held());
    }
}

#[tokio::test]
async fn a_stream_that_dies_midway_is_broken() {
    breaks(&[TEXT], cut, "cut").await;
}

#[tokio::test]
async fn a_stream_that_ends_without_a_finish_is_broken() {
    breaks(&[TEXT], async |script| drop(script), "cut").await;
}

#[tokio::test]
async fn a_stream_that_says_done_without_a_finish_is_broken() {
    breaks(&[TEXT], async |script| send(&script, "data: [DONE]\n\n").await, "200").await;
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_broken() {
    breaks(&[TEXT], async |script| script.closed().await, "timeout").await;
}

#[tokio::test]
async fn a_stream_that_tells_of_an_error_is_broken() {
    breaks(&[TEXT], async |s| send(&s, "data: {\"error\":{\"message\":\"m\"}}\n\n").await, "200").await;
}

#[tokio::test]
async fn a_stream_that_is_not_understood_is_broken() {
    breaks(&[TEXT], async |script| send(&script, "data: what\n\n").await, "200").await;
}

#[tokio::test]
async fn a_stream_that_fails_before_its_first_chunk_is_an_error_with_a_status() {
    breaks(&[], cut, "cut").await;
    breaks(&[], async |script| drop(script), "cut").await;
    breaks(&[], async |script| script.closed().await, "timeout").await;
    breaks(&[], async |s| send(&s, "data: {\"error\":{\"message\":\"m\"}}\n\n").await, "200").await;
}

#[tokio::test]
async fn an_upstream_that_never_answers_is_a_timeout_and_let_go() {
    let mut upstream = Upstream::start().await;
    let config = cloud::UpstreamConfig { timeout_ms: 200, ..config("a", &upstream.url) };
    let call = perform(&gateway(vec![config]), PLAIN);
    let exchange = upstream.request().await;
    let played = call.end().await;
    assert_eq!(told(&played.performed.last).0, 504);
    assert_eq!(played.attempts(), [("a", "timeout")]);
    exchange.dropped().await;
}

#[tokio::test]
async fn the_calls_deadline_comes_before_the_upstreams_patience() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(vec![config("a", &upstream.url)]);
    for body in [PLAIN, STREAM] {
        let call = perform_within(&gateway, body, Duration::from_millis(200));
        let exchange = upstream.request().await;
        let played = tokio::time::timeout(Duration::from_secs(2), call.end()).await.unwrap();
        assert_eq!(told(&played.performed.last).0, 504);
        exchange.dropped().await;
    }
}

#[tokio::test]
async fn the_calls_deadline_ends_a_stream_that_never_does() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(vec![config("a", &upstream.url)]);
    let call = perform_within(&gateway, STREAM, Duration::from_millis(300));
    let script = upstream.request().await.begin_stream();
    let feeding = tokio::spawn(async move {
        while script.send(Ok(TEXT.into())).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let played = call.end().await;
    assert!(matches!(played.performed.last, Last::Broken(_)));
    assert_eq!(played.attempts(), [("a", "timeout")]);
    within(feeding).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_cut_or_too_long_or_no_answer_fails() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(vec![config("a", &upstream.url)]);
    let call = perform(&gateway, PLAIN);
    let script = upstream.request().await.begin(200, &[]);
    send(&script, "{\"choices\":").await;
    cut(script).await;
    let played = call.end().await;
    assert_eq!((told(&played.performed.last).0, played.attempts()), (502, vec![("a", "cut")]));

    let call = perform(&gateway, PLAIN);
    let script = upstream.request().await.begin(200, &[]);
    let mega = " ".repeat(1 << 20);
    for _ in 0..17 {
        let _cut = script.send(Ok(mega.clone().into())).await;
    }
    let played = call.end().await;
    assert_eq!((told(&played.performed.last).0, played.attempts()), (502, vec![("a", "cut")]));

    for body in ["", "<html>", "[]", "{}", r#"{"choices":[]}"#, r#"{"error":{"message":"m"}}"#] {
        let call = perform(&gateway, PLAIN);
        upstream.request().await.answer(200, &[], body).await;
        let played = call.end().await;
        assert_eq!((told(&played.performed.last).0, played.attempts()), (502, vec![("a", "200")]), "{body}");
    }
}

#[tokio::test]
async fn an_answer_in_another_form_than_asked_fails() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(vec![config("a", &upstream.url)]);
    for (body, header) in [
        (STREAM, ("content-type", "application/json")),
        (PLAIN, ("content-type", "text/event-stream")),
        (PLAIN, ("content-encoding", "gzip")),
    ] {
        let call = perform(&gateway, body);
        upstream.request().await.answer(200, &[header], r#"{"choices":[{}]}"#).await;
        assert_eq!(told(&call.end().await.performed.last).0, 502);
    }
}

/// An address where nobody listens.
async fn nowhere() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/v1", listener.local_addr().unwrap())
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_passed_over() {
    let mut upstream = Upstream::start().await;
    let configs = vec![config("down", &nowhere().await), config("up", &upstream.url)];
    let call = perform(&gateway(configs), PLAIN);
    upstream.request().await.answer(200, &[], r#"{"choices":[{}]}"#).await;
    let played = call.end().await;
    assert_eq!(played.performed.outcome.ended, Ended::Done);
    assert_eq!(played.attempts(), [("down", "unreachable"), ("up", "200")]);
}

#[tokio::test]
async fn an_upstream_that_failed_is_not_followed_by_the_next() {
    let (mut first, second) = (Upstream::start().await, Upstream::start().await);
    let configs = vec![config("first", &first.url), config("second", &second.url)];
    let call = perform(&gateway(configs), PLAIN);
    first.request().await.answer(500, &[], "").await;
    assert_eq!(call.end().await.attempts(), [("first", "500")]);
    assert_eq!(second.connections(), 0);
}

#[tokio::test]
async fn where_nobody_can_be_reached_the_caller_is_told() {
    let gateway = gateway(vec![config("a", &nowhere().await), config("b", &nowhere().await)]);
    let played = perform(&gateway, STREAM).end().await;
    assert_eq!(told(&played.performed.last).0, 502);
    assert_eq!(played.attempts(), [("a", "unreachable"), ("b", "unreachable")]);
    assert_eq!(played.performed.outcome.ended, Ended::Failed);

    let unknown = PLAIN.replace("public-id", "unknown");
    let played = perform(&gateway, &unknown).end().await;
    assert_eq!(told(&played.performed.last).0, 502);
    assert!(played.attempts().is_empty());
}

#[test]
fn a_gateway_says_whom_it_serves() {
    let mut other = config("b", "http://h/v1");
    other.models = [("another", "x"), ("public-id", "y")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
    let gateway = gateway(vec![config("a", "https://h:8443/v1"), other]);
    assert_eq!(gateway.models(), ["another", "public-id"]);
    let served = gateway.serves("public-id").unwrap();
    assert_eq!((served.upstream, served.kind, served.model), ("a", Kind::OpenAi, "served-id"));
    assert_eq!(gateway.serves("none"), None);
    assert_eq!(gateway.count("public-id", PLAIN.as_bytes()), None);
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let made = |config: cloud::UpstreamConfig| Gateway::new(vec![config], None, None);
    for url in ["", "h/v1", "ftp://h/v1", "http://user:key@h/v1", "http://h/v1?key=1", "http:///v1"] {
        assert!(matches!(made(config("a", url)), Err(ConfigError::BadUrl { .. })), "{url}");
    }
    let twice = Gateway::new(vec![config("a", "http://h"), config("a", "http://h")], None, None);
    assert!(matches!(twice, Err(ConfigError::DuplicateName(name)) if name == "a"));
    let a = || config("a", "http://h/v1");
    assert!(matches!(made(cloud::UpstreamConfig { url: None, ..a() }), Err(ConfigError::NoUrl(_))));
    assert!(matches!(
        made(cloud::UpstreamConfig { key: Some("a\nb".into()), ..a() }),
        Err(ConfigError::BadKey(_))
    ));
    assert!(matches!(
        made(cloud::UpstreamConfig { kind: Kind::Builtin, ..a() }),
        Err(ConfigError::NoEngine(_))
    ));
}
