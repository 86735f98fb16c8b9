//! The kept files: `fuzz/corpus/<target>/`, made from a real record and grown by what was found.
//!
//! Not a cache: what a search breeds is forgotten with it.

use crate::mutate::BYTES_MAX;
use anyhow::{Context as _, ensure};
use record::hash::{hex, sha256};
use std::path::PathBuf;

/// The kept files of a target, in the order of their names.
///
/// Errors: they cannot be read, or one is longer than any input.
pub(crate) fn kept(target: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    named(target, "")
}

/// Those of them that are entries of the real record, and not what was found.
///
/// Errors: as [`kept`].
pub(crate) fn real(target: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    named(target, "real-")
}

fn named(target: &str, begins: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let folder = folder(target);
    let names = std::fs::read_dir(&folder).with_context(|| format!("`{}`", folder.display()))?;
    let mut paths: Vec<PathBuf> = names.map(|name| Ok(name?.path())).collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begins)));
    paths.sort();
    let read = |path: &PathBuf| {
        let bytes = std::fs::read(path)?;
        ensure!(bytes.len() <= BYTES_MAX, "`{}` has more than {BYTES_MAX} bytes", path.display());
        Ok(bytes)
    };
    paths.iter().map(read).collect()
}

/// Keeps what was found, and says what it is and how to see it again.
pub(crate) fn found(target: &str, input: &[u8], fault: &str) -> anyhow::Result<String> {
    let digest = hex(&sha256(input));
    let path = keep(target, &format!("found-{}", &digest[..16]), input)?;
    Ok(format!(
        "fuzz {target}: FOUND: {fault}\n  bytes: \"{}\"\n  kept:  {}\n  again: cargo xtask fuzz {target} --seconds 0",
        input.escape_ascii(),
        path.display()
    ))
}

/// Writes a kept file.
#[expect(clippy::disallowed_methods, reason = "a file of the sources, which no record rests on")]
pub(crate) fn keep(target: &str, name: &str, bytes: &[u8]) -> anyhow::Result<PathBuf> {
    let path = folder(target).join(name);
    std::fs::create_dir_all(folder(target))?;
    std::fs::write(&path, bytes)?;
    Ok(path)
}

fn folder(target: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")).join(target)
}
