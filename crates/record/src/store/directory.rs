//! A store in a directory of a Unix file system: the only module of the three pure crates that touches files.
//!
//! Files are made under `tmp/`, synced, moved to their name, and the directory that holds the name is synced. A
//! cut write leaves a file under `tmp/`, which [`crate::load`] removes.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Store, StoreError, check_path, segment_path};

/// The files of one record in one directory. There must be one writer; a lock on the directory is the caller's.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
    /// The number of the next file under `tmp/`.
    next: AtomicU64,
    open: Mutex<Open>,
}

/// Handles that stay open, so that an error a handle has to report is not lost with it.
#[derive(Debug, Default)]
struct Open {
    directories: BTreeMap<PathBuf, Arc<File>>,
    segments: BTreeMap<u32, Arc<File>>,
}

impl Directory {
    /// The store in the directory `root`, which need not exist before the first write.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), next: AtomicU64::new(0), open: Mutex::default() }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `bytes` to a synced file under `tmp/` and gives its path.
    fn stage(&self, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<PathBuf> {
        let directory = self.root.join(TMP);
        self.directory(&directory)?;
        let path = directory.join(format!("{}", self.next.fetch_add(1, Ordering::Relaxed)));
        let staged = File::create(&path).and_then(|mut file| {
            fill(&mut file)?;
            file.sync_all()
        });
        match staged {
            Ok(()) => Ok(path),
            Err(error) => {
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// Moves a staged file to its name; the directory must then be synced. What cannot be moved is taken away again, since a full
    /// disk that is asked each second would fill up with what it could not take.
    #[expect(clippy::disallowed_methods, reason = "this is the module that knows how to make a rename last")]
    fn settle(&self, staged: &Path, target: &Path) -> io::Result<Arc<File>> {
        let directory = self.directory(target.parent().unwrap_or(&self.root));
        let settled = directory.and_then(|directory| fs::rename(staged, target).map(|()| directory));
        settled.inspect_err(|_| drop(fs::remove_file(staged)))
    }

    fn put(&self, path: &str, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), StoreError> {
        let put = || {
            let staged = self.stage(fill)?;
            self.settle(&staged, &self.root.join(path))?.sync_all()
        };
        put().map_err(|source| error(path, source))
    }

    /// An open handle of `path`, made with its parents if it is not there; each new name is synced.
    fn directory(&self, path: &Path) -> io::Result<Arc<File>> {
        if let Some(handle) = self.open().directories.get(path) {
            return Ok(Arc::clone(handle));
        }
        if !path.is_dir() {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = self.directory(parent.unwrap_or_else(|| Path::new(".")))?;
            match fs::create_dir(path) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => parent.sync_all()?,
            }
        }
        let handle = Arc::new(File::open(path)?);
        let directories = &mut self.open().directories;
        if directories.len() >= HANDLES_MAX {
            directories.clear();
        }
        directories.insert(path.to_owned(), Arc::clone(&handle));
        Ok(handle)
    }

    fn segment(&self, number: u32) -> Result<Arc<File>, StoreError> {
        if let Some(handle) = self.open().segments.get(&number) {
            return Ok(Arc::clone(handle));
        }
        let path = segment_path(number);
        let opened = OpenOptions::new().read(true).write(true).open(self.root.join(&path));
        let handle = Arc::new(opened.map_err(|source| error(&path, source))?);
        self.open().segments.insert(number, Arc::clone(&handle));
        Ok(handle)
    }

    /// Whether `path` may be made: it is not there, or there with the same bytes.
    fn check_free(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        match self.read(path)? {
            Some(present) if present != bytes => Err(StoreError::Conflict { path: path.to_owned() }),
            _ => Ok(()),
        }
    }

    fn walk(&self, directory: &str, paths: &mut Vec<String>) -> io::Result<()> {
        let entries = match fs::read_dir(self.root.join(directory)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let path = if directory.is_empty() { name.into_owned() } else { format!("{directory}/{name}") };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.walk(&path, paths)?,
                Ok(_) => paths.push(path),
                // A writer took it away while this one looked; some file systems say so only here.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Store for Directory {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        check_path(path)?;
        match fs::read(self.root.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(source) => Err(error(path, source)),
        }
    }

    fn create(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        check_path(path)?;
        self.check_free(path, bytes)?;
        self.put(path, |file| file.write_all(bytes))
    }

    /// Syncs each directory once, after all names in it are there.
    fn create_all(&self, files: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        let mut touched = BTreeMap::new();
        for (path, bytes) in files {
            check_path(path)?;
            self.check_free(path, bytes)?;
            let target = self.root.join(path);
            let settled =
                self.stage(|file| file.write_all(bytes)).and_then(|staged| self.settle(&staged, &target));
            let directory = settled.map_err(|source| error(path, source))?;
            touched.insert(target.parent().unwrap_or(&self.root).to_owned(), (path, directory));
        }
        touched
            .into_values()
            .try_for_each(|(path, directory)| directory.sync_all().map_err(|source| error(path, source)))
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        check_path(path)?;
        self.put(path, |file| file.write_all(bytes))
    }

    fn remove(&self, path: &str) -> Result<(), StoreError> {
        check_path(path)?;
        let target = self.root.join(path);
        remove_file(&target).map_err(|source| error(path, source))?;
        // A directory of partial tiles goes with its last one; if others are in it, that is refused and well.
        if let Some(parent) =
            target.parent().filter(|parent| parent.extension().is_some_and(|end| end == "p"))
            && fs::remove_dir(parent).is_ok()
        {
            self.open().directories.remove(parent);
        }
        Ok(())
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        if !directory.is_empty() {
            check_path(directory)?;
        }
        let mut paths = Vec::new();
        self.walk(directory, &mut paths).map_err(|source| error(directory, source))?;
        paths.sort_unstable();
        Ok(paths)
    }

    fn segment_create(&self, number: u32, size: u32) -> Result<(), StoreError> {
        let path = segment_path(number);
        if self.root.join(&path).exists() {
            return Err(StoreError::Conflict { path });
        }
        let made = self.put(&path, |file| {
            let mut zeroes = io::Read::take(io::repeat(0), u64::from(size));
            let mut writer = io::BufWriter::with_capacity(1 << 20, file);
            io::copy(&mut zeroes, &mut writer)?;
            writer.flush()
        });
        // It may have its name and no room for that to last. It must not be there when it is made again.
        if matches!(made, Err(StoreError::Full { .. })) {
            remove_file(&self.root.join(&path)).map_err(|source| error(&path, source))?;
        }
        made
    }

    fn segment_write(&self, number: u32, offset: u32, bytes: &[u8]) -> Result<(), StoreError> {
        let written = self.segment(number)?.write_all_at(bytes, u64::from(offset));
        written.map_err(|source| error(&segment_path(number), source))
    }

    fn segment_sync(&self, number: u32) -> Result<(), StoreError> {
        self.segment(number)?.sync_data().map_err(|source| error(&segment_path(number), source))
    }

    fn segment_read(&self, number: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(&segment_path(number))
    }

    fn segment_remove(&self, number: u32) -> Result<(), StoreError> {
        let path = segment_path(number);
        self.open().segments.remove(&number);
        let removed = remove_file(&self.root.join(&path)).and_then(|()| {
            let journal = self.root.join("journal");
            if journal.is_dir() { self.directory(&journal)?.sync_all() } else { Ok(()) }
        });
        removed.map_err(|source| error(&path, source))
    }

    fn segments(&self) -> Result<Vec<u32>, StoreError> {
        let mut numbers: Vec<u32> =
            self.list("journal")?.iter().filter_map(|path| super::segment_number(path)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn error(path: &str, source: io::Error) -> StoreError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full { path },
        ErrorKind::NotFound => StoreError::Missing { path },
        _ => StoreError::Io { path, source },
    }
}

const TMP: &str = "tmp";

/// Open directories are few (one a tile level and the newest bundles); this only bounds them.
const HANDLES_MAX: usize = 64;
