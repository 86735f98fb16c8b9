//! What the partnership looks like now: the numbers that the page, `/api/status` and the command line all show.
//!
//! Not here: how any of it is drawn, and no arithmetic beyond what the books and the state already say.

mod areas;
mod forecast;
mod funds;
mod kept;
mod money;
mod reconciled;
mod withdrawal;

pub(crate) use areas::Area;
pub(crate) use funds::Fund;
pub(crate) use kept::{Kept, Keys};
pub(crate) use money::{Account, Money};
pub(crate) use reconciled::Reconciliation;
pub(crate) use withdrawal::Withdrawal;

use crate::cosigned::Standing;
use crate::history;
use jiff::civil::Date;
use partnership::State;
use partnership::ids::PartyId;
use partnership::memorandum::{self, explain};
use partnership::state::{Evidence, Line, Waiting};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;

/// The partnership as it stands between two turns.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    /// The record's origin, which names the partnership.
    pub(crate) name: String,
    /// Whether its history is made up, as an example to look at.
    pub(crate) made_up: bool,
    /// The memorandum's title.
    pub(crate) title: String,
    /// Its version in force.
    pub(crate) version: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub(crate) digest: String,
    /// Since when that version is in force.
    pub(crate) in_force_since: String,
    /// Whether any of its clauses is enforced.
    pub(crate) binding: bool,
    /// Who agreed, in the memorandum's order.
    pub(crate) parties: Vec<Party>,
    /// Investment, governance and cloud, in this order.
    pub(crate) areas: Vec<Area>,
    /// Every clause, in the memorandum's order.
    pub(crate) clauses: Vec<Clause>,
    /// The acts that wait for a person, oldest first.
    pub(crate) waiting: Vec<Wait>,
    /// The versions that are approved and wait for their day.
    pub(crate) coming: Vec<Coming>,
    /// Who has withdrawn from the version in force, and what ends with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) withdrawal: Option<Withdrawal>,
    /// The milestones attested by some and not by all.
    pub(crate) attestations: Vec<Attestation>,
    /// What was promised in money and credits, and what became of it, in the memorandum's order.
    pub(crate) funds: Vec<Fund>,
    /// What is kept of each application and month.
    pub(crate) kept: Vec<Kept>,
    /// The assets of the memorandum in force, and how many decimals each has.
    pub(crate) assets: BTreeMap<String, u8>,
    /// Every account with its sums.
    pub(crate) balances: Vec<Account>,
    /// The last acts, newest first.
    pub(crate) acts: Vec<Deed>,
    /// The models out of service.
    pub(crate) suspended: Vec<String>,
    /// The notices that the record has given up, as `ID to RECEIVER`.
    pub(crate) undelivered: Vec<String>,
    /// The reconciliations on which there is a party's word, in the order of the first words.
    pub(crate) reconciled: Vec<Reconciliation>,
    /// How many entries the record has.
    pub(crate) entries: u64,
    /// How many of them the last checkpoint covers.
    pub(crate) checkpoint_size: u64,
    /// The keys by which parties cosign, and how far each has come.
    pub(crate) witnesses: Vec<Standing>,
    /// The record's time.
    pub(crate) at: String,
}

/// One who agreed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Party {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) role: String,
}

/// A clause, and what became of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Clause {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) area: &'static str,
    pub(crate) force: &'static str,
    pub(crate) source: &'static str,
    /// `active`, `met` or `lapsed`.
    pub(crate) state: &'static str,
    pub(crate) title: String,
    /// What its block says, in one plain sentence.
    pub(crate) sentence: String,
    pub(crate) allowed: u64,
    pub(crate) refused: u64,
    pub(crate) deviated: u64,
}

/// An act that waits for approvals.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Wait {
    /// The act's id.
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    /// What an approval is signed over, in base64.
    pub(crate) digest: String,
    /// The exact change, as the digest covers it; none for an amendment, whose document says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) what: Option<Box<RawValue>>,
    pub(crate) clause: Option<String>,
    pub(crate) given: Vec<String>,
    pub(crate) missing: Vec<String>,
    pub(crate) since: String,
}

/// A version that is approved and waits for its day.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Coming {
    /// The act's id.
    pub(crate) id: String,
    pub(crate) version: u64,
    /// The first day on which it may be in force.
    pub(crate) effective: String,
}

/// Evidence that some have attested, and others not yet.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Attestation {
    pub(crate) clause: String,
    /// Which milestone of the clause; none where it has only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) condition: Option<String>,
    pub(crate) evidence: String,
    pub(crate) given: Vec<String>,
    pub(crate) missing: Vec<String>,
}

/// One act as a line.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Deed {
    /// The act's id.
    pub(crate) id: String,
    pub(crate) at: String,
    pub(crate) index: u64,
    pub(crate) kind: &'static str,
    pub(crate) who: String,
    pub(crate) about: String,
    pub(crate) state: &'static str,
    pub(crate) clauses: Vec<String>,
    pub(crate) deviations: Vec<String>,
    pub(crate) charged: Option<Money>,
}

