//! Upstreams of kind `azure`: their addresses and key, and what Azure puts into answers that OpenAI does not.

use crate::harness::{SECRET, Upstream, config, gateway, perform, send, within};
use cloud::{ConfigError, Event, Gateway, Kind, Last, UpstreamConfig};
use partnership::act::Ended;

const PLAIN: &str = r#"{"model":"public-id","messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"model":"public-id","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
const STREAM_USAGE: &str = r#"{"model":"public-id","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#;

/// The events of a stream as Azure sends them: what it found in the prompt comes first and with no choice, what it found in the
/// answer after the finish, then the usage.
const EVENTS: [&str; 6] = [
    "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{\"hate\":{\"filtered\":false,\"severity\":\"safe\"}}}]}\n\n",
    "data: {\"choices\":[{\"content_filter_results\":{},\"delta\":{\"content\":\"\",\"role\":\"assistant\"},\"finish_reason\":null,\"index\":0}],\"id\":\"c\"}\n\n",
    "data: {\"choices\":[{\"content_filter_results\":{\"hate\":{\"filtered\":false}},\"delta\":{\"content\":\"Hello there\"},\"finish_reason\":null,\"index\":0}],\"id\":\"c\"}\n\n",
    "data: {\"choices\":[{\"content_filter_results\":{},\"delta\":{},\"finish_reason\":\"stop\",\"index\":0}],\"id\":\"c\"}\n\n",
    "data: {\"choices\":[{\"content_filter_offsets\":{\"check_offset\":44},\"content_filter_results\":{\"hate\":{\"filtered\":false}},\"finish_reason\":null,\"index\":0}],\"id\":\"\"}\n\n",
    "data: {\"choices\":[],\"id\":\"c\",\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12}}\n\n",
];
const DONE: &str = "data: [DONE]\n\n";

fn azure(upstream: &Upstream, api_version: Option<&str>) -> UpstreamConfig {
    let base = upstream.url.strip_suffix("/v1/").unwrap();
    let api_version = api_version.map(str::to_owned);
    UpstreamConfig { kind: Kind::Azure, api_version, ..config("a", base) }
}

#[tokio::test]
async fn a_version_leads_to_the_deployment_and_none_to_the_address_without_versions() {
    let mut upstream = Upstream::start().await;
    for (version, path, query) in [
        (
            Some("2024-10-21"),
            "/openai/deployments/served-id/chat/completions",
            Some("api-version=2024-10-21"),
        ),
        (None, "/openai/v1/chat/completions", None),
    ] {
        let call = perform(&gateway(vec![azure(&upstream, version)]), PLAIN);
        let exchange = upstream.request().await;
        assert_eq!((exchange.path.as_str(), exchange.query.as_deref()), (path, query));
        assert_eq!(exchange.headers["api-key"], SECRET);
        assert!(!exchange.headers.contains_key("authorization"), "the key goes by Azure's header alone");
        let body: serde_json::Value = serde_json::from_slice(&exchange.body).unwrap();
        assert_eq!(body["model"], "served-id");
        exchange.answer(200, &[], r#"{"choices":[{}]}"#).await;
        assert_eq!(call.end().await.performed.outcome.ended, Ended::Done);
    }
}

#[tokio::test]
async fn what_the_content_filter_says_reaches_the_caller_as_it_came() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(vec![azure(&upstream, Some("2024-10-21"))]);
    let body = r#"{"choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"finish_reason":"stop","index":0,"message":{"content":"Hello","role":"assistant"}}],"prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"jailbreak":{"detected":false}}}],"usage":{"prompt_tokens":9,"completion_tokens":3}}"#;
    let call = perform(&gateway, PLAIN);
    upstream.request().await.answer(200, &[("content-type", "application/json")], body).await;
    assert_eq!(call.end().await.held(), body);

    for (asked, withheld) in [(STREAM, 1), (STREAM_USAGE, 0)] {
        let call = perform(&gateway, asked);
        upstream.request().await.stream(&[&EVENTS[..], &[DONE]].concat()).await;
        let played = call.end().await;
        assert_eq!(played.performed.outcome.ended, Ended::Done);
        assert_eq!(played.usage(), Some((9, 3, false)));
        assert_eq!(played.early(), EVENTS[..3].concat(), "all before the finish leaves as it comes");
        let held = [&EVENTS[3..EVENTS.len() - withheld], &[DONE]].concat();
        assert_eq!(played.held(), held.concat(), "the findings after the finish are kept");
    }
}

#[tokio::test]
async fn a_first_event_without_a_choice_leaves_at_once() {
    let mut upstream = Upstream::start().await;
    let mut call = perform(&gateway(vec![azure(&upstream, None)]), STREAM);
    let script = upstream.request().await.begin_stream();
    send(&script, EVENTS[0]).await;
    let head = within(call.ingress.recv()).await;
    assert!(matches!(head, Some(Event::Head(_))), "{head:?}");
    let first = within(call.ingress.recv()).await;
    assert_eq!(first, Some(Event::Chunk(EVENTS[0].into())));
    drop(call.leave().await);
}

#[tokio::test]
async fn a_prompt_that_the_content_filter_refuses_is_told_with_its_findings() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(vec![azure(&upstream, Some("2024-10-21"))]);
    let inner = r#"{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"}}}"#;
    let error = format!(
        r#"{{"error":{{"message":"filtered","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{inner}}}}}"#
    );
    let call = perform(&gateway, STREAM);
    upstream.request().await.answer(400, &[("content-type", "application/json")], &error).await;
    let played = call.end().await;
    let Last::Whole { head, .. } = &played.performed.last else { panic!("a whole answer") };
    assert_eq!(head.status, 400);
    let expected = format!(
        r#"{{"error":{{"message":"filtered","type":"invalid_request_error","param":"prompt","code":"content_filter","innererror":{inner}}}}}"#
    );
    assert_eq!(played.held(), expected);

    let leak = error.replace("ResponsibleAIPolicyViolation", SECRET);
    let call = perform(&gateway, PLAIN);
    upstream.request().await.answer(400, &[], &leak).await;
    assert!(!call.end().await.held().contains(SECRET));
}

#[test]
fn a_configuration_of_azure_that_cannot_work_is_refused() {
    let made = |config: UpstreamConfig| Gateway::new(vec![config], None, None);
    let azure = |url: &str, version: Option<&str>| UpstreamConfig {
        kind: Kind::Azure,
        api_version: version.map(str::to_owned),
        ..config("a", url)
    };
    made(azure("http://r.example", Some("2024-10-21"))).unwrap();
    let over = made(azure("http://r.example/openai/v1", None)).unwrap_err();
    assert!(over.to_string().contains("without `/openai`"), "{over}");
    assert!(matches!(made(azure("http://r.example", Some("a b"))), Err(ConfigError::BadVersion { .. })));
    let plain = UpstreamConfig { api_version: Some("2024-10-21".into()), ..config("a", "http://h/v1") };
    assert!(made(plain).unwrap_err().to_string().contains("kind `azure`"));
    let without = UpstreamConfig { models: [].into(), ..azure("http://r.example/openai", None) };
    assert!(made(without).is_err(), "one without models is looked at too");
}
