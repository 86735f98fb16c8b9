//! Whether content keys may be destroyed, and when their day has come.
//!
//! Not here: the days that clauses set (`retention`), or the keys (the vault's).

use super::{Due, Judgement};
use crate::act::{Act, Deed, Erase, Principal};
use crate::decision::{Deviation, RefusalCode};
use crate::entry::wire;
use crate::ids::{ApplicationId, Timestamp};
use crate::retention::{Retained, Set, after_month};
use crate::state::State;
use jiff::civil::Date;

impl State {
    pub(super) fn judge_erasure(&self, act: &Act, erase: &Erase, at: Timestamp) -> Judgement {
        match (&act.principal, erase.due()) {
            // Proposed by the clerk alone, and by it only when it is due.
            (Principal::Clerk, Some((.., clause))) => return Judgement::allow(vec![clause.clone()]),
            _ if erase.clause.is_some() => {
                return Judgement::invalid("what is due is erased by the clerk, and proposed by nobody else");
            }
            _ if erase.before.is_none() && erase.subject.is_none() => {
                return Judgement::invalid("an erasure is of an end user, or of the months before a day");
            }
            _ => {}
        }
        if let Err(remedy) = is_of_months(erase, at) {
            return Judgement::invalid(remedy);
        }
        if let Some(refused) = self.too_early(erase, at) {
            return refused;
        }
        let what = wire::what(&act.deed);
        let mut judgement = self.if_approved(
            act.id,
            act.deed.name(),
            what.get().as_bytes(),
            self.in_force().approvers(act.deed.name()),
        );
        judgement.deviations.extend(self.against_erasing(erase, at));
        judgement
    }

    /// The refusal of an erasure that a binding minimum speaks against.
    pub(super) fn too_early(&self, erase: &Erase, at: Timestamp) -> Option<Judgement> {
        let (application, set) = self
            .cut_by(erase, at)
            .find_map(|(application, (binding, _))| binding.map(|set| (application, set)))?;
        let remedy = format!(
            "what is kept of `{application}` and {} may be erased from {} on; name an earlier `before`, or another application",
            month(self.last_month(erase, at)),
            set.day
        );
        Some(Judgement::deny(RefusalCode::Forbidden, Some(set.clause.clone()), remedy))
    }

    /// What minimums that are not binding say against an erasure, each clause once.
    fn against_erasing(&self, erase: &Erase, at: Timestamp) -> Vec<Deviation> {
        let mut against: Vec<Deviation> = Vec::new();
        for (application, (_, sets)) in self.cut_by(erase, at) {
            for set in sets {
                if against.iter().any(|deviation| deviation.clause == *set.clause) {
                    continue;
                }
                let of = format!("{application}, {}", month(self.last_month(erase, at)));
                let why = format!("would have been refused, because it comes before {} ({of})", set.day);
                against.push(Deviation { clause: set.clause.clone(), code: RefusalCode::Forbidden, why });
            }
        }
        against
    }

    /// The minimums that an erasure cuts short, by application: those of the last month that it covers, which end last.
    fn cut_by<'a>(
        &'a self,
        erase: &'a Erase,
        at: Timestamp,
    ) -> impl Iterator<Item = (&'a ApplicationId, (Option<Set<'a>>, Vec<Set<'a>>))> {
        let last = self.last_month(erase, at);
        let is_named =
            |name: &ApplicationId| erase.application.as_ref().is_none_or(|application| application == name);
        let is_left = move |retained: &Retained| {
            retained.since <= last && retained.erased.is_none_or(|erased| erased <= last)
        };
        let covered =
            self.retained.iter().filter(move |(name, retained)| is_named(name) && is_left(retained));
        covered.map(move |(name, retained)| (name, self.in_force().cuts(name, retained, last, at.date())))
    }

    /// The first day of the last month that an erasure covers.
    fn last_month(&self, erase: &Erase, at: Timestamp) -> Date {
        let before = erase.before.map(|before| before.date().yesterday().unwrap_or(Date::MIN));
        before.unwrap_or_else(|| at.date()).first_of_month()
    }

    /// The erasure of the first application some of whose months have come to the day that a clause sets for them.
    pub(super) fn erasable(&self, at: Timestamp) -> Option<Due> {
        self.retained.iter().find_map(|(application, retained)| {
            let mut month = retained.erased.unwrap_or(retained.since);
            let mut last = None;
            while let Some(set) = self.come_for(application, retained, month, at) {
                last = Some(set.clause);
                month = after_month(month);
            }
            let clause = last?;
            Some(Due::Propose(Deed::Erase(Erase {
                application: Some(application.clone()),
                before: Some(Timestamp::start_of(month)),
                subject: None,
                clause: Some(clause.clone()),
                keys: None,
            })))
        })
    }

    /// The schedule by which a month is to be erased by now.
    fn come_for<'a>(
        &'a self,
        application: &'a ApplicationId,
        retained: &Retained,
        month: Date,
        at: Timestamp,
    ) -> Option<Set<'a>> {
        let will = self.in_force().clocks(application, retained, month).will;
        will.filter(|set| set.day <= at.date())
    }
}

/// Whether an erasure is of whole months that have begun, or of an end user.
fn is_of_months(erase: &Erase, at: Timestamp) -> Result<(), String> {
    let Some(before) = erase.before else { return Ok(()) };
    let month = before.date().first_of_month();
    if before != Timestamp::start_of(month) {
        return Err(format!("a key is of a whole month; say `before` with its first day, {month}"));
    }
    let next = after_month(at.date());
    if month > next {
        return Err(format!("nothing can be erased before it is there; {next} is the last day"));
    }
    Ok(())
}

fn month(of: Date) -> String {
    format!("{:04}-{:02}", of.year(), of.month())
}
