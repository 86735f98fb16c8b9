//! Judging: what the state answers to an act, as an entry. Pure; nothing here changes anything.
//!
//! Not here: what an entry does once it is written ([`State::apply`]), or the order of a turn (`partnership`).

pub mod admit;
pub mod again;
mod attesting;
mod due;
pub mod dues;
mod erasing;
mod keys;
mod log_keys;
mod reconciling;
mod undelivered;
mod withdrawing;

pub(crate) use due::Due;

use crate::act::{Act, Administer, Amend, Approve, Deed, Digest, Infer, Of, Outcome, Principal, Usage};
use crate::decision::{Deviation, RefusalCode};
use crate::entry::{Decided, Settled, Verdict};
use crate::governance::policy::Assessment;
use crate::ids::{ActId, ClauseId, PartyId, Timestamp};
use crate::investment::chart::{self, Legs};
use crate::investment::{dues as dues_of, funds};
use crate::memorandum;
use crate::state::{Open, State};
use crate::terms::Terms;
use admit::Asks;
use ledger::{Amount, AssetId, Operation};

/// An assessment, with the state of terms and register it was made under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessed {
    /// The state's epoch when it was made: another one is another register or other terms.
    pub epoch: u64,
    /// What its policies said.
    pub assessment: Assessment,
}

/// A verdict with what determined it, before it is an entry.
#[derive(Debug)]
struct Judgement {
    verdict: Verdict,
    clauses: Vec<ClauseId>,
    deviations: Vec<Deviation>,
}

impl Judgement {
    fn allow(clauses: Vec<ClauseId>) -> Self {
        Self { verdict: Verdict::Allow, clauses, deviations: Vec::new() }
    }

    fn deny(code: RefusalCode, clause: Option<ClauseId>, remedy: impl Into<String>) -> Self {
        let verdict = Verdict::Deny { code, remedy: remedy.into(), refills: None };
        Self { verdict, clauses: clause.into_iter().collect(), deviations: Vec::new() }
    }

    fn invalid(remedy: impl Into<String>) -> Self {
        Self::deny(RefusalCode::Invalid, None, remedy)
    }
}

impl State {
    /// Judges an act. What it answers can be applied: that is a promise of this function.
    pub(crate) fn judge(&self, act: &Act, assessed: Option<&Assessed>, at: Timestamp) -> Decided {
        let decided = self.judge_whatever_its_size(act, assessed, at);
        let counted = self.in_force().minimums().count();
        let parts = [decided.clauses.len(), decided.deviations.len(), decided.transfers.len(), counted];
        if parts.into_iter().fold(0, usize::saturating_add) <= PARTS_MAX {
            return decided;
        }
        let remedy = format!(
            "more than {PARTS_MAX} clauses and reservations bear on this act; one entry cannot hold them"
        );
        self.decided(act, Judgement::invalid(remedy))
    }

    fn judge_whatever_its_size(&self, act: &Act, assessed: Option<&Assessed>, at: Timestamp) -> Decided {
        if let (Deed::Infer(infer), Principal::Application { party, key, .. }) = (&act.deed, &act.principal) {
            return self.admit(Asks { act, infer, party, key, assessed, at });
        }
        let judgement = match &act.deed {
            _ if matches!(act.principal, Principal::Application { .. }) => Judgement::invalid(
                "an application's key can only call models; use the operator's command line",
            ),
            Deed::Infer(_) => Judgement::invalid("a model is called with an application's key"),
            Deed::Amend(amend) => self.judge_amendment(amend),
            Deed::Approve(approve) => self.judge_approval(approve),
            Deed::Attest(attest) => self.judge_attestation(attest, at),
            Deed::Draw(_) | Deed::Expire(_) | Deed::Book(_) if act.principal != Principal::Clerk => {
                Judgement::invalid("what falls due is done by the clerk, and proposed by nobody else")
            }
            Deed::Draw(draw) => Judgement::allow(vec![draw.clause.clone()]),
            Deed::Expire(expire) => Judgement::allow(vec![expire.clause.clone()]),
            Deed::Book(book) => self.judge_booking(book),
            Deed::Declare(declare) => self.judge_declaration(declare, at),
            Deed::Payment(payment) => self.judge_payment(payment),
            Deed::Reconcile(said) => self.judge_reconciliation(said),
            Deed::Undelivered(undelivered) => self.judge_undelivered(act, undelivered),
            Deed::Withdraw(withdraw) => self.judge_withdrawal(withdraw, at),
            Deed::Erase(erase) => self.judge_erasure(act, erase, at),
            Deed::Administer(change) => self.judge_change(act.id, change, at),
        };
        self.decided(act, judgement)
    }

