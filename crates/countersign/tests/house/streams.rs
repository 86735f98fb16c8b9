//! Streamed answers through the server: how they come, what their last byte waits for, and what a caller who leaves pays.
//!
//! Not here: crashes in the middle of a stream (`kills`).

use crate::http::{Client, Coming, Request};
use crate::server::{Folder, Server, config, cost, eventually};
use crate::upstream::{CHUNKS, Upstream, Used};
use serde_json::Value;
use std::time::Duration;

const USED: (u64, u64) = (40, 60);
/// Between two chunks: long enough to see one before the next.
const PAUSE: Duration = Duration::from_millis(200);
const BODY: &str = r#"{"model":"smollm2-135m-instruct","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"Count."}]}"#;

struct Scene {
    folder: Folder,
    server: Server,
    key: String,
    granted: i128,
    upstream: Upstream,
}

impl Scene {
    fn set() -> Self {
        let upstream = Upstream::slow(Used::Always(USED.0, USED.1), PAUSE);
        let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
        let server = folder.serve(&[]);
        let key = folder.admit();
        let granted = folder.pool().0;
        Self { folder, server, key, granted, upstream }
    }
}

/// The data of all events that are left.
fn events(coming: &mut Coming<'_>, first: Vec<u8>) -> Vec<String> {
    let mut bytes = first;
    while let Some(piece) = coming.piece().unwrap() {
        bytes.extend(piece);
    }
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.ends_with("\n\n"), "{text}");
    text.trim_end().split("\n\n").map(|event| event.strip_prefix("data: ").unwrap().to_owned()).collect()
}

#[test]
fn a_stream_comes_in_pieces_and_its_end_when_it_is_settled() {
    let scene = Scene::set();
    let mut client = Client::new(scene.server.url());
    let mut coming = client.begin(Request::chat(&scene.key, BODY)).unwrap();
    assert_eq!(coming.status, 200);
    let content = coming.headers.value("content-type").unwrap_or_default();
    assert!(content.starts_with("text/event-stream"), "{content}");
    assert!(
        coming.headers.value("countersign-act").is_some() && coming.headers.value("x-request-id").is_some()
    );
    let first = coming.piece().unwrap().unwrap();
    assert_eq!(scene.upstream.streamed(), 0, "the first piece comes before the upstream's last");
    assert!(scene.folder.pool().1 > 0, "what it may cost is reserved meanwhile");
    let events = events(&mut coming, first);
    let pool = scene.folder.pool();
    assert_eq!(pool, (scene.granted - cost(USED), 0), "after the last byte, what was used is settled");
    let (last, chunks) = events.split_last().unwrap();
    assert_eq!(last, "[DONE]");
    let chunks: Vec<Value> = chunks.iter().map(|data| serde_json::from_str(data).unwrap()).collect();
    assert_eq!(u64::try_from(chunks.len()).unwrap(), CHUNKS);
    assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()), "usage is told to who asks for it");
    let finished = chunks.iter().filter(|chunk| !chunk["choices"][0]["finish_reason"].is_null()).count();
    assert_eq!(finished, 1);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    scene.server.stop();
    scene.folder.verified();
}

#[test]
fn a_caller_who_leaves_pays_for_what_was_delivered_and_the_upstream_is_told() {
    let scene = Scene::set();
    let mut client = Client::new(scene.server.url());
    let mut coming = client.begin(Request::chat(&scene.key, BODY)).unwrap();
    for _ in 0..3 {
        assert!(coming.piece().unwrap().is_some());
    }
    drop(coming);
    eventually("the upstream's connection is closed", || scene.upstream.cut() == 1);
    eventually("the call is settled", || scene.folder.pool().1 == 0);
    let charged = scene.granted - scene.folder.pool().0;
    let reserved = cost((u64::try_from(BODY.len()).unwrap() + 16 + 96, 100));
    assert!((1..reserved).contains(&charged), "{charged} of {reserved} was charged");
    assert_eq!(scene.upstream.streamed(), 0);
    scene.server.stop();
    assert_eq!(scene.folder.verified()["settled"]["cancelled"], 1);
}
