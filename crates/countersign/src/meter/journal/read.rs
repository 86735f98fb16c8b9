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
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// The longest line that is read. Units: bytes; the longest that is written has some 2,000.
const LINE_BYTES_MAX: u64 = 16 << 10;

/// One who reads a journal, perhaps on and on while a meter writes it.
#[derive(Debug)]
pub(crate) struct Reader {
    dir: PathBuf,
    key: Verifier,
    /// Its name, by its first line; none where nothing was read yet.
    pub(super) journal: Option<String>,
    /// The tree of the lines that were read.
    pub(super) tree: Frontier,
    /// How long they are together. Units: bytes.
    pub(super) sound_bytes: u64,
}

impl Reader {
    /// One of the journal in `dir`, which the key `verifier` signs.
    pub(crate) fn new(dir: &Path, verifier: &Verifier) -> Self {
        let (dir, key) = (dir.to_owned(), verifier.clone());
        Self { dir, key, journal: None, tree: Frontier::new(), sound_bytes: 0 }
    }

    /// Reads on up to what is signed by now, and hands every line to `visit` with its number. What `visit` was given counts only where
    /// this holds. Gives how many lines are signed.
    ///
    /// Errors: where a signed line is missing or is not as it was signed, or fewer are signed than before.
    pub(crate) fn advance(&mut self, visit: impl FnMut(u64, Line)) -> anyhow::Result<u64> {
        // First, since the lines may grow meanwhile and the head only then.
        let head = head(&self.dir, &self.key)?.with_context(|| {
            format!("`{}` is no journal of a meter: it has no file `{HEAD}`", self.dir.display())
        })?;
        self.read(Some(&head), visit)?;
        Ok(head.size)
    }

    /// Reads on up to `head`, or without one as long as there are whole lines. Gives the length of what follows. Units: bytes.
    fn read(&mut self, head: Option<&Checkpoint>, mut visit: impl FnMut(u64, Line)) -> anyhow::Result<u64> {
        let path = self.dir.join(LINES);
        let place = || format!("`{}`", path.display());
        let mut file = File::open(&path).with_context(|| format!("{} cannot be read", place()))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(self.sound_bytes))?;
        let mut file = BufReader::with_capacity(1 << 18, file);
        let mut text = Vec::new();
        loop {
            let number = self.tree.size();
            if let Some(head) = head.filter(|head| head.size <= number) {
                let holds = head.size == number && head.root == self.tree.root();
                ensure!(holds, "{}: its first {} lines are not those that were signed", place(), head.size);
                return Ok(length.saturating_sub(self.sound_bytes));
            }
            text.clear();
            file.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut text)?;
            let line = text.strip_suffix(b"\n").and_then(|text| Some((text, Line::decode(text)?)));
            let Some((whole, line)) = line else {
                if let Some(signed) = head.map(|head| head.size) {
                    bail!("{}: line {number}, of {signed} that are signed, is missing or damaged", place());
                }
                return Ok(length.saturating_sub(self.sound_bytes));
            };
            if number == 0 {
                self.begin(&line, head).with_context(place)?;
            }
            self.tree.append(leaf_hash(whole));
            let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
            self.sound_bytes = self.sound_bytes.saturating_add(bytes);
            visit(number, line);
        }
    }

    /// Takes the journal's name from its first line.
    fn begin(&mut self, first: &Line, head: Option<&Checkpoint>) -> anyhow::Result<()> {
        let Line::Start { journal, .. } = first else { bail!("it does not begin with the start of a meter") };
        let own = origin(self.key.name(), journal);
        if let Some(head) = head.filter(|head| head.origin != own) {
            bail!("it is of the journal `{own}`, and its `{HEAD}` of `{}`", head.origin);
        }
        self.journal = Some(journal.clone());
        Ok(())
    }
}

/// Reads the journal in `dir`, for the meter that is to write on: up to the last line that is whole. There may be nothing yet, or a first
/// line that a crash has left unsigned, which counts as nothing. Gives also the length of what is to be cut off. Units: bytes.
///
/// Errors: as those of [`Reader::advance`].
pub(super) fn resume(dir: &Path, verifier: &Verifier) -> anyhow::Result<(Reader, u64)> {
    let mut reader = Reader::new(dir, verifier);
    let head = head(dir, verifier)?;
    if head.is_some() {
        reader.read(head.as_ref(), |_, _| {})?;
        let torn_bytes = reader.read(None, |_, _| {})?;
        return Ok((reader, torn_bytes));
    }
    let torn_bytes = reader.read(None, |_, _| {})?;
    ensure!(
        reader.tree.size() <= 1,
        "`{}` has lines and its `{HEAD}` is missing; find that file again, or give the meter a new journal",
        dir.display()
    );
    Ok((Reader::new(dir, verifier), reader.sound_bytes.saturating_add(torn_bytes)))
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
