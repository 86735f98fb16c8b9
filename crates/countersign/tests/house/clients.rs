//! The `openai` packages for Python and Node, unchanged, as callers of the built-in model and of upstreams that fail:
//! `tests/clients/openai_chat.py` and `openai_chat.cjs`.
//!
//! Not here: what each case looks at; the scripts say that.

use crate::needs;
use crate::scripted::{Script, Scripted, stream, whole};
use crate::server::{Folder, MODEL, Server, config, done};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs cases of Python's script with a key; each prints its name when it holds.
pub(crate) fn holds(server: &Server, key: &str, cases: &[&str]) {
    let mut command = Command::new(needs::python());
    command.arg(script("openai_chat.py"));
    runs(command, server, key, cases);
}

/// The same with Node's.
pub(crate) fn holds_in_node(server: &Server, key: &str, cases: &[&str]) {
    let mut command = Command::new("node");
    command.arg(script("openai_chat.cjs")).env("NODE_PATH", needs::node_modules());
    runs(command, server, key, cases);
}

/// A script beside the tests.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

fn runs(mut command: Command, server: &Server, key: &str, cases: &[&str]) {
    let output = command
        .args(cases)
        .env("COUNTERSIGN_API", server.api())
        .env("COUNTERSIGN_KEY", key)
        .env("COUNTERSIGN_MODEL_ID", MODEL)
        .output()
        .unwrap_or_else(|error| {
            panic!("{command:?} does not start: {error}; `cargo xtask test` installs it")
        });
    let said = done(&output);
    assert_eq!(said.lines().collect::<Vec<_>>(), cases);
}

fn up() -> (Folder, Server) {
    needs::model();
    let folder = Folder::absent();
    let server = folder.serve(&["--example", "northwind-halcyon"]);
    (folder, server)
}

#[test]
fn the_openai_package_chats_with_the_built_in_model() {
    let (folder, server) = up();
    let cases = ["plain", "streamed", "usage", "stop", "seed", "bounds", "roles", "parts", "unicode"];
    holds(&server, server.key(), &cases);
    server.stop();
    folder.verified();
}

#[test]
fn the_openai_package_lists_models_and_knows_each_error() {
    let (folder, server) = up();
    let entries = folder.entries();
    holds(&server, server.key(), &["models", "unknown-key", "unknown-model", "wrong"]);
    assert_eq!(folder.entries(), entries, "none of these is an act");
    holds(&server, server.key(), &["forbidden"]);
    assert_eq!(folder.entries(), entries + 1, "a refusal by a clause is one entry");
}

#[test]
fn the_openai_package_asks_fifty_times_with_one_key_and_makes_one_act() {
    let (folder, server) = up();
    holds(&server, server.key(), &["idempotent"]);
    let acts = folder.said(&["act", "list"]);
    let calls = acts.as_array().unwrap().iter().filter(|act| act["kind"] == "infer").count();
    assert_eq!(calls, 2, "one for each key: {acts}");
    server.stop();
    folder.verified();
}

#[test]
fn the_openai_package_does_not_retry_a_spent_budget() {
    let (folder, server) = up();
    let made = folder.said(&["key", "new", "--application", "assistant", "--budget", "0.000001 CREDIT"]);
    let entries = folder.entries();
    holds(&server, made["key"].as_str().unwrap(), &["spent"]);
    assert_eq!(folder.entries(), entries + 1, "it asked once");
}

#[test]
fn the_openai_package_is_told_what_the_built_in_model_cannot_do() {
    let (folder, server) = up();
    holds(&server, server.key(), &["cannot", "nothing-given", "too-long", "too-large"]);
    server.stop();
    folder.verified();
}

#[test]
fn azures_client_chats_by_deployment_by_token_and_without_versions() {
    let (folder, server) = up();
    let cases = ["azure", "azure-deployment", "azure-token", "azure-without-versions", "azure-errors"];
    holds(&server, server.key(), &cases);
    server.stop();
    folder.verified();
}

#[test]
fn nodes_packages_chat_with_the_built_in_model_as_openai_and_as_azure() {
    let (folder, server) = up();
    let cases = ["plain", "streamed", "nulls", "left", "models", "errors", "azure", "azureErrors"];
    holds_in_node(&server, server.key(), &cases);
    server.stop();
    folder.verified();
}

/// The answer that the scripts wait for.
const ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":1800000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"One."},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6}}"#;
/// The only piece of a stream that breaks.
const PIECE: &str = r#"{"id":"c","object":"chat.completion.chunk","created":1800000000,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hello"},"logprobs":null,"finish_reason":null}]}"#;

#[test]
fn clients_try_again_as_they_are_told_and_raise_when_a_stream_breaks() {
    let no = |status: &str, headers: &[&str]| Script::Keep(whole(status, headers, "{}"));
    let answer = || Script::Keep(whole("200 OK", &["content-type: application/json"], ANSWER));
    let round = || {
        [
            no("429 Too Many Requests", &["retry-after-ms: 30"]),
            no("503 Service Unavailable", &["retry-after: 0"]),
            answer(),
            Script::Close(stream(&[PIECE])),
        ]
    };
    let upstream = Scripted::start(round().into_iter().chain(round()));
    let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
    let server = folder.serve(&[]);
    let key = folder.admit();
    holds(&server, &key, &["told", "broken"]);
    assert_eq!(upstream.bodies().len(), 4, "two tries in vain, an answer, and a stream that broke");
    holds_in_node(&server, &key, &["told", "broken"]);
    assert_eq!(upstream.bodies().len(), 8);
    server.stop();
    let settled = &folder.verified()["settled"];
    assert_eq!(
        settled["failed"], 6,
        "each try is an act of its own, and one that failed costs nothing: {settled}"
    );
}
