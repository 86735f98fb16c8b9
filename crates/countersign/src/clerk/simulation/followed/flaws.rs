//! Flaws of a follower, to be found. They are planted at its seams: in what keeps its copy, in its memory, under its disk, and in
//! how it is started again.

use super::super::place;
use super::wire::Wire;
use crate::cmd::follow::Takes;
use record::bundle;
use record::hash::{base64, leaf_hash, sha256};
use record::merkle::Frontier;
use record::note::{self, Verifier};
use record::store::careless::{Careless, Slip};
use record::store::directory::Directory;
use record::tile::{Kind, TilePath};
use record::witness::{Kept, Latest};
use record::{Checkpoint, Hash, Mirror, MirrorError, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A flaw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// What is cosigned is written down only before the next is.
    CosignsBeforeItIsKept,
    /// The memory's files are not synced.
    MemoryNotSynced,
    /// The memory's names are not synced.
    MemoryNamesNotSynced,
    /// Whatever checkpoint is shown counts as the one that was cosigned last.
    SkipsConsistency,
    /// Envelopes are taken as they are served, whatever tree they are in.
    SkipsHashing,
    /// Entries are taken whatever the replay says of them.
    IgnoresReplay,
    /// Each start goes on from what had been cosigned at the start before.
    StaleMemory,
    /// The copy's files are not synced.
    CopyNotSynced,
}

impl Flaw {
    pub(super) const ALL: [Self; 8] = [
        Self::CosignsBeforeItIsKept,
        Self::MemoryNotSynced,
        Self::MemoryNamesNotSynced,
        Self::SkipsConsistency,
        Self::SkipsHashing,
        Self::IgnoresReplay,
        Self::StaleMemory,
        Self::CopyNotSynced,
    ];

    /// What is done wrong with the files of the memory.
    pub(super) fn slip_of_memory(self) -> Option<Slip> {
        match self {
            Self::MemoryNotSynced => Some(Slip::SkippedSync),
            Self::MemoryNamesNotSynced => Some(Slip::SkippedDirectorySync),
            _ => None,
        }
    }

    /// What is done wrong with the files of the copy.
    pub(super) fn slip_of_copy(self) -> Option<Slip> {
        (self == Self::CopyNotSynced).then_some(Slip::SkippedSync)
    }
}

/// The store of a simulated follower.
pub(super) type Disked = Directory<Careless>;

/// What has been cosigned, with a flaw or none.
pub(super) struct Memory {
    kept: Kept<Disked>,
    flaw: Option<Flaw>,
    wire: Wire,
    ahead: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Memory {
    pub(super) fn of(store: Arc<Disked>, flaw: Option<Flaw>, wire: Wire) -> Self {
        Self { kept: Kept::new(store), flaw, wire, ahead: Mutex::default() }
    }
}

impl Latest for Memory {
    fn read(&self, place: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if self.flaw == Some(Flaw::SkipsConsistency) {
            let own = |signed: Vec<u8>| note::only_by(&signed, &[&place::log().verifier()]).ok();
            return Ok(self.wire.state().checkpoint().and_then(own).map(|signed| state_of(&signed)));
        }
        let ahead = self.ahead.lock().unwrap().get(place).cloned();
        ahead.map_or_else(|| self.kept.read(place), |ahead| Ok(Some(ahead)))
    }

    fn swap(&self, place: &str, old: Option<&[u8]>, new: &[u8]) -> Result<bool, StoreError> {
        match self.flaw {
            Some(Flaw::SkipsConsistency) => self.kept.swap(place, self.kept.read(place)?.as_deref(), new),
            Some(Flaw::CosignsBeforeItIsKept) => {
                if self.read(place)?.as_deref() != old {
                    return Ok(false);
                }
                let before = self.ahead.lock().unwrap().insert(place.to_owned(), new.to_vec());
                let Some(before) = before else { return Ok(true) };
                self.kept.swap(place, self.kept.read(place)?.as_deref(), &before)
            }
            _ => self.kept.swap(place, old, new),
        }
    }

    fn keep_fork(&self, place: &str, size: u64, fork: &[u8]) -> Result<(), StoreError> {
        self.kept.keep_fork(place, size, fork)
    }

