//! A call that starts while its decision is being written: on a disk whose every sync takes long, since a tracer holds it up.
//!
//! Not here: how much may be so under way at once (`partnership`), or a disk that fails (the clerk's own tests).

use crate::http::{Client, Request};
use crate::server::{Folder, MODEL, Server, config, eventually};
use crate::upstream::{Upstream, Used};
use serde_json::Value;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long each sync takes, in the tracer's words. Units: microseconds.
const SYNC: &str = "inject=fdatasync:delay_enter=800000";
/// Well within one sync.
const SOON: Duration = Duration::from_millis(300);

/// The server with a disk whose syncs are slow.
fn on_a_slow_disk(folder: &Folder) -> Server {
    let whole = Server::command(&folder.dir, &[]);
    let mut traced = Command::new("strace");
    // `-D`: the server is the child of this process, and its tracer a stranger to it.
    traced.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", SYNC]);
    traced.arg(whole.get_program()).args(whole.get_args());
    Server::by(traced)
}

/// A call on a thread of its own.
struct Call {
    told: Arc<AtomicBool>,
    thread: JoinHandle<u16>,
}

impl Call {
    fn begin(url: &str, key: &str) -> Self {
        let (url, key, told) = (url.to_owned(), key.to_owned(), Arc::new(AtomicBool::new(false)));
        let tells = Arc::clone(&told);
        let thread = thread::spawn(move || {
            let body = format!(
                r#"{{"model":"{MODEL}","max_tokens":100,"stream":true,"messages":[{{"role":"user","content":"Count."}}]}}"#
            );
            let mut client = Client::new(&url);
            let mut coming = client.begin(Request::chat(&key, &body)).unwrap();
            tells.store(true, Ordering::SeqCst);
            while coming.piece().unwrap().is_some() {}
            coming.status
        });
        Self { told, thread }
    }

    fn is_told(&self) -> bool {
        self.told.load(Ordering::SeqCst)
    }
}

fn folder(upstream: &Upstream, lease: &str) -> Folder {
    Folder::founded(&format!("{}\n{lease}", config(&upstream.url())), str::to_owned)
}

#[test]
fn under_a_lease_the_upstream_is_asked_while_the_decision_is_written_and_the_caller_is_told_after() {
    let upstream = Upstream::start(Used::Always(40, 60));
    let lease = "[record.lease]\ncalls = 2\namounts = [\"1.00 CREDIT\"]\n";
    let folder = folder(&upstream, lease);
    let key = folder.admit();
    let server = on_a_slow_disk(&folder);

    let first = Call::begin(server.url(), &key);
    thread::sleep(SOON);
    assert_eq!(upstream.calls(), 0, "no lease is on the record, so the call waits for its decision");
    assert_eq!(first.thread.join().unwrap(), 200);
    assert_eq!(upstream.calls(), 1);

    let second = Call::begin(server.url(), &key);
    eventually("the upstream is asked", || upstream.calls() == 2);
    assert!(!second.is_told(), "nobody is told before the decision is written");
    thread::sleep(SOON);
    assert!(!second.is_told(), "nor while it is being written, though the upstream has answered");
    assert_eq!(second.thread.join().unwrap(), 200);

    let metrics = Client::new(server.url()).ask(Request::get("/metrics")).unwrap();
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(metrics.contains("\ncountersign_calls_started_early_total 1\n"), "{metrics}");
    server.stop();
    let verified = folder.verified();
    assert!(verified["settled"]["done"].as_u64().unwrap() >= 2, "{verified}");
    assert_eq!(verified["lease"]["calls"], 2);
}

#[test]
fn without_a_lease_no_call_starts_before_its_decision_is_written() {
    let upstream = Upstream::start(Used::Always(40, 60));
    let folder = folder(&upstream, "");
    let key = folder.admit();
    let server = on_a_slow_disk(&folder);
    for number in 0..2 {
        let call = Call::begin(server.url(), &key);
        thread::sleep(SOON);
        assert_eq!(upstream.calls(), number);
        assert_eq!(call.thread.join().unwrap(), 200);
    }
    server.stop();
    assert_eq!(folder.verified()["lease"], Value::Null);
}
