//! The fold: what each entry changes, and what it must agree with. Not here: how it is spelled (`entry`), or sums (`books`).

use crate::act_id::ActId;
use crate::acts::{Amending, AtOnce, Effect, Kept, Kind, Open, OpenActs, Waiting};
use crate::books::Books;
use crate::budgets::{Budgets, Limits};
use crate::dues::{Dued, Paid, Words};
use crate::entry::{
    Caps, Clock, Decided, Deed, Ended, EntryKind, Envelope, Genesis, Op, Settled, StateDigest, Tally,
    Transfer, Transfers, Verdict,
};
use crate::fault::{Fault, Misspelt};
use crate::founding::Keys;
use crate::keys::Succession;
use crate::log_keys::{LogSaid, LogSuccession};
use crate::moment::Moment;
use crate::reconciled::Reports;
use crate::repeats::Repeats;
use crate::seen::Seen;
use crate::settling::{Settling, may_reserve};
use crate::text::plain;
use crate::totals::{Asked, Counts, Drawn, Erased, Lease, Proposed, Version};
use crate::undelivered::Letters;
use crate::withdrawal::Withdrawn;
use record::Hash;
use record::hash::{base64, sha256, sha256_of};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// A clause as it is spelled, with `/` and its milestone where it has several, and the digest of what was attested under it.
type Evidence = (Box<[u8]>, Hash);

/// Whose a key is that cosigns, and its vkey, as they are spelled.
type WitnessKey = (Box<[u8]>, Box<[u8]>);

/// What all entries so far add up to, worked out from their transfers alone.
///
/// Memory: the accounts, the acts under way, a day's idempotency keys, and 16 bytes for each act there ever was; with a shelf
/// ([`Replay::on`]) for some hundred thousand of them, and no more.
#[derive(Debug, Clone)]
pub struct Replay {
    pub(crate) entries: u64,
    pub(crate) at: Moment,
    pub(crate) origin: String,
    pub(crate) keys: Keys,
    pub(crate) books: Books,
    pub(crate) seen: Seen,
    pub(crate) open: OpenActs,
    pub(crate) waiting: BTreeMap<ActId, Waiting>,
    pub(crate) amending: BTreeMap<ActId, Amending>,
    pub(crate) repeats: Repeats,
    pub(crate) at_once: Option<AtOnce>,
    pub(crate) versions: Vec<Version>,
    pub(crate) proposed: Vec<Proposed>,
    /// Whose approvals were asked, with the first entry that did.
    pub(crate) asked: BTreeMap<Asked, u64>,
    pub(crate) drawn: Vec<Drawn>,
    /// Who has attested each milestone by each evidence, under the version in force.
    pub(crate) attested: BTreeMap<Evidence, Vec<Box<[u8]>>>,
    /// The keys by which parties cosign, in the order in which they were added.
    pub(crate) witnesses: Vec<WitnessKey>,
    /// The vkeys of those that were revoked, which never cosign again.
    pub(crate) revoked: Vec<Box<[u8]>>,
    /// The parties' keys that gave way.
    pub(crate) successions: Vec<Succession>,
    /// The log's.
    pub(crate) log_successions: Vec<LogSuccession>,
    /// The clauses whose tranche was drawn, or that have expired.
    pub(crate) booked: BTreeSet<Box<[u8]>>,
    /// The last day of each clause that was booked or declared, as it is spelled.
    pub(crate) last_due: BTreeMap<Box<[u8]>, Box<[u8]>>,
    pub(crate) dued: Vec<Dued>,
    pub(crate) words: Words,
    pub(crate) paid: Vec<Paid>,
    pub(crate) undelivered: Letters,
    pub(crate) reconciled: Reports,
    pub(crate) withdrawn: Vec<Withdrawn>,
    /// The applications that there are or were.
    pub(crate) kept: BTreeMap<Box<[u8]>, Kept>,
    pub(crate) erased: Vec<Erased>,
    pub(crate) budgets: Budgets,
    /// Where the last digest stands, and after it the last entry with which a command began.
    pub(crate) digested: u64,
    pub(crate) begun: Option<u64>,
    /// Every memorandum that an entry names, with the first such entry.
    pub(crate) named: BTreeMap<Hash, u64>,
    pub(crate) lease: Option<Lease>,
    pub(crate) counts: Counts,
}

impl Default for Replay {
    fn default() -> Self {
        Self::new()
    }
}