impl Report {
    /// The report of a state whose first `checkpoint_size` entries are published, with these content keys; none before the first entry.
    pub(crate) fn of(
        state: &State,
        checkpoint_size: u64,
        witnesses: Vec<Standing>,
        keys: &Keys,
    ) -> Option<Self> {
        let memorandum = state.terms()?.memorandum();
        let header = &memorandum.header;
        let clauses: Vec<Clause> = memorandum.clauses.iter().map(|clause| of_clause(state, clause)).collect();
        Some(Self {
            name: state.origin().to_owned(),
            made_up: history::is_made_up(state.origin()),
            title: header.title.clone(),
            version: header.version,
            digest: memorandum.digest_hex(),
            in_force_since: state
                .versions()
                .last()
                .map(|version| version.since.to_string())
                .unwrap_or_default(),
            binding: memorandum.clauses.iter().any(|clause| clause.force.is_binding()),
            parties: header.parties.iter().map(Party::of).collect(),
            areas: Area::all(state),
            clauses,
            waiting: waiting(state),
            coming: coming(state),
            withdrawal: Withdrawal::of(state),
            attestations: attestations(state),
            funds: Fund::all(state),
            kept: Kept::all(state, keys),
            assets: header.assets.iter().map(|(asset, scale)| (asset.to_string(), *scale)).collect(),
            balances: Account::all(state),
            acts: state.recent().map(|line| Deed::of(state, line)).collect(),
            suspended: texts(state.registry().suspended()),
            undelivered: state.dead_letters().map(|(id, to, _)| format!("{id} to {to}")).collect(),
            reconciled: Reconciliation::all(state),
            entries: state.entries(),
            checkpoint_size,
            witnesses,
            at: state.at().to_string(),
        })
    }
}

impl Party {
    fn of(party: &memorandum::Party) -> Self {
        Self { id: party.id.to_string(), name: party.name.clone(), role: party.role.clone() }
    }
}

impl Deed {
    fn of(state: &State, line: &Line) -> Self {
        Self {
            id: line.act.to_string(),
            at: line.at.to_string(),
            index: line.index,
            kind: line.kind,
            who: line.who.clone(),
            about: line.about.clone(),
            state: line.state,
            clauses: texts(&line.clauses),
            deviations: texts(&line.deviations),
            charged: line.charged.as_ref().map(|(amount, asset)| Money::of(state, *amount, asset)),
        }
    }
}

fn of_clause(state: &State, clause: &memorandum::Clause) -> Clause {
    let count = state.count(&clause.id);
    let header = state.terms().map(|terms| &terms.memorandum().header);
    Clause {
        id: clause.id.to_string(),
        kind: clause.kind.name(),
        area: clause.kind.area().as_str(),
        force: clause.force.as_str(),
        source: clause.source.as_str(),
        state: funds::standing(state, clause),
        title: clause.title.clone(),
        sentence: header.map(|header| explain(header, clause)).unwrap_or_default(),
        allowed: count.allowed,
        refused: count.refused,
        deviated: count.deviated,
    }
}

/// The acts that wait for approvals, oldest first.
pub(crate) fn waiting(state: &State) -> Vec<Wait> {
    let of = |(id, waiting): (&partnership::ids::ActId, &Waiting)| Wait {
        id: id.to_string(),
        kind: waiting.act.deed.name(),
        digest: waiting.digest.to_string(),
        what: match &waiting.act.deed {
            partnership::act::Deed::Administer(change) => to_raw_value(change).ok(),
            partnership::act::Deed::Erase(erase) => to_raw_value(erase).ok(),
            _ => None,
        },
        clause: waiting.clause.as_ref().map(ToString::to_string),
        given: texts(waiting.given.keys()),
        missing: texts(waiting.missing()),
        since: waiting.since.to_string(),
    };
    state.waiting().map(of).collect()
}

fn coming(state: &State) -> Vec<Coming> {
    let of = |(id, open): (&partnership::ids::ActId, &partnership::state::Open)| {
        let partnership::act::Deed::Amend(amend) = &open.act.deed else { return None };
        let noticed = state.terms()?.after_notice(open.at.date());
        let effective = state.document(&amend.digest)?.memorandum().header.effective.max(noticed);
        Some(Coming { id: id.to_string(), version: amend.version, effective: effective.to_string() })
    };
    state.open().filter_map(of).collect()
}

fn attestations(state: &State) -> Vec<Attestation> {
    let under_way = state.attested().filter(|(evidence, _)| state.booked(&evidence.clause).is_none());
    let of = |(evidence, given): (&Evidence, &BTreeMap<PartyId, Date>)| {
        let Evidence { clause, condition, digest } = evidence;
        let clause_in_force = state.terms().and_then(|terms| terms.memorandum().clause(clause));
        let asked = clause_in_force.and_then(|clause| clause.milestone(condition.as_ref()));
        let asked = asked.map(|milestone| milestone.attested_by.as_slice()).unwrap_or_default();
        Attestation {
            clause: clause.to_string(),
            condition: condition.as_ref().map(ToString::to_string),
            evidence: digest.to_string(),
            given: texts(given.keys()),
            missing: texts(asked.iter().filter(|party| !given.contains_key(*party))),
        }
    };
    under_way.map(of).collect()
}

fn texts(things: impl IntoIterator<Item = impl ToString>) -> Vec<String> {
    things.into_iter().map(|thing| thing.to_string()).collect()
}
