//! The vault: the keys under which content is committed to, one for each data subject and month, wrapped under a key that lies elsewhere.
//!
//! A key that is destroyed takes with it whatever could be proved of its content, in every copy of the vault without the wrapping key
//! of then. Where a clause says so the content lies here too, sealed under them. Not here: whether it does, or whether an erasure is
//! allowed (the clerk's).

pub(crate) mod blob;
mod contents;
mod earlier;
mod erased;
mod erasing;
pub(crate) mod keeping;
mod keys;
#[cfg(test)]
mod tests;
mod wrapping;

use crate::clock::Clock;
use crate::files;
use contents::Contents;
pub(crate) use contents::Writing;
use erased::Erased;
use erasing::Intentions;
use jiff::civil::Date;
use keys::{End, Head, Held, Kept, Name};
use partnership::ids::{ActId, ApplicationId, Timestamp};
use record::hash::{sha256, sha256_of};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use wrapping::{Wrapping, WrappingFile};

/// The content keys of a partnership.
#[derive(Debug)]
pub(crate) struct Vault {
    dir: PathBuf,
    file: WrappingFile,
    clock: Clock,
    /// When it begins where there is none yet, if not when that is seen.
    begins: Option<Timestamp>,
    intentions: Intentions,
    erased: Erased,
    contents: Contents,
    /// Set when an answer could not be kept, until something can be written again.
    is_stuck: AtomicBool,
    /// Held by whoever changes the file of keys; taken before `held`. None where the file must be read again first.
    end: Mutex<Option<End>>,
    /// None as above.
    held: RwLock<Option<Held>>,
}

/// The folder of erasures under way.
const ERASING: &str = "erasing";
/// The file of what was erased.
const ERASED: &str = "erased";
/// The folder of blobs.
const CONTENT: &str = "content";
/// The file of keys.
const KEYS: &str = "keys";

/// Whose content it is, and when.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// The application that asks.
    pub(crate) application: ApplicationId,
    /// The end user that it asks for, by the id that it gives; none where it names none.
    pub(crate) end_user: Option<String>,
    /// When the act's id was made.
    pub(crate) at: Timestamp,
}

/// The key that an act was committed to under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// This one, if the act is of this subject.
    Key([u8; 32]),
    /// There never was one: the act is of another subject.
    Never,
    /// It may have been destroyed; nobody can tell.
    Gone,
}

/// What is to be erased. Shape: at least one of `before` and `end_user` is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// Of this application; of all where there is none.
    pub(crate) application: Option<ApplicationId>,
    /// Of the months before this day, which is the first of one.
    pub(crate) before: Option<Date>,
    /// Of this end user.
    pub(crate) end_user: Option<String>,
}

impl Vault {
    /// Opens the vault in `dir`, whose wrapping key lies at `key_file`; makes what is missing, and ends a change of the wrapping key that
    /// was cut off.
    ///
    /// Errors: where a file cannot be read or written, is damaged, or the wrapping key is not the vault's; each says what to do.
    pub(crate) fn open(dir: PathBuf, key_file: PathBuf, clock: Clock) -> io::Result<Self> {
        Self::begun(dir, key_file, clock, None)
    }

    /// The same; where there is no vault yet, one that counts as begun at a moment: that of a record whose moments are given.
    ///
    /// Errors: as [`Vault::open`].
    pub(crate) fn begun(
        dir: PathBuf,
        key_file: PathBuf,
        clock: Clock,
        begins: Option<Timestamp>,
    ) -> io::Result<Self> {
        if !dir.is_dir() {
            files::new_directory(&dir, 0o700)?;
        }
        let intentions = Intentions::new(dir.join(ERASING));
        let (end, held) = (Mutex::default(), RwLock::default());
        let (erased, contents) = (Erased::new(dir.join(ERASED)), Contents::new(dir.join(CONTENT)));
        let (file, is_stuck) = (WrappingFile::new(key_file), AtomicBool::default());
        let vault = Self { dir, file, clock, begins, intentions, erased, contents, is_stuck, end, held };
        files::remove_staged(&vault.keys_path())?;
        files::remove_staged(&vault.dir.join(ERASED))?;
        files::remove_staged(vault.file.path())?;
        let mut end = vault.end()?;
        vault.wrap_earlier(&mut end)?;
        drop(end);
        vault.contents.clear_staged()?;
        vault.sweep()?;
        Ok(vault)
    }

