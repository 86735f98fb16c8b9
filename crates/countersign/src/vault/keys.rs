//! The file of content keys, `vault/keys`: a head, then a line for each key, wrapped. A new key is a line more; an erasure writes the
//! whole file anew.
//!
//! Not here: whose content is under which key (`vault`), or the order of an erasure (`erasing`).

use super::wrapping::Wrapping;
use crate::clock::Clock;
use crate::files;
use jiff::civil::Date;
use partnership::ids::{ApplicationId, Timestamp};
use record::hash::hex;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// What a content key is for, as the file names it: nothing of it tells who an end user is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) application: ApplicationId,
    /// The first day of the month.
    pub(super) month: Date,
    /// A keyed hash of the application and its end user; none for what names no end user.
    pub(super) end_user: Option<[u8; 32]>,
}

/// A content key.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    pub(super) key: [u8; 32],
    /// When it was made, which is not before the last erasure then.
    pub(super) made: Timestamp,
}

/// All content keys, unwrapped, and what they are wrapped under.
pub(super) struct Held {
    pub(super) wrapping: Wrapping,
    /// The key by which end users are named.
    pub(super) names: [u8; 32],
    /// When the vault began or something was last erased: what was kept since is all there.
    pub(super) since: Timestamp,
    pub(super) keys: BTreeMap<Name, Kept>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({:?}, {} keys)", self.wrapping, self.keys.len())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { application, month, end_user } = self;
        let end_user = end_user.map_or_else(|| "-".to_owned(), |end_user| hex(&end_user));
        write!(f, "{application} {:04}-{:02} {end_user}", month.year(), month.month())
    }
}

impl Name {
    /// Reads what is shown of it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let (application, month, end_user) = (parts.next()?, parts.next()?, parts.next()?);
        let end_user = match end_user {
            "-" => None,
            digits => Some(partnership::act::Digest::from_hex(digits)?.0),
        };
        let name = Self { application: application.into(), month: month_of(month)?, end_user };
        (parts.next().is_none() && name.to_string() == text).then_some(name)
    }
}

/// Reads `2026-06`.
pub(super) fn month_of(text: &str) -> Option<Date> {
    format!("{text}-01").parse().ok()
}

/// What the head of the file begins with.
const HEAD: &str = "countersign/vault/v1";
/// The key by which end users are named is wrapped as this.
const NAMES: &str = "countersign/vault-names/v1";

/// The head: the wrapping key's id, the time, and the key of names.
pub(super) struct Head<'a> {
    pub(super) wrapping: &'a str,
    since: Timestamp,
    names: &'a str,
}

impl<'a> Head<'a> {
    /// Reads the first line.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let line = text.split_inclusive(|byte| *byte == b'\n').next()?.strip_suffix(b"\n")?;
        let mut parts = std::str::from_utf8(line).ok()?.strip_prefix(HEAD)?.strip_prefix(' ')?.split(' ');
        let (wrapping, since, names) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { wrapping, since: since.parse().ok()?, names }).filter(|_| parts.next().is_none())
    }
}

impl Held {
    /// Nothing, from a moment on.
    pub(super) fn new(wrapping: Wrapping, clock: Clock, since: Timestamp) -> Self {
        Self { wrapping, names: clock.random(), since, keys: BTreeMap::new() }
    }

    /// Reads the file's text; with it the length of what of it counts, in bytes: a line that was cut off, which nobody relies on, is left out.
    ///
    /// Errors: what does not read, and where.
    pub(super) fn parse(text: &[u8], wrapping: &Wrapping) -> Result<(Self, u64), String> {
        let damaged = || "its head does not read".to_owned();
        let head = Head::parse(text).ok_or_else(damaged)?;
        let names = wrapping.unwrap(NAMES, head.names).ok_or_else(damaged)?;
        let mut held = Self { wrapping: wrapping.clone(), names, since: head.since, keys: BTreeMap::new() };
        let (mut counts, mut at, mut torn) = (0, 0, None);
        for (number, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            at += line.len();
            let place = number.saturating_add(1);
            match line.strip_suffix(b"\n").and_then(|line| held.line(std::str::from_utf8(line).ok()?)) {
                _ if number == 0 => counts = at,
                Some((name, kept)) if torn.is_none() => {
                    held.keys.insert(name, kept);
                    counts = at;
                }
                // Each line is durable before the next is written, so only the last one can be torn.
                Some(_) => return Err(format!("line {} does not read", torn.unwrap_or(place))),
                None => torn = torn.or(Some(place)),
            }
        }
        Ok((held, u64::try_from(counts).unwrap_or(u64::MAX)))
    }

    fn line(&self, line: &str) -> Option<(Name, Kept)> {
        let (about, wrapped) = line.rsplit_once(' ')?;
        let (name, made) = about.rsplit_once(' ')?;
        let key = self.wrapping.unwrap(about, wrapped)?;
        Some((Name::parse(name)?, Kept { key, made: made.parse().ok()? }))
    }

    /// A key's line.
    pub(super) fn render_line(&self, name: &Name, kept: &Kept, random: &[u8; 32]) -> String {
        let about = format!("{name} {}", kept.made);
        let wrapped = self.wrapping.wrap(&about, &kept.key, random);
        format!("{about} {wrapped}\n")
    }

    /// The whole file.
    fn render(&self, clock: Clock) -> String {
        let names = self.wrapping.wrap(NAMES, &self.names, &clock.random());
        let head = format!("{HEAD} {} {} {names}\n", self.wrapping.id(), self.since);
        let lines = self.keys.iter().map(|(name, kept)| self.render_line(name, kept, &clock.random()));
        std::iter::once(head).chain(lines).collect()
    }

    /// Writes the whole file in the place of the one that is there; durable when this returns.
    ///
    /// Errors: those of the file system; whether the old file or the new one is there is then not known.
    pub(super) fn write(&self, path: &Path, clock: Clock) -> io::Result<()> {
        files::replace(path, self.render(clock).as_bytes(), 0o600)
    }
}

/// The end of the file, where new lines go.
#[derive(Debug)]
pub(super) struct End {
    file: File,
    at: u64,
}

impl End {
    /// The end of the file at `path`, of which the first `at` bytes count: the rest goes.
    ///
    /// Errors: those of the file system.
    pub(super) fn of(path: &Path, at: u64) -> io::Result<Self> {
        let file = File::options().write(true).open(path)?;
        if file.metadata()?.len() != at {
            file.set_len(at)?;
            file.sync_all()?;
        }
        Ok(Self { file, at })
    }

    /// Adds a line; durable when this returns.
    ///
    /// Errors: those of the file system; the next line then takes its place.
    pub(super) fn add(&mut self, line: &str) -> io::Result<()> {
        self.file.write_all_at(line.as_bytes(), self.at)?;
        self.file.sync_all()?;
        self.at = self.at.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
        Ok(())
    }
}
