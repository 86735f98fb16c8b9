//! What the formats are made from: transactions of the books, rows of acts, and the books between two of them.
//!
//! Not here: how any of it is read from a record (`reader`), or written (`hledger`, `beancount`, `csv`, `jsonl`, `focus`, `statement`).

use super::period::Period;
use ledger::{AccountId, Amount, AssetId};
use partnership::State;
use partnership::act::Usage;
use partnership::decision::Deviation;
use partnership::entry::Standing;
use partnership::ids::{ActId, ApplicationId, ClauseId, KeyId, ModelId, PartyId, Timestamp};
use std::collections::BTreeMap;
use std::io;

/// One account's side of a transfer. Units: minor units; negative where the amount leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Posting {
    pub(super) account: AccountId,
    pub(super) asset: AssetId,
    pub(super) minor: i128,
}

/// All that one entry of the record has posted. Shape: for each transfer the account it leaves, then the one it reaches; so the postings of
/// each asset add up to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) at: Timestamp,
    /// The entry's index.
    pub(super) index: u64,
    /// The act; none for the entry that founds the record.
    pub(super) act: Option<ActId>,
    /// What it was, in a few words.
    pub(super) about: String,
    pub(super) party: Option<PartyId>,
    pub(super) application: Option<ApplicationId>,
    /// The clauses that determined it.
    pub(super) clauses: Vec<ClauseId>,
    pub(super) postings: Vec<Posting>,
}

/// An act that was refused or has ended.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) act: ActId,
    /// The act's kind.
    pub(super) kind: String,
    /// What it was about: a model, a clause, a name.
    pub(super) about: String,
    /// When it was decided, and by which entry.
    pub(super) decided: (Timestamp, u64),
    /// When it ended, and by which entry; none for one that was refused.
    pub(super) settled: Option<(Timestamp, u64)>,
    pub(super) party: Option<PartyId>,
    pub(super) application: Option<ApplicationId>,
    pub(super) key: Option<KeyId>,
    pub(super) standing: Option<Standing>,
    pub(super) model: Option<ModelId>,
    pub(super) surface: Option<String>,
    /// `allowed` or `refused`.
    pub(super) verdict: &'static str,
    /// Why it was refused.
    pub(super) refusal: Option<&'static str>,
    /// How it ended.
    pub(super) ended: Option<&'static str>,
    pub(super) clauses: Vec<ClauseId>,
    pub(super) deviations: Vec<Deviation>,
    /// The memorandum's version that decided.
    pub(super) memorandum: u64,
    pub(super) usage: Option<Usage>,
    pub(super) estimated: bool,
    /// The clause by which it was priced.
    pub(super) price: Option<ClauseId>,
    pub(super) cost: Cost,
    /// The parties' parts of its two entries, without salts: fields by their names, each JSON as the record has it.
    pub(super) entries: [Vec<(String, String)>; 2],
}

/// What an act came to. Units: minor units of the asset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// What it is counted in; none where nothing was.
    pub(super) asset: Option<AssetId>,
    /// What each grant paid, in the order in which they were drawn on.
    pub(super) paid: Vec<(ClauseId, i128)>,
    /// What the operator bore beyond what was reserved.
    pub(super) borne: i128,
    /// What each non-binding grant only watched, by the account in which it was noted.
    pub(super) observed: Vec<(AccountId, i128)>,
    /// What rounding left out, in so many parts of a minor unit: exact cost = what was paid and borne + numerator / denominator.
    pub(super) remainder: Option<(i128, i128)>,
    /// What moved otherwise: a tranche drawn, a grant's rest that expired, a budget issued; with the account that it reached.
    pub(super) moved: Vec<(AccountId, AssetId, i128)>,
}

impl Cost {
    /// What all grants paid. It fits where the books do.
    pub(super) fn minor(&self) -> i128 {
        self.paid.iter().fold(0, |sum: i128, (_, minor)| sum.saturating_add(*minor))
    }

    /// What the call would have cost by non-binding grants, each of which sees the whole of it.
    pub(super) fn observed(&self) -> i128 {
        self.observed.iter().map(|(_, minor)| *minor).max().unwrap_or(0)
    }
}

