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

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::chance::Chance;
use super::files::{Files, Handle, Name};

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

#[derive(Debug, Clone)]
struct State {
    inodes: BTreeMap<u64, Inode>,
    /// Changes of names that are in no synced directory yet, oldest first.
    changes: Vec<Change>,
    next: u64,
    steps: u64,
    faults: BTreeMap<u64, Fault>,
    is_full: bool,
    chance: Chance,
}

#[derive(Debug, Clone)]
enum Inode {
    File(Contents),
    Directory(Names),
}

/// A file's bytes, in the cache and on the disk.
#[derive(Debug, Clone, Default)]
struct Contents {
    seen: Arc<Vec<u8>>,
    kept: Arc<Vec<u8>>,
    /// The sectors that the next sync writes.
    dirty: BTreeSet<usize>,
}

/// The names in a directory, in the cache and on the disk, with their inodes.
#[derive(Debug, Clone, Default)]
struct Names {
    seen: BTreeMap<String, u64>,
    kept: BTreeMap<String, u64>,
}

/// A name in a directory, by the directory's inode.
type Place = (u64, String);

/// A change of names.
#[derive(Debug, Clone)]
enum Change {
    Link(Place, u64),
    Unlink(Place),
    Move(Place, Place, u64),
}

impl Default for State {
    fn default() -> Self {
        let inodes = BTreeMap::from([(ROOT, Inode::Directory(Names::default()))]);
        let (changes, faults) = (Vec::new(), BTreeMap::new());
        Self { inodes, changes, next: 1, steps: 0, faults, is_full: false, chance: Chance::new(0) }
    }
}

