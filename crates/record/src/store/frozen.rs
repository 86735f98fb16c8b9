//! A view of a record that stands still while a server writes on: what an audit of a live folder reads.
//!
//! Not a lock, which would stop the server, and not a copy: files that never change are read where they lie. What
//! the writer replaces, removes or writes over is held in memory: the checkpoints, partial tiles and bundles, and
//! the journal.
//!
//! One look reads in the writer's order turned round, so that whatever is seen is borne out by what is read later:
//!
//! 1. the checkpoint that others have cosigned, which never goes beyond the newest; the newest, then the public keys, which are there before a checkpoint that one of them signed, then its partial tiles and bundles, before a newer one has them removed;
//! 2. the names of all files, and the other partial ones as far as they are still there. The full tiles of the
//!    checkpoint were durable before it, so they are named;
//! 3. the journal. Entries are durable there before a file is made of them, so it reaches all that was named, and
//!    no name needs to be left out as too new. The newest segment is read first, so that none is older than the
//!    one after it and none that is retired meanwhile leaves a gap;
//! 4. the names of memoranda once more, since one is kept before the entry that needs it is written.
//!
//! A look can still meet the writer at work: in the middle of a write, or because a newer checkpoint took files
//! away that the older one needs. That is a doubt, and one looks again after a pause. A doubt that stays the same
//! byte for byte is no writer's doing: such a view is given as it is, and the audit reports what is wrong. So of
//! a folder that nobody writes to, the view is the folder; nothing is left out.
//!
//! Names under `tmp/` are those that were there throughout the look. In a folder at rest these are all, each left
//! by a cut write. Under a writer most are gone by then; one that is not may also be a file still being written.

use std::collections::{BTreeMap, BTreeSet};

use super::{Store, StoreError, check_path, segment_number, segment_path};
use crate::audit::{COSIGNED, Fault, VKEYS, check_journal};
use crate::checkpoint::Checkpoint;
use crate::handover::HANDOVER;
use crate::log::{CHECKPOINT, Survey};
use crate::note;
use crate::tile::{FullTiles, TilePath, WIDTH, partials};

/// One consistent state of the record in another store, to read only: each write gives [`StoreError::ReadOnly`].
///
/// Memory: the journal without its empty ends, the partial tiles and bundles, and the names of other files; full tiles are kept by rows.
#[derive(Debug)]
pub struct Frozen<'a, S: ?Sized> {
    store: &'a S,
    /// All files but the segments; those that may change or go have their bytes here.
    files: BTreeMap<String, Option<Vec<u8>>>,
    /// The full tiles and bundles, which never change.
    full: FullTiles,
    segments: BTreeMap<u32, Segment>,
}

/// A segment as it was read.
#[derive(Debug)]
struct Segment {
    /// Its bytes up to the last that is not zero.
    used: Vec<u8>,
    /// How many it has with the zeroes that follow.
    size: usize,
}

/// What speaks against a look.
#[derive(Debug, PartialEq, Eq)]
struct Doubt {
    fault: Fault,
    /// What the writer changes as it goes on, so that only a record at rest gives the same doubt twice.
    seen: Vec<u8>,
}

impl<'a, S: Store + ?Sized> Frozen<'a, S> {
    /// Takes a view of the record `origin` in `store`, which another process may be writing to.
    ///
    /// `wait` is called before each further look: seldom for a sound record, mostly once for a damaged one, and 99
    /// times at most. It should sleep for longer than it takes to make a segment or to write and sync (half a
    /// second is well), since a doubt that outlasts it is taken for damage.
    ///
    /// # Errors
    /// Those of reading `store`. Damage is no error here; an audit of the view finds it.
    pub fn take(store: &'a S, origin: &str, mut wait: impl FnMut()) -> Result<Self, StoreError> {
        let mut before = None;
        for _ in 1..LOOKS_MAX {
            let view = Self::look(store)?;
            let doubt = view.doubt(origin);
            if doubt.is_none() || doubt == before {
                return Ok(view);
            }
            before = doubt;
            wait();
        }
        Self::look(store)
    }

    /// Reads everything once. The order matters; the module's text has the reasons.
    fn look(store: &'a S) -> Result<Self, StoreError> {
        let (files, full, segments) = (BTreeMap::new(), FullTiles::default(), BTreeMap::new());
        let mut view = Self { store, files, full, segments };
        view.keep(COSIGNED)?;
        view.keep(CHECKPOINT)?;
        view.keep(VKEYS)?;
        view.keep(HANDOVER)?;
        for tile in partials(view.published()) {
            view.keep(&tile.path())?;
        }
        let mut named = Ok(());
        store.each_path("", &mut |path| {
            if named.is_ok() {
                named = view.name(path);
            }
        })?;
        named?;
        for number in store.segments()?.into_iter().rev() {
            view.keep_segment(number)?;
        }
        view.files.extend(store.list("memorandum")?.into_iter().map(|path| (path, None)));
        let staged: BTreeSet<String> = store.list("tmp")?.into_iter().collect();
        view.files.retain(|path, _| !path.starts_with("tmp/") || staged.contains(path));
        Ok(view)
    }

    /// Takes the file's bytes into memory if it is there.
    fn keep(&mut self, path: &str) -> Result<(), StoreError> {
        if let Some(bytes) = self.store.read(path)? {
            self.files.insert(path.to_owned(), Some(bytes));
        }
        Ok(())
    }

