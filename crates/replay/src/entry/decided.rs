//! A decision, field by field. Not here: whether it may stand there.

use super::list::{Strings, amount_of_asset, kept, list, strings};
use super::transfers::Transfers;
use super::{Head, salts};
use crate::acts::Kind;
use crate::budgets::{Caller, Of, Period};
use crate::log_keys::LogSaid;
use crate::moment::Moment;
use crate::reconciled::Reconciliation;
use crate::text::{Read, Text};
use record::Hash;

/// A decision, but for its transfers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decided<'a> {
    pub(crate) head: Head,
    /// Who acts, as it is spelled, without what policies know of an application.
    pub(crate) who: &'a [u8],
    /// The application that calls, if one does.
    pub(crate) caller: Option<Caller<'a>>,
    /// The act's own fields, as they are spelled.
    pub(crate) what: &'a [u8],
    pub(crate) deed: Deed<'a>,
    /// The version of the memorandum that decides.
    pub(crate) memorandum: u64,
    pub(crate) verdict: Verdict<'a>,
    pub(crate) lapses: Option<Moment>,
}

/// What was paid in another asset, with its amount in minor units, and where the rate is from.
pub(crate) type PaidIn<'a> = ((&'a [u8], i128), &'a [u8]);

/// What of an act's own fields a replay looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed<'a> {
    /// A model call, with the digest of its idempotency key where it came with one, whether it names an end user, and by which
    /// pseudonyms.
    Infer {
        key: Option<Hash>,
        end_user: bool,
        pseudonyms: Option<Strings<'a>>,
    },
    Amend {
        version: u64,
        digest: Hash,
    },
    Approve {
        act: &'a [u8],
        digest: Hash,
        party: &'a [u8],
        signature: &'a [u8],
    },
    Attest {
        clause: &'a [u8],
        condition: Option<&'a [u8]>,
        evidence: Hash,
        party: &'a [u8],
        signature: &'a [u8],
    },
    Draw {
        clause: &'a [u8],
    },
    Expire {
        clause: &'a [u8],
    },
    /// What a clause makes due on a day.
    Book {
        clause: &'a [u8],
        on: &'a [u8],
    },
    /// What a party earned in a period that is over.
    Declare {
        clause: &'a [u8],
        on: &'a [u8],
        revenue: (&'a [u8], i128),
        party: &'a [u8],
        signature: &'a [u8],
    },
    /// A party's word on a payment.
    Payment {
        clause: &'a [u8],
        amount: (&'a [u8], i128),
        /// What was paid in another asset, and where its rate is from.
        paid_in: Option<PaidIn<'a>>,
        reference: &'a [u8],
        party: &'a [u8],
        signature: &'a [u8],
    },
    /// A party's word on a reconciliation.
    Reconcile(Reconciliation<'a>),
    /// A notice that its receiver did not take.
    Undelivered {
        notice: &'a [u8],
        receiver: &'a [u8],
        error: &'a [u8],
        attempts: u64,
    },
    /// A party's notice that it withdraws from a version, from a day on.
    Withdraw {
        memorandum: Hash,
        ends: &'a [u8],
        party: &'a [u8],
        signature: &'a [u8],
    },
    /// A party's next key, with the recovery key where that speaks for it.
    PartyKey {
        vkey: &'a [u8],
        party: &'a [u8],
        recovery: Option<&'a [u8]>,
        signature: &'a [u8],
        proof: &'a [u8],
    },
    /// What is erased because a clause's schedule says so: an application's content of the months before a moment.
    Due {
        application: &'a [u8],
        before: Moment,
        clause: &'a [u8],
    },
    /// A new application, with its audience.
    Application {
        name: &'a [u8],
        audience: &'a [u8],
    },
    /// The log's next key, by the word of the one before unless that is lost.
    LogKey(LogSaid<'a>),
    /// A new key, with the asset and amount of its budget where it has one.
    Key {
        id: &'a [u8],
        budget: Option<(&'a [u8], i128)>,
    },
    /// A budget as it is set. The period is one.
    BudgetSet {
        id: &'a [u8],
        of: Of,
        whose: &'a [u8],
        asset: &'a [u8],
        amount: i128,
        period: Period,
    },
    BudgetRaise {
        id: &'a [u8],
        amount: i128,
        until: Moment,
    },
    BudgetRemove {
        id: &'a [u8],
    },
    /// An erasure, and whether it is of an end user or of whole months.
    Erase {
        is_whole: bool,
    },
    /// A key by which a party cosigns, or no more.
    Witness {
        vkey: &'a [u8],
        party: &'a [u8],
        signature: &'a [u8],
    },
    Other,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict<'a> {
    Allow,
    Deny,
    /// Waits for approvals over the digest, by these parties.
    Escalate {
        digest: Hash,
        by: Strings<'a>,
    },
}

impl<'a> Decided<'a> {
    pub(crate) fn read(parties: &'a [u8]) -> Read<(Self, Transfers<'a>)> {
        let mut text = Text::new(parties)?;
        let text = &mut text;
        salts(text, 5)?;
        let head = Head::read(text)?;
        text.literal(r#""who":"#)?;
        let (who, caller) = who(text)?;
        text.literal(",\n\"what\":")?;
        let before = *text;
        let deed = deed(text, head.kind)?;
        let what = text.since(before);
        text.literal(",\n\"why\":")?;
        let (memorandum, verdict) = why(text)?;
        text.literal(",\n\"money\":{")?;
        let lapses = if text.has(r#""lapses":""#) {
            let lapses = text.moment()?;
            text.literal(",")?;
            Some(lapses)
        } else {
            None
        };
        let transfers = Transfers::of_money(text)?;
        Ok((Self { head, who, caller, what, deed, memorandum, verdict, lapses }, transfers))
    }
}

impl Decided<'_> {
    /// Whether a call names an end user, and by which pseudonyms.
    pub(crate) fn named(&self) -> (bool, Vec<Box<[u8]>>) {
        match self.deed {
            Deed::Infer { end_user, pseudonyms, .. } => {
                (end_user, pseudonyms.map(Strings::all).unwrap_or_default())
            }
            _ => (false, Vec::new()),
        }
    }
}

/// Reads who acts: an application with its key, a person, or the clerk.
fn who<'a>(text: &mut Text<'a>) -> Read<(&'a [u8], Option<Caller<'a>>)> {
    let before = *text;
    text.literal("{")?;
    let (mut is_first, mut caller) = (true, None);
    if text.has(r#""party":""#) {
        let party = text.string()?;
        if text.has(r#","person":""#) {
            text.string()?;
        } else {
            text.literal(r#","application":""#)?;
            let application = text.string()?;
            text.literal(r#","key":""#)?;
            caller = Some(Caller { party, application, key: text.string()? });
        }
        is_first = false;
    }
    let who = text.since(before);
    let has_standing = if is_first { text.has(r#""standing":{"#) } else { text.has(r#","standing":{"#) };
    if has_standing {
        strings(text, &[r#""audience":""#, r#","purpose":""#, r#","market":""#])?;
        text.literal("}")?;
    }
    text.literal("}")?;
    Ok((who, caller))
}

fn deed<'a>(text: &mut Text<'a>, kind: Kind) -> Read<Deed<'a>> {
    text.literal("{")?;
    let deed = match kind {
        Kind::Infer => infer(text)?,
        Kind::Amend => {
            text.literal(r#""version":""#)?;
            let version = text.count()?;
            text.literal(r#","digest":""#)?;
            Deed::Amend { version, digest: text.hash()? }
        }
        Kind::Approve => {
            text.literal(r#""act":""#)?;
            let act = text.string()?;
            text.literal(r#","digest":""#)?;
            let digest = text.hash()?;
            let (party, signature) = signed(text)?;
            Deed::Approve { act, digest, party, signature }
        }
        Kind::Attest => {
            text.literal(r#""clause":""#)?;
            let clause = text.string()?;
            let condition = text.has(r#","condition":""#).then(|| text.string()).transpose()?;
            text.literal(r#","evidence":""#)?;
            let evidence = text.hash()?;
            let (party, signature) = signed(text)?;
            Deed::Attest { clause, condition, evidence, party, signature }
        }
        Kind::Draw | Kind::Expire => {
            text.literal(r#""clause":""#)?;
            let clause = text.string()?;
            if kind == Kind::Draw { Deed::Draw { clause } } else { Deed::Expire { clause } }
        }
        Kind::Book | Kind::Declare | Kind::Payment => money(text, kind)?,
        Kind::Reconcile => reconciliation(text)?,
        Kind::Undelivered => undelivered(text)?,
        Kind::Withdraw => {
            text.literal(r#""memorandum":""#)?;
            let memorandum = text.hash()?;
            text.literal(r#","ends":""#)?;
            let ends = text.string()?;
            let (party, signature) = signed(text)?;
            Deed::Withdraw { memorandum, ends, party, signature }
        }
        Kind::Erase => erase(text)?,
        _ => change(text, kind)?,
    };
    text.literal("}")?;
    Ok(deed)
}

/// Reads a party's word on a reconciliation.
fn reconciliation<'a>(text: &mut Text<'a>) -> Read<Deed<'a>> {
    text.literal(r#""report":""#)?;
    let report = text.hash()?;
    text.literal(r#","period":""#)?;
    let period = text.string()?;
    let of = text.has(r#","of":""#).then(|| text.string()).transpose()?;
    text.literal(r#","differing":""#)?;
    let differing = text.count()?;
    let (party, signature) = signed(text)?;
    Ok(Deed::Reconcile(Reconciliation { report, period, of, differing, party, signature }))
}

/// Reads what was told to nobody.
fn undelivered<'a>(text: &mut Text<'a>) -> Read<Deed<'a>> {
    text.literal(r#""notice":""#)?;
    let notice = text.string()?;
    text.literal(r#","receiver":""#)?;
    let receiver = text.string()?;
    text.literal(r#","error":""#)?;
    let error = text.string()?;
    text.literal(r#","attempts":""#)?;
    Ok(Deed::Undelivered { notice, receiver, error, attempts: text.count()? })
}

/// Reads what is due by the calendar, or was paid.
fn money<'a>(text: &mut Text<'a>, kind: Kind) -> Read<Deed<'a>> {
    text.literal(r#""clause":""#)?;
    let clause = text.string()?;
    if kind == Kind::Payment {
        text.literal(r#","amount":"#)?;
        let amount = amount_of_asset(text)?;
        let paid_in = if text.has(r#","paid_in":{"asset":""#) { Some(paid_in(text)?) } else { None };
        text.literal(r#","reference":""#)?;
        let reference = text.string()?;
        let (party, signature) = signed(text)?;
        return Ok(Deed::Payment { clause, amount, paid_in, reference, party, signature });
    }
    text.literal(r#","on":""#)?;
    let on = text.string()?;
    if kind == Kind::Book {
        return Ok(Deed::Book { clause, on });
    }
    text.literal(r#","revenue":"#)?;
    let revenue = amount_of_asset(text)?;
    let (party, signature) = signed(text)?;
    Ok(Deed::Declare { clause, on, revenue, party, signature })
}

/// Reads what was paid in another asset, from the asset's name on.
fn paid_in<'a>(text: &mut Text<'a>) -> Read<PaidIn<'a>> {
    let asset = text.string()?;
    text.literal(r#","amount":""#)?;
    let amount = text.amount()?;
    text.literal(r#","source":""#)?;
    let source = text.string()?;
    text.literal("}")?;
    Ok(((asset, amount), source))
}

fn signed<'a>(text: &mut Text<'a>) -> Read<(&'a [u8], &'a [u8])> {
    text.literal(r#","party":""#)?;
    let party = text.string()?;
    text.literal(r#","signature":""#)?;
    Ok((party, text.string()?))
}

fn infer<'a>(text: &mut Text<'a>) -> Read<Deed<'a>> {
    strings(text, &[r#""model":""#, r#","surface":""#])?;
    text.literal(r#","stream":"#)?;
    text.boolean()?;
    for name in [
        r#","input_bytes":""#,
        r#","input_tokens_max":""#,
        r#","output_tokens_max":""#,
        r#","tools":""#,
        r#","images":""#,
    ] {
        text.literal(name)?;
        text.count()?;
    }
    text.literal(r#","end_user":"#)?;
    let end_user = text.boolean()?;
    text.literal(r#","input":""#)?;
    text.digest()?;
    let key = if text.has(r#","idempotency":""#) { Some(text.hash()?) } else { None };
    kept(text)?;
    let before = *text;
    let pseudonyms = if text.has(r#","pseudonyms":"#) { Some(Strings::read(text)?) } else { None };
    if text.since(before) == br#","pseudonyms":[]"# {
        return before.expected("pseudonyms, or none of the field");
    }
    Ok(Deed::Infer { key, end_user, pseudonyms })
}

/// Reads what is erased: each field but the last may be left out, where it is not due by a clause. One that was refused may be of
/// nothing.
fn erase<'a>(text: &mut Text<'a>) -> Read<Deed<'a>> {
    let (mut application, mut before) = (None, None);
    if text.has(r#""application":""#) {
        application = Some(text.string()?);
        text.literal(",")?;
    }
    if text.has(r#""before":""#) {
        before = Some(text.moment()?);
        text.literal(",")?;
    }
    if let (Some(application), Some(before)) = (application, before)
        && text.has(r#""clause":""#)
    {
        return Ok(Deed::Due { application, before, clause: text.string()? });
    }
    let is_of_one = text.has(r#""subject":""#);
    if is_of_one {
        text.digest()?;
        text.literal(",")?;
    }
    text.literal(r#""keys":""#)?;
    text.count()?;
    Ok(Deed::Erase { is_whole: before.map_or(is_of_one, |before| before.begins_a_month()) })
}

/// Reads a change of the register.
fn change<'a>(text: &mut Text<'a>, kind: Kind) -> Read<Deed<'a>> {
    text.literal(r#""do":""#)?;
    text.literal(kind.name())?;
    text.literal("\"")?;
    match kind {
        Kind::ApplicationAdd => {
            text.literal(r#","name":""#)?;
            let name = text.string()?;
            strings(text, &[r#","party":""#])?;
            text.literal(r#","audience":""#)?;
            let audience = text.string()?;
            strings(text, &[r#","purpose":""#, r#","market":""#])?;
            return Ok(Deed::Application { name, audience });
        }
        Kind::BudgetSet | Kind::BudgetRaise | Kind::BudgetRemove => return budget(text, kind),
        Kind::ApplicationRemove => strings(text, &[r#","name":""#])?,
        Kind::KeyRevoke => strings(text, &[r#","id":""#])?,
        Kind::ModelResume => strings(text, &[r#","model":""#])?,
        Kind::WitnessKeyAdd | Kind::WitnessKeyRevoke => {
            text.literal(r#","vkey":""#)?;
            let vkey = text.string()?;
            let (party, signature) = signed(text)?;
            return Ok(Deed::Witness { vkey, party, signature });
        }
        Kind::LogKeyChange | Kind::LogKeyRecover => return log_key(text, kind),
        Kind::PartyKeyChange | Kind::PartyKeyRecover => return party_key(text, kind),
        _ => return key(text),
    }
    Ok(Deed::Other)
}

/// Reads which key of a party is to be the next, and who says so.
fn party_key<'a>(text: &mut Text<'a>, kind: Kind) -> Read<Deed<'a>> {
    let mut next = |name: &'static str| -> Read<&'a [u8]> {
        text.literal(name)?;
        text.string()
    };
    let (vkey, party) = (next(r#","vkey":""#)?, next(r#","party":""#)?);
    let recovery = if kind == Kind::PartyKeyRecover { Some(next(r#","recovery":""#)?) } else { None };
    let (signature, proof) = (next(r#","signature":""#)?, next(r#","proof":""#)?);
    Ok(Deed::PartyKey { vkey, party, recovery, signature, proof })
}

/// Reads what is to become of a budget.
fn budget<'a>(text: &mut Text<'a>, kind: Kind) -> Read<Deed<'a>> {
    text.literal(r#","id":""#)?;
    let id = text.string()?;
    if kind == Kind::BudgetRemove {
        return Ok(Deed::BudgetRemove { id });
    }
    if kind == Kind::BudgetRaise {
        text.literal(r#","amount":""#)?;
        let amount = text.amount()?;
        text.literal(r#","until":""#)?;
        return Ok(Deed::BudgetRaise { id, amount, until: text.moment()? });
    }
    text.literal(r#","of":""#)?;
    let before = *text;
    let Some(of) = Of::read(text.string()?) else { return before.expected("whose spending it limits") };
    text.literal(r#","whose":""#)?;
    let whose = text.string()?;
    text.literal(r#","asset":""#)?;
    let asset = text.string()?;
    text.literal(r#","amount":""#)?;
    let amount = text.amount()?;
    text.literal(r#","period":""#)?;
    let before = *text;
    let Some(period) = Period::read(text.string()?) else { return before.expected("a period") };
    Ok(Deed::BudgetSet { id, of, whose, asset, amount, period })
}

/// Reads which key of the log is to be the next, and who says so.
fn log_key<'a>(text: &mut Text<'a>, kind: Kind) -> Read<Deed<'a>> {
    let mut next = |name: &'static str| -> Read<&'a [u8]> {
        text.literal(name)?;
        text.string()
    };
    let (from, vkey) = (next(r#","from":""#)?, next(r#","vkey":""#)?);
    let handed = if kind == Kind::LogKeyChange { Some(next(r#","handed":""#)?) } else { None };
    let (taken, party) = (next(r#","taken":""#)?, next(r#","party":""#)?);
    let signature = next(r#","signature":""#)?;
    Ok(Deed::LogKey(LogSaid { from, vkey, handed, taken, party, signature }))
}

fn key<'a>(text: &mut Text<'a>) -> Read<Deed<'a>> {
    text.literal(r#","id":""#)?;
    let id = text.string()?;
    strings(text, &[r#","application":""#])?;
    text.literal(r#","secret":""#)?;
    text.digest()?;
    text.literal(r#","requests_per_minute":"#)?;
    if !text.has("null") {
        text.literal("\"")?;
        text.count()?;
    }
    text.literal(r#","budget":"#)?;
    let budget = if text.has("null") { None } else { Some(amount_of_asset(text)?) };
    text.literal(r#","expires":"#)?;
    if !text.has("null") {
        text.literal("\"")?;
        text.moment()?;
    }
    Ok(Deed::Key { id, budget })
}

/// Reads which version decided, and what.
fn why<'a>(text: &mut Text<'a>) -> Read<(u64, Verdict<'a>)> {
    text.literal(r#"{"memorandum":""#)?;
    let memorandum = text.count()?;
    text.literal(r#","decision":""#)?;
    let before = *text;
    let verdict = match text.string()? {
        b"allow" => Verdict::Allow,
        b"deny" => {
            text.literal(r#","code":""#)?;
            code(text)?;
            strings(text, &[r#","remedy":""#])?;
            if text.has(r#","refills":""#) {
                text.moment()?;
            }
            Verdict::Deny
        }
        b"escalate" => {
            text.literal(r#","digest":""#)?;
            let digest = text.hash()?;
            text.literal(r#","by":"#)?;
            Verdict::Escalate { digest, by: Strings::read(text)? }
        }
        _ => return before.expected("`allow`, `deny` or `escalate`"),
    };
    text.literal(r#","clauses":"#)?;
    Strings::read(text)?;
    text.literal(r#","deviations":"#)?;
    list(text, |text| {
        strings(text, &[r#"{"clause":""#])?;
        text.literal(r#","code":""#)?;
        code(text)?;
        strings(text, &[r#","why":""#])?;
        text.literal("}")
    })?;
    text.literal("}")?;
    Ok((memorandum, verdict))
}

/// Reads the kind of reason for a refusal.
fn code(text: &mut Text<'_>) -> Read<()> {
    let before = *text;
    match text.string()? {
        b"forbidden"
        | b"insufficient-quota"
        | b"unpriced"
        | b"out-of-term"
        | b"suspended"
        | b"unbounded"
        | b"shortfall"
        | b"invalid" => Ok(()),
        _ => before.expected("a kind of reason"),
    }
}
