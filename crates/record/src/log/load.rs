//! Opens a record after a stop of any kind. Whatever it finds is checked before anything is changed.

use std::sync::Arc;

use super::journal::{Journal, SEGMENT_BYTES_MIN};
use super::publisher::{CHECKPOINT, Publisher, full_bundles};
use super::survey::{Damaged, Survey};
use super::{Entries, Frame, Log};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::commitment::Fields;
use crate::envelope::Envelope;
use crate::hash::{hex, leaf_hash};
use crate::merkle::Frontier;
use crate::note::Verifier;
use crate::store::{Store, StoreError};
use crate::tile::{Edge, LEVELS, TilePath, WIDTH, items, kinds, partials};

/// A record that was opened: its three owners, and its entries to fold.
#[derive(Debug)]
pub struct Loaded<S: ?Sized> {
    /// For the thread that decides.
    pub log: Log,
    /// For the thread that syncs.
    pub journal: Journal<S>,
    /// For the thread that publishes.
    pub publisher: Publisher<S>,
    /// What is on the record; read it before the journal is used.
    pub entries: Entries<S>,
    /// What a power cut left of a write that nobody was told of; it is zeroed by now. Worth a line in the log.
    pub torn: Option<Torn>,
}

/// The remains of a torn write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The segment it begins in.
    pub segment: u32,
    /// The offset it begins at.
    pub offset: u32,
    /// Its bytes, up to the last that was not zero; those of later segments follow on those of the first.
    pub bytes: Vec<u8>,
}

/// Why a record was not opened. Nothing was changed, except where a store failed while a torn tail was mended.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Something is broken that no crash breaks.
    #[error("{place}: {what}; run an audit and restore the file from a mirror")]
    Damaged {
        /// The file, and the offset where one is known.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// The journal ends before the checkpoint: entries are lost that were shown to others.
    #[error(
        "the journal ends at size {recovered}, before the checkpoint at size {checkpoint}; restore it from a mirror"
    )]
    Behind {
        /// The size the journal gives.
        recovered: u64,
        /// The size the checkpoint promises.
        checkpoint: u64,
    },
    /// The checkpoint is not one of this log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key is not that of the origin.
    #[error("the key is named `{key}`, not `{origin}`; pass the log's own vkey")]
    Key {
        /// The key's name.
        key: String,
        /// The record's origin.
        origin: String,
    },
    /// A segment of this size cannot hold every entry.
    #[error("a journal segment needs at least 131072 bytes, not {0}")]
    SegmentBytes(u32),
    /// The reader refused an entry.
    #[error("entry {index}: {what}")]
    Entry {
        /// Its index.
        index: u64,
        /// What the reader said.
        what: String,
    },
}

impl From<Damaged> for LoadError {
    fn from(Damaged { place, what }: Damaged) -> Self {
        Self::Damaged { place, what }
    }
}

/// Opens the record `origin` in `store`, or begins it if the store is empty.
///
/// A torn tail is zeroed and synced before anything is accepted, and given back. `segment_bytes` is the size of
/// journal segments made from now on. What was published is believed here as far as the checkpoint's root reaches
/// and checked as it is read ([`Entries::for_each_entry`]); [`crate::audit()`] checks it all.
///
/// # Errors
/// [`LoadError`]: damage, a journal that ends before the checkpoint, another log's checkpoint, a failing store.
pub fn load<S: Store + ?Sized>(
    store: Arc<S>,
    origin: &str,
    segment_bytes: u32,
    verifier: &Verifier,
) -> Result<Loaded<S>, LoadError> {
    check_arguments(origin, segment_bytes, verifier)?;
    let head = read_head(&*store, verifier)?;
    let survey = Survey::take::<_, LoadError>(&*store, origin)?;
    check_reach(&*store, &survey, head.as_ref().map_or(0, |head| head.size))?;
    let Replayed { start, end, publisher } = replay(&store, origin, &survey, head.as_ref())?;
    mend(&*store, &survey, segment_bytes, publisher.published())?;
    let journal = Journal::new(Arc::clone(&store), origin, segment_bytes, &survey);
    let torn = survey.torn.clone().map(|tear| Torn {
        segment: tear.segment,
        offset: tear.offset,
        bytes: tear.bytes,
    });
    let entries = Entries::new(store, origin, start, survey);
    Ok(Loaded { log: Log::new(end), journal, publisher, entries, torn })
}

impl<S: Store + ?Sized> Loaded<S> {
    /// As [`Entries::for_each_entry`].
    ///
    /// # Errors
    /// Those of [`Entries::for_each_entry`].
    pub fn for_each_entry(
        &self,
        each: impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
    ) -> Result<(), LoadError> {
        self.entries.for_each_entry(each)
    }
}

/// Checks that a parties' part is the one its envelope commits to.
pub(crate) fn check_parts(envelope: &[u8], parties: &[u8]) -> Result<(), String> {
    let envelope = Envelope::parse(envelope).map_err(|error| error.to_string())?;
    let body = Fields::parse(parties).map_err(|error| error.to_string())?.body();
    if body == envelope.body {
        Ok(())
    } else {
        Err("the parties' part is not the one the envelope commits to".into())
    }
}

fn check_arguments(origin: &str, segment_bytes: u32, verifier: &Verifier) -> Result<(), LoadError> {
    if verifier.name() != origin {
        return Err(LoadError::Key { key: verifier.name().to_owned(), origin: origin.to_owned() });
    }
    if segment_bytes < SEGMENT_BYTES_MIN { Err(LoadError::SegmentBytes(segment_bytes)) } else { Ok(()) }
}

