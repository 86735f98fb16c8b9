//! What a record adds up to: folded from the newest snapshot that holds, or from the first entry.
//!
//! Not here: how a snapshot is written. None is believed that the record does not bear out as far as it can: it must stand at a
//! `state-digest` entry of this very tree, and hold the accounts and open acts that this entry is the digest of.

use crate::snapshots::Snapshots;
use anyhow::{Context as _, ensure};
use partnership::State;
use partnership::entry::Body;
use partnership::partnership::fold;
use partnership::state::{Library, Snapshot};
use record::{Entries, Prefix, Store};

/// Folding so many entries is worth a snapshot, so that the next start need not.
const WORTH: u64 = 4_096;

/// The state after all entries of a record.
#[derive(Debug)]
pub(super) struct Folded {
    pub(super) state: State,
    /// How many entries the newest snapshot stands for; zero where there is none.
    pub(super) snapshot_at: u64,
    /// A newer one than those in the folder, where it took long to get here.
    pub(super) fresh: Option<Snapshot>,
}

/// Folds all entries, those before the newest snapshot that holds left out. One that does not hold is removed.
///
/// Errors: an entry that is damaged, or does not follow.
pub(super) fn fold_all<S: Store + ?Sized>(
    entries: &Entries<S>,
    origin: &str,
    library: Library,
    snapshots: Option<&Snapshots>,
) -> anyhow::Result<Folded> {
    let kept = snapshots
        .into_iter()
        .flat_map(|snapshots| snapshots.sizes().into_iter().map(move |size| (snapshots, size)));
    for (snapshots, size) in kept {
        match begin(entries, origin, &library, snapshots, size)
            .and_then(|(state, prefix)| go_on(entries, state, Some(&prefix)))
        {
            Ok(folded) => return Ok(folded),
            Err(error) => {
                tracing::warn!(
                    entries = size,
                    "a snapshot of the state is not used: {error:#}; it is removed, and more of the record is read"
                );
                snapshots.remove(size);
            }
        }
    }
    go_on(entries, State::over(library), None)
}

/// The state of a snapshot, and the place in the record where it stands.
fn begin<S: Store + ?Sized>(
    entries: &Entries<S>,
    origin: &str,
    library: &Library,
    snapshots: &Snapshots,
    size: u64,
) -> anyhow::Result<(State, Prefix)> {
    let snapshot = Snapshot::decode(&snapshots.read(size)?, origin, library)?;
    ensure!(snapshot.size() == size, "it stands for {} entries", snapshot.size());
    let prefix = entries.prefix(size)?;
    let prefix = prefix.with_context(|| format!("the record has {} entries and no more", entries.count()))?;
    snapshot.stands_at(&prefix.root(), prefix.last())?;
    Ok((snapshot.into_state(), prefix))
}

fn go_on<S: Store + ?Sized>(
    entries: &Entries<S>,
    mut state: State,
    after: Option<&Prefix>,
) -> anyhow::Result<Folded> {
    let from = after.map_or(0, Prefix::size);
    let mut late = None;
    let each = |index: u64, envelope: &[u8], parties: &[u8]| {
        let entry = fold(&mut state, index, envelope, parties).map_err(|error| error.to_string())?;
        let is_late = entries.count().saturating_sub(index) <= WORTH;
        if is_late && index.saturating_sub(from) >= WORTH && matches!(entry.body, Body::StateDigest(_)) {
            late = Some(state.clone());
        }
        Ok(())
    };
    match after {
        Some(prefix) => entries.for_each_entry_after(prefix, each)?,
        None => entries.for_each_entry(each)?,
    }
    let fresh = match late {
        Some(late) => {
            let prefix = entries.prefix(late.entries())?;
            prefix.and_then(|prefix| Snapshot::of(late, prefix.root()))
        }
        None => None,
    };
    let snapshot_at = fresh.as_ref().map_or(from, Snapshot::size);
    Ok(Folded { state, snapshot_at, fresh })
}

#[cfg(test)]
mod tests;