    /// The key for a subject, if there is one. Never waits for a disk.
    pub(crate) fn find(&self, subject: &Subject) -> Option<[u8; 32]> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let held = held.as_ref()?;
        held.keys.get(&held.name(subject)).map(|kept| kept.key)
    }

    /// The key for a subject; made, and durable, when it is first needed.
    ///
    /// Errors: where it cannot be written.
    pub(crate) fn key(&self, subject: &Subject) -> io::Result<[u8; 32]> {
        let mut end = self.end()?;
        if let Some(key) = self.find(subject) {
            return Ok(key);
        }
        let (key, random) = (self.clock.random(), self.clock.random());
        let (name, kept, line) = self.with_held(|held| {
            let (name, kept) = (held.name(subject), Kept { key, made: subject.at.max(held.since) });
            let line = held.render_line(&name, &kept, &random);
            Ok((name, kept, line))
        })?;
        // Nobody who only looks for a key waits for the disk.
        add(&mut end, &line)?;
        self.with_held(|held| Ok(held.keys.insert(name, kept)))?;
        Ok(key)
    }

    /// The key that an act at `subject.at` was committed to under, if it was of this subject.
    pub(crate) fn told(&self, subject: &Subject) -> Found {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let Some(held) = held.as_ref() else { return Found::Gone };
        let is_since = subject.at >= held.since;
        match held.keys.get(&held.name(subject)) {
            Some(kept) if is_since || kept.made < held.since => Found::Key(kept.key),
            None if is_since => Found::Never,
            _ => Found::Gone,
        }
    }

    /// Whether there is any key of an application.
    pub(crate) fn knows(&self, application: &ApplicationId) -> bool {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().is_some_and(|held| held.keys.keys().any(|name| name.application == *application))
    }

    /// Writes down what the erasure `act` is to destroy, before it is proposed: the keys of `scope` that there are now. Gives how many.
    ///
    /// Errors: where it cannot be written down.
    pub(crate) fn intend(&self, act: ActId, scope: &Scope) -> io::Result<u64> {
        let _end = self.end()?;
        let names = self.with_held(|held| Ok(held.within(scope)))?;
        self.intentions.write(act, &names)?;
        Ok(u64::try_from(names.len()).unwrap_or(u64::MAX))
    }

    /// Whether it is written down what the erasure `act` is to destroy.
    ///
    /// Errors: where that cannot be read.
    pub(crate) fn intends(&self, act: ActId) -> io::Result<bool> {
        self.intentions.read(act).map(|names| names.is_some())
    }

    /// What there is: how many keys of each application and month, in order.
    pub(crate) fn listed(&self) -> BTreeMap<(ApplicationId, Date), u64> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let mut counts = BTreeMap::new();
        for name in held.iter().flat_map(|held| held.keys.keys()) {
            let count: &mut u64 = counts.entry((name.application.clone(), name.month)).or_default();
            *count = count.saturating_add(1);
        }
        counts
    }

    /// Destroys the keys that the erasure `act` is to destroy; that is durable when this returns, and doing it again does nothing more.
    /// Gives false where it is not written down which.
    ///
    /// Errors: where it could not be done to its end. Then it must be done again; no other key is lost.
    pub(crate) fn erase(&self, act: ActId) -> io::Result<bool> {
        let mut end = self.end()?;
        let Some(names) = self.intentions.read(act)? else { return Ok(false) };
        let is_there = |held: &Held, name: &Name| held.keys.contains_key(name);
        let there =
            self.with_held(|held| Ok(names.iter().filter(|name| is_there(held, name)).collect::<Vec<_>>()))?;
        self.erased.add(act, there.iter().copied(), self.clock.now())?;
        let has_any = !there.is_empty();
        let left = self.with_held(|held| {
            self.settle_wrapping(held)?;
            Ok(has_any.then(|| held.without(&names, Wrapping::new(self.clock.random()), self.clock.now())))
        })?;
        let Some(left) = left else {
            self.sweep()?;
            return Ok(true);
        };
        // 1. The new wrapping key is laid beside the old one. A crash here leaves the old one in use, and the next opening takes the new one away.
        self.file.stage(&left.wrapping)?;
        // 2. What remains is written under the new one, in the place of all. With the rename it has happened: a crash here leaves a file
        //    under the key that is staged, and the next opening goes on with 3.
        let written = left.write(&self.keys_path(), self.clock);
        // 3. The old wrapping key is overwritten and the new one takes its place. Reading it all again does so, as after a crash.
        if let Err(error) = written.and_then(|()| self.load(&mut end)) {
            // What is on the disk is not known; whoever comes next reads it.
            *end = None;
            *self.held.write().unwrap_or_else(PoisonError::into_inner) = None;
            return Err(error);
        }
        // 4. What was sealed under the keys that are gone goes too; the next opening does so after a crash.
        self.sweep()?;
        Ok(true)
    }

    /// The erasure `act` is settled, or was not decided.
    ///
    /// Errors: where the note of it cannot be removed.
    pub(crate) fn forget(&self, act: ActId) -> io::Result<()> {
        self.intentions.remove(act)
    }

    /// No erasure is under way but these.
    ///
    /// Errors: where the note of another cannot be removed.
    pub(crate) fn forget_all_but(&self, acts: &BTreeSet<ActId>) -> io::Result<()> {
        self.intentions.keep_only(acts)
    }

    fn keys_path(&self) -> PathBuf {
        self.dir.join(KEYS)
    }

    /// The right to change the file of keys, which has been read.
    fn end(&self) -> io::Result<MutexGuard<'_, Option<End>>> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if end.is_none() {
            self.load(&mut end)?;
        }
        Ok(end)
    }

    fn with_held<T>(&self, work: impl FnOnce(&mut Held) -> io::Result<T>) -> io::Result<T> {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.as_mut().map_or_else(|| Err(io::Error::other("the vault could not be read")), work)
    }

    /// Reads the file of keys, and ends a change of the wrapping key that was cut off.
    fn load(&self, end: &mut Option<End>) -> io::Result<()> {
        let path = self.keys_path();
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return self.begin(end),
            Err(error) => return Err(about(&path, &error)),
        };
        let damaged = |why: &str| {
            io::Error::other(format!("`{}` is damaged: {why}; put back a copy of it", path.display()))
        };
        let head = Head::parse(&text).ok_or_else(|| damaged("its head does not read"))?;
        let wrapping = self.wrapping_of(head.wrapping)?;
        let (held, counts) = Held::parse(&text, &wrapping).map_err(|why| damaged(&why))?;
        *end = Some(End::of(&path, counts)?);
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held);
        Ok(())
    }

    /// The wrapping key with this id, which is the one in use when this returns, and the only one that is kept.
    fn wrapping_of(&self, id: &str) -> io::Result<Wrapping> {
        if let Some(next) = self.file.read_next()?.filter(|next| next.id() == id) {
            self.file.retire()?;
            return Ok(next);
        }
        let found = self.file.read()?.filter(|found| found.id() == id);
        let wrapping = found.ok_or_else(|| self.no_wrapping_key(id))?;
        self.file.unstage()?;
        Ok(wrapping)
    }

    /// The wrapping key that is staged, if any, is used or taken away.
    fn settle_wrapping(&self, held: &Held) -> io::Result<()> {
        self.wrapping_of(&held.wrapping.id()).map(drop)
    }

    fn no_wrapping_key(&self, id: &str) -> io::Error {
        let (key, keys) = (self.file.path().display(), self.keys_path());
        io::Error::other(format!(
            "`{}` is wrapped under the key `{id}`, and `{key}` does not hold it; put the key back or set `key_file` of `[vault]`. If it is lost or was retired by an erasure, move `{}` away: nothing can be proved any more of content that was committed to so far",
            keys.display(),
            keys.display()
        ))
    }

    /// An empty vault, under the wrapping key that is there or a new one.
    fn begin(&self, end: &mut Option<End>) -> io::Result<()> {
        if !self.contents.folders()?.is_empty() {
            let (keys, content) = (self.keys_path(), self.dir.join(CONTENT));
            return Err(io::Error::other(format!(
                "`{}` is missing, and `{}` holds content that is sealed under its keys; put it back, or move the content away: without the keys nobody reads it",
                keys.display(),
                content.display()
            )));
        }
        let wrapping = match self.file.read()? {
            Some(wrapping) => wrapping,
            None => {
                let wrapping = Wrapping::new(self.clock.random());
                self.file.stage(&wrapping)?;
                self.file.retire()?;
                wrapping
            }
        };
        let path = self.keys_path();
        let since = self.begins.unwrap_or_else(|| self.clock.now());
        Held::new(wrapping, self.clock, since).write(&path, self.clock)?;
        self.load(end)
    }

    /// Wraps what an earlier version has kept plain.
    fn wrap_earlier(&self, end: &mut Option<End>) -> io::Result<()> {
        for plain in earlier::find(&self.dir)? {
            let random = self.clock.random();
            self.with_held(|held| {
                if !held.keys.contains_key(&plain.name) {
                    add(end, &held.render_line(&plain.name, &plain.kept, &random))?;
                    held.keys.insert(plain.name.clone(), plain.kept);
                }
                Ok(())
            })?;
            plain.remove()?;
        }
        Ok(())
    }
}

