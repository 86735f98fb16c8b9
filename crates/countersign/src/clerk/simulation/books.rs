//! What a record adds up to, by its description alone: a model of its own, which shares no code with the fold.
//!
//! Not a judge of single decisions; the replay with `State::check` is.

use partnership::ids::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// Accounts, acts and entries, as the entries so far give them.
#[derive(Debug, Clone, Default)]
pub(super) struct Books {
    /// Debits posted, credits posted, debits pending, credits pending, by account.
    pub(super) accounts: BTreeMap<String, [i128; 4]>,
    pub(super) acts: BTreeMap<String, Known>,
    /// The kind of each entry and the act that it is of.
    pub(super) entries: Vec<(String, String)>,
    /// Where a lease stands; the first one there is.
    pub(super) lease: Option<usize>,
    reserved: BTreeMap<(String, u64), Reserved>,
    at: Timestamp,
}

/// What is known of an act.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) allowed: bool,
    pub(super) settled: bool,
    /// Whether its performer has said how it ended.
    pub(super) performed: bool,
    /// Where it was decided last, and when.
    pub(super) decided: usize,
    pub(super) at: Timestamp,
    /// Where it came to nothing, so that its idempotency key is free again.
    pub(super) freed: Option<usize>,
    waits: bool,
}

#[derive(Debug, Clone)]
struct Reserved {
    debit: String,
    credit: String,
    amount: i128,
}

impl Books {
    /// Takes the next entry in. Errors: what it breaks.
    pub(super) fn add(&mut self, kind: &str, parties: &[u8]) -> Result<(), String> {
        let part: Value = serde_json::from_slice(parties).map_err(|error| error.to_string())?;
        let act = text(&part["act"]["id"]);
        let at = ["act", "genesis", "clock", "tally", "state", "lease"].map(|field| &part[field]["at"]);
        let at = at.into_iter().find(|at| at.is_string()).map(text).unwrap_or_default();
        let at: Timestamp = at.parse().map_err(|_| format!("the entry's time is `{at}`"))?;
        if at < self.at {
            return Err(format!("time goes back from {} to {at}", self.at));
        }
        self.at = at;
        match kind {
            "decided" => self.decide(&act, &part)?,
            "settled" => self.settle(&act, &text(&part["what"]["ended"]))?,
            "lease" => self.lease = self.lease.or(Some(self.entries.len())),
            _ => {}
        }
        let money = if kind == "genesis" { &part["money"] } else { &part["money"]["transfers"] };
        for transfer in money.as_array().into_iter().flatten() {
            self.transfer(&act, transfer)?;
        }
        if kind == "settled" && self.reserved.range((act.clone(), 0)..=(act.clone(), u64::MAX)).count() > 0 {
            return Err(format!("act {act} is settled and still holds a reservation"));
        }
        self.entries.push((kind.to_owned(), act));
        Ok(())
    }

    /// The acts that are allowed and not settled.
    pub(super) fn open(&self) -> impl Iterator<Item = &String> {
        self.acts.iter().filter(|(_, known)| known.allowed && !known.settled).map(|(act, _)| act)
    }

    fn decide(&mut self, act: &str, part: &Value) -> Result<(), String> {
        let decision = text(&part["why"]["decision"]);
        let known = self.acts.entry(act.to_owned()).or_default();
        let again = std::mem::take(&mut known.waits) && decision != "escalate";
        if !again && self.entries.iter().any(|(kind, of)| kind == "decided" && of == act) {
            return Err(format!("act {act} is decided twice"));
        }
        (known.decided, known.at) = (self.entries.len(), self.at);
        known.allowed = decision == "allow";
        known.waits = decision == "escalate";
        Ok(())
    }

    fn settle(&mut self, act: &str, ended: &str) -> Result<(), String> {
        match self.acts.get_mut(act) {
            Some(known) if known.allowed && !known.settled => {
                (known.settled, known.performed) = (true, !["lost", "lapsed"].contains(&ended));
                known.freed = ["failed", "lost", "lapsed"].contains(&ended).then_some(self.entries.len());
            }
            Some(Known { settled: true, .. }) => return Err(format!("act {act} is settled twice")),
            _ => return Err(format!("act {act} is settled and was not allowed")),
        }
        Ok(())
    }

    fn transfer(&mut self, act: &str, transfer: &Value) -> Result<(), String> {
        let amount: i128 = text(&transfer["amount"]).parse().map_err(|_| "an amount is no integer")?;
        let (debit, credit) = (text(&transfer["debit"]), text(&transfer["credit"]));
        let leg = |field: &str| text(&transfer[field]).parse::<u64>().map_err(|_| "a leg is no number");
        match text(&transfer["op"]).as_str() {
            "move" => self.book(&debit, &credit, 0, amount),
            "reserve" => {
                self.book(&debit, &credit, 2, amount);
                let reserved = Reserved { debit: debit.clone(), credit, amount };
                self.reserved.insert((act.to_owned(), leg("leg")?), reserved);
            }
            op => {
                let pending = leg("pending")?;
                let reserved = self.reserved.remove(&(act.to_owned(), pending));
                let reserved =
                    reserved.ok_or_else(|| format!("act {act} ends leg {pending} that is not alive"))?;
                if (&reserved.debit, &reserved.credit) != (&debit, &credit) || amount > reserved.amount {
                    return Err(format!("act {act} takes {amount} of {} reserved", reserved.amount));
                }
                self.book(&debit, &credit, 2, -reserved.amount);
                if op == "post" {
                    self.book(&debit, &credit, 0, amount);
                }
            }
        }
        let guarded =
            (debit.ends_with(":available") || debit.ends_with(":undrawn")) && !debit.starts_with("memo:");
        let [debits, credits, pending, _] = self.accounts[&debit];
        if guarded && debits + pending > credits {
            return Err(format!("`{debit}` has {credits} and {debits} + {pending} are taken from it"));
        }
        Ok(())
    }

    fn book(&mut self, debit: &str, credit: &str, first: usize, amount: i128) {
        self.accounts.entry(debit.to_owned()).or_default()[first] += amount;
        self.accounts.entry(credit.to_owned()).or_default()[first + 1] += amount;
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned)
}
