//! What most benchmarks are told alike: how often, on which disk, and how they tell what they saw.
//!
//! Not here: what is measured.

use crate::progress;
use crate::table::Table;
use clap::Args;
use std::path::PathBuf;

/// How often each is measured, and how it is told.
#[derive(Debug, Args)]
pub(crate) struct Rounds {
    /// How often each is measured, in turns.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    #[command(flatten)]
    telling: Telling,
}

/// How what was seen is told.
#[derive(Debug, Args)]
pub(crate) struct Telling {
    /// Print JSON, with every round.
    #[arg(long)]
    json: bool,
}

/// Which disk is measured.
#[derive(Debug, Args)]
pub(crate) struct Disk {
    /// A folder on the disk that is to be measured; the build folder where none is given.
    #[arg(long)]
    place: Option<PathBuf>,
}

impl Rounds {
    /// The numbers of the rounds, from one on.
    pub(crate) fn numbers(&self) -> std::ops::RangeInclusive<u32> {
        1..=self.rounds
    }

    /// Says to whoever waits which round is under way, and what of it.
    pub(crate) fn progress(&self, round: u32, what: &str) {
        progress(&format!("round {round} of {}: {what}", self.rounds));
    }

    /// As [`Telling::report`].
    pub(crate) fn report(&self, tables: &[(&str, Table)]) -> String {
        self.telling.report(tables)
    }
}

impl Telling {
    /// Tables as a person reads them, or as JSON by their names.
    pub(crate) fn report(&self, tables: &[(&str, Table)]) -> String {
        if self.json {
            let all = tables.iter().map(|(name, table)| ((*name).to_owned(), table.json()));
            return serde_json::Value::Object(all.collect()).to_string();
        }
        let shown: Vec<String> =
            tables.iter().map(|(name, table)| format!("## {name}\n\n{}", table.text())).collect();
        shown.join("\n")
    }
}

impl Disk {
    /// The folder: the one that was asked for, else one in cargo's build folder, where this program lies. It is made where it is missing.
    ///
    /// Errors: where it cannot be made.
    pub(crate) fn place(&self) -> anyhow::Result<PathBuf> {
        let place = match &self.place {
            Some(place) => std::path::absolute(place)?,
            None => crate::build_folder()?.join("bench"),
        };
        std::fs::create_dir_all(&place)?;
        Ok(place)
    }
}
