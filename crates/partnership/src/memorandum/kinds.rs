//! One reader for each kind of clause: fields in, typed terms out.
//!
//! Not here: the fields' names and shapes (`fields`), or what holds between clauses (`check`).

use jiff::civil::Date;

use super::clause::{
    Accountable, Amendment, CashTranche, ComputeCredit, ExpiryApplies, Kind, Policy, REQUIREMENT_ACTS,
    Requirement, Retention, Service, Term, Undisclosed,
};
use super::condition::Condition;
use super::dues;
use super::fields::{AUDIENCES, KEEPS};
use super::observed::read as observed;
use super::rates;
use super::read::Reader;
use crate::governance::vocabulary;

/// Reads the terms of a clause of this kind. None if there was a fault, or if there is no such kind.
pub(super) fn read(kind: &str, reader: &mut Reader<'_>) -> Option<Kind> {
    match kind {
        "compute-credit" => compute_credit(reader).map(Kind::ComputeCredit),
        "cash-tranche" => cash_tranche(reader).map(Kind::CashTranche),
        "rate-card" => rates::rate_card(reader).map(Kind::RateCard),
        "minimum-consumption" => dues::minimum_consumption(reader).map(Kind::MinimumConsumption),
        "capacity" => dues::capacity(reader).map(Kind::Capacity),
        "revenue-share" => dues::revenue_share(reader).map(Kind::RevenueShare),
        "undisclosed" => undisclosed(reader).map(Kind::Undisclosed),
        "policy" => cedar(reader).map(Kind::Policy),
        "requirement" => requirement(reader).map(Kind::Requirement),
        "retention" => retention(reader).map(Kind::Retention),
        "service" => service(reader).map(Kind::Service),
        "accountable" => accountable(reader).map(Kind::Accountable),
        "amendment" => amendment(reader).map(Kind::Amendment),
        "term" => term(reader).map(Kind::Term),
        "vesting" => observed::vesting(reader).map(Kind::Vesting),
        "first-refusal" => observed::first_refusal(reader).map(Kind::FirstRefusal),
        "exclusivity" => observed::exclusivity(reader).map(Kind::Exclusivity),
        "licence" => observed::licence(reader).map(Kind::Licence),
        "early-access" => observed::early_access(reader).map(Kind::EarlyAccess),
        "consultation" => observed::consultation(reader).map(Kind::Consultation),
        "termination" => observed::termination(reader).map(Kind::Termination),
        "survival" => observed::survival(reader).map(Kind::Survival),
        _ => None,
    }
}

fn compute_credit(reader: &mut Reader<'_>) -> Option<ComputeCredit> {
    let from = reader.party("from");
    let to = reader.party("to");
    differ(reader, from.as_ref(), to.as_ref());
    let amount = reader.money_above_zero("amount");
    let models = reader.models("models");
    let starts = reader.date("starts").unwrap_or(reader.scope.effective);
    let expires = expiry(reader, starts);
    let burn_order = reader.count_u32("burn_order", 0).unwrap_or(100);
    let expiry_applies = match reader.word("expiry_applies", &["reserve", "settle"]) {
        Some("settle") => ExpiryApplies::Settle,
        _ => ExpiryApplies::Reserve,
    };
    Some(ComputeCredit {
        from: from?,
        to: to?,
        amount: amount?,
        models: models?,
        starts,
        expires,
        burn_order,
        expiry_applies,
    })
}

fn expiry(reader: &mut Reader<'_>, starts: Date) -> Option<Date> {
    let expires = reader.date("expires");
    reader.ordered(("starts", Some(starts)), ("expires", expires));
    let Some((_, duration)) = reader.duration("duration") else { return expires };
    if reader.found("expires").is_some() {
        let span = reader.found("duration").map_or_else(|| reader.block(), |at| at.span());
        reader.fault(
            "memorandum::either",
            "`expires` and `duration` cannot both be given",
            span,
            "one too many",
        );
    }
    let after = starts.checked_add(duration).ok();
    if after.is_none() {
        let span = reader.block();
        reader.fault(
            "memorandum::duration",
            "`duration` ends after the last day of the calendar",
            span,
            "too long",
        );
    }
    expires.or(after)
}