fn read_head<S: Store + ?Sized>(store: &S, verifier: &Verifier) -> Result<Option<Checkpoint>, LoadError> {
    let signed = store.read(CHECKPOINT)?;
    // A key that has given way, or one that is to come, may have signed it; which is for the entries to say.
    let mut logs = crate::audit::log_keys(store, verifier.name())?;
    if !logs.contains(verifier) {
        logs.push(verifier.clone());
    }
    let logs: Vec<&Verifier> = logs.iter().collect();
    Ok(signed.map(|signed| Checkpoint::open_any(&signed, &logs)).transpose()?)
}

/// Checks that the journal begins where the full bundles end or before, and ends where the checkpoint does or after.
fn check_reach<S: Store + ?Sized>(store: &S, survey: &Survey, published: u64) -> Result<(), LoadError> {
    let damaged = |what: &str| Err(LoadError::Damaged { place: "journal".into(), what: what.into() });
    match survey.first {
        Some(first) if first > full_bundles(published) => damaged("it begins after the last full bundle"),
        None if published > 0 => damaged("it holds no entry, but there is a checkpoint"),
        None if survey.spans.is_empty() && !store.list("tile")?.is_empty() => {
            damaged("it is missing, but there are tiles")
        }
        _ if survey.size < published => {
            Err(LoadError::Behind { recovered: survey.size, checkpoint: published })
        }
        _ => Ok(()),
    }
}

/// The growing end of a record, rebuilt.
struct Replayed<S: ?Sized> {
    /// The tree up to the last full bundle under the checkpoint.
    start: Frontier,
    /// The tree of all entries.
    end: Frontier,
    /// Holds what follows on the last full bundle.
    publisher: Publisher<S>,
}

/// Rebuilds the growing end from the last full bundle's tiles and the journal.
fn replay<S: Store + ?Sized>(
    store: &Arc<S>,
    origin: &str,
    survey: &Survey,
    head: Option<&Checkpoint>,
) -> Result<Replayed<S>, LoadError> {
    let edge = Edge::read(&**store, head.map_or(0, |head| head.size))?;
    let mut frontier = edge.frontier().clone();
    let (start, before) = (edge.size(), frontier.clone());
    let mut publisher = Publisher::new(Arc::clone(store), origin, edge, head.map_or(0, |head| head.size));
    check_head(&frontier, head)?;
    survey.walk(&**store, origin, |frame, segment| match frame {
        Frame::Entry { index, envelope, parties } if index >= start => {
            let hash = leaf_hash(envelope);
            frontier.append(hash);
            publisher.push(envelope, parties, hash);
            check_head(&frontier, head)
        }
        Frame::Trailer(trailer) if trailer.size >= start && trailer.root != frontier.root() => {
            let what = format!("its root at size {} is not that of its entries", trailer.size);
            Err(LoadError::Damaged { place: crate::store::segment_path(segment), what })
        }
        _ => Ok(()),
    })?;
    Ok(Replayed { start: before, end: frontier, publisher })
}

/// Checks the root when the tree has the size of the checkpoint.
fn check_head(frontier: &Frontier, head: Option<&Checkpoint>) -> Result<(), LoadError> {
    match head {
        Some(head) if head.size == frontier.size() && head.root != frontier.root() => {
            let what = format!("its root {} is not that of the {} entries", hex(&head.root), head.size);
            Err(LoadError::Damaged { place: CHECKPOINT.into(), what })
        }
        _ => Ok(()),
    }
}

/// Leaves the store as an orderly stop would have: no torn tail, no cut writes, no stale partial tiles.
fn mend<S: Store + ?Sized>(
    store: &S,
    survey: &Survey,
    segment_bytes: u32,
    published: u64,
) -> Result<(), StoreError> {
    survey.mend(store)?;
    if published > 0 {
        // It was believed above. Were it lost again, the one before it would need what is removed from here on.
        store.make_durable(CHECKPOINT)?;
    }
    if survey.spans.is_empty() {
        store.segment_create(0, segment_bytes)?;
    }
    for path in store.list("tmp")? {
        store.remove(&path)?;
    }
    remove_stale(store, survey, published)
}

/// Removes the partial tiles of a publication that was cut off, before its checkpoint or after it.
///
/// Such a tree had a size from the journal's first entry to its last, since the journal keeps what no full bundle under a durable
/// checkpoint holds; so only the tiles at that part of the edge are looked at, however long the record is. An older one that a power
/// cut brought back does no harm: it says what the full tile says, and an audit checks it.
fn remove_stale<S: Store + ?Sized>(store: &S, survey: &Survey, published: u64) -> Result<(), StoreError> {
    let wanted = partials(published);
    let first = survey.first.unwrap_or(0);
    for level in 0..LEVELS {
        let (first, last) = (items(first, level) / WIDTH, items(survey.size, level) / WIDTH);
        for (kind, number) in kinds(level).flat_map(|kind| (first..=last).map(move |number| (kind, number))) {
            for path in store.list(&TilePath::partial_directory(kind, number))? {
                if TilePath::parse(&path).is_some_and(|tile| !wanted.contains(&tile)) {
                    store.remove(&path)?;
                }
            }
        }
    }
    Ok(())
}