impl Replay {
    /// The state before the first entry.
    #[must_use]
    pub fn new() -> Self {
        Self {
            entries: 0,
            at: Moment::FIRST,
            origin: String::new(),
            keys: Keys::default(),
            books: Books::new(),
            seen: Seen::default(),
            open: OpenActs::default(),
            waiting: BTreeMap::new(),
            amending: BTreeMap::new(),
            repeats: Repeats::default(),
            at_once: None,
            versions: Vec::new(),
            proposed: Vec::new(),
            asked: BTreeMap::new(),
            drawn: Vec::new(),
            attested: BTreeMap::new(),
            witnesses: Vec::new(),
            revoked: Vec::new(),
            successions: Vec::new(),
            log_successions: Vec::new(),
            booked: BTreeSet::new(),
            last_due: BTreeMap::new(),
            dued: Vec::new(),
            words: Words::new(),
            paid: Vec::new(),
            undelivered: Letters::new(),
            reconciled: Reports::new(),
            withdrawn: Vec::new(),
            kept: BTreeMap::new(),
            erased: Vec::new(),
            budgets: Budgets::default(),
            digested: 0,
            begun: None,
            named: BTreeMap::new(),
            lease: None,
            counts: Counts::default(),
        }
    }

    /// Folds the next entry in: its envelope and its parties' part. That the one commits to the other is for [`record::audit`].
    ///
    /// # Errors
    /// [`Fault`]: the first thing that does not hold; then this must be thrown away.
    pub fn entry(&mut self, envelope: &[u8], parties: &[u8]) -> Result<(), Fault> {
        let Envelope { kind, hour } = Envelope::read(envelope).map_err(Fault::Envelope)?;
        if (self.entries == 0) != (kind == EntryKind::Genesis) {
            return Err(Fault::Genesis);
        }
        match &self.at_once {
            Some(at_once) if kind != EntryKind::Settled => return Err(Fault::Interrupted(at_once.id)),
            _ => {}
        }
        let misspelt = |misspelt| Fault::Spelling { kind: kind.name(), misspelt };
        match kind {
            EntryKind::Decided => {
                let (decided, transfers) = Decided::read(parties).map_err(misspelt)?;
                self.passes(decided.head.at, hour)?;
                self.decided(&decided, transfers)?;
            }
            EntryKind::Settled => {
                let (settled, transfers) = Settled::read(parties).map_err(misspelt)?;
                self.passes(settled.head.at, hour)?;
                self.settled(&settled, transfers)?;
            }
            EntryKind::Genesis => {
                let (genesis, transfers) = Genesis::read(parties).map_err(misspelt)?;
                self.passes(genesis.at, hour)?;
                self.founded(&genesis, transfers)?;
            }
            _ => self.noted(kind, parties, hour)?,
        }
        self.entries = self.entries.saturating_add(1);
        Ok(())
    }

    /// Folds an entry in that is about no act.
    fn noted(&mut self, kind: EntryKind, parties: &[u8], hour: &[u8]) -> Result<(), Fault> {
        let misspelt = |misspelt| Fault::Spelling { kind: kind.name(), misspelt };
        match kind {
            EntryKind::Clock => {
                let clock = Clock::read(parties).map_err(misspelt)?;
                self.passes(clock.at, hour)?;
                self.begins()?;
                if clock.now.millis() >= clock.was.millis() {
                    return Err(Fault::Clock);
                }
            }
            EntryKind::Tally => {
                let tally = Tally::read(parties).map_err(misspelt)?;
                self.passes(tally.at, hour)?;
                self.begins()?;
                if !tally.is_sound {
                    return Err(Fault::Tally);
                }
            }
            EntryKind::StateDigest => {
                let state = StateDigest::read(parties).map_err(misspelt)?;
                self.passes(state.at, hour)?;
                if state.digest != self.digest() {
                    return Err(Fault::Diverged);
                }
                (self.digested, self.begun) = (self.entries, None);
            }
            _ => {
                let caps = Caps::read(parties).map_err(misspelt)?;
                self.passes(caps.at, hour)?;
                self.leased(&caps)?;
            }
        }
        Ok(())
    }

    /// The entry's time: not before the last one's, and within the hour that the envelope shows.
    #[inline]
    fn passes(&mut self, at: Moment, hour: &[u8]) -> Result<(), Fault> {
        if at.hour() != hour {
            return Err(Fault::Hour);
        }
        if at.millis() < self.at.millis() {
            return Err(Fault::TimeWentBack);
        }
        self.at = at;
        Ok(())
    }

