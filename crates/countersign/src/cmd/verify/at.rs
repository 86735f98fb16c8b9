//! What a record adds up to at an entry or a moment of its past. Not here: what must hold of it.

use super::{Trusted, pause, record_of};
use crate::office;
use anyhow::bail;
use partnership::State;
use partnership::entry::Entry;
use partnership::ids::Timestamp;
use record::store::directory::Directory;
use record::store::frozen::Frozen;
use std::path::Path;

/// A point of the record: after an entry, or at the end of a day or moment.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    Index(u64),
    Time(Timestamp),
}

impl std::str::FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(index) = text.parse() {
            return Ok(Self::Index(index));
        }
        let day = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10);
        let day =
            day.and_then(|day| day.tomorrow().ok()).map(|next| Timestamp::start_of(next).plus_millis(-1));
        day.or_else(|| text.parse().ok()).map(Self::Time).ok_or_else(|| {
            "write an entry's index, a day (2027-01-31) or a moment (2027-01-31T12:00:00Z)".to_owned()
        })
    }
}

impl At {
    fn includes(self, index: u64, at: Timestamp) -> bool {
        match self {
            Self::Index(last) => index <= last,
            Self::Time(last) => at <= last,
        }
    }
}

/// What the entries up to `until` of the record of the partnership in `dir` add up to. Every byte of the record is looked at.
///
/// Errors: the first byte or entry that does not hold, or that there is no such entry.
pub(crate) fn state_at(dir: &Path, until: At) -> anyhow::Result<State> {
    let store = Directory::new(record_of(dir)?);
    let log = Trusted::of(&store, None)?.log;
    let frozen = Frozen::take(&store, log.name(), pause)?;
    let mut state = State::new(office::library(&frozen)?);
    let visit = |index: u64, envelope: &[u8], parties: &[u8]| {
        let entry = Entry::decode(envelope, parties).map_err(|error| error.to_string())?;
        let applied = if until.includes(index, entry.at) { state.apply(&entry, index) } else { Ok(()) };
        applied.map_err(|error| error.to_string())
    };
    let entries = record::audit(&frozen, log.name(), &log, visit)?.entries;
    match until {
        At::Index(index) if index >= entries => {
            bail!("entry {index} is not there yet: the record has {entries} entries, from 0")
        }
        At::Time(_) if state.entries() == 0 => bail!("the record had not begun then"),
        _ => Ok(state),
    }
}
