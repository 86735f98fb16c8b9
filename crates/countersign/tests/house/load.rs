//! A grant that affords exactly ten thousand calls, and 64 clients that want 32,000, through the binary and over HTTP.
//!
//! Not here: crashes, and the same in the core alone (`grant`).

use crate::http::{Answer, Client, Request};
use crate::server::{Folder, Server, config, cost, credits, done, verify};
use crate::upstream::{Upstream, Used};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const CLIENTS: usize = 64;
const CALLS: usize = 500;
const AFFORDED: usize = 10_000;
/// The bounds of each call. The input's are the bytes of the body, 16 for its message, and 96.
const BOUNDS: (u64, u64) = (300, 100);
const BODY_BYTES: usize = 300 - 16 - 96;

/// A body of exactly [`BODY_BYTES`].
fn body() -> String {
    let bare = |content: &str| {
        format!(
            r#"{{"model":"smollm2-135m-instruct","max_tokens":{},"messages":[{{"role":"user","content":"{content}"}}]}}"#,
            BOUNDS.1
        )
    };
    let body = bare(&"a".repeat(BODY_BYTES - bare("").len()));
    assert_eq!(body.len(), BODY_BYTES);
    body
}

/// What clients got.
#[derive(Debug, Default)]
struct Got {
    answered: usize,
    refused: usize,
    /// Of what the answers said was used. Units: minor units.
    cost: i128,
    acts: BTreeSet<String>,
}

impl Got {
    fn note(&mut self, answer: &Answer) {
        let act = answer.headers.value("countersign-act").unwrap_or_else(|| panic!("no act: {answer:?}"));
        assert!(self.acts.insert(act.to_owned()), "two answers have the act {act}");
        assert!(answer.headers.value("x-request-id").is_some(), "{answer:?}");
        match answer.status {
            200 => {
                self.answered += 1;
                self.cost += cost(usage(answer));
            }
            429 => {
                self.refused += 1;
                assert_eq!(answer.json()["error"]["code"], "insufficient_quota");
                assert_eq!(answer.headers.value("x-should-retry"), Some("false"));
            }
            other => panic!("status {other}: {}", answer.text()),
        }
    }

    fn add(mut self, other: Self) -> Self {
        self.answered += other.answered;
        self.refused += other.refused;
        self.cost += other.cost;
        self.acts.extend(other.acts);
        self
    }
}

/// What an answer says was used. Units: tokens of input, tokens of output.
fn usage(answer: &Answer) -> (u64, u64) {
    let usage = &answer.json()["usage"];
    (usage["prompt_tokens"].as_u64().unwrap(), usage["completion_tokens"].as_u64().unwrap())
}

/// A partnership under way whose grant affords exactly [`AFFORDED`] calls at their bounds.
struct Scene {
    folder: Folder,
    server: Server,
    key: String,
    granted: i128,
    /// Kept until the server has gone.
    _upstream: Upstream,
}

impl Scene {
    fn set(used: Used) -> Self {
        let upstream = Upstream::start(used);
        let granted = cost(BOUNDS) * i128::try_from(AFFORDED).unwrap();
        let amount = format!("\"{}\"", credits(granted));
        let edit = |text: &str| text.replacen("\"1000.000000000 CREDIT\"", &amount, 1);
        let folder = Folder::founded(&config(&upstream.url()), edit);
        let server = folder.serve(&[]);
        let key = folder.admit();
        assert_eq!(folder.pool(), (granted, 0), "the grant is that of the test");
        Self { folder, server, key, granted, _upstream: upstream }
    }

    /// Lets every client make all its calls, each on one connection, and looks at the grant meanwhile.
    fn rush(&self) -> Got {
        let (url, key, body) = (self.server.url(), self.key.as_str(), body());
        thread::scope(|scope| {
            let clients: Vec<_> =
                (0..CLIENTS).map(|_| scope.spawn(|| calls(url, key, &body, &NEVER))).collect();
            while clients.iter().any(|client| !client.is_finished()) {
                let (available, _) = self.folder.pool();
                assert!(available >= 0, "the grant is overspent by {available}");
                thread::sleep(Duration::from_millis(250));
            }
            let got = clients.into_iter().map(|client| client.join().unwrap());
            got.fold(Got::default(), Got::add)
        })
    }

