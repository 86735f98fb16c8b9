//! A file system in memory that can lose power, for tests of everything above: what a disk may do, it does here.
//!
//! Not a store: [`super::directory`] is put on it and runs as it runs on the operating system's files. What it allows:
//!
//! - Bytes that were written are in a cache until their file is synced. A power cut keeps any of their sectors of
//!   512 bytes, and any length between the old and the new.
//! - Names that were made, moved or taken away are in a cache until their directory is synced. A power cut keeps any
//!   of these changes. A move is one change: whoever looks afterwards finds the old name or the new.
//! - A sync that fails leaves the file's cache as if it were written: a later sync that succeeds says nothing of it.
//!   A directory's names wait on, since a file system that cannot write its own journal takes no further write.
//! - A process that is killed leaves the cache as it is, and the write it was in cut short. Bytes that are wrongly
//!   thought written may be read as they are on the disk from then on.
//!
//! Every call that changes something is a step, which can be watched and can go wrong. A seed gives all chance.

mod cache;

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::chance::Chance;
use super::files::{Files, Handle, Name};
use cache::{State, part};

/// A disk with a file system on it. A clone is another handle of the same disk.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    state: Arc<Mutex<State>>,
    watcher: Arc<Mutex<Watcher>>,
}

/// How a step goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens, and the caller is told so. Of a sync: nothing reaches the disk, and the cache counts as written.
    Fails,
    /// It happens, and the caller is told it did not.
    FailsButPersisted,
    /// A part of it happens, and the caller is told it did not.
    Torn,
    /// Nothing happens, since the disk is full. Of a sync: as if it failed.
    Full,
    /// A write writes a part, as it may, and says so. Other calls go well.
    Short,
    /// A write is interrupted before it has written anything. Other calls go well.
    Interrupted,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// A file is made or emptied.
    Create,
    /// Bytes are written.
    Write,
    /// A file is synced.
    Sync,
    /// A directory is synced.
    SyncNames,
    /// A file gets another name.
    Rename,
    /// A file's name is taken away.
    Remove,
    /// A directory is made.
    CreateDirectory,
    /// A directory is removed.
    RemoveDirectory,
}

/// The disk as it was when a step was about to be made.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The number of the step, from 0.
    pub step: u64,
    /// What it does.
    pub call: Call,
    disk: State,
    write: Option<Write>,
}

/// Bytes on their way into a file.
#[derive(Debug, Clone)]
struct Write {
    inode: u64,
    offset: usize,
    bytes: Vec<u8>,
}

/// Called before each step.
#[derive(Default)]
struct Watcher(Option<Box<dyn FnMut(Moment) + Send>>);

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watcher({})", self.0.is_some())
    }
}

impl Disk {
    /// An empty disk; `seed` says what a fault leaves of a step.
    pub fn new(seed: u64) -> Self {
        Self::of(State::new(seed))
    }

    fn of(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)), watcher: Arc::default() }
    }

    /// How many steps there were.
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Lets step number `at` go wrong.
    pub fn fault(&self, at: u64, fault: Fault) {
        self.state().faults.insert(at, fault);
    }

    /// Whether there is room on the disk from now on. On a full one nothing is made and no file grows.
    pub fn set_full(&self, is_full: bool) {
        self.state().is_full = is_full;
    }

    /// Hands the disk to `watch` before each step from now on.
    pub fn watch(&self, watch: impl FnMut(Moment) + Send + 'static) {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner).0 = Some(Box::new(watch));
    }

    /// The disk as it is now, between two steps.
    pub fn now(&self) -> Moment {
        let disk = self.state().clone();
        Moment { step: disk.steps, call: Call::Sync, disk, write: None }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a step, shows it to the watcher, and says how it goes wrong.
    fn step(&self, call: Call, write: Option<Write>) -> Option<Fault> {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watch) = &mut watcher.0 {
            let disk = self.state().clone();
            watch(Moment { step: disk.steps, call, disk, write });
        }
        let mut state = self.state();
        let step = state.steps;
        state.steps = step.saturating_add(1);
        state.faults.remove(&step)
    }

    /// Takes a step that is whole or not there.
    fn whole<T>(&self, call: Call, change: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let fault = self.step(call, None);
        let mut state = self.state();
        match fault {
            Some(Fault::Fails | Fault::Torn) => Err(broken()),
            Some(Fault::Full) => Err(ErrorKind::StorageFull.into()),
            Some(Fault::FailsButPersisted) => change(&mut state).and_then(|_| Err(broken())),
            Some(Fault::Short | Fault::Interrupted) | None => change(&mut state),
        }
    }

    fn file(&self, inode: u64) -> File {
        File { disk: self.clone(), inode }
    }
}

