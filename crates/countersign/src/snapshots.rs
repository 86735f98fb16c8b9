//! The snapshots of the state in `cache/state/`, each a file named by the number of entries it stands for.
//!
//! Each is signed with the log's key, so that nobody can slip another state under a server who could not write the record itself.
//! Not here: whether one fits the record (`office::folded`). It is a cache: nothing that goes wrong here stops anything.

use crate::files;
use partnership::state::Snapshot;
use record::hash::{base64, sha256};
use record::note::Signer;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// A snapshot is taken after so many entries. A start then folds some thirty thousand, which takes half a second, and what a
/// snapshot of ten thousand keys costs is spread over as many entries.
pub(crate) const EVERY: u64 = 32_768;

/// How many are kept: the newest, and one to fall back on.
const KEPT: usize = 2;

/// The folder of the snapshots of one partnership.
#[derive(Debug, Clone)]
pub(crate) struct Snapshots {
    dir: PathBuf,
    log: Signer,
}

impl Snapshots {
    /// Those of the partnership in `dir`, whose log has this key.
    pub(crate) fn of(dir: &Path, log: &Signer) -> Self {
        Self { dir: dir.join("cache/state"), log: log.clone() }
    }

    /// How many entries each stands for, the most first; none where the folder cannot be read.
    pub(crate) fn sizes(&self) -> Vec<u64> {
        let mut sizes: Vec<u64> = self.names().iter().filter_map(|name| size(name)).collect();
        sizes.sort_unstable_by(|one, other| other.cmp(one));
        sizes
    }

    /// The bytes of the one that stands for so many entries, as they were encoded.
    ///
    /// Errors: those of the file system; [`io::ErrorKind::InvalidData`] where the log's key did not sign it.
    pub(crate) fn read(&self, size: u64) -> io::Result<Vec<u8>> {
        let mut bytes = fs::read(self.path(size))?;
        let unsigned = || io::Error::new(io::ErrorKind::InvalidData, "the log's key did not sign it");
        let at = bytes.len().checked_sub(SIGNATURE_BYTES).ok_or_else(unsigned)?;
        let line = bytes.split_off(at);
        if line == signature(&self.log, &bytes).as_bytes() { Ok(bytes) } else { Err(unsigned()) }
    }

    /// Removes one for good, if that can be done.
    pub(crate) fn remove(&self, size: u64) {
        if let Err(error) = files::remove(&self.path(size)) {
            tracing::warn!(%error, "a snapshot of the state cannot be removed");
        }
    }

    /// Starts the thread that writes what it is sent, until all senders are gone.
    ///
    /// Errors: where the operating system starts no thread.
    pub(crate) fn keep(self) -> io::Result<(Sender<Snapshot>, JoinHandle<()>)> {
        let (sender, snapshots) = channel();
        let thread = std::thread::Builder::new().name("snapshots".to_owned());
        Ok((sender, thread.spawn(move || self.run(&snapshots))?))
    }

    /// Writes the newest of what has come. That it cannot is said once, until it can again.
    fn run(&self, snapshots: &Receiver<Snapshot>) {
        let mut fails = false;
        while let Ok(first) = snapshots.recv() {
            let newest = snapshots.try_iter().last().unwrap_or(first);
            let written = self.write(&newest);
            if let Err(error) = &written
                && !fails
            {
                tracing::warn!(%error, dir = %self.dir.display(), "no snapshot of the state can be written; the next start takes longer");
            }
            fails = written.is_err();
        }
    }

    /// Writes one, whole and durable or not at all, and removes those that are too old.
    fn write(&self, snapshot: &Snapshot) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        self.remove_leftovers();
        let mut bytes = snapshot.encode();
        bytes.extend_from_slice(signature(&self.log, &bytes).as_bytes());
        files::replace(&self.path(snapshot.size()), &bytes, 0o600)?;
        self.sizes().into_iter().skip(KEPT).for_each(|size| self.remove(size));
        Ok(())
    }

    /// Removes what a write that was cut off has left.
    fn remove_leftovers(&self) {
        for name in self.names().iter().filter(|name| name.starts_with('.')) {
            drop(fs::remove_file(self.dir.join(name)));
        }
    }

    fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.dir) else { return Vec::new() };
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
    }

    fn path(&self, size: u64) -> PathBuf {
        self.dir.join(size.to_string())
    }
}

/// The last line of the file: the log's signature over what comes before it. Ed25519 gives one signature for one text.
pub(crate) fn signature(log: &Signer, bytes: &[u8]) -> String {
    let signed = [b"countersign/snapshot/v1\0".as_slice(), &sha256(bytes)].concat();
    format!("{}\n", base64(&log.sign_bytes(&signed)))
}

/// 64 bytes in base64, and the end of their line.
const SIGNATURE_BYTES: usize = 89;

/// The number that a file's name is, in its one spelling.
fn size(name: &str) -> Option<u64> {
    name.parse().ok().filter(|size: &u64| size.to_string() == name)
}
