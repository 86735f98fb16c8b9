//! What is kept of each application and month, and its two clocks: from when it may be erased, and when it is.
//!
//! Not here: the days that clauses set (`partnership::retention`).

use jiff::civil::Date;
use partnership::State;
use partnership::ids::ApplicationId;
use partnership::retention::Set;
use serde::Serialize;
use std::collections::BTreeMap;

/// How many content keys there are of each application and month.
pub(crate) type Keys = BTreeMap<(ApplicationId, Date), u64>;

/// What is kept of one application and month.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Kept {
    pub(crate) application: String,
    /// As `2026-06`.
    pub(crate) month: String,
    /// How many content keys there are.
    pub(crate) keys: u64,
    /// The first day on which it may be erased by hand; none where that is any.
    pub(crate) may_be_erased_from: Option<String>,
    /// The clause that sets it.
    pub(crate) minimum: Option<String>,
    /// The day on which it is erased by itself; none where it never is.
    pub(crate) will_be_erased_at: Option<String>,
    /// The clause that sets it.
    pub(crate) schedule: Option<String>,
}

impl Kept {
    /// All that is kept, in order of application and month.
    pub(crate) fn all(state: &State, keys: &Keys) -> Vec<Self> {
        let retained: BTreeMap<_, _> = state.retained().collect();
        let of = |((application, month), keys): (&(ApplicationId, Date), &u64)| {
            let clocks = state.terms().zip(retained.get(application));
            let clocks = clocks.map(|(terms, retained)| terms.clocks(application, retained, *month));
            let clocks = clocks.unwrap_or_default();
            let day = |set: Option<Set<'_>>| set.map(|set| set.day.to_string());
            let clause = |set: Option<Set<'_>>| set.map(|set| set.clause.to_string());
            Self {
                application: application.to_string(),
                month: format!("{:04}-{:02}", month.year(), month.month()),
                keys: *keys,
                may_be_erased_from: day(clocks.may),
                minimum: clause(clocks.may),
                will_be_erased_at: day(clocks.will),
                schedule: clause(clocks.will),
            }
        };
        keys.iter().map(of).collect()
    }
}