/// Faults one party on both sides of a clause.
pub(super) fn differ(
    reader: &mut Reader<'_>,
    from: Option<&crate::ids::PartyId>,
    to: Option<&crate::ids::PartyId>,
) {
    if let (Some(from), Some(to)) = (from, to)
        && from == to
        && let Some(at) = reader.found("to")
    {
        reader.fault(
            "memorandum::same-party",
            format!("`{to}` cannot be on both sides"),
            at.span(),
            if reader.found("from").is_some() { "also in `from`" } else { "also in `by`" },
        );
    }
}

fn cash_tranche(reader: &mut Reader<'_>) -> Option<CashTranche> {
    let from = reader.party("from");
    let to = reader.party("to");
    differ(reader, from.as_ref(), to.as_ref());
    let amount = reader.money_above_zero("amount");
    let condition = due(reader);
    let lapses = reader.date("lapses");
    reader.ordered(("due", condition.as_ref().and_then(Condition::at_the_latest)), ("lapses", lapses));
    let already_paid = reader.flag("already_paid").unwrap_or(false);
    Some(CashTranche { from: from?, to: to?, amount: amount?, condition: condition?, lapses, already_paid })
}

/// What the flat fields `due`, `milestone` and `attested_by` say.
fn due(reader: &mut Reader<'_>) -> Option<Condition> {
    let date = reader.date("due").map(Condition::Date);
    match (reader.found("due"), reader.found("milestone")) {
        (Some(_), Some(at)) => {
            reader.fault(
                "memorandum::either",
                "`due` and `milestone` cannot both be given",
                at.span(),
                "one too many",
            );
            None
        }
        (None, None) => {
            let span = reader.block();
            let fault = reader.fault(
                "memorandum::either",
                "`cash-tranche` needs `due` or `milestone`",
                span,
                "neither is given",
            );
            fault.help =
                Some("write `due = 2026-06-30`, or `milestone = \"…\"` with `attested_by`".to_owned());
            None
        }
        (Some(_), None) => {
            reader.attested_by_needs_a_milestone();
            date
        }
        (None, Some(_)) => reader.milestone().map(Condition::Milestone),
    }
}

fn undisclosed(reader: &mut Reader<'_>) -> Option<Undisclosed> {
    let about = reader.text("about");
    let reported = reader.money("reported");
    let reported_by = reader.text("reported_by");
    let announced = announced(reader);
    if reported.is_some() && reader.found("reported_by").is_none() {
        let span = reader.block();
        reader.fault(
            "memorandum::missing-field",
            "`reported` needs `reported_by`",
            span,
            "reported by nobody",
        );
    }
    let sealed = reader.sealed("sealed");
    Some(Undisclosed { about: about?, reported, reported_by, announced, sealed })
}

fn announced(reader: &mut Reader<'_>) -> Option<String> {
    let (text, span) = reader.text_at("announced")?;
    let full = match text.len() {
        4 => format!("{text}-01-01"),
        7 => format!("{text}-01"),
        _ => text.to_owned(),
    };
    let sound = full.parse::<Date>().is_ok_and(|date| date.to_string() == full);
    if !sound {
        let fault = reader.fault(
            "memorandum::date",
            format!("`{text}` is no year, month or day"),
            span,
            "cannot be read",
        );
        fault.help = Some("write `2023`, `2023-01` or `2023-01-23`".to_owned());
    }
    sound.then(|| text.to_owned())
}

fn cedar(reader: &mut Reader<'_>) -> Option<Policy> {
    let (text, span) = reader.text_at("cedar")?;
    let Err(faults) = vocabulary::read(text) else { return Some(Policy { cedar: text.to_owned() }) };
    for fault in faults {
        let part = fault.span.clone().map(|part| reader.within(span.clone(), text, part));
        reader.faults.push(fault.at(part.unwrap_or_else(|| span.clone())));
    }
    None
}

fn requirement(reader: &mut Reader<'_>) -> Option<Requirement> {
    let acts = reader.words("acts", REQUIREMENT_ACTS);
    let approved_by = reader.parties("approved_by");
    Some(Requirement { acts: acts?, approved_by: approved_by? })
}

