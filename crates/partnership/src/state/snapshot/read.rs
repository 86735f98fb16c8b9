//! A state from its text. What is sorted must come sorted and once, so that one text stands for one state.

use super::SnapshotError;
use super::money::{self, Money};
use super::notices;
use super::reconciled;
use super::text::{
    AccountText, ActText, BudgetText, How, Id, LineText, LogKeyText, OpenText, PriceText, RetainedText,
    SignedText, StateText, TakenText, TariffText, WaitingText,
};
use super::withdrawal;
use crate::act::{Act, Digest};
use crate::entry::text::{Move, OfParty};
use crate::entry::{EntryError, wire};
use crate::ids::{ActId, ApplicationId, PartyId};
use crate::investment::chart;
use crate::investment::tariff::Tariff;
use crate::memorandum::Force;
use crate::registry::{Budget, Registry};
use crate::retention::Retained;
use crate::state::{
    Booked, Count, Evidence, Library, Line, LogSigns, Open, Repeats, Signed, State, Taken, Waiting,
    Withdrawal,
};
use crate::terms::Terms;
use jiff::civil::Date;
use ledger::{AccountId, Amount, AssetId, Balance, Book, Opened, Price, Transfer};
use record::note::Verifier;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::projection::Projection;

pub(super) fn state(text: StateText, library: &Library) -> Result<State, SnapshotError> {
    let withdrawal = text.withdrawal.map(|text| withdrawal::read(text, set)).transpose()?;
    let terms = text.terms.map(|digest| in_force(library, &digest, withdrawal.as_ref())).transpose()?;
    text.signed.iter().try_for_each(|signed| document(library, &signed.digest).map(drop))?;
    let (vkeys, former) = (verifiers(text.vkeys)?, verifiers(text.former)?);
    sorted(text.applications.iter().map(|application| &application.name))?;
    sorted(text.keys.iter().map(|key| &key.id))?;
    let witness_keys = map(text.witness_keys.into_iter().map(|one| (one.value, one.party)))?;
    sorted(text.budgets.iter().map(|budget| &budget.set.id))?;
    let standing = text.budgets.into_iter().map(|BudgetText { set, raises }| Budget { set, raises });
    let budgets = (standing.collect(), set(text.removed_budgets)?);
    let registry = Registry::of(
        text.applications,
        text.keys,
        set(text.suspended)?,
        witness_keys,
        set(text.revoked)?,
        budgets,
    );
    let counts = text.counts.into_iter().map(|count| {
        let sums = Count { allowed: count.allowed, refused: count.refused, deviated: count.deviated };
        (count.clause, sums)
    });
    let lease = text.lease.map(|lease| (lease.index, wire::of_caps(lease.lease)));
    let kept = text.retained.into_iter().map(retained);
    let book = book(text.accounts, text.reservations.into_iter().map(|held| (held.act, held.transfer)))?;
    let Money { due_booked, payments, days } = money::read(text.money)?;
    Ok(State {
        library: library.clone(),
        origin: text.origin,
        terms,
        vkeys: map(vkeys)?,
        former,
        log_keys: text.log_keys.into_iter().map(log_key).collect::<Result<_, _>>()?,
        registry,
        retained: map(kept.collect::<Result<Vec<_>, SnapshotError>>()?)?,
        projection: Projection::of(&book),
        book,
        open: acts(text.open.into_iter().map(open))?,
        waiting: acts(text.waiting.into_iter().map(waiting))?,
        attested: attested(text.attested)?,
        booked: map(text.booked.into_iter().map(|booked| {
            let what = match booked.how {
                How::Drawn => Booked::Drawn(booked.at),
                How::Expired => Booked::Expired(booked.at),
            };
            (booked.clause, what)
        }))?,
        due_booked,
        payments,
        days,
        suspended_since: map(text.suspended_since.into_iter().map(notices::read_suspended))?,
        undelivered: map(text.undelivered.into_iter().map(notices::read_dead))?,
        reconciled: text.reconciled.into_iter().map(reconciled::read).collect(),
        withdrawal,
        counts: map(counts)?,
        tallied: map(text.tallied.into_iter().map(|refused| (refused.key, refused.count)))?,
        recent: text.recent.into_iter().map(line).collect::<Result<_, _>>()?,
        entries: text.entries,
        at: text.at,
        epoch: text.epoch,
        signed: text.signed.into_iter().map(signed).collect(),
        digested: text.digested,
        amending: set(text.amending.into_iter().map(|Id(id)| id))?,
        freed: map(text.freed.into_iter().map(|freed| (freed.act.0, freed.index)))?,
        at_once: text.at_once.map(|Id(id)| id),
        lease,
        repeats: Repeats::of(map(text.repeats.into_iter().map(taken))?),
    })
}

