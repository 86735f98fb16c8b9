//! A file system used carelessly: bugs to be planted under a record, so that a simulation can show that it finds them.
//! For tests; the product has none of them.

use std::io;
use std::path::Path;

use super::files::{Files, Handle, Name};
use super::simulated::{Disk, Fault, File};

/// What is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slip {
    /// A file's sync does nothing.
    SkippedSync,
    /// A directory's sync does nothing.
    SkippedDirectorySync,
    /// A sync that failed is tried again, and the second answer believed.
    RetriedSync,
    /// A sync that failed is not noticed.
    SwallowedSyncError,
    /// A write that was cut short is not noticed.
    SwallowedShortWrite,
    /// A file is moved to its name by writing it there.
    ReplacedInPlace,
}

impl Slip {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::SkippedSync,
        Self::SkippedDirectorySync,
        Self::RetriedSync,
        Self::SwallowedSyncError,
        Self::SwallowedShortWrite,
        Self::ReplacedInPlace,
    ];

    /// The faults of a disk without which it never shows; none where it shows on a sound one.
    pub fn shows_by(self) -> &'static [Fault] {
        match self {
            Self::RetriedSync | Self::SwallowedSyncError => &[Fault::Fails, Fault::Torn],
            Self::SwallowedShortWrite => &[Fault::Short],
            Self::SkippedSync | Self::SkippedDirectorySync | Self::ReplacedInPlace => &[],
        }
    }
}

/// A simulated disk, used with a slip or well.
#[derive(Debug)]
pub struct Careless {
    disk: Disk,
    slip: Option<Slip>,
}

impl Careless {
    /// The disk, used so.
    pub fn new(disk: Disk, slip: Option<Slip>) -> Self {
        Self { disk, slip }
    }

    fn opened(&self, file: File, is_directory: bool) -> CarelessFile {
        CarelessFile { file, is_directory, slip: self.slip }
    }
}

/// An open file or directory of a [`Careless`] disk.
#[derive(Debug)]
pub struct CarelessFile {
    file: File,
    is_directory: bool,
    slip: Option<Slip>,
}

impl Files for Careless {
    type Handle = CarelessFile;

    fn create(&self, path: &Path) -> io::Result<CarelessFile> {
        self.disk.create(path).map(|file| self.opened(file, false))
    }

    fn open(&self, path: &Path) -> io::Result<CarelessFile> {
        self.disk.open(path).map(|file| self.opened(file, false))
    }

    fn open_directory(&self, path: &Path) -> io::Result<CarelessFile> {
        self.disk.open_directory(path).map(|file| self.opened(file, true))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.slip != Some(Slip::ReplacedInPlace) {
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

impl Handle for CarelessFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let written = self.file.write_at(bytes, offset)?;
        Ok(if self.slip == Some(Slip::SwallowedShortWrite) { bytes.len() } else { written })
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.slip {
            Some(Slip::SkippedSync) if !self.is_directory => Ok(()),
            Some(Slip::SkippedDirectorySync) if self.is_directory => Ok(()),
            Some(Slip::RetriedSync) => self.file.sync_data().or_else(|_| self.file.sync_data()),
            Some(Slip::SwallowedSyncError) => self.file.sync_data().or(Ok(())),
            _ => self.file.sync_data(),
        }
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }
}
