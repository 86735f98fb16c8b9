//! The entries of a record that was opened: read from the first on, or from any place that is known to belong to the tree.
//!
//! Not what they mean. What is read is checked: each parties' part against its envelope, the envelopes against the tree.

use std::sync::Arc;

use super::load::{LoadError, check_parts};
use super::{Frame, Leaf, Survey};
use crate::bundle;
use crate::hash::{Hash, leaf_hash};
use crate::merkle::{Frontier, Nodes, consistency_proof, verify_consistency};
use crate::store::{Store, StoreError};
use crate::tile::{Kind, TilePath, TileReader, WIDTH};

/// The entries that were on the record when it was opened.
#[derive(Debug)]
pub struct Entries<S: ?Sized> {
    store: Arc<S>,
    origin: String,
    /// The tree of the entries that are read from bundles; the others are read from the journal.
    start: Frontier,
    survey: Survey,
}

/// The first so many entries of a record, which are those of its tree: a place to go on reading from.
#[derive(Debug, Clone)]
pub struct Prefix {
    frontier: Frontier,
    last: Leaf,
}

impl Prefix {
    /// How many entries there are. Shape: at least one.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root of the tree of these entries.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// The last of them.
    pub fn last(&self) -> &Leaf {
        &self.last
    }
}

impl<S: Store + ?Sized> Entries<S> {
    pub(super) fn new(store: Arc<S>, origin: &str, start: Frontier, survey: Survey) -> Self {
        Self { store, origin: origin.to_owned(), start, survey }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.survey.size
    }

    /// Hands every entry to `each` as (index, envelope, parties' part), from index 0 on, one bundle in memory at
    /// a time. Each parties' part is checked against its envelope, and the envelopes against the tree, which is
    /// known to be whole only when this returns `Ok`.
    ///
    /// # Errors
    /// [`LoadError::Entry`] with what `each` said; [`LoadError::Damaged`]; [`LoadError::Store`].
    pub fn for_each_entry(
        &self,
        each: impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
    ) -> Result<(), LoadError> {
        self.go_on(Frontier::new(), each)
    }

    /// As [`Entries::for_each_entry`], from the first entry after `prefix` on. Nothing before it is read.
    ///
    /// # Errors
    /// Those of [`Entries::for_each_entry`].
    pub fn for_each_entry_after(
        &self,
        prefix: &Prefix,
        each: impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
    ) -> Result<(), LoadError> {
        self.go_on(prefix.frontier.clone(), each)
    }

    /// The first `size` entries; `None` where there are not so many, or for none.
    ///
    /// That they are those of the tree is proved from its tiles: this reads a bundle and a few tiles for each level, however long the
    /// record is, or the journal.
    ///
    /// # Errors
    /// [`LoadError::Damaged`] where tiles and bundle do not fit the tree; [`LoadError::Store`].
    pub fn prefix(&self, size: u64) -> Result<Option<Prefix>, LoadError> {
        let Some(last) = size.checked_sub(1).filter(|_| size <= self.count()) else { return Ok(None) };
        let prefix = if size <= self.start.size() { self.published(last)? } else { self.journalled(last)? };
        check_parts(&prefix.last.envelope, &prefix.last.parties)
            .map_err(|what| LoadError::Entry { index: last, what })?;
        Ok(Some(prefix))
    }

    /// The entries up to `last`, which is in a full bundle.
    fn published(&self, last: u64) -> Result<Prefix, LoadError> {
        let (number, place) = (last / WIDTH, last % WIDTH);
        let (size, whole) = (last.saturating_add(1), &self.start);
        let mut tiles = TileReader::new(&*self.store, whole.size());
        let mut frontier = frontier(number.saturating_mul(WIDTH), &mut tiles)?;
        let mut found = None;
        self.bundle(number, |at, envelope, parties| {
            if at <= place {
                frontier.append(leaf_hash(envelope));
                found = Some(Leaf { envelope: envelope.to_vec(), parties: parties.to_vec() });
            }
            Ok(())
        })?;
        let path = consistency_proof(size, whole.size(), &mut tiles)?.unwrap_or_default();
        match found {
            Some(last) if verify_consistency(size, &frontier.root(), whole.size(), &whole.root(), &path) => {
                Ok(Prefix { frontier, last })
            }
            _ => Err(not_of_the_tree(size)),
        }
    }

