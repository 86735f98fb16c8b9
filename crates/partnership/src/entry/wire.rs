//! Entries to their texts and back.
//!
//! Not here: whether a text is in its one spelling; the caller writes it again and compares.

use super::text::{
    Caps, Charge, Charged, ClockText, DecidedText, Ending, Founding, GenesisText, Head, LeaseText, Move,
    OfParty, Op, Reserved, SettledText, StateDigestText, TallyText, Who, Why,
};
use super::{Body, Decided, Entry, EntryError, Genesis, Lease, Settled, Standing, Verdict};
use crate::act::{Act, Administer, Amend, Approve, Attest, Deed, Digest, Draw, Expire, Infer, Principal};
use crate::ids::{ActId, PartyId, Timestamp};
use ledger::{AccountId, Amount, AssetId, Operation, Transfer, TransferId};
use serde::{Deserialize, Serialize};

pub(super) fn encode(entry: &Entry) -> Vec<u8> {
    let seed = Digest(entry.seed);
    match &entry.body {
        Body::Genesis(genesis) => bytes(&GenesisText {
            seed,
            genesis: Founding {
                at: entry.at,
                origin: genesis.origin.clone(),
                memorandum: genesis.memorandum,
                vkeys: of_party(&genesis.vkeys),
                signatures: of_party(&genesis.signatures),
            },
            money: moves(&genesis.transfers),
        }),
        Body::Decided(decided) => bytes(&decided_text(entry, decided)),
        Body::Settled(settled) => bytes(&settled_text(entry, settled)),
        Body::Clock(clock) => bytes(&ClockText { seed, clock: clock.clone() }),
        Body::Tally(tally) => bytes(&TallyText { seed, tally: tally.clone() }),
        Body::StateDigest(state) => bytes(&StateDigestText { seed, state: state.clone() }),
        Body::Lease(lease) => bytes(&LeaseText { seed, lease: caps(lease) }),
    }
}