impl Held {
    fn name(&self, subject: &Subject) -> Name {
        let Subject { application, end_user, at } = subject;
        let end_user = end_user.as_ref().map(|end_user| self.end_user(application, end_user));
        Name { application: application.clone(), month: at.date().first_of_month(), end_user }
    }

    /// A keyed hash of an application and its end user.
    fn end_user(&self, application: &ApplicationId, end_user: &str) -> [u8; 32] {
        let inner = sha256_of(&[application.as_str().as_bytes(), b"\n", end_user.as_bytes()]);
        sha256(&[b"countersign/end-user/v1\n".as_slice(), &self.names, &inner].concat())
    }

    /// The names of the keys that a scope covers.
    fn within(&self, scope: &Scope) -> BTreeSet<Name> {
        let Scope { application, before, end_user } = scope;
        let of_application = |name: &&Name| application.as_ref().is_none_or(|of| name.application == *of);
        let is_before = |name: &&Name| before.is_none_or(|before| name.month < before);
        let of_end_user = |name: &&Name| {
            let hashed = end_user.as_ref().map(|end_user| self.end_user(&name.application, end_user));
            hashed.is_none() || name.end_user == hashed
        };
        let names = self.keys.keys().filter(of_application).filter(is_before).filter(of_end_user);
        names.cloned().collect()
    }

    /// The same without these keys, under another wrapping key, at `now`.
    fn without(&self, names: &BTreeSet<Name>, wrapping: Wrapping, now: Timestamp) -> Self {
        let left = self.keys.iter().filter(|(name, _)| !names.contains(name));
        let keys: BTreeMap<_, _> = left.map(|(name, kept)| (name.clone(), *kept)).collect();
        Self { wrapping, names: self.names, since: now.max(self.since), keys }
    }
}

fn add(end: &mut Option<End>, line: &str) -> io::Result<()> {
    match end {
        Some(end) => end.add(line),
        None => Err(io::Error::other("the vault could not be read")),
    }
}

/// What went wrong with a file, by its name.
fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}
