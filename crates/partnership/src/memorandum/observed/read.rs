//! One reader for each kind of clause that is observed.
//!
//! Not here: the fields' names and shapes (`rows`), or what holds between clauses (`clash`).

use jiff::civil::Date;

use super::rows::VEST;
use super::{
    Consultation, EarlyAccess, Exclusivity, FirstRefusal, Licence, Period, Survival, Termination, Vest,
    Vesting,
};
use crate::ids::PartyId;
use crate::memorandum::clause::REQUIREMENT_ACTS;
use crate::memorandum::condition::{Condition, Milestone};
use crate::memorandum::kinds::differ;
use crate::memorandum::read::Reader;

pub(in crate::memorandum) fn vesting(reader: &mut Reader<'_>) -> Option<Vesting> {
    let (from, to) = sides(reader, "from", "to");
    let what = reader.text("what");
    let quantity = reader.count("quantity", 1, u64::MAX);
    let lapses = reader.date("lapses");
    let items = reader.items("tranches")?;
    if items.is_empty()
        && let Some(at) = reader.found("tranches")
    {
        reader.fault("memorandum::empty", "`tranches` is empty", at.span(), "nothing vests");
        return None;
    }
    let tranches: Vec<Option<Vest>> =
        items.into_iter().map(|item| reader.inner("tranches", item, "a tranche", VEST, vest)).collect();
    let tranches: Vec<Vest> = tranches.into_iter().collect::<Option<_>>()?;
    let milestones: Vec<&Milestone> = tranches.iter().flat_map(|vest| vest.when.milestones()).collect();
    told_apart(reader, &milestones, "tranches");
    adds_up(reader, quantity, &tranches);
    Some(Vesting { from: from?, to: to?, what: what?, quantity, tranches, lapses })
}

fn vest(reader: &mut Reader<'_>) -> Option<Vest> {
    let what = reader.text("what");
    let quantity = reader.count("quantity", 1, u64::MAX);
    let when = reader.condition("when");
    Some(Vest { what, quantity, when: when? })
}

/// The parts are not more than the whole, and not less where each says how much it is.
fn adds_up(reader: &mut Reader<'_>, quantity: Option<u64>, tranches: &[Vest]) {
    let Some(whole) = quantity else { return };
    let told = tranches.iter().filter_map(|vest| vest.quantity);
    let sum = told.clone().try_fold(0_u64, u64::checked_add);
    let all_told = told.count() == tranches.len();
    if sum.is_some_and(|sum| if all_told { sum == whole } else { sum <= whole }) {
        return;
    }
    let parts = sum.map_or_else(|| "more than can be counted".to_owned(), |sum| sum.to_string());
    let span = reader.found("quantity").map_or_else(|| reader.block(), |at| at.span());
    let message = format!("the tranches come to {parts}, and `quantity` is {whole}");
    reader.fault("memorandum::sum", message, span, "does not add up");
}

pub(in crate::memorandum) fn termination(reader: &mut Reader<'_>) -> Option<Termination> {
    let by = reader.parties("by");
    let notice = duration(reader, "notice");
    let grounds = reader.plain_texts("grounds");
    let cure = duration(reader, "cure");
    if let Some(at) = reader.found("cure")
        && reader.found("grounds").is_none()
    {
        reader
            .fault("memorandum::either", "`cure` needs `grounds`", at.span(), "nothing to put right")
            .help = Some("name the grounds that can be put right, or leave `cure` out".to_owned());
    }
    Some(Termination { by: by?, notice, grounds: grounds.unwrap_or_default(), cure })
}

pub(in crate::memorandum) fn survival(reader: &mut Reader<'_>) -> Option<Survival> {
    let clauses = reader.clauses("clauses");
    let lasts = duration(reader, "lasts");
    Some(Survival { clauses: clauses?, lasts })
}