    /// Takes a listed name, and with a partial tile or bundle its bytes.
    fn name(&mut self, path: String) -> Result<(), StoreError> {
        if [CHECKPOINT, COSIGNED, HANDOVER, VKEYS].contains(&path.as_str())
            || segment_number(&path).is_some()
            || self.files.contains_key(&path)
        {
            return Ok(());
        }
        match TilePath::parse(&path) {
            Some(tile) if u64::from(tile.width) < WIDTH => return self.keep(&path),
            Some(tile) => self.full.insert(tile.kind, tile.number),
            None => drop(self.files.insert(path, None)),
        }
        Ok(())
    }

    fn keep_segment(&mut self, number: u32) -> Result<(), StoreError> {
        if let Some(bytes) = self.store.segment_read(number)? {
            self.segments.insert(number, Segment::new(bytes));
        }
        Ok(())
    }

    fn is_full_tile(&self, path: &str) -> bool {
        let tile = TilePath::parse(path).filter(|tile| u64::from(tile.width) == WIDTH);
        tile.is_some_and(|tile| self.full.contains(tile.kind, tile.number))
    }

    /// The size that the checkpoint states, signed or not; that is for the audit to check.
    pub fn published(&self) -> u64 {
        let signed = self.checkpoint().and_then(|signed| note::split(signed).ok());
        signed.and_then(|(text, _)| Checkpoint::parse(text).ok()).map_or(0, |head| head.size)
    }

    fn checkpoint(&self) -> Option<&Vec<u8>> {
        self.files.get(CHECKPOINT)?.as_ref()
    }

    fn doubt(&self, origin: &str) -> Option<Doubt> {
        let survey = match Survey::take::<_, Fault>(self, origin) {
            Ok(survey) => survey,
            Err(fault) => return Some(Doubt { fault, seen: Vec::new() }),
        };
        let journal = check_journal(&survey, self.published()).err();
        let fault = journal.or_else(|| self.missing())?;
        let torn = survey.torn.map(|tear| tear.bytes);
        let seen = torn.or_else(|| self.checkpoint().cloned()).unwrap_or_default();
        Some(Doubt { fault, seen })
    }

    /// The first partial tile or bundle of the checkpoint that is not there.
    fn missing(&self) -> Option<Fault> {
        let mut edge = partials(self.published()).into_iter().map(|tile| tile.path());
        let place = edge.find(|path| !self.files.contains_key(path))?;
        Some(Fault { place, what: "it is missing".into() })
    }
}

impl Segment {
    fn new(mut bytes: Vec<u8>) -> Self {
        let size = bytes.len();
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
        bytes.truncate(used);
        bytes.shrink_to_fit();
        Self { used: bytes, size }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.size);
        bytes.extend_from_slice(&self.used);
        bytes.resize(self.size, 0);
        bytes
    }
}

impl<S: Store + ?Sized> Store for Frozen<'_, S> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        check_path(path)?;
        if let Some(number) = segment_number(path) {
            return self.segment_read(number);
        }
        match self.files.get(path) {
            Some(Some(bytes)) => Ok(Some(bytes.clone())),
            Some(None) => self.store.read(path),
            None if self.is_full_tile(path) => self.store.read(path),
            None => Ok(None),
        }
    }

    fn create(&self, path: &str, _: &[u8]) -> Result<(), StoreError> {
        read_only(path.to_owned())
    }

    fn replace(&self, path: &str, _: &[u8]) -> Result<(), StoreError> {
        read_only(path.to_owned())
    }

    fn make_durable(&self, path: &str) -> Result<(), StoreError> {
        read_only(path.to_owned())
    }

    fn remove(&self, path: &str) -> Result<(), StoreError> {
        read_only(path.to_owned())
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        if !directory.is_empty() {
            check_path(directory)?;
        }
        let below = |path: &String| {
            let rest = path.strip_prefix(directory);
            directory.is_empty() || rest.is_some_and(|rest| rest.starts_with('/'))
        };
        let segments = self.segments.keys().map(|number| segment_path(*number));
        let full = self.full.iter().map(|tile| tile.path());
        let mut paths: Vec<String> =
            self.files.keys().cloned().chain(full).chain(segments).filter(below).collect();
        paths.sort_unstable();
        Ok(paths)
    }

    fn each_path(&self, directory: &str, each: &mut dyn FnMut(String)) -> Result<(), StoreError> {
        if !directory.is_empty() {
            return self.list(directory).map(|paths| paths.into_iter().for_each(each));
        }
        self.files.keys().cloned().for_each(&mut *each);
        self.full.iter().map(|tile| tile.path()).for_each(&mut *each);
        self.segments.keys().map(|number| segment_path(*number)).for_each(each);
        Ok(())
    }

    fn segment_create(&self, number: u32, _: u32) -> Result<(), StoreError> {
        read_only(segment_path(number))
    }

    fn segment_write(&self, number: u32, _: u32, _: &[u8]) -> Result<(), StoreError> {
        read_only(segment_path(number))
    }

    fn segment_sync(&self, number: u32) -> Result<(), StoreError> {
        read_only(segment_path(number))
    }

    fn segment_read(&self, number: u32) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.segments.get(&number).map(Segment::bytes))
    }

    fn segment_remove(&self, number: u32) -> Result<(), StoreError> {
        read_only(segment_path(number))
    }

    fn segments(&self) -> Result<Vec<u32>, StoreError> {
        Ok(self.segments.keys().copied().collect())
    }
}

fn read_only(path: String) -> Result<(), StoreError> {
    Err(StoreError::ReadOnly { path })
}

/// How often one looks at most.
const LOOKS_MAX: u32 = 100;
