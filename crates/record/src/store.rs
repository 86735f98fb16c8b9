//! Where the record's bytes live: a trait whose comments are contracts, its three homes, and a view of one that
//! stands still. Not a format; the names and bytes are chosen by the modules above.

use std::sync::Arc;

pub mod careless;
pub mod chance;
pub mod directory;
pub mod faulty;
pub mod files;
pub mod frozen;
pub mod memory;
pub mod simulated;

/// A place for the files of one record.
///
/// Paths are relative, with `/` between components of `a-z`, `A-Z`, `0-9`, `.`, `_` and `-`; a component does
/// not start with a dot. The journal's segments are files too: segment 7 is `journal/00000007`, seen by
/// [`Store::read`] and [`Store::list`], but written by the segment calls alone. Names under `tmp/` are the
/// store's own.
///
/// *Durable* means: after the call has returned `Ok`, the effect outlives a power cut. After an error the effect
/// may or may not be there, now or after a crash, but never a part of it, except for [`Store::segment_write`].
pub trait Store: Send + Sync {
    /// The whole file at `path`; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError::Path`], [`StoreError::Io`].
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Makes a file that never changes again; durable and whole or not there.
    ///
    /// If the file is there with these bytes they are made durable once more, since an earlier failure may have
    /// left them in a cache only.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is there with other bytes, which stay; [`StoreError::Path`],
    /// [`StoreError::Full`], [`StoreError::Io`].
    fn create(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// As [`Store::create`] for several files. After an error any subset of them may be there, each whole.
    ///
    /// # Errors
    /// Those of [`Store::create`].
    fn create_all(&self, files: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        files.iter().try_for_each(|(path, bytes)| self.create(path, bytes))
    }

    /// Puts `bytes` in place of the file at `path`, or makes it; durable, and a reader sees the old file or the new.
    ///
    /// # Errors
    /// [`StoreError::Path`], [`StoreError::Full`], [`StoreError::Io`].
    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// Makes the file at `path`, with its name, durable as it stands: what a process that was killed has left may so
    /// far be in a cache only. Not there is as good.
    ///
    /// # Errors
    /// [`StoreError::Path`], [`StoreError::Full`], [`StoreError::Io`].
    fn make_durable(&self, path: &str) -> Result<(), StoreError> {
        self.read(path)?.map_or(Ok(()), |bytes| self.replace(path, &bytes))
    }

    /// Removes the file; not there is as good. Need not be durable: it may be back after a power cut.
    ///
    /// # Errors
    /// [`StoreError::Path`], [`StoreError::Io`].
    fn remove(&self, path: &str) -> Result<(), StoreError>;

    /// The paths of all files below `directory` (`""` for all), sorted bytewise.
    ///
    /// # Errors
    /// [`StoreError::Path`], [`StoreError::Io`].
    fn list(&self, directory: &str) -> Result<Vec<String>, StoreError>;

    /// Hands the paths of all files below `directory` to `each`, in any order; for a record of many, without a list of all.
    ///
    /// # Errors
    /// Those of [`Store::list`].
    fn each_path(&self, directory: &str, each: &mut dyn FnMut(String)) -> Result<(), StoreError> {
        self.list(directory)?.into_iter().for_each(each);
        Ok(())
    }

    /// Makes segment `number` with `size` zero bytes; durable and whole or not there.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is there; [`StoreError::Full`] if there is no room for it, then nothing
    /// is left of it; [`StoreError::Io`].
    fn segment_create(&self, number: u32, size: u32) -> Result<(), StoreError>;

    /// Writes into segment `number` at `offset`, within its size. *Not* durable before [`Store::segment_sync`];
    /// after a power cut each sector of 512 bytes may have the old bytes or the new.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Io`]; any part may have been written.
    fn segment_write(&self, number: u32, offset: u32, bytes: &[u8]) -> Result<(), StoreError>;

    /// Makes all earlier writes into segment `number` durable.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Io`]. It must not be tried again: what failed to reach the disk
    /// may have been dropped from the cache that a second try would ask.
    fn segment_sync(&self, number: u32) -> Result<(), StoreError>;

    /// The whole of segment `number`; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn segment_read(&self, number: u32) -> Result<Option<Vec<u8>>, StoreError>;

    /// Removes segment `number`; not there is as good. Need not be durable, but the removals of several
    /// segments reach the disk in the order they were asked for.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn segment_remove(&self, number: u32) -> Result<(), StoreError>;

    /// The numbers of all segments, ascending.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn segments(&self) -> Result<Vec<u32>, StoreError>;
}

/// Why a call to a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file that never changes is there with other bytes.
    #[error("`{path}` is already there with other bytes; the record may have two writers, stop and compare")]
    Conflict {
        /// Its path.
        path: String,
    },
    /// There is no room left.
    #[error("no space left for `{path}`; free some")]
    Full {
        /// What was to be written.
        path: String,
    },
    /// What the format says must be there is not, or is cut short.
    #[error("`{path}` is missing or cut short; run an audit")]
    Missing {
        /// What was asked for.
        path: String,
    },
    /// The path is none that a record can have.
    #[error("`{path}` is no path of a record")]
    Path {
        /// The path.
        path: String,
    },
    /// The operating system refused.
    #[error("`{path}`: {source}")]
    Io {
        /// The file at hand.
        path: String,
        /// What it said.
        source: std::io::Error,
    },
    /// The store is a view that cannot be written to.
    #[error("`{path}` is in a view that is only read; write through the server that holds the record")]
    ReadOnly {
        /// What was to be written.
        path: String,
    },
    /// An earlier error was final.
    #[error("an earlier write failed, so this record must be loaded anew")]
    Poisoned,
}