impl Disk {
    /// An empty disk; `seed` says what a fault leaves of a step.
    pub fn new(seed: u64) -> Self {
        Self::of(State { chance: Chance::new(seed), ..State::default() })
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

impl State {
    fn find(&self, path: &Path) -> io::Result<u64> {
        let mut inode = ROOT;
        for part in path.components() {
            if let Component::Normal(name) = part {
                let names = self.names(inode).ok_or(ErrorKind::NotADirectory)?;
                let name = name.to_string_lossy();
                inode = *names.seen.get(&*name).ok_or(ErrorKind::NotFound)?;
            }
        }
        Ok(inode)
    }

    /// The directory and the name of a path.
    fn place(&self, path: &Path) -> io::Result<Place> {
        let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
        let directory = self.find(path.parent().unwrap_or_else(|| Path::new("")))?;
        Ok((directory, name.to_string_lossy().into_owned()))
    }

    fn at(&self, place: &Place) -> Option<u64> {
        self.names(place.0)?.seen.get(&place.1).copied()
    }

    fn names(&self, inode: u64) -> Option<&Names> {
        match self.inodes.get(&inode) {
            Some(Inode::Directory(names)) => Some(names),
            _ => None,
        }
    }

    fn contents(&mut self, inode: u64) -> Option<&mut Contents> {
        match self.inodes.get_mut(&inode) {
            Some(Inode::File(contents)) => Some(contents),
            _ => None,
        }
    }

    /// Makes a change of names in the cache.
    fn change(&mut self, change: Change) {
        self.apply(&change, |names| &mut names.seen);
        self.changes.push(change);
    }

    /// Makes a change of names in the cache or on the disk.
    fn apply(&mut self, change: &Change, of: impl Fn(&mut Names) -> &mut BTreeMap<String, u64>) {
        let mut names = |place: &Place, edit: &mut dyn FnMut(&mut BTreeMap<String, u64>)| {
            if let Some(Inode::Directory(names)) = self.inodes.get_mut(&place.0) {
                edit(of(names));
            }
        };
        if let Change::Move(from, _, inode) = change {
            names(from, &mut |names| names.retain(|name, there| *name != from.1 || *there != *inode));
        }
        match change {
            Change::Link(place, inode) | Change::Move(_, place, inode) => names(place, &mut |names| {
                names.insert(place.1.clone(), *inode);
            }),
            Change::Unlink(place) => names(place, &mut |names| {
                names.remove(&place.1);
            }),
        }
    }

    fn add(&mut self, inode: Inode) -> u64 {
        let number = self.next;
        self.next = number.saturating_add(1);
        self.inodes.insert(number, inode);
        number
    }

    fn has_room(&self) -> io::Result<()> {
        if self.is_full { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn create(&mut self, path: &Path) -> io::Result<u64> {
        let place = self.place(path)?;
        if let Some(inode) = self.at(&place) {
            let contents = self.contents(inode).ok_or(ErrorKind::IsADirectory)?;
            contents.seen = Arc::default();
            contents.dirty.clear();
            return Ok(inode);
        }
        self.has_room()?;
        let inode = self.add(Inode::File(Contents::default()));
        self.change(Change::Link(place, inode));
        Ok(inode)
    }

    fn create_directory(&mut self, path: &Path) -> io::Result<()> {
        let place = self.place(path)?;
        if self.at(&place).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.has_room()?;
        let inode = self.add(Inode::Directory(Names::default()));
        self.change(Change::Link(place, inode));
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        let inode = self.at(&from).ok_or(ErrorKind::NotFound)?;
        self.change(Change::Move(from, to, inode));
        Ok(())
    }

    fn unlink(&mut self, path: &Path, is_directory: bool) -> io::Result<()> {
        let place = self.place(path)?;
        let inode = self.at(&place).ok_or(ErrorKind::NotFound)?;
        match self.names(inode) {
            Some(_) if !is_directory => return Err(ErrorKind::IsADirectory.into()),
            None if is_directory => return Err(ErrorKind::NotADirectory.into()),
            Some(names) if !names.seen.is_empty() => return Err(ErrorKind::DirectoryNotEmpty.into()),
            _ => {}
        }
        self.change(Change::Unlink(place));
        Ok(())
    }

    fn write(&mut self, inode: u64, offset: usize, bytes: &[u8]) {
        let Some(contents) = self.contents(inode).filter(|_| !bytes.is_empty()) else { return };
        let end = offset.saturating_add(bytes.len());
        let seen = Arc::make_mut(&mut contents.seen);
        seen.resize(seen.len().max(end), 0);
        seen.iter_mut().skip(offset).zip(bytes).for_each(|(to, from)| *to = *from);
        contents.dirty.extend(offset / SECTOR..end.div_ceil(SECTOR));
    }

    /// Brings the sectors for which `reaches` holds to the disk; all count as written.
    fn sync(&mut self, inode: u64, mut reaches: impl FnMut(&mut Chance) -> bool) {
        let mut chance = self.chance.fork();
        if let Some(contents) = self.contents(inode) {
            contents.write_back(|| reaches(&mut chance));
        }
    }

    /// Brings changes of names in a directory to the disk, the first `count` of them, with all that went before under
    /// the same names.
    fn sync_names(&mut self, directory: u64, count: usize) {
        let mut wanted: BTreeSet<Place> = BTreeSet::new();
        let of_it = |change: &Change| change.places().any(|place| place.0 == directory);
        let last = self.changes.iter().enumerate().filter(|(_, change)| of_it(change)).map(|(at, _)| at);
        let Some(last) = last.take(count).last() else { return };
        let mut now = Vec::new();
        let mut later = self.changes.split_off(last.saturating_add(1));
        for change in std::mem::take(&mut self.changes).into_iter().rev() {
            if of_it(&change) || change.places().any(|place| wanted.contains(place)) {
                wanted.extend(change.places().cloned());
                now.push(change);
            } else {
                later.insert(0, change);
            }
        }
        now.into_iter().rev().for_each(|change| self.apply(&change, |names| &mut names.kept));
        self.changes = later;
    }

    fn cut(&mut self, chance: &mut Chance) {
        let (mut keeps, changes) = (keeping(chance), std::mem::take(&mut self.changes));
        let reached = if chance.hits(1, 3) { part(chance, changes.len()) } else { changes.len() };
        for change in changes.iter().take(reached).filter(|_| keeps(chance)) {
            self.apply(change, |names| &mut names.kept);
        }
        let mut keeps = keeping(chance);
        for inode in self.inodes.values_mut() {
            match inode {
                Inode::File(contents) => contents.cut(|| keeps(chance)),
                Inode::Directory(names) => names.seen = names.kept.clone(),
            }
        }
        self.prune();
    }

    /// Bytes that are thought written and are not may be read as they are on the disk from now on.
    fn forget(&mut self, chance: &mut Chance) {
        for inode in self.inodes.values_mut() {
            match inode {
                Inode::File(contents) if chance.hits(1, 2) => contents.forget(),
                _ => {}
            }
        }
    }

    /// Drops what no name leads to.
    fn prune(&mut self) {
        let mut reached = BTreeSet::from([ROOT]);
        let mut next = vec![ROOT];
        while let Some(names) = next.pop().map(|inode| self.names(inode)) {
            for inode in names.into_iter().flat_map(|names| names.seen.values()) {
                if reached.insert(*inode) {
                    next.push(*inode);
                }
            }
        }
        self.inodes.retain(|inode, _| reached.contains(inode));
    }
}

impl Contents {
    fn write_back(&mut self, mut reaches: impl FnMut() -> bool) {
        let all = self.dirty.len() == self.seen.len().div_ceil(SECTOR);
        let dirty: Vec<usize> = std::mem::take(&mut self.dirty).into_iter().filter(|_| reaches()).collect();
        if all && dirty.len() == self.seen.len().div_ceil(SECTOR) {
            self.kept = Arc::clone(&self.seen);
            return;
        }
        let kept = Arc::make_mut(&mut self.kept);
        kept.resize(self.seen.len(), 0);
        for sector in dirty {
            let at = sector.saturating_mul(SECTOR);
            let from = self.seen.get(at..).unwrap_or_default().iter().take(SECTOR);
            kept.iter_mut().skip(at).zip(from).for_each(|(to, from)| *to = *from);
        }
    }

    fn cut(&mut self, mut keeps: impl FnMut() -> bool) {
        if !Arc::ptr_eq(&self.seen, &self.kept) {
            let (before, after) = (self.kept.len(), self.seen.len());
            if !self.dirty.is_empty() {
                self.write_back(&mut keeps);
            }
            if !keeps() && before < after {
                Arc::make_mut(&mut self.kept).truncate(before);
            }
        }
        self.dirty.clear();
        self.seen = Arc::clone(&self.kept);
    }

    /// Reads what is on the disk where nothing waits to be written there.
    fn forget(&mut self) {
        if Arc::ptr_eq(&self.seen, &self.kept) || self.seen == self.kept || self.seen.len() != self.kept.len()
        {
            return;
        }
        let seen = Arc::make_mut(&mut self.seen);
        let sectors = seen.chunks_mut(SECTOR).zip(self.kept.chunks(SECTOR)).enumerate();
        for (_, (seen, kept)) in sectors.filter(|(sector, _)| !self.dirty.contains(sector)) {
            seen.copy_from_slice(kept);
        }
    }
}

impl Change {
    fn places(&self) -> impl Iterator<Item = &Place> {
        let (first, second) = match self {
            Self::Link(place, _) | Self::Unlink(place) => (place, None),
            Self::Move(from, to, _) => (from, Some(to)),
        };
        std::iter::once(first).chain(second)
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

/// Whether each of several things outlives a power cut: none does, all do, or chance says.
fn keeping(chance: &mut Chance) -> impl FnMut(&mut Chance) -> bool + use<> {
    let how = chance.below(6);
    move |chance| match how {
        0 => false,
        1 => true,
        2 => chance.hits(1, 8),
        3 => chance.hits(7, 8),
        _ => chance.hits(1, 2),
    }
}

/// A length up to `whole`.
fn part(chance: &mut Chance, whole: usize) -> usize {
    usize::try_from(chance.below((whole as u64).saturating_add(1))).unwrap_or(whole)
}

fn broken() -> io::Error {
    io::Error::other("a fault was injected")
}

const ROOT: u64 = 0;
const SECTOR: usize = 512;
