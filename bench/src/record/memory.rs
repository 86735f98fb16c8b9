//! How much memory verifying takes at its peak, over a record and over one ten times as long: it is to be the same.
//!
//! Not here: how fast it is. The record takes a kilobyte an entry on the disk while this lasts.

use super::Options;
use crate::process::peak;
use crate::progress;
use crate::scene::Scene;
use crate::table::Table;
use anyhow::ensure;
use std::path::Path;
use std::process::Command;

/// How many calls a turn has while the record is written.
const BATCH: usize = 1024;

/// The peak of `countersign verify` over a tenth of the entries, and over all; and of one that goes on from the tenth.
pub(super) fn memory(options: &Options, place: &Path) -> anyhow::Result<Table> {
    let folder = tempfile::tempdir_in(place)?;
    let record = folder.path().join("record");
    let mut scene = Scene::found(&record, 1)?;
    let mut table = Table::with_ratio("the whole", "a tenth");
    let (tenth, saved) = (options.entries / 20, folder.path().join("verified"));
    progress(&format!("writing {} entries", options.entries / 10));
    scene.live(tenth, BATCH)?;
    let figure = "peak of `countersign verify` (VmHWM), MiB";
    table.note(figure, "a tenth", verify(&record, &["--save".as_ref(), saved.as_os_str()])?);
    progress(&format!("writing {} entries", options.entries));
    scene.live((options.entries / 2).saturating_sub(tenth), BATCH)?;
    drop(scene);
    progress("verifying all of it");
    table.note(figure, "the whole", verify(&record, &[])?);
    let after = "the same, gone on with from the tenth, MiB";
    table.note(after, "the whole", verify(&record, &["--from".as_ref(), saved.as_os_str()])?);
    table.remark(format!(
        "{} entries and a tenth of them, two a call. The peak is the kernel's, read every ten milliseconds until the process ends.",
        options.entries
    ));
    Ok(table)
}

fn verify(record: &Path, words: &[&std::ffi::OsStr]) -> anyhow::Result<f64> {
    let mut command = Command::new(crate::binary()?);
    let (said, peak) = peak(command.arg("verify").arg(record).arg("--json").args(words))?;
    ensure!(said.contains("\"open\":[]"), "the record does not hold: {said}");
    Ok(peak)
}
