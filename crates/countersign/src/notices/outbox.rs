//! The outbox: which notices there are, and what became of each attempt to tell them. One file, `notices` in the partnership's folder.
//!
//! Lines of JSON, each durable before anything rests on it. While the outbox is open they are only ever added; when it is opened and most
//! of them tell of attempts that later ones have overtaken, it is written anew. Where the file is lost, what still holds is told again under
//! the ids that it had, by which receivers drop it. Not here: what was given up, which is on the record.

use super::{Failure, Letter, TRIED_MS, WAIT_MS, wait_ms};
use crate::files;
use anyhow::{Context as _, bail};
use partnership::ids::{ClauseId, PartyId, Timestamp};
use partnership::notices::{About, Notice};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was told, and is still to be told.
#[derive(Debug)]
pub(crate) struct Outbox {
    path: PathBuf,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// None before the first line.
    file: Option<File>,
    /// How many bytes of the file are whole lines.
    bytes: u64,
    noted: BTreeMap<String, Noted>,
    /// What the record says was given up: notices with their receivers.
    dead: BTreeSet<(String, String)>,
}

/// A notice, and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    pub(crate) notice: Notice,
    /// When it was first seen to be told.
    pub(crate) at: Timestamp,
    /// By receiver.
    pub(crate) tried: BTreeMap<String, Tried>,
}

/// What became of the attempts to tell one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tried {
    /// How many there were.
    pub(crate) attempts: u64,
    /// When the first was.
    pub(crate) first: Timestamp,
    /// When the last was.
    pub(crate) at: Timestamp,
    /// Why it failed, and when the next is due; none where it was told.
    pub(crate) failed: Option<(String, Timestamp)>,
}

impl Tried {
    /// Whether the last attempt failed so long after the first that there is no other.
    pub(crate) fn is_last(&self, now: Timestamp) -> bool {
        self.failed.is_some() && now.as_millis().saturating_sub(self.first.as_millis()) >= TRIED_MS
    }
}

