//! A mirror: somebody else's copy of a record, taken from what is published and only as far as it is one history. A mirror is a
//! record itself, with a journal of its own, so that it can be verified, served and gone on with like the one it was taken from.
//!
//! Not a witness, which says that it has seen ([`crate::witness`]), and not a judge of entries: the caller's visitor is.

use std::sync::Arc;

use crate::bundle;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::{Hash, base64, leaf_hash, sha256};
use crate::log::{self, Entries, Journal, Leaf, LoadError, Loaded, Log, Publisher, check_parts};
use crate::note::{self, Verifier};
use crate::store::{Store, StoreError};
use crate::tile::{Kind, TilePath, WIDTH};

/// A copy of the record of one log, which grows with it. One process writes to it.
#[derive(Debug)]
pub struct Mirror<S: ?Sized> {
    /// The log's keys that are known.
    logs: Vec<Verifier>,
    log: Log,
    journal: Journal<S>,
    publisher: Publisher<S>,
    /// Whether entries were taken that are in no journal, since it could not be written.
    failed: bool,
}

/// Why a mirror did not follow.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// What is published is not one history, or an entry does not hold. It was not taken.
    #[error("{0}")]
    Fault(#[from] crate::audit::Fault),
    /// The published checkpoint is not signed by the log, or malformed.
    #[error("the published checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// What is published could not be read, or a part of it is not there. It may be there later.
    #[error("what is published cannot be read: {0}")]
    Source(StoreError),
    /// The mirror's own disk failed.
    #[error("the mirror cannot be written: {0}")]
    Store(#[from] StoreError),
}

impl<S: Store + ?Sized> Mirror<S> {
    /// Opens the mirror of the log `verifier` in `store`, or begins one, and gives what it holds already.
    ///
    /// `segment_bytes` as for [`log::load`].
    ///
    /// # Errors
    /// Those of [`log::load`].
    pub fn open(
        store: Arc<S>,
        segment_bytes: u32,
        verifier: &Verifier,
    ) -> Result<(Self, Entries<S>), LoadError> {
        let Loaded { log, journal, publisher, entries, .. } =
            log::load(store, verifier.name(), segment_bytes, verifier)?;
        Ok((Self { logs: vec![verifier.clone()], log, journal, publisher, failed: false }, entries))
    }

    /// Believes another key of the log too.
    pub fn know(&mut self, key: Verifier) {
        if !self.logs.contains(&key) {
            self.logs.push(key);
        }
    }

    /// How many entries it holds.
    pub fn size(&self) -> u64 {
        self.log.size()
    }

    /// The root over them.
    pub fn root(&self) -> Hash {
        self.log.root()
    }

    /// Takes all entries up to the checkpoint `signed` from `source`, and hands each that is new to `visit`, as (index, envelope,
    /// parties' part), before it is written. Gives the checkpoint.
    ///
    /// That the tree of the checkpoint goes on from what is held here is seen before anything is taken, and each entry is held
    /// against that tree. When this returns all of it is durable.
    ///
    /// Memory: some 12 MiB, and a hash for each 256 new entries.
    ///
    /// # Errors
    /// [`MirrorError`]. After [`MirrorError::Source`] it may be tried again, and after [`MirrorError::Store`] where the disk was only
    /// full, unless it then says [`StoreError::Poisoned`]; after any other this must be thrown away.
    pub fn follow<T: Store + ?Sized>(
        &mut self,
        source: &T,
        signed: &[u8],
        mut visit: impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
    ) -> Result<Checkpoint, MirrorError> {
        if self.failed {
            return Err(StoreError::Poisoned.into());
        }
        let logs: Vec<&Verifier> = self.logs.iter().collect();
        let head = Checkpoint::open_any(signed, &logs)?;
        let tiles = self.lead(source, &head)?;
        let mut tiles = tiles.into_iter();
        while self.log.size() < head.size {
            let (number, width) = bundle_of(self.log.size(), head.size);
            let hashes = hashes(source, number, width)?;
            if tiles.next() != Some(sha256(&hashes)) {
                return Err(fault(
                    &tile(Kind::Hashes(0), number, width).path(),
                    "it changed while it was read",
                ));
            }
            self.take(source, (number, width), &hashes, &mut visit)?;
            self.keep_if(|mirror| mirror.log.pending_bytes() > GROUP_BYTES_MAX)?;
        }
        self.keep_if(|_| true)?;
        assert!(self.publisher.head() == head, "what was taken is the tree of the checkpoint");
        // No lines but the log's own, whatever else was served under it.
        let own =
            note::only_by(signed, &self.logs.iter().collect::<Vec<_>>()).map_err(CheckpointError::from)?;
        self.publisher.publish_signed(&own)?;
        Ok(head)
    }

    /// Whether the tiles of `head` lead from what is held to its root; gives the digest of each of them that has new hashes.
    fn lead<T: Store + ?Sized>(&self, source: &T, head: &Checkpoint) -> Result<Vec<Hash>, MirrorError> {
        let held = self.log.size();
        if head.size < held {
            let what =
                format!("it is of size {}, and one of size {held} or more was published before", head.size);
            return Err(fault("checkpoint", &what));
        }
        let mut frontier = self.log.frontier().clone();
        let mut digests = Vec::new();
        while frontier.size() < head.size {
            let (number, width) = bundle_of(frontier.size(), head.size);
            let hashes = hashes(source, number, width)?;
            for hash in hashes.chunks_exact(32).skip(place(frontier.size())) {
                let Ok(hash) = hash.try_into() else { unreachable!("a chunk has 32 bytes") };
                frontier.append(hash);
            }
            digests.push(sha256(&hashes));
        }
        if frontier.root() == head.root {
            return Ok(digests);
        }
        let what = format!(
            "of size {}, its root {} is not what the published tiles make of the {held} entries held here: history was rewritten, or a tile is wrong",
            head.size,
            base64(&head.root)
        );
        Err(fault("checkpoint", &what))
    }

    /// Takes the new entries of one bundle.
    fn take<T: Store + ?Sized>(
        &mut self,
        source: &T,
        (number, width): (u64, u16),
        hashes: &[u8],
        visit: &mut impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
    ) -> Result<(), MirrorError> {
        let read = |kind| -> Result<(String, Vec<u8>), MirrorError> {
            let path = tile(kind, number, width).path();
            let bytes = bundle::from_file(kind, published(source, &path)?)
                .map_err(|error| fault(&path, &error.to_string()))?;
            Ok((path, bytes))
        };
        let (envelopes, parties) = (read(Kind::Entries)?, read(Kind::Parties)?);
        let split = |(path, bytes): &(String, Vec<u8>)| {
            bundle::decode(bytes, usize::from(width))
                .map(|entries| entries.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>())
                .map_err(|error| fault(path, &error.to_string()))
        };
        let halves = split(&envelopes)?.into_iter().zip(split(&parties)?).zip(hashes.chunks_exact(32));
        for ((envelope, parties), hash) in halves.skip(place(self.log.size())) {
            let index = self.log.size();
            let wrong = |what: &str| fault(&format!("entry {index}"), what);
            if leaf_hash(&envelope) != hash {
                return Err(wrong("its envelope is not the one in the tree"));
            }
            check_parts(&envelope, &parties).map_err(|what| wrong(&what))?;
            visit(index, &envelope, &parties).map_err(|what| wrong(&what))?;
            self.log.append(Leaf { envelope, parties }).map_err(|error| wrong(&error.to_string()))?;
        }
        Ok(())
    }

    /// Makes durable what was taken, where it is so much.
    fn keep_if(&mut self, is_much: impl Fn(&Self) -> bool) -> Result<(), MirrorError> {
        if !is_much(self) {
            return Ok(());
        }
        if self.journal.needs_spare() {
            self.journal.retire(self.publisher.durable_bundles())?;
            self.journal.make_spare()?;
        }
        let Some(group) = self.log.seal() else { return Ok(()) };
        let groups = [group];
        let written = self.journal.write(&groups);
        self.failed |= written.is_err();
        written?;
        groups.into_iter().for_each(|group| self.publisher.absorb(group));
        if self.publisher.pending_bytes() > PENDING_BYTES_MAX {
            self.publisher.write_full()?;
        }
        Ok(())
    }
}

/// The number of the bundle that the entry `from` is in, and its width in a tree of `size`.
fn bundle_of(from: u64, size: u64) -> (u64, u16) {
    let number = from / WIDTH;
    let left = size.saturating_sub(number.saturating_mul(WIDTH)).min(WIDTH);
    (number, u16::try_from(left).unwrap_or(u16::MAX))
}

/// The place of an entry in its bundle.
fn place(index: u64) -> usize {
    usize::try_from(index % WIDTH).unwrap_or(0)
}

fn tile(kind: Kind, number: u64, width: u16) -> TilePath {
    TilePath { kind, number, width }
}

/// The bytes of a tile of leaf hashes.
fn hashes<T: Store + ?Sized>(source: &T, number: u64, width: u16) -> Result<Vec<u8>, MirrorError> {
    let path = tile(Kind::Hashes(0), number, width).path();
    let bytes = published(source, &path)?;
    if bytes.len() == usize::from(width).saturating_mul(32) {
        Ok(bytes)
    } else {
        Err(fault(&path, &format!("it has {} bytes, not those of {width} hashes", bytes.len())))
    }
}

fn published<T: Store + ?Sized>(source: &T, path: &str) -> Result<Vec<u8>, MirrorError> {
    let bytes = source.read(path).map_err(MirrorError::Source)?;
    bytes.ok_or_else(|| MirrorError::Source(StoreError::Missing { path: path.to_owned() }))
}

fn fault(place: &str, what: &str) -> MirrorError {
    crate::audit::Fault { place: place.to_owned(), what: what.to_owned() }.into()
}

/// How much is written with one sync. Units: bytes.
const GROUP_BYTES_MAX: u64 = 1 << 20;

/// How much may wait in memory to be written to tiles and bundles. Units: bytes.
const PENDING_BYTES_MAX: u64 = 12 << 20;
