//! What the memoranda say of who had to agree: the succession of versions, the approvals that acts waited for, the attestations of
//! what was drawn. Not here: whether each act should have been allowed, refused or made to wait otherwise (`judged`).

use super::fault;
use anyhow::bail;
use jiff::civil::Date;
use partnership::Terms;
use partnership::ids::{ApplicationId, PartyId};
use partnership::memorandum::{Condition, Milestone};
use partnership::retention::Retained;
use record::Hash;
use record::note::Verifier;
use replay::{Asked, Drawn, Erased, Kind, Moment, Proposed, Replay, Succession};
use std::collections::BTreeMap;

/// Whether all versions follow on each other and all had agreed whom the version in force asked. `library` has every memorandum
/// that the replay names.
///
/// Errors: the first that does not, with its place.
pub(super) fn agreed(replay: &Replay, library: &BTreeMap<Hash, Terms>) -> anyhow::Result<()> {
    let versions = replay.versions();
    let in_force = |place: usize| versions.get(place).and_then(|version| library.get(&version.digest));
    for proposed in replay.proposed() {
        let (before, next) = (in_force(proposed.under), library.get(&proposed.digest));
        if let Some(why) = before.zip(next).and_then(|(before, next)| breaks_off(before, next, proposed)) {
            bail!(at(proposed.index, why));
        }
    }
    for version in versions {
        let number = library.get(&version.digest).map(Terms::version);
        if version.number.is_some_and(|said| Some(said) != number) {
            bail!(at(version.index, "the version's number is not the one that its memorandum states"));
        }
    }
    // The first that was refused, not the first in order of kind.
    let missing = replay.asked().filter_map(|(asked, index)| {
        in_force(asked.under).and_then(|terms| unasked(terms, asked)).map(|why| (index, why))
    });
    if let Some((index, why)) = missing.min() {
        bail!(at(index, &why));
    }
    for succession in replay.successions() {
        if let Some(why) = in_force(succession.under).and_then(|terms| unnamed(terms, succession)) {
            bail!(at(succession.index, &why));
        }
    }
    for one in replay.log_successions() {
        let terms = in_force(one.under);
        if terms.is_some_and(|terms| terms.operator().as_str() != one.party) {
            bail!(at(one.index, "the log's key is for the operator to change"));
        }
        let recovery = terms.into_iter().flat_map(|terms| terms.memorandum().header.recovery.values());
        if recovery.into_iter().any(|vkey| Verifier::parse(vkey).is_ok_and(|key| key.is_same_key(&one.to))) {
            bail!(at(one.index, "the log's key is one that the memorandum keeps for recovery"));
        }
    }
    for drawn in replay.drawn() {
        if let Some(why) = in_force(drawn.under).and_then(|terms| undue(terms, drawn)) {
            bail!(at(drawn.index, &why));
        }
    }
    super::owed::owed(replay, &in_force)?;
    super::withdrawn::withdrawn(replay, &in_force)?;
    for erased in replay.erased() {
        if let Some(why) = in_force(erased.under).and_then(|terms| untimely(terms, erased)) {
            bail!(at(erased.index, &why));
        }
    }
    Ok(())
}

/// Why a proposed version cannot follow.
fn breaks_off(before: &Terms, next: &Terms, proposed: &Proposed) -> Option<&'static str> {
    let (old, new) = (&before.memorandum().header, &next.memorandum().header);
    if new.version != proposed.number || before.version().checked_add(1) != Some(new.version) {
        return Some("the amendment is not the version after the one in force");
    }
    if new.previous != Some(before.digest().0) {
        return Some("the amendment does not name the version in force as the one before it");
    }
    let keeps = new.parties == old.parties && new.vkeys == old.vkeys && new.recovery == old.recovery;
    (!keeps).then_some("the amendment has other parties or keys than the version in force")
}

/// What was not asked as the version in force demands.
fn unasked(terms: &Terms, asked: &Asked) -> Option<String> {
    let (_, required) = match asked.kind {
        Kind::Amend => terms.amenders(),
        Kind::PartyKeyRecover | Kind::LogKeyRecover => {
            let of = asked.of.as_deref().map(PartyId::from);
            (None, of.map(|of| terms.recoverers(&of)).unwrap_or_default())
        }
        kind => terms.approvers(kind.name()),
    };
    let required: Vec<&str> = required.iter().map(PartyId::as_str).collect();
    let by: Vec<&str> = asked.by.iter().map(String::as_str).collect();
    let holds = if asked.went_on { required.iter().all(|party| by.contains(party)) } else { required == by };
    let shown =
        |parties: &[&str]| if parties.is_empty() { "nobody".to_owned() } else { parties.join(" and ") };
    let kind = asked.kind.name();
    (!holds).then(|| {
        format!("`{kind}` asks {} to approve, and the memorandum asks {}", shown(&by), shown(&required))
    })
}

/// Why one key cannot have come after another by the version in force.
fn unnamed(terms: &Terms, succession: &Succession) -> Option<String> {
    let (party, recovery) = (&succession.party, &terms.memorandum().header.recovery);
    let named = recovery.get(&PartyId::from(party.as_str()));
    if succession.recovery.is_some() && succession.recovery.as_ref() != named {
        return Some(format!("the memorandum in force does not name this as the recovery key of `{party}`"));
    }
    let recovers = |vkey: &String| Verifier::parse(vkey).is_ok_and(|key| key.is_same_key(&succession.to));
    let is_kept = recovery.values().any(recovers);
    is_kept.then(|| format!("the key that `{party}` takes is one that the memorandum keeps for recovery"))
}

/// Why a tranche was not to be drawn.
fn undue(terms: &Terms, drawn: &Drawn) -> Option<String> {
    let clause = &drawn.clause;
    let Some((_, tranche)) = terms.tranches().find(|(found, _)| found.id.as_str() == clause) else {
        return Some(format!("no tranche of the memorandum in force is named `{clause}`"));
    };
    let day = day(drawn.at).unwrap_or(Date::MIN);
    match &tranche.condition {
        Condition::Date(date) => (*date > day).then(|| format!("tranche `{clause}` was drawn before {date}")),
        condition => {
            let is_met = |milestone: &Milestone| {
                let asked = &milestone.attested_by;
                let has =
                    |given: &Vec<String>, party: &PartyId| given.iter().any(|one| one == party.as_str());
                drawn.attested.iter().any(|given| asked.iter().all(|party| has(given, party)))
            };
            let holds = condition.holds(day, &is_met);
            (!holds).then(|| format!("tranche `{clause}` was drawn without the attestations it asks for"))
        }
    }
}

/// Why the clerk was not to erase this by a schedule.
fn untimely(terms: &Terms, erased: &Erased) -> Option<String> {
    let Erased { clause, application, .. } = erased;
    let (at, last) = (day(erased.at)?, day(erased.before)?.yesterday().ok()?);
    let audiences = erased.audiences.iter().cloned().collect();
    let retained = Retained { audiences, since: last, erased: None };
    let name = ApplicationId::from(application.as_str());
    match terms.clocks(&name, &retained, last).will {
        Some(set) if set.day > at => {
            Some(format!("what is kept of `{application}` was erased before {}", set.day))
        }
        Some(set) if set.clause.as_str() == clause => None,
        _ => Some(format!("no schedule of clause `{clause}` erases what is kept of `{application}`")),
    }
}

fn day(moment: Moment) -> Option<Date> {
    moment.to_string().get(..10).and_then(|day| day.parse().ok())
}

fn at(index: u64, why: &str) -> record::Fault {
    fault(&format!("entry {index}"), why)
}
