//! Conditions: what must have come about for a clause to fall due, to vest or to end. A closed set of forms, and no expressions.
//!
//! Not here: who has attested what (`State`), and what follows when a condition holds (each kind's own).

use std::ops::Range;

use jiff::civil::Date;

use super::fields::{CONDITION, Shape};
use super::read::{Found, Reader};
use super::{ID_HELP, is_kebab_case};
use crate::ids::{ConditionId, PartyId};

/// What must have come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The day has come (UTC).
    Date(Date),
    /// The parties named have each attested, over the same digest, that it was reached.
    Milestone(Milestone),
    /// One of them holds. Shape: two or more.
    EarlierOf(Vec<Condition>),
    /// Each of them holds. Shape: two or more.
    AllOf(Vec<Condition>),
}

/// Something that is reached when all who are named have attested it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Milestone {
    /// Its name within its clause: kebab-case. Always there where the clause has several.
    pub id: Option<ConditionId>,
    /// The milestone in words.
    pub text: String,
    /// Who must attest; never empty.
    pub attested_by: Vec<PartyId>,
}

impl Condition {
    /// Whether it holds on a day, where `is_met` says it of a milestone.
    #[must_use]
    pub fn holds(&self, on: Date, is_met: &dyn Fn(&Milestone) -> bool) -> bool {
        match self {
            Self::Date(date) => *date <= on,
            Self::Milestone(milestone) => is_met(milestone),
            Self::EarlierOf(parts) => parts.iter().any(|part| part.holds(on, is_met)),
            Self::AllOf(parts) => parts.iter().all(|part| part.holds(on, is_met)),
        }
    }

    /// The first day on which it holds whatever is attested; none if that may never be.
    #[must_use]
    pub fn at_the_latest(&self) -> Option<Date> {
        match self {
            Self::Date(date) => Some(*date),
            Self::Milestone(_) => None,
            Self::EarlierOf(parts) => parts.iter().filter_map(Self::at_the_latest).min(),
            Self::AllOf(parts) => {
                let days: Option<Vec<Date>> = parts.iter().map(Self::at_the_latest).collect();
                days?.into_iter().max()
            }
        }
    }

    /// Its milestones, in the order of the file.
    #[must_use]
    pub fn milestones(&self) -> Vec<&Milestone> {
        match self {
            Self::Date(_) => Vec::new(),
            Self::Milestone(milestone) => vec![milestone],
            Self::EarlierOf(parts) | Self::AllOf(parts) => parts.iter().flat_map(Self::milestones).collect(),
        }
    }
}

impl Reader<'_> {
    /// The condition in a field: a date, or a table with exactly one of `date`, `milestone`, `earlier_of` and `all_of`.
    pub(super) fn condition(&mut self, name: &str) -> Option<Condition> {
        let at = self.found(name)?;
        self.condition_at(name, at)
    }

    fn condition_at(&mut self, name: &str, at: Found<'_>) -> Option<Condition> {
        if at.value.as_table().is_none() {
            return self.date_at(name, at).map(Condition::Date);
        }
        self.inner(name, at, "a condition", CONDITION, condition)
    }

    /// The milestone beside which `attested_by` stands, and its name where the block has a field for one.
    pub(super) fn milestone(&mut self) -> Option<Milestone> {
        let text = self.text("milestone");
        let attested_by = self.parties("attested_by");
        if self.found("attested_by").is_none()
            && let Some(at) = self.found("milestone")
        {
            let fault = self.fault(
                "memorandum::missing-field",
                "a `milestone` needs `attested_by`",
                at.span(),
                "attested by nobody",
            );
            fault.help = Some("name the parties that must attest it".to_owned());
        }
        Some(Milestone { id: None, text: text?, attested_by: attested_by? })
    }

    /// `attested_by` stands where nothing is attested.
    pub(super) fn attested_by_needs_a_milestone(&mut self) {
        if let Some(at) = self.found("attested_by") {
            self.fault(
                "memorandum::either",
                "`attested_by` needs a `milestone`",
                at.span(),
                "a date needs no attesting",
            );
        }
    }

    /// Where a clause has several milestones, each has a name of its own, so that an attestation can say which it means.
    pub(super) fn told_apart(&mut self, milestones: &[&Milestone], span: Range<usize>) {
        if milestones.len() < 2 {
            return;
        }
        for (at, milestone) in milestones.iter().enumerate() {
            let Some(id) = &milestone.id else {
                let message = format!("the milestone `{}` has no `id`", milestone.text);
                let label = "one of several milestones in this clause";
                let fault = self.fault("memorandum::missing-field", message, span.clone(), label);
                fault.help = Some("give each an `id`, by which it is attested".to_owned());
                continue;
            };
            if milestones.iter().take(at).any(|other| other.id.as_ref() == Some(id)) {
                let message = format!("the milestone `{id}` stands twice in this clause");
                self.fault("memorandum::twice", message, span.clone(), "again in here").help =
                    Some("give each an `id` of its own".to_owned());
            }
        }
    }
}

