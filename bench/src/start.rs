//! `bench start`: how long the server takes to be ready over a long record, with a snapshot of its state and without one.
//!
//! The record is written by the core in this process, as many calls as are asked for; what is timed is the release binary, from its
//! start to the line that says it is ready.

use crate::clock::now;
use crate::options::{Disk, Rounds};
use crate::process::{Running, Tree};
use crate::progress;
use crate::scene::{ORIGIN, Scene};
use crate::table::Table;
use anyhow::{Context as _, ensure};
use clap::Args;
use std::fs::{DirBuilder, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// How many calls a turn decides while the record is written.
const BATCH: usize = 4096;

/// How the start is measured.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    rounds: Rounds,
    /// How many acts the record has; each is two entries.
    #[arg(long, default_value_t = 1_000_000)]
    acts: usize,
    #[command(flatten)]
    disk: Disk,
}

/// Measures, and gives the report.
///
/// Errors: where the record cannot be written, or the server does not start.
pub(crate) fn run(options: &Options) -> anyhow::Result<String> {
    let place = options.disk.place()?;
    let folder = tempfile::tempdir_in(place)?;
    let dir = folder.path().join("p");
    progress(&format!("writing a record of {} acts", options.acts));
    found(&dir, options.acts)?;
    let mut table = Table::default();
    for round in options.rounds.numbers() {
        options.rounds.progress(round, "starting");
        let snapshots = dir.join("cache/state");
        if snapshots.exists() {
            std::fs::remove_dir_all(&snapshots)?;
        }
        note(&mut table, "without a snapshot", start(&dir)?);
        let kept = std::fs::read_dir(&snapshots).map(Iterator::count).unwrap_or(0);
        ensure!(kept > 0, "the first start left no snapshot in `{}`", snapshots.display());
        note(&mut table, "with a snapshot", start(&dir)?);
    }
    Ok(options.rounds.report(&[(&format!("start after {} acts", options.acts), table)]))
}

/// Seconds until it is ready, and then its memory in MiB.
type Started = (f64, f64);

fn note(table: &mut Table, name: &str, (seconds, pss): Started) {
    table.note("ready after, s", name, seconds);
    table.note("memory (PSS), MiB", name, pss);
}

/// Writes a partnership's folder whose record has so many acts.
fn found(dir: &Path, acts: usize) -> anyhow::Result<()> {
    for name in ["", "keys", "vault", "cache"] {
        DirBuilder::new().mode(0o700).create(dir.join(name))?;
    }
    let mut scene = Scene::found(&dir.join("record"), 1)?;
    scene.live(acts, BATCH)?;
    write(&dir.join("keys/log.key"), &format!("{}\n", scene.log.private_key()))?;
    write(&dir.join("keys/log.vkey"), &format!("{}\n", scene.log.verifier()))?;
    write(&dir.join("countersign.toml"), &format!("origin = \"{ORIGIN}\"\nlisten = \"127.0.0.1:0\"\n"))
}

/// Starts the server, waits until it is ready, and stops it.
fn start(dir: &Path) -> anyhow::Result<Started> {
    let log = File::create(dir.join("log"))?;
    let begun = now();
    let mut command = Command::new(crate::binary()?);
    command.arg("up").arg(dir).arg("--json").stdout(Stdio::piped()).stderr(log);
    let mut running = Running::new(command.spawn().context("the server does not start")?);
    let output = running.child().stdout.take().context("the server has no output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let seconds = begun.elapsed().as_secs_f64();
    let said = || std::fs::read_to_string(dir.join("log")).unwrap_or_default();
    ensure!(line.starts_with("{\"url\""), "the server was not ready; its log: {}", said());
    let pss = Tree(running.id()).pss()?;
    // Asked to stop, so that it keeps what snapshot it has.
    let stopped = Command::new("kill").arg(running.id().to_string()).status()?;
    ensure!(stopped.success(), "the server cannot be asked to stop");
    let status = running.child().wait()?;
    ensure!(status.success(), "the server did not stop in good order; its log: {}", said());
    Ok((seconds, pss))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    Ok(File::create(path)?.write_all(text.as_bytes())?)
}
