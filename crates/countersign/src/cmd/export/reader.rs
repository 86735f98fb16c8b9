//! Reads a record from its first entry to its last and hands a format what falls in the scope of the export, as it comes.
//!
//! Memory grows with what is open and with accounts, not with the record. Not here: whether the record holds, which `verify` finds out of
//! the same bytes beside this, by a fold that shares no code with the one here.

use super::costs;
use super::owners::Owners;
use super::rows::{Books, Cost, Format, Posting, Row, Scope, Seal, Transaction, View};
use crate::cmd::verify::{self, Served, Verified, record_of};
use crate::office;
use anyhow::{Context as _, bail};
use ledger::{Operation, Transfer};
use partnership::act::{Act, Deed, Digest, Principal};
use partnership::entry::{Body, Decided, Entry, Settled, Verdict, document_of};
use partnership::ids::{ActId, Timestamp};
use partnership::{State, Terms};
use record::commitment::Fields;
use record::hash::base64;
use record::store::directory::Directory;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// How much an export has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Read {
    /// The entries of the record.
    pub(super) entries: u64,
    /// The transactions that were handed over.
    pub(super) transactions: u64,
    /// The acts that were handed over.
    pub(super) rows: u64,
}

/// Reads the record at an address or in a folder, verifies it, and hands `format` what falls in the scope.
///
/// Errors: the first thing that does not hold, with its place; the format cannot be written; or the record has nothing of the period or the
/// party.
pub(super) fn read(
    place: &str,
    vkeys: Option<&Path>,
    scope: &Scope,
    format: &mut dyn Format,
) -> anyhow::Result<Read> {
    let documents = Documents::of(place)?;
    let mut fold = Fold::new(scope, format);
    let mut failed = None;
    let verified = verify::leaves(place, vkeys, |index, envelope, parties| {
        fold.entry(&documents, index, envelope, parties).map_err(|error| {
            let told = format!("{error:#}");
            failed = Some(error);
            told
        })
    });
    if let Some(error) = failed {
        return Err(error);
    }
    fold.end(place, &verified?)
}

/// Where the versions of the memorandum are read from.
pub(in crate::cmd) enum Documents {
    Folder(Directory),
    Server(Box<Served>),
}

impl Documents {
    /// Those of the record at an address or in a folder.
    pub(in crate::cmd) fn of(place: &str) -> anyhow::Result<Self> {
        Ok(if place.starts_with("http://") || place.starts_with("https://") {
            Self::Server(Box::new(Served::open(place)?))
        } else {
            Self::Folder(Directory::new(record_of(Path::new(place))?))
        })
    }

    /// The version of this digest.
    pub(in crate::cmd) fn document(&self, digest: &Digest) -> anyhow::Result<Terms> {
        match self {
            Self::Folder(store) => office::document(store, digest),
            Self::Server(store) => office::document(&**store, digest),
        }
    }
}

/// How far the period of the export has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    Within,
    After,
}

struct Fold<'a> {
    state: State,
    books: Books,
    owners: Owners,
    /// The acts that are allowed and have not ended.
    open: BTreeMap<ActId, Row>,
    scope: &'a Scope,
    stage: Stage,
    format: &'a mut dyn Format,
    read: Read,
}

impl<'a> Fold<'a> {
    fn new(scope: &'a Scope, format: &'a mut dyn Format) -> Self {
        let (state, books, owners) = (State::new([]), Books::default(), Owners::default());
        let (open, stage, read) = (BTreeMap::new(), Stage::Before, Read::default());
        Self { state, books, owners, open, scope, stage, format, read }
    }

    fn entry(
        &mut self,
        documents: &Documents,
        index: u64,
        envelope: &[u8],
        parties: &[u8],
    ) -> anyhow::Result<()> {
        let entry = Entry::decode(envelope, parties)?;
        if let Some(digest) = document_of(&entry.body)
            && self.state.document(&digest).is_none()
        {
            self.state.know(documents.document(&digest)?);
        }
        if index > 0 {
            self.advance(entry.at)?;
        }
        let epoch = self.state.epoch();
        self.state.apply(&entry, index)?;
        if index == 0 || self.state.epoch() != epoch {
            self.learn();
        }
        if index == 0 {
            if let Some(period) = self.scope.period.filter(|period| period.is_over(entry.at)) {
                bail!("{period} was over when the record begins, on {}", entry.at.date());
            }
            self.advance(entry.at)?;
        }
        match &entry.body {
            Body::Genesis(genesis) => self.found(&genesis.transfers, entry.at, index)?,
            Body::Decided(decided) => self.decide(decided, entry.at, index, parties)?,
            Body::Settled(settled) => self.settle(settled, entry.at, index, parties)?,
            Body::Clock(_) | Body::Tally(_) | Body::StateDigest(_) | Body::Lease(_) => {}
        }
        self.read.entries = index.saturating_add(1);
        Ok(())
    }

