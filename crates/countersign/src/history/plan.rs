//! What the parties do on which day, beside calls and payments.
//!
//! Not here: what clauses make due by themselves, which is the clerk's to find.

use super::life::Life;
use super::{HOUR_MS, Span, calls, dates};
use partnership::Command;
use partnership::act::{
    Administer, Amend, Application, Attest, Budget, BudgetRaise, BudgetSet, Deed, Digest, Key, Of, Period,
    approval_bytes, attestation_bytes,
};
use partnership::decision::Ticket;
use partnership::entry::Refused;
use partnership::ids::Timestamp;
use partnership::memorandum::signing_bytes;
use record::hash::sha256;

/// Something that is done.
pub(super) type Step = fn(&mut Life) -> anyhow::Result<()>;

/// What is done: on which day of ninety, at which hour.
const PLAN: [(i64, i64, Step); 14] = [
    (0, 8, begin),
    (3, 9, try_out),
    (15, 10, limit),
    (33, 9, stop_trying),
    (40, 11, propose_amendment),
    (41, 15, approve_amendment),
    (52, 10, |life| attest(life, "release-tranche", "halcyon")),
    (55, 14, |life| attest(life, "release-tranche", "northwind")),
    (62, 17, tally),
    (66, 9, raise),
    (80, 9, limit_anew),
    (82, 10, |life| attest(life, "warrants", "halcyon")),
    (87, 9, propose_application),
    (88, 16, approve_application),
];

/// What is done on a day, with its moment, in order.
pub(super) fn of_day(span: &Span, day: i64) -> impl Iterator<Item = (Timestamp, Step)> {
    let span = *span;
    let on_day = PLAN.into_iter().filter(move |(of_ninety, ..)| dates::within(*of_ninety, span.days) == day);
    on_day.filter_map(move |(_, hour, step)| {
        Some((span.day(day).ok()?.plus_millis(hour.saturating_mul(HOUR_MS)), step))
    })
}

/// Changes the register, with the approval of all who are asked for theirs.
fn change(life: &mut Life, party: &str, change: Administer) -> anyhow::Result<()> {
    if let Some(ticket) = life.by(party, Deed::Administer(change))? {
        for party in ticket.missing.clone() {
            life.approve(party.as_str(), &ticket, &approval_bytes(&ticket.digest))?;
        }
    }
    Ok(())
}

fn application(name: &str, audience: &str, purpose: &str) -> Administer {
    Administer::ApplicationAdd(Application {
        name: name.into(),
        party: "halcyon".into(),
        audience: audience.to_owned(),
        purpose: purpose.to_owned(),
        market: "eu".to_owned(),
    })
}

/// A key that nobody holds: of its secret there is only a digest, and of nothing that anybody knows.
fn key(
    id: &str,
    application: &str,
    (requests_per_minute, budget): (Option<u64>, Option<Budget>),
) -> Administer {
    let secret = Digest(sha256(&crate::clock::Clock.random()));
    let (id, application) = (id.into(), application.into());
    Administer::KeyNew(Key { id, application, secret, requests_per_minute, budget, expires: None })
}

fn credits(life: &Life, text: &str) -> anyhow::Result<Budget> {
    let (asset, amount) = life.terms()?.memorandum().header.money(text)?;
    Ok(Budget { asset: asset.to_string(), amount: amount.minor() })
}

/// The two applications and their keys.
fn begin(life: &mut Life) -> anyhow::Result<()> {
    change(life, "halcyon", application("assistant", "business", "help with office documents"))?;
    change(life, "halcyon", application("search", "consumer", "search with cited answers"))?;
    change(life, "northwind", key(calls::ASSISTANT, "assistant", (None, None)))?;
    change(life, "northwind", key(calls::SEARCH, "search", (Some(60), None)))
}

/// A key with a budget in all, which runs out.
fn try_out(life: &mut Life) -> anyhow::Result<()> {
    let budget = credits(life, "0.30 CREDIT")?;
    change(life, "northwind", key(calls::TRIAL, "assistant", (None, Some(budget))))
}

