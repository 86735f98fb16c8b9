//! Bugs to be found, planted at the seam to the file system or in who calls the owners; the product has none of them.

use std::io;
use std::path::Path;

use record::store::files::{self, Handle, Name};
use record::store::simulated::{Disk, Fault, File};

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A file's sync does nothing.
    SkippedSync,
    /// A directory's sync does nothing.
    SkippedDirectorySync,
    /// A sync that failed is tried again, and the second answer believed.
    RetryAfterError,
    /// A sync that failed is not noticed.
    SwallowedSyncError,
    /// A write that was cut short is not noticed.
    SwallowedShortWrite,
    /// A file is moved to its name by writing it there.
    ReplacedInPlace,
    /// Entries are told durable before they are written.
    EarlyAcknowledgement,
    /// A checkpoint is published before its entries are in the journal.
    PublishedBeforeStored,
    /// Segments go before a checkpoint covers their bundles.
    EarlyRetirement,
}

pub(crate) const ALL: [Bug; 9] = [
    Bug::SkippedSync,
    Bug::SkippedDirectorySync,
    Bug::RetryAfterError,
    Bug::SwallowedSyncError,
    Bug::SwallowedShortWrite,
    Bug::ReplacedInPlace,
    Bug::EarlyAcknowledgement,
    Bug::PublishedBeforeStored,
    Bug::EarlyRetirement,
];

impl Bug {
    /// The faults of the disk without which it never shows.
    pub(crate) fn shows_by(self) -> &'static [Fault] {
        match self {
            Self::RetryAfterError | Self::SwallowedSyncError => &[Fault::Fails, Fault::Torn],
            Self::SwallowedShortWrite => &[Fault::Short],
            _ => &[],
        }
    }
}

/// A simulated disk, reached through a bug or none.
#[derive(Debug)]
pub(crate) struct Files {
    disk: Disk,
    bug: Option<Bug>,
}

impl Files {
    pub(crate) fn new(disk: Disk, bug: Option<Bug>) -> Self {
        Self { disk, bug }
    }

    fn open(&self, file: io::Result<File>, is_directory: bool) -> io::Result<Opened> {
        Ok(Opened { file: file?, is_directory, bug: self.bug })
    }
}

#[derive(Debug)]
pub(crate) struct Opened {
    file: File,
    is_directory: bool,
    bug: Option<Bug>,
}

impl files::Files for Files {
    type Handle = Opened;

    fn create(&self, path: &Path) -> io::Result<Opened> {
        self.open(files::Files::create(&self.disk, path), false)
    }

    fn open(&self, path: &Path) -> io::Result<Opened> {
        self.open(files::Files::open(&self.disk, path), false)
    }

    fn open_directory(&self, path: &Path) -> io::Result<Opened> {
        self.open(self.disk.open_directory(path), true)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.bug != Some(Bug::ReplacedInPlace) {
            return self.disk.rename(from, to);
        }
        let bytes = self.disk.read(from)?;
        let file = self.disk.create(to)?;
        file.write_at(&bytes, 0)?;
        file.sync_all()?;
        self.disk.remove(from)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.create_directory(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_directory(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.disk.read(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Name>> {
        self.disk.list(path)
    }

    fn is_there(&self, path: &Path) -> bool {
        self.disk.is_there(path)
    }

    fn is_directory(&self, path: &Path) -> bool {
        self.disk.is_directory(path)
    }
}

impl Handle for Opened {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let written = self.file.write_at(bytes, offset)?;
        Ok(if self.bug == Some(Bug::SwallowedShortWrite) { bytes.len() } else { written })
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.bug {
            Some(Bug::SkippedSync) if !self.is_directory => Ok(()),
            Some(Bug::SkippedDirectorySync) if self.is_directory => Ok(()),
            Some(Bug::RetryAfterError) => self.file.sync_all().or_else(|_| self.file.sync_all()),
            Some(Bug::SwallowedSyncError) => self.file.sync_all().or(Ok(())),
            _ => self.file.sync_all(),
        }
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }
}
