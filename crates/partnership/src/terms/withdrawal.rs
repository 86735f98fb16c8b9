//! What a party may end by its word alone: the clauses that bind nobody, after the notice that the memorandum asks for.
//!
//! Not here: whose word it is and when it was given (`judge`, `state`).

use super::Terms;
use crate::decision::{Deviation, RefusalCode};
use crate::ids::{ClauseId, PartyId};
use crate::memorandum::{Clause, Force, Kind, Termination};
use jiff::Span;
use jiff::civil::Date;
use std::sync::Arc;

/// That a party has withdrawn, and from when on what binds nobody has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// The party.
    pub by: PartyId,
    /// The first day (UTC) on which it has.
    pub ends: Date,
}

/// What a party may do that withdraws.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    /// The first day on which it can end what binds nobody.
    pub from: Date,
    /// The clauses whose notice that is.
    pub clauses: Vec<ClauseId>,
    /// Clauses that bind nobody and would have it otherwise.
    pub against: Vec<Deviation>,
}

impl Terms {
    /// The same terms once a party has withdrawn from them.
    #[must_use]
    pub fn withdrawn_from(&self, withdrawn: Withdrawn) -> Self {
        let (memorandum, policies) = (Arc::clone(&self.memorandum), Arc::clone(&self.policies));
        Self { memorandum, policies, withdrawn: Some(withdrawn) }
    }

    /// Who has withdrawn from them, and from when on that counts; none if nobody has.
    #[must_use]
    pub fn withdrawn(&self) -> Option<&Withdrawn> {
        self.withdrawn.as_ref()
    }

    /// Whether a clause has ended on `date` because a party has withdrawn.
    #[must_use]
    pub fn is_given_up(&self, id: &ClauseId, date: Date) -> bool {
        let Some(withdrawn) = self.withdrawn.as_ref().filter(|withdrawn| withdrawn.ends <= date) else {
            return false;
        };
        self.memorandum.clause(id).is_some_and(|clause| self.goes(clause, withdrawn.ends, date))
    }

    /// Whether a clause would end by `date` if the intentions ended on `ends`. What binds goes on until its own end, and so does what
    /// the document lets outlive it, what is kept of calls, and the way to a next version.
    #[must_use]
    pub fn goes(&self, clause: &Clause, ends: Date, date: Date) -> bool {
        match &clause.kind {
            _ if clause.force.is_binding() => false,
            Kind::Retention(_) | Kind::Amendment(_) => false,
            Kind::Survival(survival) => !survival.goes_on(ends, date),
            _ => !self.survives(&clause.id, ends, date),
        }
    }

    /// What `party` may do that gives its notice on `given`.
    ///
    /// Errors: why it may not, and what to do instead.
    pub fn leave(&self, party: &PartyId, given: Date) -> Result<Leave, String> {
        let header = &self.memorandum.header;
        if header.force == Some(Force::Binding) {
            return Err(format!(
                "the memorandum binds (`force = \"binding\"` in its header), and no party ends it alone: {}",
                self.instead()
            ));
        }
        if !self.clauses().any(|clause| self.goes(clause, given, given)) {
            return Err(format!(
                "every clause binds or outlives the memorandum, so nothing would end: {}",
                self.instead()
            ));
        }
        let (notice, against) = self.notice(party)?;
        let clauses = notice.iter().map(|(clause, _)| clause.id.clone()).collect();
        let notice = notice.and_then(|(_, notice)| notice).and_then(|notice| notice.parse::<Span>().ok());
        let from = notice.map_or(given, |notice| given.saturating_add(notice));
        Ok(Leave { from, clauses, against })
    }

    /// The notice for a party: that of the `termination` under which it needs no ground, else that of the `term`.
    fn notice(&self, party: &PartyId) -> Result<(Option<Notice<'_>>, Vec<Deviation>), String> {
        let fits = |end: &Termination| end.by.contains(party) && end.grounds.is_empty();
        if let Some((clause, end)) = self.terminations().find(|(_, end)| fits(end)) {
            return Ok((Some((clause, end.notice.as_deref())), Vec::new()));
        }
        if let Some((clause, end)) = self.terminations().find(|(clause, _)| clause.force.is_binding()) {
            return Err(format!("clause `{}` binds, and lets {}: {AMEND}", clause.id, only(end)));
        }
        let against = self.terminations().map(|(clause, end)| Deviation {
            clause: clause.id.clone(),
            code: RefusalCode::Forbidden,
            why: format!("would have been refused, because the clause lets {}", only(end)),
        });
        let against: Vec<_> = against.collect();
        let by_term = self.durations().map(|(clause, term)| (clause, term.notice.as_deref()));
        let by_end = self.terminations().map(|(clause, end)| (clause, end.notice.as_deref()));
        Ok((by_term.chain(by_end).find(|(_, notice)| notice.is_some()), against))
    }

    /// What ends a memorandum that binds.
    fn instead(&self) -> String {
        match self.terminations().next() {
            Some((clause, end)) => format!("clause `{}` lets {}; {AMEND}", clause.id, only(end)),
            None => AMEND.to_owned(),
        }
    }

    fn terminations(&self) -> impl Iterator<Item = (&Clause, &Termination)> {
        self.clauses().filter_map(|clause| match &clause.kind {
            Kind::Termination(end) => Some((clause, end)),
            _ => None,
        })
    }
}

/// A clause with the notice that it asks for, an ISO 8601 duration; none where it asks for none.
type Notice<'a> = (&'a Clause, Option<&'a str>);

/// Whom a clause lets end the memorandum, and on which grounds.
fn only(end: &Termination) -> String {
    let by: Vec<String> = end.by.iter().map(|party| format!("`{party}`")).collect();
    let grounds = if end.grounds.is_empty() {
        String::new()
    } else {
        format!(" on these grounds: {}", end.grounds.join("; "))
    };
    format!("{} end it{grounds}", by.join(" and "))
}

const AMEND: &str =
    "write a next version that ends it and have those who amend it sign: `countersign memo sign FILE`";
