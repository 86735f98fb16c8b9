//! The folder of blobs: `content/<id of the content key>/<digest of the blob>`. A content key that is gone takes its folder with it.
//!
//! Not here: what a blob looks like (`blob`), or which keys there are (`keys`).

use super::about;
use super::blob::{self, Part, Sealing};
use crate::files;
use partnership::act::Digest;
use partnership::ids::ActId;
use record::hash::{hex, sha256_of};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The blobs of a vault.
#[derive(Debug)]
pub(super) struct Contents {
    dir: PathBuf,
    /// The folders that are known to last.
    made: Mutex<BTreeSet<PathBuf>>,
}

/// Where blobs lie that are not whole yet.
const STAGED: &str = "staged";

/// A blob that is being written; gone when dropped before its end.
#[derive(Debug)]
pub(crate) struct Writing {
    /// None once it has ended.
    sealing: Option<Sealing<File>>,
    staged: PathBuf,
}

impl Writing {
    /// Adds content.
    ///
    /// Errors: where it cannot be written; the blob is then worthless.
    pub(crate) fn add(&mut self, content: &[u8]) -> io::Result<()> {
        let added = self.sealing.as_mut().map_or(Ok(()), |sealing| sealing.add(content));
        added.map_err(|error| about(&self.staged, &error))
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if self.sealing.is_some() {
            // What cannot be removed now is removed by the next start.
            drop(fs::remove_file(&self.staged));
        }
    }
}

impl Contents {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, made: Mutex::default() }
    }

    /// Removes what the last process has not written to its end.
    ///
    /// Errors: those of the file system.
    pub(super) fn clear_staged(&self) -> io::Result<()> {
        for file in entries(&self.dir.join(STAGED))? {
            files::remove(&file)?;
        }
        Ok(())
    }

    /// Begins a blob.
    ///
    /// Errors: those of the file system.
    pub(super) fn begin(&self, content_key: &[u8; 32], act: ActId, part: Part) -> io::Result<Writing> {
        let folder = self.dir.join(STAGED);
        self.make(&folder)?;
        let staged = folder.join(format!("{act}.{}", part.name()));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged);
        let file = file.map_err(|error| about(&staged, &error))?;
        Ok(Writing { sealing: Some(Sealing::new(&blob::key(content_key, act, part), file)), staged })
    }

    /// Ends a blob; it is durable under its name when this returns.
    ///
    /// Errors: those of the file system.
    pub(super) fn end(&self, content_key: &[u8; 32], mut writing: Writing) -> io::Result<Digest> {
        let Some(sealing) = writing.sealing.take() else { unreachable!("a blob is ended once") };
        let ended = sealing.end().and_then(|(_, digest)| {
            let folder = self.folder(content_key);
            self.make(&folder)?;
            files::put_in_place(&writing.staged, &folder.join(hex(&digest)))?;
            Ok(Digest(digest))
        });
        ended.map_err(|error| {
            drop(fs::remove_file(&writing.staged));
            about(&writing.staged, &error)
        })
    }

    /// A blob that is there, and its length in bytes; none where it is not.
    ///
    /// Errors: those of the file system.
    pub(super) fn find(&self, content_key: &[u8; 32], digest: Digest) -> io::Result<Option<(File, u64)>> {
        let path = self.folder(content_key).join(hex(&digest.0));
        match File::open(&path).and_then(|file| file.metadata().map(|about| (file, about.len()))) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(about(&path, &error)),
        }
    }

    /// Removes a blob that no entry names.
    ///
    /// Errors: those of the file system.
    pub(super) fn remove(&self, content_key: &[u8; 32], digest: Digest) -> io::Result<()> {
        match fs::remove_file(self.folder(content_key).join(hex(&digest.0))) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The folders that there are, by their names.
    ///
    /// Errors: those of the file system.
    pub(super) fn folders(&self) -> io::Result<BTreeSet<String>> {
        let name = |path: PathBuf| Some(path.file_name()?.to_str()?.to_owned());
        Ok(entries(&self.dir)?.into_iter().filter_map(name).filter(|name| name != STAGED).collect())
    }

    /// Removes the folder of a content key that is gone; durable when this returns.
    ///
    /// Errors: those of the file system.
    pub(super) fn destroy(&self, name: &str) -> io::Result<()> {
        let folder = self.dir.join(name);
        self.made.lock().unwrap_or_else(PoisonError::into_inner).remove(&folder);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(about(&folder, &error)),
            _ => File::open(&self.dir)?.sync_all(),
        }
    }

    /// Writes a segment's worth to its end and removes it again.
    ///
    /// Errors: those of the file system.
    pub(super) fn try_out(&self, random: &[u8; 32]) -> io::Result<()> {
        let mut writing = self.begin(random, ActId::from_u128(0), Part::Output)?;
        writing.add(&vec![0; blob::SEGMENT])?;
        let digest = self.end(random, writing)?;
        self.remove(random, digest)?;
        self.destroy(&name(random))
    }

    fn folder(&self, content_key: &[u8; 32]) -> PathBuf {
        self.dir.join(name(content_key))
    }

    /// Makes a folder that may be there, and those above it; it lasts when this returns.
    fn make(&self, folder: &Path) -> io::Result<()> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        for folder in [&self.dir, folder] {
            if made.contains(folder) && folder.is_dir() {
                continue;
            }
            match files::new_directory(folder, 0o700) {
                // Whoever made it may have been cut off before it lasted.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    File::open(files::parent(folder))?.sync_all()?;
                }
                made => made.map_err(|error| about(folder, &error))?,
            }
            made.insert(folder.to_owned());
        }
        Ok(())
    }
}

/// The name of a content key's folder, which says nothing of the key. Shape: 32 hexadecimal digits.
pub(super) fn name(content_key: &[u8; 32]) -> String {
    let digest = sha256_of(&[b"countersign/content-key-id/v1\n", content_key]);
    hex(digest.split_at(16).0)
}

/// What lies in a folder; nothing where there is none.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(about(folder, &error)),
    }
}
