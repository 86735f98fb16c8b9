//! What falls due by the calendar, held against the clauses: each day, each amount, and who may say that a debt is paid.
//!
//! Not here: what entries alone tell (`replay`).

use super::fault;
use anyhow::bail;
use jiff::civil::Date;
use ledger::Amount;
use partnership::Terms;
use partnership::ids::ClauseId;
use partnership::investment::dues;
use partnership::judge::dues::sides;
use partnership::memorandum::{Clause, Condition, Kind, MinimumConsumption, RevenueShare};
use replay::{Dued, Paid, Replay};

/// Whether everything that was booked or declared by the calendar, and every payment, is as the clauses in force say. `in_force` gives
/// the version at a place.
///
/// Errors: the first that is not, with its place.
pub(super) fn owed<'a>(
    replay: &Replay,
    in_force: &impl Fn(usize) -> Option<&'a Terms>,
) -> anyhow::Result<()> {
    for dued in replay.dued() {
        if let Some(why) = in_force(dued.under).and_then(|terms| undue(terms, dued)) {
            bail!(at(dued.index, &why));
        }
    }
    for paid in replay.paid() {
        // What is owed under a clause stays owed when a later version has it no more.
        let newest = (0..=paid.under).rev().filter_map(in_force);
        let id = ClauseId::from(paid.clause.as_str());
        let clause = newest.into_iter().find_map(|terms| terms.memorandum().clause(&id));
        if let Some(why) = unpaid(clause, paid) {
            bail!(at(paid.index, &why));
        }
    }
    Ok(())
}

/// Why something was not to be booked or declared so.
fn undue(terms: &Terms, dued: &Dued) -> Option<String> {
    let id = &dued.clause;
    let Some(clause) = terms.memorandum().clause(&ClauseId::from(id.as_str())) else {
        return Some(format!("no clause of the memorandum in force is named `{id}`"));
    };
    let on: Date = dued.on.parse().ok()?;
    let expected = match (&clause.kind, &dued.revenue) {
        (Kind::Capacity(capacity), None) if capacity.periods.first_days().any(|day| day == on) => {
            capacity.total.minor()
        }
        (Kind::MinimumConsumption(minimum), None) => match short(clause, minimum, on, dued) {
            Some(short) => short,
            None => return Some(format!("clause `{id}` makes nothing due on {on}")),
        },
        (Kind::RevenueShare(share), Some((asset, revenue))) => {
            match shared(clause, share, (on, asset, *revenue), dued) {
                Some(owed) => owed,
                None => return Some(format!("clause `{id}` asks for no such declaration on {on}")),
            }
        }
        _ => return Some(format!("clause `{id}` makes nothing due on {on}")),
    };
    let is_memo = |account: &str| account.starts_with("memo:");
    let (account, owed) = dued.owed.as_ref().map_or((None, 0), |(account, owed)| (Some(account), *owed));
    if account.is_some_and(|account| is_memo(account) == clause.force.is_binding()) {
        return Some(format!("what clause `{id}` makes due is booked as if it had another force"));
    }
    (owed != expected)
        .then(|| format!("clause `{id}` makes {expected} minor units due on {on}, and {owed} are booked"))
}

fn stood(clause: &Clause, dued: &Dued) -> (i128, i128) {
    if clause.force.is_binding() { dued.stood.binding } else { dued.stood.memo }
}

fn short(clause: &Clause, minimum: &MinimumConsumption, on: Date, dued: &Dued) -> Option<i128> {
    let step = minimum.steps.iter().find(|step| step.by == on)?;
    let (agreed, open) = stood(clause, dued);
    let taken = agreed.checked_sub(open)?;
    Some(step.amount.minor().saturating_sub(taken).clamp(0, open.max(0)))
}

fn shared(
    clause: &Clause,
    share: &RevenueShare,
    (on, asset, revenue): (Date, &str, i128),
    dued: &Dued,
) -> Option<i128> {
    let mut periods = share.periods.all().take_while(|(_, over)| *over <= on);
    let (first, _) = periods.find(|(_, over)| *over == on)?;
    // Whether a milestone had ended it by then is for the party to say that signed the declaration: nobody else's debt grows by it.
    let ended = share.until.as_ref().and_then(Condition::at_the_latest).is_some_and(|day| day <= first);
    if ended || AsRef::<str>::as_ref(&share.asset) != asset {
        return None;
    }
    let (part, _) = dues::share_of(share, Amount::new(revenue))?;
    let (_, open) = stood(clause, dued);
    Some(if share.cap.is_some() { part.minor().min(open.max(0)) } else { part.minor() })
}

/// Why a word on a payment was not to be taken so.
fn unpaid(clause: Option<&Clause>, paid: &Paid) -> Option<String> {
    let Paid { clause: id, party, settles, .. } = paid;
    let Some((debtor, creditor)) = clause.filter(|clause| clause.force.is_binding()).and_then(sides) else {
        return Some(format!("nothing is paid under `{id}`"));
    };
    if party != debtor.as_str() && party != creditor.as_str() {
        return Some(format!("`{party}` has no word on payments under `{id}`"));
    }
    (*settles != (party == creditor.as_str()))
        .then(|| format!("a debt under `{id}` is settled by the word of `{creditor}`, and by nobody else's"))
}

fn at(index: u64, why: &str) -> record::Fault {
    fault(&format!("entry {index}"), why)
}
