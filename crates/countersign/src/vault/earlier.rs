//! Content keys as an earlier version kept them: plain, each in a file `vault/<application>/<yyyy-mm>.key`.
//!
//! Not here: wrapping them (`vault`).

use super::keys::{Kept, Name, month_of};
use crate::files;
use partnership::ids::Timestamp;
use std::io;
use std::path::{Path, PathBuf};

/// A key that lies plain.
pub(super) struct Plain {
    pub(super) name: Name,
    pub(super) kept: Kept,
    path: PathBuf,
}

/// The plain keys under `vault`.
///
/// Errors: where they cannot be read.
pub(super) fn find(vault: &Path) -> io::Result<Vec<Plain>> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(vault)? {
        let folder = folder?;
        let Ok(application) = folder.file_name().into_string() else { continue };
        if !folder.file_type()?.is_dir() || application == super::ERASING {
            continue;
        }
        for file in std::fs::read_dir(folder.path())? {
            let path = file?.path();
            found.extend(read(&path, &application)?);
        }
    }
    Ok(found)
}

fn read(path: &Path, application: &str) -> io::Result<Option<Plain>> {
    let month = path.file_name().and_then(|name| month_of(name.to_str()?.strip_suffix(".key")?));
    let Some(month) = month else { return Ok(None) };
    let bytes = std::fs::read(path)?;
    let key = bytes.try_into();
    let key = key.map_err(|_| io::Error::other(format!("`{}` is not a key of 32 bytes", path.display())))?;
    let kept = Kept { key, made: Timestamp::start_of(month) };
    let name = Name { application: application.into(), month, end_user: None };
    Ok(Some(Plain { name, kept, path: path.to_owned() }))
}

impl Plain {
    /// Removes the file, and its folder with the last one.
    ///
    /// Errors: those of the file system.
    pub(super) fn remove(&self) -> io::Result<()> {
        files::remove(&self.path)?;
        // What else is in it is none of ours.
        drop(std::fs::remove_dir(files::parent(&self.path)));
        Ok(())
    }
}
