//! Writes what strangers read: tiles, bundles and the signed checkpoint. Everything it writes can be made again
//! from the journal, byte for byte. Not the judge of durability: it is handed groups that are durable.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Group;
use crate::audit::VKEYS;
use crate::bundle;
use crate::checkpoint::Checkpoint;
use crate::handover::HANDOVER;
use crate::hash::Hash;
use crate::note::Signer;
use crate::store::{Store, StoreError};
use crate::tile::{Edge, Kind, TilePath, WIDTH, partials, tile_bytes};

/// The path of the checkpoint.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// The writer of tiles, bundles and checkpoints. Owned by the thread that publishes.
///
/// A full disk may be asked again. Any other error is final, since a checkpoint of that size may be on the disk or not: each
/// later call gives [`StoreError::Poisoned`]. Load the record anew.
#[derive(Debug)]
pub struct Publisher<S: ?Sized> {
    store: Arc<S>,
    origin: String,
    edge: Edge,
    /// The envelopes of the last, partial bundle.
    entries: Vec<u8>,
    /// The parties' parts of the last, partial bundle.
    parties: Vec<u8>,
    /// Tiles and bundles that became full since the last publication.
    full: Vec<(String, Vec<u8>)>,
    published: u64,
    failed: bool,
}

impl<S: Store + ?Sized> Publisher<S> {
    /// Goes on from `edge`, which ends at a full bundle, with a checkpoint of size `published` on disk.
    pub(crate) fn new(store: Arc<S>, origin: &str, edge: Edge, published: u64) -> Self {
        let (entries, parties, full) = (Vec::new(), Vec::new(), Vec::new());
        Self { store, origin: origin.to_owned(), edge, entries, parties, full, published, failed: false }
    }

    /// Takes a group, which must be durable in the journal. No file is written yet.
    ///
    /// # Panics
    /// If the group does not follow on the last one, or its root is not the tree's.
    pub fn absorb(&mut self, group: Group) {
        assert!(
            group.first == self.edge.size(),
            "group at {} follows on entry {}",
            group.first,
            self.edge.size()
        );
        for (leaf, hash) in group.leaves.into_iter().zip(group.hashes) {
            self.push(&leaf.envelope, &leaf.parties, hash);
        }
        assert!(group.size == self.edge.size(), "the group's size is that of its leaves");
    }

    /// Takes one durable entry.
    pub(crate) fn push(&mut self, envelope: &[u8], parties: &[u8], hash: Hash) {
        bundle::push(&mut self.entries, envelope);
        bundle::push(&mut self.parties, parties);
        let full = &mut self.full;
        self.edge.append(hash, |tile, hashes| full.push((tile.path(), tile_bytes(hashes))));
        if self.edge.size().is_multiple_of(WIDTH) {
            let number = (self.edge.size() / WIDTH).saturating_sub(1);
            for (kind, bytes) in [(Kind::Entries, &mut self.entries), (Kind::Parties, &mut self.parties)] {
                let path = TilePath { kind, number, width: 256 }.path();
                full.push((path, bundle::to_file(kind, bytes).into_owned()));
                bytes.clear();
            }
        }
    }

    /// Publishes what was absorbed: tiles and bundles durable, then the checkpoint replaced, then stale partial
    /// tiles removed. Gives the signed checkpoint, which may now be shown; `None` if nothing was absorbed since.
    ///
    /// # Errors
    /// Those of the store. After [`StoreError::Full`] what is to be published is still there, and may be tried again; others are
    /// final.
    ///
    /// # Panics
    /// If the signer's name is not the record's origin.
    pub fn publish(&mut self, signer: &Signer) -> Result<Option<Vec<u8>>, StoreError> {
        if self.failed {
            return Err(StoreError::Poisoned);
        }
        if self.edge.size() == self.published {
            return Ok(None);
        }
        let signed = self.sign(signer);
        self.publish_signed(&signed)?;
        Ok(Some(signed))
    }

