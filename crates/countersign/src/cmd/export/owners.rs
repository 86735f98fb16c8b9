//! In whose books a transfer is, and whose act one is.
//!
//! What a clause of money moves is in the books of both its sides, a budget in those of the party whose calls it limits, what rounding left out and what the
//! operator bore in those of the operator and of the act's party. What nobody is named for is in everybody's.

use super::rows::Row;
use ledger::Transfer;
use partnership::Terms;
use partnership::act::{Administer, Of};
use partnership::ids::{ClauseId, PartyId};
use partnership::judge::dues::sides;
use partnership::memorandum::{Clause, Kind};
use partnership::registry::Registry;
use std::collections::{BTreeMap, BTreeSet};

/// What the record has said of whose things are. Nothing is forgotten: what is over still stands in the books.
#[derive(Debug, Default)]
pub(super) struct Owners {
    operator: Option<PartyId>,
    parties: BTreeSet<PartyId>,
    clauses: BTreeMap<ClauseId, BTreeSet<PartyId>>,
    keys: BTreeMap<String, PartyId>,
    budgets: BTreeMap<String, PartyId>,
}

/// The sides of a clause of money: who grants or owes, and who is granted or owed.
pub(super) fn between(clause: &Clause) -> Option<(&PartyId, &PartyId)> {
    match &clause.kind {
        Kind::ComputeCredit(grant) => Some((&grant.from, &grant.to)),
        _ => sides(clause),
    }
}

impl Owners {
    /// Takes over what a version of the memorandum says.
    pub(super) fn know_terms(&mut self, terms: &Terms) {
        self.operator = Some(terms.operator().clone());
        let memorandum = terms.memorandum();
        self.parties.extend(memorandum.header.parties.iter().map(|party| party.id.clone()));
        for clause in &memorandum.clauses {
            let Some((from, to)) = between(clause) else { continue };
            self.clauses.entry(clause.id.clone()).or_default().extend([from.clone(), to.clone()]);
        }
    }

    /// Takes over whose keys there are.
    pub(super) fn know_register(&mut self, registry: &Registry) {
        for key in registry.keys() {
            if let Some(application) = registry.application(&key.application) {
                self.keys.insert(key.id.to_string(), application.party.clone());
            }
        }
        for budget in registry.budgets() {
            let (of, whose) = (budget.set.of, budget.set.whose.as_str());
            let application = |name: &str| Some(registry.application(&name.into())?.party.clone());
            let party = match of {
                Of::Party => Some(PartyId::from(whose)),
                Of::Application | Of::EndUsers => application(whose),
                Of::Key => self.keys.get(whose).cloned(),
            };
            self.budgets.extend(party.map(|party| (budget.set.id.to_string(), party)));
        }
    }

    /// Takes over what an administrative act that is under way would say.
    pub(super) fn know_change(&mut self, change: &Administer, registry: &Registry) {
        if let Administer::KeyNew(key) = change
            && let Some(application) = registry.application(&key.application)
        {
            self.keys.insert(key.id.to_string(), application.party.clone());
        }
    }

    /// Whether there is or was such a party.
    pub(super) fn is_party(&self, party: &PartyId) -> bool {
        self.parties.contains(party)
    }

    /// All parties' names.
    pub(super) fn parties(&self) -> String {
        self.parties.iter().map(|party| format!("`{party}`")).collect::<Vec<_>>().join(", ")
    }

    /// Whether a transfer that was made for an act of `by` is in the books of `of`.
    pub(super) fn is_of(&self, transfer: &Transfer, by: Option<&PartyId>, of: &PartyId) -> bool {
        [&transfer.debit, &transfer.credit].into_iter().any(|account| {
            let name: &str = account.as_ref();
            let mut parts = name.strip_prefix("memo:").unwrap_or(name).split(':');
            let (head, middle) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            match (head, middle) {
                ("rounding", _) => by == Some(of) || self.operator.as_ref() == Some(of),
                (operator, "overrun") => by == Some(of) || operator == of.as_str(),
                // A key's own budget has one part more, that of a budget two or three.
                ("budget", id) => {
                    let owners = if parts.count() > 1 { &self.budgets } else { &self.keys };
                    owners.get(id).is_none_or(|owner| owner == of)
                }
                (_, clause) => self.is_named(clause, of),
            }
        })
    }

    /// Whether an act is of `of`: its own, or due under a clause that names it.
    pub(super) fn is_act_of(&self, row: &Row, of: &PartyId) -> bool {
        match &row.party {
            Some(party) => party == of,
            None => self.is_named(&row.about, of),
        }
    }

    /// Whether a clause names a party as a side; one that names none is everybody's.
    fn is_named(&self, clause: &str, of: &PartyId) -> bool {
        self.clauses.get(&ClauseId::from(clause)).is_none_or(|parties| parties.contains(of))
    }
}
