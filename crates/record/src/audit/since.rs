//! The audit of a record of which somebody has verified the entries up to a checkpoint before: it goes on from there, and reads only
//! what came since. Not a saved state of what the entries add up to: whoever hands in the checkpoint has kept that too.
//!
//! The tree as it was at that checkpoint is put together from the tiles that lie at its right edge, and has to have the root that was
//! verified. From there on it grows by the entries that are read, and has to come to the root of the record's own checkpoint. So both
//! are one history, and nothing that is taken from a tile is believed.

use super::{Audited, Ground, Pass, Survey, check_journal, fault};
use crate::audit::{COSIGNED, Fault};
use crate::checkpoint::Checkpoint;
use crate::hash::base64;
use crate::log::CHECKPOINT;
use crate::merkle::{consistency_proof, verify_consistency};
use crate::note::Verifier;
use crate::store::Store;
use crate::tile::{Edge, Kind, LEVELS, TilePath, TileReader, WIDTH, items, kinds};

/// As [`audit`](super::audit), of what came after `before`, a checkpoint of this log up to which the record was audited earlier. Only
/// entries from its size on are handed to `visit`.
///
/// Of what came before, this reads the tiles and bundles in which the boundary lies, and sees that the others are there.
///
/// Memory: as [`audit`](super::audit).
///
/// # Errors
/// [`Fault`]: as [`audit`](super::audit); and where the record does not go on from `before`.
pub fn audit_since<S: Store + ?Sized>(
    store: &S,
    before: &Checkpoint,
    log_verifier: &Verifier,
    visit: impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
) -> Result<Audited, Fault> {
    let ground = Ground::read(store, &before.origin, log_verifier)?;
    let survey = Survey::take::<_, Fault>(store, &before.origin)?;
    check_journal(&survey, ground.published())?;
    ground.pass(store, visit, |pass| {
        pass.go_on(before)?;
        pass.run(&before.origin, &survey)
    })
}

/// As [`audit_since`], of a record as it is published: without a journal, and so up to the checkpoint.
///
/// # Errors
/// As [`audit_since`].
pub fn audit_published_since<S: Store + ?Sized>(
    store: &S,
    before: &Checkpoint,
    log_verifier: &Verifier,
    visit: impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
) -> Result<Audited, Fault> {
    let ground = Ground::read(store, &before.origin, log_verifier)?;
    let size = ground.published();
    ground.pass(store, visit, |pass| {
        pass.go_on(before)?;
        pass.run_published(size)
    })
}

impl<S: Store + ?Sized, V: FnMut(u64, &[u8], &[u8]) -> Result<(), String>> Pass<'_, S, V> {
    /// Begins with the tree of `before`, if the record has grown from it.
    fn go_on(&mut self, before: &Checkpoint) -> Result<(), Fault> {
        let size = before.size;
        let Some(head) = self.head.filter(|head| head.size >= size) else {
            let found = self.head.map_or(0, |head| head.size);
            let what = format!(
                "it is of size {found}, and one of size {size} was verified before: the record was rolled back"
            );
            return Err(fault(CHECKPOINT, what));
        };
        let edge = Edge::at(self.store, size, head.size)?;
        if edge.root() != before.root {
            return Err(self.other_history(before, head)?);
        }
        self.cosigned_before(before)?;
        self.pass_over(size)?;
        self.edge = edge;
        Ok(())
    }

    /// What is wrong where the tiles do not lead to the root that was verified: the history, if they lead to the one that is signed now.
    fn other_history(&self, before: &Checkpoint, head: &Checkpoint) -> Result<Fault, Fault> {
        let (size, root) = (before.size, base64(&before.root));
        let is_signed = Edge::at(self.store, head.size, head.size)?.root() == head.root;
        let mut reader = TileReader::new(self.store, head.size);
        let path = consistency_proof(size, head.size, &mut reader)?.unwrap_or_default();
        let own = Edge::at(self.store, size, head.size)?.root();
        if is_signed && verify_consistency(size, &own, head.size, &head.root, &path) {
            let what = format!(
                "its first {size} entries are not those that were verified before, whose root was {root}: history was rewritten, or this is a fork"
            );
            return Ok(fault(CHECKPOINT, what));
        }
        let edge = (0..LEVELS).find(|level| !items(size, *level).is_multiple_of(WIDTH)).unwrap_or(0);
        let count = items(size, edge);
        let number = count / WIDTH;
        let left = items(head.size, edge).saturating_sub(number.saturating_mul(WIDTH)).min(WIDTH);
        let width = u16::try_from(left).unwrap_or(256);
        let tile = TilePath { kind: Kind::Hashes(edge), number, width };
        let what = format!(
            "it, or a tile above it, leads to the root neither of the checkpoint nor of the first {size} entries, which was {root}"
        );
        Ok(fault(&tile.path(), what))
    }

    /// Sees that what others have cosigned, if it is no larger than what was verified before, is of the same history.
    fn cosigned_before(&mut self, before: &Checkpoint) -> Result<(), Fault> {
        let Some(cosigned) = self.cosigned.take_if(|cosigned| cosigned.size <= before.size) else {
            return Ok(());
        };
        let within = self.head.map_or(0, |head| head.size);
        let mut reader = TileReader::new(self.store, within);
        let path = consistency_proof(cosigned.size, before.size, &mut reader)?.unwrap_or_default();
        if verify_consistency(cosigned.size, &cosigned.root, before.size, &before.root, &path) {
            return Ok(());
        }
        Err(fault(COSIGNED, format!("its root is not that of the first {} entries", cosigned.size)))
    }

    /// Takes the tiles and bundles that were full at `size` as they were found to be then; they must be there still.
    fn pass_over(&mut self, size: u64) -> Result<(), Fault> {
        for (level, kind) in (0..LEVELS).flat_map(|level| kinds(level).map(move |kind| (level, kind))) {
            for number in 0..items(size, level) / WIDTH {
                self.pass_over_one(kind, number)?;
            }
        }
        Ok(())
    }

    fn pass_over_one(&mut self, kind: Kind, number: u64) -> Result<(), Fault> {
        let full = TilePath { kind, number, width: 256 };
        if self.is_there(&full) {
            drop(self.tiles.take(kind, number));
            return Ok(());
        }
        Err(fault(&full.path(), "it is missing"))
    }
}
