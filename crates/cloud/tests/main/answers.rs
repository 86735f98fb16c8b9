//! Answers that go well: what leaves early, what is held back, what was used.

use crate::harness::{ACT, Upstream, config, gateway, perform, send, within};
use cloud::{Event, Head, Last};
use partnership::act::Ended;
use partnership::ids::ActId;

const PLAIN: &str = r#"{"model":"public-id","messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"model":"public-id","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
const STREAM_USAGE: &str = r#"{"model":"public-id","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#;
const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n";
const TEXT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello there\"},\"finish_reason\":null}],\"usage\":null}\n\n";
const STOP: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n";
const USAGE: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn without_usage(events: &[&str]) -> String {
    events.concat().replace(",\"usage\":null", "")
}

#[tokio::test]
async fn a_plain_answer_is_held_whole_and_unchanged() {
    let mut upstream = Upstream::start().await;
    let call = perform(&gateway(vec![config("a", &upstream.url)]), PLAIN);
    let body = r#"{"id":"x", "choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3}, "extra":1.0}"#;
    upstream.request().await.answer(200, &JSON, body).await;
    let played = call.end().await;
    let head = Head::new(200, "application/json");
    assert_eq!(played.performed.last, Last::Whole { head, body: body.into() });
    assert_eq!(played.performed.outcome.ended, Ended::Done);
    assert_eq!(played.usage(), Some((9, 3, false)));
    assert_eq!(played.attempts(), [("a", "200")]);
}

#[tokio::test]
async fn an_upstream_gets_its_own_key_and_the_act_and_nothing_else() {
    let mut upstream = Upstream::start().await;
    let call = perform(&gateway(vec![config("a", &upstream.url)]), PLAIN);
    let exchange = upstream.request().await;
    assert_eq!(exchange.path, "/v1/chat/completions");
    let mut names: Vec<_> = exchange.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let expected = [
        "accept",
        "authorization",
        "content-length",
        "content-type",
        "countersign-act",
        "host",
        "user-agent",
    ];
    assert_eq!(names, expected);
    assert_eq!(exchange.headers["authorization"], "Bearer sk-upstream-secret");
    assert_eq!(exchange.headers["countersign-act"], ActId::from_u128(ACT).to_string());
    let forwarded = r#"{"model":"served-id","messages":[{"role":"user","content":"hi"}],"max_tokens":50}"#;
    assert_eq!(exchange.body, forwarded);
    exchange.answer(200, &JSON, r#"{"choices":[{}]}"#).await;
    call.end().await;
}

#[tokio::test]
async fn a_stream_leaves_early_up_to_its_finish_and_hides_usage() {
    let mut upstream = Upstream::start().await;
    let call = perform(&gateway(vec![config("a", &upstream.url)]), STREAM);
    upstream.request().await.stream(&[ROLE, TEXT, STOP, USAGE, DONE]).await;
    let played = call.end().await;
    let Event::Head(head) = &played.events[0] else { unreachable!("checked by the harness") };
    assert_eq!((head.status, head.content_type.as_str()), (200, "text/event-stream; charset=utf-8"));
    assert_eq!(played.early(), without_usage(&[ROLE, TEXT]));
    assert_eq!(played.held(), without_usage(&[STOP, DONE]));
    assert!(matches!(played.performed.last, Last::Tail(_)));
    assert_eq!(played.performed.outcome.ended, Ended::Done);
    assert_eq!(played.usage(), Some((9, 3, false)));
}

#[tokio::test]
async fn usage_that_was_asked_for_is_passed_on_unchanged() {
    let mut upstream = Upstream::start().await;
    let call = perform(&gateway(vec![config("a", &upstream.url)]), STREAM_USAGE);
    upstream.request().await.stream(&[ROLE, TEXT, STOP, USAGE, DONE]).await;
    let played = call.end().await;
    assert_eq!(played.early(), [ROLE, TEXT].concat());
    assert_eq!(played.held(), [STOP, USAGE, DONE].concat());
}

#[tokio::test]
async fn a_stream_cut_at_every_byte_is_the_same_stream() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(vec![config("a", &upstream.url)]);
    let whole = [": ping\r\n\r\n", ROLE, TEXT, STOP, USAGE, DONE].concat();
    for at in 1..whole.len() {
        let call = perform(&gateway, STREAM);
        let script = upstream.request().await.begin_stream();
        send(&script, &whole[..at]).await;
        tokio::task::yield_now().await;
        send(&script, &whole[at..]).await;
        drop(script);
        let played = call.end().await;
        assert_eq!(played.early(), without_usage(&[": ping\r\n\r\n", ROLE, TEXT]), "cut at {at}");
        assert_eq!(played.held(), without_usage(&[STOP, DONE]), "cut at {at}");
        assert_eq!(played.usage(), Some((9, 3, false)), "cut at {at}");
    }
}

#[tokio::test]
async fn a_chunk_leaves_before_the_next_one_comes() {
    let mut upstream = Upstream::start().await;
    let mut call = perform(&gateway(vec![config("a", &upstream.url)]), STREAM_USAGE);
    let script = upstream.request().await.begin_stream();
    for event in [ROLE, TEXT] {
        send(&script, event).await;
        if event == ROLE {
            assert!(matches!(within(call.ingress.recv()).await, Some(Event::Head(_))));
        }
        assert_eq!(within(call.ingress.recv()).await, Some(Event::Chunk(event.into())));
    }
    send(&script, STOP).await;
    send(&script, USAGE).await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(call.ingress.try_recv(), None, "the finish left before the settlement");
    send(&script, DONE).await;
    assert_eq!(within(call.ingress.recv()).await, None);
}