/// What every account holds, as far as the export is of it, and how many decimals each asset has.
#[derive(Debug, Clone, Default)]
pub(super) struct Books {
    nets: BTreeMap<AccountId, (AssetId, i128)>,
    scales: BTreeMap<AssetId, u8>,
}

impl Books {
    /// Adds what a transaction posts.
    ///
    /// Errors: a balance does not fit.
    pub(super) fn post(&mut self, postings: &[Posting]) -> Result<(), String> {
        for posting in postings {
            let (_, net) =
                self.nets.entry(posting.account.clone()).or_insert_with(|| (posting.asset.clone(), 0));
            *net = net
                .checked_add(posting.minor)
                .ok_or_else(|| format!("the balance of `{}` does not fit", posting.account))?;
        }
        Ok(())
    }

    /// Learns how many decimals assets have. What was known stays.
    pub(super) fn know(&mut self, scales: &BTreeMap<AssetId, u8>) {
        for (asset, scale) in scales {
            self.scales.entry(asset.clone()).or_insert(*scale);
        }
    }

    /// Every account with its asset and what is in it, in the order of names. Units: minor units.
    pub(super) fn nets(&self) -> impl Iterator<Item = (&AccountId, &AssetId, i128)> {
        self.nets.iter().map(|(account, (asset, net))| (account, asset, *net))
    }

    /// What is in an account; nothing where it is not there. Units: minor units.
    pub(super) fn net(&self, account: &AccountId) -> i128 {
        self.nets.get(account).map_or(0, |(_, net)| *net)
    }

    /// How many decimals an asset has; none where no memorandum knows it, as with the remainders of rounding.
    pub(super) fn scale(&self, asset: &AssetId) -> u8 {
        self.scales.get(asset).copied().unwrap_or(0)
    }

    /// An amount as text, at its asset's full scale.
    pub(super) fn text(&self, asset: &AssetId, minor: i128) -> String {
        Amount::new(minor).display(self.scale(asset))
    }
}

/// What an export is of.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    /// None for the whole record.
    pub(super) period: Option<Period>,
    /// None for all of them.
    pub(super) party: Option<PartyId>,
}

/// The partnership at one place of its record.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) state: &'a State,
    pub(super) books: &'a Books,
    pub(super) scope: &'a Scope,
}

impl View<'_> {
    /// The day by which closing balances hold: the period's last, or where it is not over yet that of the last entry.
    pub(super) fn closes(&self) -> jiff::civil::Date {
        let now = self.state.at().date();
        self.scope.period.map_or(now, |period| {
            if period.has_begun(self.state.at()) { period.last().min(now) } else { now }
        })
    }

    /// What it is an export of, in a few words.
    pub(super) fn about(&self) -> String {
        let of = self.scope.party.as_ref().map(|party| format!(", books of {party}")).unwrap_or_default();
        let when =
            self.scope.period.map_or_else(|| "the whole record".to_owned(), |period| period.to_string());
        format!("{}, {when}{of}", self.state.origin())
    }
}

/// The record that an export was made from, when all of it held.
#[derive(Debug, Clone)]
pub(super) struct Seal {
    pub(super) entries: u64,
    /// The root over them, in base64.
    pub(super) root: String,
    /// The place that was asked, as `verify` takes it.
    pub(super) place: String,
}

/// A form that is written as the record is read. Each step may write; what was written counts only where the record holds to its end.
pub(super) trait Format {
    /// Before the first transaction of the period.
    ///
    /// Errors: those of the writer.
    fn opening(&mut self, _: &View<'_>) -> io::Result<()> {
        Ok(())
    }

    /// An entry that moved something.
    ///
    /// Errors: those of the writer.
    fn transaction(&mut self, _: &Transaction, _: &View<'_>) -> io::Result<()> {
        Ok(())
    }

    /// An act that was refused or has ended.
    ///
    /// Errors: those of the writer.
    fn row(&mut self, _: &Row, _: &View<'_>) -> io::Result<()> {
        Ok(())
    }

    /// After the last transaction of the period.
    ///
    /// Errors: those of the writer.
    fn closing(&mut self, _: &View<'_>) -> io::Result<()> {
        Ok(())
    }

    /// When the whole record has held.
    ///
    /// Errors: those of the writer.
    fn sealed(&mut self, _: &Seal) -> io::Result<()> {
        Ok(())
    }
}
