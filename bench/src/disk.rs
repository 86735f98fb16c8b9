//! What the disk itself can do: an append and an fdatasync, as a journal does them, with nothing around.

use crate::clock::now;
use crate::numbers::percentile;
use crate::process::{MEASURED_CORE, pin_thread};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

/// How long one append with its sync takes. Units: microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sync {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Sync {
    /// Of how long each took, in microseconds.
    pub(crate) fn of(mut taken: Vec<u64>) -> Self {
        taken.sort_unstable();
        let at = |percent| percentile(&taken, percent).unwrap_or(0) as f64;
        Self { p50: at(50), p99: at(99) }
    }
}

/// Appends `bytes` and syncs, so many times with a pause before each, in a file below `place` that was filled beforehand. Gives how
/// long each took, on the core under measurement. Units: microseconds.
///
/// Errors: those of the disk.
pub(crate) fn syncs(place: &Path, bytes: usize, times: usize, pause: Duration) -> anyhow::Result<Vec<u64>> {
    std::thread::scope(|scope| {
        let syncing = scope.spawn(|| {
            pin_thread(MEASURED_CORE)?;
            syncs_here(place, bytes, times, pause)
        });
        syncing.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the thread that syncs has panicked")))
    })
}

fn syncs_here(place: &Path, bytes: usize, times: usize, pause: Duration) -> anyhow::Result<Vec<u64>> {
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
        std::thread::sleep(pause);
        let begun = now();
        file.write_all_at(&block, offset(time))?;
        file.sync_data()?;
        taken.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok(taken)
}