    fn forks(&self, place: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        self.kept.forks(place)
    }
}

/// What a witness keeps of a checkpoint, as RECORD.md has it.
fn state_of(signed: &[u8]) -> Vec<u8> {
    let rest = [b"time 1\n", signed].concat();
    [format!("countersign/witness/v1 {}\n", base64(&sha256(&rest))).into_bytes(), rest].concat()
}

/// A mirror, with a flaw or none.
pub(super) struct Copied {
    pub(super) mirror: Mirror<Disked>,
    pub(super) flaw: Option<Flaw>,
}

impl Takes for Copied {
    fn size(&self) -> u64 {
        self.mirror.size()
    }

    fn root(&self) -> Hash {
        self.mirror.root()
    }

    fn know(&mut self, key: Verifier) {
        self.mirror.know(key);
    }

    fn follow(
        &mut self,
        source: &impl Store,
        signed: &[u8],
        mut visit: impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
    ) -> Result<Checkpoint, MirrorError> {
        match self.flaw {
            Some(Flaw::IgnoresReplay) => self.mirror.follow(source, signed, |index, envelope, parties| {
                drop(visit(index, envelope, parties));
                Ok(())
            }),
            Some(Flaw::SkipsHashing) => {
                let head = Checkpoint::open(signed, &place::log().verifier())?;
                let believed = Believed { source, size: head.size };
                let Some(root) = believed.root() else { return self.mirror.follow(source, signed, visit) };
                let signed = Checkpoint { root, ..head.clone() }.sign(place::log()).unwrap();
                self.mirror.follow(&believed, &signed, visit)?;
                Ok(head)
            }
            _ => self.mirror.follow(source, signed, visit),
        }
    }
}

/// What is served, with hashes of whatever envelopes there are in place of the tree's own.
struct Believed<'a, S> {
    source: &'a S,
    size: u64,
}

impl<S: Store> Believed<'_, S> {
    fn hashes(&self, number: u64) -> Option<Vec<Hash>> {
        let width = u16::try_from((self.size - number * 256).min(256)).unwrap();
        let path = TilePath { kind: Kind::Entries, number, width }.path();
        let bytes = self.source.read(&path).ok().flatten()?;
        let entries = bundle::decode(&bytes, usize::from(width)).ok()?;
        Some(entries.into_iter().map(leaf_hash).collect())
    }

    /// The root that they have.
    fn root(&self) -> Option<Hash> {
        let mut frontier = Frontier::new();
        for number in 0..self.size.div_ceil(256) {
            self.hashes(number)?.into_iter().for_each(|hash| frontier.append(hash));
        }
        Some(frontier.root())
    }
}

impl<S: Store> Store for Believed<'_, S> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match TilePath::parse(path) {
            Some(TilePath { kind: Kind::Hashes(0), number, .. }) => {
                Ok(self.hashes(number).map(|hashes| hashes.concat()))
            }
            _ => self.source.read(path),
        }
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        self.source.list(directory)
    }

    fn create(&self, _: &str, _: &[u8]) -> Result<(), StoreError> {
        unreachable!("a source is only read")
    }

    fn replace(&self, _: &str, _: &[u8]) -> Result<(), StoreError> {
        unreachable!("a source is only read")
    }

    fn remove(&self, _: &str) -> Result<(), StoreError> {
        unreachable!("a source is only read")
    }

    fn segment_create(&self, _: u32, _: u32) -> Result<(), StoreError> {
        unreachable!("a source is only read")
    }

    fn segment_write(&self, _: u32, _: u32, _: &[u8]) -> Result<(), StoreError> {
        unreachable!("a source is only read")
    }

    fn segment_sync(&self, _: u32) -> Result<(), StoreError> {
        unreachable!("a source is only read")
    }

    fn segment_read(&self, _: u32) -> Result<Option<Vec<u8>>, StoreError> {
        unreachable!("a source is only read")
    }

    fn segment_remove(&self, _: u32) -> Result<(), StoreError> {
        unreachable!("a source is only read")
    }

    fn segments(&self) -> Result<Vec<u32>, StoreError> {
        unreachable!("a source is only read")
    }
}