impl Moment {
    /// The disk after the power was cut at this moment.
    pub fn cut(mut self, chance: &mut Chance) -> Disk {
        self.write_some(chance);
        self.disk.cut(chance);
        Disk::of(self.disk)
    }

    /// The disk after the process was killed at this moment.
    pub fn kill(mut self, chance: &mut Chance) -> Disk {
        self.write_some(chance);
        self.disk.forget(chance);
        Disk::of(self.disk)
    }

    /// Lets a part of the write that is under way reach the cache.
    fn write_some(&mut self, chance: &mut Chance) {
        self.disk.is_full = false;
        self.disk.faults.clear();
        self.disk.chance = chance.fork();
        if let Some(Write { inode, offset, mut bytes }) = self.write.take() {
            bytes.truncate(part(chance, bytes.len()));
            self.disk.write(inode, offset, &bytes);
        }
    }
}

impl Files for Disk {
    type Handle = File;

    fn create(&self, path: &Path) -> io::Result<File> {
        self.whole(Call::Create, |state| state.create(path)).map(|inode| self.file(inode))
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        self.state().find(path).map(|inode| self.file(inode))
    }

    fn open_directory(&self, path: &Path) -> io::Result<File> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.whole(Call::Rename, |state| state.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.whole(Call::Remove, |state| state.unlink(path, false))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.whole(Call::CreateDirectory, |state| state.create_directory(path))
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.whole(Call::RemoveDirectory, |state| state.unlink(path, true))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        let inode = state.find(path)?;
        let contents = state.contents(inode).ok_or(ErrorKind::IsADirectory)?;
        Ok(contents.seen.to_vec())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Name>> {
        let state = self.state();
        let names = state.names(state.find(path)?).ok_or(ErrorKind::NotADirectory)?;
        let is_directory = |inode: &u64| state.names(*inode).is_some();
        let name =
            |(name, inode): (&String, &u64)| Name { name: name.clone(), is_directory: is_directory(inode) };
        Ok(names.seen.iter().map(name).collect())
    }

    fn is_there(&self, path: &Path) -> bool {
        self.state().find(path).is_ok()
    }

    fn is_directory(&self, path: &Path) -> bool {
        let state = self.state();
        state.find(path).is_ok_and(|inode| state.names(inode).is_some())
    }
}

/// An open file or directory of a [`Disk`].
#[derive(Debug)]
pub struct File {
    disk: Disk,
    inode: u64,
}

impl File {
    fn sync(&self) -> io::Result<()> {
        let is_directory = self.disk.state().names(self.inode).is_some();
        let fault = self.disk.step(if is_directory { Call::SyncNames } else { Call::Sync }, None);
        let mut state = self.disk.state();
        if is_directory {
            let count = match fault {
                Some(Fault::Fails | Fault::Full) => 0,
                Some(Fault::Torn) => usize::try_from(state.chance.below(3)).unwrap_or(0),
                _ => usize::MAX,
            };
            state.sync_names(self.inode, count);
        } else {
            match fault {
                Some(Fault::Fails | Fault::Full) => state.sync(self.inode, |_| false),
                Some(Fault::Torn) => state.sync(self.inode, |chance| chance.hits(1, 2)),
                _ => state.sync(self.inode, |_| true),
            }
        }
        match fault {
            Some(Fault::Fails | Fault::FailsButPersisted | Fault::Torn) => Err(broken()),
            Some(Fault::Full) => Err(ErrorKind::StorageFull.into()),
            Some(Fault::Short | Fault::Interrupted) | None => Ok(()),
        }
    }
}

impl Handle for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let offset = usize::try_from(offset).map_err(|_| ErrorKind::FileTooLarge)?;
        let write = Write { inode: self.inode, offset, bytes: bytes.to_vec() };
        let fault = self.disk.step(Call::Write, Some(write));
        let mut state = self.disk.state();
        let grows = state
            .contents(self.inode)
            .is_some_and(|file| file.seen.len() < offset.saturating_add(bytes.len()));
        if grows {
            state.has_room()?;
        }
        let some = match fault {
            Some(Fault::Fails | Fault::Full | Fault::Interrupted) => 0,
            Some(Fault::Torn) => part(&mut state.chance, bytes.len()),
            Some(Fault::Short) => part(&mut state.chance, bytes.len()).max(1).min(bytes.len()),
            Some(Fault::FailsButPersisted) | None => bytes.len(),
        };
        state.write(self.inode, offset, bytes.get(..some).unwrap_or_default());
        match fault {
            Some(Fault::Fails | Fault::FailsButPersisted | Fault::Torn) => Err(broken()),
            Some(Fault::Full) => Err(ErrorKind::StorageFull.into()),
            Some(Fault::Interrupted) => Err(ErrorKind::Interrupted.into()),
            Some(Fault::Short) | None => Ok(some),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }
}

fn broken() -> io::Error {
    io::Error::other("a fault was injected")
}