    /// Judges an act that has all its approvals once more: state and terms may have changed while it waited.
    pub(crate) fn judge_approved(&self, id: &ActId) -> Decided {
        let waiting =
            self.waiting.get(id).unwrap_or_else(|| unreachable!("only waiting acts are judged again"));
        let act = Act::clone(&waiting.act);
        let (fits, (_, by)) = match &act.deed {
            Deed::Administer(change) => (self.change_fits(change), self.approvers(change)),
            Deed::Amend(amend) => (self.follows(amend).map(drop), self.in_force().amenders()),
            Deed::Erase(erase) => {
                if let Some(refused) = self.too_early(erase, self.at) {
                    return self.decided(&act, refused);
                }
                (Ok(()), self.in_force().approvers(act.deed.name()))
            }
            _ => (Ok(()), (None, Vec::new())),
        };
        let fits = fits.and_then(|()| match by.iter().find(|party| !waiting.given.contains_key(*party)) {
            None => Ok(()),
            Some(party) => {
                Err(format!("the memorandum now asks for the approval of `{party}` too; propose it again"))
            }
        });
        let clauses = waiting.clause.iter().cloned().collect();
        let judgement = match fits {
            Ok(()) => Judgement::allow(clauses),
            Err(remedy) => Judgement { clauses, ..Judgement::invalid(remedy) },
        };
        self.decided(&act, judgement)
    }

    /// What settles an act that is done as soon as it is allowed, or is now due.
    pub(crate) fn settlement_of(&self, open: &Open, outcome: Outcome, at: Timestamp) -> Settled {
        let act = &open.act;
        let (transfers, charged) = match &act.deed {
            Deed::Infer(infer) => self.settle_call(open, infer, &outcome, at),
            _ if outcome.ended != crate::act::Ended::Done => (Vec::new(), None),
            Deed::Amend(amend) => (self.opening_of(&amend.digest, act.id), None),
            Deed::Draw(draw) => (self.drawing_of(&draw.clause, act.id), None),
            Deed::Expire(expire) => (self.expiry_of(&expire.clause, act.id), None),
            Deed::Book(book) => (self.booking_of(book, act.id), None),
            Deed::Declare(declare) => (self.sharing_of(declare, act.id), None),
            Deed::Payment(payment) => (self.paying_of(payment, act.id), None),
            Deed::Administer(Administer::KeyNew(key)) => (budget_of(key, act.id), None),
            Deed::Approve(_)
            | Deed::Attest(_)
            | Deed::Reconcile(_)
            | Deed::Undelivered(_)
            | Deed::Withdraw(_)
            | Deed::Erase(_)
            | Deed::Administer(_) => (Vec::new(), None),
        };
        Settled {
            act: act.id,
            kind: act.deed.name().to_owned(),
            decided: open.index,
            ended: outcome.ended,
            usage: outcome.usage.map(Usage::sound),
            estimated: outcome.estimated,
            attempts: outcome.attempts,
            output: outcome.output,
            kept: outcome.kept,
            charged,
            transfers,
        }
    }

    fn decided(&self, act: &Act, judgement: Judgement) -> Decided {
        Decided {
            act: act.clone(),
            standing: self.standing_of(act),
            memorandum: self.in_force().version(),
            verdict: judgement.verdict,
            clauses: judgement.clauses,
            deviations: judgement.deviations,
            lapses: None,
            transfers: Vec::new(),
        }
    }

