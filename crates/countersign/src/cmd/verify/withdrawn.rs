//! Withdrawals, held against the clauses: who may, after which notice, and that nothing comes afterwards of what has ended.
//!
//! Not here: what entries alone tell (`replay`), or calls, which only a second judging tells of (`judged`).

use super::fault;
use anyhow::bail;
use jiff::civil::Date;
use partnership::Terms;
use partnership::ids::{ClauseId, PartyId};
use partnership::terms::Withdrawn as Left;
use replay::{Moment, Replay, Withdrawn};

/// Whether every withdrawal is one that the version in force allows, and nothing fell due afterwards under what it ended. `in_force`
/// gives the version at a place.
///
/// Errors: the first that is not, with its place.
pub(super) fn withdrawn<'a>(
    replay: &Replay,
    in_force: &impl Fn(usize) -> Option<&'a Terms>,
) -> anyhow::Result<()> {
    for one in replay.withdrawn() {
        let Some(terms) = in_force(one.under) else { continue };
        let ends = match allowed(terms, one) {
            Ok(ends) => ends,
            Err(why) => bail!(at(one.index, &why)),
        };
        let left = terms.withdrawn_from(Left { by: PartyId::from(one.party.as_str()), ends });
        let gone = |clause: &str, on: Date| left.is_given_up(&ClauseId::from(clause), on);
        let drawn = replay.drawn().iter().filter(|drawn| drawn.under == one.under && drawn.index > one.index);
        for drawn in drawn {
            // By a milestone it may have come about on the last day, though the clerk looked later.
            if due(terms, &drawn.clause).is_some_and(|on| gone(&drawn.clause, on)) {
                bail!(at(drawn.index, &over(&drawn.clause, &left)));
            }
        }
        let dued = replay.dued().iter().filter(|dued| dued.under == one.under && dued.index > one.index);
        for dued in dued {
            let on: Date = dued.on.parse().unwrap_or(ends);
            // A period that is declared lies before its day; what is booked falls due on it.
            let on = if dued.revenue.is_some() { on.yesterday().unwrap_or(on) } else { on };
            if gone(&dued.clause, on) {
                bail!(at(dued.index, &over(&dued.clause, &left)));
            }
        }
    }
    Ok(())
}

/// The day from which on a withdrawal counts, if it may.
fn allowed(terms: &Terms, one: &Withdrawn) -> Result<Date, String> {
    let party = PartyId::from(one.party.as_str());
    if terms.memorandum().header.party(&party).is_none() {
        return Err(format!("`{party}`, which withdraws, is not in the memorandum"));
    }
    let ends: Date = one.ends.parse().map_err(|_| format!("`{}` is no day", one.ends))?;
    let given = day(one.at).ok_or("a withdrawal has no day")?;
    let leave = terms.leave(&party, given)?;
    if ends < leave.from {
        return Err(format!("`{party}` withdraws from {ends} on, and its notice runs until {}", leave.from));
    }
    Ok(ends)
}

/// The day of a tranche that has one.
fn due(terms: &Terms, clause: &str) -> Option<Date> {
    use partnership::memorandum::Condition;
    let (_, tranche) = terms.tranches().find(|(found, _)| found.id.as_str() == clause)?;
    match &tranche.condition {
        Condition::Date(date) => Some(*date),
        _ => None,
    }
}

fn over(clause: &str, left: &Terms) -> String {
    let ends = left.withdrawn().map(|left| left.ends.to_string()).unwrap_or_default();
    format!("something comes of clause `{clause}`, which a withdrawal has ended on {ends}")
}

fn day(moment: Moment) -> Option<Date> {
    moment.to_string().get(..10).and_then(|day| day.parse().ok())
}

fn at(index: u64, why: &str) -> record::Fault {
    fault(&format!("entry {index}"), why)
}
