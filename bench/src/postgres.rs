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
/// How many ask at once, one transaction a step.
const SINGLE_CLIENTS: &str = "32";
/// How many ask at once where they ask for batches: while one batch is synced the next is made.
const BATCH_CLIENTS: &str = "3";
/// Where Debian keeps the programs that are on nobody's path.
const DEBIAN: &str = "/usr/lib/postgresql";

/// How pairs are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// One reservation or settlement a transaction.
    Single,
    /// So many of one kind a transaction, in one call of a function on the server.
    Batched(usize),
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
        let (script, clients, each) = match way {
            Way::Single => (
                "SELECT reserve(1) AS first \\gset\nSELECT settle(:first, 1);\n".to_owned(),
                SINGLE_CLIENTS,
                1,
            ),
            Way::Batched(pairs) => (
                format!("SELECT reserve({pairs}) AS first \\gset\nSELECT settle(:first, {pairs});\n"),
                BATCH_CLIENTS,
                pairs,
            ),
        };
        let file = self.place.path().join("script.sql");
        File::create(&file)?.write_all(script.as_bytes())?;
        let tree = Tree(self.running.id());
        let cpu = tree.cpu()?;
        let mut pgbench = self.client("pgbench");
        pgbench
            .args(["-n", "-M", "prepared", "-j", "1", "-c", clients, "-T"])
            .arg(time.as_secs().max(1).to_string());
        let told = said(pgbench.arg("-f").arg(&file))?;
        let rate = rate(&told).with_context(|| format!("pgbench told no rate: {told}"))? * each as f64;
        let pairs = rate * time.as_secs_f64();
        Ok((rate, (tree.cpu()? - cpu) / pairs * 1e6))
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

/// Transactions a second as pgbench tells them.
fn rate(told: &str) -> Option<f64> {
    let failed = told.lines().find_map(|line| line.strip_prefix("number of failed transactions: "));
    if failed.is_some_and(|line| !line.starts_with('0')) {
        return None;
    }
    let line = told.lines().find_map(|line| line.strip_prefix("tps = "))?;
    line.split_whitespace().next()?.parse().ok()
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
    fn a_rate_is_read_unless_something_failed() {
        let told = "number of transactions actually processed: 7\nnumber of failed transactions: 0 (0.000%)\ntps = 123.5 (without initial connection time)\n";
        assert_eq!(rate(told), Some(123.5));
        assert_eq!(rate(&told.replace("transactions: 0", "transactions: 3")), None);
        assert_eq!(rate("no word of it"), None);
    }
}
