//! The calls to a file system that [`super::directory`] makes: what a test puts another file system under. The only
//! module of the three pure crates that touches files.
//!
//! Not a store: it knows bytes, names and syncs, and no segment or tile. A file's bytes and the name it goes by are
//! two things, and each is made durable by a sync of its own: of the file, and of the directory that has the name.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

/// A file system. Errors are those of the operating system; after one the effect may be there, or a part of it.
pub trait Files: Debug + Send + Sync {
    /// An open file or directory.
    type Handle: Handle;

    /// Makes a file, or empties the one that is there; its name is durable when its directory is synced.
    ///
    /// # Errors
    /// Those of the file system.
    fn create(&self, path: &Path) -> io::Result<Self::Handle>;

    /// Opens a file that is there, to write to it.
    ///
    /// # Errors
    /// Those of the file system.
    fn open(&self, path: &Path) -> io::Result<Self::Handle>;

    /// Makes several files durable, in any order or at once: [`Handle::sync_all`] of each, in their order.
    fn sync_each(&self, files: &[Self::Handle]) -> Vec<io::Result<()>> {
        files.iter().map(Handle::sync_all).collect()
    }

    /// Opens a directory, to sync the names in it.
    ///
    /// # Errors
    /// Those of the file system.
    fn open_directory(&self, path: &Path) -> io::Result<Self::Handle>;

    /// Moves a file to another name, in place of what was there: whoever looks sees the one or the other.
    ///
    /// # Errors
    /// Those of the file system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file's name away.
    ///
    /// # Errors
    /// Those of the file system.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory; its name is durable when the directory above it is synced.
    ///
    /// # Errors
    /// Those of the file system; [`ErrorKind::AlreadyExists`] if it is there.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory that is empty.
    ///
    /// # Errors
    /// Those of the file system.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;

    /// The whole file.
    ///
    /// # Errors
    /// Those of the file system.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// What is in a directory, in any order.
    ///
    /// # Errors
    /// Those of the file system.
    fn list(&self, path: &Path) -> io::Result<Vec<Name>>;

    /// Whether a file is there.
    fn is_there(&self, path: &Path) -> bool;

    /// Whether a directory is there.
    fn is_directory(&self, path: &Path) -> bool;
}

/// An open file or directory.
pub trait Handle: Debug + Send + Sync {
    /// Writes at `offset` and gives how many bytes were written, which may be fewer than there are. Units: bytes.
    ///
    /// # Errors
    /// Those of the file system.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes what was written durable, and the length as far as reading it back needs it.
    ///
    /// # Errors
    /// Those of the file system. After one, what was written may be on the disk or not, and a second sync that
    /// succeeds says nothing of it.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes what was written, or the names in a directory, durable.
    ///
    /// # Errors
    /// As [`Handle::sync_data`].
    fn sync_all(&self) -> io::Result<()>;
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name, without the directory's.
    pub name: String,
    /// Whether it is that of a directory.
    pub is_directory: bool,
}

/// The operating system's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Os;

/// How many threads sync at once.
const SYNCING: usize = 8;

/// How many files are worth a thread.
const SYNCED_MIN: usize = 8;

impl Files for Os {
    type Handle = File;

    fn create(&self, path: &Path) -> io::Result<File> {
        File::create(path)
    }

    /// Many from several threads: a disk that is asked to flush while it flushes does both at once.
    fn sync_each(&self, files: &[File]) -> Vec<io::Result<()>> {
        let share = files.len().div_ceil(SYNCING).max(SYNCED_MIN);
        thread::scope(|scope| {
            let sync = |files: &[File]| files.iter().map(File::sync_all).collect::<Vec<_>>();
            let mut shares = files.chunks(share);
            let own = shares.next().unwrap_or_default();
            let others: Vec<_> = shares.map(|files| scope.spawn(move || sync(files))).collect();
            let mut synced = sync(own);
            for other in others {
                synced.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            synced
        })
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(path)
    }

    fn open_directory(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    #[expect(clippy::disallowed_methods, reason = "`directory` knows how to make a rename last")]
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Name>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            match entry.file_type() {
                Ok(kind) => names.push(Name { name, is_directory: kind.is_dir() }),
                // A writer took it away while this one looked; some file systems say so only here.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(names)
    }

    fn is_there(&self, path: &Path) -> bool {
        path.exists()
    }

    fn is_directory(&self, path: &Path) -> bool {
        path.is_dir()
    }
}

impl Handle for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        File::sync_all(self)
    }
}