    fn settle_call(
        &self,
        open: &Open,
        infer: &Infer,
        outcome: &Outcome,
        at: Timestamp,
    ) -> (Vec<ledger::Transfer>, Option<(Amount, AssetId)>) {
        use crate::act::Ended;
        let usage = match outcome.ended {
            Ended::Done | Ended::Cancelled => outcome.usage,
            Ended::Failed | Ended::Lost | Ended::Lapsed => None,
        };
        if outcome.ended == Ended::Lapsed {
            return (lapse(open), None);
        }
        let settling = funds::settle(
            open.act.id.as_u128(),
            &open.reservations,
            open.tariff.as_ref(),
            usage,
            &open.operator,
        );
        let mut transfers = settling.transfers;
        let party = open.act.principal.party();
        if let (Some((amount, asset)), Some(party)) = (&settling.charged, party) {
            let (model, on) = (infer.model.as_str(), at.date());
            let charged = dues_of::Charged { party, model, amount: *amount, asset, on };
            // Whatever was charged was posted, so the last leg of the settlement is above those of the reservations.
            let mut legs = Legs::after(open.act.id.as_u128(), &transfers);
            dues_of::consume(&mut legs, self.in_force(), &self.book, charged);
            transfers.extend(legs.done());
        }
        (transfers, settling.charged)
    }

    fn judge_amendment(&self, amend: &Amend) -> Judgement {
        let (clause, by) = self.in_force().amenders();
        if let Err(remedy) = self.follows(amend) {
            return Judgement::invalid(remedy);
        }
        if self.waiting.values().any(|waiting| waiting.digest == amend.digest) {
            return Judgement::invalid("this amendment waits already; approve it instead");
        }
        Judgement {
            verdict: Verdict::Escalate { digest: amend.digest, by },
            clauses: clause.into_iter().cloned().collect(),
            deviations: Vec::new(),
        }
    }

    /// The terms that an amendment would put in force, if it follows on those in force and its openings fit the books.
    pub(crate) fn follows(&self, amend: &Amend) -> Result<&Terms, String> {
        let terms = self.in_force();
        self.is_overtaken(amend)?;
        let proposed = self
            .library
            .get(&amend.digest)
            .ok_or("the proposed document is not at hand; send its text with the proposal")?;
        let (header, current) = (&proposed.memorandum().header, &terms.memorandum().header);
        let next = terms.version().saturating_add(1);
        if header.version != amend.version || header.version != next {
            return Err(format!(
                "version {} is in force, so an amendment is version {next}",
                terms.version()
            ));
        }
        if header.previous != Some(terms.digest().0) {
            return Err(format!(
                "an amendment names the version before it: previous = \"{}\"",
                terms.digest().hex()
            ));
        }
        if header.parties != current.parties {
            return Err("an amendment has the same parties in the same roles".to_owned());
        }
        if header.vkeys != current.vkeys || header.recovery != current.recovery {
            return Err("an amendment leaves the parties' keys as they are".to_owned());
        }
        let rescaled = current
            .assets
            .iter()
            .find(|(asset, scale)| header.assets.get(*asset).is_some_and(|proposed| proposed != *scale));
        if let Some((asset, scale)) = rescaled {
            return Err(format!("an amendment leaves `{asset}` its {scale} decimals"));
        }
        self.opens(proposed)?;
        Ok(proposed)
    }

    /// Whether the grants and commitments of `terms` can be opened over the books as they are.
    fn opens(&self, terms: &Terms) -> Result<(), String> {
        let agreed = terms
            .grants()
            .map(|(clause, grant)| (chart::grant(clause, "issued"), clause, &grant.amount.asset));
        let promised = terms
            .tranches()
            .map(|(clause, tranche)| (chart::commitment(clause, "pledged"), clause, &tranche.amount.asset));
        let minimums = terms
            .minimums()
            .map(|(clause, minimum)| (chart::minimum(clause, "open"), clause, &minimum.amount.asset));
        let capacities = terms
            .capacities()
            .map(|(clause, capacity)| (chart::capacity(clause, "owed"), clause, &capacity.price.asset));
        let shares =
            terms.shares().map(|(clause, share)| (chart::revenue(clause, "owed"), clause, &share.asset));
        let all = agreed.chain(promised).chain(minimums).chain(capacities).chain(shares);
        for (account, clause, asset) in all {
            if let Some(before) = self.book.asset_of(&account).filter(|before| *before != asset) {
                return Err(format!(
                    "clause `{}` counts {before} and cannot come to count {asset}; write a new clause",
                    clause.id
                ));
            }
        }
        let opening = chart::opening(terms, &self.book, 0, 0);
        if opening.len() > OPENINGS_MAX {
            return Err(format!(
                "at most {OPENINGS_MAX} grants, commitments, minimums and caps can be opened at once"
            ));
        }
        let mut book = self.book.clone();
        for transfer in &opening {
            for account in [&transfer.debit, &transfer.credit] {
                book.open(account, &transfer.asset, chart::limit(account))
                    .map_err(|error| error.to_string())?;
            }
        }
        book.apply(&opening).map_err(|error| error.to_string())
    }

