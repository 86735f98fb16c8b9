//! The fold: what each entry changes, and what it must agree with. Not here: how it is spelled (`entry`), or sums (`books`).

use crate::act_id::ActId;
use crate::acts::{Amending, AtOnce, Kind, Open, OpenActs, Waiting};
use crate::books::Books;
use crate::entry::{
    Caps, Clock, Decided, Deed, Ended, EntryKind, Envelope, Genesis, Op, Settled, StateDigest, Tally,
    Transfer, Transfers, Verdict,
};
use crate::fault::{Fault, Misspelt};
use crate::founding::{Keys, approval, attestation};
use crate::moment::Moment;
use crate::repeats::Repeats;
use crate::seen::Seen;
use crate::text::plain;
use crate::totals::{Counts, Lease, Version};
use record::Hash;
use record::hash::{base64, sha256, sha256_of};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What all entries so far add up to, worked out from their transfers alone.
///
/// Memory: the accounts, the acts under way, and 16 bytes for each act there ever was.
#[derive(Debug, Clone)]
pub struct Replay {
    pub(crate) entries: u64,
    pub(crate) at: Moment,
    pub(crate) origin: String,
    pub(crate) keys: Keys,
    pub(crate) books: Books,
    seen: Seen,
    pub(crate) open: OpenActs,
    pub(crate) waiting: BTreeMap<ActId, Waiting>,
    amending: BTreeMap<ActId, Amending>,
    repeats: Repeats,
    at_once: Option<AtOnce>,
    pub(crate) versions: Vec<Version>,
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
                if clock.now.millis() >= clock.was.millis() {
                    return Err(Fault::Clock);
                }
            }
            EntryKind::Tally => {
                let tally = Tally::read(parties).map_err(misspelt)?;
                self.passes(tally.at, hour)?;
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

    fn founded(&mut self, genesis: &Genesis<'_>, mut transfers: Transfers<'_>) -> Result<(), Fault> {
        self.origin = plain(genesis.origin);
        self.keys = Keys::found(genesis)?;
        self.named.insert(genesis.memorandum, 0);
        let signed_by = genesis.signatures.iter().map(|(party, _)| plain(party)).collect();
        self.versions.push(Version { digest: genesis.memorandum, index: 0, signed_by });
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
        let is_call = decided.head.kind == Kind::Infer && matches!(decided.verdict, Verdict::Allow);
        if is_call != decided.lapses.is_some() {
            return Err(Fault::Lapses(id));
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
        }
    }

    fn allowed(
        &mut self,
        decided: &Decided<'_>,
        waited: Option<Waiting>,
        mut transfers: Transfers<'_>,
    ) -> Result<(), Fault> {
        let head = decided.head;
        self.counts.allowed = self.counts.allowed.saturating_add(1);
        let mut taken = None;
        let approves = match decided.deed {
            Deed::Other => None,
            Deed::Infer { key } => {
                taken = key;
                let owner = key.and_then(|key| self.repeats.take(key, head.id, head.at).err());
                owner.map_or(Ok(None), |owner| Err(Fault::Repeated(head.id, owner)))?
            }
            Deed::Amend { digest } => {
                let approved_by = waited.ok_or(Fault::Unasked(head.id))?.given;
                self.amending.insert(head.id, Amending { digest, approved_by });
                None
            }
            Deed::Approve { act, digest, party, signature } => {
                let found = ActId::of(act).and_then(|act| Some((act, self.waiting.get(&act)?)));
                let (act, waiting) = found.ok_or(Fault::Misplaced(head.id))?;
                let asked = waiting.by.iter().any(|by| **by == *party);
                if waiting.digest != digest || !asked || waiting.given.iter().any(|given| **given == *party) {
                    return Err(Fault::Misplaced(head.id));
                }
                self.signed(head.id, party, &approval(waiting.kind == Kind::Amend, &digest), signature)?;
                Some((act, party.into()))
            }
            Deed::Attest { clause, evidence, party, signature } => {
                let memorandum = self.versions.last().map(|version| version.digest).unwrap_or_default();
                let message = attestation(&self.origin, &memorandum, &plain(clause), &evidence);
                self.signed(head.id, party, &message, signature)?;
                None
            }
        };
        self.at_once = head.kind.is_at_once().then_some(AtOnce { id: head.id, approves });
        let open = Open {
            kind: head.kind,
            index: self.entries,
            at: head.at,
            lapses: decided.lapses,
            key: taken,
            held: Vec::new(),
        };
        let held = self.open.open(head.id, open);
        while let Some(transfer) = next(EntryKind::Decided, &mut transfers)? {
            if head.kind != Kind::Infer || transfer.op != Op::Reserve {
                return Err(Fault::Reserves(head.id));
            }
            self.books.apply(&transfer, held)?;
            self.counts.reserved = self.counts.reserved.saturating_add(1);
        }
        Ok(())
    }

    fn waits(&mut self, decided: &Decided<'_>, digest: Hash, by: Vec<Box<[u8]>>) -> Result<(), Fault> {
        let head = decided.head;
        if by.is_empty() {
            return Err(Fault::WaitsForNobody(head.id));
        }
        let own = match decided.deed {
            Deed::Amend { digest } => {
                self.named.entry(digest).or_insert(self.entries);
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

    fn signed(&self, id: ActId, party: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Fault> {
        let holds = self.keys.verify(party, message, signature);
        if holds { Ok(()) } else { Err(Fault::Signature(id, plain(party))) }
    }

    fn settled(&mut self, settled: &Settled<'_>, mut transfers: Transfers<'_>) -> Result<(), Fault> {
        let head = settled.head;
        match &self.at_once {
            Some(at_once) if at_once.id != head.id => return Err(Fault::Interrupted(at_once.id)),
            _ => {}
        }
        let open = self.open.close(head.id).ok_or(Fault::NotOpen(head.id))?;
        if open.index != settled.decided || open.kind != head.kind {
            return Err(Fault::AnotherDecision(head.id));
        }
        let is_early = open.lapses.is_none_or(|lapses| head.at.millis() < lapses.millis());
        if settled.ended == Ended::Lapsed && is_early {
            return Err(Fault::TooEarly(head.id));
        }
        // What came to nothing may be asked again with the same key.
        let came_to_nothing = matches!(settled.ended, Ended::Failed | Ended::Lost | Ended::Lapsed);
        if let Some(key) = open.key.as_ref().filter(|_| came_to_nothing) {
            self.repeats.free(key, head.id);
        }
        let mut granted = None;
        while let Some(transfer) = next(EntryKind::Settled, &mut transfers)? {
            self.books.apply(&transfer, &mut open.held)?;
            self.counts.transfer(transfer.op);
            if matches!(transfer.op, Op::Post(_)) && transfer.debit.starts_with(b"credit:") {
                let sum = granted.unwrap_or(0_i128).checked_add(transfer.amount);
                granted = Some(sum.ok_or_else(|| Fault::Overflow(plain(transfer.asset)))?);
            }
        }
        if !open.held.is_empty() {
            return Err(Fault::StillHeld(head.id));
        }
        if !is_charged(settled, granted) {
            return Err(Fault::Charge(head.id));
        }
        self.counts.ending(settled.ended);
        self.take_effect(head.id, settled.ended);
        Ok(())
    }

    /// What takes effect with a settlement: an approval counts, a version is in force.
    fn take_effect(&mut self, id: ActId, ended: Ended) {
        let is_done = ended == Ended::Done;
        if let Some((act, party)) = self.at_once.take().and_then(|at_once| at_once.approves)
            && let Some(waiting) = self.waiting.get_mut(&act).filter(|_| is_done)
        {
            waiting.given.push(party);
        }
        let amending = if self.amending.is_empty() { None } else { self.amending.remove(&id) };
        if let Some(Amending { digest, approved_by }) = amending.filter(|_| is_done) {
            let mut signed_by: Vec<_> = approved_by.iter().map(|party| plain(party)).collect();
            signed_by.sort_unstable();
            self.versions.push(Version { digest, index: self.entries, signed_by });
        }
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

/// Whether what was charged is what the grants paid, if they paid at all, and nothing where that costs nothing.
fn is_charged(settled: &Settled<'_>, granted: Option<i128>) -> bool {
    match (settled.ended, settled.charged, granted) {
        (Ended::Done | Ended::Cancelled, Some((_, charged)), Some(granted)) => charged == granted,
        (Ended::Done | Ended::Cancelled, Some((_, charged)), None) => charged >= 0,
        (_, None, None) => true,
        _ => false,
    }
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
