//! `countersign backup DEST`: a copy of a partnership's folder as it stands at one moment, taken while a server writes to it, and verified.
//!
//! A copy made file by file does not do: a checkpoint would be copied with tiles of another moment. Here one consistent view is copied
//! ([`Frozen`]); what is in the copy already and never changes is not copied again. To restore, run `countersign up` on the copy.

use super::said::Said;
use super::verify::{self, Depth};
use crate::{files, office};
use anyhow::{Context as _, ensure};
use clap::Args;
use record::audit::{VKEYS, log_keys};
use record::handover::HANDOVER;
use record::note::Verifier;
use record::store::directory::Directory;
use record::store::frozen::Frozen;
use record::{AddCheckpoint, Checkpoint, Store, StoreError, merkle};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The files beside the record that a partnership is started with.
const BESIDE: [&str; 3] = ["memorandum.md", "memorandum.sigs", "countersign.toml"];

/// Copies a partnership.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The folder of the copy; one from before is brought up to date.
    dest: PathBuf,
    /// The partnership's folder.
    #[arg(long, default_value = "partnership")]
    dir: PathBuf,
    /// Copy the private keys too: with them the copy can be started, and whoever has it can sign.
    #[arg(long)]
    with_keys: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Copies, verifies the copy, and says what it holds.
pub(crate) fn run(asked: &Backup) -> anyhow::Result<Said> {
    let source = Directory::new(verify::record_of(&asked.dir)?);
    let log = verify::Trusted::of(&source, None)?.log;
    let root = asked.dest.join("record");
    std::fs::create_dir_all(&root).with_context(|| format!("`{}` cannot be made", root.display()))?;
    ensure!(
        std::fs::canonicalize(&root)? != std::fs::canonicalize(source.root())?,
        "`{}` is the partnership itself; name another folder for its copy",
        asked.dest.display()
    );
    let _lock = office::lock(&asked.dest)?;
    let copy = Directory::new(&root);
    if let Some(vkeys) = copy.read(VKEYS)? {
        ensure!(
            String::from_utf8_lossy(&vkeys).lines().next() == Some(&log.vkey()),
            "`{}` is a copy of another record; name another folder",
            asked.dest.display()
        );
    }
    let frozen = Frozen::take(&source, log.name(), verify::pause)?;
    goes_on(&frozen, &copy, &log).with_context(|| format!("`{}` was left as it is", asked.dest.display()))?;
    let copied = record_files(&frozen, &copy).context("the record cannot be copied")?;
    for name in BESIDE {
        beside(&asked.dir, &asked.dest, Path::new(name), 0o644)?;
    }
    folder(&asked.dir, &asked.dest, Path::new("vault"))?;
    contents(&asked.dir.join(CONTENT), &asked.dest.join(CONTENT)).context("what is kept cannot be copied")?;
    if asked.with_keys {
        folder(&asked.dir, &asked.dest, Path::new("keys"))?;
    }
    let verified = verify::verify(&asked.dest, None, Depth::Entries).context("the copy does not hold")?;
    let entries = verified.size();
    let dest = asked.dest.display();
    Ok(Said::Done(if asked.json {
        json!({ "dest": asked.dest, "entries": entries, "copied": copied, "keys": asked.with_keys })
            .to_string()
    } else {
        let keys = if asked.with_keys { "with" } else { "without" };
        format!("`{dest}` holds {entries} entries, verified, {keys} private keys; {copied} files were copied")
    }))
}

/// Copies the files of a view, and removes from the copy what is not in it. Keys and checkpoints come last. Gives how many were copied.
fn record_files(view: &impl Store, copy: &Directory) -> Result<u64, StoreError> {
    let paths: Vec<String> = view.list("")?.into_iter().filter(|path| !path.starts_with("tmp/")).collect();
    let there: BTreeSet<String> = copy.list("")?.into_iter().collect();
    let numbers = view.segments()?;
    let is_last = |path: &&String| [VKEYS, HANDOVER, "checkpoint", "cosigned"].contains(&path.as_str());
    let mut copied = 0_u64;
    for path in paths.iter().filter(|path| !is_last(path) && !path.starts_with("journal/")) {
        // A partial tile goes when it is full or a newer one is there; any other file is the same for ever.
        if there.contains(path) {
            continue;
        }
        let bytes = view.read(path)?.ok_or_else(|| StoreError::Missing { path: path.clone() })?;
        copy.create(path, &bytes)?;
        copied = copied.saturating_add(1);
    }
    for number in &numbers {
        segment(view, copy, *number)?;
        copied = copied.saturating_add(1);
    }
    for path in paths.iter().filter(is_last) {
        let bytes = view.read(path)?.ok_or_else(|| StoreError::Missing { path: path.clone() })?;
        copy.replace(path, &bytes)?;
        copied = copied.saturating_add(1);
    }
    let wanted: BTreeSet<&String> = paths.iter().collect();
    for number in copy.segments()? {
        if !numbers.contains(&number) {
            copy.segment_remove(number)?;
        }
    }
    there
        .iter()
        .filter(|path| !path.starts_with("journal/") && !wanted.contains(path))
        .try_for_each(|path| copy.remove(path))?;
    Ok(copied)
}

