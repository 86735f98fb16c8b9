//! What a simulated file system holds, in the cache and on the disk, and what a power cut or a kill leaves of it. Not steps and not
//! faults: whoever changes it has decided that.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Component, Path};
use std::sync::Arc;

use super::Fault;
use crate::store::chance::Chance;

#[derive(Debug, Clone)]
pub(super) struct State {
    inodes: BTreeMap<u64, Inode>,
    /// Changes of names that are in no synced directory yet, oldest first.
    changes: Vec<Change>,
    next: u64,
    pub(super) steps: u64,
    pub(super) faults: BTreeMap<u64, Fault>,
    pub(super) is_full: bool,
    pub(super) chance: Chance,
}

#[derive(Debug, Clone)]
enum Inode {
    File(Contents),
    Directory(Names),
}

/// A file's bytes, in the cache and on the disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    pub(super) seen: Arc<Vec<u8>>,
    kept: Arc<Vec<u8>>,
    /// The sectors that the next sync writes.
    dirty: BTreeSet<usize>,
}

/// The names in a directory, in the cache and on the disk, with their inodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) seen: BTreeMap<String, u64>,
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
        Self::new(0)
    }
}

impl State {
    /// An empty disk; `seed` gives its chance.
    pub(super) fn new(seed: u64) -> Self {
        let inodes = BTreeMap::from([(ROOT, Inode::Directory(Names::default()))]);
        let (changes, faults) = (Vec::new(), BTreeMap::new());
        Self { inodes, changes, next: 1, steps: 0, faults, is_full: false, chance: Chance::new(seed) }
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<u64> {
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

    pub(super) fn names(&self, inode: u64) -> Option<&Names> {
        match self.inodes.get(&inode) {
            Some(Inode::Directory(names)) => Some(names),
            _ => None,
        }
    }

    pub(super) fn contents(&mut self, inode: u64) -> Option<&mut Contents> {
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

    pub(super) fn has_room(&self) -> io::Result<()> {
        if self.is_full { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<u64> {
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

    pub(super) fn create_directory(&mut self, path: &Path) -> io::Result<()> {
        let place = self.place(path)?;
        if self.at(&place).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.has_room()?;
        let inode = self.add(Inode::Directory(Names::default()));
        self.change(Change::Link(place, inode));
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        let inode = self.at(&from).ok_or(ErrorKind::NotFound)?;
        self.change(Change::Move(from, to, inode));
        Ok(())
    }

    pub(super) fn unlink(&mut self, path: &Path, is_directory: bool) -> io::Result<()> {
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

    pub(super) fn write(&mut self, inode: u64, offset: usize, bytes: &[u8]) {
        let Some(contents) = self.contents(inode).filter(|_| !bytes.is_empty()) else { return };
        let end = offset.saturating_add(bytes.len());
        let seen = Arc::make_mut(&mut contents.seen);
        seen.resize(seen.len().max(end), 0);
        seen.iter_mut().skip(offset).zip(bytes).for_each(|(to, from)| *to = *from);
        contents.dirty.extend(offset / SECTOR..end.div_ceil(SECTOR));
    }

    /// Brings the sectors for which `reaches` holds to the disk; all count as written.
    pub(super) fn sync(&mut self, inode: u64, mut reaches: impl FnMut(&mut Chance) -> bool) {
        let mut chance = self.chance.fork();
        if let Some(contents) = self.contents(inode) {
            contents.write_back(|| reaches(&mut chance));
        }
    }

    /// Brings changes of names in a directory to the disk, the first `count` of them, with all that went before under
    /// the same names.
    pub(super) fn sync_names(&mut self, directory: u64, count: usize) {
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

    pub(super) fn cut(&mut self, chance: &mut Chance) {
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
    pub(super) fn forget(&mut self, chance: &mut Chance) {
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

    pub(super) fn cut(&mut self, mut keeps: impl FnMut() -> bool) {
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
    pub(super) fn forget(&mut self) {
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
pub(super) fn part(chance: &mut Chance, whole: usize) -> usize {
    usize::try_from(chance.below((whole as u64).saturating_add(1))).unwrap_or(whole)
}

const ROOT: u64 = 0;
const SECTOR: usize = 512;
