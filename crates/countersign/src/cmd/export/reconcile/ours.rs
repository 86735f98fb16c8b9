//! The record's side of a reconciliation, from the same pass that exports are made of.
//!
//! Not here: what is no charge for a call: tranches, capacity, minimums and shares (`fund list`), and what the operator bore.

use super::exact::Exact;
use super::matching::{Charged, Findings, Matching};
use super::report::Why;
use crate::cmd::export::owners::between;
use crate::cmd::export::period::Period;
use crate::cmd::export::rows::{Format, Row, View};
use ledger::AssetId;
use partnership::ids::{ActId, ClauseId, PartyId, Timestamp};
use std::collections::BTreeMap;
use std::io;

/// Which acts are reconciled.
#[derive(Debug, Clone)]
pub(super) struct Within {
    pub(super) period: Option<Period>,
    pub(super) party: Option<PartyId>,
    /// Whether what is left of a grant when it expires is a charge too, as FOCUS has it.
    pub(super) rests: bool,
}

/// A record that is being read against an invoice.
pub(super) struct Ours {
    within: Within,
    /// Taken when the record has ended.
    matching: Option<Matching>,
    end: Option<End>,
}

/// What came of it, with what is needed to tell it.
pub(super) struct End {
    pub(super) origin: String,
    pub(super) findings: Findings,
    pub(super) scales: BTreeMap<AssetId, u8>,
}

impl Ours {
    pub(super) fn new(within: Within, matching: Matching) -> Self {
        Self { within, matching: Some(matching), end: None }
    }

    /// What came of it; none before the record has ended.
    pub(super) fn end(self) -> Option<End> {
        self.end
    }

    /// Why an act is not in what is reconciled; none where it is.
    fn outside(&self, row: &Row, view: &View<'_>) -> Option<Why> {
        let (at, _) = row.settled.unwrap_or(row.decided);
        if let Some(period) = self.within.period
            && (!period.has_begun(at) || period.is_over(at))
        {
            return Some(Why::new(
                "another-period",
                format!("the act ended on {}, which is not in {period}", at.date()),
            ));
        }
        let party = self.within.party.as_ref()?;
        let is_mine = match &row.party {
            Some(by) => by == party,
            None => view
                .state
                .clause_ever(&ClauseId::from(row.about.as_str()))
                .and_then(between)
                .is_none_or(|(from, to)| from == party || to == party),
        };
        let whose = row.party.as_ref().map_or("", PartyId::as_str);
        (!is_mine)
            .then(|| Why::new("another-party", format!("the act is of `{whose}`, and not of `{party}`")))
    }

    /// What an act was charged; none where it was not.
    fn charged(&self, row: &Row, view: &View<'_>) -> Result<Option<Charged>, String> {
        let Some((ended, entry)) = row.settled else { return Ok(None) };
        let rest = || {
            let (account, asset, minor) = row.cost.moved.first().filter(|_| self.within.rests)?;
            let clause = AsRef::<str>::as_ref(account).strip_prefix("credit:")?.strip_suffix(":breakage")?;
            Some((clause.to_owned(), asset, *minor))
        };
        let used = row.cost.asset.as_ref().filter(|_| !row.cost.paid.is_empty()).map(|asset| {
            let model = row.model.as_ref().map(ToString::to_string).unwrap_or_default();
            (model, asset, row.cost.minor())
        });
        let Some((model, asset, minor)) = used.or_else(rest) else { return Ok(None) };
        let scale = view.books.scale(asset);
        let cost = Exact::of_minor(minor, scale)
            .ok_or_else(|| format!("what act {} costs in {asset} does not fit", row.act))?;
        let days = [row.decided.0.date(), ended.date()];
        let (act, asset, usage) = (row.act, asset.clone(), row.usage);
        Ok(Some(Charged { act, entry, days, model, asset, scale, cost, usage }))
    }

    fn take(&mut self, row: &Row, view: &View<'_>) -> Result<(), String> {
        let outside = self.outside(row, view);
        let charged = if outside.is_some() { None } else { self.charged(row, view)? };
        let Some(matching) = &mut self.matching else { return Ok(()) };
        match charged {
            Some(charged) => matching.charged(&charged),
            None if matching.names(row.act) => {
                let entry = row.settled.map(|(_, entry)| entry);
                matching.uncharged(row.act, entry, outside.unwrap_or_else(|| free(row)))
            }
            None => Ok(()),
        }
    }
}

/// Why an act costs nothing.
fn free(row: &Row) -> Why {
    match (row.refusal, row.ended) {
        (Some(code), _) => {
            Why::new("refused", format!("the act was refused (`{code}`), which costs nothing"))
        }
        (None, Some("done" | "cancelled")) => {
            Why::new("free", format!("the act, of kind `{}`, was charged to no grant", row.kind))
        }
        (None, ended) => {
            let ended = ended.unwrap_or_default();
            Why::new("free", format!("the act ended as `{ended}`, which costs nothing"))
        }
    }
}

impl Format for Ours {
    fn opening(&mut self, view: &View<'_>) -> io::Result<()> {
        let begins: Timestamp = view.state.at();
        match self.within.period.filter(|period| period.is_over(begins)) {
            Some(period) => Err(io::Error::other(format!(
                "{period} was over when the record begins, on {}",
                begins.date()
            ))),
            None => Ok(()),
        }
    }

    fn row(&mut self, row: &Row, view: &View<'_>) -> io::Result<()> {
        self.take(row, view).map_err(io::Error::other)
    }

    fn closing(&mut self, view: &View<'_>) -> io::Result<()> {
        let state = view.state;
        let Within { period, party, .. } = &self.within;
        if let Some(period) = period.filter(|period| !period.has_begun(state.at())) {
            let ends = state.at().date();
            return Err(io::Error::other(format!(
                "{period} had not begun on the record, which ends on {ends}"
            )));
        }
        let header = state.terms().map(|terms| &terms.memorandum().header);
        if let (Some(party), Some(header)) = (party, header)
            && header.party(party).is_none()
        {
            let all: Vec<String> = header.parties.iter().map(|party| format!("`{}`", party.id)).collect();
            let all = all.join(", ");
            return Err(io::Error::other(format!(
                "`{party}` is no party of the memorandum; there are: {all}"
            )));
        }
        let Some(matching) = self.matching.take() else { return Ok(()) };
        let stands = |act: ActId| {
            state
                .open_act(&act)
                .map(|_| Why::new("open", "the act is under way, and is charged when it ends"))
        };
        let findings = matching.end(stands).map_err(io::Error::other)?;
        let scales = findings.ours.keys().chain(findings.theirs.keys());
        let scales = scales.map(|asset| (asset.clone(), view.books.scale(asset))).collect();
        self.end = Some(End { origin: state.origin().to_owned(), findings, scales });
        Ok(())
    }
}