/// Whether the record goes on from what the copy holds: one that was set back must not take the place of a newer copy.
fn goes_on(view: &impl Store, copy: &Directory, log: &Verifier) -> anyhow::Result<()> {
    let logs = log_keys(view, log.name())?;
    let logs: Vec<&Verifier> = logs.iter().collect();
    let head =
        |signed: Option<Vec<u8>>| signed.map(|signed| Checkpoint::open_any(&signed, &logs)).transpose();
    let Some(held) = head(copy.read(CHECKPOINT)?)? else { return Ok(()) };
    let now = head(view.read(CHECKPOINT)?)?.context("the record has no checkpoint, and the copy has one")?;
    let proof = AddCheckpoint::of(view, &[], now.size, held.size)?.map(|request| request.proof);
    let goes_on = proof
        .is_some_and(|proof| merkle::verify_consistency(held.size, &held.root, now.size, &now.root, &proof));
    ensure!(
        goes_on,
        "it holds {} entries from which the record, of {}, does not go on; keep it, and find out which of the two is right",
        held.size,
        now.size
    );
    Ok(())
}

/// Copies a segment of the journal in the place of the one that is there, at once.
fn segment(view: &impl Store, copy: &Directory, number: u32) -> Result<(), StoreError> {
    let path = format!("journal/{number:08}");
    let bytes = view.segment_read(number)?.ok_or_else(|| StoreError::Missing { path: path.clone() })?;
    copy.replace(&path, &bytes)
}

const CHECKPOINT: &str = "checkpoint";

/// Copies every file below a folder; keys and what they wrap are for their owner alone.
fn folder(from: &Path, to: &Path, below: &Path) -> anyhow::Result<()> {
    let names = match std::fs::read_dir(from.join(below)) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("`{}` cannot be read", below.display())),
    };
    let target = to.join(below);
    if !target.is_dir() {
        files::new_directory(&target, 0o700)
            .with_context(|| format!("`{}` cannot be made", target.display()))?;
    }
    let mut kept = BTreeSet::new();
    for entry in names {
        let entry = entry?;
        let path = below.join(entry.file_name());
        kept.insert(entry.file_name());
        match entry.file_type()?.is_dir() {
            true if path == Path::new(CONTENT) => {}
            true => folder(from, to, &path)?,
            false => beside(from, to, &path, 0o600)?,
        }
    }
    // What was erased must not live on in the copy.
    for entry in std::fs::read_dir(&target)? {
        let entry = entry?;
        if !kept.contains(&entry.file_name()) && !entry.file_type()?.is_dir() {
            files::remove(&entry.path())?;
        }
    }
    Ok(())
}

/// The folder of what is kept of calls.
const CONTENT: &str = "vault/content";

/// Copies what is kept of calls: a folder for each content key, whose files never change. What was erased goes from the copy too.
fn contents(from: &Path, to: &Path) -> std::io::Result<()> {
    let (source, copied) = (listed(from)?, listed(to)?);
    for name in copied.difference(&source) {
        std::fs::remove_dir_all(to.join(name))?;
    }
    for name in source.iter().filter(|name| *name != STAGED) {
        let (from, to) = (from.join(name), to.join(name));
        std::fs::create_dir_all(&to)?;
        let (blobs, there) = (listed(&from)?, listed(&to)?);
        there.difference(&blobs).try_for_each(|blob| files::remove(&to.join(blob)))?;
        for blob in blobs.difference(&there) {
            let copied = files::replace_by(&to.join(blob), 0o600, |file| {
                std::io::copy(&mut std::fs::File::open(from.join(blob))?, file).map(drop)
            });
            match copied {
                // It was erased meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                copied => copied?,
            }
        }
    }
    Ok(())
}

/// What is not whole yet is no part of a copy.
const STAGED: &str = "staged";

fn listed(folder: &Path) -> std::io::Result<BTreeSet<std::ffi::OsString>> {
    match std::fs::read_dir(folder) {
        Ok(names) => names.map(|name| name.map(|name| name.file_name())).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

/// Copies one file, if it is there.
fn beside(from: &Path, to: &Path, name: &Path, mode: u32) -> anyhow::Result<()> {
    let (source, target) = (from.join(name), to.join(name));
    match std::fs::read(&source) {
        Ok(bytes) => files::replace(&target, &bytes, mode)
            .with_context(|| format!("`{}` cannot be written", target.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", source.display())),
    }
}