fn stop_trying(life: &mut Life) -> anyhow::Result<()> {
    change(life, "northwind", Administer::KeyRevoke { id: calls::TRIAL.into() })
}

/// A budget for the search in any week, and one for each of those who use it in a month.
fn limit(life: &mut Life) -> anyhow::Result<()> {
    set(life, "search-week", (Of::Application, Period::Rolling(7)), "1.68 CREDIT")?;
    set(life, "search-each", (Of::EndUsers, Period::Month), "0.90 CREDIT")
}

fn limit_anew(life: &mut Life) -> anyhow::Result<()> {
    set(life, "search-week", (Of::Application, Period::Rolling(7)), "2.20 CREDIT")
}

fn set(life: &mut Life, id: &str, (of, period): (Of, Period), amount: &str) -> anyhow::Result<()> {
    let Budget { asset, amount } = credits(life, amount)?;
    let set = BudgetSet { id: id.into(), of, whose: "search".to_owned(), asset, amount, period };
    change(life, "halcyon", Administer::BudgetSet(set))
}

/// More for the search, for a time that is over before the history is.
fn raise(life: &mut Life) -> anyhow::Result<()> {
    let Budget { amount, .. } = credits(life, "0.40 CREDIT")?;
    let until = life.span.day(dates::within(80, life.span.days))?.max(life.at().plus_millis(HOUR_MS));
    let raise = BudgetRaise { id: "search-week".into(), amount, until };
    change(life, "halcyon", Administer::BudgetRaise(raise))
}

/// Requests beyond what the search's key may ask in a minute; they are no acts.
fn tally(life: &mut Life) -> anyhow::Result<()> {
    let count = life.below(40).saturating_add(10);
    life.tell(Command::Tally(vec![Refused { key: calls::SEARCH.into(), count }]))
}

/// The second version, which one party proposes and signs.
fn propose_amendment(life: &mut Life) -> anyhow::Result<()> {
    let digest = life.know(&life.span.amendment()?)?;
    let ticket = life.by("halcyon", Deed::Amend(Amend { version: 2, digest }))?;
    ticket.map_or(Ok(()), |ticket| life.approve("halcyon", &ticket, &signing_bytes(&digest.0)))
}

/// The other party signs it too.
fn approve_amendment(life: &mut Life) -> anyhow::Result<()> {
    let waiting = waiting(life, "amend");
    waiting.map_or(Ok(()), |ticket| life.approve("northwind", &ticket, &signing_bytes(&ticket.digest.0)))
}

/// The oldest act of a kind that waits.
fn waiting(life: &Life, kind: &str) -> Option<Ticket> {
    let (act, waiting) = life.state().waiting().find(|(_, waiting)| waiting.act.deed.name() == kind)?;
    let clause = waiting.clause.clone()?;
    Some(Ticket { act: *act, digest: waiting.digest, clause, missing: waiting.missing(), index: 0 })
}

/// A party attests the milestone of a clause.
fn attest(life: &mut Life, clause: &str, party: &str) -> anyhow::Result<()> {
    let evidence = Digest(sha256(format!("example history: evidence for {clause}").as_bytes()));
    let bytes = attestation_bytes(life.origin(), &life.terms()?.digest(), clause, &evidence);
    let signature = life.sign(party, &bytes)?;
    let (clause, party_id) = (clause.into(), party.into());
    let attest = Attest { clause, condition: None, evidence, party: party_id, signature };
    life.by(party, Deed::Attest(attest)).map(drop)
}

/// A third application, which waits for the other party when the history ends.
fn propose_application(life: &mut Life) -> anyhow::Result<()> {
    let newsroom = application("newsroom", "business", "summaries for editors");
    life.by("halcyon", Deed::Administer(newsroom)).map(drop)
}

fn approve_application(life: &mut Life) -> anyhow::Result<()> {
    let waiting = waiting(life, "application-add");
    waiting.map_or(Ok(()), |ticket| life.approve("halcyon", &ticket, &approval_bytes(&ticket.digest)))
}