    fn judge_approval(&self, approve: &Approve) -> Judgement {
        let found = approve.act.parse::<ActId>().ok().and_then(|id| self.waiting.get(&id));
        let Some(waiting) = found else {
            return Judgement::invalid("no act of this id waits for approval");
        };
        if waiting.digest != approve.digest {
            return Judgement::invalid(format!(
                "the digest is not that of the waiting act, which is {}",
                waiting.digest
            ));
        }
        if !waiting.by.contains(&approve.party) {
            return Judgement::invalid(format!(
                "party `{}` is not among those whose approval is asked",
                approve.party
            ));
        }
        if waiting.given.contains_key(&approve.party) {
            return Judgement::invalid(format!("party `{}` has approved already", approve.party));
        }
        let signed = match &waiting.act.deed {
            Deed::Amend(_) => memorandum::signing_bytes(&approve.digest.0),
            _ => crate::act::approval_bytes(&approve.digest),
        };
        if !self.is_signed(&approve.party, &signed, &approve.signature) {
            return Judgement::invalid(bad_signature(&approve.party));
        }
        Judgement::allow(waiting.clause.iter().cloned().collect())
    }

    fn judge_change(&self, id: ActId, change: &Administer, at: Timestamp) -> Judgement {
        if let Err(remedy) = self.change_fits(change) {
            return Judgement::invalid(remedy);
        }
        if let Administer::KeyNew(key) = change
            && let Some(expired) = key.expires.filter(|expires| *expires <= at)
        {
            return Judgement::invalid(format!("the key would have expired on {expired} already"));
        }
        if let Administer::BudgetRaise(raise) = change
            && let Err(error) = self.registry.check_raise_at(raise, at)
        {
            return Judgement::invalid(error.to_string());
        }
        let what = serde_json::to_vec(change)
            .unwrap_or_else(|error| unreachable!("a change has string keys only: {error}"));
        self.if_approved(id, change.name(), &what, self.approvers(change))
    }

    /// Allows an act of this kind, `what` as it is written, or has it wait for those who must approve it.
    fn if_approved(
        &self,
        id: ActId,
        kind: &str,
        what: &[u8],
        (clause, by): (Option<&ClauseId>, Vec<PartyId>),
    ) -> Judgement {
        let terms = self.in_force();
        let mut judgement = Judgement::allow(clause.cloned().into_iter().collect());
        if !by.is_empty() {
            let digest = crate::act::change_digest(&self.origin, &id.to_string(), kind, what);
            judgement.verdict = Verdict::Escalate { digest, by };
        }
        let day = id.made_at().date();
        let watched = terms
            .requirements(kind)
            .filter(|(clause, _)| !clause.force.is_binding() && !terms.is_given_up(&clause.id, day));
        judgement.deviations = watched
            .map(|(clause, _)| Deviation {
                clause: clause.id.clone(),
                code: RefusalCode::Forbidden,
                why: "would have waited, because both sides were to approve it".to_owned(),
            })
            .collect();
        judgement
    }

    fn change_fits(&self, change: &Administer) -> Result<(), String> {
        self.registry.check(change).map_err(|error| error.to_string())?;
        if let Administer::BudgetRaise(raise) = change {
            self.registry.check_raise_at(raise, self.at).map_err(|error| error.to_string())?;
        }
        self.names_unknown(change).map_or(Ok(()), Err)?;
        self.is_by_its_party(change)
    }