#[tokio::test]
async fn with_several_choices_the_last_finish_is_held() {
    let mut upstream = Upstream::start().await;
    let body = STREAM.replace("\"stream\":true", "\"stream\":true,\"n\":2");
    let call = perform(&gateway(vec![config("a", &upstream.url)]), &body);
    let stop_0 = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let text_1 =
        "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"},\"finish_reason\":null}]}\n\n";
    let stop_1 = "data: {\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
    upstream.request().await.stream(&[stop_0, text_1, stop_1, USAGE, DONE]).await;
    let played = call.end().await;
    assert_eq!(played.early(), [stop_0, text_1].concat());
    assert_eq!(played.held(), [stop_1, DONE].concat());
    assert_eq!(played.performed.outcome.ended, Ended::Done);
}

#[tokio::test]
async fn a_choice_beyond_those_that_were_asked_for_lets_no_finish_go() {
    let mut upstream = Upstream::start().await;
    let call = perform(&gateway(vec![config("a", &upstream.url)]), STREAM);
    let more = "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"}}]}\n\n";
    upstream.request().await.stream(&[TEXT, STOP, more, USAGE, DONE]).await;
    let played = call.end().await;
    assert_eq!(played.performed.outcome.ended, Ended::Done);
    assert_eq!(played.early(), without_usage(&[TEXT]));
    assert_eq!(played.held(), without_usage(&[STOP, more, DONE]));
}

#[tokio::test]
async fn an_upstream_that_gives_fewer_choices_and_says_done_is_done() {
    let mut upstream = Upstream::start().await;
    let body = STREAM.replace("\"stream\":true", "\"stream\":true,\"n\":2");
    let call = perform(&gateway(vec![config("a", &upstream.url)]), &body);
    upstream.request().await.stream(&[TEXT, STOP, USAGE, DONE]).await;
    let played = call.end().await;
    assert_eq!(played.performed.outcome.ended, Ended::Done);
    assert_eq!(
        played.held(),
        without_usage(&[STOP, DONE]),
        "its last finish waits, though another could have come"
    );
}

#[tokio::test]
async fn a_finished_stream_without_done_is_done_and_gets_one() {
    let mut upstream = Upstream::start().await;
    let call = perform(&gateway(vec![config("a", &upstream.url)]), STREAM);
    upstream.request().await.stream(&[TEXT, STOP]).await;
    let played = call.end().await;
    assert_eq!(played.performed.outcome.ended, Ended::Done);
    assert_eq!(played.held(), without_usage(&[STOP, DONE]));
    assert!(played.performed.outcome.estimated);
}

#[tokio::test]
async fn usage_that_is_not_reported_is_counted_and_marked() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(vec![config("a", &upstream.url)]);
    // a quarter of the body's 79 bytes, and of the 11 bytes of text in one piece
    assert_eq!(STREAM.len(), 79);
    let call = perform(&gateway, STREAM);
    upstream.request().await.stream(&[ROLE, TEXT, STOP, DONE]).await;
    assert_eq!(call.end().await.usage(), Some((20, 3, true)));
    // many short pieces count one each
    let short = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let call = perform(&gateway, STREAM);
    upstream.request().await.stream(&[short, short, short, short, short, STOP, DONE]).await;
    assert_eq!(call.end().await.usage(), Some((20, 5, true)));
    // never more than was reserved
    let long = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "a".repeat(4000));
    let call = perform(&gateway, STREAM);
    upstream.request().await.stream(&[&long, STOP, DONE]).await;
    assert_eq!(call.end().await.usage(), Some((20, 50, true)));
    // the same of a plain answer
    let call = perform(&gateway, PLAIN);
    let body = r#"{"choices":[{"message":{"role":"assistant","content":"Hello there"}}]}"#;
    upstream.request().await.answer(200, &JSON, body).await;
    assert_eq!(call.end().await.usage(), Some((17, 3, true)));
}

#[tokio::test]
async fn an_upstream_that_lies_about_usage_is_quoted() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(vec![config("a", &upstream.url)]);
    let lie = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1000000,\"completion_tokens\":18446744073709551615}}\n\n";
    let call = perform(&gateway, STREAM);
    upstream.request().await.stream(&[TEXT, STOP, lie, DONE]).await;
    assert_eq!(call.end().await.usage(), Some((1_000_000, u64::MAX, false)));
    // what is no count is no usage
    let nonsense =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":-5,\"completion_tokens\":\"many\"}}\n\n";
    let call = perform(&gateway, STREAM);
    upstream.request().await.stream(&[TEXT, STOP, nonsense, DONE]).await;
    assert_eq!(call.end().await.usage(), Some((20, 3, true)));
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(vec![config("a", &upstream.url)]);
    for _ in 0..3 {
        let call = perform(&gateway, STREAM);
        let script = upstream.request().await.begin_stream();
        send(&script, &[ROLE, TEXT, STOP, USAGE, DONE].concat()).await;
        // the answer does not wait for the end of the body, and the connection does
        assert_eq!(call.end().await.performed.outcome.ended, Ended::Done);
        drop(script);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(upstream.connections(), 1);
}
