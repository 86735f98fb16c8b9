//! A replay as text, and back: so that whoever has verified a record up to an entry can go on from there. Not a proof of anything: who
//! can write such a text can have the replay begin with whatever it likes, so it is kept like a key. Not the file it lies in, and not
//! the checkpoint that it belongs to; those are the caller's.
//!
//! A line begins with a word that says what it is, and its fields follow, each after a tab. What the record spells stands as it is
//! spelled there, which has no control character. Lines stand in one order; what was read is written the same again, byte for byte,
//! and a caller that compares the two has read no other text than one of ours.

mod budgets;
mod dues;
pub(crate) mod line;
mod log_keys;
mod parts;
mod reconciled;
mod undelivered;
mod withdrawal;

use crate::fold::Replay;
use crate::seen::{Part, Seen, Shelf};
use line::{Fields, Line};
use record::hash::{base64, from_base64};
use std::io;
use std::sync::Arc;

/// Why a text was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// A line is not one of a replay.
    #[error("line {line}: expected {expected}")]
    Line {
        /// Its number, from one.
        line: u64,
        /// What had to stand there.
        expected: &'static str,
    },
    /// It could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Takes each line of a replay, without its end.
pub type ToLine<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<()>;

/// Gives the next line of a replay, without its end; none after the last.
pub type NextLine<'a> = &'a mut dyn FnMut() -> io::Result<Option<Vec<u8>>>;

impl Replay {
    /// The state before the first entry, with the ids of acts that are long over on `shelf`, so that memory does not grow with the
    /// record.
    #[must_use]
    pub fn on(shelf: Option<Arc<dyn Shelf>>) -> Self {
        let mut replay = Self::new();
        replay.seen = Seen::on(shelf);
        replay
    }

    /// Whether the shelf has failed, so that an act may have been decided twice and nobody could tell.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.seen.is_blind()
    }

    /// Writes all of it, a line at a time.
    ///
    /// # Errors
    /// Those of `to`, and of the shelf.
    pub fn save(&self, to: ToLine<'_>) -> io::Result<()> {
        self.write_parts(to)?;
        self.seen.pieces(|part, is_first, ids| {
            if is_first {
                Line::of(part.word()).end(to)?;
            }
            ids.chunks(IDS_A_LINE).try_for_each(|ids| {
                let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_be_bytes()).collect();
                Line::of("ids").field(base64(&bytes)).end(to)
            })
        })
    }

    /// Reads what [`Replay::save`] has written. `shelf` as for [`Replay::on`].
    ///
    /// Memory: as much as the replay itself.
    ///
    /// # Errors
    /// [`SavedError`]: the first line that is not one of a replay.
    pub fn resume(shelf: Option<Arc<dyn Shelf>>, next: NextLine<'_>) -> Result<Self, SavedError> {
        let mut replay = Self::on(shelf);
        let mut ids: Option<(Part, Vec<u128>)> = None;
        let mut number = 0_u64;
        while let Some(line) = next()? {
            number = number.saturating_add(1);
            let wrong = |expected| SavedError::Line { line: number, expected };
            let mut fields = Fields::of(&line).map_err(wrong)?;
            let word = fields.word();
            let read = if let Some(part) = Part::of(word) {
                let before = ids.replace((part, Vec::new()));
                replay.take_over(before)
            } else if let Some((_, ids)) = &mut ids {
                fields.field().and_then(|field| read_ids(word, field, ids))
            } else {
                replay.read_part(word, &mut fields)
            };
            read.and_then(|()| fields.end()).map_err(wrong)?;
        }
        let wrong = |expected| SavedError::Line { line: number, expected };
        replay.take_over(ids).map_err(wrong)?;
        if replay.entries == 0 {
            return Err(wrong("a replay of one entry at least"));
        }
        Ok(replay)
    }

    fn take_over(&mut self, ids: Option<(Part, Vec<u128>)>) -> Result<(), &'static str> {
        let Some((part, ids)) = ids else { return Ok(()) };
        self.seen.take_over(part, ids).ok_or("ids in order before it")
    }
}

fn read_ids(word: &str, field: &str, ids: &mut Vec<u128>) -> Result<(), &'static str> {
    const EXPECTED: &str = "ids of 16 bytes each, in base64";
    let bytes = from_base64(field).filter(|_| word == "ids").ok_or(EXPECTED)?;
    let (read, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() || ids.len().saturating_add(read.len()) > Seen::PART_MAX {
        return Err(EXPECTED);
    }
    ids.extend(read.iter().map(|id| u128::from_be_bytes(*id)));
    Ok(())
}

impl Part {
    const fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Row => "row",
            Self::Late => "late",
        }
    }

    fn of(word: &str) -> Option<Self> {
        [Self::Run, Self::Row, Self::Late].into_iter().find(|part| part.word() == word)
    }
}

/// How many ids stand in a line; a line of them has 1,024 characters of base64.
const IDS_A_LINE: usize = 48;