fn retention(reader: &mut Reader<'_>) -> Option<Retention> {
    let applications = reader.applications("applications");
    let audiences = reader.words("audiences", AUDIENCES);
    let keep = reader.word("keep", KEEPS);
    let erase_after = reader.duration("erase_after");
    let at_least = reader.duration("at_least");
    if let (Some((_, after)), Some((least, span))) = (&erase_after, &at_least) {
        let from = reader.scope.effective.first_of_month();
        let (erased, earliest) = (from.checked_add(*after).ok(), from.checked_add(*span).ok());
        if earliest.is_none_or(|earliest| erased.is_some_and(|erased| erased < earliest)) {
            let at = reader.found("erase_after").map_or_else(|| reader.block(), |at| at.span());
            let message = format!("`erase_after` comes before `at_least` ({least}) is over");
            reader.fault("memorandum::date-order", message, at, "too early");
        }
    }
    let text = |duration: Option<(String, jiff::Span)>| duration.map(|(text, _)| text);
    Some(Retention {
        applications: applications.unwrap_or_default(),
        audiences: audiences.unwrap_or_default(),
        keeps_content: keep == Some("content"),
        erase_after: text(erase_after),
        at_least: text(at_least),
    })
}

fn service(reader: &mut Reader<'_>) -> Option<Service> {
    let by = reader.party("by");
    operates(reader, by.as_ref());
    let to = reader.parties("to");
    let models = reader.models("models");
    let context_tokens = reader.count_u32("context_tokens", 1);
    let max_output_tokens = reader.count_u32("max_output_tokens", 1).unwrap_or(512);
    let input_overhead_tokens = reader.count_u32("input_overhead_tokens", 0).unwrap_or(64);
    let per_message_tokens = reader.count_u32("per_message_tokens", 0).unwrap_or(16);
    fits(reader, context_tokens, max_output_tokens);
    let image_tokens = image_bound(reader);
    let priced = reader.flag("priced").unwrap_or(true);
    Some(Service {
        by: by?,
        to: to?,
        models: models?,
        max_output_tokens,
        context_tokens: context_tokens?,
        input_overhead_tokens,
        per_message_tokens,
        image_tokens,
        priced,
    })
}

fn operates(reader: &mut Reader<'_>, by: Option<&crate::ids::PartyId>) {
    if let (Some(by), Some(operator)) = (by, &reader.scope.operator)
        && by != operator
        && let Some(at) = reader.found("by")
    {
        let help = format!("a service is by the operator, `{operator}`");
        reader
            .fault(
                "memorandum::not-operator",
                format!("`{by}` is not the operator"),
                at.span(),
                "cannot serve",
            )
            .help = Some(help);
    }
}

fn fits(reader: &mut Reader<'_>, context: Option<u32>, output: u32) {
    if context.is_some_and(|context| context < output) {
        let at = reader.found("max_output_tokens").or_else(|| reader.found("context_tokens"));
        let span = at.map_or_else(|| reader.block(), |at| at.span());
        reader.fault(
            "memorandum::out-of-range",
            "`max_output_tokens` is more than `context_tokens`",
            span,
            "does not fit",
        );
    }
}

fn image_bound(reader: &mut Reader<'_>) -> Option<u32> {
    let mut bound = None;
    for (name, span, at) in reader.entries("input_bounds")? {
        if name == "image" {
            let count = reader.entry_count("input_bounds", at, 1_000_000)?;
            bound = u32::try_from(count).ok();
        } else {
            let fault = reader.fault(
                "memorandum::unknown-field",
                format!("`input_bounds` has no part `{name}`"),
                span,
                "not known here",
            );
            fault.help = Some("known is `image`".to_owned());
        }
    }
    bound
}

fn accountable(reader: &mut Reader<'_>) -> Option<Accountable> {
    let party = reader.party("party");
    let person = reader.text("person");
    let role = reader.text("role");
    let clauses = reader.clauses("clauses").unwrap_or_default();
    let since = reader.date("since").unwrap_or(reader.scope.effective);
    let until = reader.date("until");
    reader.ordered(("since", Some(since)), ("until", until));
    Some(Accountable { party: party?, person: person?, role: role?, clauses, since, until })
}

fn amendment(reader: &mut Reader<'_>) -> Option<Amendment> {
    let approved_by = reader.parties("approved_by");
    let notice = reader.duration("notice").map(|(text, _)| text);
    Some(Amendment { approved_by: approved_by?, notice })
}

fn term(reader: &mut Reader<'_>) -> Option<Term> {
    let starts = reader.date("starts").unwrap_or(reader.scope.effective);
    let ends = reader.date("ends");
    reader.ordered(("starts", Some(starts)), ("ends", ends));
    let notice = reader.duration("notice").map(|(text, _)| text);
    let survives = reader.clauses("survives").unwrap_or_default();
    Some(Term { starts, ends, notice, survives })
}