    /// An entry with which the writer begins something new. A digest that was due when the last such thing was over stands before it.
    fn begins(&mut self) -> Result<(), Fault> {
        let since = |begun: u64| begun.saturating_add(1).saturating_sub(self.digested);
        if self.begun.is_some_and(|begun| since(begun) >= DIGEST_EVERY) {
            return Err(Fault::DigestDue);
        }
        self.begun = Some(self.entries);
        Ok(())
    }

    fn founded(&mut self, genesis: &Genesis<'_>, mut transfers: Transfers<'_>) -> Result<(), Fault> {
        self.origin = plain(genesis.origin);
        self.keys = Keys::found(genesis)?;
        self.named.insert(genesis.memorandum, 0);
        let signed_by = genesis.signatures.iter().map(|(party, _)| plain(party)).collect();
        self.versions.push(Version { digest: genesis.memorandum, index: 0, number: None, signed_by });
        while let Some(transfer) = next(EntryKind::Genesis, &mut transfers)? {
            if transfer.op != Op::Move {
                return Err(Fault::Opening);
            }
            self.books.apply(&transfer, &mut Vec::new())?;
        }
        Ok(())
    }

    fn decided(&mut self, decided: &Decided<'_>, transfers: Transfers<'_>) -> Result<(), Fault> {
        let id = decided.head.id;
        let waited = if self.waiting.is_empty() { None } else { self.waiting.remove(&id) };
        match &waited {
            Some(waited) => freed(waited, decided)?,
            None if !self.seen.insert(id.0) => return Err(Fault::DecidedBefore(id)),
            None => {}
        }
        if waited.is_none() && decided.who != b"{" {
            self.begins()?;
        }
        let is_call = decided.head.kind == Kind::Infer && matches!(decided.verdict, Verdict::Allow);
        if is_call != decided.lapses.is_some() {
            return Err(Fault::Lapses(id));
        }
        if decided.lapses.is_some_and(|lapses| lapses.millis() <= decided.head.at.millis()) {
            return Err(Fault::Until(id));
        }
        match decided.verdict {
            Verdict::Allow => self.allowed(decided, waited, transfers),
            Verdict::Deny => {
                self.counts.refused = self.counts.refused.saturating_add(1);
                moves_nothing(id, transfers)
            }
            Verdict::Escalate { digest, by } => {
                self.counts.waited = self.counts.waited.saturating_add(1);
                self.waits(decided, digest, by.all())?;
                moves_nothing(id, transfers)
            }
        }?;
        self.under(decided)
    }

    /// Whether the version in force decides. The first one's number is what its first decision says.
    fn under(&mut self, decided: &Decided<'_>) -> Result<(), Fault> {
        let version = self.versions.last_mut();
        let number = version.map(|version| *version.number.get_or_insert(decided.memorandum));
        if number == Some(decided.memorandum) { Ok(()) } else { Err(Fault::AnotherVersion(decided.head.id)) }
    }

    /// The place of the version in force.
    pub(crate) fn in_force(&self) -> usize {
        self.versions.len().saturating_sub(1)
    }

    /// Keeps whose approvals were asked.
    fn asks(&mut self, decided: &Decided<'_>, went_on: bool, by: &[Box<[u8]>]) {
        let by = by.iter().map(|party| plain(party)).collect();
        let of = match decided.deed {
            Deed::PartyKey { party, recovery: Some(_), .. }
            | Deed::LogKey(LogSaid { party, handed: None, .. }) => Some(plain(party)),
            _ => None,
        };
        self.asked
            .entry(Asked { under: self.in_force(), kind: decided.head.kind, of, went_on, by })
            .or_insert(self.entries);
    }

