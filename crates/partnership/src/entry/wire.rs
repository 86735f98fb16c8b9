//! Entries to their texts and back.
//!
//! Not here: whether a text is in its one spelling; the caller writes it again and compares.

use super::text::{Caps, Charge, Charged, Ending, Founding, Head, Move, OfParty, Op, Reserved, Who, Why};
use super::{
    Body, ClockStep, Decided, Entry, EntryError, Genesis, Lease, Settled, Standing, StateDigest, Tally,
    Verdict,
};
use crate::act::{
    Act, Administer, Amend, Approve, Attest, Book, Declare, Deed, Draw, Erase, Expire, Infer, Payment,
    Principal, Reconcile, Undelivered, Withdraw,
};
use crate::ids::{ActId, PartyId, Timestamp};
use ledger::{AccountId, Amount, AssetId, Operation, Transfer, TransferId};
use record::commitment::{Draft, Fields};
use serde::{Deserialize, Serialize};

/// The fields that the parties' part of an entry of this kind has beside its salts, in their order; none for a kind that is not known.
pub(super) fn fields(kind: &str) -> &'static [&'static str] {
    match kind {
        "genesis" => &["genesis", "money"],
        "decided" => &["act", "who", "what", "why", "money"],
        "settled" => &["act", "what", "money"],
        "clock" => &["clock"],
        "tally" => &["tally"],
        "state-digest" => &["state"],
        "lease" => &["lease"],
        _ => &[],
    }
}

/// The parties' part of an entry, and what its envelope carries for it.
pub(super) fn encode(entry: &Entry) -> (Vec<u8>, record::Hash) {
    let mut part = Part(Draft::new(entry.salts));
    match &entry.body {
        Body::Genesis(genesis) => {
            part.put("genesis", &founding(entry, genesis));
            part.put("money", &moves(&genesis.transfers));
        }
        Body::Decided(decided) => put_decided(&mut part, entry, decided),
        Body::Settled(settled) => put_settled(&mut part, entry, settled),
        Body::Clock(clock) => part.put("clock", clock),
        Body::Tally(tally) => part.put("tally", tally),
        Body::StateDigest(state) => part.put("state", state),
        Body::Lease(lease) => part.put("lease", &caps(lease)),
    }
    part.0.finish()
}

/// A parties' part that is being written.
struct Part(Draft);

impl Part {
    fn put(&mut self, name: &str, value: &impl Serialize) {
        let written = self.0.field(name, |to| serde_json::to_writer(to, value));
        written.unwrap_or_else(|error| unreachable!("an entry of ours has string keys only: {error}"));
    }
}

pub(super) fn decode(kind: &str, parties: &[u8]) -> Result<Entry, EntryError> {
    let fields = Fields::parse(parties).map_err(|error| malformed(kind, &error))?;
    let salts = *fields.salts();
    let mut read = Read { kind, fields: fields.iter() };
    let (at, body) = match kind {
        "genesis" => genesis(&mut read)?,
        "decided" => decided(&mut read)?,
        "settled" => settled(&mut read)?,
        "clock" => {
            let clock: ClockStep = read.next("clock")?;
            (clock.at, Body::Clock(clock))
        }
        "tally" => {
            let tally: Tally = read.next("tally")?;
            (tally.at, Body::Tally(tally))
        }
        "state-digest" => {
            let state: StateDigest = read.next("state")?;
            (state.at, Body::StateDigest(state))
        }
        "lease" => {
            let lease = of_caps(read.next("lease")?);
            (lease.at, Body::Lease(lease))
        }
        other => return Err(EntryError::Unknown(other.to_owned())),
    };
    match read.fields.next() {
        None => Ok(Entry { salts, at, body }),
        Some((name, _)) => Err(malformed(kind, &format!("it has no field `{name}` there"))),
    }
}

/// The fields of a parties' part, which are read in their order.
struct Read<'k, I> {
    kind: &'k str,
    fields: I,
}

impl<'a, I: Iterator<Item = (&'a str, &'a [u8])>> Read<'_, I> {
    fn next<T: Deserialize<'a>>(&mut self, field: &str) -> Result<T, EntryError> {
        let value = self.raw(field)?;
        serde_json::from_slice(value).map_err(|error| malformed(self.kind, &format!("`{field}`: {error}")))
    }

    fn raw(&mut self, field: &str) -> Result<&'a [u8], EntryError> {
        let found = self.fields.next().filter(|(name, _)| *name == field);
        found
            .map(|(_, value)| value)
            .ok_or_else(|| malformed(self.kind, &format!("the field `{field}` is not in its place")))
    }
}

