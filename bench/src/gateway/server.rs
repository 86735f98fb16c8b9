//! The server under measurement: the release binary on a fresh partnership, as an operator would run it.
//!
//! Nothing of the product is switched off, and nothing of its code is used here: folder, commands and doors are all there is.

use crate::binary;
use crate::memorandum::{self, MODEL, PARTIES};
use crate::process::{Running, on_measured_core, said};
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

/// The application that calls.
const APPLICATION: &str = "bench";
/// How many keys are asked for at once.
const KEYS_AT_ONCE: usize = 64;
/// How long followers are given to come that far at first.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A partnership under way, until this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// Goes before the folder.
    running: Running,
    pub(crate) address: SocketAddr,
    dir: PathBuf,
    _place: TempDir,
}

/// How a partnership is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// The folder it is made in.
    pub(crate) place: &'a Path,
    /// How many policy clauses its memorandum has.
    pub(crate) clauses: usize,
    /// Whether calls may start while their decisions are being written, under the lease that `init` shows.
    pub(crate) lease: bool,
    /// How much longer than the disk needs each sync of the journal takes.
    pub(crate) slower: Duration,
    pub(crate) upstream: SocketAddr,
}

/// What the server says of itself. Units: counts since its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Metrics {
    /// Groups made durable, one sync each.
    pub(crate) groups: f64,
    /// Entries made durable.
    pub(crate) entries: f64,
    /// Calls that started while their decisions were being written.
    pub(crate) early: f64,
}

impl Server {
    /// Founds a partnership, starts it before the upstream, and registers an application.
    ///
    /// Errors: where a command is refused or the server does not start.
    pub(crate) fn start(setup: Setup<'_>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(setup.place)?;
        let place = tempfile::Builder::new().prefix("b").tempdir_in(setup.place)?;
        let dir = place.path().join("p");
        found(&dir, setup)?;
        let (running, address) = up(&dir, setup.slower)?;
        let server = Self { running, address, dir, _place: place };
        server.command(&[
            "app",
            "add",
            APPLICATION,
            "--party",
            "halcyon",
            "--audience",
            "business",
            "--purpose",
            "measuring",
            "--market",
            "eu",
        ])?;
        Ok(server)
    }

    /// Makes so many keys, over the folder's socket.
    ///
    /// Errors: where one is refused.
    pub(crate) async fn keys(&self, count: usize) -> anyhow::Result<Vec<String>> {
        let mut keys = Vec::with_capacity(count);
        let mut makers = JoinSet::new();
        for maker in 0..KEYS_AT_ONCE {
            let share = count.saturating_add(KEYS_AT_ONCE - 1).saturating_sub(maker) / KEYS_AT_ONCE;
            makers.spawn(make_keys(self.dir.join("socket"), share));
        }
        while let Some(made) = makers.join_next().await {
            keys.extend(made??);
        }
        ensure!(keys.len() == count, "{} keys were made, not {count}", keys.len());
        Ok(keys)
    }