    fn allowed(
        &mut self,
        decided: &Decided<'_>,
        waited: Option<Waiting>,
        mut transfers: Transfers<'_>,
    ) -> Result<(), Fault> {
        let head = decided.head;
        self.counts.allowed = self.counts.allowed.saturating_add(1);
        if head.kind.may_wait() && !matches!(decided.deed, Deed::Due { .. }) {
            let by = waited.as_ref().map_or(&[][..], |waited| &waited.by);
            self.asks(decided, waited.is_some(), by);
        }
        let mut taken = None;
        if let Deed::Infer { key: Some(key), .. } = decided.deed {
            taken = Some(key);
            self.repeats.take(key, head.id, head.at).map_err(|owner| Fault::Repeated(head.id, owner))?;
        }
        let effect = self.effect(decided, waited)?;
        self.at_once = head.kind.is_at_once().then_some(AtOnce { id: head.id, effect });
        let open = Open {
            kind: head.kind,
            index: self.entries,
            at: head.at,
            lapses: decided.lapses,
            is_due: matches!(decided.deed, Deed::Due { .. }),
            key: taken,
            held: Vec::new(),
        };
        let held = self.open.open(head.id, open);
        let mut limits = self.budgets.over(decided.caller, head.id, head.at, decided.named());
        let mut asset = None;
        while let Some(transfer) = next(EntryKind::Decided, &mut transfers)? {
            let is_of_purse = Limits::is_of_purse(&transfer);
            let may_stand = transfer.op == Op::Reserve || (transfer.op == Op::Move && is_of_purse);
            if head.kind != Kind::Infer || !may_stand {
                return Err(Fault::Reserves(head.id));
            }
            let is_limits = if is_of_purse {
                limits.takes(&transfer, &self.books)
            } else if transfer.debit.starts_with(b"credit:") {
                limits.grants(transfer.amount)
            } else {
                Some(())
            };
            self.books.apply(&transfer, held)?;
            let is_one = *asset.get_or_insert(transfer.asset) == transfer.asset;
            let key = decided.caller.map(|caller| caller.key);
            if !is_one || !(is_of_purse || may_reserve(&transfer, key)) {
                return Err(Fault::Reserved(head.id));
            }
            if is_limits.is_none() {
                return Err(Fault::Limits(head.id));
            }
            if transfer.op == Op::Move {
                continue;
            }
            if transfer.until != decided.lapses {
                return Err(Fault::Until(head.id));
            }
            self.counts.reserved = self.counts.reserved.saturating_add(1);
        }
        if limits.are_met(asset) { Ok(()) } else { Err(Fault::Limits(head.id)) }
    }

    fn waits(&mut self, decided: &Decided<'_>, digest: Hash, by: Vec<Box<[u8]>>) -> Result<(), Fault> {
        let head = decided.head;
        if by.is_empty() {
            return Err(Fault::WaitsForNobody(head.id));
        }
        if !head.kind.may_wait() || matches!(decided.deed, Deed::Due { .. }) {
            return Err(Fault::NeverWaits(head.id));
        }
        self.asks(decided, false, &by);
        let own = match decided.deed {
            Deed::Amend { version, digest } => {
                if decided.memorandum.checked_add(1) != Some(version) {
                    return Err(Fault::NotNext(head.id));
                }
                self.named.entry(digest).or_insert(self.entries);
                let (index, under) = (self.entries, self.in_force());
                self.proposed.push(Proposed { index, under, number: version, digest });
                digest
            }
            _ => {
                let of = format!("countersign/act/v1\0{}\0{}\0{}\0", self.origin, head.id, head.kind.name());
                sha256_of(&[of.as_bytes(), decided.what])
            }
        };
        if digest != own {
            return Err(Fault::Digest(head.id));
        }
        let (who, what) = (decided.who.into(), sha256(decided.what));
        let waiting = Waiting { kind: head.kind, who, what, digest, by, given: Vec::new() };
        self.waiting.insert(head.id, waiting);
        Ok(())
    }

    fn settled(&mut self, settled: &Settled<'_>, mut transfers: Transfers<'_>) -> Result<(), Fault> {
        let head = settled.head;
        match &self.at_once {
            Some(at_once) if at_once.id != head.id => return Err(Fault::Interrupted(at_once.id)),
            _ => {}
        }
        if matches!(head.kind, Kind::Infer | Kind::Erase) && settled.ended != Ended::Lapsed {
            self.begins()?;
        }
        let open = self.open.close(head.id).ok_or(Fault::NotOpen(head.id))?;
        if open.index != settled.decided || open.kind != head.kind {
            return Err(Fault::AnotherDecision(head.id));
        }
        let is_early = open.lapses.is_none_or(|lapses| head.at.millis() < lapses.millis());
        if settled.ended == Ended::Lapsed && is_early {
            return Err(Fault::TooEarly(head.id));
        }
        // What is due by a clause is gone on with until it is done.
        if open.is_due && settled.ended != Ended::Done {
            return Err(Fault::Undone(head.id));
        }
        // What came to nothing may be asked again with the same key.
        let came_to_nothing = matches!(settled.ended, Ended::Failed | Ended::Lost | Ended::Lapsed);
        if let Some(key) = open.key.as_ref().filter(|_| came_to_nothing) {
            self.repeats.free(key, head.id);
        }
        let mut settling = Settling::of(settled, self.at_once.as_ref());
        if !settling.may_charge() {
            return Err(Fault::Charge(head.id));
        }
        while let Some(transfer) = next(EntryKind::Settled, &mut transfers)? {
            self.books.apply(&transfer, &mut open.held)?;
            self.counts.transfer(transfer.op);
            if settling.add(&transfer).is_none() {
                return Err(match transfer.op {
                    Op::Post(_) => Fault::Charge(head.id),
                    _ => Fault::Moves(head.id, transfer.leg),
                });
            }
        }
        if !open.held.is_empty() {
            return Err(Fault::StillHeld(head.id));
        }
        if !settling.is_charged() {
            return Err(Fault::Charge(head.id));
        }
        let is_left = settling.emptied().is_some_and(|account| self.books.left(account) != 0);
        if is_left || !settling.is_whole() {
            return Err(Fault::Short(head.id));
        }
        let (owed, has_moved) = (settling.owed(), settling.has_moved());
        self.counts.ending(settled.ended);
        match self.at_once.as_ref().map(|at_once| at_once.effect.clone()) {
            Some(Effect::Due(said)) => self.fell_due(&said, owed),
            Some(Effect::Pay(said)) => self.paid_by(&said.clause, &said.party, has_moved),
            _ => {}
        }
        self.take_effect(head.id, settled.ended)
    }