const FORMS: [&str; 4] = ["date", "milestone", "earlier_of", "all_of"];

fn condition(reader: &mut Reader<'_>) -> Option<Condition> {
    let given: Vec<&str> = FORMS.into_iter().filter(|form| reader.found(form).is_some()).collect();
    let [form] = given.as_slice() else {
        if !reader.has_only_known_fields() {
            return None;
        }
        let (said, label) = match given.as_slice() {
            [] => {
                ("a condition needs one of `date`, `milestone`, `earlier_of` and `all_of`", "none is given")
            }
            _ => (
                "a condition has only one of `date`, `milestone`, `earlier_of` and `all_of`",
                "several are given",
            ),
        };
        let span = reader.block();
        reader.fault("memorandum::either", said, span, label).help =
            Some(format!("write {}", Shape::Condition.describe()));
        return None;
    };
    let id = name(reader, form);
    if *form == "milestone" {
        return reader.milestone().map(|milestone| Condition::Milestone(Milestone { id, ..milestone }));
    }
    reader.attested_by_needs_a_milestone();
    match *form {
        "date" => reader.date("date").map(Condition::Date),
        "earlier_of" => parts(reader, form).map(Condition::EarlierOf),
        _ => parts(reader, form).map(Condition::AllOf),
    }
}

fn name(reader: &mut Reader<'_>, form: &str) -> Option<ConditionId> {
    let (id, span) = reader.text_at("id")?;
    if form != "milestone" {
        reader.fault("memorandum::either", "`id` needs a `milestone`", span, "nothing to attest");
        return None;
    }
    if !is_kebab_case(id) {
        let fault = reader.fault("memorandum::id", format!("`{id}` is no id"), span, "of this milestone");
        fault.help = Some(ID_HELP.to_owned());
    }
    Some(ConditionId::from(id))
}

fn parts(reader: &mut Reader<'_>, form: &str) -> Option<Vec<Condition>> {
    let items = reader.items(form)?;
    if items.len() < 2 {
        let span = reader.found(form).map_or_else(|| reader.block(), |at| at.span());
        let message = format!("`{form}` needs two conditions or more");
        reader.fault("memorandum::empty", message, span, "too few");
        return None;
    }
    // Each is read even where one is at fault, so that all faults are shown at once.
    let parts: Vec<Option<Condition>> =
        items.into_iter().map(|item| reader.condition_at(form, item)).collect();
    parts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn milestone(id: &str) -> Condition {
        let attested_by = vec![PartyId::from("alder")];
        Condition::Milestone(Milestone { id: Some(id.into()), text: "it works".to_owned(), attested_by })
    }

    /// A condition, the milestones that are met, and whether it holds on 1 June 2026 and by when it must.
    #[test]
    fn a_condition_holds_by_its_days_and_by_what_is_attested() {
        use Condition::{AllOf, Date, EarlierOf};
        let (may, july) = (date(2026, 5, 1), date(2026, 7, 1));
        let table = [
            (Date(may), "", true, Some(may)),
            (Date(date(2026, 6, 1)), "", true, Some(date(2026, 6, 1))),
            (Date(july), "", false, Some(july)),
            (milestone("a"), "", false, None),
            (milestone("a"), "a", true, None),
            (EarlierOf(vec![Date(july), milestone("a")]), "", false, Some(july)),
            (EarlierOf(vec![Date(july), milestone("a")]), "a", true, Some(july)),
            (EarlierOf(vec![Date(july), Date(may)]), "", true, Some(may)),
            (AllOf(vec![Date(may), milestone("a")]), "", false, None),
            (AllOf(vec![Date(may), milestone("a")]), "a", true, None),
            (AllOf(vec![Date(july), Date(may)]), "", false, Some(july)),
            (AllOf(vec![milestone("b"), EarlierOf(vec![milestone("a"), Date(july)])]), "a", false, None),
        ];
        for (condition, met, holds, latest) in table {
            let is_met = |milestone: &Milestone| milestone.id.as_ref().is_some_and(|id| id.as_str() == met);
            assert_eq!(condition.holds(date(2026, 6, 1), &is_met), holds, "{condition:?} with `{met}`");
            assert_eq!(condition.at_the_latest(), latest, "{condition:?}");
        }
    }
}