    /// The folder's own socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("socket")
    }

    /// Starts the follower of one party, with a folder of its own and no key but that party's.
    ///
    /// Errors: where it does not start.
    pub(crate) fn follow(&self, party: &str) -> anyhow::Result<Running> {
        let own = self.dir.with_file_name(party);
        std::fs::create_dir_all(own.join("keys"))?;
        let key = format!("keys/{party}.key");
        std::fs::copy(self.dir.join(&key), own.join(&key))?;
        let mut command = Command::new(binary()?);
        command.arg("follow").arg(format!("http://{}", self.address)).args(["--party", party]);
        command.arg("--keys").arg(own.join("keys")).arg("--dir").arg(own.join("mirror"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(own.join("log"))?);
        Ok(Running::new(command.spawn().context("the follower does not start")?))
    }

    /// What the followers have logged.
    pub(crate) fn followers_said(&self) -> String {
        let log = |party: &str| std::fs::read_to_string(self.dir.with_file_name(party).join("log"));
        PARTIES.iter().filter_map(|party| log(party).ok()).collect()
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.running.id()
    }

    /// What it counts.
    ///
    /// Errors: where it does not answer.
    pub(crate) fn metrics(&self) -> anyhow::Result<Metrics> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.write_all(
            format!("GET /metrics HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address)
                .as_bytes(),
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let value = |name| value(&text, name).with_context(|| format!("the server does not tell `{name}`"));
        Ok(Metrics {
            groups: value("countersign_record_groups_total")?,
            entries: value("countersign_record_entries_total")?,
            early: value("countersign_calls_started_early_total")?,
        })
    }

    fn command(&self, words: &[&str]) -> anyhow::Result<Value> {
        command(&self.dir, words)
    }
}

/// The value of a metric in Prometheus' text format.
fn value(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Makes the folder and signs the memorandum for both parties.
fn found(dir: &Path, setup: Setup<'_>) -> anyhow::Result<()> {
    said(Command::new(binary()?).arg("init").arg(dir))?;
    let memorandum = dir.join("memorandum.md");
    write(&memorandum, &memorandum::text(setup.clauses))?;
    let file = memorandum.to_str().context("the folder's name is not utf-8")?;
    for party in PARTIES {
        command(dir, &["memo", "sign", file, "--party", party])?;
    }
    let lease = if setup.lease { "[record.lease]\ncalls = 256\namounts = [\"1.00 CREDIT\"]\n\n" } else { "" };
    let config = format!(
        "origin = \"northwind-halcyon.example/record\"\nlisten = \"127.0.0.1:0\"\n\n{lease}[[upstream]]\nname = \"mock\"\nkind = \"openai\"\nurl = \"http://{}/v1\"\n[upstream.models]\n\"{MODEL}\" = \"mock-model\"\n",
        setup.upstream
    );
    write(&dir.join("countersign.toml"), &config)
}

/// Starts the server on the measured core, and waits until it is ready.
fn up(dir: &Path, slower: Duration) -> anyhow::Result<(Running, SocketAddr)> {
    let log = File::create(dir.join("log"))?;
    let mut command = if slower.is_zero() {
        on_measured_core(binary()?)
    } else {
        let mut traced = on_measured_core("strace");
        // `-D`: the server is the child of this process, and its tracer a stranger to it. The kernel itself passes all other calls by.
        traced.args(["-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync", "-e"]);
        traced.arg(format!("inject=fdatasync:delay_enter={}", slower.as_micros())).arg(binary()?);
        traced
    };
    command.arg("up").arg(dir).arg("--json").stdout(Stdio::piped()).stderr(log);
    let mut running = Running::new(command.spawn().context("the server does not start")?);
    let output = running.child().stdout.take().context("the server has no output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let ready: Value = serde_json::from_str(&line).with_context(|| {
        let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
        format!("the server was not ready; its log: {log}")
    })?;
    let url = ready.get("url").and_then(Value::as_str).context("the server says no address")?;
    let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/').parse();
    Ok((running, address.with_context(|| format!("`{url}` is no address"))?))
}

/// Runs a command on the folder and gives what it says.
fn command(dir: &Path, words: &[&str]) -> anyhow::Result<Value> {
    let text = said(Command::new(binary()?).args(words).arg("--dir").arg(dir).arg("--json"))?;
    serde_json::from_str(&text).with_context(|| format!("{words:?} said no JSON: {text}"))
}

async fn make_keys(socket: PathBuf, count: usize) -> anyhow::Result<Vec<String>> {
    let mut connection = crate::http::Connection::new(UnixStream::connect(socket).await?);
    let proposal = json!({ "act": { "kind": "key-new", "application": APPLICATION } }).to_string();
    let request = format!(
        "POST /api/acts HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{proposal}",
        proposal.len()
    );
    let mut keys = Vec::with_capacity(count);
    for _ in 0..count {
        connection.send(request.as_bytes()).await?;
        let head = connection.head().await?.context("the socket was closed")?;
        let mut body = Vec::new();
        connection.body(&head, &mut body).await?;
        let answer: Value = serde_json::from_slice(&body)?;
        let key = answer.get("key").and_then(Value::as_str);
        keys.push(key.with_context(|| format!("no key was made: {answer}"))?.to_owned());
    }
    Ok(keys)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    Ok(File::create(path)?.write_all(text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let text = "# HELP a_total Of a\na_total_more 9\na_total 7\n";
        assert_eq!(value(text, "a_total"), Some(7.0));
        assert_eq!(value(text, "a"), None);
    }
}
