//! llama.cpp's own server as the upstream: a real one, that nobody here wrote.
//!
//! Not here: what each case of the clients looks at (`tests/clients`).

use crate::clients::{holds, holds_in_node, script};
use crate::http::{Client, Request};
use crate::needs;
use crate::server::{Folder, MODEL, Server, config, cost};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A server that ends with its standard input.
struct Llama {
    process: Child,
    url: String,
}

impl Llama {
    /// Serves the model below this prefix of all paths.
    fn start(prefix: &str) -> Self {
        let mut process = Command::new(needs::python())
            .arg(script("llama_server.py"))
            .arg(needs::model())
            .args([MODEL, prefix])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(
            url.starts_with("http://"),
            "llama.cpp's server does not start; is `xllamacpp` there? it said `{url}`"
        );
        Self { process, url: url.trim().to_owned() }
    }
}

impl Drop for Llama {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        drop(self.process.wait());
    }
}

fn up(config: &str) -> (Folder, Server, String) {
    let folder = Folder::founded(config, str::to_owned);
    let server = folder.serve(&[]);
    let key = folder.admit();
    (folder, server, key)
}

/// A configuration whose upstream is asked for the model by its own name, which llama.cpp gives back.
fn configured(llama: &Llama) -> String {
    config(&format!("{}/v1", llama.url)).replace("mock-model", MODEL)
}

#[test]
fn the_clients_chat_with_a_real_llama_cpp_server() {
    let llama = Llama::start("");
    let (folder, server, key) = up(&configured(&llama));
    let cases =
        ["plain", "streamed", "usage", "stop", "bounds", "roles", "parts-taken", "unicode", "nothing-given"];
    holds(&server, &key, &cases);
    holds(&server, &key, &["too-long", "models", "azure", "azure-deployment", "azure-without-versions"]);
    holds_in_node(&server, &key, &["plain", "streamed", "left", "models", "azure"]);
    server.stop();
    folder.verified();
}

#[test]
fn what_llama_cpp_says_was_used_is_what_is_charged() {
    let llama = Llama::start("");
    let (folder, server, key) = up(&configured(&llama));
    let mut left = folder.pool().0;
    for stream in [false, true] {
        let body = format!(
            r#"{{"model":"{MODEL}","max_tokens":12,"stream":{stream},"messages":[{{"role":"user","content":"Name three colours."}}]}}"#
        );
        let answer = Client::new(server.url()).ask(Request::chat(&key, &body)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let (now, pending) = folder.pool();
        assert_eq!(pending, 0);
        if !stream {
            let usage = answer.json()["usage"].clone();
            let count = |name: &str| usage[name].as_u64().unwrap();
            assert_eq!(left - now, cost((count("prompt_tokens"), count("completion_tokens"))), "{usage}");
        }
        assert!(now < left);
        left = now;
    }
    server.stop();
    folder.verified();
}

#[test]
fn llama_cpp_is_reached_where_azure_would_be() {
    for (prefix, version) in [
        (format!("/openai/deployments/{MODEL}"), "api_version = \"2024-10-21\"\n"),
        ("/openai".to_owned(), ""),
    ] {
        let llama = Llama::start(&prefix);
        let kind = format!("kind = \"azure\"\n{version}");
        let text = configured(&llama).replace(&format!("{}/v1", llama.url), &llama.url);
        let (folder, server, key) = up(&text.replace("kind = \"openai\"", &kind));
        let body = format!(
            r#"{{"model":"{MODEL}","max_tokens":8,"messages":[{{"role":"user","content":"Name a colour."}}]}}"#
        );
        let answer = Client::new(server.url()).ask(Request::chat(&key, &body)).unwrap();
        assert_eq!(answer.status, 200, "{prefix}: {}", answer.text());
        let said: Value = answer.json();
        assert!(said["choices"][0]["message"]["content"].is_string(), "{said}");
        server.stop();
        folder.verified();
    }
}
