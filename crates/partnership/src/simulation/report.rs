//! What a simulation found: which acts flip, what they cost before and after, and where the books differ at the end.
//!
//! Not here: how acts are rehearsed. Both sides are counted by the same code, from states and settlements alike.

use super::payer;
use super::rehearsal::Answered;
use crate::act::{Act, Deed};
use crate::entry::{Decided, Settled, Verdict};
use crate::ids::{ClauseId, PartyId};
use crate::state::{Count, State};
use crate::terms::Terms;
use ledger::{AccountId, Amount, AssetId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What a simulation found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The version simulated.
    pub version: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub digest: String,
    /// The recorded entries that were read.
    pub entries: u64,
    /// The last moment of the record.
    pub until: String,
    /// The recorded calls.
    pub calls: u64,
    /// Those that the record allows.
    pub calls_allowed_before: u64,
    /// Those that the terms allow.
    pub calls_allowed_after: u64,
    /// Calls that the record refuses and the terms allow: nobody knows what they would have used, so each costs all that it reserves.
    pub assumed: u64,
    /// Approvals that the record does not have and that are taken as given, since what they are of took effect.
    pub approvals_assumed: u64,
    /// Acts that were not rehearsed, by kind.
    pub left_out: BTreeMap<&'static str, u64>,
    /// What flips, in order of how it was and is decided, and by which clause.
    pub flips: Vec<Flip>,
    /// What calls cost each party under each rate card, where it differs.
    pub costs: Vec<CostDifference>,
    /// The clauses that decided otherwise, with their deviations.
    pub clauses: Vec<ClauseDifference>,
    /// The accounts that stand elsewhere at the end: what is spent, expired, owed or fell short. Without those of rounding.
    pub accounts: Vec<AccountDifference>,
}

/// Acts of one kind that are decided otherwise, by one clause.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Flip {
    /// The kind of the acts.
    pub kind: &'static str,
    /// How they were decided: `allowed`, `refused` or `waiting`.
    pub before: &'static str,
    /// How they are decided: the same words, or `repeated` for one that another takes the idempotency key of.
    pub after: &'static str,
    /// Why, on the side that refuses: a refusal's code.
    pub code: Option<&'static str>,
    /// The clause that decides so; none where no clause is concerned.
    pub clause: Option<ClauseId>,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: String,
    /// Where the record decides it.
    pub entry: u64,
}

/// What calls cost a party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CostDifference {
    /// The party.
    pub party: PartyId,
    /// The rate card.
    pub clause: ClauseId,
    /// The asset.
    pub asset: String,
    /// On the record.
    pub before: String,
    /// Under the terms.
    pub after: String,
}

/// How often a clause decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClauseDifference {
    /// The clause.
    pub clause: ClauseId,
    /// Acts it allowed, on the record and under the terms.
    pub allowed: (u64, u64),
    /// Acts it refused.
    pub refused: (u64, u64),
    /// Acts it only spoke against.
    pub deviated: (u64, u64),
}

/// Where an account stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountDifference {
    /// The account, as the chart of accounts names it.
    pub account: String,
    /// The asset.
    pub asset: String,
    /// On the record, at its end.
    pub before: String,
    /// Under the terms.
    pub after: String,
}

/// What flips are told apart by.
type Flipped = (&'static str, &'static str, &'static str, Option<&'static str>, Option<ClauseId>);

/// How many, and the first of them: where the record decides it, and which act.
type First = (u64, u64, String);

/// What calls cost under a rate card; none where it is beyond counting.
type Costs = BTreeMap<(PartyId, ClauseId, AssetId), Option<Amount>>;

/// The counts of a simulation under way.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) assumed: u64,
    pub(super) approvals_assumed: u64,
    calls: u64,
    allowed: (u64, u64),
    left_out: BTreeMap<&'static str, u64>,
    flips: BTreeMap<Flipped, First>,
    before: Costs,
    after: Costs,
}

impl Tally {
    pub(super) fn leave_out(&mut self, kind: &'static str) {
        let count = self.left_out.entry(kind).or_default();
        *count = count.saturating_add(1);
    }

    /// Counts how an act was decided on the record and is decided under the terms.
    pub(super) fn compare(&mut self, index: u64, decided: &Decided, answered: &Answered) {
        let clause = || decided.clauses.first().cloned();
        let (before, code, by) = match &decided.verdict {
            Verdict::Allow => ("allowed", None, None),
            Verdict::Deny { code, .. } => ("refused", Some(code.name()), clause()),
            Verdict::Escalate { .. } => ("waiting", None, clause()),
        };
        let (after, code, by) = match answered {
            Answered::Allowed => ("allowed", code, by),
            Answered::Refused { code, clause } => ("refused", Some(*code), clause.clone()),
            Answered::Waits { clause } => ("waiting", None, Some(clause.clone())),
            Answered::Repeated => ("repeated", None, None),
        };
        if matches!(decided.act.deed, Deed::Infer(_)) {
            let add = |count: u64, word: &str| count.saturating_add(u64::from(word == "allowed"));
            self.calls = self.calls.saturating_add(1);
            self.allowed = (add(self.allowed.0, before), add(self.allowed.1, after));
        }
        if before != after {
            let flipped = (decided.act.deed.name(), before, after, code, by);
            let first = self.flips.entry(flipped).or_insert_with(|| (0, index, decided.act.id.to_string()));
            first.0 = first.0.saturating_add(1);
        }
    }

