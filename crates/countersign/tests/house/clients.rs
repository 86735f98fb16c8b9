//! The `openai` package for Python, unchanged, as a caller of the built-in model: `tests/clients/openai_chat.py`.
//!
//! Not here: what each case looks at; the script says that.

use crate::needs;
use crate::server::{Folder, MODEL, Server, done};
use std::path::Path;
use std::process::Command;

/// Runs cases of the script with a key; each prints its name when it holds.
fn holds(server: &Server, key: &str, cases: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/openai_chat.py");
    let output = Command::new(needs::python())
        .arg(script)
        .args(cases)
        .env("COUNTERSIGN_API", server.api())
        .env("COUNTERSIGN_KEY", key)
        .env("COUNTERSIGN_MODEL_ID", MODEL)
        .output()
        .unwrap();
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
fn the_openai_package_does_not_retry_a_spent_budget() {
    let (folder, server) = up();
    let made = folder.said(&["key", "new", "--application", "assistant", "--budget", "0.000001 CREDIT"]);
    let entries = folder.entries();
    holds(&server, made["key"].as_str().unwrap(), &["spent"]);
    assert_eq!(folder.entries(), entries + 1, "it asked once");
}