pub(super) fn decode(kind: &str, parties: &[u8]) -> Result<Entry, EntryError> {
    match kind {
        "genesis" => read::<GenesisText>(kind, parties).and_then(genesis),
        "decided" => read::<DecidedText>(kind, parties).and_then(decided),
        "settled" => read::<SettledText>(kind, parties).and_then(settled),
        "clock" => read::<ClockText>(kind, parties).map(|text| Entry {
            seed: text.seed.0,
            at: text.clock.at,
            body: Body::Clock(text.clock),
        }),
        "tally" => read::<TallyText>(kind, parties).map(|text| Entry {
            seed: text.seed.0,
            at: text.tally.at,
            body: Body::Tally(text.tally),
        }),
        "state-digest" => read::<StateDigestText>(kind, parties).map(|text| Entry {
            seed: text.seed.0,
            at: text.state.at,
            body: Body::StateDigest(text.state),
        }),
        "lease" => read::<LeaseText>(kind, parties).map(lease),
        other => Err(EntryError::Unknown(other.to_owned())),
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

fn read<'a, T: Deserialize<'a>>(kind: &str, parties: &'a [u8]) -> Result<T, EntryError> {
    serde_json::from_slice(parties).map_err(|error| malformed(kind, &error))
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

fn genesis(text: GenesisText) -> Result<Entry, EntryError> {
    Ok(Entry {
        seed: text.seed.0,
        at: text.genesis.at,
        body: Body::Genesis(Genesis {
            origin: text.genesis.origin,
            memorandum: text.genesis.memorandum,
            vkeys: by_party(text.genesis.vkeys),
            signatures: by_party(text.genesis.signatures),
            transfers: transfers("genesis", ActId::from_u128(0), text.money)?,
        }),
    })
}

fn decided_text(entry: &Entry, decided: &Decided) -> DecidedText {
    let (code, remedy, digest, by, decision) = match &decided.verdict {
        Verdict::Allow => (None, None, None, None, "allow"),
        Verdict::Deny { code, remedy } => (Some(*code), Some(remedy.clone()), None, None, "deny"),
        Verdict::Escalate { digest, by } => (None, None, Some(*digest), Some(by.clone()), "escalate"),
    };
    DecidedText {
        seed: Digest(entry.seed),
        act: Head { id: decided.act.id.to_string(), at: entry.at, kind: decided.act.deed.name().to_owned() },
        who: who(&decided.act.principal, decided.standing.as_ref()),
        what: what(&decided.act.deed),
        why: Why {
            memorandum: decided.memorandum,
            decision: decision.to_owned(),
            code,
            remedy,
            digest,
            by,
            clauses: decided.clauses.clone(),
            deviations: decided.deviations.clone(),
        },
        money: Reserved { lapses: decided.lapses, transfers: moves(&decided.transfers) },
    }
}

fn decided(text: DecidedText) -> Result<Entry, EntryError> {
    let id: ActId = text.act.id.parse().map_err(|error| malformed("decided", &error))?;
    let verdict = verdict(&text.why)?;
    let (principal, standing) = principal(text.who)?;
    Ok(Entry {
        seed: text.seed.0,
        at: text.act.at,
        body: Body::Decided(Box::new(Decided {
            act: Act { id, seed: text.seed.0, principal, deed: deed(&text.act.kind, text.what.get())? },
            standing,
            memorandum: text.why.memorandum,
            verdict,
            clauses: text.why.clauses,
            deviations: text.why.deviations,
            lapses: text.money.lapses,
            transfers: transfers("decided", id, text.money.transfers)?,
        })),
    })
}

fn verdict(why: &Why) -> Result<Verdict, EntryError> {
    match (why.decision.as_str(), why.code, &why.remedy, why.digest, &why.by) {
        ("allow", None, None, None, None) => Ok(Verdict::Allow),
        ("deny", Some(code), Some(remedy), None, None) => Ok(Verdict::Deny { code, remedy: remedy.clone() }),
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

pub(crate) fn what(deed: &Deed) -> Box<serde_json::value::RawValue> {
    let raw = match deed {
        Deed::Infer(infer) => serde_json::value::to_raw_value(infer),
        Deed::Amend(amend) => serde_json::value::to_raw_value(amend),
        Deed::Approve(approve) => serde_json::value::to_raw_value(approve),
        Deed::Attest(attest) => serde_json::value::to_raw_value(attest),
        Deed::Draw(draw) => serde_json::value::to_raw_value(draw),
        Deed::Expire(expire) => serde_json::value::to_raw_value(expire),
        Deed::Administer(administer) => serde_json::value::to_raw_value(administer),
    };
    raw.unwrap_or_else(|error| unreachable!("a deed has string keys only: {error}"))
}

pub(crate) fn deed(kind: &str, what: &str) -> Result<Deed, EntryError> {
    fn of<'a, T: Deserialize<'a>>(kind: &str, what: &'a str) -> Result<T, EntryError> {
        serde_json::from_str(what).map_err(|error| malformed(kind, &error))
    }
    Ok(match kind {
        "infer" => Deed::Infer(of::<Infer>(kind, what)?),
        "amend" => Deed::Amend(of::<Amend>(kind, what)?),
        "approve" => Deed::Approve(of::<Approve>(kind, what)?),
        "attest" => Deed::Attest(of::<Attest>(kind, what)?),
        "draw" => Deed::Draw(of::<Draw>(kind, what)?),
        "expire" => Deed::Expire(of::<Expire>(kind, what)?),
        _ => {
            let administer = of::<Administer>(kind, what)?;
            if administer.name() != kind {
                return Err(malformed(kind, &"`what` is another act"));
            }
            Deed::Administer(administer)
        }
    })
}

fn settled_text(entry: &Entry, settled: &Settled) -> SettledText {
    SettledText {
        seed: Digest(entry.seed),
        act: Head { id: settled.act.to_string(), at: entry.at, kind: settled.kind.clone() },
        what: Ending {
            decided: settled.decided,
            ended: settled.ended,
            usage: settled.usage,
            estimated: settled.estimated,
            attempts: settled.attempts.clone(),
            output: settled.output,
        },
        money: Charged {
            charged: settled
                .charged
                .as_ref()
                .map(|(amount, asset)| Charge { asset: asset.to_string(), amount: amount.minor() }),
            transfers: moves(&settled.transfers),
        },
    }
}

fn settled(text: SettledText) -> Result<Entry, EntryError> {
    let act: ActId = text.act.id.parse().map_err(|error| malformed("settled", &error))?;
    Ok(Entry {
        seed: text.seed.0,
        at: text.act.at,
        body: Body::Settled(Box::new(Settled {
            act,
            kind: text.act.kind,
            decided: text.what.decided,
            ended: text.what.ended,
            usage: text.what.usage,
            estimated: text.what.estimated,
            attempts: text.what.attempts,
            output: text.what.output,
            charged: text
                .money
                .charged
                .map(|charge| (Amount::new(charge.amount), AssetId::from(charge.asset.as_str()))),
            transfers: transfers("settled", act, text.money.transfers)?,
        })),
    })
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

fn lease(text: LeaseText) -> Entry {
    let LeaseText { seed, lease } = text;
    Entry { seed: seed.0, at: lease.at, body: Body::Lease(of_caps(lease)) }
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