/// How long an act's own fields and its principal are as they are written.
pub(super) fn act_bytes(principal: &Principal, deed: &Deed) -> usize {
    what(deed).get().len().saturating_add(bytes(&who(principal, None)).len())
}

fn bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value)
        .unwrap_or_else(|error| unreachable!("an entry of ours has string keys only: {error}"))
}

fn malformed(kind: &str, why: &dyn std::fmt::Display) -> EntryError {
    EntryError::Malformed { kind: kind.to_owned(), why: why.to_string() }
}

pub(crate) fn of_party(pairs: &[(PartyId, String)]) -> Vec<OfParty> {
    pairs.iter().map(|(party, value)| OfParty { party: party.clone(), value: value.clone() }).collect()
}

pub(crate) fn by_party(pairs: Vec<OfParty>) -> Vec<(PartyId, String)> {
    pairs.into_iter().map(|pair| (pair.party, pair.value)).collect()
}

fn founding(entry: &Entry, genesis: &Genesis) -> Founding {
    Founding {
        at: entry.at,
        origin: genesis.origin.clone(),
        memorandum: genesis.memorandum,
        vkeys: of_party(&genesis.vkeys),
        signatures: of_party(&genesis.signatures),
    }
}

fn genesis<'a>(
    read: &mut Read<'_, impl Iterator<Item = (&'a str, &'a [u8])>>,
) -> Result<(Timestamp, Body), EntryError> {
    let genesis: Founding = read.next("genesis")?;
    let transfers = transfers("genesis", ActId::from_u128(0), read.next("money")?)?;
    let body = Genesis {
        origin: genesis.origin,
        memorandum: genesis.memorandum,
        vkeys: by_party(genesis.vkeys),
        signatures: by_party(genesis.signatures),
        transfers,
    };
    Ok((genesis.at, Body::Genesis(body)))
}

fn put_decided(part: &mut Part, entry: &Entry, decided: &Decided) {
    let (code, remedy, digest, by, decision) = match &decided.verdict {
        Verdict::Allow => (None, None, None, None, "allow"),
        Verdict::Deny { code, remedy, .. } => (Some(*code), Some(remedy.clone()), None, None, "deny"),
        Verdict::Escalate { digest, by } => (None, None, Some(*digest), Some(by.clone()), "escalate"),
    };
    let refills = match &decided.verdict {
        Verdict::Deny { refills, .. } => *refills,
        Verdict::Allow | Verdict::Escalate { .. } => None,
    };
    let act = &decided.act;
    part.put("act", &Head { id: act.id, at: entry.at, kind: act.deed.name().into() });
    part.put("who", &who(&act.principal, decided.standing.as_ref()));
    put_deed(part, &act.deed);
    part.put(
        "why",
        &Why {
            memorandum: decided.memorandum,
            decision: decision.to_owned(),
            code,
            remedy,
            refills,
            digest,
            by,
            clauses: decided.clauses.clone(),
            deviations: decided.deviations.clone(),
        },
    );
    part.put("money", &Reserved { lapses: decided.lapses, transfers: moves(&decided.transfers) });
}

fn decided<'a>(
    read: &mut Read<'_, impl Iterator<Item = (&'a str, &'a [u8])>>,
) -> Result<(Timestamp, Body), EntryError> {
    let head: Head<'_> = read.next("act")?;
    let (principal, standing) = principal(read.next("who")?)?;
    let deed = deed(&head.kind, read.raw("what")?)?;
    let why: Why = read.next("why")?;
    let verdict = verdict(&why)?;
    let money: Reserved = read.next("money")?;
    let body = Decided {
        act: Act { id: head.id, principal, deed },
        standing,
        memorandum: why.memorandum,
        verdict,
        clauses: why.clauses,
        deviations: why.deviations,
        lapses: money.lapses,
        transfers: transfers("decided", head.id, money.transfers)?,
    };
    Ok((head.at, Body::Decided(Box::new(body))))
}

fn verdict(why: &Why) -> Result<Verdict, EntryError> {
    let refills = why.refills;
    match (why.decision.as_str(), why.code, &why.remedy, why.digest, &why.by) {
        ("allow" | "escalate", ..) if refills.is_some() => {
            Err(malformed("decided", &"only a refusal says when a budget fills up again"))
        }
        ("allow", None, None, None, None) => Ok(Verdict::Allow),
        ("deny", Some(code), Some(remedy), None, None) => {
            Ok(Verdict::Deny { code, remedy: remedy.clone(), refills })
        }
        ("escalate", None, None, Some(digest), Some(by)) => Ok(Verdict::Escalate { digest, by: by.clone() }),
        _ => Err(malformed("decided", &format!("`{}` does not fit its fields", why.decision))),
    }
}