    /// What in a change names a party or an asset that the memorandum does not know.
    fn names_unknown(&self, change: &Administer) -> Option<String> {
        let header = &self.in_force().memorandum().header;
        match change {
            Administer::ApplicationAdd(application) if header.party(&application.party).is_none() => {
                Some(format!("party `{}` is not in the memorandum", application.party))
            }
            Administer::KeyNew(key) => {
                let budget = key.budget.as_ref()?;
                let unknown = header.scale(&AssetId::from(budget.asset.as_str())).is_none();
                unknown.then(|| format!("asset `{}` is not in the memorandum", budget.asset))
            }
            Administer::WitnessKeyAdd(key) => self.is_not_to_cosign(key),
            Administer::BudgetSet(set) if header.scale(&AssetId::from(set.asset.as_str())).is_none() => {
                Some(format!("asset `{}` is not in the memorandum", set.asset))
            }
            Administer::BudgetSet(set) if set.of == Of::Party => {
                let unknown = header.party(&set.whose.as_str().into()).is_none();
                unknown.then(|| format!("party `{}` is not in the memorandum", set.whose))
            }
            _ => None,
        }
    }

    fn opening_of(&self, digest: &Digest, act: ActId) -> Vec<ledger::Transfer> {
        let terms = self.library.get(digest);
        terms.map_or_else(Vec::new, |terms| chart::opening(terms, &self.book, act.as_u128(), 0))
    }

    fn drawing_of(&self, clause: &ClauseId, act: ActId) -> Vec<ledger::Transfer> {
        self.empty(clause, act, "undrawn", "drawn")
    }

    fn expiry_of(&self, clause: &ClauseId, act: ActId) -> Vec<ledger::Transfer> {
        let is_grant = self.in_force().grants().any(|(grant, _)| grant.id == *clause);
        let (from, to) = if is_grant { ("available", "breakage") } else { ("undrawn", "lapsed") };
        self.empty(clause, act, from, to)
    }

    /// Moves what is left in one stage of a grant or tranche to another.
    fn empty(&self, id: &ClauseId, act: ActId, from: &str, to: &str) -> Vec<ledger::Transfer> {
        let terms = self.in_force();
        let Some(clause) = terms.memorandum().clause(id) else { return Vec::new() };
        let account = match from {
            "available" => chart::grant,
            _ => chart::commitment,
        };
        let pool = account(clause, from);
        let left = self.book.balance(&pool).map_or(0, |balance| balance.available());
        let (Some(asset), true) = (self.book.asset_of(&pool), left > 0) else { return Vec::new() };
        let mut legs = Legs::new(act.as_u128(), 0);
        legs.push(Operation::Move, pool.clone(), account(clause, to), asset.clone(), Amount::new(left));
        legs.done()
    }
}

fn lapse(open: &Open) -> Vec<ledger::Transfer> {
    let mut legs = Legs::after(open.act.id.as_u128(), &open.reservations);
    for reservation in &open.reservations {
        legs.resolve(Operation::Lapse { pending: reservation.id }, reservation, reservation.amount);
    }
    legs.done()
}

fn budget_of(key: &crate::act::Key, act: ActId) -> Vec<ledger::Transfer> {
    let mut legs = Legs::new(act.as_u128(), 0);
    if let Some(budget) = &key.budget {
        let (issued, available) = (chart::budget(&key.id, "issued"), chart::budget(&key.id, "available"));
        let asset = AssetId::from(budget.asset.as_str());
        legs.push(Operation::Move, issued, available, asset, Amount::new(budget.amount));
    }
    legs.done()
}

fn bad_signature(party: &PartyId) -> String {
    format!("the signature does not verify with the key of party `{party}`")
}

/// More clauses, deviations and reservations than this would not fit into one entry, nor their settlement into another: each
/// takes up to about 250 bytes, a settlement has up to two transfers for a reservation, and an entry has 61,440 bytes.
const PARTS_MAX: usize = 100;

/// More openings than this would not fit into one entry. An opening takes about 250 bytes, an entry 61,440.
const OPENINGS_MAX: usize = 200;