    /// The entries up to `last`, which is in the journal.
    fn journalled(&self, last: u64) -> Result<Prefix, LoadError> {
        let (mut frontier, mut found) = (self.start.clone(), None);
        self.survey.walk::<_, LoadError>(&*self.store, &self.origin, |frame, _| {
            if let Frame::Entry { index, envelope, parties } = frame
                && index == frontier.size()
                && index <= last
            {
                frontier.append(leaf_hash(envelope));
                found = Some(Leaf { envelope: envelope.to_vec(), parties: parties.to_vec() });
            }
            Ok(())
        })?;
        found
            .filter(|_| frontier.size() == last.saturating_add(1))
            .map(|last| Prefix { frontier, last })
            .ok_or_else(|| not_of_the_tree(last.saturating_add(1)))
    }

    fn go_on(
        &self,
        mut frontier: Frontier,
        mut each: impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
    ) -> Result<(), LoadError> {
        let mut hand = |index: u64, envelope: &[u8], parties: &[u8]| {
            check_parts(envelope, parties)
                .and_then(|()| each(index, envelope, parties))
                .map_err(|what| LoadError::Entry { index, what })
        };
        let (from, start) = (frontier.size(), self.start.size());
        for number in from / WIDTH..start / WIDTH {
            self.bundle(number, |place, envelope, parties| {
                let index = number.saturating_mul(WIDTH).saturating_add(place);
                if index < from {
                    return Ok(());
                }
                frontier.append(leaf_hash(envelope));
                hand(index, envelope, parties)
            })?;
        }
        if from < start && frontier.root() != self.start.root() {
            return Err(not_of_the_tree(start));
        }
        let from = from.max(start);
        self.survey.walk(&*self.store, &self.origin, |frame, _| match frame {
            Frame::Entry { index, envelope, parties } if index >= from => hand(index, envelope, parties),
            _ => Ok(()),
        })
    }

    /// Hands each entry of a full bundle to `each`, with its place in it.
    fn bundle(
        &self,
        number: u64,
        mut each: impl FnMut(u64, &[u8], &[u8]) -> Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        let damaged = |path: &str, error: bundle::BundleError| LoadError::Damaged {
            place: path.to_owned(),
            what: error.to_string(),
        };
        let read = |kind| {
            let path = TilePath { kind, number, width: 256 }.path();
            let bytes = self.store.read(&path)?.ok_or_else(|| StoreError::Missing { path: path.clone() })?;
            let bytes = bundle::from_file(kind, bytes).map_err(|error| damaged(&path, error))?;
            Ok::<_, LoadError>((path, bytes))
        };
        let ((entries_path, entries), (parties_path, parties)) = (read(Kind::Entries)?, read(Kind::Parties)?);
        let split = |path, bytes| bundle::decode(bytes, 256).map_err(|error| damaged(path, error));
        let (entries, parties) = (split(&entries_path, &entries)?, split(&parties_path, &parties)?);
        let mut leaves = (0..).zip(entries.iter().zip(&parties));
        leaves.try_for_each(|(place, (envelope, parties))| each(place, envelope, parties))
    }
}

/// The frontier of the first `size` leaves of a larger tree.
fn frontier<N: Nodes<Error = StoreError>>(size: u64, nodes: &mut N) -> Result<Frontier, LoadError> {
    let (mut roots, mut first) = (Vec::new(), 0_u64);
    while first < size {
        let level = size.saturating_sub(first).ilog2();
        roots.push(nodes.node(level, first >> level)?);
        first = first.saturating_add(1 << level);
    }
    Frontier::from_nodes(size, roots).ok_or_else(|| not_of_the_tree(size))
}

fn not_of_the_tree(size: u64) -> LoadError {
    let what = format!("the first {size} envelopes are not those of the tree");
    LoadError::Damaged { place: "tile/entries".into(), what }
}
