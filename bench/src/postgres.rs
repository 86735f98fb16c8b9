//! PostgreSQL as a ledger, on the measured core: set up in a folder of its own, asked by its own `pgbench` from the other core.
//!
//! `fsync` and `synchronous_commit` are on. Not here: a record, a memorandum, or a proof; it keeps balances and transfers.

use crate::process::{OTHER_CORE, Running, Tree, on_measured_core, said};
use crate::progress;
use anyhow::{Context as _, bail};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const SCHEMA: &str = include_str!("postgres.sql");
/// Where Debian keeps the programs that are on nobody's path.
const DEBIAN: &str = "/usr/lib/postgresql";

/// How pairs are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    /// How many ask at once. Shape: at most 64.
    pub(crate) clients: usize,
    /// How many reservations, or settlements, a transaction makes, in one call of a function on the server.
    pub(crate) pairs: usize,
    pub(crate) accounts: Accounts,
}

/// Whose grant it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Accounts {
    /// All draw on one grant.
    Shared,
    /// Each client draws on one of its own.
    Own,
}

/// What pgbench tells of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Told {
    /// Transactions a second; each of ours is a pair of two.
    rate: f64,
    /// Transactions in all.
    count: f64,
}

/// A server, until this is dropped.
#[derive(Debug)]
pub(crate) struct Postgres {
    running: Running,
    /// Its files, and its socket.
    place: TempDir,
}

impl Postgres {
    /// Sets a server up below `place` and starts it.
    ///
    /// Errors: where it is missing and cannot be installed, or does not start.
    pub(crate) fn start(place: &Path) -> anyhow::Result<Self> {
        let [initdb, postgres] = ["initdb", "postgres"].map(program);
        let (initdb, postgres) = (initdb?, postgres?);
        let place = tempfile::Builder::new().prefix("pg").tempdir_in(place)?;
        if is_root()? {
            said(Command::new("chown").arg("postgres").arg(place.path()))?;
        }
        said(
            user(Command::new(&initdb))
                .arg("-D")
                .arg(place.path().join("d"))
                .args(["-A", "trust", "-U", "bench"]),
        )?;
        let log = File::create(place.path().join("log"))?;
        let mut command = user(on_measured_core(&postgres));
        command
            .arg("-D")
            .arg(place.path().join("d"))
            .arg("-k")
            .arg(place.path())
            .args(["-c", "listen_addresses="]);
        for setting in [
            "shared_buffers=512MB",
            "max_wal_size=8GB",
            "checkpoint_timeout=30min",
            "fsync=on",
            "synchronous_commit=on",
        ] {
            command.args(["-c", setting]);
        }
        command.stdout(log.try_clone()?).stderr(log);
        let running = Running::new(command.spawn().context("PostgreSQL does not start")?);
        let server = Self { running, place };
        server.wait()?;
        let schema = server.place.path().join("schema.sql");
        File::create(&schema)?.write_all(SCHEMA.as_bytes())?;
        said(server.client("psql").args(["-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(schema))?;
        Ok(server)
    }

    /// Pairs a second, and CPU a pair in microseconds.
    ///
    /// Errors: where one is refused.
    pub(crate) fn pairs(&self, way: Way, time: Duration) -> anyhow::Result<(f64, f64)> {
        said(self.client("psql").args([
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            "SELECT emptied()",
            "-c",
            "CHECKPOINT",
        ]))?;
        let Way { clients, pairs, accounts } = way;
        let grant = match accounts {
            Accounts::Shared => "1",
            Accounts::Own => "2 * :client_id + 1",
        };
        let script = format!(
            "SELECT reserve({grant}, {pairs}) AS first \\gset\nSELECT settle({grant}, :first, {pairs});\n"
        );
        let file = self.place.path().join("script.sql");
        File::create(&file)?.write_all(script.as_bytes())?;
        let tree = Tree(self.running.id());
        let cpu = tree.cpu()?;
        let mut pgbench = self.client("pgbench");
        pgbench.args(["-n", "-M", "prepared", "-j", "1", "-T"]).arg(time.as_secs().max(1).to_string());
        let text = said(pgbench.arg("-c").arg(clients.to_string()).arg("-f").arg(&file))?;
        let used = tree.cpu()? - cpu;
        let told = told(&text).with_context(|| format!("pgbench told no rate: {text}"))?;
        Ok((told.rate * pairs as f64, used / (told.count * pairs as f64) * 1e6))
    }

    fn wait(&self) -> anyhow::Result<()> {
        for _ in 0..300 {
            if said(self.client("psql").args(["-q", "-c", "SELECT 1"])).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!(
            "PostgreSQL was not ready: {}",
            std::fs::read_to_string(self.place.path().join("log")).unwrap_or_default()
        )
    }

    /// A client program on the other core.
    fn client(&self, name: &str) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", OTHER_CORE]).arg(program(name).unwrap_or_else(|_| PathBuf::from(name)));
        command.args(["-U", "bench", "-h"]).arg(self.place.path()).env("PGDATABASE", "postgres");
        command
    }
}

/// What pgbench tells; none where a transaction failed.
fn told(text: &str) -> Option<Told> {
    let after = |words: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(words))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    let failed = after("number of failed transactions: ").unwrap_or(0.0);
    let count = after("number of transactions actually processed: ")?;
    (failed == 0.0 && count > 0.0).then_some(Told { rate: after("tps = ")?, count })
}

/// The same command, run by the user that PostgreSQL asks for; it refuses root.
fn user(command: Command) -> Command {
    if !is_root().unwrap_or(false) {
        return command;
    }
    let mut by = Command::new("runuser");
    by.args(["-u", "postgres", "--"]).arg(command.get_program()).args(command.get_args());
    by
}

fn is_root() -> anyhow::Result<bool> {
    Ok(said(Command::new("id").arg("-u"))?.trim() == "0")
}

/// Where a program of PostgreSQL lies; installed where it is missing.
fn program(name: &str) -> anyhow::Result<PathBuf> {
    if let Some(found) = found(name) {
        return Ok(found);
    }
    progress("PostgreSQL is missing; apt brings it");
    said(Command::new("apt-get").args(["update", "--quiet"]))?;
    said(Command::new("apt-get").env("RUNLEVEL", "1").env("DEBIAN_FRONTEND", "noninteractive").args([
        "install",
        "--quiet",
        "--yes",
        "--no-install-recommends",
        "postgresql",
    ]))?;
    found(name).with_context(|| {
        format!("`{name}` of PostgreSQL is missing and cannot be installed; install it by hand")
    })
}

/// Debian's own folder goes first: there the programs are those of one version.
fn found(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().filter_map(Result::ok);
    let mut paths: Vec<PathBuf> = versions.map(|version| version.path().join("bin").join(name)).collect();
    paths.sort();
    paths.retain(|path| path.exists());
    if let Some(path) = paths.pop() {
        return Some(path);
    }
    said(Command::new(name).arg("--version")).is_ok().then(|| PathBuf::from(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_count_are_read_unless_something_failed() {
        let text = "number of transactions actually processed: 7\nnumber of failed transactions: 0 (0.000%)\ntps = 123.5 (without initial connection time)\n";
        assert_eq!(told(text), Some(Told { rate: 123.5, count: 7.0 }));
        assert_eq!(told(&text.replace("transactions: 0", "transactions: 3")), None);
        assert_eq!(told(&text.replace("processed: 7", "processed: 0")), None);
        assert_eq!(told("no word of it"), None);
    }
}
