//! The built-in model through the gateway. Needs the model's file: `cargo xtask test` fetches it and names it in
//! `COUNTERSIGN_MODEL`.

use crate::harness::{Played, perform, usage, within};
use cloud::{Event, Gateway, Kind, Last, UpstreamConfig};
use model::{Engine, Model};
use partnership::act::Ended;
use serde_json::Value;
use std::sync::{Arc, OnceLock};

/// One engine for all tests: the file is mapped once.
fn gateway() -> Arc<Gateway> {
    static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| engine(2, 16));
    over(Arc::clone(engine))
}

fn engine(workers: usize, queue: usize) -> Arc<Engine> {
    let path = std::env::var_os("COUNTERSIGN_MODEL")
        .expect("set COUNTERSIGN_MODEL to the model's file, or run `cargo xtask test`, which fetches it");
    Arc::new(Engine::start(Model::open(path.as_ref()).unwrap(), workers, queue))
}

fn over(engine: Arc<Engine>) -> Arc<Gateway> {
    let config = UpstreamConfig {
        kind: Kind::Builtin,
        url: None,
        api_version: None,
        output_member: cloud::OutputMember::default(),
        key: None,
        ..crate::harness::config("builtin", "unused")
    };
    Arc::new(Gateway::new(vec![config], Some(engine), None).unwrap())
}

fn body(members: &str) -> String {
    format!(
        r#"{{"model":"public-id","temperature":0,"messages":[{{"role":"user","content":"What is the capital of France?"}}]{members}}}"#
    )
}

