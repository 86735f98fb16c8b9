//! A store in a directory of a Unix file system, which it reaches through [`super::files`].
//!
//! Files are made under `tmp/`, synced, moved to their name, and the directory that holds the name is synced. A
//! cut write leaves a file under `tmp/`, which [`crate::load`] removes.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::files::{Files, Handle, Os};
use super::{Store, StoreError, check_path, segment_path};

/// The files of one record in one directory. There must be one writer; a lock on the directory is the caller's.
#[derive(Debug)]
pub struct Directory<F: Files = Os> {
    files: F,
    root: PathBuf,
    /// The number of the next file under `tmp/`.
    next: AtomicU64,
    open: Mutex<Open<F::Handle>>,
}

/// Handles that stay open, so that an error a handle has to report is not lost with it.
#[derive(Debug)]
struct Open<H> {
    directories: BTreeMap<PathBuf, Arc<H>>,
    segments: BTreeMap<u32, Arc<H>>,
}

impl Directory {
    /// The store in the directory `root`, which need not exist before the first write.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::on(Os, root)
    }
}

impl<F: Files> Directory<F> {
    /// As [`Directory::new`], on another file system than the operating system's.
    pub fn on(files: F, root: impl Into<PathBuf>) -> Self {
        let open = Mutex::new(Open { directories: BTreeMap::new(), segments: BTreeMap::new() });
        Self { files, root: root.into(), next: AtomicU64::new(0), open }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn open(&self) -> MutexGuard<'_, Open<F::Handle>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes to a file under `tmp/`, which is then to be synced.
    fn stage(&self, fill: impl FnOnce(&F::Handle) -> io::Result<()>) -> io::Result<(PathBuf, F::Handle)> {
        let directory = self.root.join(TMP);
        self.directory(&directory)?;
        let path = directory.join(format!("{}", self.next.fetch_add(1, Ordering::Relaxed)));
        let staged = self.files.create(&path).and_then(|file| fill(&file).map(|()| file));
        self.or_removed(&path, staged).map(|file| (path, file))
    }

    /// Takes a staged file away again where something failed, since a full disk that is asked each second would fill up with what it
    /// could not take.
    fn or_removed<T>(&self, staged: &Path, done: io::Result<T>) -> io::Result<T> {
        done.inspect_err(|_| drop(self.files.remove(staged)))
    }

    /// Moves a staged file, which was synced, to its name; the directory must then be synced.
    fn settle(&self, staged: &Path, target: &Path) -> io::Result<Arc<F::Handle>> {
        let directory = self.directory(target.parent().unwrap_or(&self.root));
        directory.and_then(|directory| self.files.rename(staged, target).map(|()| directory))
    }

    fn put(&self, path: &str, fill: impl FnOnce(&F::Handle) -> io::Result<()>) -> Result<(), StoreError> {
        let put = || {
            let (staged, file) = self.stage(fill)?;
            let settled = file.sync_all().and_then(|()| self.settle(&staged, &self.root.join(path)));
            self.or_removed(&staged, settled)?.sync_all()
        };
        put().map_err(|source| error(path, source))
    }

    /// Writes some files, then syncs them together, then moves them to their names. `touched` gets the directories that are to be synced,
    /// each with the path of a file in it.
    fn create_some<'a>(
        &self,
        files: &'a [(String, Vec<u8>)],
        touched: &mut BTreeMap<PathBuf, (&'a str, Arc<F::Handle>)>,
    ) -> Result<(), StoreError> {
        let (mut staged, mut handles, mut settled) = (Vec::new(), Vec::new(), 0_usize);
        let mut create = || {
            for (path, bytes) in files {
                check_path(path)?;
                self.check_free(path, bytes)?;
                let written = self.stage(|file| write_all(file, bytes, 0));
                let (name, handle) = written.map_err(|source| error(path, source))?;
                staged.push(name);
                handles.push(handle);
            }
            for ((path, _), synced) in files.iter().zip(self.files.sync_each(&handles)) {
                synced.map_err(|source| error(path, source))?;
            }
            for ((path, _), staged) in files.iter().zip(&staged) {
                let target = self.root.join(path);
                let directory = self.settle(staged, &target).map_err(|source| error(path, source))?;
                touched.insert(target.parent().unwrap_or(&self.root).to_owned(), (path, directory));
                settled = settled.saturating_add(1);
            }
            Ok(())
        };
        let created = create();
        if created.is_err() {
            staged.iter().skip(settled).for_each(|staged| drop(self.files.remove(staged)));
        }
        created
    }

    /// An open handle of `path`, made with its parents if it is not there. Its name and theirs are synced in any case when
    /// it is first opened: a process that was killed may have made them and synced nothing.
    fn directory(&self, path: &Path) -> io::Result<Arc<F::Handle>> {
        if let Some(handle) = self.open().directories.get(path) {
            return Ok(Arc::clone(handle));
        }
        let is_there = self.files.is_directory(path);
        let is_above = is_there && !path.starts_with(&self.root);
        match above(path).map(|parent| self.directory(parent)) {
            None => {}
            // Where we may not look, somebody else has made the directory that the record is in, and answers for its name.
            Some(Err(error)) if is_above && error.kind() == ErrorKind::PermissionDenied => {}
            Some(parent) => {
                let parent = parent?;
                match if is_there { Ok(()) } else { self.files.create_directory(path) } {
                    Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                    _ => parent.sync_all()?,
                }
            }
        }
        let handle = Arc::new(self.files.open_directory(path)?);
        let directories = &mut self.open().directories;
        if directories.len() >= HANDLES_MAX {
            directories.clear();
        }
        directories.insert(path.to_owned(), Arc::clone(&handle));
        Ok(handle)
    }

    /// An open handle of a segment. Its name is synced when it is first opened: a process that was killed may have made
    /// it and synced nothing, and what is written to it from now on must not go with the name.
    fn segment(&self, number: u32) -> Result<Arc<F::Handle>, StoreError> {
        if let Some(handle) = self.open().segments.get(&number) {
            return Ok(Arc::clone(handle));
        }
        let path = segment_path(number);
        let opened = self.files.open(&self.root.join(&path)).and_then(|file| {
            self.directory(&self.root.join(JOURNAL))?.sync_all()?;
            Ok(file)
        });
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

    fn walk(&self, directory: &str, each: &mut dyn FnMut(String)) -> io::Result<()> {
        let names = match self.files.list(&self.root.join(directory)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            names => names?,
        };
        for entry in names {
            let name = entry.name;
            let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
            if entry.is_directory {
                self.walk(&path, each)?;
            } else {
                each(path);
            }
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        match self.files.remove(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

impl<F: Files> Store for Directory<F> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        check_path(path)?;
        match self.files.read(&self.root.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(source) => Err(error(path, source)),
        }
    }

    fn create(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        check_path(path)?;
        self.check_free(path, bytes)?;
        self.put(path, |file| write_all(file, bytes, 0))
    }

    /// Syncs each directory once, after all names in it are there.
    fn create_all(&self, files: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        let mut touched = BTreeMap::new();
        files.chunks(STAGED_MAX).try_for_each(|files| self.create_some(files, &mut touched))?;
        touched
            .into_values()
            .try_for_each(|(path, directory)| directory.sync_all().map_err(|source| error(path, source)))
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        check_path(path)?;
        self.put(path, |file| write_all(file, bytes, 0))
    }

    fn make_durable(&self, path: &str) -> Result<(), StoreError> {
        check_path(path)?;
        let target = self.root.join(path);
        let synced = self.files.open(&target).and_then(|file| {
            file.sync_all()?;
            self.directory(target.parent().unwrap_or(&self.root))?.sync_all()
        });
        match synced {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            synced => synced.map_err(|source| error(path, source)),
        }
    }

    fn remove(&self, path: &str) -> Result<(), StoreError> {
        check_path(path)?;
        let target = self.root.join(path);
        self.remove_file(&target).map_err(|source| error(path, source))?;
        // A directory of partial tiles goes with its last one; if others are in it, that is refused and well.
        if let Some(parent) =
            target.parent().filter(|parent| parent.extension().is_some_and(|end| end == "p"))
            && self.files.remove_directory(parent).is_ok()
        {
            self.open().directories.remove(parent);
        }
        Ok(())
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        let mut paths = Vec::new();
        self.each_path(directory, &mut |path| paths.push(path))?;
        paths.sort_unstable();
        Ok(paths)
    }

    fn each_path(&self, directory: &str, each: &mut dyn FnMut(String)) -> Result<(), StoreError> {
        if !directory.is_empty() {
            check_path(directory)?;
        }
        self.walk(directory, each).map_err(|source| error(directory, source))
    }

    fn segment_create(&self, number: u32, size: u32) -> Result<(), StoreError> {
        let path = segment_path(number);
        if self.files.is_there(&self.root.join(&path)) {
            return Err(StoreError::Conflict { path });
        }
        let made = self.put(&path, |file| {
            let zeroes = vec![0; ZEROES.min(usize::try_from(size).unwrap_or(ZEROES))];
            let mut written = 0;
            while written < size {
                let part = zeroes.len().min(usize::try_from(size.saturating_sub(written)).unwrap_or(ZEROES));
                write_all(file, zeroes.get(..part).unwrap_or_default(), u64::from(written))?;
                written = written.saturating_add(u32::try_from(part).unwrap_or(u32::MAX));
            }
            Ok(())
        });
        // It may have its name and no room for that to last. It must not be there when it is made again.
        if matches!(made, Err(StoreError::Full { .. })) {
            self.remove_file(&self.root.join(&path)).map_err(|source| error(&path, source))?;
        }
        made
    }

    fn segment_write(&self, number: u32, offset: u32, bytes: &[u8]) -> Result<(), StoreError> {
        let written = write_all(&*self.segment(number)?, bytes, u64::from(offset));
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
        let removed = self.remove_file(&self.root.join(&path)).and_then(|()| {
            let journal = self.root.join(JOURNAL);
            if self.files.is_directory(&journal) { self.directory(&journal)?.sync_all() } else { Ok(()) }
        });
        removed.map_err(|source| error(&path, source))
    }

    fn segments(&self) -> Result<Vec<u32>, StoreError> {
        let mut numbers: Vec<u32> =
            self.list(JOURNAL)?.iter().filter_map(|path| super::segment_number(path)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// The directory that has the name of `path`; none for the topmost, and for the one that a relative path begins in.
fn above(path: &Path) -> Option<&Path> {
    match path.parent()? {
        parent if !parent.as_os_str().is_empty() => Some(parent),
        _ if path == Path::new(HERE) => None,
        _ => Some(Path::new(HERE)),
    }
}

/// Writes all of `bytes` at `offset`, in as many calls as the file system takes for it.
fn write_all(file: &impl Handle, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                offset = offset.saturating_add(written as u64);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn error(path: &str, source: io::Error) -> StoreError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full { path },
        ErrorKind::NotFound => StoreError::Missing { path },
        _ => StoreError::Io { path, source },
    }
}

const HERE: &str = ".";

const TMP: &str = "tmp";

const JOURNAL: &str = "journal";

/// Open directories are few (one a tile level and the newest bundles); this only bounds them.
const HANDLES_MAX: usize = 64;

/// How many files are written before they are synced together; each is open until then.
const STAGED_MAX: usize = 64;

/// How many zeroes a new segment is written with at once. Units: bytes.
const ZEROES: usize = 1 << 20;