pub(crate) fn who(principal: &Principal, standing: Option<&Standing>) -> Who {
    let mut who =
        Who { party: None, person: None, application: None, key: None, standing: standing.cloned() };
    match principal {
        Principal::Application { party, application, key } => {
            who.party = Some(party.clone());
            who.application = Some(application.clone());
            who.key = Some(key.clone());
        }
        Principal::Party { party, person } => {
            who.party = Some(party.clone());
            who.person = Some(person.clone());
        }
        Principal::Clerk => {}
    }
    who
}

pub(crate) fn principal(who: Who) -> Result<(Principal, Option<Standing>), EntryError> {
    let principal = match (who.party, who.person, who.application, who.key) {
        (Some(party), None, Some(application), Some(key)) => {
            Principal::Application { party, application, key }
        }
        (Some(party), Some(person), None, None) => Principal::Party { party, person },
        (None, None, None, None) => Principal::Clerk,
        _ => return Err(malformed("decided", &"`who` names no principal")),
    };
    Ok((principal, who.standing))
}

/// An act's own fields, as they are written.
pub(crate) fn what(deed: &Deed) -> Box<serde_json::value::RawValue> {
    let raw = match deed {
        Deed::Infer(infer) => serde_json::value::to_raw_value(infer),
        Deed::Amend(amend) => serde_json::value::to_raw_value(amend),
        Deed::Approve(approve) => serde_json::value::to_raw_value(approve),
        Deed::Attest(attest) => serde_json::value::to_raw_value(attest),
        Deed::Draw(draw) => serde_json::value::to_raw_value(draw),
        Deed::Expire(expire) => serde_json::value::to_raw_value(expire),
        Deed::Book(book) => serde_json::value::to_raw_value(book),
        Deed::Declare(declare) => serde_json::value::to_raw_value(declare),
        Deed::Payment(payment) => serde_json::value::to_raw_value(payment),
        Deed::Reconcile(reconcile) => serde_json::value::to_raw_value(reconcile),
        Deed::Undelivered(undelivered) => serde_json::value::to_raw_value(undelivered),
        Deed::Withdraw(withdraw) => serde_json::value::to_raw_value(withdraw),
        Deed::Erase(erase) => serde_json::value::to_raw_value(erase),
        Deed::Administer(administer) => serde_json::value::to_raw_value(administer),
    };
    raw.unwrap_or_else(|error| unreachable!("a deed has string keys only: {error}"))
}

/// As [`what`], with no copy of the text: most entries are of model calls.
fn put_deed(part: &mut Part, deed: &Deed) {
    match deed {
        Deed::Infer(infer) => part.put("what", infer),
        other => part.put("what", &what(other)),
    }
}

pub(crate) fn deed(kind: &str, what: &[u8]) -> Result<Deed, EntryError> {
    fn of<'a, T: Deserialize<'a>>(kind: &str, what: &'a [u8]) -> Result<T, EntryError> {
        serde_json::from_slice(what).map_err(|error| malformed(kind, &error))
    }
    Ok(match kind {
        "infer" => Deed::Infer(of::<Infer>(kind, what)?),
        "amend" => Deed::Amend(of::<Amend>(kind, what)?),
        "approve" => Deed::Approve(of::<Approve>(kind, what)?),
        "attest" => Deed::Attest(of::<Attest>(kind, what)?),
        "draw" => Deed::Draw(of::<Draw>(kind, what)?),
        "expire" => Deed::Expire(of::<Expire>(kind, what)?),
        "book" => Deed::Book(of::<Book>(kind, what)?),
        "declare" => Deed::Declare(of::<Declare>(kind, what)?),
        "payment" => Deed::Payment(of::<Payment>(kind, what)?),
        "reconcile" => Deed::Reconcile(of::<Reconcile>(kind, what)?),
        "undelivered" => Deed::Undelivered(of::<Undelivered>(kind, what)?),
        "withdraw" => Deed::Withdraw(of::<Withdraw>(kind, what)?),
        "erase" => {
            let erase = of::<Erase>(kind, what)?;
            if !erase.is_sound() {
                return Err(malformed(kind, &"its fields do not fit together"));
            }
            Deed::Erase(erase)
        }
        _ => {
            let administer = of::<Administer>(kind, what)?;
            if administer.name() != kind {
                return Err(malformed(kind, &"`what` is another act"));
            }
            Deed::Administer(administer)
        }
    })
}

