//! A journal as it lies on disk: read from its start, and held against what its party has signed.
//!
//! Not a change of anything: what a crash has torn is only measured here.

use super::{HEAD, LINES, origin};
use crate::meter::line::Line;
use anyhow::{Context as _, bail, ensure};
use record::Checkpoint;
use record::hash::leaf_hash;
use record::merkle::Frontier;
use record::note::{self, Verifier};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

/// The longest line that is read. Units: bytes; the longest that is written has some 2,000.
const LINE_BYTES_MAX: u64 = 16 << 10;

/// What a journal holds.
#[derive(Debug)]
pub(crate) struct Survey {
    /// Its name, by its first line; none where it has no lines yet.
    pub(crate) journal: Option<String>,
    /// How many lines are signed.
    pub(crate) signed: u64,
    /// The tree of all lines that are whole.
    pub(super) tree: Frontier,
    /// How long they are together. Units: bytes.
    pub(super) sound_bytes: u64,
    /// What follows them. Units: bytes.
    pub(super) torn_bytes: u64,
}

/// Reads the journal in `dir`, which the key `verifier` has signed, and hands every signed line to `visit` with its number. A meter may write
/// on meanwhile. What `visit` was given counts only where all holds.
///
/// Errors: where a signed line is missing or is not as it was signed.
pub(crate) fn survey(
    dir: &Path,
    verifier: &Verifier,
    mut visit: impl FnMut(u64, Line),
) -> anyhow::Result<Survey> {
    // First, since the lines may grow meanwhile and the head only then.
    let head = head(dir, verifier)?
        .with_context(|| format!("`{}` is no journal of a meter: it has no file `{HEAD}`", dir.display()))?;
    check(dir, verifier.name(), Some(&head), &mut visit)
}

/// The same for the meter that is to write on. There may be nothing yet, or a first line that a crash has left unsigned.
pub(super) fn resume(dir: &Path, verifier: &Verifier) -> anyhow::Result<Survey> {
    let head = head(dir, verifier)?;
    let found = check(dir, verifier.name(), head.as_ref(), &mut |_, _| {})?;
    if head.is_some() {
        return Ok(found);
    }
    ensure!(
        found.tree.size() <= 1,
        "`{}` has lines and its `{HEAD}` is missing; find that file again, or give the meter a new journal",
        dir.display()
    );
    let torn_bytes = found.sound_bytes.saturating_add(found.torn_bytes);
    Ok(Survey { journal: None, tree: Frontier::new(), sound_bytes: 0, torn_bytes, ..found })
}

/// The signed root, by its own word as yet; none where there is none.
fn head(dir: &Path, verifier: &Verifier) -> anyhow::Result<Option<Checkpoint>> {
    let path = dir.join(HEAD);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
    };
    let opened = note::open(&bytes, &[verifier])
        .with_context(|| format!("`{}` is not signed by `{}`", path.display(), verifier.name()))?;
    let head = Checkpoint::parse(&opened.text)
        .with_context(|| format!("`{}` is not the head of a journal", path.display()))?;
    Ok(Some(head))
}

/// Reads all lines and holds them against `head`.
fn check(
    dir: &Path,
    key: &str,
    head: Option<&Checkpoint>,
    visit: &mut impl FnMut(u64, Line),
) -> anyhow::Result<Survey> {
    let path = dir.join(LINES);
    let place = || format!("`{}`", path.display());
    let file = File::open(&path).with_context(|| format!("{} cannot be read", place()))?;
    let length = file.metadata()?.len();
    let mut file = BufReader::with_capacity(1 << 20, file);
    let signed = head.map_or(0, |head| head.size);
    let mut found = Survey { journal: None, signed, tree: Frontier::new(), sound_bytes: 0, torn_bytes: 0 };
    let mut text = Vec::new();
    loop {
        let number = found.tree.size();
        if let Some(head) = head.filter(|head| head.size == number) {
            ensure!(
                head.root == found.tree.root(),
                "{}: its first {number} lines are not those that were signed",
                place()
            );
        }
        text.clear();
        file.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut text)?;
        let line = text.strip_suffix(b"\n").and_then(|text| Some((text, Line::decode(text)?)));
        let Some((whole, line)) = line else {
            if number < signed {
                bail!("{}: line {number}, of {signed} that are signed, is missing or damaged", place());
            }
            found.torn_bytes = length.saturating_sub(found.sound_bytes);
            return Ok(found);
        };
        match (&line, number) {
            (Line::Start { journal, .. }, 0) => {
                let own = origin(key, journal);
                if let Some(head) = head.filter(|head| head.origin != own) {
                    bail!("{}: it is of the journal `{own}`, and its `{HEAD}` of `{}`", place(), head.origin);
                }
                found.journal = Some(journal.clone());
            }
            (_, 0) => bail!("{}: it does not begin with the start of a meter", place()),
            _ => {}
        }
        found.tree.append(leaf_hash(whole));
        found.sound_bytes = found.sound_bytes.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        if number < signed {
            visit(number, line);
        }
    }
}
