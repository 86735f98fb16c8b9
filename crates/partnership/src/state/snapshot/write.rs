//! A state to its text. Each struct is taken apart field by field, so that what is new in one cannot be left out.

use super::text::{
    AccountText, ActText, AttestedText, AttesterText, BookedText, BudgetText, CountText, Freed, Held, How,
    Id, LeaseText, LineText, LogKeyText, OpenText, PriceText, RetainedText, SignedText, StateText, TakenText,
    TariffText, WaitingText,
};
use super::{money, notices, reconciled, withdrawal};
use crate::act::{Act, Digest};
use crate::entry::Refused;
use crate::entry::text::{Charge, OfParty};
use crate::entry::wire;
use crate::ids::{ActId, ApplicationId, ClauseId, PartyId, Timestamp};
use crate::investment::tariff::Tariff;
use crate::registry::Budget;
use crate::retention::Retained;
use crate::state::{Booked, Count, Evidence, Line, LogSigns, Open, Signed, State, Taken, Waiting};
use jiff::civil::Date;
use ledger::{Book, Price};
use std::collections::BTreeMap;

#[expect(clippy::too_many_lines, reason = "a line for each field, so that none can be left out")]
pub(super) fn state(state: &State) -> StateText {
    let money = money::write(state);
    let State {
        library: _, // named by their digests, and known to whoever reads this
        origin,
        terms,
        vkeys,
        former,
        log_keys,
        registry,
        retained: kept,
        book,
        projection: _, // follows from the book
        open,
        waiting,
        attested,
        booked,
        due_booked: _, // these three are of `money`
        payments: _,
        days: _,
        suspended_since,
        undelivered: dead,
        reconciled: words,
        withdrawal: withdrawn,
        counts,
        tallied,
        recent,
        entries,
        at,
        epoch,
        signed: versions,
        digested,
        amending,
        freed,
        at_once,
        lease,
        repeats,
    } = state;
    StateText {
        origin: origin.clone(),
        entries: *entries,
        at: *at,
        epoch: *epoch,
        digested: *digested,
        terms: terms.as_ref().map(|terms| terms.digest()),
        vkeys: vkeys.iter().map(|(party, key)| of_party(party, key.vkey())).collect(),
        former: former.iter().map(|(party, key)| of_party(party, key.vkey())).collect(),
        log_keys: log_keys.iter().map(log_key).collect(),
        signed: versions.iter().map(signed).collect(),
        applications: registry.applications().cloned().collect(),
        keys: registry.keys().cloned().collect(),
        suspended: registry.suspended().cloned().collect(),
        retained: kept.iter().map(retained).collect(),
        budgets: registry.budgets().map(budget).collect(),
        removed_budgets: registry.removed_budgets().cloned().collect(),
        revoked: registry.revoked_witness_keys().map(str::to_owned).collect(),
        witness_keys: registry.witness_keys().map(|(vkey, party)| of_party(party, vkey.to_owned())).collect(),
        accounts: accounts(book),
        reservations: book.reservations().map(held).collect(),
        open: open.values().map(open_act).collect(),
        waiting: waiting.values().map(waiting_act).collect(),
        amending: amending.iter().copied().map(Id).collect(),
        freed: freed.iter().map(|(act, index)| Freed { act: Id(*act), index: *index }).collect(),
        at_once: at_once.map(Id),
        attested: attested.iter().map(attested_by).collect(),
        booked: booked.iter().map(booked_as).collect(),
        money,
        suspended_since: notices::suspended(suspended_since),
        undelivered: notices::dead(dead),
        reconciled: words.iter().map(reconciled::text).collect(),
        withdrawal: withdrawn.as_ref().map(withdrawal::written),
        counts: counts.iter().map(count).collect(),
        tallied: tallied.iter().map(|(key, count)| Refused { key: key.clone(), count: *count }).collect(),
        recent: recent.iter().map(line).collect(),
        lease: lease.as_ref().map(|(index, lease)| LeaseText { index: *index, lease: wire::caps(lease) }),
        repeats: repeats.iter().map(taken).collect(),
    }
}

fn budget(Budget { set, raises }: &Budget) -> BudgetText {
    BudgetText { set: set.clone(), raises: raises.clone() }
}

fn of_party(party: &PartyId, value: String) -> OfParty {
    OfParty { party: party.clone(), value }
}

fn log_key(LogSigns { since, key, handed, taken }: &LogSigns) -> LogKeyText {
    LogKeyText { since: *since, vkey: key.vkey(), handed: handed.clone(), taken: taken.clone() }
}