    /// Takes over what the terms in force and the register say of names.
    fn learn(&mut self) {
        if let Some(terms) = self.state.terms() {
            self.books.know(&terms.memorandum().header.assets);
            self.owners.know_terms(terms);
        }
        self.owners.know_register(self.state.registry());
    }

    /// Opens and closes the export as the record's time comes to its period's ends. What is about to be written at `at` is not in yet.
    fn advance(&mut self, at: Timestamp) -> io::Result<()> {
        if self.stage == Stage::Before && self.scope.period.is_none_or(|period| period.has_begun(at)) {
            self.stage = Stage::Within;
            self.format.opening(&View { state: &self.state, books: &self.books, scope: self.scope })?;
        }
        if self.stage == Stage::Within && self.scope.period.is_some_and(|period| period.is_over(at)) {
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        self.stage = Stage::After;
        self.format.closing(&View { state: &self.state, books: &self.books, scope: self.scope })
    }

    fn found(&mut self, transfers: &[Transfer], at: Timestamp, index: u64) -> anyhow::Result<()> {
        let transaction = Transaction {
            at,
            index,
            act: None,
            about: "the memorandum comes into force".to_owned(),
            party: None,
            application: None,
            clauses: Vec::new(),
            postings: Vec::new(),
        };
        self.post(transaction, transfers)
    }

    fn decide(&mut self, decided: &Decided, at: Timestamp, index: u64, parties: &[u8]) -> anyhow::Result<()> {
        let mut row = self.row_of(decided, at, index);
        row.entries = [fields(parties)?, Vec::new()];
        if let Deed::Administer(change) = &decided.act.deed {
            // A key's budget may be issued by the very entry that makes the key.
            self.owners.know_change(change, self.state.registry());
        }
        row.cost = costs::of(&decided.transfers);
        self.post(transaction_of(&row, at, index), &decided.transfers)?;
        match &decided.verdict {
            Verdict::Allow => {
                self.open.insert(row.act, row);
                Ok(())
            }
            Verdict::Deny { code, .. } => {
                row.verdict = "refused";
                row.refusal = Some(code.name());
                self.emit(&row)
            }
            // It is decided once more when all have approved.
            Verdict::Escalate { .. } => Ok(()),
        }
    }

    fn settle(&mut self, settled: &Settled, at: Timestamp, index: u64, parties: &[u8]) -> anyhow::Result<()> {
        let row = self.open.remove(&settled.act);
        let mut row = row.with_context(|| format!("act `{}` has ended and was not open", settled.act))?;
        row.settled = Some((at, index));
        row.ended = Some(settled.ended.name());
        row.usage = settled.usage;
        row.estimated = settled.estimated;
        let Cost { moved, .. } = std::mem::replace(&mut row.cost, costs::of(&settled.transfers));
        row.cost.moved.splice(0..0, moved);
        let [_, end] = &mut row.entries;
        *end = fields(parties)?;
        self.post(transaction_of(&row, at, index), &settled.transfers)?;
        self.emit(&row)
    }

    /// The row of an act as far as its decision tells.
    fn row_of(&self, decided: &Decided, at: Timestamp, index: u64) -> Row {
        let Act { id, principal, deed } = &decided.act;
        let (application, key) = match principal {
            Principal::Application { application, key, .. } => (Some(application.clone()), Some(key.clone())),
            Principal::Party { .. } | Principal::Clerk => (None, None),
        };
        let (model, surface) = match deed {
            Deed::Infer(infer) => (Some(infer.model.clone()), Some(infer.surface.clone())),
            _ => (None, None),
        };
        let price = self.state.open_act(id).and_then(|open| open.tariff.as_ref());
        Row {
            act: *id,
            kind: deed.name().to_owned(),
            about: self.state.recent().next().map(|line| line.about.clone()).unwrap_or_default(),
            decided: (at, index),
            settled: None,
            party: principal.party().cloned(),
            application,
            key,
            standing: decided.standing.clone(),
            model,
            surface,
            verdict: "allowed",
            refusal: None,
            ended: None,
            clauses: decided.clauses.clone(),
            deviations: decided.deviations.clone(),
            memorandum: decided.memorandum,
            usage: None,
            estimated: false,
            price: price.map(|price| price.clause.clone()),
            cost: Cost::default(),
            entries: [Vec::new(), Vec::new()],
        }
    }

    /// Posts the transfers that are in the scope, and hands their transaction over.
    fn post(&mut self, mut transaction: Transaction, transfers: &[Transfer]) -> anyhow::Result<()> {
        for transfer in transfers.iter().filter(|transfer| is_posting(transfer)) {
            let party = transaction.party.as_ref();
            let is_mine = |of| self.owners.is_of(transfer, party, of);
            if self.scope.party.as_ref().is_some_and(|of| !is_mine(of)) {
                continue;
            }
            let minor = transfer.amount.minor();
            let less = minor.checked_neg().context("an amount does not fit")?;
            let side = |account: &ledger::AccountId, minor| Posting {
                account: account.clone(),
                asset: transfer.asset.clone(),
                minor,
            };
            transaction.postings.push(side(&transfer.debit, less));
            transaction.postings.push(side(&transfer.credit, minor));
        }
        self.books.post(&transaction.postings).map_err(anyhow::Error::msg)?;
        if self.stage == Stage::Within && !transaction.postings.is_empty() {
            self.read.transactions = self.read.transactions.saturating_add(1);
            let view = View { state: &self.state, books: &self.books, scope: self.scope };
            self.format.transaction(&transaction, &view)?;
        }
        Ok(())
    }

    fn emit(&mut self, row: &Row) -> anyhow::Result<()> {
        let is_mine = self.scope.party.as_ref().is_none_or(|of| self.owners.is_act_of(row, of));
        if self.stage == Stage::Within && is_mine {
            self.read.rows = self.read.rows.saturating_add(1);
            let view = View { state: &self.state, books: &self.books, scope: self.scope };
            self.format.row(row, &view)?;
        }
        Ok(())
    }

    fn end(mut self, place: &str, verified: &Verified) -> anyhow::Result<Read> {
        if let Some(party) = &self.scope.party
            && !self.owners.is_party(party)
        {
            bail!("`{party}` is no party of the memorandum; there are: {}", self.owners.parties());
        }
        if let (Stage::Before, Some(period)) = (self.stage, self.scope.period) {
            bail!("{period} had not begun on the record, which ends on {}", self.state.at().date());
        }
        if self.stage == Stage::Within {
            self.close()?;
        }
        if self.scope.party.is_none() && self.scope.period.is_none() {
            self.agrees()?;
        }
        let root = base64(verified.root());
        self.format.sealed(&Seal { entries: verified.size(), root, place: place.to_owned() })?;
        Ok(self.read)
    }

    /// Whether what was posted here is what the fold has come to.
    fn agrees(&self) -> anyhow::Result<()> {
        for (account, _, _, balance) in self.state.book().accounts() {
            let (ours, theirs) = (self.books.net(account), balance.net());
            if ours != theirs {
                bail!(
                    "`{account}` comes to {ours} minor units by what was exported, and to {theirs} by the record; please report it"
                );
            }
        }
        Ok(())
    }
}

/// Whether a transfer moves anything for good. What is only reserved, or given back, is in no books.
fn is_posting(transfer: &Transfer) -> bool {
    let is_posted = matches!(transfer.operation, Operation::Move | Operation::Post { .. });
    is_posted && !transfer.amount.is_zero()
}

fn transaction_of(row: &Row, at: Timestamp, index: u64) -> Transaction {
    let by = row.application.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    Transaction {
        at,
        index,
        act: Some(row.act),
        about: format!("{} {}{by}", row.kind, row.about),
        party: row.party.clone(),
        application: row.application.clone(),
        clauses: row.clauses.clone(),
        postings: Vec::new(),
    }
}

/// The fields of a parties' part, without its salts: whoever has those can open its commitments.
fn fields(parties: &[u8]) -> anyhow::Result<Vec<(String, String)>> {
    let fields = Fields::parse(parties)?;
    let pair = |(name, value): (&str, &[u8])| Ok((name.to_owned(), String::from_utf8(value.to_vec())?));
    fields.iter().map(pair).collect()
}