fn put_settled(part: &mut Part, entry: &Entry, settled: &Settled) {
    part.put("act", &Head { id: settled.act, at: entry.at, kind: settled.kind.as_str().into() });
    part.put(
        "what",
        &Ending {
            decided: settled.decided,
            ended: settled.ended,
            usage: settled.usage,
            estimated: settled.estimated,
            attempts: settled.attempts.clone(),
            output: settled.output,
            kept: settled.kept,
        },
    );
    let charge =
        |(amount, asset): &(Amount, AssetId)| Charge { asset: asset.to_string(), amount: amount.minor() };
    let charged = settled.charged.as_ref().map(charge);
    part.put("money", &Charged { charged, transfers: moves(&settled.transfers) });
}

fn settled<'a>(
    read: &mut Read<'_, impl Iterator<Item = (&'a str, &'a [u8])>>,
) -> Result<(Timestamp, Body), EntryError> {
    let head: Head<'_> = read.next("act")?;
    let what: Ending = read.next("what")?;
    let money: Charged = read.next("money")?;
    if what.usage.is_some_and(|usage| usage.sound() != usage) {
        return Err(malformed("settled", &"more input was cached than there was"));
    }
    let charge = |charge: Charge| (Amount::new(charge.amount), AssetId::from(charge.asset.as_str()));
    let body = Settled {
        act: head.id,
        kind: head.kind.into_owned(),
        decided: what.decided,
        ended: what.ended,
        usage: what.usage,
        estimated: what.estimated,
        attempts: what.attempts,
        output: what.output,
        kept: what.kept,
        charged: money.charged.map(charge),
        transfers: transfers("settled", head.id, money.transfers)?,
    };
    Ok((head.at, Body::Settled(Box::new(body))))
}

pub(crate) fn caps(lease: &Lease) -> Caps {
    let amounts = lease.amounts.iter();
    Caps {
        at: lease.at,
        expires: lease.expires,
        calls: lease.calls,
        amounts: amounts
            .map(|(asset, amount)| Charge { asset: asset.to_string(), amount: amount.minor() })
            .collect(),
    }
}

pub(crate) fn of_caps(Caps { at, expires, calls, amounts }: Caps) -> Lease {
    let amounts =
        amounts.into_iter().map(|cap| (AssetId::from(cap.asset.as_str()), Amount::new(cap.amount))).collect();
    Lease { at, expires, calls, amounts }
}

pub(crate) fn moves(transfers: &[Transfer]) -> Vec<Move> {
    transfers.iter().map(to_move).collect()
}

pub(crate) fn to_move(transfer: &Transfer) -> Move {
    let (op, pending, until) = match transfer.operation {
        Operation::Move => (Op::Move, None, None),
        Operation::Reserve { expires_at } => (Op::Reserve, None, Some(Timestamp::from_millis(expires_at))),
        Operation::Post { pending } => (Op::Post, Some(pending), None),
        Operation::Void { pending } => (Op::Void, Some(pending), None),
        Operation::Lapse { pending } => (Op::Lapse, Some(pending), None),
    };
    Move {
        leg: transfer.id.leg,
        op,
        pending: pending.map(|pending| pending.leg.to_string()),
        debit: transfer.debit.to_string(),
        credit: transfer.credit.to_string(),
        asset: transfer.asset.to_string(),
        amount: transfer.amount.minor(),
        until,
    }
}

pub(crate) fn transfers(kind: &str, act: ActId, moves: Vec<Move>) -> Result<Vec<Transfer>, EntryError> {
    moves.into_iter().map(|a_move| to_transfer(kind, act, a_move)).collect()
}

pub(crate) fn to_transfer(kind: &str, act: ActId, text: Move) -> Result<Transfer, EntryError> {
    let act = act.as_u128();
    let pending = text
        .pending
        .map(|leg| leg.parse().map(|leg| TransferId { act, leg }))
        .transpose()
        .map_err(|error| malformed(kind, &error))?;
    let operation = match (text.op, pending, text.until) {
        (Op::Move, None, None) => Operation::Move,
        (Op::Reserve, None, Some(until)) => Operation::Reserve { expires_at: until.as_millis() },
        (Op::Post, Some(pending), None) => Operation::Post { pending },
        (Op::Void, Some(pending), None) => Operation::Void { pending },
        (Op::Lapse, Some(pending), None) => Operation::Lapse { pending },
        _ => return Err(malformed(kind, &"a transfer's fields do not fit its `op`")),
    };
    Ok(Transfer {
        id: TransferId { act, leg: text.leg },
        operation,
        debit: AccountId::from(text.debit.as_str()),
        credit: AccountId::from(text.credit.as_str()),
        asset: AssetId::from(text.asset.as_str()),
        amount: Amount::new(text.amount),
    })
}