fn chunks(text: &str) -> Vec<Value> {
    let data = text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn refusal(played: &Played) -> (u16, String, String) {
    let Last::Whole { head, .. } = &played.performed.last else { panic!("not refused") };
    let body: Value = serde_json::from_str(&played.held()).unwrap();
    let text = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
    assert_eq!(played.performed.outcome.ended, Ended::Failed);
    (head.status, text("param"), text("code"))
}

#[tokio::test]
async fn a_plain_answer_has_openais_shape_and_exact_usage() {
    let gateway = gateway();
    let body = body("");
    let played = perform(&gateway, &body).end().await;
    let answer: Value = serde_json::from_str(&played.held()).unwrap();
    let choice = &answer["choices"][0];
    assert!(choice["message"]["content"].as_str().unwrap().contains("Paris"), "{answer}");
    assert_eq!((choice["message"]["role"].as_str(), choice["index"].as_u64()), (Some("assistant"), Some(0)));
    assert!(matches!(choice["finish_reason"].as_str(), Some("stop" | "length")));
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(
        (answer["created"].as_u64(), answer["model"].as_str()),
        (Some(1_790_000_000), Some("public-id"))
    );
    assert!(answer["id"].as_str().unwrap().starts_with("chatcmpl-"));
    let (input, output, estimated) = played.usage().unwrap();
    assert!(!estimated && output > 0 && output <= 50);
    assert_eq!(Some(input), gateway.count("public-id", body.as_bytes()));
    assert_eq!(answer["usage"]["prompt_tokens"], input);
    assert_eq!(answer["usage"]["completion_tokens"], output);
    assert_eq!(answer["usage"]["total_tokens"], input + output);
}

#[tokio::test]
async fn a_stream_says_the_same_as_a_plain_answer() {
    let plain = perform(&gateway(), &body("")).end().await;
    let plain: Value = serde_json::from_str(&plain.held()).unwrap();
    let played = perform(&gateway(), &body(r#","stream":true"#)).end().await;
    let (early, held) = (chunks(&played.early()), chunks(&played.held()));
    assert_eq!(early[0]["choices"][0]["delta"]["role"], "assistant");
    let text: String =
        early.iter().map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().unwrap()).collect();
    assert_eq!(plain["choices"][0]["message"]["content"], text);
    assert!(
        early
            .iter()
            .all(|chunk| chunk["choices"][0]["finish_reason"].is_null() && chunk.get("usage").is_none())
    );
    assert_eq!(held.len(), 1, "usage came unasked");
    assert_eq!(held[0]["choices"][0]["finish_reason"], plain["choices"][0]["finish_reason"]);
    assert!(played.held().ends_with("data: [DONE]\n\n"));
    let ids: std::collections::BTreeSet<_> = early.iter().chain(&held).map(|c| c["id"].to_string()).collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn usage_comes_in_a_chunk_of_its_own_if_asked_for() {
    let asked = body(r#","stream":true,"stream_options":{"include_usage":true},"max_tokens":3"#);
    let played = perform(&gateway(), &asked).end().await;
    let held = chunks(&played.held());
    assert!(
        chunks(&played.early()).iter().all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some())
    );
    assert_eq!(held.len(), 2);
    assert_eq!(held[1]["choices"], serde_json::json!([]));
    assert_eq!(held[1]["usage"]["completion_tokens"], played.usage().unwrap().1);
}

#[tokio::test]
async fn the_reserved_bound_holds() {
    let long =
        body("").replace("What is the capital of France?", "Write a long story about a fox and a crow.");
    let played = perform(&gateway(), &long).end().await;
    let answer: Value = serde_json::from_str(&played.held()).unwrap();
    assert_eq!(played.usage().unwrap().1, 50);
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
}

#[tokio::test]
async fn what_the_model_cannot_do_is_refused_before_it_runs() {
    for (members, param) in [
        (r#","n":2"#, "n"),
        (r#","tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required""#, "tool_choice"),
        (r#","response_format":{"type":"json_object"}"#, "response_format"),
    ] {
        let played = perform(&gateway(), &body(members)).end().await;
        assert_eq!(refusal(&played), (400, param.to_owned(), String::new()), "{members}");
        assert_eq!(played.attempts(), [("builtin", "400")]);
    }
}

#[tokio::test]
async fn a_prompt_beyond_the_context_is_refused_by_its_code() {
    let long = body("").replace("France", &"France and Spain ".repeat(4000));
    let played = perform(&gateway(), &long).end().await;
    assert_eq!(refusal(&played), (400, "messages".to_owned(), "context_length_exceeded".to_owned()));
    let counted = gateway().count("public-id", long.as_bytes()).unwrap();
    assert!(counted > gateway().context_tokens("public-id").unwrap());
}

#[tokio::test]
async fn a_caller_that_leaves_stops_the_model_and_pays_for_what_came() {
    let gateway = over(engine(1, 0));
    let long = body(r#","stream":true"#)
        .replace("What is the capital of France?", "Write a long story about a fox and a crow.");
    let mut call = perform(&gateway, &long);
    for _ in 0..3 {
        assert!(within(call.ingress.recv()).await.is_some());
    }
    let performed = call.leave().await;
    assert_eq!(performed.outcome.ended, Ended::Cancelled);
    let (input, output, estimated) = usage(&performed).unwrap();
    assert!(estimated && input > 0 && (1..50).contains(&output));
    // with one worker and no queue the next call is taken only if the thread was let go
    let free = async {
        while perform(&gateway, &body("")).end().await.performed.outcome.ended != Ended::Done {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    within(free).await;
}

#[tokio::test]
async fn a_full_queue_is_a_rate_limit() {
    let gateway = over(engine(1, 0));
    let mut running = perform(&gateway, &body(r#","stream":true"#));
    assert!(matches!(within(running.ingress.recv()).await, Some(Event::Head(_))));
    let refused = perform(&gateway, &body("")).end().await;
    assert_eq!(refusal(&refused), (429, String::new(), "rate_limit_exceeded".to_owned()));
    let Last::Whole { head, .. } = &refused.performed.last else { panic!("not refused") };
    assert_eq!(head.headers, [("retry-after".to_owned(), "1".to_owned())]);
    running.leave().await;
}
