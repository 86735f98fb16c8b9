//! What the party's own meters saw, held against the record as both grow. Not the comparison itself (`crate::meter::compare`).

use super::incident::Disagreement;
use crate::clock::Clock;
use crate::cmd::meter::pair;
use crate::meter::Reader;
use crate::meter::compare::{Comparison, Scope};
use clap::Args;
use partnership::entry::Entry;
use partnership::ids::{ApplicationId, PartyId};
use record::Fault;
use record::note::Verifier;
use std::path::PathBuf;

/// The party's meters.
#[derive(Debug, Clone, Args)]
pub(crate) struct Meters {
    /// The folder of a journal of `countersign meter`, to hold against the record; several, where the party has several meters.
    #[arg(long, value_name = "DIR")]
    meter: Vec<PathBuf>,
    /// An application whose every call goes through the meters; several, or else all that the party has.
    #[arg(long, value_name = "NAME", requires = "meter")]
    application: Vec<String>,
    /// A name that a model may answer by, beside its own and the first that it answered by.
    #[arg(long, value_name = "MODEL=NAME", value_parser = pair, requires = "meter")]
    accept: Vec<(String, String)>,
    /// How far the two sides' clocks may be apart. Units: seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(..=3600))]
    clock_slack: u32,
}

/// The comparison so far.
#[derive(Debug)]
pub(crate) struct Metered {
    readers: Vec<Reader>,
    comparison: Comparison,
}

impl Metered {
    /// Begins a comparison with the journals that `party` signs by `key`; none where there is no meter.
    pub(super) fn of(meters: &Meters, party: &str, key: &Verifier) -> Option<Self> {
        if meters.meter.is_empty() {
            return None;
        }
        let scope = Scope {
            party: PartyId::from(party),
            applications: meters.application.iter().map(|name| ApplicationId::from(name.as_str())).collect(),
            names: meters.accept.clone(),
            slack_ms: i64::from(meters.clock_slack).saturating_mul(1000),
        };
        let readers = meters.meter.iter().map(|dir| Reader::new(dir, key)).collect();
        Some(Self { readers, comparison: Comparison::new(scope) })
    }

    /// Takes the next entry of the record.
    pub(super) fn entry(&mut self, index: u64, entry: &Entry) {
        self.comparison.entry(index, entry);
    }

    /// Reads on in the journals, and sees whether both sides agree.
    ///
    /// Errors: where a journal does not hold; [`Disagreement`], with the first in which they do not and how many more there are.
    pub(super) fn agrees(&mut self) -> anyhow::Result<()> {
        for (number, reader) in self.readers.iter_mut().enumerate() {
            reader.advance(|_, line| self.comparison.line(number, line))?;
        }
        let findings = self.comparison.findings(Some(Clock.now()));
        let Some(first) = findings.disagreements.first() else { return Ok(()) };
        let place = first.index.map_or_else(|| "meter".to_owned(), |index| format!("entry {index}"));
        let all: Vec<String> = findings.disagreements.iter().map(ToString::to_string).collect();
        let what = format!("the meter and the record disagree: {}", all.join("; "));
        Err(Disagreement::from(Fault { place, what }).into())
    }
}