/// The version in force, as it is where a party has withdrawn from it.
fn in_force(
    library: &Library,
    digest: &Digest,
    withdrawal: Option<&Withdrawal>,
) -> Result<Arc<Terms>, SnapshotError> {
    let terms = document(library, digest)?;
    let left = |one: &Withdrawal| Arc::new(terms.withdrawn_from(one.withdrawn.clone()));
    Ok(withdrawal.map_or_else(|| Arc::clone(&terms), left))
}

fn log_key(text: LogKeyText) -> Result<LogSigns, SnapshotError> {
    let LogKeyText { since, vkey, handed, taken } = text;
    let key = Verifier::parse(&vkey).map_err(|error| malformed(&error))?;
    Ok(LogSigns { since, key, handed, taken })
}

fn verifiers(keys: Vec<OfParty>) -> Result<Vec<(PartyId, Verifier)>, SnapshotError> {
    let key = |one: OfParty| {
        let key = Verifier::parse(&one.value).map_err(|error| malformed(&error))?;
        Ok((one.party, key))
    };
    keys.into_iter().map(key).collect()
}

fn retained(text: RetainedText) -> Result<(ApplicationId, Retained), SnapshotError> {
    let RetainedText { application, audiences, since, erased } = text;
    let erased = erased.map(|erased| erased.date());
    Ok((application, Retained { audiences: set(audiences)?, since: since.date(), erased }))
}

fn document(library: &Library, digest: &Digest) -> Result<Arc<Terms>, SnapshotError> {
    library.get(digest).cloned().ok_or_else(|| SnapshotError::NoMemorandum(digest.hex()))
}

fn book(
    accounts: Vec<AccountText>,
    reservations: impl Iterator<Item = (Id, Move)>,
) -> Result<Book, SnapshotError> {
    let accounts = accounts.into_iter().map(|account| {
        let id = AccountId::from(account.id);
        Opened {
            limit: chart::limit(&id),
            id,
            asset: AssetId::from(account.asset),
            balance: Balance {
                debits_pending: Amount::new(account.debits_pending),
                credits_pending: Amount::new(account.credits_pending),
                debits_posted: Amount::new(account.debits_posted),
                credits_posted: Amount::new(account.credits_posted),
            },
        }
    });
    let reservations: Vec<Transfer> =
        reservations.map(|(act, held)| transfer(act.0, held)).collect::<Result<_, _>>()?;
    sorted(reservations.iter().map(|transfer| transfer.id))?;
    Ok(Book::restore(accounts, reservations)?)
}

fn transfer(act: ActId, text: Move) -> Result<Transfer, SnapshotError> {
    wire::to_transfer("snapshot", act, text).map_err(inner)
}

fn act(text: ActText) -> Result<Act, SnapshotError> {
    let (principal, standing) = wire::principal(text.who).map_err(inner)?;
    if standing.is_some() {
        return Err(malformed(&"an act has a standing"));
    }
    let deed = wire::deed(&text.kind, text.what.get().as_bytes()).map_err(inner)?;
    Ok(Act { id: text.id.0, principal, deed })
}

fn open(text: OpenText) -> Result<(ActId, Open), SnapshotError> {
    let act = act(text.act)?;
    let reservations = text.reservations.into_iter().map(|a_move| transfer(act.id, a_move));
    let open = Open {
        reservations: reservations.collect::<Result<_, _>>()?,
        index: text.index,
        at: text.at,
        lapses: text.lapses,
        tariff: text.tariff.map(tariff).transpose()?,
        operator: text.operator,
        approvals: by_party(text.approvals)?,
        act: Arc::new(act),
    };
    Ok((open.act.id, open))
}

