//! The file by which a later verification goes on from this one: the checkpoint that was verified, and the replay of all entries under
//! it. `docs/RECORD.md`, "Going on from what was verified", has its form.
//!
//! It is believed: whoever can write it can have the past be anything, so its digest only tells that it is whole. What it says of the
//! tree is not believed, since the record has to lead from there to its own checkpoint.

use super::keys::Chains;
use super::shelf;
use crate::files;
use anyhow::{Context as _, ensure};
use record::audit::log_keys;
use record::hash::{base64, hash_from_base64};
use record::note::Verifier;
use record::{Checkpoint, Hash, Store};
use replay::Replay;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// What the first line begins with; the digest of all lines after it follows.
const HEAD: &str = "countersign/verified/v1 ";
/// What each line of the checkpoint begins with.
const CHECKPOINT: &[u8] = b"checkpoint ";

/// What was taken from a file.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) file: PathBuf,
    /// The checkpoint up to which everything was verified.
    pub(super) head: Checkpoint,
    /// The digest of what was saved.
    pub(super) state: Hash,
}

/// The checkpoint that what is saved belongs to, and the replay as it was there, if more entries followed.
#[derive(Debug)]
pub(super) struct Kept {
    signed: Vec<u8>,
    size: u64,
    replay: Option<Box<Replay>>,
}

impl Kept {
    /// Of the checkpoint that is in `store`; none where there is none.
    ///
    /// Errors: where it cannot be read, or is not the log's.
    pub(super) fn of(store: &impl Store, log: &Verifier) -> anyhow::Result<Option<Self>> {
        let Some(signed) = store.read("checkpoint")? else { return Ok(None) };
        let logs = log_keys(store, log.name())?;
        let (head, _) = Checkpoint::open_by(&signed, &logs)
            .map_err(|error| super::fault("checkpoint", &error.to_string()))?;
        Ok((head.size > 0).then_some(Self { signed, size: head.size, replay: None }))
    }

    /// Keeps the replay, if it has come to the checkpoint and an entry follows.
    pub(super) fn at(&mut self, index: u64, replay: &Replay) {
        if index == self.size {
            self.replay = Some(Box::new(replay.clone()));
        }
    }

    /// Writes the file whole, or not at all; gives the digest of what it holds. `last` is the replay after the last entry.
    ///
    /// Errors: those of the file system.
    pub(super) fn save(self, file: &Path, last: &Replay) -> anyhow::Result<Hash> {
        let replay = self.replay.as_deref().unwrap_or(last);
        let saved = || -> io::Result<Hash> {
            let state = digest(&self.signed, replay)?;
            files::replace_by(file, 0o644, |to| {
                let mut to = BufWriter::new(to);
                writeln!(to, "{HEAD}{}", base64(&state))?;
                write(&self.signed, replay, &mut to)?;
                to.flush()
            })?;
            Ok(state)
        };
        saved().with_context(|| format!("everything holds, but `{}` cannot be written", file.display()))
    }
}

/// Reads a file that an earlier verification of the record of `log` has saved.
///
/// Errors: where it is damaged, was changed, or is of another record; with the place.
pub(super) fn load(file: &Path, log: &Verifier) -> anyhow::Result<(Before, Replay)> {
    let name = file.display();
    let read = || format!("`{name}` cannot be read; without `--from` the whole record is verified");
    let state = check_digest(file).with_context(read)?.with_context(|| {
        format!(
            "`{name}` is not what a verification has saved, or it was damaged or changed since: its first line is not the digest of the others; verify the whole record without `--from`, and save that"
        )
    })?;
    let mut lines = Lines { from: BufReader::new(File::open(file).with_context(read)?), next: None };
    lines.line().with_context(read)?;
    let signed = lines.checkpoint().with_context(read)?;
    let replay = Replay::resume(Some(shelf::new()), &mut || lines.line())
        .with_context(|| format!("`{name}`: after the lines of the checkpoint"))?;
    // By the key that signed then; that the log's first is the one that is trusted is seen at the end.
    let chains = Chains::of(&replay, log);
    let signs = chains.signs(replay.entries()).unwrap_or(log);
    let head = Checkpoint::open(&signed, signs).with_context(|| {
        format!(
            "`{name}`: the checkpoint in it is not of this record; name the file that was saved of `{}`",
            log.name()
        )
    })?;
    // It is written again the same, so nothing in it was read as something else.
    let is_ours = digest(&signed, &replay).with_context(read)? == state;
    ensure!(
        is_ours,
        "`{name}`: it is not in the one form in which a verification saves; verify the whole record without `--from`"
    );
    ensure!(
        (replay.origin(), replay.entries()) == (head.origin.as_str(), head.size),
        "`{name}`: its state is of {} entries of `{}`, and its checkpoint of {} of `{}`",
        replay.entries(),
        replay.origin(),
        head.size,
        head.origin
    );
    Ok((Before { file: file.to_owned(), head, state }, replay))
}

/// Writes all lines after the first.
fn write(signed: &[u8], replay: &Replay, to: &mut dyn Write) -> io::Result<()> {
    for line in signed.strip_suffix(b"\n").unwrap_or(signed).split(|byte| *byte == b'\n') {
        to.write_all(&[CHECKPOINT, line, b"\n"].concat())?;
    }
    replay.save(&mut |line| {
        to.write_all(line)?;
        to.write_all(b"\n")
    })
}

/// The digest of all lines after the first.
fn digest(signed: &[u8], replay: &Replay) -> io::Result<Hash> {
    let mut hasher = Hasher(Sha256::new());
    write(signed, replay, &mut hasher)?;
    Ok(hasher.0.finalize().into())
}

/// What is written to this is hashed.
struct Hasher(Sha256);

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The digest that the first line gives, if it is that of the others.
fn check_digest(file: &Path) -> io::Result<Option<Hash>> {
    let mut from = BufReader::new(File::open(file)?);
    let mut first = Vec::new();
    from.read_until(b'\n', &mut first)?;
    let mut hasher = Hasher(Sha256::new());
    io::copy(&mut from, &mut hasher)?;
    let said = str::from_utf8(&first).ok().and_then(|line| line.strip_suffix('\n')?.strip_prefix(HEAD));
    let said = said.and_then(hash_from_base64);
    Ok(said.filter(|said| *said == Hash::from(hasher.0.finalize())))
}

/// The lines of a file.
struct Lines {
    from: BufReader<File>,
    /// One that was looked at and not taken.
    next: Option<Vec<u8>>,
}

impl Lines {
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        if let Some(line) = self.next.take() {
            return Ok(Some(line));
        }
        let mut line = Vec::new();
        if self.from.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        match line.pop() {
            Some(b'\n') => Ok(Some(line)),
            _ => Err(io::Error::other("its last line has no end")),
        }
    }

    /// The note that the lines of the checkpoint make.
    fn checkpoint(&mut self) -> io::Result<Vec<u8>> {
        let mut signed = Vec::new();
        while let Some(line) = self.line()? {
            let Some(of_note) = line.strip_prefix(CHECKPOINT) else {
                self.next = Some(line);
                break;
            };
            signed.extend_from_slice(of_note);
            signed.push(b'\n');
        }
        Ok(signed)
    }
}

impl Before {
    /// For a person.
    pub(super) fn text(&self) -> String {
        let (size, file, state) = (self.head.size, self.file.display(), base64(&self.state));
        format!("the first {size} were verified before, and are taken as saved in `{file}` (sha256 {state})")
    }
}
