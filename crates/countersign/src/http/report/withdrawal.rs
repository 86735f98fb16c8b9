//! That a party has withdrawn. Not here: where each clause stands, which its own line says.

use partnership::State;
use serde::Serialize;

/// A withdrawal from the version in force.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Withdrawal {
    /// The party.
    pub(crate) party: String,
    /// The first day on which what binds nobody has ended.
    pub(crate) ends: String,
    /// When its notice was given.
    pub(crate) given: String,
    /// The clauses that end or have ended with it, in the memorandum's order.
    pub(crate) ending: Vec<String>,
}

impl Withdrawal {
    pub(crate) fn of(state: &State) -> Option<Self> {
        let (withdrawal, terms) = (state.withdrawal()?, state.terms()?);
        let ends = withdrawal.withdrawn.ends;
        let clauses = terms.memorandum().clauses.iter();
        let ending = clauses.filter(|clause| terms.goes(clause, ends, ends));
        Some(Self {
            party: withdrawal.withdrawn.by.to_string(),
            ends: ends.to_string(),
            given: withdrawal.given.to_string(),
            ending: ending.map(|clause| clause.id.to_string()).collect(),
        })
    }
}