    pub(super) fn charge_before(&mut self, act: &Act, card: Option<ClauseId>, settled: &Settled) {
        charge(&mut self.before, act, card, settled.charged.as_ref());
    }

    pub(super) fn charge_after(
        &mut self,
        act: &Act,
        card: Option<ClauseId>,
        charged: Option<&(Amount, AssetId)>,
    ) {
        charge(&mut self.after, act, card, charged);
    }

    pub(super) fn report(&self, terms: &Terms, before: &State, after: Option<&State>) -> Report {
        let flips = self.flips.iter().map(|((kind, before, after, code, clause), (count, entry, first))| {
            let (clause, first) = (clause.clone(), first.clone());
            Flip { kind, before, after, code: *code, clause, count: *count, first, entry: *entry }
        });
        let scales = Scales { terms, before };
        Report {
            version: terms.version(),
            digest: terms.digest().hex(),
            entries: before.entries(),
            until: before.at().to_string(),
            calls: self.calls,
            calls_allowed_before: self.allowed.0,
            calls_allowed_after: self.allowed.1,
            assumed: self.assumed,
            approvals_assumed: self.approvals_assumed,
            left_out: self.left_out.clone(),
            flips: flips.collect(),
            costs: self.costs(&scales),
            clauses: after.map(|after| clauses(before, after)).unwrap_or_default(),
            accounts: after.map(|after| accounts(&scales, before, after)).unwrap_or_default(),
        }
    }

    fn costs(&self, scales: &Scales<'_>) -> Vec<CostDifference> {
        let keys: BTreeSet<_> = self.before.keys().chain(self.after.keys()).collect();
        let nothing = Some(Amount::ZERO);
        let difference = |key: &(PartyId, ClauseId, AssetId)| {
            let sum = |costs: &Costs| costs.get(key).copied().unwrap_or(nothing);
            let (before, after) = (sum(&self.before), sum(&self.after));
            let (party, clause, asset) = key.clone();
            let shown = |sum: Option<Amount>| {
                sum.map_or_else(|| "beyond counting".to_owned(), |sum| scales.shown(&asset, sum.minor()))
            };
            let (before_text, after_text) = (shown(before), shown(after));
            (before != after).then(|| CostDifference {
                party,
                clause,
                asset: asset.to_string(),
                before: before_text,
                after: after_text,
            })
        };
        keys.into_iter().filter_map(difference).collect()
    }
}

/// How many decimals assets have, by the terms or by those of the record.
struct Scales<'a> {
    terms: &'a Terms,
    before: &'a State,
}

impl Scales<'_> {
    fn shown(&self, asset: &AssetId, minor: i128) -> String {
        let recorded = || self.before.terms().and_then(|terms| terms.memorandum().header.scale(asset));
        let scale = self.terms.memorandum().header.scale(asset).or_else(recorded).unwrap_or(0);
        Amount::new(minor).display(scale)
    }
}

fn charge(costs: &mut Costs, act: &Act, card: Option<ClauseId>, charged: Option<&(Amount, AssetId)>) {
    if let (Some((party, clause)), Some((amount, asset))) = (payer(act, card), charged) {
        let sum = costs.entry((party, clause, asset.clone())).or_insert(Some(Amount::ZERO));
        *sum = sum.and_then(|sum| sum.minor().checked_add(amount.minor()).map(Amount::new));
    }
}

fn clauses(before: &State, after: &State) -> Vec<ClauseDifference> {
    let ids: BTreeSet<&ClauseId> = before.counts.keys().chain(after.counts.keys()).collect();
    let difference = |id: &ClauseId| {
        let (one, other): (Count, Count) = (before.count(id), after.count(id));
        (one != other).then(|| ClauseDifference {
            clause: id.clone(),
            allowed: (one.allowed, other.allowed),
            refused: (one.refused, other.refused),
            deviated: (one.deviated, other.deviated),
        })
    };
    ids.into_iter().filter_map(difference).collect()
}

fn accounts(scales: &Scales<'_>, before: &State, after: &State) -> Vec<AccountDifference> {
    let nets = |state: &State| -> BTreeMap<(AccountId, AssetId), i128> {
        let accounts = state.book().accounts();
        let nets = accounts.filter(|(account, ..)| !AsRef::<str>::as_ref(*account).starts_with("rounding:"));
        nets.map(|(account, asset, _, balance)| ((account.clone(), asset.clone()), balance.net())).collect()
    };
    let (before, after) = (nets(before), nets(after));
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let difference = |key: &(AccountId, AssetId)| {
        let net = |nets: &BTreeMap<_, i128>| nets.get(key).copied().unwrap_or(0);
        let (one, other) = (net(&before), net(&after));
        let (account, asset) = key;
        (one != other).then(|| AccountDifference {
            account: account.to_string(),
            asset: asset.to_string(),
            before: scales.shown(asset, one),
            after: scales.shown(asset, other),
        })
    };
    keys.into_iter().filter_map(difference).collect()
}
