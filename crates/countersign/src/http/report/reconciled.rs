//! The reconciliations on which there is a party's word, and whose word is missing.
//!
//! Not here: what was compared. The record has the digests of reports, and no report.

use partnership::State;
use serde::Serialize;

/// One report that a party or several have attested.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Reconciliation {
    /// Of which month or year.
    pub(crate) period: String,
    /// Whose acts it is of; none for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) of: Option<String>,
    /// The digest of the report.
    pub(crate) report: String,
    /// How many differences it names, by the word of whoever attested it first.
    pub(crate) differing: u64,
    /// Whose word there is, in the order in which it was given.
    pub(crate) attested_by: Vec<Word>,
    /// The parties whose word is missing, in the memorandum's order.
    pub(crate) missing: Vec<String>,
}

/// One party's word.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Word {
    pub(crate) party: String,
    /// When, by the record's time.
    pub(crate) at: String,
}

impl Reconciliation {
    /// Whose word there is, with commas.
    pub(crate) fn by(&self) -> String {
        self.attested_by.iter().map(|word| word.party.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// All of them, in the order of the first words.
    pub(super) fn all(state: &State) -> Vec<Self> {
        let parties = state.terms().map(|terms| terms.memorandum().header.parties.as_slice());
        let mut all: Vec<Self> = Vec::new();
        for given in state.reconciled() {
            let (report, of) = (given.report.to_string(), given.of.as_ref().map(ToString::to_string));
            let word = Word { party: given.party.to_string(), at: given.at.to_string() };
            // What is said of one report in other words is another reconciliation, and both can be seen.
            let is_same = |known: &&mut Self| {
                (&known.report, &known.period, &known.of, known.differing)
                    == (&report, &given.period, &of, given.differing)
            };
            if let Some(known) = all.iter_mut().find(is_same) {
                known.missing.retain(|party| *party != word.party);
                known.attested_by.push(word);
                continue;
            }
            let missing = parties.into_iter().flatten().map(|party| party.id.to_string());
            all.push(Self {
                period: given.period.clone(),
                of,
                report,
                differing: given.differing,
                missing: missing.filter(|party| *party != word.party).collect(),
                attested_by: vec![word],
            });
        }
        all
    }
}