fn tariff(text: TariffText) -> Result<Tariff, SnapshotError> {
    let price = |price: PriceText| {
        Price::new(price.numerator, price.per).ok_or_else(|| malformed(&"a price is for nothing"))
    };
    Ok(Tariff {
        clause: text.clause,
        force: if text.binding { Force::Binding } else { Force::NonBinding },
        asset: AssetId::from(text.asset),
        input: price(text.input)?,
        cached_input: text.cached_input.map(price).transpose()?,
        output: price(text.output)?,
        request: price(text.request)?,
    })
}

fn waiting(text: WaitingText) -> Result<(ActId, Waiting), SnapshotError> {
    let WaitingText { act: waits, digest, clause, by, given, since } = text;
    let act = act(waits)?;
    Ok((act.id, Waiting { act: Arc::new(act), digest, clause, by, given: by_party(given)?, since }))
}

fn attested(
    texts: Vec<super::text::AttestedText>,
) -> Result<BTreeMap<Evidence, BTreeMap<PartyId, Date>>, SnapshotError> {
    let attested = texts.into_iter().map(|text| {
        let evidence = Evidence { clause: text.clause, condition: text.condition, digest: text.evidence };
        Ok((evidence, map(text.by.into_iter().map(|given| (given.party, given.on)))?))
    });
    map(attested.collect::<Result<Vec<_>, SnapshotError>>()?)
}

fn signed(text: SignedText) -> Signed {
    Signed {
        version: text.version,
        digest: text.digest,
        since: text.since,
        signatures: wire::by_party(text.signatures),
    }
}

fn taken(TakenText { key, act: Id(act), at, input }: TakenText) -> (Digest, Taken) {
    (key, Taken { act, at, input })
}

fn line(text: LineText) -> Result<Line, SnapshotError> {
    Ok(Line {
        act: text.act.0,
        at: text.at,
        index: text.index,
        kind: word(&text.kind)?,
        who: text.who,
        about: text.about,
        state: word(&text.state)?,
        clauses: text.clauses,
        deviations: text.deviations,
        charged: text.charged.map(|charge| (Amount::new(charge.amount), AssetId::from(charge.asset))),
    })
}

/// The words of lines for people: kinds of acts, and what became of them.
fn word(text: &str) -> Result<&'static str, SnapshotError> {
    WORDS
        .into_iter()
        .find(|word| *word == text)
        .ok_or_else(|| malformed(&format!("`{text}` is no word of ours")))
}

const WORDS: [&str; 35] = [
    "infer",
    "amend",
    "approve",
    "attest",
    "draw",
    "expire",
    "book",
    "declare",
    "payment",
    "reconcile",
    "undelivered",
    "withdraw",
    "erase",
    "application-add",
    "application-remove",
    "key-new",
    "key-revoke",
    "model-resume",
    "witness-key-add",
    "witness-key-revoke",
    "party-key-change",
    "party-key-recover",
    "log-key-change",
    "log-key-recover",
    "budget-set",
    "budget-raise",
    "budget-remove",
    "allowed",
    "refused",
    "waiting",
    "done",
    "failed",
    "cancelled",
    "lost",
    "lapsed",
];

fn by_party(pairs: Vec<OfParty>) -> Result<BTreeMap<PartyId, String>, SnapshotError> {
    map(pairs.into_iter().map(|pair| (pair.party, pair.value)))
}

fn acts<T>(
    acts: impl Iterator<Item = Result<(ActId, T), SnapshotError>>,
) -> Result<BTreeMap<ActId, T>, SnapshotError> {
    map(acts.collect::<Result<Vec<_>, _>>()?)
}

fn map<K: Ord, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<BTreeMap<K, V>, SnapshotError> {
    let pairs: Vec<(K, V)> = pairs.into_iter().collect();
    sorted(pairs.iter().map(|(key, _)| key))?;
    Ok(pairs.into_iter().collect())
}

fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> Result<BTreeSet<T>, SnapshotError> {
    let items: Vec<T> = items.into_iter().collect();
    sorted(items.iter())?;
    Ok(items.into_iter().collect())
}

pub(super) fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Result<(), SnapshotError> {
    if items.is_sorted_by(|one, next| one < next) {
        Ok(())
    } else {
        Err(malformed(&"a list is not in order, or holds something twice"))
    }
}

fn malformed(why: &dyn std::fmt::Display) -> SnapshotError {
    SnapshotError::Malformed(why.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn inner(error: EntryError) -> SnapshotError {
    malformed(&error)
}
