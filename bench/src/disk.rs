//! What the disk itself can do: an append and an fdatasync, as a journal does them, with nothing around.

use crate::clock::now;
use crate::numbers::percentile;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// How long one append with its sync takes. Units: microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sync {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Appends `bytes` and syncs, so many times, in a file below `place` that was filled beforehand.
///
/// Errors: those of the disk.
pub(crate) fn sync(place: &Path, bytes: usize, times: usize) -> anyhow::Result<Sync> {
    std::fs::create_dir_all(place)?;
    let folder = tempfile::tempdir_in(place)?;
    let file = File::create(folder.path().join("syncs"))?;
    let block = vec![7; bytes];
    let offset = |time: usize| time.saturating_mul(bytes) as u64;
    for time in 0..times {
        file.write_all_at(&vec![0; bytes], offset(time))?;
    }
    file.sync_all()?;
    let mut taken = Vec::with_capacity(times);
    for time in 0..times {
        let begun = now();
        file.write_all_at(&block, offset(time))?;
        file.sync_data()?;
        taken.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    taken.sort_unstable();
    let at = |percent| percentile(&taken, percent).unwrap_or(0) as f64;
    Ok(Sync { p50: at(50), p99: at(99) })
}