fn by_party(values: &BTreeMap<PartyId, String>) -> Vec<OfParty> {
    values.iter().map(|(party, value)| of_party(party, value.clone())).collect()
}

fn signed(Signed { version, digest, since, signatures }: &Signed) -> SignedText {
    SignedText { version: *version, digest: *digest, since: *since, signatures: wire::of_party(signatures) }
}

fn retained((application, kept): (&ApplicationId, &Retained)) -> RetainedText {
    let Retained { audiences, since, erased } = kept;
    RetainedText {
        application: application.clone(),
        audiences: audiences.iter().cloned().collect(),
        since: Timestamp::start_of(*since),
        erased: erased.map(Timestamp::start_of),
    }
}

fn accounts(book: &Book) -> Vec<AccountText> {
    let text =
        |(id, asset, _, balance): (&ledger::AccountId, &ledger::AssetId, _, ledger::Balance)| AccountText {
            id: id.to_string(),
            asset: asset.to_string(),
            debits_posted: balance.debits_posted.minor(),
            credits_posted: balance.credits_posted.minor(),
            debits_pending: balance.debits_pending.minor(),
            credits_pending: balance.credits_pending.minor(),
        };
    book.opened().map(text).collect()
}

fn held(transfer: &ledger::Transfer) -> Held {
    Held { act: Id(ActId::from_u128(transfer.id.act)), transfer: wire::to_move(transfer) }
}

fn act(Act { id, principal, deed }: &Act) -> ActText {
    ActText {
        id: Id(*id),
        who: wire::who(principal, None),
        kind: deed.name().to_owned(),
        what: wire::what(deed),
    }
}

fn open_act(open: &Open) -> OpenText {
    let Open { act: opened, index, at, lapses, reservations, tariff, operator, approvals } = open;
    OpenText {
        act: act(opened),
        index: *index,
        at: *at,
        lapses: *lapses,
        reservations: wire::moves(reservations),
        tariff: tariff.as_ref().map(tariff_of),
        operator: operator.clone(),
        approvals: by_party(approvals),
    }
}

fn tariff_of(Tariff { clause, force, asset, input, cached_input, output, request }: &Tariff) -> TariffText {
    let price = |price: &Price| PriceText { numerator: price.numerator(), per: price.per() };
    TariffText {
        clause: clause.clone(),
        binding: force.is_binding(),
        asset: asset.to_string(),
        input: price(input),
        cached_input: cached_input.as_ref().map(price),
        output: price(output),
        request: price(request),
    }
}

fn waiting_act(Waiting { act: waits, digest, clause, by, given, since }: &Waiting) -> WaitingText {
    WaitingText {
        act: act(waits),
        digest: *digest,
        clause: clause.clone(),
        by: by.clone(),
        given: by_party(given),
        since: *since,
    }
}

fn attested_by((evidence, by): (&Evidence, &BTreeMap<PartyId, Date>)) -> AttestedText {
    let Evidence { clause, condition, digest } = evidence.clone();
    let by = by.iter().map(|(party, on)| AttesterText { party: party.clone(), on: *on });
    AttestedText { clause, condition, evidence: digest, by: by.collect() }
}

fn booked_as((clause, booked): (&ClauseId, &Booked)) -> BookedText {
    let (how, at) = match booked {
        Booked::Drawn(at) => (How::Drawn, *at),
        Booked::Expired(at) => (How::Expired, *at),
    };
    BookedText { clause: clause.clone(), how, at }
}

fn count((clause, Count { allowed, refused, deviated }): (&ClauseId, &Count)) -> CountText {
    CountText { clause: clause.clone(), allowed: *allowed, refused: *refused, deviated: *deviated }
}

fn taken((key, Taken { act, at, input }): (&Digest, &Taken)) -> TakenText {
    TakenText { key: *key, act: Id(*act), at: *at, input: *input }
}

fn line(line: &Line) -> LineText {
    let Line { act, at, index, kind, who, about, state, clauses, deviations, charged } = line;
    LineText {
        act: Id(*act),
        at: *at,
        index: *index,
        kind: (*kind).to_owned(),
        who: who.clone(),
        about: about.clone(),
        state: (*state).to_owned(),
        clauses: clauses.clone(),
        deviations: deviations.clone(),
        charged: charged
            .as_ref()
            .map(|(amount, asset)| Charge { asset: asset.to_string(), amount: amount.minor() }),
    }
}