pub(in crate::memorandum) fn first_refusal(reader: &mut Reader<'_>) -> Option<FirstRefusal> {
    let (by, to) = sides(reader, "by", "to");
    let what = reader.text("what");
    let answer_within = duration(reader, "answer_within");
    let period = period(reader);
    Some(FirstRefusal { by: by?, to: to?, what: what?, answer_within, period })
}

pub(in crate::memorandum) fn exclusivity(reader: &mut Reader<'_>) -> Option<Exclusivity> {
    let (by, to) = sides(reader, "by", "to");
    let what = reader.text("what");
    let models = models(reader);
    let exceptions = reader.plain_texts("exceptions").unwrap_or_default();
    let period = period(reader);
    Some(Exclusivity { by: by?, to: to?, what: what?, models, exceptions, period })
}

pub(in crate::memorandum) fn licence(reader: &mut Reader<'_>) -> Option<Licence> {
    let (from, to) = sides(reader, "from", "to");
    let what = reader.text("what");
    let scope = reader.text("scope");
    let exclusive = reader.flag("exclusive").unwrap_or(false);
    let period = period(reader);
    Some(Licence { from: from?, to: to?, what: what?, scope, exclusive, period })
}

pub(in crate::memorandum) fn consultation(reader: &mut Reader<'_>) -> Option<Consultation> {
    let by = reader.party("by");
    let with = reader.parties("with");
    if let (Some(by), Some(with), Some(at)) = (&by, &with, reader.found("with"))
        && with.contains(by)
    {
        let message = format!("`{by}` cannot be on both sides");
        reader.fault("memorandum::same-party", message, at.span(), "also in `by`");
    }
    let acts = reader.words("acts", REQUIREMENT_ACTS);
    let about = reader.text("about");
    if reader.found("acts").is_none() && reader.found("about").is_none() {
        let span = reader.block();
        let message = "`consultation` needs `acts` or `about`";
        reader.fault("memorandum::either", message, span, "about nothing").help =
            Some("write `acts = [\"amend\"]`, or `about = \"…\"` for what no act here is".to_owned());
    }
    let notice = duration(reader, "notice");
    Some(Consultation { by: by?, with: with?, acts: acts.unwrap_or_default(), about, notice })
}

pub(in crate::memorandum) fn early_access(reader: &mut Reader<'_>) -> Option<EarlyAccess> {
    let by = reader.party("by");
    let to = reader.parties("to");
    let what = reader.text("what");
    let models = models(reader);
    let lead = duration(reader, "lead");
    let exceptions = reader.plain_texts("exceptions").unwrap_or_default();
    let period = period(reader);
    Some(EarlyAccess { by: by?, to: to?, what: what?, models, lead, exceptions, period })
}

fn sides(reader: &mut Reader<'_>, one: &str, other: &str) -> (Option<PartyId>, Option<PartyId>) {
    let (first, second) = (reader.party(one), reader.party(other));
    differ(reader, first.as_ref(), second.as_ref());
    (first, second)
}

fn models(reader: &mut Reader<'_>) -> Vec<String> {
    let models = reader.models("models").unwrap_or_default();
    if models.iter().any(|model| model == "*") { Vec::new() } else { models }
}

fn duration(reader: &mut Reader<'_>, name: &str) -> Option<String> {
    reader.duration(name).map(|(text, _)| text)
}

fn period(reader: &mut Reader<'_>) -> Period {
    let starts = reader.date("starts").unwrap_or(reader.scope.effective);
    Period { starts, until: until(reader, Some(starts)) }
}

/// What ends something that begins on a day.
pub(in crate::memorandum) fn until(reader: &mut Reader<'_>, starts: Option<Date>) -> Option<Condition> {
    let until = reader.condition("until")?;
    reader.ordered(("starts", starts), ("until", until.at_the_latest()));
    told_apart(reader, &until.milestones(), "until");
    Some(until)
}

fn told_apart(reader: &mut Reader<'_>, milestones: &[&Milestone], name: &str) {
    let span = reader.found(name).map_or_else(|| reader.block(), |at| at.span());
    reader.told_apart(milestones, span);
}