impl Noted {
    /// It as it leaves a partnership.
    pub(super) fn of(self, partnership: String) -> Letter {
        Letter { partnership, at: self.at, notice: self.notice }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum LineText {
    Noted(NotedText),
    Tried(TriedText),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NotedText {
    at: Timestamp,
    id: String,
    about: String,
    clause: Option<ClauseId>,
    parties: Vec<PartyId>,
    text: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TriedText {
    at: Timestamp,
    id: String,
    to: String,
    attempts: u64,
    first: Timestamp,
    error: Option<String>,
    next: Option<Timestamp>,
}

impl Outbox {
    /// The outbox of a partnership's folder; empty where there is none. A last line that a crash has cut short is left out.
    ///
    /// Errors: a line that is none of ours, with its number and what to do.
    pub(crate) fn open(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join("notices");
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
        };
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last.saturating_add(1));
        let mut held = Held { bytes: u64::try_from(whole)?, ..Held::default() };
        let lines = text.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n');
        let mut count = 0_usize;
        for (number, line) in (1_u64..).zip(lines).filter(|(_, line)| !line.is_empty()) {
            count = count.saturating_add(1);
            let read = serde_json::from_slice(line).map_err(anyhow::Error::new);
            let taken = read.and_then(|line| held.take(line));
            taken.with_context(|| {
                format!(
                    "line {number} of `{}` is no line of an outbox; move the file away, and what still holds is told again under the same ids",
                    path.display()
                )
            })?;
        }
        held.compact(&path, count).with_context(|| format!("`{}` cannot be written anew", path.display()))?;
        Ok(Self { path, held: Mutex::new(held) })
    }

    /// Writes down those that are not there yet; durable when this returns.
    ///
    /// Errors: those of the file system; nothing new is then told.
    pub(crate) fn note(&self, notices: Vec<Notice>, at: Timestamp) -> io::Result<()> {
        let mut held = self.held();
        let new = notices.into_iter().filter(|notice| !held.noted.contains_key(&notice.id));
        let lines: Vec<_> = new.map(|notice| LineText::Noted(noted_text(notice, at))).collect();
        held.add(&self.path, lines)
    }

    /// The first that is due to a receiver whom it concerns: those that were tried least come first.
    pub(crate) fn next(
        &self,
        receiver: &str,
        now: Timestamp,
        concerns: impl Fn(&Notice) -> bool,
    ) -> Option<Noted> {
        let held = self.held();
        let due = held.noted.values().filter_map(|noted| {
            let tried = noted.tried.get(receiver);
            let is_due =
                tried.is_none_or(|tried| tried.failed.as_ref().is_some_and(|(_, next)| is_due(*next, now)));
            (is_due && concerns(&noted.notice)).then_some((tried.map_or(0, |tried| tried.attempts), noted))
        });
        let is_dead = |noted: &Noted| held.dead.contains(&(noted.notice.id.clone(), receiver.to_owned()));
        due.filter(|(_, noted)| !is_dead(noted))
            .min_by_key(|(attempts, _)| *attempts)
            .map(|(_, noted)| noted.clone())
    }

    /// Writes down what became of an attempt; durable when this returns. `random` spreads the waits.
    ///
    /// Errors: those of the file system; until the next start it counts all the same.
    pub(crate) fn tried(
        &self,
        id: &str,
        receiver: &str,
        at: Timestamp,
        failure: Option<Failure>,
        random: [u8; 32],
    ) -> io::Result<Tried> {
        let mut held = self.held();
        let before = held.noted.get(id).and_then(|noted| noted.tried.get(receiver));
        let attempts = before.map_or(0, |before| before.attempts).saturating_add(1);
        let first = before.map_or(at, |before| before.first.min(at));
        let [chance, ..] = random;
        let failed = failure.map(|Failure(error)| (error, at.plus_millis(wait_ms(attempts, chance))));
        let tried = Tried { attempts, first, at, failed };
        if let Some(noted) = held.noted.get_mut(id) {
            noted.tried.insert(receiver.to_owned(), tried.clone());
        }
        let line = LineText::Tried(tried_text(id, receiver, &tried));
        held.write(&self.path, &[line])?;
        Ok(tried)
    }

    /// These are on the record as given up.
    pub(crate) fn give_up(&self, dead: BTreeSet<(String, String)>) {
        self.held().dead.extend(dead);
    }

    /// All of them, in order of id.
    pub(crate) fn all(&self) -> Vec<Noted> {
        self.held().noted.values().cloned().collect()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn add(&mut self, path: &Path, lines: Vec<LineText>) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        self.write(path, &lines)?;
        for line in lines {
            self.take(line).map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn take(&mut self, line: LineText) -> anyhow::Result<()> {
        match line {
            LineText::Noted(NotedText { at, id, about, clause, parties, text }) => {
                let Some(about) = About::ALL.into_iter().find(|known| known.name() == about) else {
                    bail!("nothing is told about `{about}`");
                };
                let notice = Notice { id: id.clone(), about, clause, parties, text };
                self.noted.entry(id).or_insert(Noted { notice, at, tried: BTreeMap::new() });
            }
            LineText::Tried(TriedText { at, id, to, attempts, first, error, next }) => {
                let noted =
                    self.noted.get_mut(&id).with_context(|| format!("`{id}` was not noted before"))?;
                noted.tried.insert(to, Tried { attempts, first, at, failed: error.zip(next) });
            }
        }
        Ok(())
    }

    /// Writes the file anew where more than half of its `count` lines were overtaken by later ones: those of earlier attempts.
    fn compact(&mut self, path: &Path, count: usize) -> io::Result<()> {
        let mut lines = Vec::new();
        for (id, Noted { notice, at, tried }) in &self.noted {
            lines.push(LineText::Noted(noted_text(notice.clone(), *at)));
            lines.extend(tried.iter().map(|(to, tried)| LineText::Tried(tried_text(id, to, tried))));
        }
        if count <= lines.len().saturating_mul(2) {
            return Ok(());
        }
        let text = spelled(&lines)?;
        files::replace(path, &text, 0o600)?;
        self.bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Adds lines to the file. What an earlier write has left of a line is cut off first.
    fn write(&mut self, path: &Path, lines: &[LineText]) -> io::Result<()> {
        let text = spelled(lines)?;
        let mut file = match self.file.take() {
            Some(file) => file,
            None => open(path)?,
        };
        file.set_len(self.bytes)?;
        file.write_all(&text)?;
        file.sync_data()?;
        self.bytes = self.bytes.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        self.file = Some(file);
        Ok(())
    }
}

fn spelled(lines: &[LineText]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    Ok(text)
}

/// The file, to add to; made where it is missing.
fn open(path: &Path) -> io::Result<File> {
    match files::write_new(path, b"", 0o600) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    OpenOptions::new().append(true).open(path)
}

/// Whether a moment has come. One that lies further ahead than any wait was set by a clock that has stepped back since.
fn is_due(next: Timestamp, now: Timestamp) -> bool {
    let ahead = next.as_millis().saturating_sub(now.as_millis());
    ahead <= 0 || ahead > WAIT_MS.1.saturating_mul(2)
}

fn noted_text(Notice { id, about, clause, parties, text }: Notice, at: Timestamp) -> NotedText {
    NotedText { at, id, about: about.name().to_owned(), clause, parties, text }
}

fn tried_text(id: &str, receiver: &str, Tried { attempts, first, at, failed }: &Tried) -> TriedText {
    let (error, next) = failed.clone().unzip();
    let (id, to) = (id.to_owned(), receiver.to_owned());
    TriedText { at: *at, id, to, attempts: *attempts, first: *first, error, next }
}