    /// Puts the public keys in the place of those that are served, for the checkpoints to come; and before them how the log's handed
    /// over, where they did.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn keep_keys(&mut self, keys: &str, handover: &str) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::Poisoned);
        }
        // An entry that was not durable yet may have had one served before a crash.
        let is_there = self.store.read(HANDOVER);
        let handed = is_there.and_then(|there| match (there, handover) {
            (None, "") => Ok(()),
            _ => self.store.replace(HANDOVER, handover.as_bytes()),
        });
        let kept = handed.and_then(|()| self.store.replace(VKEYS, keys.as_bytes()));
        self.failed = kept.as_ref().is_err_and(|error| !matches!(error, StoreError::Full { .. }));
        kept
    }

    /// The head of all that was absorbed, unsigned.
    pub(crate) fn head(&self) -> Checkpoint {
        Checkpoint { origin: self.origin.clone(), size: self.edge.size(), root: self.edge.root() }
    }

    /// As [`Publisher::publish`], under a checkpoint that was signed elsewhere and is that of [`Publisher::head`].
    pub(crate) fn publish_signed(&mut self, signed: &[u8]) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::Poisoned);
        }
        let published = self.write(signed);
        self.failed = published.as_ref().is_err_and(|error| !matches!(error, StoreError::Full { .. }));
        published
    }

    /// Writes the tiles and bundles that are full, for a checkpoint that is to come much later.
    pub(crate) fn write_full(&mut self) -> Result<(), StoreError> {
        self.store.create_all(&self.full)?;
        self.full.clear();
        Ok(())
    }

    /// The size of all that was absorbed.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The size of the last published checkpoint.
    pub fn published(&self) -> u64 {
        self.published
    }

    /// The boundary below which every entry is in full bundles under a durable checkpoint, for
    /// [`super::Journal::retire`]. Shape: a multiple of 256.
    pub fn durable_bundles(&self) -> u64 {
        full_bundles(self.published)
    }

    /// How much waits in memory for the next publication, in bytes.
    pub fn pending_bytes(&self) -> u64 {
        let full: usize = self.full.iter().map(|(_, bytes)| bytes.len()).sum();
        full.saturating_add(self.entries.len()).saturating_add(self.parties.len()) as u64
    }

    fn write(&mut self, signed: &[u8]) -> Result<(), StoreError> {
        let size = self.edge.size();
        let mut files = std::mem::take(&mut self.full);
        let full = files.len();
        files.extend(partials(size).iter().map(|tile| (tile.path(), self.partial_bytes(tile.kind))));
        let created = self.store.create_all(&files);
        files.truncate(full);
        self.full = files;
        created?;
        self.store.replace(CHECKPOINT, signed)?;
        self.full.clear();
        let stale: BTreeSet<TilePath> = partials(self.published).into_iter().collect();
        let wanted: BTreeSet<TilePath> = partials(size).into_iter().collect();
        self.published = size;
        stale.difference(&wanted).try_for_each(|tile| self.store.remove(&tile.path()))
    }

    fn sign(&self, signer: &Signer) -> Vec<u8> {
        assert!(signer.name() == self.origin, "the signer of `{}` is not that of the record", signer.name());
        let Ok(signed) = self.head().sign(signer) else { unreachable!("a key's name can stand in a note") };
        signed
    }

    fn partial_bytes(&self, kind: Kind) -> Vec<u8> {
        match kind {
            Kind::Hashes(level) => tile_bytes(self.edge.hashes(level)),
            Kind::Entries => bundle::to_file(kind, &self.entries).into_owned(),
            Kind::Parties => bundle::to_file(kind, &self.parties).into_owned(),
        }
    }
}

/// How many of the first `size` entries are in full bundles.
pub(crate) fn full_bundles(size: u64) -> u64 {
    size.saturating_sub(size % WIDTH)
}