/// The path of segment `number`. Shape: `journal/` and eight digits, more from a hundred million on.
pub fn segment_path(number: u32) -> String {
    format!("{JOURNAL}{number:08}")
}

/// The number of the segment at `path`, if it is the path of one.
pub fn segment_number(path: &str) -> Option<u32> {
    let number = path.strip_prefix(JOURNAL)?.parse().ok()?;
    (segment_path(number) == path).then_some(number)
}

/// Checks that `path` is one a record can have: no way out of the directory, no hidden names.
pub(crate) fn check_path(path: &str) -> Result<(), StoreError> {
    let plain = |part: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(known)
    };
    if path.split('/').all(plain) { Ok(()) } else { Err(StoreError::Path { path: path.to_owned() }) }
}

const JOURNAL: &str = "journal/";

impl<S: Store + ?Sized> Store for Arc<S> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        (**self).read(path)
    }

    fn create(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        (**self).create(path, bytes)
    }

    fn create_all(&self, files: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        (**self).create_all(files)
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        (**self).replace(path, bytes)
    }

    fn make_durable(&self, path: &str) -> Result<(), StoreError> {
        (**self).make_durable(path)
    }

    fn remove(&self, path: &str) -> Result<(), StoreError> {
        (**self).remove(path)
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        (**self).list(directory)
    }

    fn each_path(&self, directory: &str, each: &mut dyn FnMut(String)) -> Result<(), StoreError> {
        (**self).each_path(directory, each)
    }

    fn segment_create(&self, number: u32, size: u32) -> Result<(), StoreError> {
        (**self).segment_create(number, size)
    }

    fn segment_write(&self, number: u32, offset: u32, bytes: &[u8]) -> Result<(), StoreError> {
        (**self).segment_write(number, offset, bytes)
    }

    fn segment_sync(&self, number: u32) -> Result<(), StoreError> {
        (**self).segment_sync(number)
    }

    fn segment_read(&self, number: u32) -> Result<Option<Vec<u8>>, StoreError> {
        (**self).segment_read(number)
    }

    fn segment_remove(&self, number: u32) -> Result<(), StoreError> {
        (**self).segment_remove(number)
    }

    fn segments(&self) -> Result<Vec<u32>, StoreError> {
        (**self).segments()
    }
}