    fn leased(&mut self, caps: &Caps<'_>) -> Result<(), Fault> {
        let lasts = caps.expires.millis().saturating_sub(caps.at.millis());
        let amounts: Vec<(String, i128)> =
            caps.amounts.iter().map(|(asset, amount)| (plain(asset), *amount)).collect();
        let in_order = amounts.windows(2).all(|pair| matches!(pair, [(a, _), (b, _)] if a < b));
        let above_zero = caps.calls > 0 && amounts.iter().all(|(_, amount)| *amount > 0);
        if !(1..=DAY_MS).contains(&lasts) || !in_order || !above_zero {
            return Err(Fault::Lease);
        }
        self.lease = Some(Lease { expires: caps.expires, calls: caps.calls, amounts });
        Ok(())
    }
}

impl Replay {
    /// SHA-256 of the projection that `docs/RECORD.md` describes: the root over the accounts, then the open acts.
    #[must_use]
    pub fn digest(&mut self) -> Hash {
        let (count, root) = self.books.root();
        let mut text = format!("accounts\t{count}\t{}\n", base64(&root));
        for (id, _) in self.open.iter() {
            let written = writeln!(text, "open\t{id}");
            debug_assert!(written.is_ok(), "a string takes all text");
        }
        sha256(text.as_bytes())
    }
}

/// Whether an act that waited may go on so: with all approvals, once, and as the act that it was.
fn freed(waited: &Waiting, decided: &Decided<'_>) -> Result<(), Fault> {
    let id = decided.head.id;
    if matches!(decided.verdict, Verdict::Escalate { .. }) {
        return Err(Fault::WaitsTwice(id));
    }
    if let Some(party) = waited.missing() {
        return Err(Fault::Unapproved(id, plain(party)));
    }
    let is_same = waited.kind == decided.head.kind
        && *waited.who == *decided.who
        && waited.what == sha256(decided.what);
    if is_same { Ok(()) } else { Err(Fault::Another(id)) }
}

fn moves_nothing(id: ActId, mut transfers: Transfers<'_>) -> Result<(), Fault> {
    match next(EntryKind::Decided, &mut transfers)? {
        None => Ok(()),
        Some(_) => Err(Fault::Reserves(id)),
    }
}

#[inline]
fn next<'a>(kind: EntryKind, transfers: &mut Transfers<'a>) -> Result<Option<Transfer<'a>>, Fault> {
    transfers.next().map_err(|misspelt: Misspelt| Fault::Spelling { kind: kind.name(), misspelt })
}

impl Counts {
    fn transfer(&mut self, op: Op) {
        let count = match op {
            Op::Move => return,
            Op::Reserve => &mut self.reserved,
            Op::Post(_) => &mut self.posted,
            Op::Void(_) => &mut self.void,
            Op::Lapse(_) => &mut self.run_out,
        };
        *count = count.saturating_add(1);
    }

    fn ending(&mut self, ended: Ended) {
        let count = match ended {
            Ended::Done => &mut self.done,
            Ended::Failed => &mut self.failed,
            Ended::Cancelled => &mut self.cancelled,
            Ended::Lost => &mut self.lost,
            Ended::Lapsed => &mut self.lapsed,
        };
        *count = count.saturating_add(1);
    }
}

/// The longest that a lease lasts. Units: milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A digest is due so many entries after the last.
const DIGEST_EVERY: u64 = 1024;