    /// Calls one after the other until one is refused.
    fn drain(&self) -> Got {
        let (body, mut client, mut got) = (body(), Client::new(self.server.url()), Got::default());
        while got.refused == 0 {
            got.note(&client.ask(Request::chat(&self.key, &body)).unwrap());
            assert!(got.answered <= AFFORDED, "a drain ends");
        }
        got
    }

    /// Stops the server; the record is then verified, and has as many refusals as clients got.
    fn close(self, got: &Got) {
        self.server.stop();
        let kept = std::fs::read_dir(self.folder.dir.join("cache/state")).map_or(0, Iterator::count);
        assert_eq!(kept, 1, "a server that has written so much has left a snapshot of its state");
        let verified = self.folder.verified();
        assert_eq!(verified["acts"]["refused"], got.refused, "a refusal is one entry");
        assert_eq!(verified["settled"]["done"].as_u64(), Some(settled(&verified)), "{verified}");
        assert_eq!(verified["open"].as_array().unwrap().len(), 0, "{verified}");
    }
}

/// All calls of one client, or those until it is told to stop.
fn calls(url: &str, key: &str, body: &str, stops: &AtomicBool) -> Got {
    let (mut client, mut got) = (Client::new(url), Got::default());
    for _ in (0..CALLS).take_while(|_| !stops.load(Ordering::SeqCst)) {
        got.note(&client.ask(Request::chat(key, body)).unwrap());
    }
    assert_eq!(client.connections, 1, "a connection is kept");
    got
}

/// For clients that are not told to stop.
static NEVER: AtomicBool = AtomicBool::new(false);

/// How many acts a record allowed, each of which is to be settled as done.
fn settled(verified: &serde_json::Value) -> u64 {
    verified["acts"]["allowed"].as_u64().unwrap()
}

#[test]
fn clients_that_use_their_bound_spend_the_grant_to_the_unit() {
    let scene = Scene::set(Used::Always(BOUNDS.0, BOUNDS.1));
    let got = scene.rush();
    assert_eq!((got.answered, got.refused), (AFFORDED, CLIENTS * CALLS - AFFORDED));
    assert_eq!(got.acts.len(), CLIENTS * CALLS, "each call is an act of its own");
    assert_eq!(got.cost, scene.granted);
    assert_eq!(scene.folder.pool(), (0, 0));
    scene.close(&got);
}

#[test]
fn clients_that_use_less_than_their_bound_leave_less_than_one_call() {
    let scene = Scene::set(Used::AtMost(BOUNDS.0, BOUNDS.1));
    let got = scene.rush();
    assert!(got.answered > AFFORDED, "what is given back is used again");
    assert!(got.refused > 0, "the clients want more than there is");
    assert_eq!(scene.folder.pool(), (scene.granted - got.cost, 0), "the settled sum is exact");
    let got = got.add(scene.drain());
    let (available, pending) = scene.folder.pool();
    assert_eq!((scene.granted - available, pending), (got.cost, 0), "the settled sum is exact");
    assert!((0..cost(BOUNDS)).contains(&available), "{available} is left");
    scene.close(&got);
}

#[test]
fn a_record_is_verified_while_it_grows() {
    let scene = Scene::set(Used::Always(BOUNDS.0, BOUNDS.1));
    let (url, key, body) = (scene.server.url(), scene.key.as_str(), body());
    let stops = AtomicBool::new(false);
    let outputs: Vec<_> = thread::scope(|scope| {
        (0..16).for_each(|_| drop(scope.spawn(|| calls(url, key, &body, &stops))));
        // By turns the folder, and the record as it is served.
        let served = Path::new(url);
        let places = [&scene.folder.dir, served, &scene.folder.dir, served, &scene.folder.dir];
        let outputs = places.map(|place| verify(place, &["--json"])).into();
        stops.store(true, Ordering::SeqCst);
        outputs
    });
    let said = outputs.iter().map(|output| serde_json::from_str(&done(output)).unwrap());
    let entries: Vec<_> = said.map(|said: serde_json::Value| said["entries"].as_u64().unwrap()).collect();
    assert!(entries[0] < entries[2] && entries[2] < entries[4], "the folder: {entries:?}");
    assert!(entries[1] <= entries[3] && entries[3] <= entries[4], "as served: {entries:?}");
}
